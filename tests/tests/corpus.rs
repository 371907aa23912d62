//! The fuzzer's corpus, and the seeds that it began with, on the compiler that pivot is built with.

use std::collections::BTreeSet;

use lb_common::path::verdict::Verdict;
use pivot_tests::fuzz::adverts::{self, Heard};
use pivot_tests::fuzz::{corpus, edges, incoming, seeds};

/// Verdicts of the steering programs in the kernel, which the path does not know.
const STEERING: [Verdict; 5] =
    [Verdict::Steered, Verdict::SteerNoListener, Verdict::ListenerFound, Verdict::SteerFallback, Verdict::SteerRefused];
/// What becomes of what finds no socket, of which area `frames` is the judge.
const UNTAKEN: [Verdict; 1] = [Verdict::HandedBack];

fn replay(inputs: &[Vec<u8>], run: impl Fn(&[u8]) -> Vec<Verdict>) -> BTreeSet<&'static str> {
    inputs.iter().flat_map(|input| run(input)).map(Verdict::name).collect()
}

#[test]
fn no_input_of_the_corpus_breaks_a_rule_and_with_the_seeds_they_reach_every_verdict() {
    let mut reached = replay(&corpus::read("incoming").unwrap(), incoming::run);
    reached.extend(replay(&seeds::incoming(), incoming::run));
    reached.extend(replay(&corpus::read("edges").unwrap(), edges::run));
    let unknown = |verdict: &Verdict| STEERING.contains(verdict) || UNTAKEN.contains(verdict);
    let expected = Verdict::ALL.iter().filter(|verdict| !unknown(verdict)).map(|verdict| verdict.name());
    assert_eq!(reached, expected.collect());
}

#[test]
fn seeds_reach_what_they_were_written_for() {
    let reached = replay(&seeds::incoming(), incoming::run);
    for verdict in [
        Verdict::Forwarded,
        Verdict::Redirected,
        Verdict::Local,
        Verdict::Unresolved,
        Verdict::ResetNoBackend,
        Verdict::ResetBackendDown,
        Verdict::ResetUnheard,
        Verdict::UnreachableNoBackend,
        Verdict::Solicitation,
        Verdict::SolicitationSilenced,
        Verdict::NotHeld,
        Verdict::EchoNotHeld,
        Verdict::PassedOn,
        Verdict::PassedOnBeyond,
        Verdict::HolderUnknown,
        Verdict::SecondChoice,
        Verdict::SecondChoiceBeyond,
        Verdict::SecondChoiceLocal,
        Verdict::NoChoiceLeft,
        Verdict::ReturnedByStranger,
        Verdict::ReturnedUnplaced,
    ] {
        assert!(reached.contains(verdict.name()), "{}", verdict.name());
    }
    replay(&seeds::edges(), edges::run);
}

#[test]
fn no_message_breaks_a_rule_of_vrrp_and_they_end_in_every_way() {
    let inputs = corpus::read("adverts").unwrap().into_iter().chain(seeds::adverts());
    let heard: BTreeSet<Heard> = inputs.flat_map(|input| adverts::run(&input)).collect();
    assert_eq!(heard, BTreeSet::from([Heard::Ignored, Heard::Noted, Heard::Answered]));
}
