#![no_main]
#![doc = "Fuzzes the AwsQuery decoder."]

mod decode;

libfuzzer_sys::fuzz_target!(|data: &[u8]| decode::run(ropeway_wire::schema::Protocol::AwsQuery, data));
