//! Fuzzes the target `sound` of `striate_hostile`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    striate_hostile::Target::find("sound").refusal(bytes);
});
