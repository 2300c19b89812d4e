//! What an HTTP endpoint is sent.
//!
//! <https://docs.aws.amazon.com/firehose/latest/dev/httpdeliveryrequestresponse.html>, "Request format"

use std::collections::BTreeMap;
use std::io::Write as _;

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use flate2::write::GzEncoder;
use ropeway_core::Time;
use ropeway_wire::Error;
use serde::ser::{Serialize, Serializer};

use crate::destination::invalid;
use crate::model::Endpoint;
use crate::process::transform::Item;

/// Most records of one request.
pub const MAX_RECORDS: usize = 10_000;
/// What a request says that it comes from.
const AGENT: &str = "Amazon Kinesis Data Firehose Agent/1.0";

/// Checks an endpoint's address.
pub fn check_url(url: &str) -> Result<(), Error> {
    let uri: http::Uri = url.parse().map_err(|_| invalid("The Url of the endpoint is not an address"))?;
    let has_host = uri.host().is_some_and(|host| !host.is_empty());
    if uri.scheme() == Some(&http::uri::Scheme::HTTPS) && has_host {
        Ok(())
    } else {
        Err(invalid("The Url of the endpoint must begin with https:// and a host"))
    }
}

/// Checks that an access key can be sent as it is.
pub fn check_key(key: &str) -> Result<(), Error> {
    let sound = http::HeaderValue::from_str(key).or_else(|_| http::HeaderValue::from_bytes(key.as_bytes()));
    sound.map(drop).map_err(|_| invalid("The AccessKey of the endpoint has characters that no header takes"))
}

/// Records on their way to an endpoint, as one request.
#[derive(Debug, Default)]
pub struct Batch {
    /// The records.
    pub items: Vec<Item>,
    bytes: usize,
}

impl Batch {
    /// Whether one more record fits a request of so many MiB.
    pub fn has_room(&self, mebibytes: u32, item: &Item) -> bool {
        let most = mebibytes as usize * 1024 * 1024;
        let fits = self.items.len() < MAX_RECORDS && self.bytes + item.data.len() <= most;
        self.items.is_empty() || fits
    }

    /// Takes a record.
    pub fn push(&mut self, item: Item) {
        self.bytes += item.data.len();
        self.items.push(item);
    }
}

/// The id of a flush's request: the flush's own for the first, and the same whenever it is sent again.
pub fn request_id(flush: &str, number: u32) -> String {
    const UUID: usize = 36;
    const LAST: usize = 12;
    let id = flush.get(flush.len().saturating_sub(UUID)..).unwrap_or(flush);
    let (head, tail) = id.split_at_checked(id.len().saturating_sub(LAST)).unwrap_or((id, ""));
    let tail = u64::from_str_radix(tail, 16).unwrap_or(0);
    format!("{head}{:012x}", tail.wrapping_add(u64::from(number)) & 0xffff_ffff_ffff)
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    request_id: &'a str,
    timestamp: i64,
    records: Vec<Record<'a>>,
}

#[derive(serde::Serialize)]
struct Record<'a> {
    data: Data<'a>,
}

/// Bytes in base 64.
struct Data<'a>(&'a [u8]);

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(self.0, &BASE64))
    }
}

/// The body of a request.
///
/// # Errors
/// If it cannot be compressed.
pub fn body(id: &str, at: Time, items: &[Item], gzip: bool) -> std::io::Result<Bytes> {
    let records = items.iter().map(|item| Record { data: Data(&item.data) }).collect();
    let body = Body { request_id: id, timestamp: at.millis(), records };
    if !gzip {
        return Ok(Bytes::from(serde_json::to_vec(&body)?));
    }
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    serde_json::to_writer(&mut encoder, &body)?;
    encoder.flush()?;
    encoder.finish().map(Bytes::from)
}

/// The value of the header of common attributes, in ASCII: `None` if there are none.
fn common_attributes(of: &[(String, String)]) -> Option<String> {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Common<'a> {
        common_attributes: BTreeMap<&'a str, &'a str>,
    }
    let common_attributes: BTreeMap<&str, &str> =
        of.iter().map(|(name, value)| (&**name, &**value)).collect();
    let text = serde_json::to_string(&Common { common_attributes }).ok().filter(|_| !of.is_empty())?;
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, ' '..='~') {
            out.push(letter);
        } else {
            let mut units = [0; 2];
            letter.encode_utf16(&mut units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        }
    }
    Some(out)
}

