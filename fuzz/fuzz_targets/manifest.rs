//! Feeds [`fleetfix_fuzz::manifest`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fleetfix_fuzz::manifest(bytes));
