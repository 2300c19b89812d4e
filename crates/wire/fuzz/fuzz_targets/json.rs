#![no_main]
#![doc = "Fuzzes the AwsJson11 decoder."]

mod decode;

libfuzzer_sys::fuzz_target!(|data: &[u8]| decode::run(ropeway_wire::schema::Protocol::AwsJson11, data));
