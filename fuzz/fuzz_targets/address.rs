//! Fuzzes `replay::address`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| replay::address(data));
