#![no_main]
#![doc = "Fuzzes imports of HTTP APIs: any bytes are taken or refused, and of an export an import makes the same."]

libfuzzer_sys::fuzz_target!(|document: &[u8]| ropeway_apigateway::fuzz_import_http(document));
