//! Fuzzes `replay::offer`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| replay::offer(data));
