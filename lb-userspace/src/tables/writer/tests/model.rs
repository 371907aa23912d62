//! Random sequences of images against a model of what packets may meet.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::*;
use BackendState::{Down, Drain, Up};

/// Backends of each service by VIP and port, and the VIPs that are held.
#[derive(Debug, Clone)]
struct Model {
    vips: BTreeMap<u8, bool>,
    services: BTreeMap<(u8, u16), BTreeMap<u8, BackendState>>,
}

impl Model {
    fn image(&self) -> Image {
        let vips = self.vips.iter().map(|(number, held)| VipImage { hold: Hold::from(*held), ..vip(*number) });
        let services = self.services.iter().map(|((vip, port), backends)| {
            service_on(*vip, *port, backends.iter().map(|(number, state)| backend(*port, *number, *state)).collect())
        });
        Image { vips: vips.collect(), services: services.collect(), ..Image::default() }
    }
}

fn models() -> impl Strategy<Value = Model> {
    let state = prop_oneof![3 => Just(Up), 1 => Just(Drain), 1 => Just(Down)];
    let backends = prop::collection::btree_map(1_u8..9, state, 0..5);
    let services = prop::collection::btree_map((1_u8..4, 80_u16..84), backends, 0..5);
    (prop::collection::btree_map(1_u8..4, prop::bool::weighted(0.8), 1..4), services).prop_map(
        |(vips, mut services)| {
            services.retain(|(vip, _), _| vips.contains_key(vip));
            Model { vips, services }
        },
    )
}

/// A flow: client port, VIP, port of the service.
type Flow = (u16, u8, u16);

/// What a segment of no flow may meet.
fn expect_new(model: &Model, (_, vip, port): Flow, met: (Verdict, Mac)) -> Result<(), TestCaseError> {
    let Some(backends) = model.services.get(&(vip, port)) else {
        prop_assert_eq!(met.0, Verdict::NotService);
        return Ok(());
    };
    let up: Vec<Mac> = backends.iter().filter(|(_, s)| **s == Up).map(|(number, _)| mac(port, *number)).collect();
    match model.vips[&vip] {
        false => prop_assert_eq!(met.0, Verdict::HolderUnknown),
        true if up.is_empty() => prop_assert_eq!(met.0, Verdict::ResetNoBackend),
        true => prop_assert!(met.0 == Verdict::Forwarded && up.contains(&met.1), "{:?}, not {:?}", met, up),
    }
    Ok(())
}

/// What a segment of a flow that was given `number` must meet.
fn expect_old(
    model: &Model,
    writer: &Writer,
    flow @ (_, vip, port): Flow,
    number: u8,
    met: (Verdict, Mac),
) -> Result<(), TestCaseError> {
    let state = model.services.get(&(vip, port)).and_then(|backends| backends.get(&number));
    match state {
        Some(Up | Drain) if model.vips[&vip] => prop_assert_eq!(met, (Verdict::Forwarded, mac(port, number))),
        Some(Down) if model.vips[&vip] => prop_assert_eq!(met.0, Verdict::ResetBackendDown),
        Some(_) => prop_assert_eq!(met.0, Verdict::HolderUnknown),
        // It has left: its flows live on while its record does, then they are chosen anew.
        None => {
            let service = writer.service_index(&(vip_address(vip).into(), port, Protocol::Tcp));
            let bound = SocketAddr::new(Ipv4Addr::new(10, 0, 0, number).into(), port);
            match service.and_then(|service| writer.backend_index(service, bound)) {
                Some(_) if model.vips[&vip] => {
                    let lives_on = met == (Verdict::Forwarded, mac(port, number));
                    prop_assert!(lives_on || met.0 == Verdict::ResetBackendDown, "{:?}", met);
                }
                _ => expect_new(model, flow, met)?,
            }
        }
    }
    Ok(())
}

fn check(writer: &Writer, before: &Snapshot, after: Result<(), TableError>) -> Result<bool, TestCaseError> {
    if let Err(error) = &after {
        prop_assert_eq!(&snapshot(writer.memory()), before, "{}", error);
    }
    Ok(after.is_ok())
}

proptest! {
    #[test]
    fn every_packet_meets_what_the_image_says(
        models in prop::collection::vec((models(), prop::bool::weighted(0.2)), 1..12),
    ) {
        // Little room: records and lines are used again, and some images do not fit.
        let mut writer = writer(8, 16);
        let mut flows: HashMap<Flow, u8> = HashMap::new();
        let mut model = Model { vips: BTreeMap::new(), services: BTreeMap::new() };
        let mut client = 1;
        for (next, restart) in models {
            if restart {
                writer = successor(writer.memory).0;
                writer.carry_on().unwrap();
            }
            let before = snapshot(writer.memory());
            let applied = writer.apply(&next.image());
            if check(&writer, &before, applied)? {
                model = next;
            }
            let mut lost = Vec::new();
            for (flow, number) in &flows {
                let met = send(writer.memory(), flow.0, flow.1, flow.2, ACK);
                expect_old(&model, &writer, *flow, *number, met)?;
                // Chosen anew, or of a service that is gone: no longer a flow of that backend.
                if met != (Verdict::Forwarded, mac(flow.2, *number)) {
                    lost.push(*flow);
                }
            }
            lost.iter().for_each(|flow| _ = flows.remove(flow));
            for (vip, port) in (1..4).flat_map(|vip| (80..84).map(move |port| (vip, port))) {
                for _ in 0..4 {
                    client += 1;
                    let met = send(writer.memory(), client, vip, port, SYN);
                    if !model.vips.contains_key(&vip) {
                        prop_assert_eq!(met.0, Verdict::NotService);
                        continue;
                    }
                    expect_new(&model, (client, vip, port), met)?;
                    if met.0 == Verdict::Forwarded {
                        flows.insert((client, vip, port), met.1.0[5]);
                    }
                }
            }
        }
    }
}
