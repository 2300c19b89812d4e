//! What is set for a function or one of its qualifiers: concurrency, treatment of events, URLs.

use ropeway_core::keys::Space;
use ropeway_core::{Fault, Tx, directory};
use ropeway_wire::Error;
use serde::{Deserialize, Serialize};

use super::policies::check_qualifier;
use super::{Command, LambdaMachine, Output, by_text, function};
use crate::keys::{self, FunctionName};
use crate::model::{Alias, CorsRow, Function, InvokeConfig, LATEST, Order, Provisioned, Url};
use crate::{errors, limits};

/// What of a URL changes; `None` stays as it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct UrlChange {
    /// `AuthType` is `AWS_IAM`.
    pub iam: Option<bool>,
    /// `InvokeMode` is `RESPONSE_STREAM`.
    pub streams: Option<bool>,
    /// `Cors`
    pub cors: Option<CorsRow>,
}

/// The version that a qualifier means now.
pub async fn version_of(
    tx: &Tx,
    name: &FunctionName,
    of: &Function,
    qualifier: &str,
) -> Result<Option<String>, Fault> {
    if qualifier == LATEST || keys::is_number(qualifier) {
        return Ok(Some(qualifier.to_owned()));
    }
    let alias: Option<Alias> = tx.read(&name.alias(of.generation, qualifier)).await?;
    Ok(alias.map(|alias| alias.version))
}

impl LambdaMachine {
    pub(super) async fn apply_setting(&mut self, tx: &mut Tx, command: Command) -> Result<Output, Error> {
        use Command as C;
        match command {
            C::Reserve { function, reserved } => self.reserve(tx, &function, reserved).await,
            C::Provision { function, qualifier, requested } => {
                self.provision(tx, &function, &qualifier, requested).await
            }
            C::AllProvisioned { function: name, after, limit } => {
                let of = function(tx, &name).await?;
                let after = after.map(|qualifier| name.provisioned(of.generation, &qualifier));
                let (all, more) = by_text(tx, name.all_provisioned(of.generation), after, limit).await?;
                Ok(Output::AllProvisioned(all, more))
            }
            C::PutInvokeConfig { function, qualifier, config, merge } => {
                put_invoke_config(tx, &function, qualifier, config, merge).await
            }
            C::DeleteInvokeConfig { function: name, qualifier } => {
                let of = function(tx, &name).await?;
                let qualifier = qualifier.as_deref().unwrap_or(LATEST);
                let key = name.invoke_config(of.generation, qualifier);
                if tx.get(&key).await?.is_none() {
                    return Err(no_invoke_config(&name, qualifier));
                }
                tx.delete(key);
                Ok(Output::Nothing)
            }
            C::InvokeConfigs { function, qualifier, after, limit } => {
                invoke_configs(tx, &function, qualifier, after, limit).await
            }
            other => self.apply_url(tx, other).await,
        }
    }

    async fn reserve(
        &mut self,
        tx: &mut Tx,
        name: &FunctionName,
        reserved: Option<u32>,
    ) -> Result<Output, Error> {
        let mut of = function(tx, name).await?;
        if let Some(reserved) = reserved
            && self.concurrency.unreserved_without(name) < reserved.saturating_add(limits::UNRESERVED)
        {
            let least = limits::UNRESERVED;
            return Err(errors::invalid(format!(
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [{least}]."
            )));
        }
        of.reserved = reserved;
        tx.write(name.key(), &of)?;
        let (concurrency, name) = (self.concurrency.clone(), name.clone());
        tx.after_commit(move || concurrency.reserve(&name, reserved));
        Ok(Output::Nothing)
    }

    /// Sets what is provisioned, takes it back (0) or reads it.
    async fn provision(
        &mut self,
        tx: &mut Tx,
        name: &FunctionName,
        qualifier: &str,
        requested: Option<u32>,
    ) -> Result<Output, Error> {
        let of = function(tx, name).await?;
        check_qualifier(tx, name, &of, Some(qualifier)).await?;
        let key = name.provisioned(of.generation, qualifier);
        let before: Option<Provisioned> = tx.read(&key).await?;
        let Some(requested) = requested else { return Ok(Output::Provisioned(before)) };
        let version = version_of(tx, name, &of, qualifier).await?.unwrap_or_default();
        if requested > 0 {
            let room = match of.reserved {
                Some(reserved) => reserved,
                None => {
                    let own = before.as_ref().map_or(0, |row| row.requested);
                    let all = self.concurrency.unreserved(&name.scope.account, &name.scope.region);
                    (all + own).saturating_sub(limits::UNRESERVED)
                }
            };
            if requested > room {
                return Err(errors::invalid(format!(
                    "Specified ConcurrentExecutions for function is greater than function's {}reserved concurrency [{room}].",
                    if of.reserved.is_some() { "" } else { "un" }
                )));
            }
            tx.write(key, &Provisioned { requested, modified: tx.now() })?;
        } else {
            tx.delete(key);
        }
        order_provision(tx, name, qualifier, &version)?;
        let (concurrency, of_name) = (self.concurrency.clone(), name.clone());
        tx.after_commit(move || concurrency.provision(&of_name, &version, requested));
        let after = (requested > 0).then(|| Provisioned { requested, modified: tx.now() });
        Ok(Output::Provisioned(after))
    }

    /// After a start, provisioned processes are started again.
    pub(super) fn provision_again(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        let some = self.to_provision.len().min(super::PAGE);
        for (name, qualifier) in self.to_provision.iter().take(some) {
            order_provision(tx, name, qualifier, "")?;
        }
        self.to_provision.drain(..some);
        Ok(())
    }

