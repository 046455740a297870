//! libFuzzer's entry to `dxstream_fuzz::session`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| dxstream_fuzz::session::check(input));
