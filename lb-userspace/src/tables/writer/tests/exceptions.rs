//! Flows that the tables alone would lead elsewhere: what is told of them, and what another host makes of it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::core::config::model::Affinity;
use crate::core::sync::record::{Record, Subject};
use crate::tables::exceptions::take::Taken;
use crate::tables::exceptions::walk::Walk;
use BackendState::Up;

/// A host whose packet path tells the time that its writer tells.
fn host() -> Writer {
    let writer = writer(8, 32);
    writer.memory().now.set(CLOCK.jiffies());
    writer
}

fn vips() -> BTreeSet<IpAddr> {
    BTreeSet::from([vip_address(1).into()])
}

/// All that a host tells of, over steps of a few sets.
fn exceptions(writer: &Writer) -> Vec<Record> {
    let mut walk = Walk::new(writer.services_of(&vips()));
    let mut found = Vec::new();
    while walk.step(writer.memory(), CLOCK, 100, &mut found) {}
    found
}

/// Opens connections; the backend of each, from client port 1 on.
fn connect(writer: &Writer, clients: u16) -> Vec<u8> {
    let connect = |client| {
        let backend = forwarded(writer, client, 80, SYN);
        assert_eq!(forwarded(writer, client, 80, ACK), backend);
        backend
    };
    (1..=clients).map(connect).collect()
}

/// The backends of the same connections on a host that may not have seen them.
fn led(writer: &Writer, clients: u16) -> Vec<u8> {
    (1..=clients).map(|client| forwarded(writer, client, 80, ACK)).collect()
}

fn web(backends: &[u8]) -> Image {
    let backends: Vec<_> = backends.iter().map(|number| (*number, Up)).collect();
    image(vec![service(80, &backends)])
}

#[test]
fn the_flow_tables_of_a_service_that_never_changed_hold_no_exception() {
    let mut here = host();
    here.apply(&web(&[1, 2, 3])).unwrap();
    connect(&here, 500);
    assert_eq!(exceptions(&here), []);
}

#[test]
fn another_host_that_was_told_leads_every_flow_as_this_one_does() {
    let (mut here, mut there) = (host(), host());
    here.apply(&web(&[1, 2, 3])).unwrap();
    // Other indexes for everything.
    let web = service(80, &[(3, Up), (1, Up), (2, Up)]);
    there.apply(&image(vec![service(22, &[(9, Up), (8, Up)]), web])).unwrap();
    let before = connect(&here, 500);
    let changed = image(vec![service(80, &[(5, Up), (4, Up), (3, Up), (2, Up)]), service(22, &[(9, Up), (8, Up)])]);
    here.apply(&changed).unwrap();
    there.apply(&changed).unwrap();
    assert_eq!(led(&here, 500), before);

    let told = exceptions(&here);
    let astray = (1..=500).filter(|client| {
        let mut alone = host();
        alone.apply(&changed).unwrap();
        forwarded(&alone, *client, 80, ACK) != before[usize::from(*client) - 1]
    });
    assert_eq!(told.len(), astray.count());
    for record in &told {
        assert_eq!(there.take_flow(record, false), Some(Taken::Stored), "{record:?}");
        assert!(record.left > Duration::from_secs(55) && record.left <= Duration::from_secs(65), "{record:?}");
    }
    assert_eq!(led(&there, 500), before);
    let again = exceptions(&there);
    assert_eq!(again.len(), told.len(), "the next holder tells the one after it");
}

#[test]
fn what_anyone_can_make_up_is_not_told() {
    let mut here = host();
    here.apply(&web(&[1, 2])).unwrap();
    for client in 1..500 {
        forwarded(&here, client, 80, SYN);
    }
    here.apply(&web(&[3])).unwrap();
    assert_eq!(exceptions(&here), []);
}

#[test]
fn a_host_that_forwards_a_flow_itself_knows_better() {
    let (mut here, mut there) = (host(), host());
    for writer in [&mut here, &mut there] {
        writer.apply(&web(&[1, 2])).unwrap();
    }
    let before = connect(&here, 100);
    here.apply(&web(&[1, 2, 3, 4])).unwrap();
    let told = exceptions(&here);
    assert!(!told.is_empty());
    assert_eq!(connect(&there, 100), before);
    let outcomes: Vec<_> = told.iter().map(|record| there.take_flow(record, true)).collect();
    assert!(outcomes.iter().all(|outcome| *outcome == Some(Taken::Known)), "{outcomes:?}");
}

#[test]
fn a_record_of_what_is_not_configured_here_is_left() {
    let mut here = host();
    here.apply(&web(&[1])).unwrap();
    let record = |port, backend: u8| Record {
        service: endpoint(port),
        subject: Subject::Flow(([10, 9, 9, 9], 7).into()),
        backend: ([10, 0, 0, backend], 80).into(),
        closing: false,
        left: Duration::from_secs(9),
    };
    assert_eq!(here.take_flow(&record(80, 1), false), Some(Taken::Stored));
    assert_eq!(here.take_flow(&record(81, 1), false), None);
    assert_eq!(here.take_flow(&record(80, 2), false), None);
}

#[test]
fn what_a_former_holder_knew_is_forgotten_unless_it_is_told_again() {
    let mut here = host();
    here.apply(&web(&[1, 2])).unwrap();
    connect(&here, 100);
    here.apply(&web(&[1, 2, 3, 4])).unwrap();
    let told = exceptions(&here);
    here.fade_flows(&vips(), Duration::from_secs(30));
    let faded = exceptions(&here);
    assert_eq!(faded.len(), told.len());
    assert!(faded.iter().all(|record| record.left <= Duration::from_secs(31)), "{faded:?}");
    assert_eq!(here.take_flow(&told[0], false), Some(Taken::Stored));
    let longest = exceptions(&here).into_iter().map(|record| record.left).max();
    assert!(longest > Some(Duration::from_secs(55)), "{longest:?}");
    here.fade_flows(&BTreeSet::new(), Duration::ZERO);
    assert_eq!(exceptions(&here).len(), told.len());
}

#[test]
fn clients_with_affinity_and_their_flows_go_where_they_went() {
    let sticky = |backends: &[u8]| {
        let mut image = web(backends);
        image.services[0].affinity = Some(Affinity { timeout: Duration::from_secs(600), prefix4: 32, prefix6: 128 });
        image
    };
    let (mut here, mut there) = (host(), host());
    here.apply(&sticky(&[1, 2])).unwrap();
    let before = connect(&here, 20);
    assert!(before.iter().all(|backend| *backend == before[0]), "one client");
    assert_eq!(exceptions(&here), []);
    let other = 3 - before[0];
    here.apply(&sticky(&[other, 7, 8, 9, before[0]])).unwrap();
    there.apply(&sticky(&[other, 7, 8, 9, before[0]])).unwrap();
    let told = exceptions(&here);
    if forwarded(&there, 1000, 80, SYN) == before[0] {
        assert_eq!(told, [], "the tables lead this client as they did");
        return;
    }
    let clients = told.iter().filter(|record| matches!(record.subject, Subject::Client(_))).count();
    assert_eq!((clients, told.len()), (1, 21));
    told.iter().for_each(|record| assert_eq!(there.take_flow(record, false), Some(Taken::Stored)));
    assert_eq!(led(&there, 20), before);
    assert_eq!(forwarded(&there, 999, 80, SYN), before[0], "a new flow of the client");
}
