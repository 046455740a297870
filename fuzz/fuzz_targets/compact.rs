//! libFuzzer's entry to `dxstream_fuzz::compact`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| dxstream_fuzz::compact::check(input));
