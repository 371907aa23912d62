//! What the kernel's verifier has to go through before it accepts a program.

use std::io::{self, Write as _};

use lb_userspace::io::datapath::verify;

/// The kernel gives up at 1,000,000: this leaves older verifiers, which prune less, room for twice as much.
const MOST: u32 = verify::LIMIT / 2;

#[test]
fn every_program_is_verified_within_half_of_what_the_kernel_allows() {
    for program in verify::programs() {
        let name = program.name;
        assert!(program.loads, "{name}: {}", program.error.unwrap_or_default());
        let instructions = program.instructions.expect("the verifier's log ends with what it did");
        // Past the test harness, which shows what a test prints only when it fails.
        writeln!(io::stderr(), "{name}: {instructions} instructions verified").unwrap();
        assert!(instructions < MOST, "{name}: {instructions} instructions, {MOST} at most");
    }
}
