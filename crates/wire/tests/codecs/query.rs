//! The Query protocol's requests, and how malformed ones are refused.

use ropeway_wire::schema::Protocol;

use crate::common::Value;
use crate::common::kinds::every_kind;

fn member(body: &str, index: usize) -> Option<Value> {
    match crate::decode(every_kind(), Protocol::AwsQuery, body.as_bytes()).expect("a request") {
        Value::Structure(members) => members[index].clone(),
        other => panic!("{other:?}"),
    }
}

fn refusal(body: &[u8]) -> String {
    let error = crate::decode(every_kind(), Protocol::AwsQuery, body).expect_err("malformed");
    assert_eq!((error.status, &*error.code), (400, "MalformedInput"));
    error.message
}

fn integers(values: &[i64]) -> Option<Value> {
    Some(Value::List(values.iter().map(|v| Value::Integer(*v)).collect()))
}

#[test]
fn names_and_escapes() {
    assert_eq!(member("Action=Act&Version=1&d=a+b%20%C3%A9%3D", 3), Some(Value::String("a b é=".into())));
    assert_eq!(member("d=", 3), Some(Value::String(String::new())));
    assert_eq!(member("d=x\r\n", 3), Some(Value::String("x".into())));
    assert_eq!(member("d-x=1&dd=3", 3), None);
    assert_eq!(member("a=1", 0), Some(Value::Boolean(true)));
}

#[test]
fn elements_come_in_the_order_of_their_numbers() {
    assert_eq!(member("h.member.10=3&h.member.2=2&h.member.1=1", 7), integers(&[1, 2, 3]));
    assert_eq!(member("h.member.7=1", 7), integers(&[1]));
    assert_eq!(member("h=", 7), integers(&[]));
    assert_eq!(
        member("h.member.01=1&h.member.+1=1&h.member.-1=1&h.member.x=1&h.member.99999999999=1", 7),
        integers(&[])
    );
}

#[test]
fn names_that_sort_between() {
    // `-` comes before `.`, so that the names below `j` do not stand next to `j` itself.
    let tree = member("j-a=1&j.Name=n&j/b=2&j.Name-x=3&j.Tree.Name=m", 9);
    let leaf = Value::Structure(vec![None, None, Some(Value::String("m".into()))]);
    assert_eq!(tree, Some(Value::Structure(vec![Some(leaf), None, Some(Value::String("n".into()))])));
}

#[test]
fn malformed_parameters() {
    assert_eq!(refusal(b"a=yes"), "boolean must follow xsd1.1 definition");
    assert_eq!(refusal(b"b=x"), "STRING_VALUE cannot be converted to Long");
    assert_eq!(refusal(b"b=9223372036854775808"), "STRING_VALUE cannot be converted to Long");
    assert_eq!(refusal(b"d.x=1"), "Unexpected complex element termination");
    assert_eq!(refusal(b"h=1"), "Unexpected value for the list or map h");
    assert_eq!(refusal(b"i.entry.1.key=k"), "Entry 1 of i lacks its key or its value");
    assert_eq!(refusal(b"d=%ff"), "The request's parameters are not valid UTF-8");
    assert_eq!(refusal(b"d=\xff"), "The request's parameters are not valid UTF-8");
}
