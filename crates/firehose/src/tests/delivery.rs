//! From records to objects.

use std::io::Read as _;

use bytes::Bytes;
use proptest::prelude::*;
use ropeway_api::firehose::{
    BufferingHints, ExtendedS3DestinationUpdate, Firehose as _, PutRecordBatchInput, Record,
    UpdateDestinationInput,
};
use ropeway_core::effects::StreamDelivery;
use ropeway_store::MemoryStore;

use super::{ACCOUNT, REGION, ROLE, START, World, destination};
use crate::commands::{Command, FirehoseMachine};

fn text(bytes: &Bytes) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_buffer_becomes_an_object_when_its_time_has_come() {
    let world = World::new().await;
    world.create(destination()).await;
    world.advance(30);
    world.put("a").await.unwrap();
    world.advance(30);
    // Half of the interval is over, but it is midnight: another partition, so the first object ends here.
    world.put("b").await.unwrap();
    world.put("b2").await.unwrap();
    let first = world.objects(1).await;
    let (key, body) = first.first_key_value().unwrap();
    assert!(key.starts_with("archive/landing_date=2026-02-07/s-1-2026-02-07-23-59-30-"), "{key}");
    assert_eq!(text(body), "a\n");
    world.advance(60);
    let both = world.objects(2).await;
    let (key, body) = both.last_key_value().unwrap();
    assert!(key.starts_with("archive/landing_date=2026-02-08/s-1-2026-02-08-00-00-00-"), "{key}");
    assert_eq!(text(body), "b\nb2\n");
    world.cleaned(world.stream().await.id).await;
    let asked = world.gate.asked.lock().unwrap().clone();
    let put = asked.iter().find(|(_, action, _)| action == "s3:PutObject").unwrap();
    assert_eq!(put.0, format!("{ROLE}/firehose"), "as the destination's role");
}

#[tokio::test]
async fn a_full_buffer_becomes_an_object_at_once() {
    let world = World::new().await;
    let mut small = destination();
    small.buffering_hints = Some(BufferingHints { size_in_m_bs: Some(1), interval_in_seconds: Some(900) });
    small.compression_format = Some("GZIP".to_owned());
    world.create(small).await;
    let record = "x".repeat(300_000);
    for _ in 0..4 {
        world.put(&record).await.unwrap();
    }
    // Three fit; the fourth begins the next.
    let objects = world.objects(1).await;
    let (key, body) = objects.first_key_value().unwrap();
    assert!(key.ends_with(".gz"), "{key}");
    let mut plain = String::new();
    flate2::read::GzDecoder::new(body.as_ref()).read_to_string(&mut plain).unwrap();
    assert_eq!(plain, format!("{record}\n").repeat(3));
    assert_eq!(world.s3.inputs.lock().unwrap()[0].2.as_deref(), Some("gzip"));
    world.advance(900);
    assert_eq!(world.objects(2).await.len(), 2);
}

/// Extensions: <https://docs.aws.amazon.com/firehose/latest/dev/basic-deliver.html>.
#[tokio::test]
async fn objects_are_compressed_and_named_so() {
    for (format, extension) in
        [("ZIP", ".zip"), ("Snappy", ".snappy"), ("HADOOP_SNAPPY", ".hsnappy"), ("UNCOMPRESSED", "")]
    {
        let world = World::new().await;
        let mut wanted = destination();
        wanted.compression_format = Some(format.to_owned());
        world.create(wanted).await;
        world.put("a").await.unwrap();
        world.advance(60);
        let objects = world.objects(1).await;
        let (key, body) = objects.first_key_value().unwrap();
        assert!(key.ends_with(extension), "{key}");
        let got = match format {
            "ZIP" => {
                let mut archive = zip::ZipArchive::new(std::io::Cursor::new(body)).unwrap();
                let mut file = archive.by_index(0).unwrap();
                assert_eq!(format!("{}.zip", file.name().unwrap()), key.rsplit('/').next().unwrap());
                let mut text = String::new();
                file.read_to_string(&mut text).unwrap();
                text
            }
            "Snappy" => {
                let mut text = String::new();
                snap::read::FrameDecoder::new(body.as_ref()).read_to_string(&mut text).unwrap();
                text
            }
            "HADOOP_SNAPPY" => {
                assert_eq!(body[..4], 2u32.to_be_bytes());
                String::from_utf8(snap::raw::Decoder::new().decompress_vec(&body[8..]).unwrap()).unwrap()
            }
            _ => text(body).to_owned(),
        };
        assert_eq!(got, "a\n");
        assert_eq!(world.s3.inputs.lock().unwrap()[0].2, None);
    }
}

