#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // A panic that the bridge itself outlives is none: libFuzzer's own hook would end at it.
    drop(std::panic::take_hook());
    itop_bridge_properties::html(bytes);
});
