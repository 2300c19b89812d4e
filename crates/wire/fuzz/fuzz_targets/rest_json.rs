#![no_main]
#![doc = "Fuzzes the RestJson decoder."]

mod decode;

libfuzzer_sys::fuzz_target!(|data: &[u8]| decode::run(ropeway_wire::schema::Protocol::RestJson, data));
