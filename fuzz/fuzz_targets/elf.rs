//! Feeds [`fleetfix_fuzz::elf`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fleetfix_fuzz::elf(bytes));
