//! pivot's messages, as a dissector reads them that pivot has no part in.

use pivot_tests::lab::dissect::Dissected;
use pivot_tests::lab::{Family, Lab, Node, Topology, wait_until};

use super::adverts::Adverts;
use super::dialect::{BETTER, Dialect, SECRET, V2, V3, V3_IPV6, WORSE};

/// Messages that are looked at; the last one is the resignation.
const MESSAGES: usize = 4;

#[test]
fn v2_is_dissected() {
    assert_dissected(V2, true);
}

#[test]
fn v2_with_a_password_is_dissected() {
    assert_dissected(V2.with(SECRET), true);
}

#[test]
fn v3_is_dissected() {
    assert_dissected(V3, true);
}

#[test]
fn v3_without_the_pseudo_header_is_dissected() {
    assert_dissected(V3, false);
}

#[test]
fn v3_ipv6_is_dissected() {
    assert_dissected(V3_IPV6, true);
}

#[test]
fn unicast_is_dissected() {
    for dialect in [V2.unicast().with(SECRET), V3.unicast(), V3_IPV6.unicast()] {
        assert_dissected(dialect, true);
    }
}

fn assert_dissected(dialect: Dialect, pseudo_header: bool) {
    let lab = Lab::build(Topology { hosts: 2, ..Topology::default() }).unwrap();
    let mut config = dialect.pivot(&lab, &[BETTER, WORSE]);
    if let Some(lines) = config.elected.as_mut().filter(|_| !pseudo_header) {
        *lines += "\npseudo_header = false";
    }
    let (recording, adverts) = (lab.node("c2").record_vrrp().unwrap(), Adverts::of(&lab, "c1"));
    let mut pivot = lab.pivotd("c1", config).unwrap();
    adverts.await_more(MESSAGES);
    pivot.stop().unwrap();
    // The last one is the resignation; tcpdump writes down what it has got when it ends.
    wait_until(std::time::Duration::from_secs(10), "the resignation", || match adverts.priorities().last() {
        Some(0) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .unwrap();
    let recorded = recording.stop().unwrap();

    let messages = recorded.dissect(pseudo_header).unwrap();
    assert_eq!(messages.len(), adverts.all().len(), "{messages:?}");
    let (last, usual) = messages.split_last().unwrap();
    let expected = expected(dialect, lab.node("c1"), lab.node("c2"));
    for message in usual {
        assert_eq!(*message, expected);
    }
    assert_eq!(*last, Dissected { priority: "0".to_owned(), ..expected });

    // Of the two readings of version 3 over IPv4, the other one finds fault with the checksum.
    if dialect.family == Family::V4 && dialect.version == V3.version {
        let misread = recorded.dissect(!pseudo_header).unwrap();
        assert!(misread.iter().all(|message| message.checksum == "0" && !message.complaints.is_empty()), "{misread:?}");
    }
}

/// What every message of the holder is to say.
fn expected(dialect: Dialect, from: &Node, to: &Node) -> Dissected {
    let Dialect { version, family, unicast, password } = dialect;
    let centis = dialect.advert().as_millis() / 10;
    let is_v2 = version == V2.version;
    let group = if family == Family::V4 { "224.0.0.18" } else { "ff02::12" };
    let group_mac = if family == Family::V4 { "01:00:5e:00:00:12" } else { "33:33:00:00:00:12" };
    let speaks_from = match (family, unicast) {
        (Family::V6, false) => link_local(from),
        _ => from.address_in(family).to_string(),
    };
    let authentication = if password.is_some() { "1" } else { "0" };
    Dissected {
        mac: if unicast { to.mac.to_string() } else { group_mac.to_owned() },
        source: speaks_from,
        destination: if unicast { to.address_in(family).to_string() } else { group.to_owned() },
        hops: "255".to_owned(),
        version: version.number().to_string(),
        kind: "1".to_owned(),
        vrid: super::dialect::VRID.to_string(),
        priority: BETTER.priority.to_string(),
        count: "1".to_owned(),
        authentication: if is_v2 { authentication.to_owned() } else { String::new() },
        interval: if is_v2 { (centis / 100).to_string() } else { centis.to_string() },
        checksum: "1".to_owned(),
        addresses: family.vip().to_string(),
        password: password.unwrap_or_default().to_owned(),
        complaints: String::new(),
    }
}

/// The address that a host has by itself on its interface.
fn link_local(host: &Node) -> String {
    let said = host.netns().output("ip", &["-6", "-brief", "address", "show", "dev", host.interface, "scope", "link"]);
    let said = said.unwrap();
    let address = said.split_whitespace().nth(2).and_then(|prefix| prefix.split_once('/'));
    address.unwrap_or_else(|| panic!("no link-local address: {said}")).0.to_owned()
}
