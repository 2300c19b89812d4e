//! HTTP endpoints: what they are sent, what comes of their answers, what is put where.
//!
//! Sources: in the developer guide, "Understand HTTP endpoint delivery request and response specifications", "Handle
//! data delivery failures", "Troubleshooting HTTP endpoints"; the API reference's `HttpEndpointDestinationConfiguration`.

use ropeway_api::firehose::{
    CloudWatchLoggingOptions, CreateDeliveryStreamInput, DeleteDeliveryStreamInput,
    DescribeDeliveryStreamInput, ExtendedS3DestinationUpdate, Firehose as _, HttpEndpointBufferingHints,
    HttpEndpointCommonAttribute, HttpEndpointConfiguration, HttpEndpointDestinationConfiguration,
    HttpEndpointDestinationDescription, HttpEndpointDestinationUpdate, HttpEndpointRequestConfiguration,
    HttpEndpointRetryOptions, ProcessingConfiguration, Processor, ProcessorParameter,
    S3DestinationConfiguration, S3DestinationUpdate, UpdateDestinationInput,
};
use ropeway_store::MemoryStore;
use ropeway_wire::Error;
use serde_json::{Value, json};

use super::*;

const URL: &str = "https://endpoint.example/records";

fn s3() -> S3DestinationConfiguration {
    S3DestinationConfiguration {
        role_arn: ROLE.to_owned(),
        bucket_arn: "arn:aws:s3:::archive".to_owned(),
        prefix: Some("raw/".to_owned()),
        error_output_prefix: Some("errors/!{firehose:error-output-type}/".to_owned()),
        ..Default::default()
    }
}

/// Minute-long buffers, and retries for so many seconds.
fn endpoint(retry: i64) -> HttpEndpointDestinationConfiguration {
    HttpEndpointDestinationConfiguration {
        endpoint_configuration: HttpEndpointConfiguration {
            url: URL.to_owned(),
            name: None,
            access_key: Some("key".to_owned()),
        },
        buffering_hints: Some(HttpEndpointBufferingHints {
            size_in_m_bs: Some(1),
            interval_in_seconds: Some(60),
        }),
        retry_options: Some(HttpEndpointRetryOptions { duration_in_seconds: Some(retry) }),
        s3_configuration: s3(),
        ..Default::default()
    }
}

fn update(version: &str, update: HttpEndpointDestinationUpdate) -> UpdateDestinationInput {
    UpdateDestinationInput {
        delivery_stream_name: "s".to_owned(),
        current_delivery_stream_version_id: version.to_owned(),
        destination_id: "destinationId-000000000001".to_owned(),
        http_endpoint_destination_update: Some(update),
        ..Default::default()
    }
}

impl World {
    async fn create_endpoint(&self, endpoint: HttpEndpointDestinationConfiguration) -> Result<(), Error> {
        let input = CreateDeliveryStreamInput {
            delivery_stream_name: "s".to_owned(),
            http_endpoint_destination_configuration: Some(endpoint),
            ..Default::default()
        };
        self.firehose.create_delivery_stream(&self.cx(), input).await.map(drop)
    }

    async fn described(&self) -> HttpEndpointDestinationDescription {
        let input =
            DescribeDeliveryStreamInput { delivery_stream_name: "s".to_owned(), ..Default::default() };
        let told = self.firehose.describe_delivery_stream(&self.cx(), input).await.unwrap();
        let mut destinations = told.delivery_stream_description.destinations;
        let told = destinations.remove(0);
        assert!(
            told.s3_destination_description.is_none() && told.extended_s3_destination_description.is_none()
        );
        told.http_endpoint_destination_description.unwrap()
    }

    fn answers(&self, answers: &[Option<u16>]) {
        self.endpoint.answers.lock().unwrap().extend(answers);
    }

    /// Moves the clock second by second until the endpoint was called `count` times: how far.
    async fn called(&self, count: usize) -> i64 {
        let before = self.clock.now();
        while self.endpoint.got.lock().unwrap().len() < count {
            self.advance(1);
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            // The body is made aside.
            tokio::task::spawn_blocking(|| ()).await.unwrap();
        }
        self.clock.now().secs() - before.secs()
    }

