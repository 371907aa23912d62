//! A network that is cut between the hosts makes several holders, as with any VRRP; they end when it heals.

use std::time::Duration;

use pivot_tests::lab::{Cluster, Family, wait_until};

/// What everything takes that is not the protocol: a busy machine.
const SLACK: Duration = Duration::from_millis(50);
/// Cuts and heals in a row: who speaks first when it heals is chance.
const TIMES: usize = 6;

const ADVERT: Duration = Duration::from_millis(100);
const HOSTS: [&str; 3] = ["c1", "c2", "c3"];

#[test]
fn several_holders_of_a_cut_network_end_within_an_advert_of_its_healing() {
    healed(Family::V4);
}

#[test]
fn several_holders_of_a_cut_network_end_within_an_advert_of_its_healing_over_ipv6() {
    healed(Family::V6);
}

fn healed(family: Family) {
    let cluster = Cluster::elected(family, ADVERT).unwrap();
    let (vip, client) = (family.vip(), cluster.client());
    for time in 0..TIMES {
        let watcher = client.watch(vip).unwrap();
        cluster.lab.set_cut(&HOSTS, true).unwrap();
        for host in HOSTS {
            watcher.await_answer_of(cluster.lab.node(host)).unwrap();
        }
        // Phases between their adverts differ from time to time.
        std::thread::sleep(ADVERT * time as u32 / TIMES as u32);
        // It believes the host that is to step down.
        let stale = cluster.lab.node(HOSTS[1 + time % 2]);
        client.believe(vip, stale.mac).unwrap();
        let before = watcher.now();
        cluster.lab.set_cut(&HOSTS, false).unwrap();
        let healed = watcher.now();
        let best = cluster.lab.node("c1");
        wait_until(Duration::from_secs(2), "the client's entry to be mended", || {
            let believed = client.believed(vip).map_err(|error| format!("{error:#}"))?;
            if believed == Some(best.mac) { Ok(()) } else { Err(format!("{believed:?}")) }
        })
        .unwrap_or_else(|error| panic!("time {time}: {error:#}{}", pivot_tests::lab::trial::story(&cluster)));
        cluster.await_holder("c1").unwrap();
        let seen = watcher.stop().unwrap();

        // All answer each question, and the watcher sees that it is not one after the other.
        assert!(seen.reigns().len() > 3 * HOSTS.len() && seen.doubled() > HOSTS.len(), "time {time}: {seen}");
        let limit = healed + ADVERT + SLACK;
        for host in &HOSTS[1..] {
            let late = seen.answered(cluster.lab.node(host).mac, limit..Duration::MAX);
            assert_eq!(late, 0, "time {time}: {host} held on, healed at {healed:?}: {seen}");
        }
        let announced = |mac| seen.announcements.iter().filter(move |it| it.mac == mac && it.at >= before);
        let first = announced(best.mac).next().map(|it| it.at);
        assert!(
            first.is_some_and(|first| first <= limit),
            "time {time}: c1 announced itself at {first:?}, not by {limit:?}"
        );
        // Whoever stepped down has not the last word.
        let last = seen.announcements.iter().map(|it| it.mac).next_back();
        assert_eq!(last, Some(best.mac), "time {time}: {:?}", seen.announcements);
    }
}
