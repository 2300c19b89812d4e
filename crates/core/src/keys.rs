//! The key catalogue: every row begins with one of these discriminants, which never change.
//!
//! Within a service's rows, [`Scope`] comes next: account and region. Numbers are big-endian, so
//! that byte order is number order; texts are closed by a zero byte. The bytes 0 and 1 within a text
//! are written as 1 1 and 1 2, so that any text is taken, none is the beginning of another one's
//! key, and the order of keys is the order of texts.

use bytes::{BufMut, Bytes, BytesMut};

/// Whose rows these are: the first byte of every key. Outboxes name a space by its place here, so new ones
/// come at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[repr(u8)]
pub enum Space {
    /// Outgoing deliveries: lane, sequence number. See [`crate::outbox`].
    Outbox = 0x01,
    /// Last sequence number taken from each incoming lane.
    Inbox = 0x02,
    /// Lists of names. See [`crate::directory`].
    Directory = 0x03,
    /// IAM and STS.
    Iam = 0x10,
    /// SQS.
    Sqs = 0x11,
    /// SNS.
    Sns = 0x12,
    /// S3.
    S3 = 0x13,
    /// Firehose.
    Firehose = 0x14,
    /// CloudFormation.
    CloudFormation = 0x15,
    /// The server's own settings: the clock's offset.
    Server = 0x7f,
    /// Lambda.
    Lambda = 0x16,
    /// CloudWatch Logs.
    Logs = 0x17,
    /// API Gateway.
    ApiGateway = 0x18,
    /// CloudTrail.
    CloudTrail = 0x1e,
}

/// Account and region: 6 bytes for an account of 12 digits in a region of the table, more for others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Scope {
    /// The 12-digit account id.
    pub account: String,
    /// The region's name; empty for what belongs to no region.
    pub region: String,
}

/// Codes of regions in keys: the place in this table, which only grows at its end.
const REGIONS: &[&str] = &[
    "",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-east-1",
    "sa-east-1",
    "ca-central-1",
    "ca-west-1",
    "me-south-1",
    "me-central-1",
    "af-south-1",
    "il-central-1",
    "mx-central-1",
    "us-gov-east-1",
    "us-gov-west-1",
    "cn-north-1",
    "cn-northwest-1",
];

/// Stands before a byte of a text that is 0 or 1, and one too low.
const ESCAPE: u8 = 1;
/// Marks a region that is written out.
const OTHER_REGION: u8 = 0xff;
/// Marks an account that is written out: more than 12 digits come to.
const OTHER_ACCOUNT: [u8; 5] = [0xff; 5];

impl Scope {
    /// A scope.
    pub fn new(account: impl Into<String>, region: impl Into<String>) -> Self {
        Scope { account: account.into(), region: region.into() }
    }

    /// The account's number, if it is 12 digits.
    fn number(&self) -> Option<u64> {
        let digits = self.account.len() == 12 && self.account.bytes().all(|byte| byte.is_ascii_digit());
        if digits { self.account.parse().ok() } else { None }
    }

    fn write(&self, out: &mut BytesMut) {
        match self.number() {
            Some(number) => out.put_slice(number.to_be_bytes().get(3..).unwrap_or_default()),
            None => {
                out.put_slice(&OTHER_ACCOUNT);
                put_text(out, &self.account);
            }
        }
        match REGIONS.iter().position(|r| *r == self.region) {
            Some(code) => out.put_u8(code as u8),
            None => {
                out.put_u8(OTHER_REGION);
                put_text(out, &self.region);
            }
        }
    }
}

fn put_text(out: &mut BytesMut, text: &str) {
    for byte in text.bytes() {
        if byte <= ESCAPE {
            out.put_u8(ESCAPE);
        }
        out.put_u8(if byte <= ESCAPE { byte + 1 } else { byte });
    }
    out.put_u8(0);
}

/// Reads a text that [`KeyBuilder::text`] wrote at the beginning of `bytes`; gives it and what comes
/// behind it.
pub fn read_text(bytes: &[u8]) -> Option<(String, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let (text, rest) = bytes.split_at_checked(end)?;
    let mut out = Vec::with_capacity(text.len());
    let mut text = text.iter();
    while let Some(byte) = text.next() {
        out.push(if *byte == ESCAPE { text.next()?.checked_sub(1)? } else { *byte });
    }
    Some((String::from_utf8(out).ok()?, rest.get(1..)?))
}

/// Builds a key.
#[derive(Debug, Clone)]
pub struct KeyBuilder(BytesMut);

impl KeyBuilder {
    /// A key of a service's rows: its space, the kind of row (the service's own catalogue), the scope.
    pub fn new(space: Space, kind: u8, scope: &Scope) -> Self {
        let mut out = BytesMut::with_capacity(32);
        out.put_u8(space as u8);
        out.put_u8(kind);
        scope.write(&mut out);
        KeyBuilder(out)
    }

    /// A key of the core's own rows, which belong to no account.
    pub fn unscoped(space: Space, kind: u8) -> Self {
        let mut out = BytesMut::with_capacity(32);
        out.put_u8(space as u8);
        out.put_u8(kind);
        KeyBuilder(out)
    }

    /// Adds a text, closed by a zero byte.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        put_text(&mut self.0, text);
        self
    }

    /// Adds bytes as they are: last, or of a fixed length.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.put_slice(bytes);
        self
    }

    /// Adds a 64-bit number.
    #[must_use]
    pub fn number(mut self, number: u64) -> Self {
        self.0.put_u64(number);
        self
    }

    /// Adds a 32-bit number.
    #[must_use]
    pub fn number32(mut self, number: u32) -> Self {
        self.0.put_u32(number);
        self
    }

    /// Adds a moment; earlier moments come first.
    #[must_use]
    pub fn time(mut self, time: crate::Time) -> Self {
        self.0.put_u64(time.millis().max(0).unsigned_abs());
        self
    }

    /// The key.
    pub fn build(self) -> Bytes {
        self.0.freeze()
    }
}

/// The first key behind every key that begins with `prefix`; `None` if there is none.
pub fn after_prefix(prefix: &[u8]) -> Option<Bytes> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            return Some(Bytes::from(end));
        }
    }
    None
}

/// The big-endian number in a key's last 8 bytes.
pub fn last_number(key: &[u8]) -> Option<u64> {
    let start = key.len().checked_sub(8)?;
    Some(u64::from_be_bytes(key.get(start..)?.try_into().ok()?))
}

/// The shard that owns what has this name (an ARN, a bucket's name): the one function for that.
/// FNV-1a over the name's bytes, folded to the number of shards.
pub fn shard_of(name: &str, shards: u16) -> crate::ShardId {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in name.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    crate::ShardId(((hash ^ (hash >> 32)) % u64::from(shards.max(1))) as u16)
}
