//! Subscription filters: what their destinations get. What functions print.

use std::io::Read as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::read::GzDecoder;
use ropeway_api::logs::{Logs as _, PutSubscriptionFilterInput};
use ropeway_core::effects::{FirehoseCommand, LambdaCommand};
use ropeway_core::log_lines::{LogLines, LogWriter};
use ropeway_core::{Time, keys};
use serde_json::Value as Json;

use super::{ACCOUNT, REGION, ROLE, START, TestRoles, World, group};
use crate::Sink;
use crate::commands::Command;
use crate::model::Filter;

const STREAM: &str = "arn:aws:firehose:eu-central-1:123456789012:deliverystream/archive";
const FUNCTION: &str = "arn:aws:lambda:eu-central-1:123456789012:function:f:prod";

fn filter(name: &str, pattern: &str, destination: &str) -> Filter {
    Filter {
        name: name.to_owned(),
        id: 0,
        pattern: pattern.to_owned(),
        destination: destination.to_owned(),
        role: Some(ROLE.to_owned()),
        distribution: "ByLogStream".to_owned(),
        created: Time(0),
    }
}

fn unzip(data: &[u8]) -> Json {
    let mut text = String::new();
    GzDecoder::new(data).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

impl World {
    async fn subscribe(&self, filter: Filter) {
        self.submit(Command::PutFilter { group: group(), filter }).await.unwrap();
    }

    /// Waits for so many records of the delivery stream.
    async fn records(&self, count: usize) -> Vec<Json> {
        loop {
            let got = self.got.firehose.lock().unwrap().clone();
            if got.len() >= count {
                return got
                    .into_iter()
                    .map(|FirehoseCommand::Deliver(delivery)| {
                        assert_eq!((delivery.stream.as_str(), delivery.role.as_str()), (STREAM, ROLE));
                        unzip(&delivery.data)
                    })
                    .collect();
            }
            self.got.came.notified().await;
        }
    }
}

#[tokio::test]
async fn a_stream_gets_what_matches_in_the_order_of_the_puts() {
    let world = World::new().await;
    world.create(&["s"]).await;
    world.put("s", &[(0, "before the filter: ERROR")]).await.unwrap();
    world.subscribe(filter("errors", "ERROR", STREAM)).await;
    for n in 0..20 {
        world.put("s", &[(n, "ERROR a"), (n, "fine"), (n + 1, "ERROR b")]).await.unwrap();
        world.put("s", &[(n, "fine")]).await.unwrap();
    }
    let records = world.records(20).await;
    assert_eq!(records.len(), 20, "a put without a match is no record");
    for (n, record) in records.iter().enumerate() {
        assert_eq!(record["messageType"], "DATA_MESSAGE");
        assert_eq!(record["owner"], ACCOUNT);
        assert_eq!((&record["logGroup"], &record["logStream"]), (&"g".into(), &"s".into()));
        assert_eq!(record["subscriptionFilters"], serde_json::json!(["errors"]));
        let events = record["logEvents"].as_array().unwrap();
        let texts: Vec<_> = events.iter().map(|event| event["message"].as_str().unwrap()).collect();
        assert_eq!(texts, ["ERROR a", "ERROR b"]);
        assert_eq!(events[0]["timestamp"], START + n as i64);
        assert!(events[0].get("extractedFields").is_none());
    }
}

#[tokio::test]
async fn a_function_gets_base64_and_extracted_fields() {
    let world = World::new().await;
    world.create(&["s"]).await;
    world.subscribe(filter("fields", "[level = WARN, ..., code]", FUNCTION)).await;
    world.put("s", &[(0, "WARN it broke 42"), (0, "INFO it works 0")]).await.unwrap();
    let got = loop {
        let got = world.got.lambda.lock().unwrap().clone();
        if let Some(LambdaCommand::Deliver(delivery)) = got.into_iter().next() {
            break delivery;
        }
        world.got.came.notified().await;
    };
    assert_eq!((got.function.as_str(), got.principal.as_str()), (FUNCTION, "logs.amazonaws.com"));
    assert_eq!(got.source_arn, format!("arn:aws:logs:{REGION}:{ACCOUNT}:log-group:g:*"));
    let event: Json = serde_json::from_slice(&got.payload).unwrap();
    let data = unzip(&BASE64.decode(event["awslogs"]["data"].as_str().unwrap()).unwrap());
    let fields = serde_json::json!({ "$level": "WARN", "$2": "it", "$3": "broke", "$code": "42" });
    assert_eq!(data["logEvents"][0]["extractedFields"], fields);
    assert_eq!(data["logEvents"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn large_puts_become_several_records() {
    let world = World::new().await;
    world.create(&["s"]).await;
    world.subscribe(filter("all", "", STREAM)).await;
    let line = "x".repeat(100_000);
    let events: Vec<(i64, &str)> = (0..10).map(|n| (n, line.as_str())).collect();
    world.put("s", &events).await.unwrap();
    let records = world.records(2).await;
    let count: usize = records.iter().map(|record| record["logEvents"].as_array().unwrap().len()).sum();
    assert_eq!((records.len(), count), (2, 10));
}

#[tokio::test]
async fn destinations_are_checked_before_a_filter_is_made() {
    let world = World::new().await;
    world.create(&[]).await;
    let put = async |destination: &str, role: Option<&str>| {
        let input = PutSubscriptionFilterInput {
            log_group_name: "g".to_owned(),
            filter_name: "f".to_owned(),
            filter_pattern: String::new(),
            destination_arn: destination.to_owned(),
            role_arn: role.map(str::to_owned),
            distribution: None,
        };
        world.logs.put_subscription_filter(&world.cx(), input).await.map(drop).map_err(|error| error.message)
    };
    put(FUNCTION, None).await.unwrap();
    world.gate.denied.lock().unwrap().push("lambda:InvokeFunction".to_owned());
    assert!(put(FUNCTION, None).await.unwrap_err().starts_with("Could not execute the lambda function."));
    assert!(
        put("arn:aws:kinesis:eu-central-1:123456789012:stream/s", Some(ROLE))
            .await
            .unwrap_err()
            .contains("not implemented")
    );
    let other = "arn:aws:firehose:us-east-1:123456789012:deliverystream/archive";
    assert!(put(other, Some(ROLE)).await.unwrap_err().contains("own account and region"));
    assert!(put(STREAM, None).await.unwrap_err().contains("without roleArn"));
    let unknown = "arn:aws:iam::123456789012:role/other";
    assert!(put(STREAM, Some(unknown)).await.unwrap_err().starts_with("Could not deliver test message"));
    // There is no Firehose in this test: the probe is not taken.
    assert!(put(STREAM, Some(ROLE)).await.unwrap_err().contains("ACTIVE"));
}

fn of_function(role: &str) -> LogWriter {
    let function = format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:my-f");
    LogWriter::Function { role: role.to_owned(), function }
}

fn lines(stream: &str, texts: &[&str]) -> LogLines {
    LogLines {
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        group: "g".to_owned(),
        stream: stream.to_owned(),
        lines: texts.iter().map(|text| (Time(START), (*text).to_owned())).collect(),
        writer: of_function(ROLE),
    }
}

fn sink(world: &World) -> Sink {
    let gate = Arc::clone(&world.gate) as Arc<dyn ropeway_wire::Gate>;
    Sink::new(world.core.clone(), Arc::clone(&world.services), gate, Arc::new(TestRoles))
}

#[tokio::test]
async fn what_functions_print_is_put_as_their_role() {
    let world = World::new().await;
    let sink = sink(&world);
    sink.log(lines("a", &["one", ""]));
    sink.log(lines("b", &["two"]));
    sink.log(lines("a", &["three"]));
    sink.flush().await;
    assert_eq!(world.filter("-two").await, ["one\n", "\n", "three\n"]);
    assert_eq!(world.filter("two").await, ["two\n"]);
    let asked = world.gate.asked.lock().unwrap().clone();
    let role = format!("{ROLE}/my-f");
    for action in ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"] {
        assert!(asked.iter().any(|(who, what, _)| *who == role && what == action), "{action}");
    }
}

#[tokio::test]
async fn what_the_gateway_writes_is_put_as_its_writer() {
    let world = World::new().await;
    let sink = sink(&world);
    let gateway = |makes_group| LogWriter::ApiGateway { role: ROLE.to_owned(), makes_group };
    // A group that is the customer's to make is not made.
    for writer in [LogWriter::Account, gateway(false)] {
        sink.log(LogLines { writer, ..lines("a", &["lost"]) });
        sink.flush().await;
        assert!(world.submit(Command::ReadGroup { group: group() }).await.is_err());
    }
    sink.log(LogLines { writer: gateway(true), ..lines("a", &["one"]) });
    sink.flush().await;
    sink.log(LogLines { writer: gateway(false), ..lines("b", &["two"]) });
    sink.log(LogLines { writer: LogWriter::Account, ..lines("c", &["three"]) });
    sink.flush().await;
    let mut all = world.filter("").await;
    all.sort();
    assert_eq!(all, ["one", "three", "two"], "no newlines");
    let asked = world.gate.asked.lock().unwrap().clone();
    for who in [format!("{ROLE}/BackplaneAssumeRoleSession"), format!("arn:aws:iam::{ACCOUNT}:root")] {
        assert!(asked.iter().any(|(one, what, _)| *one == who && what == "logs:PutLogEvents"), "{who}");
    }
}

#[tokio::test]
async fn without_permission_there_are_no_logs() {
    let world = World::new().await;
    world.gate.denied.lock().unwrap().push("logs:CreateLogGroup".to_owned());
    let sink = sink(&world);
    sink.log(lines("a", &["lost"]));
    sink.log(LogLines {
        writer: of_function("arn:aws:iam::123456789012:role/other"),
        ..lines("b", &["lost"])
    });
    sink.flush().await;
    world.gate.denied.lock().unwrap().clear();
    assert!(world.submit(Command::ReadGroup { group: group() }).await.is_err());
    sink.log(lines("a", &["kept"]));
    sink.flush().await;
    assert_eq!(world.filter("").await, ["kept\n"]);
}

#[tokio::test]
async fn what_is_beyond_the_bound_is_dropped_and_said() {
    let world = World::new().await;
    let sink = sink(&world);
    // As long as leaves no room for another.
    let line = "x".repeat(4 * 1024 * 1024 / 40 - 26);
    for _ in 0..100 {
        sink.log(lines("a", &[&line]));
    }
    let report = r#"{"time":"2026-11-21T12:00:00.000Z","type":"platform.report","record":{}}"#;
    sink.log(lines("a", &["one line more", "REPORT RequestId: 1", report]));
    sink.log(lines("b", &["another stream is not held up"]));
    sink.flush().await;
    let all = world.filter("").await;
    let kept = all.iter().filter(|message| message.starts_with("xxx")).count();
    assert!((30..100).contains(&kept));
    let said = format!("[ropeway] {} log lines were dropped", 101 - kept);
    assert_eq!(world.filter("?REPORT ?report").await, ["REPORT RequestId: 1\n", &format!("{report}\n")]);
    assert!(all.iter().any(|message| message.starts_with(&said)));
    assert!(all.iter().any(|message| message.starts_with("another")));
    sink.log(lines("a", &["after"]));
    sink.flush().await;
    assert_eq!(world.filter("after").await, ["after\n"]);
}

#[tokio::test]
async fn the_sink_puts_within_a_second_and_ends_with_the_core() {
    let world = World::new().await;
    let sink = sink(&world);
    let test = async {
        sink.log(lines("a", &["first"]));
        while world.submit(Command::ReadGroup { group: group() }).await.is_err()
            || world.filter("first").await.is_empty()
        {
            tokio::task::yield_now().await;
        }
        sink.log(lines("a", &["second"]));
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(world.filter("second").await.is_empty(), "at most once a second");
        world.advance(1000);
        while world.filter("second").await.is_empty() {
            tokio::task::yield_now().await;
        }
        world.core.signals().close();
    };
    futures_util::future::join(sink.run(), test).await;
}

#[test]
fn groups_are_named_by_arns() {
    let name = group();
    for arn in [name.arn(), format!("{}:*", name.arn())] {
        assert_eq!(crate::keys::GroupName::parse(&arn), Some(name.clone()));
    }
    for none in [
        "",
        "g",
        "arn:aws:logs:r:1:log-group:",
        "arn:aws:logs:r:1:destination:d",
        "arn:aws:logs:r:1:log-group:a:b",
    ] {
        assert_eq!(crate::keys::GroupName::parse(none), None);
    }
    let due = name.due(Time(START));
    assert_eq!(crate::keys::due_at(&due), Some(Time(START)));
    assert!(keys::after_prefix(&crate::keys::all_due()).is_some_and(|end| due < end));
}