#[tokio::test]
async fn batches_keep_their_order_whatever_their_size() {
    let world = World::new().await;
    world.create(destination()).await;
    let records: Vec<Record> =
        (0..500u32).map(|n| Record { data: Bytes::from(format!("{n:05}{}", "y".repeat(8_000))) }).collect();
    let input = PutRecordBatchInput { delivery_stream_name: "s".to_owned(), records: records.clone() };
    let answer = world.firehose.put_record_batch(&world.cx(), input).await.unwrap();
    assert_eq!((answer.failed_put_count, answer.request_responses.len()), (0, 500));
    assert!(answer.request_responses.iter().all(|r| r.record_id.as_ref().is_some_and(|id| id.len() == 224)));
    world.advance(60);
    let objects = world.objects(1).await;
    let got: Vec<&str> = text(objects.first_key_value().unwrap().1).lines().map(|line| &line[..5]).collect();
    assert_eq!(got, (0..500).map(|n| format!("{n:05}")).collect::<Vec<_>>());
    world.cleaned(world.stream().await.id).await;
}

#[tokio::test]
async fn accepted_records_survive_a_crash_and_keep_their_key() {
    let store = MemoryStore::new(4);
    let key = {
        let world = World::over(store.clone(), START, 1).await;
        world.create(destination()).await;
        world.put("kept").await.unwrap();
        *world.s3.refuse.lock().unwrap() = Some((String::new(), 503));
        world.advance(60);
        world.asked(1).await;
        let key = world.s3.inputs.lock().unwrap()[0].0.clone();
        store.crash(0);
        key
    };
    let world = World::over(store, START + 60, 2).await;
    let objects = world.objects(1).await;
    let (again, body) = objects.first_key_value().unwrap();
    assert_eq!((again, text(body)), (&key, "kept\n"));
}

#[tokio::test]
async fn s3_is_asked_again_until_it_takes_the_object() {
    let world = World::new().await;
    world.create(destination()).await;
    world.put("patient").await.unwrap();
    *world.s3.refuse.lock().unwrap() = Some((String::new(), 403));
    world.advance(60);
    world.asked(1).await;
    *world.s3.refuse.lock().unwrap() = None;
    world.advance(10);
    assert_eq!(world.objects(1).await.len(), 1);
    world.cleaned(world.stream().await.id).await;
}

#[tokio::test]
async fn after_a_day_the_prefix_of_errors_is_tried() {
    let world = World::new().await;
    world.create(destination()).await;
    world.put("stubborn").await.unwrap();
    *world.s3.refuse.lock().unwrap() = Some(("landing_date=".to_owned(), 403));
    world.advance(60);
    world.asked(1).await;
    world.advance(24 * 60 * 60);
    let objects = world.objects(1).await;
    let (key, body) = objects.first_key_value().unwrap();
    assert!(key.starts_with("archive/errors/delivery-failed/s-1-"), "{key}");
    assert_eq!(text(body), "stubborn\n");
}

