#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| itop_bridge_properties::html(bytes));
