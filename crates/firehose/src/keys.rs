//! The part of the key catalogue that is Firehose's. The kinds never change.

use bytes::Bytes;
use ropeway_core::keys::{KeyBuilder, Scope, Space};
use ropeway_core::seal::{MasterKey, SealKey};

use crate::model::Way;

/// A stream: scope, name.
const STREAM: u8 = 1;
/// A stream's buffer: scope, name.
const BUFFER: u8 = 2;
/// A piece of a record: scope, the id of its stream and way, number of the record, number of the piece.
const RECORD: u8 = 3;
/// The buffer of a stream's backup: scope, name.
const BACKUP: u8 = 4;
/// A stream's HTTP endpoint: scope, name.
const ENDPOINT: u8 = 5;

/// What names a stream.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct StreamName {
    /// Whose it is, and where.
    pub scope: Scope,
    /// The name.
    pub name: String,
}

impl StreamName {
    /// The stream of a name in an account and a region.
    pub fn new(account: &str, region: &str, name: &str) -> Self {
        StreamName { scope: Scope::new(account, region), name: name.to_owned() }
    }

    /// The stream of an ARN.
    pub fn parse(arn: &str) -> Option<StreamName> {
        let mut parts = arn.strip_prefix("arn:aws:firehose:")?.split(':');
        let (region, account, rest) = (parts.next()?, parts.next()?, parts.next()?);
        let name = rest.strip_prefix("deliverystream/")?;
        let sound = |text: &str| !text.is_empty() && !text.contains('\0');
        let all = parts.next().is_none() && sound(region) && sound(account) && sound(name);
        all.then(|| StreamName::new(account, region, name))
    }

    /// The ARN.
    pub fn arn(&self) -> String {
        format!("arn:aws:firehose:{}:{}:deliverystream/{}", self.scope.region, self.scope.account, self.name)
    }

    /// The key that seals its records.
    pub fn seal_key(&self, master: &MasterKey) -> SealKey {
        master.derive(&format!("firehose/{}", self.arn()))
    }

    /// Key of the stream's row.
    pub fn key(&self) -> Bytes {
        KeyBuilder::new(Space::Firehose, STREAM, &self.scope).text(&self.name).build()
    }

    /// Key of the row of its HTTP endpoint.
    pub fn endpoint(&self) -> Bytes {
        KeyBuilder::new(Space::Firehose, ENDPOINT, &self.scope).text(&self.name).build()
    }

    /// Key of the row of the buffer of one of its ways.
    pub fn buffer(&self, way: Way) -> Bytes {
        let kind = match way {
            Way::Main => BUFFER,
            Way::Backup => BACKUP,
        };
        KeyBuilder::new(Space::Firehose, kind, &self.scope).text(&self.name).build()
    }
}

/// What the keys of all streams begin with, whatever their scope.
pub fn all_streams() -> Bytes {
    KeyBuilder::unscoped(Space::Firehose, STREAM).build()
}

/// What the keys of a stream's records begin with.
pub fn records(scope: &Scope, stream: u64) -> Bytes {
    KeyBuilder::new(Space::Firehose, RECORD, scope).number(stream).build()
}

/// Key of a piece of a record.
pub fn record(scope: &Scope, stream: u64, number: u64, piece: u32) -> Bytes {
    KeyBuilder::new(Space::Firehose, RECORD, scope).number(stream).number(number).number32(piece).build()
}

/// The last key before those of a record; `None` for the first record.
pub fn before_record(scope: &Scope, stream: u64, number: u64) -> Option<Bytes> {
    number.checked_sub(1).map(|before| record(scope, stream, before, u32::MAX))
}

/// Number of the record and of the piece that a key belongs to.
pub fn record_of(key: &[u8]) -> Option<(u64, u32)> {
    let (rest, piece) = key.split_last_chunk::<4>()?;
    let (_, number) = rest.split_last_chunk::<8>()?;
    Some((u64::from_be_bytes(*number), u32::from_be_bytes(*piece)))
}

/// Name of the directory's list of an account's streams in a region.
pub fn list(account: &str, region: &str) -> String {
    format!("firehose/{account}/{region}/deliverystreams")
}
