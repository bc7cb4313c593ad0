//! Fuzzes `replay::proxy_response`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| replay::proxy_response(data));
