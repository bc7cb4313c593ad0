//! Fuzzes `replay::approval`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| replay::approval(data));
