#![no_main]
#![doc = "Fuzzes imports: any bytes are taken or refused, and what is taken is exported."]

libfuzzer_sys::fuzz_target!(|document: &[u8]| ropeway_apigateway::fuzz_import(document));
