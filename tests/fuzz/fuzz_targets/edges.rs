//! Frames that the host sends, and connections to its sockets, see [`pivot_tests::fuzz::edges`].

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    pivot_tests::fuzz::edges::run(input);
});
