//! What comes in: `run` and the long way alone, side by side, on copies of frames and tables.

use lb_common::path::verdict::Verdict;

use super::frame::frame;
use super::host::{Host, Way};
use super::input::Input;
use super::oracle::{Oracle, Passage};
use super::scene::{INTERFACES, Scene};

/// Steps of one input at most.
const STEPS: usize = 48;
/// Longest frame that is given raw.
const LONGEST: usize = 2_048;

/// Does what an input says and judges all of it; the verdicts in the order of the frames.
///
/// # Panics
/// At a violation.
pub fn run(input: &[u8]) -> Vec<Verdict> {
    let mut input = Input::new(input);
    let mut scene = Scene::read(&mut input);
    let mut host = Host::new(&scene);
    let mut oracle = Oracle::new(&scene);
    let mut verdicts = Vec::new();
    let mut last: Option<(u32, Vec<u8>)> = None;
    for _ in 0..STEPS {
        if input.is_empty() {
            break;
        }
        match step(&mut input) {
            Step::Frame => last = Some((interface(&mut input), frame(&mut input))),
            Step::Raw => last = Some((interface(&mut input), raw(&mut input).to_vec())),
            Step::Again(change) => {
                let (at, with) = if change { (usize::from(input.byte()), input.byte()) } else { (0, 0) };
                let byte = last.as_mut().and_then(|(_, frame)| frame.get_mut(at));
                byte.into_iter().for_each(|byte| *byte ^= with);
            }
            Step::Wait => {
                let jiffies = input.pick(&[1, 32, 256, 10_000, 31_000, 61_000, 1 << 29]);
                host.wait(jiffies);
                continue;
            }
            Step::Change => {
                let mut wanted = scene.clone();
                wanted.change(&mut input);
                // A writer without room for it leaves everything as it was.
                if host.configure(&wanted).is_ok() {
                    scene = wanted;
                    oracle.configured(&scene);
                }
                continue;
            }
            Step::Tamper => {
                let (which, change) = (usize::from(input.byte()), u64::from(u32::from_le_bytes(input.quad())));
                host.tamper(which, change);
                oracle.tampered();
                continue;
            }
        }
        let Some((interface, frame)) = &last else { continue };
        let (exit, left) = host.receives(Way::Any, frame, *interface);
        let long = host.receives(Way::Long, frame, *interface);
        assert_eq!((exit, &left), (long.0, &long.1), "the short way and the long way (right)");
        oracle.judge(&scene, &Passage { interface: *interface, came: frame, exit, left: &left });
        verdicts.push(exit.verdict);
    }
    host.must_agree();
    verdicts
}

/// What happens next.
enum Step {
    /// A frame, field by field.
    Frame,
    /// A frame, byte by byte.
    Raw,
    /// The last frame once more, a byte of it changed or not.
    Again(bool),
    /// Time passes.
    Wait,
    /// Something in the scene changes.
    Change,
    /// A flow's entry is overwritten.
    Tamper,
}

fn step(input: &mut Input<'_>) -> Step {
    match input.byte() % 16 {
        0..=6 => Step::Frame,
        7 | 8 => Step::Again(false),
        9 | 10 => Step::Again(true),
        11 => Step::Raw,
        12 => Step::Wait,
        13 | 14 => Step::Change,
        _ => Step::Tamper,
    }
}

fn interface(input: &mut Input<'_>) -> u32 {
    let [(first, ..), (second, ..)] = INTERFACES;
    input.pick(&[first, first, first, second])
}

pub(super) fn raw<'a>(input: &mut Input<'a>) -> &'a [u8] {
    let len = usize::from(u16::from_be_bytes(input.pair()));
    input.take(len.min(LONGEST))
}
