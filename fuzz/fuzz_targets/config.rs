//! libFuzzer's entry to `dxstream_fuzz::config`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| dxstream_fuzz::config::check(input));
