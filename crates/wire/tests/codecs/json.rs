//! JSON requests and the words that AWS refuses malformed ones with.

use ropeway_core::Time;
use ropeway_wire::schema::Protocol;

use crate::common::Value;
use crate::common::kinds::every_kind;

fn member(body: &str, index: usize) -> Option<Value> {
    match crate::decode(every_kind(), Protocol::AwsJson11, body.as_bytes()).expect("a request") {
        Value::Structure(members) => members[index].clone(),
        other => panic!("{other:?}"),
    }
}

fn refusal(body: &str) -> String {
    let error = crate::decode(every_kind(), Protocol::AwsJson11, body.as_bytes()).expect_err("malformed");
    assert_eq!((error.status, &*error.code), (400, "SerializationException"));
    error.message
}

#[test]
fn scalars() {
    assert_eq!(member(r#" { "a" : true } "#, 0), Some(Value::Boolean(true)));
    assert_eq!(member(r#"{"b":-9223372036854775808}"#, 1), Some(Value::Integer(i64::MIN)));
    assert_eq!(member(r#"{"b":1.5e1}"#, 1), Some(Value::Integer(15)));
    assert_eq!(member(r#"{"c":"-Infinity"}"#, 2), Some(Value::Float(f64::NEG_INFINITY)));
    assert_eq!(member(r#"{"d":"a\u00e9\ud83d\ude00\n"}"#, 3), Some(Value::String("aé😀\n".into())));
    assert_eq!(member(r#"{"e":"aGk="}"#, 4), Some(Value::Blob("hi".into())));
    assert_eq!(member(r#"{"f":1422172800.123}"#, 5), Some(Value::Timestamp(Time(1_422_172_800_123))));
}

#[test]
fn unknown_and_null_members_are_skipped() {
    let body = r#"{"zz":[{"d":"no"},[1,2,"\""]],"d":null,"a":false}"#;
    assert_eq!(member(body, 3), None);
    assert_eq!(member(body, 0), Some(Value::Boolean(false)));
    assert_eq!(member("", 0), None);
}

#[test]
fn values_of_another_kind() {
    assert_eq!(refusal(r#"{"d":1}"#), "NUMBER_VALUE cannot be converted to String");
    assert_eq!(refusal(r#"{"d":true}"#), "TRUE_VALUE cannot be converted to String");
    assert_eq!(refusal(r#"{"b":"1"}"#), "STRING_VALUE cannot be converted to Long");
    assert_eq!(refusal(r#"{"b":9223372036854775808}"#), "NUMBER_VALUE cannot be converted to Long");
    assert_eq!(refusal(r#"{"b":1.5}"#), "NUMBER_VALUE cannot be converted to Long");
    assert_eq!(refusal(r#"{"c":1e999}"#), "NUMBER_VALUE cannot be converted to Double");
    assert_eq!(refusal(r#"{"d":{}}"#), "Start of structure or map found where not expected.");
    assert_eq!(refusal(r#"{"d":[]}"#), "Start of list found where not expected");
    assert_eq!(refusal(r#"{"h":"x"}"#), "Unexpected field type");
    assert_eq!(refusal(r#"{"f":1e300}"#), "NUMBER_VALUE cannot be converted to Date");
}

#[test]
fn malformed_text() {
    for body in [
        "{",
        "{}x",
        "[",
        r#"{"d":"}"#,
        r#"{"d":"\x"}"#,
        r#"{"d":"\ud800"}"#,
        r#"{"b":01}"#,
        r#"{"b":1.}"#,
        r#"{"a":tru}"#,
        r#"{"a":true,}"#,
        r#"{"a" true}"#,
        r#"{a:true}"#,
        "{\"d\":\"\n\"}",
        r#"{"zz":[1,]}"#,
        "nul",
    ] {
        refusal(body);
    }
    let invalid =
        crate::decode(every_kind(), Protocol::AwsJson11, b"{\"d\":\"\xff\"}").expect_err("not UTF-8");
    assert_eq!(&*invalid.code, "SerializationException");
}
