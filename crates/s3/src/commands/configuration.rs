//! Configurations that act outside of the operations: [`crate::configuration`].

use ropeway_core::{Fault, Tx};
use ropeway_wire::Error;

use super::{Output, S3Machine, Target, bucket};
use crate::configuration::{Configuration, Kind};
use crate::error::S3Error;
use crate::keys;
use crate::model::Bucket;

/// Rows that are read in one step at start.
const LOAD_PAGE: usize = 100;
/// Configurations of a bucket at most: one of each kind.
const KINDS: usize = 8;
/// The longest row, in bytes. S3's own limit, 64 KiB, is of the XML, which is longer than what is kept of it.
const MAX_ROW: usize = 60 * 1024;

impl S3Machine {
    /// Makes all configurations known.
    pub(super) async fn show_all(&self, tx: &Tx) -> Result<(), Fault> {
        let (prefix, mut after) = (keys::all_configurations(), None);
        loop {
            let page = tx.scan_prefix(&prefix, after.as_ref(), LOAD_PAGE).await?;
            for (key, row) in &page.rows {
                let name = key.split_last().and_then(|(_, rest)| keys::bucket_of(rest));
                let name = name.ok_or_else(|| Fault::Damaged("a configuration's key".to_owned()))?;
                let found = owner_of(tx, name).await?;
                let configuration: Configuration = postcard::from_bytes(row)?;
                self.live.set(name, &found, configuration.kind(), Some(configuration));
            }
            after = page.rows.last().map(|(key, _)| key.clone());
            if !page.more || after.is_none() {
                return Ok(());
            }
        }
    }

    /// Sets a configuration, or removes it.
    pub(super) async fn set_configuration(
        &self,
        tx: &mut Tx,
        target: &Target,
        kind: Kind,
        configuration: Option<Configuration>,
    ) -> Result<Output, S3Error> {
        let found = bucket::find(tx, target).await?;
        let key = keys::configuration(&target.bucket, kind as u8);
        match &configuration {
            Some(configuration) => {
                let row = postcard::to_stdvec(configuration).map_err(Fault::from)?;
                if row.len() > MAX_ROW {
                    let message = "Your request was too large.";
                    return Err(Error::new(400, "MaxMessageLengthExceeded", message).into());
                }
                tx.put(key, row.into());
            }
            None => tx.delete(key),
        }
        let (live, name) = (self.live.clone(), target.bucket.clone());
        tx.after_commit(move || live.set(&name, &found, kind, configuration));
        Ok(Output::Done)
    }

    /// Removes a bucket's configurations.
    pub(super) async fn clear_configurations(&self, tx: &mut Tx, name: &str) -> Result<(), Fault> {
        let page = tx.scan_prefix(&keys::configurations(name).build(), None, KINDS).await?;
        page.rows.into_iter().for_each(|(key, _)| tx.delete(key));
        let (live, name) = (self.live.clone(), name.to_owned());
        tx.after_commit(move || live.forget(&name));
        Ok(())
    }
}

/// The bucket that a configuration is of.
pub(super) async fn owner_of(tx: &Tx, name: &str) -> Result<Bucket, Fault> {
    let found: Option<Bucket> = tx.read(&keys::bucket(name)).await?;
    found.ok_or_else(|| Fault::Damaged("a configuration without a bucket".to_owned()))
}

pub(super) async fn get(tx: &Tx, target: &Target, kind: Kind) -> Result<Output, S3Error> {
    bucket::find(tx, target).await?;
    Ok(Output::Configuration(tx.read(&keys::configuration(&target.bucket, kind as u8)).await?))
}
