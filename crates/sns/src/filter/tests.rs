use std::collections::BTreeMap;

use proptest::prelude::*;
use ropeway_core::effects::{AttributeValue, MessageAttribute};
use serde_json::{Map, Value as Json, json};

use super::{Filter, Scope, Subject, parse};

fn filter(scope: Scope, policy: &Json) -> Filter {
    parse(scope, &policy.to_string()).unwrap()
}

fn attributes(given: &[(&str, &str, &str)]) -> BTreeMap<String, MessageAttribute> {
    let one = |(name, data_type, value): &(&str, &str, &str)| {
        let value = AttributeValue::Text((*value).to_owned());
        ((*name).to_owned(), MessageAttribute { data_type: (*data_type).to_owned(), value })
    };
    given.iter().map(one).collect()
}

fn by_attributes(policy: &Json, given: &[(&str, &str, &str)]) -> bool {
    filter(Scope::MessageAttributes, policy).matches(&Subject::new(&attributes(given), "no JSON"))
}

fn by_body(policy: &Json, body: &Json) -> bool {
    filter(Scope::MessageBody, policy).matches(&Subject::new(&BTreeMap::new(), &body.to_string()))
}

/// However long a list is, a value is looked up in it.
#[test]
fn lists_of_what_is_not_meant() {
    let many: Vec<String> = (0..5000).map(|n| format!("t{n}")).collect();
    let not =
        |list: Json, body: Json| by_body(&json!({ "k": [{ "anything-but": list }] }), &json!({ "k": body }));
    assert!(!not(json!(many), json!("t4999")) && not(json!(many), json!("t5000")));
    assert!(!not(json!(many), json!(many)) && not(json!(many), json!(["t1", "other"])));
    let numbers: Vec<i32> = (-2000..2000).rev().collect();
    assert!(
        !not(json!(numbers), json!(-2000))
            && !not(json!(numbers), json!(0.0))
            && not(json!(numbers), json!(0.5))
    );
    assert!(!not(json!(numbers), json!(-0.0)) && not(json!(numbers), json!("5")));
    let mixed = json!([null, true, "x", 5, null, true]);
    assert!(
        !not(mixed.clone(), json!(null)) && !not(mixed.clone(), json!(true)) && !not(mixed.clone(), json!(5))
    );
    assert!(not(mixed.clone(), json!(false)) && not(mixed, json!("5")));
    let patterns = |count: usize| {
        json!({ "k": [{ "anything-but": { "prefix": many.get(..count).unwrap() } }] }).to_string()
    };
    assert!(parse(Scope::MessageBody, &patterns(150)).is_ok());
    let why = parse(Scope::MessageBody, &patterns(151)).unwrap_err();
    assert_eq!(why, "FilterPolicy: Filter policy is too complex");
}

/// The documentation's examples:
/// <https://docs.aws.amazon.com/sns/latest/dg/string-value-matching.html> and its neighbours.
#[test]
fn operators_on_attributes() {
    let text = |rule: Json, value: &str| by_attributes(&json!({ "k": [rule] }), &[("k", "String", value)]);
    assert!(text(json!("rugby"), "rugby") && !text(json!("rugby"), "Rugby"));
    assert!(text(json!({"equals-ignore-case": "tennis"}), "TenNis"));
    assert!(text(json!({"prefix": "bas"}), "baseball") && !text(json!({"prefix": "bas"}), "rugby"));
    assert!(text(json!({"suffix": "ball"}), "baseball") && !text(json!({"suffix": "ball"}), "balls"));
    assert!(text(json!({"wildcard": "*ball*t"}), "a ballot") && !text(json!({"wildcard": "*ball"}), "balls"));
    assert!(text(json!({"wildcard": "a\\*b"}), "a*b") && !text(json!({"wildcard": "a\\*b"}), "axb"));
    assert!(
        text(json!({"cidr": "10.0.0.0/24"}), "10.0.0.255")
            && !text(json!({"cidr": "10.0.0.0/24"}), "10.1.1.0")
    );
    assert!(text(json!({"cidr": "0.0.0.0/0"}), "8.8.8.8") && !text(json!({"cidr": "0.0.0.0/0"}), "::1"));
    assert!(text(json!({"cidr": "2001:db8::/32"}), "2001:db8:1::1"));
    assert!(!text(json!({"anything-but": ["rugby", "tennis"]}), "rugby"));
    assert!(text(json!({"anything-but": "rugby"}), "baseball"));
    assert!(!text(json!({"anything-but": {"prefix": "order-"}}), "order-cancelled"));
    assert!(text(json!({"anything-but": {"suffix": ["ball", "by"]}}), "tennis"));
    assert!(!text(json!({"anything-but": {"suffix": ["ball", "by"]}}), "rugby"));
    assert!(!text(json!({"anything-but": {"wildcard": "*ball"}}), "baseball"));
    assert!(!text(json!(5), "5"), "a text is no number");
    assert!(text(json!({"exists": true}), "x") && !text(json!({"exists": false}), "x"));
    assert!(by_attributes(&json!({"k": [{"exists": false}]}), &[]));
    assert!(
        !by_attributes(&json!({"k": [{"anything-but": "x"}]}), &[]),
        "what isn't there matches nothing else"
    );
}

