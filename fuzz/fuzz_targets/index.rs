//! Feeds [`fleetfix_fuzz::index`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fleetfix_fuzz::index(bytes));
