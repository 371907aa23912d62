//! Packets and successors between any two steps of the writer.

use super::*;
use BackendState::{Down, Drain, Up};
use proptest::prelude::*;

/// The steps that bring a writer's tables to an image.
fn steps(writer: &Writer, image: &Image) -> Vec<Step> {
    plan::plan(&writer.books, &writer.memory, CLOCK, &Wanted::of(image, CLOCK).unwrap()).unwrap().1
}

/// Services on ports 80 to 83, some with backends, some absent; the first always has a healthy backend 1.
fn images() -> impl Strategy<Value = Image> {
    let state = prop_oneof![Just(Up), Just(Up), Just(Drain), Just(Down)];
    let backends = prop::collection::btree_map(1_u8..6, state, 0..5);
    prop::collection::vec(prop::option::of(backends), 4).prop_map(|services| {
        let services = (80..).zip(services).filter_map(|(port, backends)| {
            let mut backends = backends.or_else(|| (port == 80).then(Default::default))?;
            if port == 80 {
                backends.insert(1, Up);
            }
            Some(service(port, &backends.into_iter().collect::<Vec<_>>()))
        });
        image(services.collect())
    })
}

/// Whether a service takes flows in an image.
fn healthy(image: &Image, port: u16) -> bool {
    image.services.iter().any(|service| service.port == port && !service.table.is_empty())
}

/// New and old flows after every step; `flows` are those of service 80 that backend 1 was given.
fn judge(memory: &TableMemory, between: [&Image; 2], flows: &[u16], client: &mut u16) -> Result<(), TestCaseError> {
    for port in (80..84).filter(|port| between.iter().all(|image| healthy(image, *port))) {
        for _ in 0..4 {
            *client += 1;
            let (verdict, to) = send(memory, *client, 1, port, SYN);
            prop_assert_eq!(verdict, Verdict::Forwarded, "port {}", port);
            prop_assert_eq!(to, mac(port, to.0[5]), "port {}", port);
        }
    }
    for client in flows {
        prop_assert_eq!(send(memory, *client, 1, 80, ACK), (Verdict::Forwarded, mac(80, 1)));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn no_step_is_seen_by_packets_and_any_can_be_the_last(images in prop::collection::vec(images(), 2..5)) {
        // Little room, so that records are used again.
        let mut writer = writer(6, 16);
        let mut client = 10_000;
        writer.apply(&images[0]).unwrap();
        let flows: Vec<u16> =
            (1..50).filter(|client| send(writer.memory(), *client, 1, 80, SYN).1 == mac(80, 1)).collect();
        for pair in images.windows(2) {
            let steps = steps(&writer, &pair[1]);
            // Each step is taken, and after it another daemon takes over and takes all that are left.
            for step in &steps {
                step.write(&mut writer.memory);
                judge(&writer.memory, [&pair[0], &pair[1]], &flows, &mut client)?;
                let heap = TableMemory::heap(&sizes(6, 16), CLOCK);
                let (mut successor, _) = self::successor(copy(&writer.memory, heap));
                while let Some(step) = successor.pending.pop_front() {
                    step.write(&mut successor.memory);
                    judge(&successor.memory, [&pair[0], &pair[1]], &[], &mut client)?;
                }
                for step in self::steps(&successor, &pair[1]) {
                    step.write(&mut successor.memory);
                    judge(&successor.memory, [&pair[0], &pair[1]], &[], &mut client)?;
                }
            }
            writer = self::successor(writer.memory).0;
            writer.apply(&pair[1]).unwrap();
        }
    }
}

/// What packets are led by, in other memory; without flows.
fn copy(from: &TableMemory, mut to: TableMemory) -> TableMemory {
    to.control.write(0, from.control_record().clone());
    (0..from.pilots.len()).for_each(|i| to.pilots.write(i, *from.pilots.get(i).unwrap()));
    (0..from.directory.len()).for_each(|i| to.directory.write(i, *from.directory.get(i).unwrap()));
    for (from, to) in from.vips.iter().zip(to.vips.iter()) {
        to.lease.set(from.lease.get());
        to.elsewhere.set(from.elsewhere.get());
    }
    (0..from.controllers.len()).for_each(|i| to.controllers.write(i, from.controllers.get(i).unwrap().clone()));
    (0..from.services.len()).for_each(|i| to.services.write(i, from.services.get(i).unwrap().clone()));
    (0..from.maglev.len()).for_each(|i| to.maglev.write(i, *from.maglev.get(i).unwrap()));
    (0..from.backends.len()).for_each(|i| to.backends.write(i, from.backends.get(i).unwrap().clone()));
    to.links.write(INTERFACE as usize, from.links.get(INTERFACE as usize).unwrap().clone());
    to
}
