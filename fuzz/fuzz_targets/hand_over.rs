//! Fuzzes `replay::hand_over`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| replay::hand_over(data));
