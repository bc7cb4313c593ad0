//! Fuzzes `replay::head`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| replay::head(data));
