//! Fuzzes `replay::firebird_wire`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| replay::firebird_wire(data));
