//! What the kernel's verifier has to go through before it accepts a program.

use std::io::{self, Write as _};

use super::rig::kernel::Kernel;
use super::rig::side::TABLES;

/// The kernel gives up at 1,000,000: this leaves older verifiers, which prune less, room for five times as much.
const MOST: u32 = 200_000;

#[test]
fn every_program_is_verified_within_a_fifth_of_what_the_kernel_allows() {
    for (name, instructions) in Kernel::take(&TABLES).instructions_verified() {
        // Past the test harness, which shows what a test prints only when it fails.
        writeln!(io::stderr(), "{name}: {instructions} instructions verified").unwrap();
        assert!(instructions < MOST, "{name}: {instructions} instructions, {MOST} at most");
    }
}
