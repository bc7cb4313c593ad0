//! Fuzzes `replay::tds_packet`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| replay::tds_packet(data));
