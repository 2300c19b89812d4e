//! The bodies of objects, encrypted at rest.
//!
//! A body has a random key of its own, which is kept with its row, sealed under the service's key.
//! It is cut into chunks of 64 KiB, each sealed by AES-256-GCM under its number as the nonce: a part
//! of a body is read by opening only the chunks that hold it. A body of one chunk at most is kept in
//! the shard's rows, a larger one in the blob store.

mod read;
mod receive;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};

use ropeway_core::keys::Space;
use ropeway_core::seal::{MasterKey, SealKey};
use ropeway_core::{Fault, Ids, ShardId};
use ropeway_store::blobs::{BlobId, BlobStore};
use ropeway_wire::Error;

use crate::customer::CustomerKey;
use crate::error;
use crate::model::Sealed;

pub use read::ReadFailure;
pub use receive::{Expected, Received};

/// Bytes of plaintext in a chunk.
pub const CHUNK: usize = 64 * 1024;
/// What sealing adds to a chunk, in bytes.
const TAG: usize = 16;
const SEALED_CHUNK: usize = CHUNK + TAG;

/// Keeps bodies.
#[derive(Clone)]
pub struct Vault {
    blobs: Arc<BlobStore>,
    /// Seals the keys of bodies.
    master: SealKey,
    ids: Ids,
    pending: Arc<Mutex<BTreeSet<u128>>>,
}

/// A blob that is being written, or whose row is on its way: not to be collected.
#[derive(Debug)]
pub struct Pending {
    id: u128,
    all: Arc<Mutex<BTreeSet<u128>>>,
}

impl Drop for Pending {
    fn drop(&mut self) {
        lock(&self.all).remove(&self.id);
    }
}

fn lock(all: &Mutex<BTreeSet<u128>>) -> MutexGuard<'_, BTreeSet<u128>> {
    all.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Vault {
    /// A vault whose keys derive from the master key.
    pub fn new(blobs: Arc<BlobStore>, master: &MasterKey, ids: Ids) -> Self {
        Vault { blobs, master: master.derive("s3/bodies"), ids, pending: Arc::default() }
    }

    /// Randomness.
    pub fn ids(&self) -> &Ids {
        &self.ids
    }

    /// The blob store.
    pub fn blobs(&self) -> &BlobStore {
        &self.blobs
    }

    /// Whether a blob is being written, or its row is on its way.
    pub fn is_pending(&self, id: u128) -> bool {
        lock(&self.pending).contains(&id)
    }

    fn pend(&self, id: u128) -> Pending {
        lock(&self.pending).insert(id);
        Pending { id, all: Arc::clone(&self.pending) }
    }

    /// An id for a body of this shard: 104 random bits, the service, the shard.
    fn new_id(&self, shard: ShardId) -> u128 {
        let mut random = [0; 16];
        self.ids.fill(&mut random);
        let owner = (u128::from(Space::S3 as u8) << 16) | u128::from(shard.0);
        (u128::from_be_bytes(random) << 24) | owner
    }

    /// A random key for a body, and its sealed form: under the customer's key first, if there is one.
    fn new_key(&self, id: u128, customer: Option<&CustomerKey>) -> Result<(SealKey, Vec<u8>), Fault> {
        let (mut key, context) = ([0; 32], id.to_be_bytes());
        self.ids.fill(&mut key);
        let sealed = match customer {
            Some(customer) => {
                self.master.seal(&self.ids, &context, &customer.seal(&self.ids, &context, &key)?)?
            }
            None => self.master.seal(&self.ids, &context, &key)?,
        };
        Ok((SealKey::from_bytes(key), sealed))
    }

    fn raw_key(&self, sealed: &Sealed, customer: Option<&CustomerKey>) -> Result<[u8; 32], Fault> {
        let context = sealed.id.to_be_bytes();
        let mut key = self.master.open(&context, &sealed.key)?;
        if let Some(customer) = customer {
            key = customer.open(&context, &key)?;
        }
        <[u8; 32]>::try_from(key).map_err(|_| Fault::Damaged("a body's key of another length".to_owned()))
    }

    /// A second blob with the bytes of the first, for a row of `shard`. The key stays: the chunks,
    /// their numbers and their bytes are the same. Not for bodies under customers' keys.
    pub async fn copy(&self, from: &Sealed, shard: ShardId) -> Result<(Sealed, Pending), Error> {
        let id = self.new_id(shard);
        let key = self.raw_key(from, None).map_err(error::fault)?;
        let key = self.master.seal(&self.ids, &id.to_be_bytes(), &key).map_err(error::fault)?;
        let pending = self.pend(id);
        self.blobs.copy(BlobId(from.id), BlobId(id)).await.map_err(|e| error::blob(&e))?;
        Ok((Sealed { id, inline: false, size: from.size, key }, pending))
    }
}

/// The service and the shard that a body's id names.
pub fn owner(id: u128) -> (u8, ShardId) {
    let low = id & 0xff_ffff;
    ((low >> 16) as u8, ShardId((low & 0xffff) as u16))
}

/// The nonce of a chunk.
fn nonce(number: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    let (_, low) = nonce.split_at_mut(4);
    low.copy_from_slice(&number.to_be_bytes());
    nonce
}

/// Bytes of a body of `size` bytes once sealed.
fn sealed_size(size: u64) -> u64 {
    size + size.div_ceil(CHUNK as u64) * TAG as u64
}
