#![no_main]
#![doc = "Fuzzes filter policies: any text is read or refused, and what is read is asked of any message. The parts of the"]
#![doc = "input stand between NULs: the policy, the message, and a name, a type and a value of each attribute."]

use std::collections::BTreeMap;

use ropeway_core::effects::{AttributeValue, MessageAttribute};
use ropeway_sns::filter::{Scope, Subject, parse};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let parts: Vec<&str> = text.split('\0').collect();
    let (policy, message) = (parts[0], parts.get(1).copied().unwrap_or_default());
    let attribute = |part: &[&str]| {
        let value = match part[1] {
            "Binary" => AttributeValue::Binary(part[2].to_owned().into_bytes().into()),
            _ => AttributeValue::Text(part[2].to_owned()),
        };
        (part[0].to_owned(), MessageAttribute { data_type: part[1].to_owned(), value })
    };
    let attributes: BTreeMap<String, MessageAttribute> =
        parts.get(2..).unwrap_or_default().chunks_exact(3).map(attribute).collect();
    for scope in [Scope::MessageAttributes, Scope::MessageBody] {
        let Ok(filter) = parse(scope, policy) else { continue };
        let found = filter.matches(&Subject::new(&attributes, message));
        assert_eq!(found, filter.matches(&Subject::new(&attributes, message)), "the same twice");
    }
});
