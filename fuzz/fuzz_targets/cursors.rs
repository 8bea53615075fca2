#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    arcadia_harness::targets::cursors::run(input);
});
