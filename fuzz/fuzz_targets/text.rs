//! Fuzzes the target `text` of `striate_hostile`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    striate_hostile::Target::find("text").refusal(bytes);
});
