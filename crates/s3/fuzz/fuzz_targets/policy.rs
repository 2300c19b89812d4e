#![no_main]
#![doc = "Fuzzes policies of forms: none lets in what it does not speak of, nor anything when its time is over."]
#![doc = ""]
#![doc = "The policy's JSON up to an empty line, then fields as `name=value`."]

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ropeway_core::Time;
use ropeway_s3::form::Policy;

/// A field that no policy of a fuzzer speaks of.
const UNSPOKEN: &str = "x-amz-meta-of-this-nobody-speaks";

libfuzzer_sys::fuzz_target!(|text: &str| {
    let (json, rest) = text.split_once("\n\n").unwrap_or((text, ""));
    let Ok(policy) = Policy::parse(&STANDARD.encode(json)) else { return };
    let lines = rest.lines().filter_map(|line| line.split_once('='));
    let mut fields: BTreeMap<String, String> =
        lines.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    assert!(policy.check(&fields, Time(i64::MAX)).is_err(), "past its time");
    let _range = policy.range();
    let now = Time::from_secs(1_700_000_000);
    if policy.check(&fields, now).is_ok() {
        fields.insert(UNSPOKEN.to_owned(), String::new());
        assert!(policy.check(&fields, now).is_err(), "a field that it does not speak of");
    }
});
