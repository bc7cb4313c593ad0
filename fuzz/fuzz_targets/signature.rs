//! Fuzzes `replay::signature`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| replay::signature(data));
