//! Feeds [`fleetfix_fuzz::tar`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fleetfix_fuzz::tar(bytes));
