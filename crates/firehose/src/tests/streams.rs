//! Streams: made, told of, changed, removed; and what is refused.

use std::collections::BTreeMap;

use ropeway_api::firehose::{
    BufferingHints, CloudWatchLoggingOptions, CreateDeliveryStreamInput, DeleteDeliveryStreamInput,
    DescribeDeliveryStreamInput, ExtendedS3DestinationConfiguration, ExtendedS3DestinationUpdate,
    Firehose as _, ListDeliveryStreamsInput, ListTagsForDeliveryStreamInput, ProcessingConfiguration,
    Processor, S3DestinationConfiguration, Tag, TagDeliveryStreamInput, UntagDeliveryStreamInput,
    UpdateDestinationInput,
};

use crate::compression::Compression;

use super::{ROLE, World, destination};

fn create(name: &str, destination: ExtendedS3DestinationConfiguration) -> CreateDeliveryStreamInput {
    CreateDeliveryStreamInput {
        delivery_stream_name: name.to_owned(),
        extended_s3_destination_configuration: Some(destination),
        ..Default::default()
    }
}

fn update(version: &str, update: ExtendedS3DestinationUpdate) -> UpdateDestinationInput {
    UpdateDestinationInput {
        delivery_stream_name: "s".to_owned(),
        current_delivery_stream_version_id: version.to_owned(),
        destination_id: "destinationId-000000000001".to_owned(),
        extended_s3_destination_update: Some(update),
        ..Default::default()
    }
}

