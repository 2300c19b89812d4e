//! Condition operators: `reference_policies_elements_condition_operators` and
//! `reference_policies_condition-single-vs-multi-valued-context-keys`.

use super::*;

/// Whether `{operator: {key: value}}` is met by a context.
fn met(operator: &str, key: &str, value: Value, context: &Context<'_>) -> bool {
    let condition = json!({operator: {key: value}});
    let statement = json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition});
    allows(statement, "sqs:SendMessage", QUEUE, context)
}

fn one<'a>(key: &'a str, value: &'a str) -> Context<'a> {
    let mut context = Context::new();
    context.set(key, value);
    context
}

#[test]
fn operators_on_one_value() {
    let table = [
        ("StringEquals", json!("Blue"), "Blue", true),
        ("StringEquals", json!("Blue"), "blue", false),
        ("StringEquals", json!(["Red", "Blue"]), "Blue", true),
        ("StringEquals", json!("Bl*"), "Blue", false),
        ("StringEquals", json!([]), "Blue", false),
        ("StringNotEquals", json!("Blue"), "blue", true),
        ("StringNotEquals", json!(["Red", "Blue"]), "Blue", false),
        ("StringNotEquals", json!([]), "Blue", true),
        ("StringEqualsIgnoreCase", json!("BLUE"), "blue", true),
        ("StringEqualsIgnoreCase", json!("É"), "é", true),
        ("StringEqualsIgnoreCase", json!("BLUE"), "blues", false),
        ("StringNotEqualsIgnoreCase", json!("BLUE"), "blue", false),
        ("StringNotEqualsIgnoreCase", json!("BLUE"), "red", true),
        ("StringLike", json!("B?u*"), "Blueish", true),
        ("StringLike", json!("b*"), "Blue", false),
        ("StringNotLike", json!("B*"), "Blue", false),
        ("StringNotLike", json!("b*"), "Blue", true),
        ("stringlike", json!("B*"), "Blue", true),
        ("NumericEquals", json!("10"), "10.0", true),
        ("NumericEquals", json!(10), "10", true),
        ("NumericEquals", json!("10"), "ten", false),
        ("NumericNotEquals", json!("10"), "11", true),
        ("NumericNotEquals", json!("10"), "10", false),
        ("NumericLessThan", json!("10"), "9.999999999", true),
        ("NumericLessThan", json!("10"), "10", false),
        ("NumericLessThanEquals", json!("10"), "10", true),
        ("NumericLessThanEquals", json!("-1"), "-1.5", true),
        ("NumericGreaterThan", json!("9007199254740992"), "9007199254740993", true),
        ("NumericGreaterThan", json!("10"), "10", false),
        ("NumericGreaterThanEquals", json!("10"), "10", true),
        ("NumericGreaterThanEquals", json!("10"), "9", false),
        ("DateEquals", json!("2024-05-01T00:00:00Z"), "1714521600", true),
        ("DateEquals", json!("2024-05-01"), "2024-05-01T02:00:00+02:00", true),
        ("DateEquals", json!(1714521600), "2024-05", true),
        ("DateNotEquals", json!("2024-05-01"), "2024-05-02", true),
        ("DateNotEquals", json!("2024-05-01"), "2024-05-01", false),
        ("DateLessThan", json!("2024-05-01T00:00:00.500Z"), "2024-05-01T00:00:00Z", true),
        ("DateLessThan", json!("2024-05-01"), "2024-05-01T00:00Z", false),
        ("DateLessThanEquals", json!("2024-05-01"), "2024-05-01T00:00Z", true),
        ("DateGreaterThan", json!("2024-05-01"), "2024-05-01T00:00:01", true),
        ("DateGreaterThan", json!("2024-05-01"), "soon", false),
        ("DateGreaterThanEquals", json!("2024-05-01"), "2024-04-30T23:59:59Z", false),
        ("Bool", json!("true"), "true", true),
        ("Bool", json!(false), "false", true),
        ("Bool", json!(false), "true", false),
        ("Bool", json!("TRUE"), "True", true),
        ("BinaryEquals", json!("QmluYXJ5"), "QmluYXJ5", true),
        ("BinaryEquals", json!("QmluYXJ5"), "QmluYXJ4", false),
        ("BinaryEquals", json!("QmluYXJ5"), "no base64!", false),
        ("IpAddress", json!("203.0.113.0/24"), "203.0.113.77", true),
        ("IpAddress", json!("203.0.113.9/24"), "203.0.113.77", true),
        ("IpAddress", json!("203.0.113.0/24"), "203.0.114.1", false),
        ("IpAddress", json!("203.0.113.7"), "203.0.113.7", true),
        ("IpAddress", json!("0.0.0.0/0"), "8.8.8.8", true),
        ("IpAddress", json!("203.0.113.0/24"), "::ffff:203.0.113.7", true),
        ("IpAddress", json!("0.0.0.0/0"), "::1", false),
        ("IpAddress", json!("::/0"), "8.8.8.8", false),
        ("IpAddress", json!("2001:db8:1234:5678::/64"), "2001:db8:1234:5678:ffff::1", true),
        ("IpAddress", json!("2001:db8:1234:5678::/64"), "2001:db8:1234:5679::1", false),
        ("IpAddress", json!("203.0.113.0/24"), "not an address", false),
        ("NotIpAddress", json!("203.0.113.0/24"), "203.0.113.77", false),
        ("NotIpAddress", json!(["203.0.113.0/24", "10.0.0.0/8"]), "192.0.2.1", true),
        ("ArnEquals", json!("arn:aws:sns:*:111122223333:t?"), "arn:aws:sns:us-east-1:111122223333:t1", true),
        ("ArnLike", json!("arn:aws:sns:*:111122223333:t*"), "arn:aws:sns:us-east-1:111122223333:t:sub", true),
        ("ArnLike", json!("arn:aws:s3:::bucket"), "arn:aws:s3:::bucket", true),
        ("ArnLike", json!("arn:aws:s3:*:*:bucket"), "arn:aws:s3:::bucket", true),
        // A wildcard stays within its part.
        ("ArnLike", json!("arn:aws:sns:*:*:t"), "arn:aws:sns:us-east-1:1:x:t", false),
        ("ArnLike", json!("arn:aws:sns:*:1:t"), "no arn", false),
        ("ArnLike", json!("*"), "arn:aws:s3:::bucket", true),
        ("ArnNotEquals", json!("arn:aws:s3:::bucket"), "arn:aws:s3:::bucket", false),
        ("ArnNotLike", json!("arn:aws:s3:::b*"), "arn:aws:s3:::other", true),
        ("ArnNotLike", json!("arn:aws:s3:::b*"), "arn:aws:s3:::bucket", false),
    ];
    for (operator, value, given, expected) in table {
        let context = one("test:key", given);
        assert_eq!(
            met(operator, "test:key", value.clone(), &context),
            expected,
            "{operator} {value} {given}"
        );
        // `IfExists` changes nothing where the key exists.
        let if_exists = format!("{operator}IfExists");
        assert_eq!(
            met(&if_exists, "test:key", value.clone(), &context),
            expected,
            "{if_exists} {value} {given}"
        );
    }
}

