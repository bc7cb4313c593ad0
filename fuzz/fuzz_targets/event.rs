//! Fuzzes `replay::event`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| replay::event(data));