#[test]
fn numbers_and_arrays_in_attributes() {
    let number = |rule: Json, value: &str| by_attributes(&json!({ "k": [rule] }), &[("k", "Number", value)]);
    assert!(number(json!({"numeric": ["=", 301.5]}), "301.50") && number(json!(301.5), "3.015e2"));
    assert!(number(json!({"numeric": [">", 0, "<=", 150]}), "150"));
    assert!(!number(json!({"numeric": [">", 0, "<=", 150]}), "0"));
    assert!(number(json!({"numeric": ["<", 0]}), "-1") && !number(json!({"numeric": [">=", 1]}), "0.5"));
    assert!(!number(json!({"anything-but": [100, 500]}), "100"));
    assert!(number(json!({"anything-but": [100, 500]}), "101"));
    let array =
        |rule: Json, value: &str| by_attributes(&json!({ "k": [rule] }), &[("k", "String.Array", value)]);
    assert!(array(json!("b"), r#"["a", "b"]"#) && array(json!(1), "[1]") && array(json!(null), "[null]"));
    assert!(array(json!(true), "[true]") && !array(json!(true), r#"["true"]"#));
    assert!(array(json!({"anything-but": ["a"]}), r#"["a", "b"]"#), "one of them is something else");
    assert!(array(json!({"exists": true}), "[]") && !array(json!("a"), "[]"));
    let both = json!({"a": ["1"], "b": ["2", "3"]});
    assert!(by_attributes(&both, &[("a", "String", "1"), ("b", "String", "3"), ("c", "String", "x")]));
    assert!(!by_attributes(&both, &[("a", "String", "1")]));
    let or = json!({"a": ["1"], "$or": [{"b": ["2"]}, {"c": ["3"]}]});
    assert!(by_attributes(&or, &[("a", "String", "1"), ("c", "String", "3")]));
    assert!(!by_attributes(&or, &[("a", "String", "1"), ("c", "String", "4")]));
    let binary =
        MessageAttribute { data_type: "Binary".to_owned(), value: AttributeValue::Binary("x".into()) };
    let given = BTreeMap::from([("k".to_owned(), binary)]);
    let exists = filter(Scope::MessageAttributes, &json!({"k": ["x"]}));
    assert!(!exists.matches(&Subject::new(&given, "")), "binary attributes match no value");
}

#[test]
fn bodies_nest() {
    let body =
        json!({"a": {"b": {"c": "x", "n": [1, [2]]}}, "l": [{"p": 1, "q": 2}, {"p": 3, "q": 4}], "z": null});
    assert!(by_body(&json!({"a": {"b": {"c": [{"prefix": "x"}], "n": [2]}}}), &body));
    assert!(!by_body(&json!({"a": {"b": {"c": ["y"]}}}), &body));
    assert!(by_body(&json!({"l": {"p": [1], "q": [2]}}), &body));
    assert!(!by_body(&json!({"l": {"p": [1], "q": [4]}}), &body), "in the same element");
    assert!(by_body(&json!({"z": [null]}), &body) && by_body(&json!({"z": [{"exists": true}]}), &body));
    assert!(by_body(&json!({"a": {"no": [{"exists": false}]}}), &body));
    assert!(by_body(&json!({"no": {"such": [{"exists": false}]}}), &body));
    assert!(!by_body(&json!({"no": {"such": ["x"]}}), &body));
    let or = json!({"$or": [{"a": {"b": {"c": ["no"]}}}, {"l": {"p": [3]}}]});
    assert!(by_body(&or, &body));
    let no_object = filter(Scope::MessageBody, &json!({"a": [{"exists": false}]}));
    assert!(!no_object.matches(&Subject::new(&BTreeMap::new(), "[]")));
    assert!(!no_object.matches(&Subject::new(&BTreeMap::new(), "text")));
    // One object, or operators for keys: `$or` is then a key like others.
    assert!(by_body(&json!({"$or": [{"prefix": "x"}, {"suffix": "y"}]}), &json!({"$or": "xa"})));
}

/// Words as AWS's answers have them, as recorded in
/// <https://github.com/localstack/localstack/blob/main/tests/aws/services/sns/test_sns_filter_policy.snapshot.json>.
#[test]
fn mistakes_are_told_in_the_services_words() {
    let wrong = |policy: &str| parse(Scope::MessageBody, policy).unwrap_err();
    let rule = |rule: &str| wrong(&format!(r#"{{"key":[{rule}]}}"#));
    assert_eq!(wrong("{"), "FilterPolicy: failed to parse JSON.");
    assert_eq!(
        wrong(r#"{"a":[1],"b":[1],"c":[1],"d":[1],"e":[1],"f":[1]}"#),
        "FilterPolicy: Filter policy can not have more than 5 keys"
    );
    assert_eq!(wrong(r#"{"key":"value"}"#), "FilterPolicy: \"key\" must be an object or an array");
    assert_eq!(wrong(r#"{"key":[]}"#), "FilterPolicy: Empty arrays are not allowed");
    assert_eq!(
        rule(r#"["value"]"#),
        "FilterPolicy: Match value must be String, number, true, false, or null"
    );
    assert_eq!(rule(r#"{"wrong-operator":true}"#), "FilterPolicy: Unrecognized match type wrong-operator");
    assert_eq!(
        rule(r#"{"suffix":"a","prefix":"b"}"#),
        "FilterPolicy: Only one key allowed in match expression"
    );
    assert_eq!(rule(r#"{"suffix":100}"#), "FilterPolicy: suffix match pattern must be a string");
    assert_eq!(
        rule(r#"{"exists":"no"}"#),
        "FilterPolicy: exists match pattern must be either true or false."
    );
    assert_eq!(rule(r#"{"cidr":"10.0.0.0"}"#), "FilterPolicy: Malformed CIDR, one '/' required");
    let numeric = |operand: &str| rule(&format!(r#"{{"numeric":{operand}}}"#));
    assert_eq!(numeric("[]"), "FilterPolicy: Invalid member in numeric match: ]");
    assert_eq!(numeric(r#"["operator"]"#), "FilterPolicy: Unrecognized numeric range operator: operator");
    assert_eq!(numeric(r#"[1,"<="]"#), "FilterPolicy: Invalid member in numeric match: 1");
    assert_eq!(numeric(r#"["=","000"]"#), "FilterPolicy: Value of equals must be numeric");
    assert_eq!(numeric(r#"[">="]"#), "FilterPolicy: Value of >= must be numeric");
    assert_eq!(numeric(r#"["<",100,">",10]"#), "FilterPolicy: Too many elements in numeric expression");
    assert_eq!(numeric(r#"[">=",1,">",2]"#), "FilterPolicy: Bad numeric range operator: >");
    assert_eq!(numeric(r#"[">",3,"<",1]"#), "FilterPolicy: Bottom must be less than top");
    assert_eq!(numeric(r#"[">",20,30]"#), "FilterPolicy: Bad value in numeric range: 30");
    assert_eq!(
        numeric(r#"[">",20,"<",30,"<",50]"#),
        "FilterPolicy: Too many terms in numeric range expression"
    );
    let nested = parse(Scope::MessageAttributes, r#"{"a":{"b":["c"]}}"#).unwrap_err();
    assert_eq!(nested, "Filter policy scope MessageAttributes does not support nested filter policy");
}

/// 150 combinations: values of arrays multiplied, each by its depth; alternatives add up.
#[test]
fn policies_have_a_limit_of_complexity() {
    let values = |n: usize| Json::from((0..n).collect::<Vec<_>>());
    let fits = |policy: Json| parse(Scope::MessageBody, &policy.to_string()).is_ok();
    assert!(fits(json!({"a": values(150)})) && !fits(json!({"a": values(151)})));
    assert!(
        fits(json!({"a": values(15), "b": values(10)})) && !fits(json!({"a": values(16), "b": values(10)}))
    );
    // The documentation's: 3 x 4 x 2 x 3 = 72.
    assert!(fits(json!({"a": {"b": {"c": values(4)}}, "d": {"e": values(3)}})));
    assert!(!fits(json!({"a": {"b": values(76)}})));
    assert!(fits(json!({"$or": [{"a": values(75)}, {"b": values(75)}]})));
    assert!(!fits(json!({"$or": [{"a": values(75)}, {"b": values(76)}]})));
}

/// A naive reading of a rule and a value, written apart from the compiled one.
fn naive(rule: &Json, value: &Json) -> bool {
    let Json::Object(operation) = rule else {
        return match (rule.as_f64(), value.as_f64()) {
            (Some(a), Some(b)) => a == b,
            _ => rule == value,
        };
    };
    let (operator, operand) = operation.iter().next().unwrap();
    let text = value.as_str();
    match operator.as_str() {
        "prefix" => text.is_some_and(|t| t.starts_with(operand.as_str().unwrap())),
        "suffix" => text.is_some_and(|t| t.ends_with(operand.as_str().unwrap())),
        "wildcard" => text.is_some_and(|t| glob(operand.as_str().unwrap(), t)),
        "equals-ignore-case" => {
            text.is_some_and(|t| t.to_lowercase() == operand.as_str().unwrap().to_lowercase())
        }
        "anything-but" => match operand {
            Json::Array(all) => !all.iter().any(|one| naive(one, value)),
            one => !naive(one, value),
        },
        "numeric" => value.as_f64().is_some_and(|v| {
            operand.as_array().unwrap().chunks(2).all(|pair| {
                let bound = pair[1].as_f64().unwrap();
                match pair[0].as_str().unwrap() {
                    "<" => v < bound,
                    "<=" => v <= bound,
                    ">" => v > bound,
                    ">=" => v >= bound,
                    _ => v == bound,
                }
            })
        }),
        _ => operand.as_bool().unwrap(),
    }
}

fn glob(pattern: &str, text: &str) -> bool {
    match pattern.chars().next() {
        None => text.is_empty(),
        Some('*') => (0..=text.len()).any(|at| text.is_char_boundary(at) && glob(&pattern[1..], &text[at..])),
        Some(c) => text.starts_with(c) && glob(&pattern[c.len_utf8()..], &text[c.len_utf8()..]),
    }
}

fn word() -> impl Strategy<Value = String> {
    "[aAbB]{0,3}"
}

fn scalar() -> impl Strategy<Value = Json> {
    prop_oneof![
        word().prop_map(Json::from),
        (-3i64..4).prop_map(Json::from),
        any::<bool>().prop_map(Json::from),
        Just(Json::Null),
    ]
}

fn rule() -> impl Strategy<Value = Json> {
    let pattern = "(\\*?[aAbB]){1,3}\\*?";
    prop_oneof![
        scalar(),
        word().prop_map(|w| json!({ "prefix": w })),
        word().prop_map(|w| json!({ "suffix": w })),
        pattern.prop_map(|p| json!({ "wildcard": p })),
        word().prop_map(|w| json!({ "equals-ignore-case": w })),
        any::<bool>().prop_map(|e| json!({ "exists": e })),
        prop::collection::vec(scalar(), 1..3).prop_map(|all| json!({ "anything-but": all })),
        word().prop_map(|w| json!({ "anything-but": { "prefix": w } })),
        (-3i64..3).prop_map(|n| json!({ "numeric": [">=", n, "<", n + 2] })),
        (-3i64..3).prop_map(|n| json!({ "numeric": ["<", n] })),
    ]
}

fn keyed<T: std::fmt::Debug>(values: impl Strategy<Value = T>) -> impl Strategy<Value = BTreeMap<String, T>> {
    prop::collection::btree_map("[kl]", values, 0..3)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The compiled policy and the naive reading agree, on flat bodies.
    #[test]
    fn agrees_with_a_naive_model(
        policy in keyed(prop::collection::vec(rule(), 1..3)),
        body in keyed(scalar()),
    ) {
        let expected = policy.iter().all(|(key, rules)| {
            rules.iter().any(|rule| match (body.get(key), rule.get("exists")) {
                (None, Some(exists)) => exists == false,
                (None, None) => false,
                (Some(value), _) => naive(rule, value),
            })
        });
        prop_assert_eq!(by_body(&json!(policy), &json!(body)), expected);
    }

    #[test]
    fn arbitrary_policies_do_no_harm(text in "[\\[\\]{}\":,$a-c0-9*\\\\/.-]{0,60}", body in "[\\[\\]{}\":,a-c0-9]{0,40}") {
        for scope in [Scope::MessageAttributes, Scope::MessageBody] {
            if let Ok(filter) = parse(scope, &text) {
                filter.matches(&Subject::new(&BTreeMap::new(), &body));
            }
        }
    }

    #[test]
    fn arbitrary_documents_do_no_harm(policy in document(), body in document()) {
        for scope in [Scope::MessageAttributes, Scope::MessageBody] {
            if let Ok(filter) = parse(scope, &policy.to_string()) {
                filter.matches(&Subject::new(&BTreeMap::new(), &body.to_string()));
            }
        }
    }
}

fn document() -> impl Strategy<Value = Json> {
    let key = "anything-but|prefix|wildcard|numeric|cidr|exists|\\$or|a";
    let whole = scalar().prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map(key, inner, 0..3).prop_map(|map| json!(map)),
        ]
    });
    prop::collection::btree_map(key, whole, 0..3).prop_map(|map| Json::Object(Map::from_iter(map)))
}
