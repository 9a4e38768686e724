//! Feeds [`fleetfix_fuzz::config`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fleetfix_fuzz::config(bytes));
