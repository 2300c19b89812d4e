#![no_main]
#![doc = "Fuzzes templates in YAML and JSON: what is read means the same written as JSON, and is evaluated or refused."]

use std::collections::BTreeMap;

use ropeway_cloudformation::providers::Registry;
use ropeway_cloudformation::template::{Environment, Evaluation, Template, Value, check, parse, unroll};

fn environment() -> Environment {
    Environment {
        region: "us-east-1".to_owned(),
        account_id: "000000000000".to_owned(),
        stack_name: "fuzzed".to_owned(),
        stack_id: "arn:aws:cloudformation:us-east-1:000000000000:stack/fuzzed/1".to_owned(),
        ..Environment::default()
    }
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(value) = parse(text) else { return };
    let json = value.to_json().to_string();
    assert_eq!(parse(&json).map(|read| read.to_json().to_string()), Ok(json));
    if let Value::Map(map) = &value {
        let _unrolled = unroll(map, &BTreeMap::new(), &environment());
    }
    let Ok(template) = Template::parse(text) else { return };
    let _checked = check(&template, &Registry);
    if let Ok(evaluation) = Evaluation::new(&template, environment(), &BTreeMap::new()) {
        let _rules = evaluation.check_rules();
        assert!(evaluation.creation_order().len() <= template.resources.len());
    }
});
