//! `Decompression` and `CloudWatchLogProcessing`: what log subscriptions put, unpacked.
//!
//! <https://docs.aws.amazon.com/firehose/latest/dev/writing-with-cloudwatch-logs-decompression.html>,
//! <https://docs.aws.amazon.com/firehose/latest/dev/Message_extraction.html>; the form of their records:
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html>.

use std::io::Read as _;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use serde::Deserialize;

/// Most bytes that a record may become. CloudWatch Logs takes 1 MiB of events at once.
pub const MAX_BYTES: usize = 8 * 1024 * 1024;

/// A record of gzip, decompressed. `Err`: why it cannot be.
pub fn decompressed(record: &[u8]) -> Result<Bytes, String> {
    let mut out = Vec::new();
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(record).take(most).read_to_end(&mut out).map_err(|why| why.to_string())?;
    if out.len() > MAX_BYTES {
        return Err(format!("The decompressed record is larger than {MAX_BYTES} bytes"));
    }
    Ok(Bytes::from(out))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    message_type: String,
    log_events: Vec<Event>,
}

#[derive(Deserialize)]
struct Event {
    message: String,
}

/// The messages of a decompressed record, a line each, without what is around them; `None`: it is a probe, and has
/// none. `Err`: it is no record of CloudWatch Logs.
pub fn messages(record: &[u8]) -> Result<Option<Bytes>, String> {
    let data: Data = serde_json::from_slice(record).map_err(|why| why.to_string())?;
    if data.message_type != "DATA_MESSAGE" {
        return Ok(None);
    }
    let lines: String = data.log_events.into_iter().map(|event| event.message + "\n").collect();
    Ok(Some(Bytes::from(lines)).filter(|lines| !lines.is_empty()))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::write::GzEncoder;
    use proptest::prelude::*;

    use super::*;

    fn packed(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn messages_are_all_that_is_left() {
        let record = serde_json::json!({
            "messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "g", "logStream": "s",
            "subscriptionFilters": ["f"], "logEvents": [
                { "id": "1", "timestamp": 1, "message": "one" },
                { "id": "2", "timestamp": 2, "message": "{\"two\":2}", "extractedFields": {} },
            ],
        });
        let lines = messages(record.to_string().as_bytes()).unwrap().unwrap();
        assert_eq!(lines, "one\n{\"two\":2}\n");
        assert_eq!(
            messages(br#"{"messageType":"CONTROL_MESSAGE","logEvents":[{"message":"probe"}]}"#),
            Ok(None)
        );
        assert_eq!(messages(br#"{"messageType":"DATA_MESSAGE","logEvents":[]}"#), Ok(None));
        messages(br#"{"messageType":"DATA_MESSAGE"}"#).unwrap_err();
        messages(b"text").unwrap_err();
    }

    #[test]
    fn what_is_not_gzip_or_becomes_too_large_is_told_of() {
        assert_eq!(decompressed(&packed(b"data")).unwrap(), "data");
        let two = [packed(b"a"), packed(b"b")].concat();
        assert_eq!(decompressed(&two).unwrap(), "ab");
        for wrong in [&b"text"[..], &packed(b"data")[..12], b""] {
            decompressed(wrong).unwrap_err();
        }
        decompressed(&packed(&vec![0; MAX_BYTES])).unwrap();
        assert!(decompressed(&packed(&vec![0; MAX_BYTES + 1])).unwrap_err().contains("larger"));
    }

    proptest! {
        #[test]
        fn arbitrary_records_do_no_harm(data in proptest::collection::vec(any::<u8>(), 0..60)) {
            prop_assert_eq!(decompressed(&packed(&data)).unwrap(), data.clone());
            prop_assert!(decompressed(&data).is_err() || data.starts_with(&[0x1f, 0x8b]));
            prop_assert!(messages(&data).is_err());
        }
    }
}
