//! Packages that nobody uses.

use ropeway_core::{Fault, ShardId, Trace};
use ropeway_store::blobs::BlobId;
use ropeway_wire::Error;

use crate::commands::{Command, LambdaMachine, Output};
use crate::ops::Lambda;
use crate::vault::sha_prefix;

impl Lambda {
    /// Removes packages that no row names: of functions and layers that are gone, and what a crash left
    /// between a package and its row. To be run at start and now and then; it may run beside requests.
    /// Returns how many it removed.
    ///
    /// # Errors
    /// 500 if the store or the blob store fails; what was removed stays removed.
    pub async fn collect(&self, trace: &Trace) -> Result<u64, Error> {
        let vault = &self.engine.vault;
        let (mut removed, mut after) = (0, None);
        loop {
            let (page, next) = vault.page(after).await?;
            for id in page {
                // Most are used: only what seems not to be keeps uploads waiting.
                if !self.is_used(trace, id).await? {
                    let unused = async { self.is_used(trace, id).await.map(|used| !used) };
                    removed += u64::from(vault.delete_if(id, unused).await?);
                }
            }
            match next {
                Some(_) => after = next,
                None => return Ok(removed),
            }
        }
    }

    async fn is_used(&self, trace: &Trace, id: BlobId) -> Result<bool, Fault> {
        let core = &self.engine.parts.core;
        for shard in 0..core.shards() {
            let command = Command::CodeIsUsed { sha_prefix: sha_prefix(id) };
            match core.submit::<LambdaMachine>(ShardId(shard), trace, command).await {
                Ok(Output::Used(false)) => {}
                Ok(_) => return Ok(true),
                Err(error) => return Err(Fault::Store(error.to_string())),
            }
        }
        Ok(false)
    }
}
