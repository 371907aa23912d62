//! The neighbour watch: what it reports, and what it makes the kernel do.

use std::time::{Duration, Instant};

use lb_userspace::core::event::Mac;

use crate::segment::{
    PEER, PEER_MAC, PEER6, Watch, dropped_messages, eventually, json, on_a_segment, run, run_with_input, set_neighbour,
};

/// What the peer changes its MAC to.
const NEW_MAC: Mac = Mac([2, 0, 0, 0, 0, 0x22]);

/// The kernel asks once only, and does not wait long.
fn hurry() {
    set_neighbour("ucast_solicit", 1);
    set_neighbour("mcast_solicit", 1);
    set_neighbour("retrans_time_ms", 100);
}

#[test]
fn a_neighbour_is_resolved_without_traffic() {
    on_a_segment(|_| async {
        let mut watch = Watch::start().await;
        for address in [PEER, PEER6] {
            watch.resolve(address).await;
        }
    });
}

#[test]
fn a_mac_that_changes_without_a_word_is_noticed() {
    on_a_segment(|lab| async move {
        let mut watch = Watch::start().await;
        for address in [PEER, PEER6] {
            watch.resolve(address).await;
        }
        run(&format!("ip -n {} link set eth0 address {NEW_MAC}", lab.peer));
        let changed = Instant::now();
        let mut found = [watch.next().await, watch.next().await];
        found.sort_by_key(|change| change.address);
        assert_eq!(found, [PEER, PEER6].map(|address| watch.neighbour(address, Some(NEW_MAC))));
        // The kernel by itself believes an entry for 15 s at least, and for ever if nothing uses it.
        assert!(changed.elapsed() < Duration::from_secs(15), "only after {:?}", changed.elapsed());
    });
}

#[test]
fn a_stale_entry_is_verified_and_corrected() {
    on_a_segment(|_| async {
        hurry();
        let mut watch = Watch::start().await;
        for address in [PEER, PEER6] {
            let wrong = Mac([2, 0, 0, 0, 0, 0x77]);
            run(&format!("ip neigh replace {address} lladdr {wrong} dev eth0 nud stale"));
            watch.resolver.resolve(watch.index, address);
            assert_eq!(watch.next().await, watch.neighbour(address, Some(wrong)));
            assert_eq!(watch.next().await, watch.neighbour(address, Some(PEER_MAC)));
        }
    });
}

#[test]
fn a_stale_entry_that_is_right_is_confirmed_and_keeps_its_marks() {
    on_a_segment(|_| async {
        let watch = Watch::start().await;
        run(&format!("ip neigh replace {PEER} lladdr {PEER_MAC} dev eth0 router nud stale"));
        watch.resolver.resolve(watch.index, PEER);
        eventually("the entry is confirmed", || state_of("10.0.0.2") == "REACHABLE").await;
        assert!(json("ip -j neigh show 10.0.0.2")[0].get("router").is_some(), "it is no router any more");
    });
}

#[test]
fn a_flushed_neighbour_is_resolved_again_and_its_mac_holds() {
    on_a_segment(|_| async {
        let mut watch = Watch::start().await;
        for address in [PEER, PEER6] {
            watch.resolve(address).await;
            run(&format!("ip neigh del {address} dev eth0"));
            eventually("it is resolved again", || state_of(&address.to_string()) == "REACHABLE").await;
            watch.resolver.forget(watch.index, address);
        }
        run("ip neigh add 10.0.0.50 lladdr 02:00:00:00:00:50 dev eth0 nud permanent");
        let address = "10.0.0.50".parse().unwrap();
        watch.resolver.resolve(watch.index, address);
        let last = watch.neighbour(address, Some(Mac([2, 0, 0, 0, 0, 0x50])));
        assert_eq!(watch.next().await, last, "a flushed one was reported");
    });
}

#[test]
fn a_dead_neighbour_is_reported_and_found_when_it_is_back() {
    on_a_segment(|lab| async move {
        hurry();
        let mut watch = Watch::start().await;
        for (address, configured) in [(PEER, "10.0.0.2/24"), (PEER6, "fd00::2/64")] {
            watch.resolve(address).await;
            // The far end neither answers nor loses our carrier.
            run(&format!("ip -n {} address del {configured} dev eth0", lab.peer));
            assert_eq!(watch.next().await, watch.neighbour(address, None));
            run(&format!("ip -n {} address add {configured} dev eth0 nodad", lab.peer));
            assert_eq!(watch.next().await, watch.neighbour(address, Some(PEER_MAC)));
            watch.resolver.forget(watch.index, address);
        }
    });
}

#[test]
fn an_entry_of_somebody_else_stays_as_it_is() {
    on_a_segment(|_| async {
        let mut watch = Watch::start().await;
        for (address, how, shown) in [
            ("10.0.0.50", "nud permanent", "PERMANENT"),
            ("fd00::50", "nud permanent", "PERMANENT"),
            ("10.0.0.51", "extern_learn nud stale", "STALE"),
        ] {
            run(&format!("ip neigh add {address} lladdr 02:00:00:00:00:50 dev eth0 {how}"));
            watch.resolver.resolve(watch.index, address.parse().unwrap());
            let mac = Some(Mac([2, 0, 0, 0, 0, 0x50]));
            assert_eq!(watch.next().await, watch.neighbour(address.parse().unwrap(), mac));
            // What was asked for first was handled first: after this answer the other entry has had its turn.
            watch.resolve(PEER).await;
            watch.resolver.forget(watch.index, PEER);
            assert_eq!(state_of(address), shown, "{address}");
        }
    });
}

#[test]
fn a_forgotten_neighbour_is_reported_no_more() {
    on_a_segment(|_| async {
        let mut watch = Watch::start().await;
        watch.resolve(PEER).await;
        watch.resolver.forget(watch.index, PEER);
        watch.resolve(PEER6).await;
        for address in [PEER, PEER6] {
            run(&format!("ip neigh replace {address} lladdr {NEW_MAC} dev eth0 nud permanent"));
        }
        assert_eq!(watch.next().await, watch.neighbour(PEER6, Some(NEW_MAC)), "the forgotten one came first");
    });
}

#[test]
fn a_change_is_not_missed_when_the_kernel_drops_events() {
    on_a_segment(|_| async {
        let mut watch = Watch::start().await;
        watch.resolve(PEER).await;

        // The runtime has this one thread: while it waits for `ip`, nobody reads the socket, and it overflows long
        // before the change that counts, which is the last.
        let mut batch = String::new();
        for n in 0..4000 {
            let mac = n % 250;
            batch += &format!("neigh replace 10.0.0.60 lladdr 02:00:00:00:06:{mac:02x} dev eth0 nud permanent\n");
        }
        batch += &format!("neigh replace {PEER} lladdr {NEW_MAC} dev eth0 nud permanent\n");
        run_with_input("ip -batch -", &batch);
        assert!(dropped_messages(), "the kernel dropped nothing: this test shows nothing");

        assert_eq!(watch.next().await, watch.neighbour(PEER, Some(NEW_MAC)));
    });
}

/// The state of an entry of the calling thread's namespace; empty if there is none.
fn state_of(address: &str) -> String {
    let shown = json(&format!("ip -j neigh show {address}"));
    shown[0]["state"][0].as_str().unwrap_or_default().to_owned()
}
