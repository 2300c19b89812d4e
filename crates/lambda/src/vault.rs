//! Packages: archives of code, kept once whoever uses them, encrypted at rest.
//!
//! A package is a blob whose id comes from the SHA-256 of its archive. Its users stand in rows of
//! theirs; a package without any is collected. A package is written and synced before its user's
//! command is submitted, and whoever does both holds [`Vault::hold`] meanwhile, so that the collector
//! takes nothing away in between.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use ropeway_core::Fault;
use ropeway_core::keys::Space;
use ropeway_core::seal::MasterKey;
use ropeway_store::blobs::{BlobId, BlobStore};
use sha2::{Digest as _, Sha256};
use tokio::sync::{RwLock, RwLockReadGuard};

use crate::model::Code;

/// Bytes of plaintext in a chunk.
const CHUNK: usize = 1024 * 1024;
/// What sealing adds to a chunk, in bytes.
const TAG: usize = 16;
/// The low 24 bits of the ids of Lambda's blobs.
const OWNER: u128 = (Space::Lambda as u128) << 16;

/// Keeps packages.
#[derive(Clone)]
pub struct Vault {
    blobs: Arc<BlobStore>,
    master: MasterKey,
    collecting: Arc<RwLock<()>>,
}

impl Vault {
    /// A vault whose keys derive from the master key.
    pub fn new(blobs: Arc<BlobStore>, master: &MasterKey) -> Self {
        Vault { blobs, master: master.clone(), collecting: Arc::default() }
    }

    /// Keeps the collector away from packages that have no user yet.
    pub async fn hold(&self) -> RwLockReadGuard<'_, ()> {
        self.collecting.read().await
    }

    /// What an archive's row says of it.
    pub fn describe(archive: &Bytes) -> Code {
        Code { sha256: hex::encode(Sha256::digest(archive)), size: archive.len() as u64 }
    }

    /// Stores an archive, durably.
    pub async fn put(&self, archive: &Bytes) -> Result<Code, Fault> {
        let code = Vault::describe(archive);
        let digest = digest_of(&code.sha256)?;
        let key = self.master.derive(&format!("lambda/code/{}", code.sha256));
        let mut writer = self.blobs.writer(blob_id(&digest));
        for (number, chunk) in (0_u64..).zip(archive.chunks(CHUNK)) {
            let sealed = key.seal_with(nonce(number), &digest, chunk)?;
            writer.push(Bytes::from(sealed)).await.map_err(|e| Fault::Store(e.to_string()))?;
        }
        writer.finish().await.map_err(|e| Fault::Store(e.to_string()))?;
        Ok(code)
    }

    /// An archive.
    pub async fn get(&self, sha256: &str, size: u64) -> Result<Bytes, Fault> {
        let store = |e: ropeway_store::blobs::BlobError| Fault::Store(e.to_string());
        let digest = digest_of(sha256)?;
        let sealed_size = size + size.div_ceil(CHUNK as u64) * TAG as u64;
        let pieces = self.blobs.read(blob_id(&digest), 0..sealed_size).await.map_err(store)?;
        let sealed: Vec<Bytes> = pieces.try_collect().await.map_err(store)?;
        let sealed = sealed.concat();
        let key = self.master.derive(&format!("lambda/code/{sha256}"));
        let mut out = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        for (number, chunk) in (0_u64..).zip(sealed.chunks(CHUNK + TAG)) {
            out.extend(key.open_with(nonce(number), &digest, chunk)?);
        }
        Ok(Bytes::from(out))
    }

    /// The next of Lambda's blobs behind one, by the beginning of their archives' SHA-256, and where to go on.
    pub(crate) async fn page(&self, after: Option<BlobId>) -> Result<(Vec<BlobId>, Option<BlobId>), Fault> {
        const PAGE: usize = 500;
        let all = self.blobs.list(after, PAGE).await.map_err(|e| Fault::Store(e.to_string()))?;
        let next = all.last().copied().filter(|_| all.len() >= PAGE);
        Ok((all.into_iter().filter(|id| id.0 & 0xff_ffff == OWNER).collect(), next))
    }

    /// Deletes a blob for which `unused` holds, while nobody can begin to use it.
    pub(crate) async fn delete_if<F>(&self, id: BlobId, unused: F) -> Result<bool, Fault>
    where
        F: Future<Output = Result<bool, Fault>>,
    {
        let _alone = self.collecting.write().await;
        if !unused.await? {
            return Ok(false);
        }
        self.blobs.delete(id).await.map_err(|e| Fault::Store(e.to_string()))
    }
}

/// The beginning of the SHA-256 of a blob's archive: 26 hexadecimal digits.
pub fn sha_prefix(id: BlobId) -> String {
    id.to_string().chars().take(26).collect()
}

fn digest_of(sha256: &str) -> Result<[u8; 32], Fault> {
    let bytes = hex::decode(sha256).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    bytes.ok_or_else(|| Fault::Damaged("a package's digest".to_owned()))
}

/// 104 bits of the digest, then the service.
fn blob_id(digest: &[u8; 32]) -> BlobId {
    let mut high = [0_u8; 16];
    high.copy_from_slice(digest.first_chunk::<16>().unwrap_or(&[0; 16]));
    BlobId((u128::from_be_bytes(high) & !0xff_ffff) | OWNER)
}

/// The nonce of a chunk. A key seals one archive only, so the number is enough.
fn nonce(number: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    let (_, low) = nonce.split_at_mut(4);
    low.copy_from_slice(&number.to_be_bytes());
    nonce
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn archives_come_back_as_they_were_and_lie_encrypted() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Arc::new(BlobStore::open_local(dir.path()).unwrap());
        let vault = Vault::new(Arc::clone(&blobs), &MasterKey::from_bytes([3; 32]));
        for size in [1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK] {
            let archive = Bytes::from(vec![7_u8; size]);
            let code = vault.put(&archive).await.unwrap();
            assert_eq!(code.size, size as u64);
            assert_eq!(vault.get(&code.sha256, code.size).await.unwrap(), archive);
            let (found, _) = vault.page(None).await.unwrap();
            let own = found.iter().find(|id| code.sha256.starts_with(&sha_prefix(**id))).unwrap();
            assert!(vault.delete_if(*own, async { Ok(true) }).await.unwrap());
            assert!(vault.get(&code.sha256, code.size).await.is_err());
        }
    }
}
