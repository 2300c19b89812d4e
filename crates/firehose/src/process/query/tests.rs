//! Queries of <https://docs.aws.amazon.com/firehose/latest/dev/dynamic-partitioning-partitioning-keys.html>, and such
//! as the blog post that announced them has.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{MAX_KEYS, Query};

fn one(query: &str, record: &str) -> Result<BTreeMap<String, String>, String> {
    Query::parse(query)?.extract(&[record.as_bytes()]).remove(0)
}

fn given(query: &str, record: &str) -> String {
    let found = one(&format!("{{k: ({query})}}"), record).unwrap();
    found.get("k").cloned().unwrap_or_default()
}

#[test]
fn keys_are_extracted() {
    let record = r#"{
        "type": {"device": "mobile", "event": "user_clicked_submit_button"},
        "customer_id": "1234", "event_timestamp": 1565382027, "region": "sample_region"
    }"#;
    let query = r#"{customer_id: .customer_id, device: .type.device, year: .event_timestamp | strftime("%Y"),
        month: .event_timestamp|strftime("%m")}"#;
    let expected = [("customer_id", "1234"), ("device", "mobile"), ("month", "08"), ("year", "2019")];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(one(query, record).unwrap(), BTreeMap::from(expected));
    let keys = ["customer_id", "device", "year", "month"].map(str::to_owned);
    assert_eq!(Query::parse(query).unwrap().keys, Some(keys.to_vec()));
}

#[test]
fn values_are_what_jq_says() {
    assert_eq!(given(".a", r#"{"a": 5}"#), "5");
    assert_eq!(given(".a", r#"{"a": true}"#), "true");
    assert_eq!(given(".a // \"none\"", "{}"), "none");
    assert_eq!(given(".a[1]", r#"{"a": [1, 2.50]}"#), "2.50");
    assert_eq!(given(".a | split(\"-\") | .[0]", r#"{"a": "x-y"}"#), "x");
    assert_eq!(given("\"\\(.a)/\\(.b)\"", r#"{"a": 1, "b": "c"}"#), "1/c");
    assert_eq!(given("if .n > 3 then \"big\" else \"small\" end", r#"{"n": 4}"#), "big");
    assert_eq!(given("(.ms / 1000) | floor | todate | .[:10]", r#"{"ms": 1700000000123}"#), "2023-11-14");
    assert_eq!(given(".n | tonumber + 1", r#"{"n": "41"}"#), "42");
    assert_eq!(given(".a | map(select(. > 1)) | length", r#"{"a": [1, 2, 3]}"#), "2");
    assert_eq!(given(".a | ascii_downcase | ltrimstr(\"x\")", r#"{"a": "XY"}"#), "y");
    assert_eq!(given(".t | strptime(\"%Y-%m-%d\") | mktime", r#"{"t": "2026-02-07"}"#), "1770422400");
    assert_eq!(given("try error catch \"caught\"", "{}"), "caught");
}

#[test]
fn what_has_no_keys_says_why() {
    assert_eq!(one("{k: .a}", "no json").unwrap_err(), "Non JSON record provided");
    assert_eq!(one("{k: .a}", "[1]").unwrap_err(), "Non JSON record provided");
    assert_eq!(one("{k: .a}", &"{\"a\":".repeat(100_000)).unwrap_err(), "Non JSON record provided");
    assert!(one(".a", r#"{"a": 1}"#).unwrap_err().contains("no object"));
    assert!(one("{k: .a.b}", r#"{"a": 1}"#).unwrap_err().contains("index"));
    assert!(one("{k: .a | tonumber}", &format!("{{\"a\": \"{}\"}}", "[".repeat(100_000))).is_err());
    assert_eq!(one("{k: .a}", "{}").unwrap(), BTreeMap::new());
    let wide: Vec<String> = (0..=MAX_KEYS).map(|n| format!("\"{n}\": {n}")).collect();
    assert!(one(".", &format!("{{{}}}", wide.join(","))).unwrap_err().contains("50"));
}

#[test]
fn what_may_run_for_long_is_refused_by_name() {
    let said = |query: &str| Query::parse(query).unwrap_err();
    for (query, named) in [
        ("{a: [.[]]}", ".[]"),
        ("{a: [..]}", ".."),
        ("{a: range(9)}", "range/1"),
        ("def f: f; {a: f}", "def"),
        ("{a: reduce .b as $x (0; 1)}", "reduce"),
        (". as $x | {a: $x}", "$x"),
        (". as $x | {a: 1}", "as"),
        ("{a: (1, 2)}", "comma"),
        ("{a: env}", "env/0"),
        ("{a: input}", "input/0"),
        ("{a: now}", "now/0"),
        ("{a: halt}", "halt/0"),
        ("{a: (.b | test(.c))}", "test/1"),
        ("{a: (.b | split(.c))}", "written out"),
        (".a = 1", "assignment"),
        ("{a: (.b - .c)}", "operation"),
        ("{a: \"x\" * 1000000000}", "outgrow"),
        ("{a: (.b | strftime(\"%200Y\"))}", "digit"),
        ("{a: (.b | fromjson)}", "fromjson/0"),
        ("{a: repeat(1)}", "repeat/1"),
        ("{a: $__loc__}", "$__loc__"),
    ] {
        assert!(said(query).contains(named), "{query}: {}", said(query));
    }
    assert!(said(&format!("{{a: .{}}}", "|.+.".repeat(20))).contains("outgrow"));
    assert!(said("{a: }").contains("not a valid query"));
    assert!(said("{a: nothing}").contains("nothing/0"));
    assert!(said(&"(".repeat(100)).contains("nested"));
    assert!(said(&".|".repeat(5_000)).contains("signs"));
    let many: Vec<String> = (0..=MAX_KEYS).map(|n| format!("k{n}: .a")).collect();
    assert!(said(&format!("{{{}}}", many.join(","))).contains("50 keys"));
}

/// The longest chains that are let through run on the stack of a worker.
#[test]
fn long_queries_fit_the_stack() {
    for query in [
        format!("{{a: .{}}}", "|.".repeat(95)),
        format!("{{a: .{}}}", "+1".repeat(190)),
        format!("{{a: .{}}}", "[0]?".repeat(64)),
        format!("{{a: {}.}}", "-".repeat(190)),
    ] {
        let long = Query::parse(&query).unwrap();
        assert_eq!(long.extract(&[b"{}"]).len(), 1);
    }
    let deep = format!("{{a: {}.{}}}", "[".repeat(22), "]".repeat(22));
    assert_eq!(Query::parse(&deep).unwrap().extract(&[b"{}"]), [Ok(BTreeMap::new())]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn arbitrary_queries_do_no_harm(
        query in prop_oneof![
            "[.a-c|+*/(){}\\[\\]\",:?0-9$@ -]{0,40}",
            "\\{a:( ?(\\.a|\\.|\\||\\[|\\]|\\+|\\(|\\)|map|tojson|add|split|\"x\"|if|then|else|end|//)){0,12}\\}",
        ],
        record in "(\\{|\\}|\"a\"|:|\\[|\\]|,|1|\"b\"){0,12}",
    ) {
        if let Ok(query) = Query::parse(&query) {
            drop(query.extract(&[record.as_bytes(), b"{\"a\": [1, {\"b\": 2}]}"]));
        }
    }
}
