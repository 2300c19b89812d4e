use proptest::prelude::*;
use ropeway_core::Time;

use super::{DELIVERY_FAILED, PROCESSING_FAILED, PartitionKeys, Prefixes, Source, object_name};

/// 2026-02-07T23:59:59.123Z, a Saturday.
const AT: Time = Time(1_770_508_799_123);

fn object(prefix: &str, zone: &str, at: Time) -> String {
    Prefixes::parse(prefix, "e/!{firehose:error-output-type}/", zone).unwrap().object(at, "RANDOMSTRING")
}

fn stamp(pattern: &str) -> String {
    object(&format!("!{{timestamp:{pattern}}}"), "", AT)
}

#[test]
fn midnight_divides_partitions() {
    let prefix = "landing_date=!{timestamp:yyyy-MM-dd}/";
    assert_eq!(object(prefix, "", AT), "landing_date=2026-02-07/");
    assert_eq!(object(prefix, "", AT.plus_millis(877)), "landing_date=2026-02-08/");
    assert_eq!(object(prefix, "Asia/Tokyo", AT), "landing_date=2026-02-08/");
    assert_eq!(object(prefix, "America/New_York", AT.plus_secs(3600)), "landing_date=2026-02-07/");
}

#[test]
fn fields_are_javas() {
    assert_eq!(stamp("yyyy/MM/dd/HH/mm/ss"), "2026/02/07/23/59/59");
    assert_eq!(stamp("yy-M-d-h-K-k-a"), "26-2-7-11-11-23-PM");
    assert_eq!(stamp("D DDD"), "38 038");
    assert_eq!(stamp("MMM MMMM MMMMM E EEEE"), "Feb February F Sat Saturday");
    assert_eq!(stamp("SSS"), "123");
    assert_eq!(stamp("Q z Z"), "1 UTC +0000");
    assert_eq!(stamp("'year='yyyy''''HH 'o''clock'"), "year=2026'23 o'clock");
    // The week of 2026-12-31 is the first of 2027, as Java has it in the United States.
    let eve = Time(1_798_675_200_000);
    assert_eq!(object("!{timestamp:yyyy YYYY}", "", eve), "2026 2027");
}

#[test]
fn prefixes_without_a_timestamp_get_one() {
    let prefixes = |prefix, errors| Prefixes::parse(prefix, errors, "").unwrap();
    assert_eq!(prefixes("", "").object(AT, ""), "2026/02/07/23/");
    assert_eq!(prefixes("a/", "").object(AT, ""), "a/2026/02/07/23/");
    assert_eq!(prefixes("a/", "").error(AT, "", DELIVERY_FAILED), "a/delivery-failed/2026/02/07/23/");
    assert_eq!(prefixes("a/", "b/").error(AT, "", DELIVERY_FAILED), "b/delivery-failed/2026/02/07/23/");
    assert_eq!(object("!{firehose:random-string}/", "", AT), "RANDOMSTRING/2026/02/07/23/");
    let errors = "f/!{timestamp:yyyy}/!{firehose:error-output-type}/!{firehose:random-string}";
    assert_eq!(prefixes("a", errors).error(AT, "r", PROCESSING_FAILED), "f/2026/processing-failed/r");
}

#[test]
fn partition_keys_are_filled_in() {
    let prefix = "c=!{partitionKeyFromQuery:c}/d=!{partitionKeyFromLambda:d}/!{timestamp:yyyy}/";
    let prefixes = Prefixes::parse(prefix, "e/!{firehose:error-output-type}/", "").unwrap();
    assert_eq!(prefixes.keys(Source::Query), ["c"].into());
    assert_eq!(prefixes.keys(Source::Lambda), ["d"].into());
    let mut keys = PartitionKeys::default();
    keys.query.insert("c".to_owned(), "1".to_owned());
    keys.query.insert("d".to_owned(), "another's".to_owned());
    assert_eq!(prefixes.partitioned(AT, "", &keys), None, "a key is missing");
    keys.lambda.insert("d".to_owned(), String::new());
    assert_eq!(prefixes.partitioned(AT, "", &keys), None, "a key is empty");
    keys.lambda.insert("d".to_owned(), "2".to_owned());
    assert_eq!(prefixes.partitioned(AT, "", &keys).as_deref(), Some("c=1/d=2/2026/"));
    keys.lambda.insert("d".to_owned(), "x".repeat(600));
    assert_eq!(prefixes.partitioned(AT, "", &keys), None, "too long");
}

