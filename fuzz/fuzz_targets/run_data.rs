#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // Whether they are read or refused is all the same.
    let _ = mnistburn_fuzz::parsers::parse("run_data", bytes);
});
