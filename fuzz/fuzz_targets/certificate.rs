//! Fuzzes `replay::certificate`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| replay::certificate(data));
