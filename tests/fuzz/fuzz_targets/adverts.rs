//! Messages to virtual routers, see [`pivot_tests::fuzz::adverts`].

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    pivot_tests::fuzz::adverts::run(input);
});
