#![no_main]
#![doc = "Fuzzes the prefixes of object keys: any text is read or refused, and what is read gives keys at any moment."]
#![doc = ""]
#![doc = "Between NULs: the objects' prefix, the errors', the time zone, seconds since 1970, and the value of each key."]

use ropeway_core::Time;
use ropeway_firehose::prefix::{PartitionKeys, Prefixes, Source};

/// The last second that has four digits of a year, in every time zone.
const LAST: i64 = 253_402_200_000;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let mut parts = text.split('\0');
    let mut next = || parts.next().unwrap_or_default();
    let (objects, errors, zone, seconds, value) = (next(), next(), next(), next(), next());
    let Ok(prefixes) = Prefixes::parse(objects, errors, zone) else { return };
    let at = Time::from_secs(seconds.parse::<i64>().unwrap_or(1_700_000_000).rem_euclid(LAST));
    let values = |from| prefixes.keys(from).into_iter().map(|key| (key.to_owned(), value.to_owned())).collect();
    let keys = PartitionKeys { query: values(Source::Query), lambda: values(Source::Lambda) };
    let fits = prefixes.check_lengths(at).is_ok();
    let object = prefixes.object(at, "randomtexts");
    assert_eq!(object, prefixes.object(at, "randomtexts"), "the same twice");
    let error = prefixes.error(at, "randomtexts", "processing-failed");
    assert!(!fits || error.chars().count() <= 512, "{error}");
    let partitioned = prefixes.partitioned(at, "randomtexts", &keys);
    assert!(partitioned.is_none_or(|prefix| prefix.chars().count() <= 512), "its length is checked");
});
