//! Fuzzes `replay::tsql`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| replay::tsql(data));