#[test]
fn what_is_wrong_is_said() {
    let wrong = |prefix, errors, zone| Prefixes::parse(prefix, errors, zone).unwrap_err();
    let errors = "e/!{firehose:error-output-type}/";
    assert_eq!(
        wrong("!{timestamp:yyyy}/", "", ""),
        "ErrorOutputPrefix cannot be null or empty when Prefix contains expressions"
    );
    assert!(wrong("!{firehose:error-output-type}/", errors, "").contains("Prefix cannot contain"));
    assert!(wrong("a", "!{timestamp:yyyy}/", "").contains("must contain !{firehose:error-output-type}"));
    assert!(wrong("!{timestamp:yyyy", errors, "").contains("may only begin an expression"));
    assert!(wrong("!{timestamp}", errors, "").contains("namespace:value"));
    assert!(wrong("!{timestamp:}", errors, "").contains("empty"));
    assert!(wrong("!{timestamp:'x}", errors, "").contains("quote"));
    assert!(wrong("!{timestamp:[yyyy]}", errors, "").contains("reserved"));
    assert!(wrong("!{timestamp:b}", errors, "").contains("letter b"));
    assert!(wrong("!{timestamp:HHH}", errors, "").contains("too many"));
    assert!(wrong("!{partitionKeyFromQuery:}", errors, "").contains("names no key"));
    let keyed = "!{firehose:error-output-type}!{partitionKeyFromQuery:id}";
    assert!(wrong("a", keyed, "").contains("cannot contain partition keys"));
    assert!(wrong("!{cloud:x}", errors, "").contains("not a supported expression"));
    assert!(wrong("a", "", "Mars/Olympus").contains("not a time zone"));
    let long = Prefixes::parse(&"x".repeat(500), "", "").unwrap();
    assert!(long.check_lengths(AT).unwrap_err().contains("512"));
}

#[test]
fn objects_are_named_after_stream_version_and_moment() {
    assert_eq!(object_name("s", 3, AT, "id"), "s-3-2026-02-07-23-59-59-id");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_prefixes_do_no_harm(prefix in "(!\\{|[a-zA-Z':}{/\\[\\]äs-])*", zone in "[A-Za-z/_]{0,8}", at in any::<i64>()) {
        if let Ok(prefixes) = Prefixes::parse(&prefix, "e/!{firehose:error-output-type}", &zone) {
            prefixes.object(Time(at), "r");
            prefixes.error(Time(at), "r", PROCESSING_FAILED);
        }
    }

    #[test]
    fn literals_stay_as_they_are(text in "[a-z/=_. -]{0,40}", secs in 0i64..4_000_000_000) {
        let made = object(&format!("{text}!{{timestamp:yyyyMMddHHmmss}}"), "", Time::from_secs(secs));
        let (literal, digits) = made.split_at(text.len());
        prop_assert_eq!(literal, &text);
        // A naive model: days since 1970 by counting years and months.
        let (mut days, rest) = (secs / 86_400, secs % 86_400);
        let leap = |y: i64| (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
        let mut year = 1970;
        while days >= 365 + i64::from(leap(year)) {
            days -= 365 + i64::from(leap(year));
            year += 1;
        }
        let lengths = [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        let mut month = 0;
        while days >= lengths[month] {
            days -= lengths[month];
            month += 1;
        }
        let expected = format!(
            "{year:04}{:02}{:02}{:02}{:02}{:02}", month + 1, days + 1, rest / 3600, rest / 60 % 60, rest % 60
        );
        prop_assert_eq!(digits, expected);
    }

    #[test]
    fn one_partition_is_one_interval(secs in 0i64..4_000_000_000, later in 0i64..200_000) {
        let prefix = "d=!{timestamp:yyyy-MM-dd}/";
        let (a, b) = (Time::from_secs(secs), Time::from_secs(secs + later));
        let same = secs / 86_400 == (secs + later) / 86_400;
        prop_assert_eq!(object(prefix, "", a) == object(prefix, "", b), same);
    }
}
