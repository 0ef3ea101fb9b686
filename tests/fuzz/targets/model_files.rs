#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| cantus_fuzz::read("model_files", bytes));
