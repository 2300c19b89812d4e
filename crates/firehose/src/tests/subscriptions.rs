//! Streams of log subscriptions: decompression, extraction of messages, and what comes of what cannot be read.
//!
//! Sources: in the developer guide, "Send CloudWatch Logs to Firehose" with its pages on decompression and message
//! extraction, "Troubleshoot decompression"; in the API reference, `InvalidSourceException`.

use std::io::Write as _;

use flate2::write::GzEncoder;
use serde_json::json;

use super::processing::{by_directory, lines, partitioned, processing, processor, query};
use super::*;

fn packed(data: &str) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data.as_bytes()).unwrap();
    Bytes::from(encoder.finish().unwrap())
}

fn record(kind: &str, messages: &[&str]) -> String {
    let events: Vec<Value> =
        messages.iter().map(|message| json!({ "id": "1", "timestamp": 1, "message": message })).collect();
    json!({ "messageType": kind, "owner": "1", "logGroup": "g", "logEvents": events }).to_string()
}

fn decompression() -> Processor {
    processor("Decompression", &[("CompressionFormat", "GZIP")])
}

fn extraction() -> Processor {
    processor("CloudWatchLogProcessing", &[("DataMessageExtraction", "true")])
}

impl World {
    /// What a log subscription puts.
    async fn log(&self, data: Bytes) {
        let stream = StreamName::new(ACCOUNT, REGION, "s");
        let shard = self.core.shard_of(&stream.arn());
        let delivery = ropeway_core::effects::StreamDelivery {
            stream: stream.arn(),
            principal: "logs.amazonaws.com".to_owned(),
            role: ROLE.to_owned(),
            source_arn: "arn:aws:logs:eu-central-1:123456789012:log-group:g:*".to_owned(),
            source_account: ACCOUNT.to_owned(),
            data,
        };
        self.core
            .submit::<FirehoseMachine>(shard, &self.cx().trace, Command::Deliver(delivery))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn records_are_decompressed_and_those_that_cannot_be_are_put_as_they_came() {
    let world = World::new().await;
    world.create(processing(vec![decompression()])).await;
    let (first, second) = (record("DATA_MESSAGE", &["a"]), record("CONTROL_MESSAGE", &[]));
    for data in [packed(&first), Bytes::from_static(b"no gzip"), packed(&second)] {
        world.log(data).await;
    }
    world.advance(60);
    let found = by_directory(&world.objects(2).await);
    assert_eq!(found["archive/landing_date=2026-02-07"], format!("{first}{second}"));
    let failed = lines(&found["archive/errors/decompression-failed"]);
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["rawData"], BASE64.encode("no gzip"));
    assert_eq!(failed[0]["errorCode"], "Decompression.InvalidRecord");
}

#[tokio::test]
async fn messages_are_extracted_and_probes_have_none() {
    let world = World::new().await;
    world.create(processing(vec![decompression(), extraction()])).await;
    world.log(packed(&record("CONTROL_MESSAGE", &["probe"]))).await;
    world.log(packed(&record("DATA_MESSAGE", &["one", "two"]))).await;
    world.log(packed("{}")).await;
    world.log(packed(&record("DATA_MESSAGE", &["three"]))).await;
    world.advance(60);
    let found = by_directory(&world.objects(2).await);
    assert_eq!(found["archive/landing_date=2026-02-07"], "one\ntwo\nthree\n");
    let failed = lines(&found["archive/errors/processing-failed"]);
    assert_eq!(failed[0]["errorCode"], "CloudWatchLogProcessing.InvalidRecord");
    assert_eq!(failed[0]["rawData"], BASE64.encode(packed("{}")), "compressed, as it came");
}

#[tokio::test]
async fn what_fails_after_decompression_is_put_compressed() {
    let world = World::new().await;
    let split = processor("RecordDeAggregation", &[("SubRecordType", "JSON")]);
    world
        .create(partitioned("partitionKeyFromQuery", vec![decompression(), extraction(), split, query()]))
        .await;
    let whole = packed(&record("DATA_MESSAGE", &[r#"{"k":"1"}"#, r#"{"other":"2"}"#]));
    world.log(whole.clone()).await;
    world.advance(60);
    let found = by_directory(&world.objects(2).await);
    let (_, good) = found.iter().find(|(key, _)| !key.contains("failed")).unwrap();
    assert_eq!(good, r#"{"k":"1"}"#);
    let (_, failed) = found.iter().find(|(key, _)| key.contains("processing-failed")).unwrap();
    assert_eq!(lines(failed)[0]["rawData"], BASE64.encode(&whole));
}

#[tokio::test]
async fn others_than_log_subscriptions_are_refused() {
    let world = World::new().await;
    world.create(processing(vec![decompression()])).await;
    let error = world.put("mine").await.unwrap_err();
    assert_eq!(error.code, "InvalidSourceException");
    assert_eq!(
        error.message,
        "Only requests from CloudWatch Logs are supported when CloudWatch Logs decompression is enabled."
    );
}
