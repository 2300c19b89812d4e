//! Bytes of any kind never make a decoder panic, and nesting and size are bounded.

use http::HeaderMap;
use proptest::prelude::*;
use ropeway_wire::schema::Protocol;

use crate::common::kinds::every_kind;

pub const PROTOCOLS: [Protocol; 5] =
    [Protocol::AwsJson11, Protocol::AwsQuery, Protocol::RestJson, Protocol::RestXml, Protocol::RpcV2Cbor];

/// Text that is nearly of some protocol.
fn nearly() -> impl Strategy<Value = String> {
    proptest::collection::vec(
        prop_oneof![
            Just("{"),
            Just("}"),
            Just("["),
            Just("]"),
            Just(":"),
            Just(","),
            Just("\""),
            Just("\\u"),
            Just("\\"),
            Just("d800"),
            Just("null"),
            Just("1e9"),
            Just("-"),
            Just("."),
            Just("=\""),
            Just("<"),
            Just(">"),
            Just("/"),
            Just("</"),
            Just("&#x"),
            Just("&amp;"),
            Just(";"),
            Just("<![CDATA["),
            Just("]]>"),
            Just("<!--"),
            Just("member"),
            Just("key"),
            Just("value"),
            Just("entry"),
            Just("1"),
            Just("&"),
            Just("="),
            Just("%"),
            Just("a"),
            Just("b"),
            Just("f"),
            Just("h"),
            Just("i"),
            Just("j"),
            Just("Tree"),
            Just("List"),
            Just("In"),
            Just(" "),
            Just("+"),
        ],
        0..60,
    )
    .prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let operation = every_kind();
        for protocol in PROTOCOLS {
            let _ = crate::decode(operation, protocol, &body);
        }
    }

    #[test]
    fn nearly_a_request(body in nearly(), query in nearly(), header in "[ -~]{0,30}") {
        let operation = every_kind();
        let mut headers = HeaderMap::new();
        headers.insert("x-l", header.parse().unwrap());
        headers.insert("x-n", header.parse().unwrap());
        for protocol in PROTOCOLS {
            let _ = crate::decode_parts(operation, protocol, Some(&query), &headers, body.as_bytes());
        }
        let wrapped = format!("<In>{body}</In>");
        let _ = crate::decode(operation, Protocol::RestXml, wrapped.as_bytes());
    }

    #[test]
    fn nearly_cbor(parts in proptest::collection::vec(proptest::sample::select(CBOR), 0..40)) {
        let _ = crate::decode(every_kind(), Protocol::RpcV2Cbor, &parts.concat());
    }
}

/// Heads, names and scalars, those of absurd lengths among them.
const CBOR: &[&[u8]] = &[
    b"\xbf",
    b"\x9f",
    b"\xff",
    b"\xa1",
    b"\x81",
    b"\x61a",
    b"\x61h",
    b"\x61j",
    b"\x64Tree",
    b"\x5f",
    b"\x7f",
    b"\xc1",
    b"\xf6",
    b"\xfb",
    b"\x01",
    b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
];

#[test]
fn nesting_is_bounded() {
    let operation = every_kind();
    let n = 100_000;
    let bodies: [(Protocol, Vec<u8>); 7] = [
        (Protocol::AwsJson11, format!("{{\"j\":{}", "{\"Tree\":".repeat(n)).into_bytes()),
        (Protocol::AwsJson11, format!("{{\"unknown\":{}", "[".repeat(n)).into_bytes()),
        (Protocol::AwsJson11, format!("{{\"g\":{}", "[".repeat(n)).into_bytes()),
        (Protocol::AwsQuery, format!("j{}.Name=x", ".Tree".repeat(n)).into_bytes()),
        (Protocol::RestXml, format!("<In>{}", "<j>".repeat(n)).into_bytes()),
        (Protocol::RpcV2Cbor, [&b"\xa1\x61j"[..], &b"\xa1\x64Tree".repeat(n)].concat()),
        (Protocol::RpcV2Cbor, [&b"\xa1\x61x"[..], &b"\x9f".repeat(n)].concat()),
    ];
    for (protocol, body) in bodies {
        let error = crate::decode(operation, protocol, &body).expect_err("too deep");
        assert_eq!(error.status, 400, "{error}");
    }
}
