//! The transformation by a function: what it is asked, and what its answer says.
//!
//! <https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-status-model.html>

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use ropeway_core::Time;
use serde::{Deserialize, Serialize};

/// How often an invocation is repeated that failed:
/// <https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-failure-handling.html>.
pub const RETRIES: u32 = 3;
/// Most bytes of a request: the 6 MB of a synchronous invocation.
const MAX_REQUEST: usize = 6_000_000;
/// Bytes of a record in a request, beside its data.
const AROUND: usize = 256;

/// Bytes of records that don't wait for more.
const LARGE: usize = 8 * 1024 * 1024;

/// The function that records pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transformation {
    /// Its ARN, with a version or an alias where one is meant.
    pub function: String,
    /// How often a failed invocation is repeated.
    pub retries: u32,
    /// The role that invokes it, if it isn't the destination's.
    pub role: Option<String>,
    /// Bytes of records that are asked for at once.
    pub batch_bytes: usize,
}

/// A record on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its number in the stream, and among the records that came as one.
    pub number: (u64, usize),
    /// When it was accepted.
    pub arrived: Time,
    /// What it says.
    pub data: Bytes,
    /// What came, if it was compressed.
    pub source: Option<Bytes>,
    /// The partition keys that the function gave it.
    pub keys: BTreeMap<String, String>,
}

impl Item {
    /// `recordId`: 56 digits, as Firehose's are.
    fn id(&self) -> String {
        format!("{:050}{:06}", self.number.0, self.number.1)
    }
}

/// Why records cannot be delivered as they should be: what error outputs and logs say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// `errorCode`
    pub code: String,
    /// `errorMessage`
    pub message: String,
    /// `attemptsMade`
    pub attempts: u32,
}

impl Failure {
    /// A failure at the first attempt.
    pub fn new(code: &str, message: impl Into<String>) -> Failure {
        Failure { code: code.to_owned(), message: message.into(), attempts: 1 }
    }
}

/// Records that are asked for at once.
#[derive(Debug, Default)]
pub struct Batch {
    /// The records.
    pub items: Vec<Item>,
    bytes: usize,
    request: usize,
}

impl Batch {
    /// Whether one more record fits.
    pub fn has_room(&self, of: &Transformation, item: &Item) -> bool {
        let fits = self.bytes + item.data.len() <= of.batch_bytes && self.request + size(item) <= MAX_REQUEST;
        self.items.is_empty() || fits
    }

    /// Whether it waits for nothing but to be divided.
    pub fn is_large(&self) -> bool {
        self.bytes > LARGE
    }

    /// Takes a record.
    pub fn push(&mut self, item: Item) {
        self.bytes += item.data.len();
        self.request += size(&item);
        self.items.push(item);
    }
}

