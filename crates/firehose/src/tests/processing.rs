//! Processors, partitions, backups, and what is logged of failures.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use ropeway_api::firehose::{
    BufferingHints, CloudWatchLoggingOptions, CreateDeliveryStreamInput, DescribeDeliveryStreamInput,
    DynamicPartitioningConfiguration, ExtendedS3DestinationConfiguration, ExtendedS3DestinationUpdate,
    Firehose as _, ProcessingConfiguration, Processor, ProcessorParameter, RetryOptions,
    S3DestinationConfiguration, S3DestinationUpdate, UpdateDestinationInput,
};
use ropeway_api::lambda::InvokeOutput;
use ropeway_store::MemoryStore;
use ropeway_wire::Error;
use serde_json::{Value, json};

use super::{ROLE, START, World, destination};

const FUNCTION: &str = "arn:aws:lambda:eu-central-1:123456789012:function:f";

pub fn processor(kind: &str, parameters: &[(&str, &str)]) -> Processor {
    let parameter = |(name, value): &(&str, &str)| ProcessorParameter {
        parameter_name: (*name).to_owned(),
        parameter_value: (*value).to_owned(),
    };
    Processor { type_: kind.to_owned(), parameters: Some(parameters.iter().map(parameter).collect()) }
}

pub fn processing(processors: Vec<Processor>) -> ExtendedS3DestinationConfiguration {
    let processing = ProcessingConfiguration { enabled: Some(true), processors: Some(processors) };
    ExtendedS3DestinationConfiguration { processing_configuration: Some(processing), ..destination() }
}

fn lambda(more: &[(&str, &str)]) -> Processor {
    processor("Lambda", &[&[("LambdaArn", FUNCTION)], more].concat())
}

fn newline() -> Processor {
    processor("AppendDelimiterToRecord", &[("Delimiter", "\\n")])
}

/// Partitions by the key `k`, of the query or of the function.
pub fn partitioned(source: &str, processors: Vec<Processor>) -> ExtendedS3DestinationConfiguration {
    ExtendedS3DestinationConfiguration {
        prefix: Some(format!("k=!{{{source}:k}}/")),
        buffering_hints: Some(BufferingHints { size_in_m_bs: Some(64), interval_in_seconds: Some(60) }),
        dynamic_partitioning_configuration: Some(DynamicPartitioningConfiguration {
            enabled: Some(true),
            retry_options: None,
        }),
        ..processing(processors)
    }
}

pub fn query() -> Processor {
    processor(
        "MetadataExtraction",
        &[("JsonParsingEngine", "JQ-1.6"), ("MetadataExtractionQuery", "{k: .k}")],
    )
}

/// Objects by the directory that they are in.
pub fn by_directory(objects: &BTreeMap<String, Bytes>) -> BTreeMap<String, String> {
    let entry = |(key, body): (&String, &Bytes)| {
        let directory = key.rsplit_once('/').unwrap().0.to_owned();
        (directory, String::from_utf8(body.to_vec()).unwrap())
    };
    objects.iter().map(entry).collect()
}

pub fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_function_transforms_records() {
    let world = World::new().await;
    world.create(processing(vec![newline(), lambda(&[])])).await;
    world.transforms(|data| match data {
        "drop" => ("Dropped", String::new(), json!({})),
        "fail" => ("ProcessingFailed", String::new(), json!({})),
        data => ("Ok", data.to_uppercase(), json!({})),
    });
    for data in ["a", "drop", "fail", "b"] {
        world.put(data).await.unwrap();
    }
    world.advance(60);
    let found = by_directory(&world.objects(2).await);
    assert_eq!(found["archive/landing_date=2026-02-07"], "A\nB\n");
    let failed = lines(&found["archive/errors/processing-failed"]);
    let expected = json!({
        "attemptsMade": 1, "arrivalTimestamp": START * 1000, "errorCode": "Lambda.ProcessingFailedStatus",
        "errorMessage": "ProcessingFailed status set for record",
        "attemptEndingTimestamp": (START + 60) * 1000, "rawData": BASE64.encode("fail"), "lambdaArn": FUNCTION,
    });
    assert_eq!(failed, [expected]);
    let invoked = world.others.invoked.lock().unwrap().clone();
    let [(who, request)] = &invoked[..] else { panic!("one batch: {invoked:?}") };
    assert_eq!(*who, format!("{ROLE}/firehose"), "as the destination's role");
    assert_eq!(request["records"].as_array().unwrap().len(), 4);
    assert_eq!(request["records"][0]["approximateArrivalTimestamp"], START * 1000);
    world.cleaned(world.stream().await.id).await;
}