#[test]
fn an_absent_key_fails_unless_the_operator_is_negated_or_if_exists() {
    let none = Context::new();
    let samples = [
        ("StringEquals", json!("x"), false),
        ("StringNotEquals", json!("x"), true),
        ("StringEqualsIgnoreCase", json!("x"), false),
        ("StringNotEqualsIgnoreCase", json!("x"), true),
        ("StringLike", json!("*"), false),
        ("StringNotLike", json!("*"), true),
        ("NumericEquals", json!("1"), false),
        ("NumericLessThan", json!("1"), false),
        ("NumericLessThanEquals", json!("1"), false),
        ("NumericGreaterThan", json!("1"), false),
        ("NumericGreaterThanEquals", json!("1"), false),
        ("NumericNotEquals", json!("1"), true),
        ("DateEquals", json!("2024-01-01"), false),
        ("DateLessThan", json!("2024-01-01"), false),
        ("DateLessThanEquals", json!("2024-01-01"), false),
        ("DateGreaterThan", json!("2024-01-01"), false),
        ("DateGreaterThanEquals", json!("2024-01-01"), false),
        ("DateNotEquals", json!("2024-01-01"), true),
        ("Bool", json!("true"), false),
        ("Bool", json!("false"), false),
        ("BinaryEquals", json!(""), false),
        ("IpAddress", json!("0.0.0.0/0"), false),
        ("NotIpAddress", json!("0.0.0.0/0"), true),
        ("ArnEquals", json!("*"), false),
        ("ArnLike", json!("*"), false),
        ("ArnNotEquals", json!("*"), true),
        ("ArnNotLike", json!("*"), true),
    ];
    for (operator, value, expected) in samples {
        assert_eq!(met(operator, "test:key", value.clone(), &none), expected, "{operator}");
        assert!(met(&format!("{operator}IfExists"), "test:key", value.clone(), &none), "{operator}IfExists");
        // ForAllValues is met by a key without values, ForAnyValue never.
        assert!(met(&format!("ForAllValues:{operator}"), "test:key", value.clone(), &none), "{operator}");
        assert!(!met(&format!("ForAnyValue:{operator}"), "test:key", value.clone(), &none), "{operator}");
    }
}

#[test]
fn null_tests_for_absence() {
    let (none, some) = (Context::new(), one("aws:TokenIssueTime", "2024-01-01T00:00:00Z"));
    for (value, on_none, on_some) in [("true", true, false), ("false", false, true)] {
        assert_eq!(met("Null", "aws:TokenIssueTime", json!(value), &none), on_none);
        assert_eq!(met("Null", "aws:TokenIssueTime", json!(value), &some), on_some);
    }
    let mut empty = Context::new();
    empty.set_many("aws:TagKeys", Vec::<&str>::new());
    assert!(met("Null", "aws:TagKeys", json!(true), &empty));
}