#[tokio::test]
async fn what_waits_goes_to_the_new_bucket() {
    let world = World::new().await;
    world.create(destination()).await;
    world.put("first").await.unwrap();
    let update = UpdateDestinationInput {
        delivery_stream_name: "s".to_owned(),
        current_delivery_stream_version_id: "1".to_owned(),
        destination_id: "destinationId-000000000001".to_owned(),
        extended_s3_destination_update: Some(ExtendedS3DestinationUpdate {
            bucket_arn: Some("arn:aws:s3:::other".to_owned()),
            prefix: Some("p/".to_owned()),
            ..Default::default()
        }),
        ..Default::default()
    };
    world.firehose.update_destination(&world.cx(), update).await.unwrap();
    world.put("second").await.unwrap();
    world.advance(60);
    let objects = world.objects(2).await;
    let keys: Vec<&String> = objects.keys().collect();
    assert!(keys[0].starts_with("other/landing_date=2026-02-07/s-1-"), "closed under the old prefix");
    assert!(keys[1].starts_with("other/p/2026/02/07/23/s-2-"), "{}", keys[1]);
}

#[tokio::test]
async fn a_service_puts_as_its_role() {
    let world = World::new().await;
    world.create(destination()).await;
    let arn = format!("arn:aws:firehose:{REGION}:{ACCOUNT}:deliverystream/s");
    let delivery = |role: &str| StreamDelivery {
        stream: arn.clone(),
        principal: "sns.amazonaws.com".to_owned(),
        role: role.to_owned(),
        source_arn: format!("arn:aws:sns:{REGION}:{ACCOUNT}:t"),
        source_account: ACCOUNT.to_owned(),
        data: Bytes::from_static(b"from a topic"),
    };
    let shard = world.core.shard_of(&arn);
    let put = async |delivery| {
        world.core.submit::<FirehoseMachine>(shard, &world.cx().trace, Command::Deliver(delivery)).await
    };
    put(delivery(ROLE)).await.unwrap();
    let denied = put(delivery("arn:aws:iam::123456789012:role/other")).await.unwrap_err();
    assert_eq!(denied.code, "AccessDeniedException");
    world.gate.denied.lock().unwrap().push("firehose:PutRecord".to_owned());
    assert_eq!(put(delivery(ROLE)).await.unwrap_err().message, "firehose:PutRecord is denied");
    world.gate.denied.lock().unwrap().clear();
    let elsewhere = StreamDelivery { stream: format!("{arn}x"), ..delivery(ROLE) };
    assert_eq!(put(elsewhere).await.unwrap_err().code, "ResourceNotFoundException");
    world.advance(60);
    assert_eq!(text(world.objects(1).await.first_key_value().unwrap().1), "from a topic\n");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever comes when: each record is in one object, in order, under the prefix of its moment.
    #[test]
    fn every_record_lands_once_in_its_partition(
        steps in prop::collection::vec((0u64..40_000, 0usize..150_000), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = World::new().await;
            world.create(destination()).await;
            let mut expected = Vec::new();
            for (number, (wait, length)) in steps.into_iter().enumerate() {
                world.advance(wait);
                let record = format!("{number}:{}", "z".repeat(length));
                world.put(&record).await.unwrap();
                let day = if world.clock.now().secs() < START + 60 { "07".to_owned() } else {
                    format!("{:02}", 8 + (world.clock.now().secs() - START - 60) / 86_400)
                };
                expected.push((format!("archive/landing_date=2026-02-{day}/"), record));
            }
            world.advance(60);
            world.cleaned(world.stream().await.id).await;
            let objects = world.s3.objects.lock().unwrap().clone();
            let mut got: Vec<(usize, String, String)> = Vec::new();
            for (key, body) in &objects {
                let partition = &key[..key.find("/s-1-").unwrap() + 1];
                for line in text(body).lines() {
                    let number = line.split(':').next().unwrap().parse().unwrap();
                    got.push((number, partition.to_owned(), line.to_owned()));
                }
            }
            got.sort();
            let got: Vec<(String, String)> = got.into_iter().map(|(_, partition, line)| (partition, line)).collect();
            assert_eq!(got, expected);
        });
    }
}
