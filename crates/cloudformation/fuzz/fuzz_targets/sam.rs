#![no_main]
#![doc = "Fuzzes SAM's transform: what it takes becomes a template that can be read, without a type of SAM's in it."]

use std::collections::BTreeMap;

use ropeway_cloudformation::sam::{Surroundings, transform};
use ropeway_cloudformation::template::{Value, parse};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(Value::Map(template)) = parse(text) else { return };
    let around = Surroundings { parameters: &BTreeMap::new(), region: "us-east-1" };
    let Ok(made) = transform(&template, &around) else { return };
    assert_eq!(Ok(made.clone()), transform(&template, &around), "the same twice");
    let Some(Value::Map(resources)) = made.get("Resources") else { panic!("no resources") };
    for resource in resources.values() {
        let Value::Map(resource) = resource else { continue };
        let kind = resource.get("Type").and_then(Value::as_str).unwrap_or_default();
        assert!(!kind.starts_with("AWS::Serverless::"), "{kind}");
    }
});