#[tokio::test]
async fn batches_have_the_size_that_was_asked_for() {
    let world = World::new().await;
    world.create(processing(vec![lambda(&[("BufferSizeInMBs", "0.2")])])).await;
    world.transforms(|data| ("Ok", data[..1].to_owned(), json!({})));
    for n in 0..5 {
        world.put(&n.to_string().repeat(100_000)).await.unwrap();
    }
    world.advance(60);
    let found = world.objects(1).await;
    assert_eq!(found.values().next().unwrap(), "01234");
    assert_eq!(world.others.invoked.lock().unwrap().len(), 3, "two of 100,000 bytes fit 0.2 MiB");
}

#[tokio::test]
async fn a_function_that_fails_is_asked_again_and_then_given_up() {
    let world = World::new().await;
    let logging = CloudWatchLoggingOptions {
        enabled: Some(true),
        log_group_name: Some("g".to_owned()),
        log_stream_name: Some("s".to_owned()),
    };
    let mut wanted = processing(vec![lambda(&[("NumberOfRetries", "1")])]);
    wanted.cloud_watch_logging_options = Some(logging);
    world.create(wanted).await;
    let failed = || InvokeOutput { function_error: Some("Unhandled".to_owned()), ..InvokeOutput::default() };
    *world.others.function.lock().unwrap() = Box::new(move |_| Ok(failed()));
    world.put("x").await.unwrap();
    world.advance(60);
    world.invoked(1).await;
    // The second attempt comes after a pause: the clock is moved until it came.
    while world.s3.objects.lock().unwrap().is_empty() {
        world.advance(1);
        tokio::task::yield_now().await;
    }
    let found = by_directory(&world.objects(1).await);
    let failed = lines(&found["archive/errors/processing-failed"]);
    assert_eq!(
        (&failed[0]["errorCode"], &failed[0]["attemptsMade"]),
        (&json!("Lambda.FunctionError"), &json!(2))
    );
    assert_eq!(world.others.invoked.lock().unwrap().len(), 2);
    let logged = world.others.logged.lock().unwrap().clone();
    assert_eq!((logged[0].log_group_name.as_str(), logged[0].log_stream_name.as_str()), ("g", "s"));
    let said: Value = serde_json::from_str(&logged[0].log_events[0].message).unwrap();
    let expected = json!({
        "deliveryStreamARN": "arn:aws:firehose:eu-central-1:123456789012:deliverystream/s",
        "destination": "arn:aws:s3:::archive", "deliveryStreamVersionId": 1,
        "message": "The Lambda function was successfully invoked but it returned an error result.",
        "errorCode": "Lambda.FunctionError", "processor": FUNCTION,
    });
    assert_eq!(said, expected);
}

#[tokio::test]
async fn a_role_that_may_not_invoke_is_said() {
    let world = World::new().await;
    world.create(processing(vec![lambda(&[("NumberOfRetries", "0")])])).await;
    world.gate.denied.lock().unwrap().push("lambda:InvokeFunction".to_owned());
    world.put("x").await.unwrap();
    world.advance(60);
    let found = by_directory(&world.objects(1).await);
    let failed = lines(&found["archive/errors/processing-failed"]);
    assert_eq!(failed[0]["errorCode"], "Lambda.InvokeAccessDenied");
}

/// A server that stops, or is busy, is no reason to give up records.
#[tokio::test]
async fn an_overloaded_server_delays_the_delivery() {
    let world = World::new().await;
    world.create(processing(vec![lambda(&[("NumberOfRetries", "0")])])).await;
    let busy = || Error::new(503, "ServiceUnavailable", "The server is stopping.");
    *world.others.function.lock().unwrap() = Box::new(move |_| Err(busy()));
    world.put("x").await.unwrap();
    world.advance(60);
    world.invoked(1).await;
    world.transforms(|data| ("Ok", data.to_owned(), json!({})));
    world.advance(10);
    let found = by_directory(&world.objects(1).await);
    assert_eq!(found, BTreeMap::from([("archive/landing_date=2026-02-07".to_owned(), "x".to_owned())]));
}

