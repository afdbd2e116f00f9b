#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // Whether they are read or refused is all the same.
    let _ = mnistburn_fuzz::parsers::parse("optimizer", bytes);
});

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mnistburn_fuzz::mutators::gzip(data, size, max_size, seed)
});
