//! Frames that come in, see [`pivot_tests::fuzz::incoming`].

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    pivot_tests::fuzz::incoming::run(input);
});
