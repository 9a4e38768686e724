//! Feeds [`fleetfix_fuzz::layer`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fleetfix_fuzz::layer(bytes));