#[test]
fn set_operators_on_several_values() {
    let table: [(&str, &[&str], bool); 14] = [
        // Without a set operator AWS leaves it open; see `Condition::met`.
        ("StringEquals", &["c", "a"], true),
        ("StringEquals", &["c", "d"], false),
        ("StringNotEquals", &["c", "a"], false),
        ("StringNotEquals", &["c", "d"], true),
        ("ForAllValues:StringEquals", &["a", "b"], true),
        ("ForAllValues:StringEquals", &["a", "c"], false),
        ("ForAnyValue:StringEquals", &["a", "c"], true),
        ("ForAnyValue:StringEquals", &["c", "d"], false),
        ("ForAllValues:StringNotEquals", &["c", "d"], true),
        ("ForAllValues:StringNotEquals", &["a", "d"], false),
        ("ForAnyValue:StringNotEquals", &["a", "d"], true),
        ("ForAnyValue:StringNotEquals", &["a", "b"], false),
        ("ForAllValues:StringLike", &["b", "a"], true),
        ("ForAnyValue:StringNotLike", &["b", "a"], false),
    ];
    for (operator, given, expected) in table {
        let mut context = Context::new();
        context.set_many("aws:TagKeys", given.iter().copied());
        assert_eq!(
            met(operator, "aws:tagkeys", json!(["a", "b"]), &context),
            expected,
            "{operator} {given:?}"
        );
    }
}

#[test]
fn keys_and_operators_are_all_required_and_values_are_alternatives() {
    let statement = json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {
        "StringEquals": {"test:a": ["1", "2"], "test:b": "x"},
        "NumericLessThan": {"test:n": "5"},
    }});
    for (a, b, n, expected) in [
        ("1", "x", "4", true),
        ("2", "x", "4", true),
        ("3", "x", "4", false),
        ("1", "y", "4", false),
        ("1", "x", "5", false),
    ] {
        let mut context = Context::new();
        context.set("TEST:A", a).set("test:b", b).set("test:n", n);
        assert_eq!(allows(statement.clone(), "sqs:SendMessage", QUEUE, &context), expected, "{a} {b} {n}");
    }
}

/// `reference_policies_condition-keys`: what follows from the principal cannot be set by the request.
#[test]
fn keys_of_the_principal() {
    let mut context = Context::new();
    context.set("aws:username", "mallory").set("aws:PrincipalTag/team", "forged");
    let table = [
        ("aws:username", "ana", true),
        ("aws:username", "mallory", false),
        ("aws:PrincipalTag/team", "forged", false),
        ("aws:userid", "AIDAANAANAANAANAANA1", true),
        ("aws:PrincipalArn", "arn:aws:iam::111122223333:user/team/ana", true),
        ("aws:PrincipalAccount", ACCOUNT, true),
        ("aws:PrincipalType", "User", true),
        ("aws:PrincipalIsAWSService", "false", true),
        ("aws:ResourceAccount", ACCOUNT, true),
    ];
    for (key, value, expected) in table {
        assert_eq!(met("StringEquals", key, json!(value), &context), expected, "{key} {value}");
    }
}

/// `reference_policies_variables`.
#[test]
fn variables_in_conditions() {
    let mut context = Context::new();
    context.set("s3:prefix", "home/ana/").set("aws:SourceIp", "203.0.113.1");
    assert!(met("StringLike", "s3:prefix", json!("home/${aws:username}/*"), &context));
    assert!(!met("StringLike", "s3:prefix", json!("home/${aws:userid}/*"), &context));
    assert!(met("StringEquals", "s3:prefix", json!("home/${test:none, 'ana'}/"), &context));
    assert!(!met("StringEquals", "s3:prefix", json!("home/${test:none}/"), &context));
    assert!(met("StringNotEquals", "s3:prefix", json!("home/${test:none}/"), &context));
    let literal = one("test:key", "a*b?c$");
    assert!(met("StringLike", "test:key", json!("a${*}b${?}c${$}"), &literal));
    assert!(!met("StringLike", "test:key", json!("a${*}b${?}c${$}"), &one("test:key", "aXbYc$")));
    // A key with several values fills no variable.
    for (values, expected) in [(vec!["x"], true), (vec!["x", "y"], false)] {
        let mut several = one("test:key", "x");
        several.set_many("test:many", values);
        assert_eq!(met("StringEquals", "test:key", json!("${test:many}"), &several), expected);
    }
    // A wildcard in a value that comes with the request is text.
    let mut star = Context::new();
    star.set("test:star", "*").set("test:key", "anything");
    assert!(!met("StringLike", "test:key", json!("${test:star}"), &star));
}
