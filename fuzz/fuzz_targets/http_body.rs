//! Fuzzes `replay::http_body`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| replay::http_body(data));
