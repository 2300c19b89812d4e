//! Keys: a change of any of these makes stores unreadable.

use bytes::Bytes;
use proptest::prelude::*;

use crate::keys::{KeyBuilder, Scope, Space, after_prefix, last_number, read_text, shard_of};
use crate::{ShardId, Time};

#[test]
fn spaces_never_change() {
    let spaces = [
        (Space::Outbox, 0x01),
        (Space::Inbox, 0x02),
        (Space::Directory, 0x03),
        (Space::Iam, 0x10),
        (Space::Sqs, 0x11),
        (Space::Sns, 0x12),
        (Space::S3, 0x13),
        (Space::Firehose, 0x14),
        (Space::CloudFormation, 0x15),
        (Space::Server, 0x7f),
        (Space::Lambda, 0x16),
        (Space::Logs, 0x17),
        (Space::ApiGateway, 0x18),
    ];
    for (at, (space, discriminant)) in (0..).zip(spaces) {
        assert_eq!(space as u8, discriminant);
        // In rows of the outbox, by its place in the enum.
        assert_eq!(postcard::to_stdvec(&space).unwrap(), [at]);
    }
}

#[test]
fn shards_never_change() {
    let names = [
        ("", 193, 6),
        ("a", 192, 1),
        ("arn:aws:sqs:eu-west-1:000000000000:orders", 88, 0),
        ("s3/my-bucket", 105, 4),
        ("sqs/000000000000/us-east-1/queues", 91, 2),
    ];
    for (name, of_256, of_7) in names {
        assert_eq!((shard_of(name, 256), shard_of(name, 7)), (ShardId(of_256), ShardId(of_7)), "{name}");
    }
}

#[test]
fn key_bytes_never_change() {
    let scope = |account: &str, region: &str| {
        let key = KeyBuilder::new(Space::Sqs, 2, &Scope::new(account, region)).build();
        hex(&key)
    };
    assert_eq!(scope("000000000000", "us-east-1"), "1102000000000001");
    assert_eq!(scope("123456789012", ""), "11021cbe991a1400");
    assert_eq!(scope("999999999999", "cn-northwest-1"), "1102e8d4a50fff23");
    assert_eq!(scope("000000000000", "xy"), "11020000000000ff787900");
    assert_eq!(scope("ab", "us-east-1"), "1102ffffffffff61620001");
    assert_eq!(scope("0000000000001", ""), "1102ffffffffff303030303030303030303030310000");
    let key = KeyBuilder::unscoped(Space::Outbox, 0);
    let key = key.text("a\0b\u{1}").number(7).number32(8).time(Time(9)).time(Time(-1)).raw(b"z").build();
    assert_eq!(hex(&key), "010061010162010200000000000000000700000008000000000000000900000000000000007a");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Texts in which the bytes that are written otherwise are frequent.
fn texts() -> impl Strategy<Value = String> {
    let letters = prop::collection::vec(prop::sample::select(vec!['\0', '\u{1}', '\u{2}', 'a', 'é']), 0..6);
    prop_oneof![letters.prop_map(String::from_iter), any::<String>()]
}

fn key(text: &str, number: u64) -> Bytes {
    KeyBuilder::unscoped(Space::Sqs, 0).text(text).number(number).build()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn keys_sort_as_what_they_are_made_of(a in (texts(), any::<u64>()), b in (texts(), any::<u64>())) {
        prop_assert_eq!(key(&a.0, a.1).cmp(&key(&b.0, b.1)), a.cmp(&b));
    }

    #[test]
    fn no_text_begins_another_ones_keys(a in texts(), b in texts(), number in any::<u64>()) {
        let prefix = KeyBuilder::unscoped(Space::Sqs, 0).text(&a).build();
        prop_assert_eq!(key(&b, number).starts_with(&prefix), a == b);
    }

    #[test]
    fn texts_are_read_back(text in texts(), number in any::<u64>()) {
        let key = key(&text, number);
        prop_assert_eq!(last_number(&key), Some(number));
        let (read, rest) = read_text(&key[2..]).unwrap();
        prop_assert_eq!(read, text);
        prop_assert_eq!(rest, number.to_be_bytes());
    }

    #[test]
    fn damaged_texts_are_told(bytes in prop::collection::vec(0u8..4, 0..8)) {
        if let Some((text, rest)) = read_text(&bytes) {
            let again = KeyBuilder::unscoped(Space::Sqs, 0).text(&text).raw(rest).build();
            // What is not written so may be read all the same; nothing is invented.
            prop_assert!(again.len() - 2 <= bytes.len() + text.len());
        }
    }

    #[test]
    fn scopes_are_apart(accounts in ("[0-9]{11,13}|[a-z]{0,3}", "[0-9]{11,13}|[a-z]{0,3}"), regions in (texts(), texts())) {
        let (a, b) = (Scope::new(accounts.0, regions.0), Scope::new(accounts.1, regions.1));
        let key = |scope: &Scope| KeyBuilder::new(Space::Sqs, 0, scope).build();
        prop_assert_eq!(key(&a) == key(&b), a == b);
        prop_assert!(a == b || !key(&a).starts_with(&key(&b)));
    }

    #[test]
    fn times_sort(a in 0..i64::MAX, b in 0..i64::MAX) {
        let key = |millis| KeyBuilder::unscoped(Space::Sqs, 0).time(Time(millis)).build();
        prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
    }

    #[test]
    fn what_is_behind_a_prefix(
        prefix in prop::collection::vec(prop_oneof![Just(0xffu8), any::<u8>()], 0..4),
        key in prop::collection::vec(prop_oneof![Just(0xffu8), any::<u8>()], 0..6),
    ) {
        let behind = after_prefix(&prefix).is_some_and(|end| key[..] >= end[..]);
        let before = key < prefix;
        prop_assert_eq!(key.starts_with(&prefix), !behind && !before);
    }
}