    async fn apply_url(&mut self, tx: &mut Tx, command: Command) -> Result<Output, Error> {
        match command {
            Command::CreateUrl { function: name, qualifier, url } => {
                let of = function(tx, &name).await?;
                check_qualifier(tx, &name, &of, qualifier.as_deref()).await?;
                let key = name.url(of.generation, qualifier.as_deref().unwrap_or_default());
                if tx.get(&key).await?.is_some() {
                    return Err(errors::conflict(
                        "Function url config already exists for this Lambda function",
                    ));
                }
                tx.write(key, &url)?;
                let place = postcard::to_stdvec(&(name, qualifier)).map_err(Fault::from)?;
                directory::add_with(tx, &keys::url_list(&url.id), &url.id, &place)?;
                Ok(Output::Url(url))
            }
            Command::UpdateUrl { function: name, qualifier, change } => {
                let of = function(tx, &name).await?;
                let key = name.url(of.generation, qualifier.as_deref().unwrap_or_default());
                let mut url: Url = tx.read(&key).await?.ok_or_else(errors::no_resource)?;
                url.iam = change.iam.unwrap_or(url.iam);
                url.streams = change.streams.unwrap_or(url.streams);
                url.cors = change.cors.or(url.cors);
                url.modified = tx.now();
                tx.write(key, &url)?;
                Ok(Output::Url(url))
            }
            Command::DeleteUrl { function: name, qualifier } => {
                let of = function(tx, &name).await?;
                let key = name.url(of.generation, qualifier.as_deref().unwrap_or_default());
                let url: Url = tx.read(&key).await?.ok_or_else(errors::no_resource)?;
                tx.delete(key);
                directory::remove_with(tx, &keys::url_list(&url.id), &url.id)?;
                Ok(Output::Nothing)
            }
            Command::Urls { function: name, after, limit } => {
                let of = function(tx, &name).await?;
                let after = after.map(|qualifier| name.url(of.generation, &qualifier));
                let (urls, more) = by_text(tx, name.urls(of.generation), after, limit).await?;
                Ok(Output::Urls(urls, more))
            }
            _ => Err(Error::internal("a command of another kind")),
        }
    }
}

/// Leaves it to the actor to start or end processes of the version that a qualifier means, and of the one
/// that it meant before.
pub fn order_provision(tx: &mut Tx, name: &FunctionName, qualifier: &str, before: &str) -> Result<(), Fault> {
    let order = Order::Provision {
        function: name.clone(),
        qualifier: qualifier.to_owned(),
        before: before.to_owned(),
    };
    tx.send_to_actor(&format!("provision/{}", name.qualified(Some(qualifier))), Space::Lambda, &order)
}

/// How events of a qualifier are treated.
pub async fn invoke_config(
    tx: &Tx,
    name: &FunctionName,
    generation: u64,
    qualifier: Option<&str>,
) -> Result<InvokeConfig, Fault> {
    let key = name.invoke_config(generation, qualifier.unwrap_or(LATEST));
    Ok(tx.read(&key).await?.unwrap_or_default())
}

fn no_invoke_config(name: &FunctionName, qualifier: &str) -> Error {
    let arn = name.qualified(Some(qualifier));
    errors::not_found(format!("The function {arn} doesn't have an EventInvokeConfig"))
}

async fn put_invoke_config(
    tx: &mut Tx,
    name: &FunctionName,
    qualifier: Option<String>,
    config: InvokeConfig,
    merge: bool,
) -> Result<Output, Error> {
    let of = function(tx, name).await?;
    check_qualifier(tx, name, &of, qualifier.as_deref()).await?;
    let qualifier = qualifier.unwrap_or_else(|| LATEST.to_owned());
    let key = name.invoke_config(of.generation, &qualifier);
    let mut now = config;
    if merge {
        let before: InvokeConfig = tx.read(&key).await?.ok_or_else(|| no_invoke_config(name, &qualifier))?;
        // An empty destination is how a destination is taken away.
        now = InvokeConfig {
            modified: now.modified,
            retries: now.retries.or(before.retries),
            age: now.age.or(before.age),
            on_success: now.on_success.or(before.on_success),
            on_failure: now.on_failure.or(before.on_failure),
        };
    }
    now.on_success = now.on_success.filter(|arn| !arn.is_empty());
    now.on_failure = now.on_failure.filter(|arn| !arn.is_empty());
    now.modified = tx.now();
    tx.write(key, &now)?;
    Ok(Output::InvokeConfigs(vec![(qualifier, now)], false))
}

async fn invoke_configs(
    tx: &Tx,
    name: &FunctionName,
    qualifier: Option<String>,
    after: Option<String>,
    limit: u32,
) -> Result<Output, Error> {
    let of = function(tx, name).await?;
    if let Some(qualifier) = qualifier {
        let row: Option<InvokeConfig> = tx.read(&name.invoke_config(of.generation, &qualifier)).await?;
        let row = row.ok_or_else(|| no_invoke_config(name, &qualifier))?;
        return Ok(Output::InvokeConfigs(vec![(qualifier, row)], false));
    }
    let after = after.map(|qualifier| name.invoke_config(of.generation, &qualifier));
    let (all, more) = by_text(tx, name.invoke_configs(of.generation), after, limit).await?;
    Ok(Output::InvokeConfigs(all, more))
}
