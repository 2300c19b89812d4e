//! Blobs that are no longer needed.

use std::sync::Arc;

use bytes::Bytes;
use ropeway_core::keys::Space;
use ropeway_core::{Actor, BoxFuture, Outcome, Trace};
use ropeway_store::blobs::{BlobId, BlobStore};
use ropeway_wire::Error;

use crate::commands::{Command, Output};
use crate::{S3Service, error, vault};

/// Blobs that one step of a collection looks at.
const PAGE: usize = 500;
/// Pause after a failed deletion, in milliseconds.
const RETRY: i64 = 1000;

/// Deletes the blobs of objects that have been replaced or deleted. To be given to
/// [`ropeway_core::Core::start_actors`] for [`Space::S3`].
pub struct S3Actor {
    blobs: Arc<BlobStore>,
}

impl S3Actor {
    /// The actor.
    pub fn new(blobs: Arc<BlobStore>) -> Self {
        S3Actor { blobs }
    }
}

impl Actor for S3Actor {
    fn act<'a>(&'a self, _lane: &'a str, payload: &'a [u8]) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let ids: Vec<u128> = match postcard::from_bytes(payload) {
                Ok(ids) => ids,
                Err(damage) => return Outcome::Refused(damage.to_string()),
            };
            for id in ids {
                if let Err(failure) = self.blobs.delete(BlobId(id)).await {
                    tracing::warn!(%failure, "a body's deletion is tried again");
                    return Outcome::Retry(RETRY);
                }
            }
            Outcome::Done(Bytes::new())
        })
    }
}

impl S3Service {
    /// Removes S3's blobs that no row names: what a crash or a client that went away left between a
    /// body and its row. To be run at start and now and then; it may run beside requests. Returns how
    /// many it removed.
    ///
    /// # Errors
    /// 500 if the store or the blob store fails; what was removed stays removed.
    pub async fn collect(&self, trace: &Trace) -> Result<u64, Error> {
        let (mut removed, mut after) = (0, None);
        loop {
            let page = self.vault.blobs().list(after, PAGE).await.map_err(|e| error::blob(&e))?;
            for id in &page {
                removed += u64::from(self.collect_one(trace, id.0).await?);
            }
            after = page.last().copied();
            if page.len() < PAGE {
                return Ok(removed);
            }
        }
    }

    /// The order matters. A blob that is not pending has had its command submitted, if it ever will;
    /// the question is submitted behind it, and sees what it did.
    async fn collect_one(&self, trace: &Trace, id: u128) -> Result<bool, Error> {
        let (space, shard) = vault::owner(id);
        if space != Space::S3 as u8 || shard.0 >= self.core.shards() || self.vault.is_pending(id) {
            return Ok(false);
        }
        let unnamed = match self.submit_to(shard, trace, Command::Unnamed(vec![id])).await? {
            Output::Ids(ids) => ids,
            _ => return Err(error::internal("a command with another one's answer")),
        };
        if unnamed.is_empty() {
            return Ok(false);
        }
        self.vault.blobs().delete(BlobId(id)).await.map_err(|e| error::blob(&e))
    }
}