/// The request. `key` is the access key.
pub fn request(
    to: &Endpoint,
    key: Option<&[u8]>,
    stream: &str,
    id: &str,
    body: Bytes,
) -> Result<http::Request<Bytes>, Error> {
    let mut request = http::Request::post(&to.url)
        .header(http::header::CONTENT_TYPE, "application/json")
        .header(http::header::USER_AGENT, AGENT)
        .header("x-amz-firehose-protocol-version", "1.0")
        .header("x-amz-firehose-request-id", id)
        .header("x-amz-firehose-source-arn", stream);
    if to.gzip {
        request = request.header(http::header::CONTENT_ENCODING, "gzip");
    }
    if let Some(key) = key {
        request = request.header("x-amz-firehose-access-key", key);
    }
    if let Some(attributes) = common_attributes(&to.attributes) {
        request = request.header("x-amz-firehose-common-attributes", attributes);
    }
    request.body(body).map_err(|error| Error::internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::model::Logging;

    fn item(data: &[u8]) -> Item {
        let data = Bytes::copy_from_slice(data);
        Item { number: (0, 0), arrived: Time(0), data, source: None, keys: BTreeMap::new() }
    }

    fn endpoint(attributes: &[(&str, &str)]) -> Endpoint {
        Endpoint {
            url: "https://localhost:8443/a?b=c".to_owned(),
            name: None,
            access_key: None,
            mebibytes: 1,
            seconds: 60,
            gzip: true,
            attributes: attributes.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            retry_seconds: 300,
            all_data: false,
            processing: None,
            role: None,
            logging: Logging::default(),
        }
    }

    #[test]
    fn bodies_have_the_documented_form() {
        // The example of the specification.
        let items = [item(b"hello"), item(b"hello world")];
        let id = "ed4acda5-034f-9f42-bba1-f29aea6d7d8f";
        let bytes = body(id, Time(1_578_090_901_599), &items, false).unwrap();
        let expected = json!({
            "requestId": id, "timestamp": 1_578_090_901_599_i64,
            "records": [{ "data": "aGVsbG8=" }, { "data": "aGVsbG8gd29ybGQ=" }],
        });
        assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), expected);
        let packed = body(id, Time(1_578_090_901_599), &items, true).unwrap();
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&*packed).read_to_end(&mut unpacked).unwrap();
        assert_eq!(unpacked, bytes);
    }

    #[test]
    fn requests_have_the_documented_headers() {
        let to =
            endpoint(&[("deployment -context", "pre-prod-gamma"), ("device-types", ""), ("é", "\u{7f}😀")]);
        let made = request(&to, Some(b"k e y"), "arn:s", "id", Bytes::from_static(b"{}")).unwrap();
        let header = |name: &str| made.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!((made.method().as_str(), made.uri().to_string()), ("POST", to.url.clone()));
        assert_eq!(header("content-type"), Some("application/json"));
        assert_eq!(header("content-encoding"), Some("gzip"));
        assert_eq!(header("x-amz-firehose-protocol-version"), Some("1.0"));
        assert_eq!(header("x-amz-firehose-request-id"), Some("id"));
        assert_eq!(header("x-amz-firehose-source-arn"), Some("arn:s"));
        assert_eq!(header("x-amz-firehose-access-key"), Some("k e y"));
        let attributes: Value =
            serde_json::from_str(header("x-amz-firehose-common-attributes").unwrap()).unwrap();
        let expected =
            json!({ "deployment -context": "pre-prod-gamma", "device-types": "", "é": "\u{7f}😀" });
        assert_eq!(attributes, json!({ "commonAttributes": expected }));
        let bare = Endpoint { gzip: false, ..endpoint(&[]) };
        let made = request(&bare, None, "arn:s", "id", Bytes::new()).unwrap();
        for name in ["content-encoding", "x-amz-firehose-access-key", "x-amz-firehose-common-attributes"] {
            assert!(!made.headers().contains_key(name), "{name}");
        }
    }

    #[test]
    fn ids_of_requests_are_uuids_of_their_own() {
        let flush = "stream-1-2026-02-07-23-59-00-ed4acda5-034f-4f42-bba1-fffffffffffe";
        assert_eq!(request_id(flush, 0), "ed4acda5-034f-4f42-bba1-fffffffffffe");
        assert_eq!(request_id(flush, 1), "ed4acda5-034f-4f42-bba1-ffffffffffff");
        assert_eq!(request_id(flush, 3), "ed4acda5-034f-4f42-bba1-000000000001");
        assert_eq!(request_id("", 1), "000000000001");
    }

    #[test]
    fn batches_stay_under_the_limits() {
        let mut batch = Batch::default();
        let large = item(&vec![0; 2 * 1024 * 1024]);
        assert!(batch.has_room(1, &large), "one there must be");
        batch.push(large);
        assert!(!batch.has_room(2, &item(b"x")) && batch.has_room(3, &item(b"x")));
        let mut batch = Batch::default();
        while batch.has_room(64, &item(b"")) {
            batch.push(item(b""));
        }
        assert_eq!(batch.items.len(), MAX_RECORDS);
    }

    #[test]
    fn addresses_and_keys_are_checked() {
        for sound in ["https://a", "https://a.example:8443/x?y=z", "https://[::1]:1/"] {
            check_url(sound).unwrap();
        }
        for wrong in ["http://a", "https://", "https:///x", "https://a b", "ftp://a", ""] {
            assert_eq!(check_url(wrong).unwrap_err().code, "InvalidArgumentException", "{wrong}");
        }
        check_key("{\"user\": \"ü\"}").unwrap();
        check_key("a\nb").unwrap_err();
    }

    proptest! {
        #[test]
        fn any_attributes_make_a_header(pairs in proptest::collection::btree_map(".{1,8}", ".{0,8}", 1..4)) {
            let pairs: Vec<(String, String)> = pairs.into_iter().collect();
            let text = common_attributes(&pairs).unwrap();
            prop_assert!(http::HeaderValue::from_str(&text).is_ok());
            let read: Value = serde_json::from_str(&text).unwrap();
            let read = read["commonAttributes"].as_object().unwrap();
            prop_assert!(pairs.iter().all(|(name, value)| read[name.as_str()] == value.as_str()));
        }
    }
}
