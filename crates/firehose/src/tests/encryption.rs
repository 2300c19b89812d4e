//! Server-side encryption: what is on disk, and what is told of it.

use bytes::Bytes;
use ropeway_api::firehose::{
    CreateDeliveryStreamInput, DeliveryStreamEncryptionConfiguration,
    DeliveryStreamEncryptionConfigurationInput, DescribeDeliveryStreamInput, Firehose as _,
    PutRecordBatchInput, PutRecordInput, Record, StartDeliveryStreamEncryptionInput,
    StopDeliveryStreamEncryptionInput,
};

use super::{ACCOUNT, REGION, World, destination};
use crate::commands::{Command, FirehoseMachine, Output, Piece};
use crate::keys::StreamName;

async fn pieces(world: &World) -> Vec<Piece> {
    let (stream, id) = (StreamName::new(ACCOUNT, REGION, "s"), world.stream().await.id);
    let shard = world.core.shard_of(&stream.arn());
    let command = Command::Fetch { stream, id, after: None, from: 0, to: u64::MAX, limit: 100 };
    match world.core.submit::<FirehoseMachine>(shard, &world.cx().trace, command).await.unwrap() {
        Output::Pieces(pieces) => pieces,
        _ => panic!("no pieces"),
    }
}

async fn told(world: &World) -> DeliveryStreamEncryptionConfiguration {
    let input = DescribeDeliveryStreamInput { delivery_stream_name: "s".to_owned(), ..Default::default() };
    let told = world.firehose.describe_delivery_stream(&world.cx(), input).await.unwrap();
    told.delivery_stream_description.delivery_stream_encryption_configuration.unwrap()
}

async fn put(world: &World, data: &str) -> Option<bool> {
    let record = Record { data: Bytes::copy_from_slice(data.as_bytes()) };
    let input = PutRecordInput { delivery_stream_name: "s".to_owned(), record: record.clone() };
    let one = world.firehose.put_record(&world.cx(), input).await.unwrap().encrypted;
    let input = PutRecordBatchInput { delivery_stream_name: "s".to_owned(), records: vec![record] };
    assert_eq!(world.firehose.put_record_batch(&world.cx(), input).await.unwrap().encrypted, one);
    one
}

fn key(kind: &str, arn: Option<&str>) -> DeliveryStreamEncryptionConfigurationInput {
    DeliveryStreamEncryptionConfigurationInput { key_type: kind.to_owned(), key_arn: arn.map(str::to_owned) }
}

#[tokio::test]
async fn records_are_sealed_while_it_is_on() {
    let world = World::new().await;
    world.create(destination()).await;
    assert_eq!(told(&world).await.status.as_deref(), Some("DISABLED"));
    let long = "long".repeat(40_000);
    assert_eq!(put(&world, "before").await, Some(false));
    let start =
        StartDeliveryStreamEncryptionInput { delivery_stream_name: "s".to_owned(), ..Default::default() };
    world.firehose.start_delivery_stream_encryption(&world.cx(), start).await.unwrap();
    let said = told(&world).await;
    assert_eq!((said.status.as_deref(), said.key_type.as_deref()), (Some("ENABLED"), Some("AWS_OWNED_CMK")));
    assert_eq!(put(&world, &long).await, Some(true));
    let stop = StopDeliveryStreamEncryptionInput { delivery_stream_name: "s".to_owned() };
    world.firehose.stop_delivery_stream_encryption(&world.cx(), stop).await.unwrap();
    assert_eq!(put(&world, "after").await, Some(false));

    let rows = pieces(&world).await;
    let clear = |piece: &Piece| {
        piece.bytes.windows(4).any(|four| four == b"long" || four == b"befo" || four == b"afte")
    };
    assert!(rows.iter().all(|piece| piece.sealed != clear(piece)), "what is sealed shows nothing");
    assert_eq!(rows.iter().filter(|piece| piece.sealed).count(), 6, "two records of three pieces");
    world.advance(60);
    let objects = world.objects(1).await;
    let expected =
        ["before", "before", &long, &long, "after", "after"].map(|line| format!("{line}\n")).concat();
    assert!(objects.values().next().unwrap() == &expected);
}

#[tokio::test]
async fn a_stream_may_be_made_with_it() {
    let world = World::new().await;
    let create = async |key| {
        let input = CreateDeliveryStreamInput {
            delivery_stream_name: "s".to_owned(),
            extended_s3_destination_configuration: Some(destination()),
            delivery_stream_encryption_configuration_input: Some(key),
            ..Default::default()
        };
        world.firehose.create_delivery_stream(&world.cx(), input).await.map_err(|error| error.message)
    };
    let arn = "arn:aws:kms:eu-central-1:123456789012:key/k";
    assert!(
        create(key("CUSTOMER_MANAGED_CMK", Some(arn))).await.unwrap_err().contains("CUSTOMER_MANAGED_CMK")
    );
    assert!(create(key("AWS_OWNED_CMK", Some(arn))).await.unwrap_err().contains("KeyARN"));
    create(key("AWS_OWNED_CMK", None)).await.unwrap();
    assert_eq!(put(&world, "x").await, Some(true));
    assert!(pieces(&world).await.iter().all(|piece| piece.sealed));
    let start = StartDeliveryStreamEncryptionInput {
        delivery_stream_name: "s".to_owned(),
        delivery_stream_encryption_configuration_input: Some(key("CUSTOMER_MANAGED_CMK", Some(arn))),
    };
    let error = world.firehose.start_delivery_stream_encryption(&world.cx(), start).await.unwrap_err();
    assert!(error.message.contains("CUSTOMER_MANAGED_CMK"));
}
