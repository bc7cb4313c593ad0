//! Fuzzes `replay::spool_page`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| replay::spool_page(data));
