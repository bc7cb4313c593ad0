//! Fuzzes `replay::audit_line`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| replay::audit_line(data));
