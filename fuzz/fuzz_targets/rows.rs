//! Fuzzes `replay::rows`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| replay::rows(data));
