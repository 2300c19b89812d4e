//! What one side writes, the other reads: any value of any schema, in every protocol.

use proptest::prelude::*;
use ropeway_wire::protocol::{ResponseBody, decode_response, encode_output, from_json, to_json};
use ropeway_wire::schema::{Member, Protocol};

use crate::arbitrary::plan;
use crate::common::{Value, leak, operation, service, shape, structure};

fn any_value() -> impl Strategy<Value = (&'static Member, &'static Member, Value)> {
    plan().prop_flat_map(|plan| {
        let (input, output) = (leak(plan.root()), leak(plan.root()));
        plan.value().prop_map(move |value| (&*input, &*output, value))
    })
}

fn answer(protocol: Protocol, output: Member, value: &Value) -> Result<Value, TestCaseError> {
    let operation = operation(Member::new("", &ropeway_wire::schema::EMPTY), output);
    let response = encode_output(service(), operation, protocol, value, "id");
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let ResponseBody::Bytes(body) = response.into_body() else { panic!("not a stream") };
    decode_response(operation, protocol, status, &headers, body.clone())
        .map_err(|e| TestCaseError::fail(format!("{e} in {}", String::from_utf8_lossy(&body))))
}

fn copy(member: &'static Member) -> Member {
    Member {
        timestamp: member.timestamp,
        flattened: member.flattened,
        ..Member::new(member.name, member.schema)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn json((_, root, value) in any_value()) {
        let text = to_json(&value, root);
        let read: Value = from_json(&text, root).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(&read, &value);
        // And it is JSON to others.
        let tree: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let read: Value = from_json(tree.to_string().as_bytes(), root).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(read, value);
    }

    #[test]
    fn answers((_, root, value) in any_value()) {
        for protocol in [Protocol::AwsJson10, Protocol::AwsQuery, Protocol::RestJson, Protocol::RestXml, Protocol::RpcV2Cbor] {
            let read = answer(protocol, copy(root), &value)?;
            prop_assert_eq!(read, value.clone(), "{:?}", protocol);
        }
    }

    #[test]
    fn form((root, _, value) in any_value()) {
        let body = crate::form::form(&value, root);
        let operation = operation(copy(root), Member::new("", &ropeway_wire::schema::EMPTY));
        let read = crate::decode(operation, Protocol::AwsQuery, body.as_bytes())
            .map_err(|e| TestCaseError::fail(format!("{e} in {body}")))?;
        prop_assert_eq!(read, value);
    }

    #[test]
    fn headers(
        name in "[!-~]([ -~]{0,20}[!-~])?",
        list in proptest::collection::vec("[!-~]([ -~]{0,10}[!-~])?", 1..5),
        number in any::<i64>(),
        secs in -9_000_000_000i64..9_000_000_000,
        prefixed in proptest::collection::btree_map("[a-z0-9]{1,8}", "[!-~]([ -~]{0,10}[!-~])?", 1..4),
    ) {
        let element = Member::new("member", &ropeway_wire::schema::STRING);
        let value = Member::new("value", &ropeway_wire::schema::STRING);
        let key = Member::new("key", &ropeway_wire::schema::STRING);
        use ropeway_wire::schema::{Kind, Location};
        let members = vec![
            Member::new("Name", &ropeway_wire::schema::STRING).at(Location::Header("x-name")),
            Member::new("List", shape("List", Kind::List { element })).at(Location::Header("x-list")),
            Member::new("Number", &ropeway_wire::schema::INTEGER).at(Location::Header("x-number")),
            Member::new("Time", &ropeway_wire::schema::TIMESTAMP).at(Location::Header("x-time")),
            Member::new("Meta", shape("Map", Kind::Map { key, value })).at(Location::PrefixHeaders("x-meta-")),
        ];
        let value = Value::Structure(vec![
            Some(Value::String(name)),
            Some(Value::List(list.into_iter().map(Value::String).collect())),
            Some(Value::Integer(number)),
            Some(Value::Timestamp(ropeway_core::Time::from_secs(secs))),
            Some(Value::Map(prefixed.into_iter().map(|(k, v)| (k, Value::String(v))).collect())),
        ]);
        let read = answer(Protocol::RestXml, Member::new("Out", structure("Out", members)), &value)?;
        prop_assert_eq!(read, value);
    }
}
