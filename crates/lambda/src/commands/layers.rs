//! Layers and their versions.

use std::ops::Bound;

use bytes::Bytes;
use ropeway_core::{Fault, Tx, directory};
use ropeway_store::Range;
use ropeway_wire::Error;

use super::policies::{add_statement, remove_statement};
use super::{Command, LambdaMachine, Output, PAGE, check_revision};
use crate::errors;
use crate::keys::{self, LayerName};
use crate::model::{Layer, LayerVersion};

fn missing(layer: &LayerName, number: u64) -> Error {
    errors::not_found(format!("The resource you requested does not exist: {}", layer.version_arn(number)))
}

async fn read(tx: &Tx, layer: &LayerName, number: u64) -> Result<LayerVersion, Error> {
    tx.read(&layer.version(number)).await?.ok_or_else(|| missing(layer, number))
}

impl LambdaMachine {
    pub(super) async fn apply_layer(&mut self, tx: &mut Tx, command: Command) -> Result<Output, Error> {
        match command {
            Command::PublishLayer { layer, version } => publish(tx, &layer, *version).await,
            Command::ReadLayer { layer, number } => {
                Ok(Output::Layer(Box::new(read(tx, &layer, number).await?)))
            }
            Command::DeleteLayer { layer, number } => self.delete_layer(tx, &layer, number).await,
            Command::LayerVersions { layer, before, limit } => list(tx, &layer, before, limit).await,
            Command::LayerPermission { layer, number, id, statement, revision } => {
                let mut version = read(tx, &layer, number).await?;
                check_revision(revision.as_deref(), &version.policy.revision)?;
                let fresh = tx.ids().uuid();
                match statement {
                    Some(statement) => add_statement(&mut version.policy, id, statement, fresh)?,
                    None => remove_statement(&mut version.policy, &id, fresh)?,
                }
                tx.write(layer.version(number), &version)?;
                let some = !version.policy.statements.is_empty();
                let document = some.then(|| version.policy.document());
                self.tell_gate(tx, layer.version_arn(number), document);
                Ok(Output::Layer(Box::new(version)))
            }
            _ => Err(Error::internal("a command of another kind")),
        }
    }

    /// A version that is not there counts as deleted, as on AWS.
    async fn delete_layer(&mut self, tx: &mut Tx, layer: &LayerName, number: u64) -> Result<Output, Error> {
        let Some(version) = tx.read::<LayerVersion>(&layer.version(number)).await? else {
            return Ok(Output::Nothing);
        };
        tx.delete(layer.version(number));
        tx.delete(keys::code_use(&version.code.sha256, &layer.version_arn(number)));
        self.tell_gate(tx, layer.version_arn(number), None);
        let page = tx.scan_prefix(&layer.versions(), None, 2).await?;
        if page.rows.iter().all(|(key, _)| *key == layer.version(number)) {
            let list = keys::layers_list(&layer.scope.account, &layer.scope.region);
            directory::remove_with(tx, &list, &layer.name)?;
        }
        Ok(Output::Nothing)
    }

    /// Makes the policies of layers known to the gate.
    pub(super) async fn load_layers(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        let mut after: Option<Bytes> = None;
        loop {
            let page = tx.scan_prefix(&keys::all_layer_versions(), after.as_ref(), PAGE).await?;
            for (_, row) in &page.rows {
                let version: LayerVersion = postcard::from_bytes(row)?;
                if !version.policy.statements.is_empty() {
                    let arn = version.layer.version_arn(version.number);
                    self.gate.set_resource_policy(&arn, Some(&version.policy.document()));
                }
            }
            after = page.rows.last().map(|(key, _)| key.clone());
            if !page.more || after.is_none() {
                return Ok(());
            }
        }
    }
}

async fn publish(tx: &mut Tx, layer: &LayerName, mut version: LayerVersion) -> Result<Output, Error> {
    let mut row: Layer = tx.read(&layer.key()).await?.unwrap_or_default();
    row.last += 1;
    version.number = row.last;
    version.created = tx.now();
    tx.write(layer.key(), &row)?;
    tx.write(layer.version(version.number), &version)?;
    tx.put(keys::code_use(&version.code.sha256, &layer.version_arn(version.number)), Bytes::new());
    let list = keys::layers_list(&layer.scope.account, &layer.scope.region);
    directory::add_with(tx, &list, &layer.name, &[])?;
    Ok(Output::Layer(Box::new(version)))
}

async fn list(tx: &Tx, layer: &LayerName, before: Option<u64>, limit: u32) -> Result<Output, Error> {
    let prefix = layer.versions();
    let to = match before {
        Some(number) => Bound::Excluded(layer.version(number)),
        None => ropeway_core::keys::after_prefix(&prefix).map_or(Bound::Unbounded, Bound::Excluded),
    };
    let range = Range { from: Bound::Included(prefix), to, reverse: true };
    let page = tx.scan(range, limit as usize).await?;
    let rows: Result<Vec<_>, _> = page.rows.iter().map(|(_, row)| postcard::from_bytes(row)).collect();
    Ok(Output::Layers(rows.map_err(Fault::from)?, page.more))
}