fn size(item: &Item) -> usize {
    item.data.len().div_ceil(3) * 4 + AROUND
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    invocation_id: &'a str,
    delivery_stream_arn: &'a str,
    region: &'a str,
    records: Vec<RequestRecord>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestRecord {
    record_id: String,
    approximate_arrival_timestamp: i64,
    data: String,
}

/// What the function gets.
pub fn request(invocation: &str, stream: &str, region: &str, items: &[Item]) -> serde_json::Result<Bytes> {
    let record = |item: &Item| RequestRecord {
        record_id: item.id(),
        approximate_arrival_timestamp: item.arrived.millis(),
        data: BASE64.encode(&item.data),
    };
    let records = items.iter().map(record).collect();
    let request = Request { invocation_id: invocation, delivery_stream_arn: stream, region, records };
    serde_json::to_vec(&request).map(Bytes::from)
}

#[derive(Deserialize)]
struct Answer {
    records: Vec<Returned>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Returned {
    record_id: String,
    result: String,
    data: Option<String>,
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    partition_keys: Option<BTreeMap<String, String>>,
}

/// What became of a record; `None`: it is dropped on purpose.
pub type Verdict = Result<Option<Item>, Box<(Item, Failure)>>;

fn malformed() -> Failure {
    let why = "There was an error parsing returned records from the Lambda function. \
               Ensure that the returned records follow the status model required by Firehose.";
    Failure::new("Lambda.JsonProcessingException", why)
}

/// What the function says of each record. `Err`: nothing that can be understood.
pub fn verdicts(answer: &[u8], items: Vec<Item>) -> Result<Vec<Verdict>, (Vec<Item>, Failure)> {
    let Ok(answer) = serde_json::from_slice::<Answer>(answer) else { return Err((items, malformed())) };
    let mut returned: BTreeMap<String, Returned> = BTreeMap::new();
    let mut twice = BTreeSet::new();
    for record in answer.records {
        if let Some(before) = returned.insert(record.record_id.clone(), record) {
            twice.insert(before.record_id);
        }
    }
    let verdict = |item: Item| {
        let id = item.id();
        if twice.contains(&id) {
            let why = "Multiple records were returned with the same record ID. \
                       Ensure that the Lambda function returns unique record IDs for each record.";
            return Err(Box::new((item, Failure::new("Lambda.DuplicatedRecordId", why))));
        }
        match returned.remove(&id) {
            Some(record) => one(item, record),
            None => {
                let why = "One or more record IDs were not returned. \
                           Ensure that the Lambda function returns all received record IDs.";
                Err(Box::new((item, Failure::new("Lambda.MissingRecordId", why))))
            }
        }
    };
    Ok(items.into_iter().map(verdict).collect())
}

fn one(item: Item, record: Returned) -> Verdict {
    match &*record.result {
        "Ok" => {
            let Some(Ok(data)) = record.data.map(|data| BASE64.decode(data)) else {
                return Err(Box::new((item, malformed())));
            };
            let keys = record.metadata.and_then(|metadata| metadata.partition_keys).unwrap_or_default();
            Ok(Some(Item { data: Bytes::from(data), keys, ..item }))
        }
        "Dropped" => Ok(None),
        "ProcessingFailed" => {
            let why = "ProcessingFailed status set for record";
            Err(Box::new((item, Failure::new("Lambda.ProcessingFailedStatus", why))))
        }
        _ => Err(Box::new((item, malformed()))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn item(number: u64, data: &str) -> Item {
        let data = Bytes::copy_from_slice(data.as_bytes());
        Item { number: (number, 0), arrived: Time(1_500), data, source: None, keys: BTreeMap::new() }
    }

    #[test]
    fn requests_have_the_documented_form() {
        let items = [item(7, "a"), item(8, "b")];
        let bytes = request("id", "arn", "r", &items).unwrap();
        let expected = json!({
            "invocationId": "id", "deliveryStreamArn": "arn", "region": "r",
            "records": [
                { "recordId": items[0].id(), "approximateArrivalTimestamp": 1500, "data": "YQ==" },
                { "recordId": items[1].id(), "approximateArrivalTimestamp": 1500, "data": "Yg==" },
            ],
        });
        assert_eq!(serde_json::from_slice::<Value>(&bytes).unwrap(), expected);
        assert_eq!(items[0].id().len(), 56);
    }

    #[test]
    fn answers_are_taken_record_by_record() {
        let items: Vec<Item> = (0..7).map(|number| item(number, "in")).collect();
        let id = |number: usize| items[number].id();
        let answer = json!({ "records": [
            { "recordId": id(5), "result": "Ok", "data": "!" },
            { "recordId": id(0), "result": "Ok", "data": "b3V0", "metadata": { "partitionKeys": { "k": "v" } } },
            { "recordId": id(1), "result": "Dropped" },
            { "recordId": id(2), "result": "ProcessingFailed", "data": "b3V0" },
            { "recordId": id(3), "result": "Ok", "data": "b3V0" },
            { "recordId": id(3), "result": "Dropped" },
            { "recordId": id(6), "result": "ok", "data": "b3V0" },
        ] });
        let verdicts = verdicts(answer.to_string().as_bytes(), items.clone()).unwrap();
        let kept = verdicts[0].as_ref().unwrap().as_ref().unwrap();
        assert_eq!((&kept.data[..], kept.keys.get("k").map(String::as_str)), (&b"out"[..], Some("v")));
        assert_eq!(verdicts[1], Ok(None));
        let code = |number: usize| verdicts[number].as_ref().unwrap_err().1.code.as_str();
        assert_eq!(code(2), "Lambda.ProcessingFailedStatus");
        assert_eq!(code(3), "Lambda.DuplicatedRecordId");
        assert_eq!(code(4), "Lambda.MissingRecordId");
        assert_eq!((code(5), code(6)), ("Lambda.JsonProcessingException", "Lambda.JsonProcessingException"));
        assert_eq!(verdicts[2].as_ref().unwrap_err().0, items[2], "as it came");
    }

    #[test]
    fn batches_stay_under_the_limits() {
        let of =
            |batch_bytes| Transformation { function: String::new(), retries: 0, role: None, batch_bytes };
        let mut batch = Batch::default();
        assert!(batch.has_room(&of(1), &item(0, "longer")), "one there must be");
        batch.push(item(0, "longer"));
        assert!(!batch.has_room(&of(7), &item(1, "ab")) && batch.has_room(&of(8), &item(1, "ab")));
        let mut batch = Batch::default();
        while batch.has_room(&of(3 * 1024 * 1024), &item(0, "")) {
            batch.push(item(batch.items.len() as u64, ""));
        }
        let made = request(&"i".repeat(36), &"a".repeat(200), "eu-central-1", &batch.items).unwrap();
        assert!(made.len() < 6_000_000 && batch.items.len() > 20_000);
    }

    proptest! {
        #[test]
        fn arbitrary_answers_do_no_harm(answer in prop_oneof![
            "[{}\\[\\]\",:a-z0]{0,60}",
            "\\{\"records\":\\[(\\{\"recordId\":\"0{49,57}\",\"result\":\"(Ok|Dropped)\"(,\"data\":\"[a-z=]{0,5}\")?\\},?){0,3}\\]\\}",
        ]) {
            let items = vec![item(0, "a"), item(1, "b")];
            match verdicts(answer.as_bytes(), items.clone()) {
                Ok(verdicts) => prop_assert_eq!(verdicts.len(), 2),
                Err((back, failure)) => {
                    prop_assert_eq!(back, items);
                    prop_assert_eq!(failure.code, "Lambda.JsonProcessingException");
                }
            }
        }
    }
}
