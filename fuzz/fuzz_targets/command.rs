//! Fuzzes `replay::command`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| replay::command(data));
