//! Who uses a package: rows by its SHA-256, in the shard of whoever uses it.

use bytes::Bytes;
use ropeway_core::Tx;
use ropeway_wire::Error;

use super::Output;
use crate::keys::{self, FunctionName};
use crate::model::Version;

/// A version uses its code and its layers, which stay though their layer's version is removed.
fn packages(version: &Version) -> impl Iterator<Item = &str> {
    let layers = version.config.layers.iter().map(|layer| layer.code.sha256.as_str());
    std::iter::once(version.code.sha256.as_str()).chain(layers)
}

fn user(version: &Version, name: &FunctionName, generation: u64) -> String {
    format!("{}:{}/{generation}", name.arn(), version.version)
}

/// Notes what a version uses.
pub fn add_uses(tx: &mut Tx, version: &Version, name: &FunctionName, generation: u64) {
    let user = user(version, name, generation);
    packages(version).for_each(|sha256| tx.put(keys::code_use(sha256, &user), Bytes::new()));
}

/// Forgets what a version uses.
pub fn remove_uses(tx: &mut Tx, version: &Version, name: &FunctionName, generation: u64) {
    let user = user(version, name, generation);
    packages(version).for_each(|sha256| tx.delete(keys::code_use(sha256, &user)));
}

/// Whether this shard has users of a package.
pub async fn is_used(tx: &Tx, sha_prefix: &str) -> Result<Output, Error> {
    let found = tx.scan_prefix(&keys::code_uses(sha_prefix), None, 1).await?;
    Ok(Output::Used(!found.rows.is_empty()))
}
