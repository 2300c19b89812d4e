//! Aliases.

use ropeway_core::{Tx, directory};
use ropeway_wire::Error;
use serde::{Deserialize, Serialize};

use super::functions::version;
use super::{Command, LambdaMachine, Output, by_text, check_revision, function};
use crate::errors;
use crate::keys::{self, FunctionName};
use crate::model::{Alias, Function, LATEST, Provisioned, Url};

/// What an alias is made of, or what of it changes; `None` stays as it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AliasChange {
    /// The alias.
    pub name: String,
    /// `FunctionVersion`
    pub version: Option<String>,
    /// `Description`
    pub description: Option<String>,
    /// `RoutingConfig`; `Some(None)`: all goes to one version.
    pub weight: Option<Option<(String, f64)>>,
    /// The revision that the caller knows.
    pub revision: Option<String>,
}

impl LambdaMachine {
    pub(super) async fn apply_alias(&mut self, tx: &mut Tx, command: Command) -> Result<Output, Error> {
        match command {
            Command::PutAlias { function, create, change } => {
                self.put_alias(tx, &function, create, change).await
            }
            Command::DeleteAlias { function: name, alias } => {
                let of = function(tx, &name).await?;
                let key = name.alias(of.generation, &alias);
                if let Some(gone) = tx.read::<Alias>(&key).await? {
                    tx.delete(key);
                    tx.delete(name.invoke_config(of.generation, &alias));
                    if let Some(url) = tx.read::<Url>(&name.url(of.generation, &alias)).await? {
                        tx.delete(name.url(of.generation, &alias));
                        directory::remove_with(tx, &keys::url_list(&url.id), &url.id)?;
                    }
                    self.move_provisioned(tx, &of, &alias, &gone.version, None).await?;
                    self.remove_policy(tx, &name, &of, &alias).await?;
                }
                Ok(Output::Nothing)
            }
            Command::Aliases { function: name, version, after, limit } => {
                let of = function(tx, &name).await?;
                list(tx, &name, &of, version, after, limit).await
            }
            _ => Err(Error::internal("a command of another kind")),
        }
    }

    /// What is provisioned for an alias follows it to another version, or goes with it.
    async fn move_provisioned(
        &mut self,
        tx: &mut Tx,
        of: &Function,
        alias: &str,
        from: &str,
        to: Option<&str>,
    ) -> Result<(), Error> {
        let key = of.name.provisioned(of.generation, alias);
        let Some(row) = tx.read::<Provisioned>(&key).await? else { return Ok(()) };
        if to.is_none() {
            tx.delete(key);
        }
        super::settings::order_provision(tx, &of.name, alias, from)?;
        let (concurrency, name) = (self.concurrency.clone(), of.name.clone());
        let (from, to) = (from.to_owned(), to.map(str::to_owned));
        tx.after_commit(move || {
            concurrency.provision(&name, &from, 0);
            if let Some(to) = to {
                concurrency.provision(&name, &to, row.requested);
            }
        });
        Ok(())
    }

    pub(super) async fn put_alias(
        &mut self,
        tx: &mut Tx,
        name: &FunctionName,
        create: bool,
        change: AliasChange,
    ) -> Result<Output, Error> {
        let of = function(tx, name).await?;
        let key = name.alias(of.generation, &change.name);
        let mut alias = match (tx.read::<Alias>(&key).await?, create) {
            (Some(_), true) => {
                let arn = name.qualified(Some(&change.name));
                return Err(errors::conflict(format!("Alias already exists: {arn}")));
            }
            (Some(alias), false) => alias,
            (None, false) => return Err(errors::no_alias(name, &change.name)),
            (None, true) => Alias {
                name: change.name,
                version: String::new(),
                description: String::new(),
                weight: None,
                revision: String::new(),
            },
        };
        check_revision(change.revision.as_deref(), &alias.revision)?;
        let before = alias.version.clone();
        if let Some(version) = change.version {
            alias.version = version;
        }
        if let Some(description) = change.description {
            alias.description = description;
        }
        if let Some(weight) = change.weight {
            alias.weight = weight;
        }
        check(tx, name, &of, &alias).await?;
        alias.revision = tx.ids().uuid();
        tx.write(key, &alias)?;
        if !create && before != alias.version {
            self.move_provisioned(tx, &of, &alias.name, &before, Some(&alias.version)).await?;
        }
        Ok(Output::Alias(alias))
    }
}

/// The versions that an alias points to are there, and two of them are two.
async fn check(tx: &Tx, name: &FunctionName, of: &Function, alias: &Alias) -> Result<(), Error> {
    let other = alias.weight.as_ref().map(|(version, _)| version);
    for pointed in std::iter::once(&alias.version).chain(other) {
        if version(tx, name, of, pointed).await?.is_none() {
            return Err(errors::no_function(&name.qualified(Some(pointed))));
        }
    }
    match other {
        Some(_) if alias.version == LATEST => {
            Err(errors::invalid("$LATEST is not supported for an alias pointing to more than 1 version"))
        }
        Some(other) if *other == alias.version => Err(errors::invalid(format!(
            "Invalid function version {other}. Function version {other} is already included in routing configuration."
        ))),
        _ => Ok(()),
    }
}

async fn list(
    tx: &Tx,
    name: &FunctionName,
    of: &Function,
    version: Option<String>,
    after: Option<String>,
    limit: u32,
) -> Result<Output, Error> {
    let points = |alias: &Alias| {
        version.as_ref().is_none_or(|version| {
            alias.version == *version || alias.weight.as_ref().is_some_and(|(other, _)| other == version)
        })
    };
    let mut after = after.map(|alias| name.alias(of.generation, &alias));
    let mut found = Vec::new();
    loop {
        let prefix = name.aliases(of.generation);
        let (page, more): (Vec<(String, Alias)>, bool) = by_text(tx, prefix, after, limit).await?;
        after = page.last().map(|(alias, _)| name.alias(of.generation, alias));
        found.extend(page.into_iter().map(|(_, alias)| alias).filter(points));
        if found.len() > limit as usize || !more || after.is_none() {
            let more = more || found.len() > limit as usize;
            found.truncate(limit as usize);
            return Ok(Output::Aliases(found, more));
        }
    }
}
