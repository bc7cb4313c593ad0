//! Fuzzes `replay::pairing_code`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| replay::pairing_code(data));
