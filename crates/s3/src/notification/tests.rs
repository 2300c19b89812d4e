use proptest::prelude::*;

use super::encoding::{decode_filter, encode_key};
use super::*;

fn rule(events: &[&str], prefix: Option<&str>, suffix: Option<&str>) -> Rule {
    let filter = |suffix, value: Option<&str>| Some(Filter { suffix, value: value?.to_owned() });
    Rule {
        id: "id".to_owned(),
        kind: Kind::Queue,
        destination: "arn:aws:sqs:us-east-1:000000000000:q".to_owned(),
        events: events.iter().map(|event| (*event).to_owned()).collect(),
        filters: [filter(false, prefix), filter(true, suffix)].into_iter().flatten().collect(),
    }
}

#[test]
fn event_types_and_wildcards() {
    let all = rule(&["s3:ObjectCreated:*"], None, None);
    assert!(all.takes(Event::Put, "k") && all.takes(Event::CompleteMultipartUpload, "k"));
    assert!(!all.takes(Event::Delete, "k"));
    let one = rule(&["s3:ObjectCreated:Copy", "s3:ObjectTagging:*"], None, None);
    assert!(one.takes(Event::Copy, "k") && one.takes(Event::TaggingDelete, "k"));
    assert!(!one.takes(Event::Put, "k"));
    for event in POSSIBLE {
        assert_eq!(standing(event), Standing::Possible);
    }
    assert_eq!(standing("s3:ObjectCreated:Post"), Standing::Never);
    assert_eq!(standing("s3:ObjectCreated"), Standing::Unknown);
}

#[test]
fn filters_are_form_encoded() {
    let spaced = rule(&["s3:ObjectCreated:*"], Some("in+put/%C3%A9"), Some(".j%70g"));
    assert!(spaced.takes(Event::Put, "in put/é.jpg"));
    assert!(!spaced.takes(Event::Put, "in+put/é.jpg"));
    assert_eq!(decode_filter("100%"), "100%");
    assert_eq!(decode_filter("%FF+"), "%FF+");
}

/// The examples of the user guide, "Examples of valid notification configurations with object key name
/// filtering" and of the invalid ones after them.
#[test]
fn configurations_that_share_an_event_must_not_overlap() {
    let created = &["s3:ObjectCreated:*"];
    let conflict = |a: (Option<&str>, Option<&str>), b: (Option<&str>, Option<&str>)| {
        rule(created, a.0, a.1).conflict(&rule(&["s3:ObjectCreated:Put"], b.0, b.1))
    };
    let names = ("s3:ObjectCreated:*".to_owned(), "s3:ObjectCreated:Put".to_owned());
    assert_eq!(conflict((None, None), (None, None)), Some(Conflict::Overlap(names.0, names.1)));
    assert_eq!(conflict((Some("images"), None), (Some("logs/"), None)), None);
    assert_eq!(conflict((None, Some(".jpg")), (None, Some(".png"))), None);
    assert_eq!(conflict((Some("images/"), Some(".jpg")), (Some("images/"), Some(".png"))), None);
    assert_eq!(conflict((Some("images"), None), (Some("images/jpg"), None)), Some(Conflict::Ambiguous));
    assert_eq!(conflict((None, Some("jpg")), (None, Some("pg"))), Some(Conflict::Ambiguous));
    assert_eq!(conflict((Some("images"), None), (None, Some("jpg"))), Some(Conflict::Ambiguous));
    assert_eq!(conflict((Some("images"), None), (None, None)), Some(Conflict::Ambiguous));
    let removed = rule(&["s3:ObjectRemoved:*"], None, None);
    assert_eq!(rule(created, None, None).conflict(&removed), None);
}

#[test]
fn keys_in_messages() {
    // As S3 answered: localstack/localstack, test_s3_notifications_sqs.snapshot.json, test_key_encoding.
    assert_eq!(encode_key("a@b"), "a%40b");
    assert_eq!(encode_key("red flower.jpg"), "red+flower.jpg");
    assert_eq!(encode_key("a/b+c=d/é"), "a/b%2Bc%3Dd/%C3%A9");
}

#[test]
fn customers_differ() {
    assert_eq!(customer_id("000000000000").len(), 14);
    assert_ne!(customer_id("000000000000"), customer_id("000000000001"));
}

proptest! {
    /// What a consumer gets by undoing the encoding is the key.
    #[test]
    fn keys_come_back(key in "\\PC{0,40}") {
        prop_assert_eq!(decode_filter(&encode_key(&key)), key);
    }

    /// No key goes by two configurations that are allowed side by side.
    #[test]
    fn one_event_one_message(
        a in ("[ab]{0,2}", "[ab]{0,2}"), b in ("[ab]{0,2}", "[ab]{0,2}"), key in "[ab]{0,5}",
    ) {
        let one = rule(&["s3:ObjectCreated:*"], Some(&a.0), Some(&a.1));
        let other = rule(&["s3:ObjectCreated:Put"], Some(&b.0), Some(&b.1));
        if one.conflict(&other).is_none() {
            prop_assert!(!(one.takes(Event::Put, &key) && other.takes(Event::Put, &key)));
        }
    }
}
