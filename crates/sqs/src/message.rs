//! A message as it is stored: a head that is read with every receive, and its sealed content.
//!
//! A row is the head's binary form and the content's bytes behind it. What does not fit into one value
//! of the store goes on in parts. The content is sealed under a key of the queue that took it first, so
//! that it moves between queues as it is.

use std::collections::BTreeMap;

use bytes::Bytes;
use ropeway_core::effects::{AttributeValue, MessageAttribute};
use ropeway_core::seal::{MasterKey, SealKey};
use ropeway_core::{Fault, Ids, Time, Tx};
use serde::{Deserialize, Serialize};

use crate::keys::{Kind, Place};

/// Bytes of content in one row: a head of any size fits beside it in a value of 64 KiB.
const PART: usize = 56 * 1024;
/// What vouches for a sealed content's place.
const CONTEXT: &[u8] = b"message";

/// What the sender gave, the head's members apart: encoded and decoded outside of the shard's loop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// The body.
    pub body: String,
    /// The attributes.
    pub attributes: BTreeMap<String, MessageAttribute>,
}

/// Whose key seals a content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seal {
    /// Nobody's: the queue has `SqsManagedSseEnabled` switched off.
    None,
    /// The key of the queue with this ARN.
    By(String),
}

/// What the queue itself reads of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The message's id, a UUID's bytes.
    pub id: [u8; 16],
    /// When it was sent.
    pub sent: Time,
    /// Where it stands among the delayed ones, if it was delayed.
    pub delayed: Option<Time>,
    /// It is older than its sequence number says: it has a row in [`Kind::Carried`].
    pub carried: bool,
    /// The sender's unique id.
    pub sender: String,
    /// The group.
    pub group: Option<String>,
    /// The deduplication id.
    pub dedup: Option<String>,
    /// The X-Ray header that the sender gave.
    pub trace_header: Option<String>,
    /// The queue that it was moved from for having been received too often.
    pub source: Option<String>,
    /// The trace of the request that sent it.
    pub trace: String,
    /// Whose key seals the content.
    pub seal: Seal,
    /// Number of rows beside the first.
    pub parts: u16,
}

/// The key that seals a queue's messages.
pub fn seal_key(master: &MasterKey, arn: &str) -> SealKey {
    master.derive(&format!("sqs/{arn}"))
}

/// Seals a content.
pub fn seal(key: &SealKey, ids: &Ids, content: &[u8]) -> Result<Bytes, Fault> {
    key.seal(ids, CONTEXT, content).map(Bytes::from)
}

/// Opens and decodes a content.
pub fn open(master: &MasterKey, seal: &Seal, content: &[u8]) -> Result<Content, Fault> {
    match seal {
        Seal::None => Ok(postcard::from_bytes(content)?),
        Seal::By(arn) => {
            let plain = seal_key(master, arn).open(CONTEXT, content)?;
            Ok(postcard::from_bytes(&plain)?)
        }
    }
}

/// Writes a message's rows; says how many parts there are beside the first.
pub fn write(tx: &mut Tx, place: &Place, seq: u64, head: &mut Head, content: &Bytes) -> Result<(), Fault> {
    let mut chunks = content.chunks(PART);
    let first = chunks.next().unwrap_or_default();
    head.parts = u16::try_from(chunks.len()).map_err(|_| Fault::Damaged("a message too long".to_owned()))?;
    let mut row = postcard::to_extend(head, Vec::with_capacity(first.len() + 160))?;
    row.extend_from_slice(first);
    tx.put(place.at(Kind::Message, seq), Bytes::from(row));
    for part in 1..=head.parts {
        let start = PART * usize::from(part);
        let end = (start + PART).min(content.len());
        tx.put(place.part(seq, part), content.slice(start..end));
    }
    Ok(())
}

/// Reads a message's head.
pub fn head(row: &[u8]) -> Result<Head, Fault> {
    Ok(postcard::take_from_bytes(row)?.0)
}

/// Reads a message; `None` if there is none.
pub async fn read(tx: &Tx, place: &Place, seq: u64) -> Result<Option<(Head, Bytes)>, Fault> {
    let Some(row) = tx.get(&place.at(Kind::Message, seq)).await? else { return Ok(None) };
    let (head, first) = postcard::take_from_bytes::<Head>(&row)?;
    let first = row.slice(row.len() - first.len()..);
    if head.parts == 0 {
        return Ok(Some((head, first)));
    }
    let mut content = first.to_vec();
    for part in 1..=head.parts {
        let missing = || Fault::Damaged(format!("part {part} of message {seq} is missing"));
        content.extend_from_slice(&tx.get(&place.part(seq, part)).await?.ok_or_else(missing)?);
    }
    Ok(Some((head, Bytes::from(content))))
}

/// What must be known of a message to remove all its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// Number of rows beside the first.
    pub parts: u16,
    /// The place in [`Kind::Carried`], if it has one.
    pub carried: Option<Time>,
}

impl Head {
    /// What must be known to remove the message.
    pub fn extent(&self) -> Extent {
        Extent { parts: self.parts, carried: self.carried.then_some(self.sent) }
    }
}

/// Removes a message's rows, that of its flight apart.
pub fn remove(tx: &mut Tx, place: &Place, seq: u64, extent: Extent) {
    tx.delete(place.at(Kind::Message, seq));
    for part in 1..=extent.parts {
        tx.delete(place.part(seq, part));
    }
    if let Some(sent) = extent.carried {
        tx.delete(place.timed(Kind::Carried, sent, seq));
    }
}

impl Content {
    /// Bytes of body and attributes, as SQS counts them: an attribute's name, type and value count.
    pub fn size(&self) -> u32 {
        let attribute = |(name, attribute): (&String, &MessageAttribute)| {
            let value = match &attribute.value {
                AttributeValue::Text(text) => text.len(),
                AttributeValue::Binary(bytes) => bytes.len(),
            };
            name.len() + attribute.data_type.len() + value
        };
        let size = self.body.len() + self.attributes.iter().map(attribute).sum::<usize>();
        u32::try_from(size).unwrap_or(u32::MAX)
    }

    /// The binary form.
    pub fn encode(&self) -> Result<Bytes, Fault> {
        Ok(postcard::to_extend(self, Vec::with_capacity(self.body.len() + 64))?.into())
    }
}

/// The deduplication id that a body gives: its SHA-256 in hexadecimal.
pub fn content_id(body: &str) -> String {
    use sha2::Digest;
    hex::encode(sha2::Sha256::digest(body.as_bytes()))
}