#[tokio::test]
async fn defaults_are_filled_in() {
    let world = World::new().await;
    let input = CreateDeliveryStreamInput {
        delivery_stream_name: "s".to_owned(),
        s3_destination_configuration: Some(S3DestinationConfiguration {
            role_arn: ROLE.to_owned(),
            bucket_arn: "arn:aws:s3:::archive".to_owned(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let made = world.firehose.create_delivery_stream(&world.cx(), input).await.unwrap();
    let arn = "arn:aws:firehose:eu-central-1:123456789012:deliverystream/s";
    assert_eq!(made.delivery_stream_arn.as_deref(), Some(arn));
    let input = DescribeDeliveryStreamInput { delivery_stream_name: "s".to_owned(), ..Default::default() };
    let told = world.firehose.describe_delivery_stream(&world.cx(), input).await.unwrap();
    let told = told.delivery_stream_description;
    assert_eq!((told.delivery_stream_status.as_str(), told.version_id.as_str()), ("ACTIVE", "1"));
    assert_eq!(told.delivery_stream_type, "DirectPut");
    assert_eq!(told.create_timestamp, Some(world.clock.now()));
    let s3 = told.destinations[0].s3_destination_description.clone().unwrap();
    assert_eq!(
        (s3.buffering_hints.size_in_m_bs, s3.buffering_hints.interval_in_seconds),
        (Some(5), Some(300))
    );
    assert_eq!(
        (s3.compression_format.as_str(), s3.bucket_arn.as_str()),
        ("UNCOMPRESSED", "arn:aws:s3:::archive")
    );
    let extended = told.destinations[0].extended_s3_destination_description.clone().unwrap();
    assert_eq!(extended.custom_time_zone.as_deref(), Some("UTC"));
    assert_eq!(extended.s3_backup_mode.as_deref(), Some("Disabled"));
    let asked = world.gate.asked.lock().unwrap().clone();
    assert!(asked.iter().any(|(_, action, role)| action == "iam:PassRole" && role == ROLE));
}

#[tokio::test]
async fn what_is_wrong_or_missing_here_is_refused_by_name() {
    let world = World::new().await;
    let said = async |change: &dyn Fn(&mut ExtendedS3DestinationConfiguration)| {
        let mut wanted = destination();
        change(&mut wanted);
        let error =
            world.firehose.create_delivery_stream(&world.cx(), create("s", wanted)).await.unwrap_err();
        assert_eq!(error.code, "InvalidArgumentException");
        error.message
    };
    assert_eq!(
        said(&|d| d.error_output_prefix = None).await,
        "Ths supplied prefix(es) do not satisfy the following constraint: ErrorOutputPrefix cannot be null or empty when Prefix contains expressions"
    );
    let role = "arn:aws:iam::123456789012:role/unknown";
    assert_eq!(
        said(&|d| d.role_arn = role.to_owned()).await,
        format!("Firehose is unable to assume role {role}. Please check the role provided.")
    );
    assert!(said(&|d| d.s3_backup_mode = Some("Enabled".to_owned())).await.contains("S3BackupMode"));
    let backup = S3DestinationConfiguration::default();
    assert!(said(&|d| d.s3_backup_configuration = Some(backup.clone())).await.contains("S3BackupMode"));
    let logging = CloudWatchLoggingOptions { enabled: Some(true), ..Default::default() };
    assert!(said(&|d| d.cloud_watch_logging_options = Some(logging.clone())).await.contains("LogGroupName"));
    let lambda = ProcessingConfiguration {
        enabled: Some(true),
        processors: Some(vec![Processor { type_: "Lambda".to_owned(), parameters: None }]),
    };
    assert!(
        said(&|d| d.processing_configuration = Some(lambda.clone()))
            .await
            .contains("needs the parameter LambdaArn")
    );
    let half = BufferingHints { size_in_m_bs: Some(5), interval_in_seconds: None };
    assert!(said(&|d| d.buffering_hints = Some(half.clone())).await.contains("Both"));

    let none = CreateDeliveryStreamInput { delivery_stream_name: "s".to_owned(), ..Default::default() };
    let error = world.firehose.create_delivery_stream(&world.cx(), none).await.unwrap_err();
    assert_eq!(error.message, "Exactly one destination configuration is supported for a Firehose");
    let mut kinesis = create("s", destination());
    kinesis.delivery_stream_type = Some("KinesisStreamAsSource".to_owned());
    let error = world.firehose.create_delivery_stream(&world.cx(), kinesis).await.unwrap_err();
    assert!(error.message.contains("KinesisStreamAsSource"));
    world.gate.denied.lock().unwrap().push("iam:PassRole".to_owned());
    let error =
        world.firehose.create_delivery_stream(&world.cx(), create("s", destination())).await.unwrap_err();
    assert_eq!(error.code, "AccessDeniedException");
}

#[tokio::test]
async fn changes_name_the_version_that_they_are_for() {
    let world = World::new().await;
    world.create(destination()).await;
    let gzip =
        ExtendedS3DestinationUpdate { compression_format: Some("GZIP".to_owned()), ..Default::default() };
    let stale = world.firehose.update_destination(&world.cx(), update("2", gzip.clone())).await.unwrap_err();
    assert_eq!(stale.code, "ConcurrentModificationException");
    world.firehose.update_destination(&world.cx(), update("1", gzip.clone())).await.unwrap();
    let stream = world.stream().await;
    assert_eq!((stream.version, stream.destination.compression), (2, Compression::Gzip));
    assert_eq!(stream.destination.prefix, destination().prefix, "what isn't said stays");
    assert_eq!(stream.updated, Some(world.clock.now()));
    let mut other = update("2", gzip);
    other.destination_id = "destinationId-2".to_owned();
    assert_eq!(
        world.firehose.update_destination(&world.cx(), other).await.unwrap_err().message,
        "Destination Id destinationId-2 not found"
    );
}

#[tokio::test]
async fn lists_have_pages() {
    let world = World::new().await;
    for number in 0..12 {
        world
            .firehose
            .create_delivery_stream(&world.cx(), create(&format!("s{number:02}"), destination()))
            .await
            .unwrap();
    }
    let list = async |after: Option<&str>, limit| {
        let input = ListDeliveryStreamsInput {
            limit,
            exclusive_start_delivery_stream_name: after.map(str::to_owned),
            ..Default::default()
        };
        let page = world.firehose.list_delivery_streams(&world.cx(), input).await.unwrap();
        (page.delivery_stream_names, page.has_more_delivery_streams)
    };
    let (names, more) = list(None, None).await;
    assert_eq!((names.len(), more), (10, true));
    assert_eq!(list(Some("s09"), None).await, (vec!["s10".to_owned(), "s11".to_owned()], false));
    assert_eq!(list(None, Some(1)).await, (vec!["s00".to_owned()], true));
    let twice = world.firehose.create_delivery_stream(&world.cx(), create("s00", destination())).await;
    assert_eq!(twice.unwrap_err().code, "ResourceInUseException");
}

#[tokio::test]
async fn a_stream_made_again_has_nothing_of_its_predecessor() {
    let world = World::new().await;
    world.create(destination()).await;
    world.put("old").await.unwrap();
    let delete = DeleteDeliveryStreamInput { delivery_stream_name: "s".to_owned(), ..Default::default() };
    world.firehose.delete_delivery_stream(&world.cx(), delete.clone()).await.unwrap();
    assert_eq!(world.put("gone").await.unwrap_err().code, "ResourceNotFoundException");
    assert_eq!(
        world.firehose.delete_delivery_stream(&world.cx(), delete).await.unwrap_err().message,
        "Firehose s under account 123456789012 not found."
    );
    world.create(destination()).await;
    world.put("new").await.unwrap();
    world.advance(60);
    let objects = world.objects(1).await;
    assert_eq!(objects.values().map(|b| b.to_vec()).collect::<Vec<_>>(), [b"new\n".to_vec()]);
}

#[tokio::test]
async fn tags_are_kept() {
    let world = World::new().await;
    world.create(destination()).await;
    let tag = |key: &str| Tag { key: key.to_owned(), value: Some("v".to_owned()) };
    let input = TagDeliveryStreamInput {
        delivery_stream_name: "s".to_owned(),
        tags: vec![tag("a"), tag("b"), tag("c")],
    };
    world.firehose.tag_delivery_stream(&world.cx(), input).await.unwrap();
    let input =
        UntagDeliveryStreamInput { delivery_stream_name: "s".to_owned(), tag_keys: vec!["b".to_owned()] };
    world.firehose.untag_delivery_stream(&world.cx(), input).await.unwrap();
    let input = ListTagsForDeliveryStreamInput {
        delivery_stream_name: "s".to_owned(),
        limit: Some(1),
        ..Default::default()
    };
    let page = world.firehose.list_tags_for_delivery_stream(&world.cx(), input.clone()).await.unwrap();
    let keys = |tags: &[Tag]| tags.iter().map(|t| t.key.clone()).collect::<Vec<_>>();
    assert_eq!((keys(&page.tags), page.has_more_tags), (vec!["a".to_owned()], true));
    let input = ListTagsForDeliveryStreamInput { exclusive_start_tag_key: Some("a".to_owned()), ..input };
    let page = world.firehose.list_tags_for_delivery_stream(&world.cx(), input).await.unwrap();
    assert_eq!((keys(&page.tags), page.has_more_tags), (vec!["c".to_owned()], false));
    assert_eq!(
        world.stream().await.tags,
        BTreeMap::from([("a".into(), "v".into()), ("c".into(), "v".into())])
    );
}
