//! Constraints and refusals, in the words of AWS's services.
//!
//! The wording: `1 validation error detected: Value '…' at '…' failed to satisfy constraint: …`, as DynamoDB
//! (aws/aws-cli issue 790), CodePipeline and Lambda (`Map value must satisfy constraint: […]`) answer it.

use ropeway_wire::schema::{Constraints, Kind, Location, Member, Operation, Protocol, STRING, Schema};

use crate::common::{leak, operation, structure};

fn constrained(kind: Kind, constraints: Constraints) -> &'static Schema {
    leak(Schema { name: "Constrained", kind, constraints })
}

fn length(min: i64, max: i64) -> Constraints {
    Constraints { min: Some(min), max: Some(max), ..Constraints::NONE }
}

fn create() -> &'static Operation {
    let name = Constraints { pattern: Some("[a-zA-Z0-9_.-]+"), ..length(3, 10) };
    let color = || constrained(Kind::String, Constraints { values: &["RED", "GREEN"], ..Constraints::NONE });
    let colors = Kind::List { element: Member::new("member", color()) };
    let entry =
        structure("Entry", vec![Member::new("Id", constrained(Kind::String, length(1, 5))).required()]);
    let entries = Kind::List { element: Member::new("member", entry) };
    let tags = Kind::Map {
        key: Member::new("key", constrained(Kind::String, length(1, 3))),
        value: Member::new("value", constrained(Kind::String, length(0, 4))),
    };
    let by_name = Kind::Map { key: Member::new("key", &STRING), value: Member::new("value", entry) };
    let members = vec![
        Member::new("TableName", constrained(Kind::String, name)).required(),
        Member::new("Limit", constrained(Kind::Integer, length(1, 100))),
        Member::new("Color", color()),
        Member::new("Colors", constrained(colors, Constraints::NONE)),
        Member::new("Entries", constrained(entries, length(1, 2))),
        Member::new("Tags", constrained(tags, length(0, 2))),
        Member::new("ByName", constrained(by_name, Constraints::NONE)),
        Member::new("Later", &STRING).refused(),
        Member::new("Nested", structure("Nested", vec![Member::new("Later", entry).refused()])),
        Member::new("Data", constrained(Kind::Blob, length(1, 2))),
    ];
    operation(Member::new("In", structure("In", members)), Member::new("", &ropeway_wire::schema::EMPTY))
}

fn message(body: &str) -> String {
    let error = crate::decode(create(), Protocol::AwsJson10, body.as_bytes()).expect_err("invalid");
    assert_eq!((error.status, &*error.code), (400, "ValidationException"), "{error}");
    error.message
}

#[test]
fn what_is_valid_passes() {
    let body = r#"{"TableName":"abc","Limit":100,"Color":"RED","Colors":[],"Entries":[{"Id":"é́é́é"}],"Tags":{"a":""},"Data":"aGk="}"#;
    crate::decode(create(), Protocol::AwsJson10, body.as_bytes()).expect("valid");
}

