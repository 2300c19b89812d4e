#![no_main]
#![doc = "Fuzzes the RestXml decoder."]

mod decode;

libfuzzer_sys::fuzz_target!(|data: &[u8]| decode::run(ropeway_wire::schema::Protocol::RestXml, data));