#[tokio::test]
async fn records_that_came_as_one_are_told_apart_first() {
    let world = World::new().await;
    let split = processor("RecordDeAggregation", &[("SubRecordType", "JSON")]);
    world.create(partitioned("partitionKeyFromQuery", vec![query(), split, newline()])).await;
    world.put(r#"{"k":1,"v":"a"}{"k":2,"v":"b"} {"k":1,"v":"c"}"#).await.unwrap();
    world.put(r#"{"v":"no key"}"#).await.unwrap();
    world.put("[1]").await.unwrap();
    world.advance(60);
    let found = by_directory(&world.objects(3).await);
    assert_eq!(found["archive/k=1/2026/02/07/23"], "{\"k\":1,\"v\":\"a\"}\n{\"k\":1,\"v\":\"c\"}\n");
    assert_eq!(found["archive/k=2/2026/02/07/23"], "{\"k\":2,\"v\":\"b\"}\n");
    let failed = lines(&found["archive/errors/processing-failed"]);
    let codes: Vec<&str> = failed.iter().map(|line| line["errorCode"].as_str().unwrap()).collect();
    assert_eq!(codes, ["DynamicPartitioning.MetadataExtractionFailed", "RecordDeAggregation.InvalidRecord"]);
    assert_eq!(failed[0]["rawData"], BASE64.encode(r#"{"v":"no key"}"#));
    assert!(failed[0].get("lambdaArn").is_none());
}

#[tokio::test]
async fn partitions_come_from_the_function_too_and_are_limited() {
    let world = World::new().await;
    world.create(partitioned("partitionKeyFromLambda", vec![lambda(&[])])).await;
    world.transforms(|data| ("Ok", data.to_owned(), json!({ "k": data })));
    for n in 0..=500 {
        world.put(&n.to_string()).await.unwrap();
    }
    world.advance(60);
    let found = by_directory(&world.objects(501).await);
    assert_eq!(found["archive/k=499/2026/02/07/23"], "499");
    let failed = lines(&found["archive/errors/processing-failed"]);
    assert_eq!((failed.len(), &failed[0]["rawData"]), (1, &json!(BASE64.encode("500"))));
    assert_eq!(failed[0]["errorCode"], "DynamicPartitioning.ActivePartitionLimitExceeded");
}

/// Of a delivery that a crash cut short, some objects are there. It is made again under the same keys.
#[tokio::test]
async fn a_crash_amid_a_delivery_loses_nothing_and_doubles_no_object() {
    let store = MemoryStore::new(4);
    let wanted = || partitioned("partitionKeyFromLambda", vec![lambda(&[])]);
    let before = {
        let world = World::over(store.clone(), START, 1).await;
        world.create(wanted()).await;
        world.transforms(|data| ("Ok", data.to_owned(), json!({ "k": data })));
        world.put("a").await.unwrap();
        world.put("b").await.unwrap();
        *world.s3.refuse.lock().unwrap() = Some(("k=b/".to_owned(), 503));
        world.advance(60);
        world.asked(2).await;
        let there = world.s3.objects.lock().unwrap().clone();
        assert_eq!(there.len(), 1);
        store.crash(0);
        there
    };
    let world = World::over(store, START + 60, 2).await;
    // A second server's function would be found only now; the delivery waits for it.
    while world.others.invoked.lock().unwrap().is_empty() {
        world.others.happened.notified().await;
    }
    world.transforms(|data| ("Ok", data.to_owned(), json!({ "k": data })));
    while world.s3.objects.lock().unwrap().len() < 2 {
        world.advance(1);
        tokio::task::yield_now().await;
    }
    let after = world.objects(2).await;
    assert_eq!(after.keys().next(), before.keys().next(), "the same key");
    assert_eq!(after.values().map(|body| &body[..]).collect::<Vec<_>>(), [b"a", b"b"]);
}

#[tokio::test]
async fn partitions_that_s3_refuses_are_given_up_in_their_own_time() {
    let world = World::new().await;
    let mut wanted = partitioned("partitionKeyFromLambda", vec![lambda(&[])]);
    let options = RetryOptions { duration_in_seconds: Some(30) };
    wanted.dynamic_partitioning_configuration =
        Some(DynamicPartitioningConfiguration { enabled: Some(true), retry_options: Some(options) });
    world.create(wanted).await;
    world.transforms(|data| ("Ok", data.to_owned(), json!({ "k": data })));
    world.put("a").await.unwrap();
    world.put("b").await.unwrap();
    *world.s3.refuse.lock().unwrap() = Some(("k=".to_owned(), 403));
    world.advance(60);
    world.asked(1).await;
    world.advance(60);
    let objects = world.objects(2).await;
    assert!(objects.keys().all(|key| key.starts_with("archive/errors/delivery-failed/s-1-")), "{objects:?}");
    assert_eq!(objects.values().map(|body| &body[..]).collect::<Vec<_>>(), [b"a", b"b"]);
}

/// Rules: <https://docs.aws.amazon.com/firehose/latest/dev/dynamic-partitioning-s3bucketprefix.html>.
#[tokio::test]
async fn what_does_not_go_together_is_refused() {
    let world = World::new().await;
    let said = async |wanted: ExtendedS3DestinationConfiguration| {
        let input = CreateDeliveryStreamInput {
            delivery_stream_name: "s".to_owned(),
            extended_s3_destination_configuration: Some(wanted),
            ..Default::default()
        };
        let error = world.firehose.create_delivery_stream(&world.cx(), input).await.unwrap_err();
        assert_eq!(error.code, "InvalidArgumentException");
        error.message
    };
    let with = |change: &dyn Fn(&mut ExtendedS3DestinationConfiguration)| {
        let mut wanted = partitioned("partitionKeyFromQuery", vec![query()]);
        change(&mut wanted);
        wanted
    };
    assert!(
        said(with(&|d| d.dynamic_partitioning_configuration = None)).await.contains("Namespaces can only")
    );
    assert!(said(with(&|d| d.prefix = Some("p/".to_owned()))).await.contains("must contain Dynamic"));
    assert!(said(with(&|d| d.error_output_prefix = None)).await.contains("ErrorOutputPrefix"));
    let small = BufferingHints { size_in_m_bs: Some(63), interval_in_seconds: Some(60) };
    assert!(said(with(&|d| d.buffering_hints = Some(small.clone()))).await.contains("at least 64"));
    let both = "!{partitionKeyFromQuery:k}!{partitionKeyFromQuery:other}/".to_owned();
    assert!(said(with(&|d| d.prefix = Some(both.clone()))).await.contains("each key"));
    assert!(
        said(partitioned("partitionKeyFromQuery", vec![lambda(&[])])).await.contains("MetadataExtraction")
    );
    assert!(said(partitioned("partitionKeyFromLambda", vec![])).await.contains("Lambda processor"));
    let unpartitioned = processing(vec![query()]);
    assert!(said(unpartitioned).await.contains("can only be present when Dynamic Partitioning"));
    let other_role = lambda(&[("RoleArn", "arn:aws:iam::123456789012:role/unknown")]);
    assert!(said(processing(vec![other_role])).await.contains("unable to assume role"));
    let twice = processing(vec![newline(), newline()]);
    assert!(said(twice).await.contains("once"));
    let large = processing(vec![processor(
        "MetadataExtraction",
        &[("JsonParsingEngine", "JQ-1.6"), ("MetadataExtractionQuery", &"x".repeat(21 * 1024))],
    )]);
    assert!(said(large).await.contains("larger than"));
}

async fn update(world: &World, change: ExtendedS3DestinationUpdate) -> Result<(), String> {
    let input = UpdateDestinationInput {
        delivery_stream_name: "s".to_owned(),
        current_delivery_stream_version_id: world.stream().await.version.to_string(),
        destination_id: "destinationId-000000000001".to_owned(),
        extended_s3_destination_update: Some(change),
        ..Default::default()
    };
    world.firehose.update_destination(&world.cx(), input).await.map(drop).map_err(|error| error.message)
}

#[tokio::test]
async fn partitioning_stays_as_it_was_made() {
    let world = World::new().await;
    world.create(partitioned("partitionKeyFromQuery", vec![query()])).await;
    let change = |enabled| ExtendedS3DestinationUpdate {
        dynamic_partitioning_configuration: Some(DynamicPartitioningConfiguration {
            enabled: Some(enabled),
            retry_options: Some(RetryOptions { duration_in_seconds: Some(7) }),
        }),
        ..Default::default()
    };
    assert!(update(&world, change(false)).await.unwrap_err().contains("switched on or off"));
    update(&world, change(true)).await.unwrap();
    let input = DescribeDeliveryStreamInput { delivery_stream_name: "s".to_owned(), ..Default::default() };
    let told = world.firehose.describe_delivery_stream(&world.cx(), input).await.unwrap();
    let told = told.delivery_stream_description.destinations.into_iter().next().unwrap();
    let told = told.extended_s3_destination_description.unwrap();
    let partitioning = told.dynamic_partitioning_configuration.unwrap();
    assert_eq!(partitioning.retry_options.unwrap().duration_in_seconds, Some(7));
    let processors = told.processing_configuration.unwrap().processors.unwrap();
    assert_eq!(
        (processors[0].type_.as_str(), processors[0].parameters.as_ref().unwrap().len()),
        ("MetadataExtraction", 2)
    );
}

fn backup() -> S3DestinationConfiguration {
    S3DestinationConfiguration {
        role_arn: ROLE.to_owned(),
        bucket_arn: "arn:aws:s3:::sources".to_owned(),
        prefix: Some("raw/".to_owned()),
        buffering_hints: Some(BufferingHints { size_in_m_bs: Some(1), interval_in_seconds: Some(120) }),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_backup_has_records_as_they_came() {
    let world = World::new().await;
    let mut wanted = processing(vec![lambda(&[]), newline()]);
    wanted.s3_backup_mode = Some("Enabled".to_owned());
    wanted.s3_backup_configuration = Some(backup());
    world.create(wanted).await;
    world.transforms(|data| ("Ok", data.to_uppercase(), json!({})));
    world.put("a").await.unwrap();
    world.put("b").await.unwrap();
    world.advance(60);
    let first = by_directory(&world.objects(1).await);
    assert_eq!(first, BTreeMap::from([("archive/landing_date=2026-02-07".to_owned(), "A\nB\n".to_owned())]));
    world.advance(60);
    let both = by_directory(&world.objects(2).await);
    assert_eq!(both["sources/raw/2026/02/07/23"], "ab", "by its own buffer");
    let stream = world.stream().await;
    world.cleaned(stream.id).await;
    world.cleaned(stream.backup_id).await;
}

/// <https://docs.aws.amazon.com/firehose/latest/APIReference/API_ExtendedS3DestinationUpdate.html>
#[tokio::test]
async fn a_backup_can_be_enabled_and_changed_but_not_disabled() {
    let world = World::new().await;
    world.create(destination()).await;
    world.put("before").await.unwrap();
    let enable = |to: Option<S3DestinationUpdate>| ExtendedS3DestinationUpdate {
        s3_backup_mode: Some("Enabled".to_owned()),
        s3_backup_update: to,
        ..Default::default()
    };
    assert!(update(&world, enable(None)).await.unwrap_err().contains("needs the RoleARN"));
    let to = S3DestinationUpdate {
        role_arn: Some(ROLE.to_owned()),
        bucket_arn: Some("arn:aws:s3:::sources".to_owned()),
        ..Default::default()
    };
    update(&world, enable(Some(to))).await.unwrap();
    world.put("after").await.unwrap();
    let prefix = S3DestinationUpdate { prefix: Some("p/".to_owned()), ..Default::default() };
    let change = ExtendedS3DestinationUpdate { s3_backup_update: Some(prefix), ..Default::default() };
    update(&world, change).await.unwrap();
    world.put("later").await.unwrap();
    let off =
        ExtendedS3DestinationUpdate { s3_backup_mode: Some("Disabled".to_owned()), ..Default::default() };
    assert!(update(&world, off).await.unwrap_err().contains("cannot be disabled"));
    world.advance(300);
    let mut found = by_directory(&world.objects(5).await);
    found.retain(|key, _| key.starts_with("sources/"));
    let expected = [("sources/2026/02/07/23", "after"), ("sources/p/2026/02/07/23", "later")];
    assert_eq!(found, expected.map(|(key, body)| (key.to_owned(), body.to_owned())).into());
    let told = super::super::destination::described_extended(&world.stream().await.destination);
    assert_eq!(told.s3_backup_mode.as_deref(), Some("Enabled"));
    assert_eq!(told.s3_backup_description.unwrap().prefix.as_deref(), Some("p/"));
}

#[tokio::test]
async fn refusals_of_s3_are_logged() {
    let world = World::new().await;
    let mut wanted = destination();
    wanted.cloud_watch_logging_options = Some(CloudWatchLoggingOptions {
        enabled: Some(true),
        log_group_name: Some("g".to_owned()),
        log_stream_name: Some("s".to_owned()),
    });
    world.create(wanted).await;
    *world.s3.refuse.lock().unwrap() = Some((String::new(), 403));
    world.put("x").await.unwrap();
    world.advance(60);
    world.asked(1).await;
    *world.s3.refuse.lock().unwrap() = None;
    world.advance(10);
    world.objects(1).await;
    let logged = world.others.logged.lock().unwrap()[0].clone();
    let said: Value = serde_json::from_str(&logged.log_events[0].message).unwrap();
    assert_eq!(said["errorCode"], "S3.AccessDenied");
    assert!(said.get("processor").is_none());
}
