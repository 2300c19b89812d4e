#![no_main]
#![doc = "Fuzzes the RpcV2Cbor decoder."]

mod decode;

libfuzzer_sys::fuzz_target!(|data: &[u8]| decode::run(ropeway_wire::schema::Protocol::RpcV2Cbor, data));