#[test]
fn one_violation() {
    let of = |constraint: &str| format!("1 validation error detected: Value {constraint}");
    for (body, constraint) in [
        ("{}", "null at 'tableName' failed to satisfy constraint: Member must not be null"),
        (
            r#"{"TableName":null}"#,
            "null at 'tableName' failed to satisfy constraint: Member must not be null",
        ),
        (
            r#"{"TableName":"a b c"}"#,
            "'a b c' at 'tableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
        ),
        (
            r#"{"TableName":"ab"}"#,
            "'ab' at 'tableName' failed to satisfy constraint: Member must have length greater than or equal to 3",
        ),
        (
            r#"{"TableName":"abcdefghijk"}"#,
            "'abcdefghijk' at 'tableName' failed to satisfy constraint: Member must have length less than or equal to 10",
        ),
        (
            r#"{"TableName":"abc","Limit":0}"#,
            "'0' at 'limit' failed to satisfy constraint: Member must have value greater than or equal to 1",
        ),
        (
            r#"{"TableName":"abc","Limit":101}"#,
            "'101' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 100",
        ),
        (
            r#"{"TableName":"abc","Color":"red"}"#,
            "'red' at 'color' failed to satisfy constraint: Member must satisfy enum value set: [RED, GREEN]",
        ),
        (
            r#"{"TableName":"abc","Colors":["RED","x"]}"#,
            "'[RED, x]' at 'colors' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [RED, GREEN]]",
        ),
        (
            r#"{"TableName":"abc","Entries":[]}"#,
            "'[]' at 'entries' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ),
        (
            r#"{"TableName":"abc","Entries":[{"Id":"a"},{"Id":""}]}"#,
            "'' at 'entries.2.member.id' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ),
        (
            r#"{"TableName":"abc","Entries":[{}]}"#,
            "null at 'entries.1.member.id' failed to satisfy constraint: Member must not be null",
        ),
        (
            r#"{"TableName":"abc","ByName":{"x":{}}}"#,
            "null at 'byName.x.member.id' failed to satisfy constraint: Member must not be null",
        ),
        (
            r#"{"TableName":"abc","Tags":{"a":"12345"}}"#,
            "'{a=12345}' at 'tags' failed to satisfy constraint: Map value must satisfy constraint: [Member must have length less than or equal to 4, Member must have length greater than or equal to 0]",
        ),
        (
            r#"{"TableName":"abc","Tags":{"abcd":"1"}}"#,
            "'{abcd=1}' at 'tags' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 3, Member must have length greater than or equal to 1]",
        ),
        (
            r#"{"TableName":"abc","Data":""}"#,
            "'' at 'data' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ),
    ] {
        assert_eq!(message(body), of(constraint), "{body}");
    }
}

#[test]
fn violations_are_told_together() {
    let told = message(r#"{"Limit":0,"Color":"x","TableName":"abc"}"#);
    assert_eq!(
        told,
        "2 validation errors detected: Value '0' at 'limit' failed to satisfy constraint: Member must have value greater \
         than or equal to 1; Value 'x' at 'color' failed to satisfy constraint: Member must satisfy enum value set: [RED, GREEN]"
    );
}

#[test]
fn the_wire_is_refused_before_its_values() {
    let error =
        crate::decode(create(), Protocol::AwsJson10, br#"{"Limit":0,"TableName":7}"#).expect_err("malformed");
    assert_eq!(&*error.code, "SerializationException");
}

#[test]
fn what_is_not_implemented_is_refused_by_name() {
    for (body, name) in [
        (r#"{"Later":{"any":["thing"]},"Limit":0}"#, "Later"),
        (r#"{"TableName":"abc","Nested":{"Later":{}}}"#, "Nested.Later"),
    ] {
        let error = crate::decode(create(), Protocol::AwsJson10, body.as_bytes()).expect_err("refused");
        assert_eq!((error.status, &*error.code), (400, "UnsupportedOperation"));
        assert_eq!(error.message, format!("Ropeway does not implement the parameter {name} of Act"));
    }
}

#[test]
fn every_protocol_is_checked() {
    let expected = "1 validation error detected: Value 'ab' at 'tableName' failed to satisfy constraint: Member must have \
                    length greater than or equal to 3";
    for (protocol, body) in [
        (Protocol::AwsQuery, &b"Action=Act&TableName=ab"[..]),
        (Protocol::RestJson, br#"{"TableName":"ab"}"#),
        (Protocol::RestXml, b"<In><TableName>ab</TableName></In>"),
        (Protocol::RpcV2Cbor, b"\xa1\x69TableName\x62ab"),
    ] {
        let error = crate::decode(create(), protocol, body).expect_err("too short");
        assert_eq!(error.message, expected, "{protocol:?}");
    }
}

#[test]
fn numbers_in_a_query_string() {
    let input = structure(
        "In",
        vec![Member::new("MaxKeys", &ropeway_wire::schema::INTEGER).at(Location::Query("max-keys"))],
    );
    let operation = operation(Member::new("In", input), Member::new("", &ropeway_wire::schema::EMPTY));
    let error =
        crate::decode_parts(operation, Protocol::RestXml, Some("max-keys=x"), &http::HeaderMap::new(), b"")
            .expect_err("not a number");
    assert_eq!(
        (&*error.code, &*error.message),
        ("InvalidArgument", "Provided max-keys not an integer or within integer range")
    );
    assert_eq!(error.members["ArgumentValue"], "x");
}
