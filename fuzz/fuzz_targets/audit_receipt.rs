//! Fuzzes `replay::audit_receipt`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| replay::audit_receipt(data));