    /// Moves the clock second by second until there are so many objects.
    async fn put_in_time(&self, count: usize) -> BTreeMap<String, Bytes> {
        while self.s3.objects.lock().unwrap().len() < count {
            self.advance(1);
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            tokio::task::spawn_blocking(|| ()).await.unwrap();
        }
        self.s3.objects.lock().unwrap().clone()
    }

    /// What requests held: id, records.
    fn requests(&self) -> Vec<(String, Vec<String>)> {
        let read = |request: &http::Request<Bytes>| {
            let body: Value = serde_json::from_slice(request.body()).unwrap();
            assert_eq!(body["requestId"], request.headers()["x-amz-firehose-request-id"].to_str().unwrap());
            let records = body["records"].as_array().unwrap().iter();
            let text =
                |record: &Value| String::from_utf8(BASE64.decode(record["data"].as_str().unwrap()).unwrap());
            (
                body["requestId"].as_str().unwrap().to_owned(),
                records.map(|record| text(record).unwrap()).collect(),
            )
        };
        self.endpoint.got.lock().unwrap().iter().map(read).collect()
    }
}

fn lines(bytes: &Bytes) -> Vec<Value> {
    std::str::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_batch_is_one_request() {
    let world = World::new().await;
    world.create_endpoint(endpoint(300)).await.unwrap();
    let id = world.stream().await.id;
    for data in ["a", "", "c"] {
        world.put(data).await.unwrap();
    }
    assert!(world.called(1).await >= 60);
    let requests = world.requests();
    assert_eq!(requests[0].1, ["a", "", "c"]);
    assert_eq!(requests[0].0.len(), 36);
    {
        let got = world.endpoint.got.lock().unwrap();
        let header = |name: &str| got[0].headers()[name].to_str().unwrap();
        assert_eq!(header("x-amz-firehose-access-key"), "key");
        assert_eq!(
            header("x-amz-firehose-source-arn"),
            "arn:aws:firehose:eu-central-1:123456789012:deliverystream/s"
        );
        assert_eq!(got[0].uri(), URL);
    }
    world.cleaned(id).await;
    assert!(world.s3.inputs.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_buffer_that_is_full_goes_at_once_and_midnight_divides_nothing() {
    let world = World::new().await;
    world.create_endpoint(endpoint(300)).await.unwrap();
    world.put("before midnight").await.unwrap();
    world.advance(59);
    world.put("x").await.unwrap();
    world.advance(0);
    world.called(1).await;
    assert_eq!(world.requests()[0].1.len(), 2);
    let large = "y".repeat(1_000_000);
    for _ in 0..3 {
        world.put(&large).await.unwrap();
    }
    while world.endpoint.got.lock().unwrap().len() < 3 {
        world.endpoint.happened.notified().await;
    }
    assert_eq!(world.requests()[1].1.as_slice(), std::slice::from_ref(&large));
}

#[tokio::test]
async fn a_request_is_tried_again_under_its_id_until_its_time_is_over() {
    let world = World::new().await;
    let logging = CloudWatchLoggingOptions {
        enabled: Some(true),
        log_group_name: Some("g".to_owned()),
        log_stream_name: Some("l".to_owned()),
    };
    let said =
        HttpEndpointDestinationConfiguration { cloud_watch_logging_options: Some(logging), ..endpoint(10) };
    world.create_endpoint(said).await.unwrap();
    let id = world.stream().await.id;
    world.answers(&[Some(500), Some(429), Some(301), Some(201), None, Some(400)]);
    world.put("lost").await.unwrap();
    world.put("too").await.unwrap();
    let objects = world.put_in_time(1).await;
    let requests = world.requests();
    // After 1, 2, 4 and the 3 seconds that are left; an answer that does not come within 3 minutes is no retry's time.
    assert_eq!(requests.len(), 5, "{requests:?}");
    assert!(requests.iter().all(|request| *request == requests[0]));
    let (key, body) = objects.first_key_value().unwrap();
    assert!(key.starts_with("archive/errors/http-endpoint-failed/s-1-2026-02-07-23-59-00-"), "{key}");
    assert!(key.ends_with(&requests[0].0));
    let found = lines(body);
    assert_eq!(found.len(), 2);
    let line = &found[0];
    assert_eq!(line["attemptsMade"], 5);
    assert_eq!(line["arrivalTimestamp"], START * 1000);
    assert_eq!(line["errorCode"], "HttpEndpoint.RequestTimeout");
    assert!(line["attemptEndingTimestamp"].as_i64().unwrap() > (START + 60 + 180) * 1000);
    assert_eq!(line["rawData"], BASE64.encode("lost"));
    assert_eq!(line["subsequenceNumber"], 0);
    assert!(line["dataId"].as_str().unwrap().ends_with("0.0"));
    let logged: Vec<Value> = {
        let logged = world.others.logged.lock().unwrap();
        logged.iter().map(|put| serde_json::from_str(&put.log_events[0].message).unwrap()).collect()
    };
    assert_eq!(logged.len(), 5);
    assert_eq!(
        (&logged[0]["destination"], &logged[0]["errorCode"]),
        (&json!(URL), &json!("HttpEndpoint.DestinationException"))
    );
    assert!(logged[1]["message"].as_str().unwrap().contains("endpoint destination. 429: {"));
    world.cleaned(id).await;
    // The next batch begins anew.
    world.put("later").await.unwrap();
    world.called(7).await;
    assert_eq!(world.requests()[6].1, ["later"]);
}

#[tokio::test]
async fn what_is_too_large_is_neither_sent_again_nor_kept() {
    let world = World::new().await;
    world.create_endpoint(endpoint(300)).await.unwrap();
    let id = world.stream().await.id;
    world.answers(&[Some(413)]);
    world.put("too large").await.unwrap();
    world.called(1).await;
    world.cleaned(id).await;
    assert!(world.s3.inputs.lock().unwrap().is_empty());
    assert_eq!(world.requests().len(), 1);
}

#[tokio::test]
async fn without_time_for_retries_there_is_none_and_the_bucket_must_take_the_records() {
    let world = World::new().await;
    world.create_endpoint(endpoint(0)).await.unwrap();
    world.answers(&[Some(500), Some(500), Some(500)]);
    *world.s3.refuse.lock().unwrap() = Some(("errors/".to_owned(), 403));
    world.put("kept").await.unwrap();
    // The stream pauses until either takes them.
    world.called(2).await;
    *world.s3.refuse.lock().unwrap() = None;
    let objects = world.put_in_time(1).await;
    assert_eq!(lines(objects.first_key_value().unwrap().1)[0]["rawData"], BASE64.encode("kept"));
    assert_eq!(world.requests().len(), 3);
}

#[tokio::test]
async fn a_large_batch_is_several_requests_and_only_the_refused_one_is_sent_again() {
    let world = World::new().await;
    let said = HttpEndpointDestinationConfiguration {
        request_configuration: Some(HttpEndpointRequestConfiguration {
            content_encoding: Some("NONE".to_owned()),
            common_attributes: Some(vec![HttpEndpointCommonAttribute {
                attribute_name: "a".to_owned(),
                attribute_value: "b".to_owned(),
            }]),
        }),
        ..transformed(endpoint(300))
    };
    world.create_endpoint(said).await.unwrap();
    // The function makes them longer than a request may be.
    world.transforms(|data| ("Ok", data.repeat(200_000), json!({})));
    world.answers(&[Some(200), Some(503), Some(503)]);
    for data in ["aaaa", "bbbb", "cccc"] {
        world.put(data).await.unwrap();
    }
    world.called(5).await;
    let requests = world.requests();
    let begins: Vec<&str> = requests.iter().map(|(_, records)| &records[0][..1]).collect();
    assert_eq!(begins, ["a", "b", "b", "b", "c"]);
    assert!(
        requests[1].0 == requests[2].0 && requests[0].0 != requests[1].0 && requests[4].0 != requests[1].0
    );
    let attributes =
        world.endpoint.got.lock().unwrap()[0].headers()["x-amz-firehose-common-attributes"].clone();
    assert_eq!(attributes, r#"{"commonAttributes":{"a":"b"}}"#);
}

fn transformed(of: HttpEndpointDestinationConfiguration) -> HttpEndpointDestinationConfiguration {
    let parameter = ProcessorParameter {
        parameter_name: "LambdaArn".to_owned(),
        parameter_value: "arn:aws:lambda:eu-central-1:123456789012:function:f:$LATEST".to_owned(),
    };
    let processor = Processor { type_: "Lambda".to_owned(), parameters: Some(vec![parameter]) };
    let delimiter = Processor { type_: "AppendDelimiterToRecord".to_owned(), parameters: None };
    HttpEndpointDestinationConfiguration {
        processing_configuration: Some(ProcessingConfiguration {
            enabled: Some(true),
            processors: Some(vec![processor, delimiter]),
        }),
        ..of
    }
}

#[tokio::test]
async fn what_cannot_be_processed_is_put_and_the_rest_is_sent() {
    let world = World::new().await;
    world.create_endpoint(transformed(endpoint(300))).await.unwrap();
    world.transforms(|data| match data {
        "bad" => ("ProcessingFailed", String::new(), json!({})),
        "gone" => ("Dropped", String::new(), json!({})),
        good => ("Ok", good.to_uppercase(), json!({})),
    });
    world.answers(&[Some(500)]);
    for data in ["good", "bad", "gone", "fine"] {
        world.put(data).await.unwrap();
    }
    world.called(2).await;
    assert_eq!(world.requests()[1].1, ["GOOD\n", "FINE\n"]);
    let objects = world.objects(1).await;
    let (key, body) = objects.first_key_value().unwrap();
    assert!(key.starts_with("archive/errors/processing-failed/"));
    assert_eq!(lines(body).len(), 1);
    assert_eq!(lines(body)[0]["rawData"], BASE64.encode("bad"));
}

#[tokio::test]
async fn all_data_goes_to_the_bucket_as_it_came() {
    let world = World::new().await;
    let said = HttpEndpointDestinationConfiguration {
        s3_backup_mode: Some("AllData".to_owned()),
        ..transformed(endpoint(300))
    };
    world.create_endpoint(said).await.unwrap();
    world.transforms(|data| ("Ok", data.to_uppercase(), json!({})));
    world.put("a").await.unwrap();
    world.put("b").await.unwrap();
    world.called(1).await;
    assert_eq!(world.requests()[0].1, ["A\n", "B\n"]);
    // The bucket has hints of its own: five minutes.
    assert!(world.s3.inputs.lock().unwrap().is_empty());
    let objects = world.put_in_time(1).await;
    let (key, body) = objects.first_key_value().unwrap();
    assert!(key.starts_with("archive/raw/2026/02/07/23/s-1-") && body == "ab", "{key}");
    // Without a backup from now on; what was taken before is still put, and what comes later isn't.
    world.put("c").await.unwrap();
    let none = HttpEndpointDestinationUpdate {
        s3_backup_mode: Some("FailedDataOnly".to_owned()),
        ..Default::default()
    };
    world.firehose.update_destination(&world.cx(), update("1", none)).await.unwrap();
    world.put("d").await.unwrap();
    world.called(3).await;
    let objects = world.put_in_time(2).await;
    assert!(objects.values().any(|body| body == "c"));
    let all =
        HttpEndpointDestinationUpdate { s3_backup_mode: Some("AllData".to_owned()), ..Default::default() };
    world.firehose.update_destination(&world.cx(), update("2", all)).await.unwrap();
    world.put("e").await.unwrap();
    let objects = world.put_in_time(3).await;
    assert!(objects.values().any(|body| body == "e") && objects.values().all(|body| body != "d"));
}

#[tokio::test]
async fn defaults_are_filled_in_and_updates_keep_what_they_do_not_say() {
    let world = World::new().await;
    let bare = HttpEndpointDestinationConfiguration {
        endpoint_configuration: HttpEndpointConfiguration { url: URL.to_owned(), ..Default::default() },
        s3_configuration: S3DestinationConfiguration { prefix: None, error_output_prefix: None, ..s3() },
        ..Default::default()
    };
    world.create_endpoint(bare).await.unwrap();
    let told = world.described().await;
    let hints = told.buffering_hints.unwrap();
    assert_eq!((hints.size_in_m_bs, hints.interval_in_seconds), (Some(5), Some(300)));
    assert_eq!(told.retry_options.unwrap().duration_in_seconds, Some(300));
    assert_eq!(told.s3_backup_mode.as_deref(), Some("FailedDataOnly"));
    let request = told.request_configuration.unwrap();
    assert_eq!(
        (request.content_encoding.as_deref(), request.common_attributes.unwrap().len()),
        (Some("NONE"), 0)
    );
    assert_eq!(told.cloud_watch_logging_options.unwrap().enabled, Some(false));
    assert_eq!(told.processing_configuration.unwrap().enabled, Some(false));
    assert_eq!(told.endpoint_configuration.unwrap().url.as_deref(), Some(URL));
    assert_eq!(told.s3_destination_description.unwrap().buffering_hints.size_in_m_bs, Some(5));

    let first = HttpEndpointDestinationUpdate {
        endpoint_configuration: Some(HttpEndpointConfiguration {
            url: "https://other.example/".to_owned(),
            name: Some("n".to_owned()),
            access_key: Some("new".to_owned()),
        }),
        request_configuration: Some(HttpEndpointRequestConfiguration {
            content_encoding: Some("GZIP".to_owned()),
            common_attributes: None,
        }),
        s3_update: Some(S3DestinationUpdate { prefix: Some("p/".to_owned()), ..Default::default() }),
        ..Default::default()
    };
    world.firehose.update_destination(&world.cx(), update("1", first)).await.unwrap();
    let second = HttpEndpointDestinationUpdate {
        endpoint_configuration: Some(HttpEndpointConfiguration { url: URL.to_owned(), ..Default::default() }),
        retry_options: Some(HttpEndpointRetryOptions { duration_in_seconds: Some(0) }),
        ..Default::default()
    };
    world.firehose.update_destination(&world.cx(), update("2", second)).await.unwrap();
    let told = world.described().await;
    assert_eq!(told.endpoint_configuration.unwrap().name.as_deref(), Some("n"));
    assert_eq!(told.request_configuration.unwrap().content_encoding.as_deref(), Some("GZIP"));
    assert_eq!(told.s3_destination_description.unwrap().prefix.as_deref(), Some("p/"));
    world.put("x").await.unwrap();
    world.called(1).await;
    let got = world.endpoint.got.lock().unwrap();
    assert_eq!(
        (got[0].headers()["x-amz-firehose-access-key"].to_str().unwrap(), got[0].uri().to_string()),
        ("new", URL.to_owned())
    );
}

#[tokio::test]
async fn a_retry_uses_what_was_updated_meanwhile() {
    let world = World::new().await;
    world.create_endpoint(endpoint(7200)).await.unwrap();
    world.answers(&[Some(401)]);
    world.put("x").await.unwrap();
    world.called(1).await;
    let said = HttpEndpointDestinationUpdate {
        endpoint_configuration: Some(HttpEndpointConfiguration {
            url: URL.to_owned(),
            name: None,
            access_key: Some("right".to_owned()),
        }),
        ..Default::default()
    };
    world.firehose.update_destination(&world.cx(), update("1", said)).await.unwrap();
    world.called(2).await;
    let got = world.endpoint.got.lock().unwrap();
    assert_eq!(got[1].headers()["x-amz-firehose-access-key"], "right");
}

#[tokio::test]
async fn a_destination_may_become_one_of_another_kind() {
    let world = World::new().await;
    world.create(destination()).await;
    world.put("to s3").await.unwrap();
    let half = HttpEndpointDestinationUpdate {
        endpoint_configuration: Some(HttpEndpointConfiguration { url: URL.to_owned(), ..Default::default() }),
        ..Default::default()
    };
    let why = world.firehose.update_destination(&world.cx(), update("1", half.clone())).await.unwrap_err();
    assert_eq!(why.code, "InvalidArgumentException");
    let s3 = S3DestinationUpdate {
        role_arn: Some(ROLE.to_owned()),
        bucket_arn: Some("arn:aws:s3:::other".to_owned()),
        ..Default::default()
    };
    let whole = HttpEndpointDestinationUpdate { s3_update: Some(s3), ..half };
    world.firehose.update_destination(&world.cx(), update("1", whole)).await.unwrap();
    let objects = world.objects(1).await;
    let (key, body) = objects.first_key_value().unwrap();
    assert!(key.starts_with("other/landing_date=2026-02-07/") && body == "to s3\n", "{key}");
    world.put("to the endpoint").await.unwrap();
    let back = UpdateDestinationInput {
        extended_s3_destination_update: Some(ExtendedS3DestinationUpdate {
            role_arn: Some(ROLE.to_owned()),
            bucket_arn: Some("arn:aws:s3:::third".to_owned()),
            ..Default::default()
        }),
        http_endpoint_destination_update: None,
        ..update("2", HttpEndpointDestinationUpdate::default())
    };
    world.firehose.update_destination(&world.cx(), back).await.unwrap();
    world.called(1).await;
    assert_eq!(world.requests()[0].1, ["to the endpoint"]);
    assert_eq!(world.stream().await.endpoint, None);
    world.put("back").await.unwrap();
    let objects = world.put_in_time(2).await;
    assert!(objects.iter().any(|(key, body)| key.starts_with("third/") && body == "back"));
}

#[tokio::test]
async fn a_restart_finds_the_endpoint_and_the_records_and_deletion_ends_them() {
    let store = MemoryStore::new(4);
    {
        let world = World::over(store.clone(), START, 1).await;
        world.create_endpoint(endpoint(7200)).await.unwrap();
        world.put("sealed key").await.unwrap();
        store.crash(0);
    }
    let world = World::over(store, START, 2).await;
    world.answers(&[Some(500); 30]);
    world.called(2).await;
    let requests = world.requests();
    assert_eq!((&requests[0], requests[1].1.as_slice()), (&requests[1], &["sealed key".to_owned()][..]));
    assert_eq!(world.endpoint.got.lock().unwrap()[0].headers()["x-amz-firehose-access-key"], "key");
    let stream = world.stream().await;
    assert!(
        !stream.endpoint.unwrap().access_key.unwrap().windows(3).any(|part| part == b"key"),
        "it is sealed"
    );
    let input = DeleteDeliveryStreamInput { delivery_stream_name: "s".to_owned(), allow_force_delete: None };
    world.firehose.delete_delivery_stream(&world.cx(), input).await.unwrap();
    world.create_endpoint(endpoint(0)).await.unwrap();
    world.put("new").await.unwrap();
    world.answers(&[]);
    let found = loop {
        world.called(world.requests().len() + 1).await;
        let last = world.requests().pop().unwrap();
        if last.1 == ["new"] {
            break last;
        }
    };
    assert_ne!(found.0, requests[0].0);
}

#[tokio::test]
async fn what_is_no_endpoint_is_refused() {
    let world = World::new().await;
    let with = |change: fn(&mut HttpEndpointDestinationConfiguration)| {
        let mut said = endpoint(300);
        change(&mut said);
        said
    };
    for (said, why) in [
        (with(|said| said.endpoint_configuration.url = "http://localhost:1/".to_owned()), "https://"),
        (with(|said| said.endpoint_configuration.access_key = Some("a\nb".to_owned())), "AccessKey"),
        (with(|said| said.buffering_hints.as_mut().unwrap().size_in_m_bs = None), "Both SizeInMBs"),
        (
            with(|said| said.s3_configuration.prefix = Some("!{partitionKeyFromQuery:a}/".to_owned())),
            "prefix",
        ),
        (
            with(|said| said.role_arn = Some("arn:aws:iam::123456789012:role/other".to_owned())),
            "unable to assume role",
        ),
        (
            with(|said| {
                let attribute =
                    HttpEndpointCommonAttribute { attribute_name: "a".to_owned(), ..Default::default() };
                let common_attributes = Some(vec![attribute.clone(), attribute]);
                let request = HttpEndpointRequestConfiguration { content_encoding: None, common_attributes };
                said.request_configuration = Some(request);
            }),
            "different names",
        ),
    ] {
        let error = world.create_endpoint(said).await.unwrap_err();
        assert_eq!(error.code, "InvalidArgumentException");
        assert!(error.message.contains(why), "{}", error.message);
    }
    let input = CreateDeliveryStreamInput {
        delivery_stream_name: "s".to_owned(),
        extended_s3_destination_configuration: Some(destination()),
        http_endpoint_destination_configuration: Some(endpoint(0)),
        ..Default::default()
    };
    let error = world.firehose.create_delivery_stream(&world.cx(), input).await.unwrap_err();
    assert!(error.message.contains("Exactly one destination"));
}
