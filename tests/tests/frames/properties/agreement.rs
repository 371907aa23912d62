//! The kernel and the host build agree: whatever comes in, whatever the tables hold, however they change in between.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use lb_common::wire::pace::Limits;
use lb_userspace::core::config::model::TableSizes;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::any::{frame, full_scene, seeded, sent};
use crate::frames::rig::director::Director;
use crate::frames::rig::kernel::SHORTEST;
use crate::frames::rig::scene::Scene;
use crate::frames::rig::side::{Hook, TABLES};

/// Sequences of steps, each over empty tables.
const SEQUENCES: u32 = 160;
/// Steps of a sequence.
const STEPS: std::ops::Range<usize> = 20..60;

/// A table in which flows meet: two sets of IPv4, four of IPv6.
const SMALL: TableSizes = TableSizes { flows: 8, ..TABLES };

#[derive(Debug, Clone)]
enum Step {
    Configure(Scene),
    Receive(Hex),
    Send(Hex),
    /// So many seconds.
    Wait(u64),
    Limit(bool),
}

/// A frame, printed short enough to be read.
#[derive(Clone)]
struct Hex(Vec<u8>);

impl fmt::Debug for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[test]
fn kernel_and_host_agree_on_any_frames_over_any_tables() {
    let config = Config { max_shrink_iters: 200, ..seeded(SEQUENCES) };
    let (frames, verdicts) = (Cell::new(0), RefCell::new(BTreeMap::new()));
    let result = TestRunner::new(config).run(&(full_scene(), vec(step(), STEPS)), |(scene, steps)| {
        let mut pivot = Director::sized(&SMALL, scene);
        for (i, step) in steps.into_iter().enumerate() {
            let agreed = match &step {
                Step::Configure(scene) => {
                    pivot.configure(scene.clone());
                    Ok(())
                }
                Step::Wait(seconds) => {
                    pivot.waits(Duration::from_secs(*seconds));
                    Ok(())
                }
                Step::Limit(some) => {
                    // A number in between would depend on how many fall into one window.
                    let most = if *some { 0 } else { u32::MAX };
                    pivot.limits(Limits { flows: most, errors: most });
                    Ok(())
                }
                Step::Receive(frame) => pivot.agrees(Hook::Incoming, &frame.0),
                Step::Send(frame) => pivot.agrees(Hook::Outgoing, &frame.0),
            };
            agreed.map_err(|difference| TestCaseError::fail(format!("step {i}, {step:?}:\n{difference}")))?;
            frames.set(frames.get() + u32::from(matches!(step, Step::Receive(_) | Step::Send(_))));
        }
        for (verdict, packets) in &pivot.observed()[0].1.verdicts {
            *verdicts.borrow_mut().entry(*verdict).or_insert(0) += packets;
        }
        Ok(())
    });
    println!("{} frames: {:?}", frames.get(), verdicts.borrow());
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => full_scene().prop_map(Step::Configure),
        20 => frame().prop_map(|frame| Step::Receive(Hex(long_enough(frame, Hook::Incoming)))),
        2 => sent().prop_map(|frame| Step::Send(Hex(long_enough(frame, Hook::Outgoing)))),
        1 => prop_oneof![Just(5_u64), Just(25), Just(70), Just(400)].prop_map(Step::Wait),
        1 => any::<bool>().prop_map(Step::Limit),
    ]
}

/// Pads a frame that BPF_PROG_TEST_RUN would refuse: it takes none without an Ethernet header, and at TC none of IP
/// without a whole IP header.
fn long_enough(mut frame: Vec<u8>, hook: Hook) -> Vec<u8> {
    frame.resize(frame.len().max(SHORTEST), 0);
    let network = match (hook, &frame[12..SHORTEST]) {
        (Hook::Outgoing, [0x08, 0x00]) => 20,
        (Hook::Outgoing, [0x86, 0xdd]) => 40,
        _ => 0,
    };
    frame.resize(frame.len().max(SHORTEST + network), 0);
    frame
}
