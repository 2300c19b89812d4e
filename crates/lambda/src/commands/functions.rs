//! Functions and their versions: made, changed, published, removed.

use std::collections::{BTreeMap, BTreeSet};

use ropeway_core::keys::Space;
use ropeway_core::{Fault, Tx, directory};
use ropeway_wire::Error;
use ropeway_wire::tags::counted;

use super::{Command, Found, LambdaMachine, Output, PAGE, check_revision, code, function};
use crate::keys::{self, FunctionName, is_number};
use crate::model::{Alias, Code, Config, ConfigChange, Function, LATEST, Policy, Provisioned, Url, Version};
use crate::{errors, limits};

/// Rows that one step removes.
const CLEANED_AT_ONCE: usize = 400;

/// What an update changes.
pub enum Kind {
    /// The code, and what processor it is for.
    Code {
        /// the archive
        code: Code,
        /// the processor, if it is said
        architecture: Option<String>,
        /// whether a version is published at once
        publish: bool,
    },
    /// The configuration.
    Config(Box<ConfigChange>),
}

fn found(function: Function, version: Version) -> Output {
    Output::Found(Box::new(Found { function, version, alias: None, preparation: None }))
}

/// Reads a function, and the version that a qualifier names.
pub async fn read(tx: &Tx, name: &FunctionName, qualifier: Option<&str>) -> Result<Output, Error> {
    let of = function(tx, name).await?;
    let missing = || errors::no_function(&name.qualified(qualifier));
    let (wanted, alias) = match qualifier {
        None | Some(LATEST) => (LATEST.to_owned(), None),
        Some(number) if is_number(number) => (number.to_owned(), None),
        Some(alias) => {
            let alias: Alias = tx.read(&name.alias(of.generation, alias)).await?.ok_or_else(missing)?;
            (alias.version.clone(), Some(alias))
        }
    };
    let version = version(tx, name, &of, &wanted).await?.ok_or_else(missing)?;
    Ok(Output::Found(Box::new(Found { function: of, version, alias, preparation: None })))
}

/// A version by its number, or `$LATEST`.
pub async fn version(
    tx: &Tx,
    name: &FunctionName,
    of: &Function,
    version: &str,
) -> Result<Option<Version>, Fault> {
    if version == LATEST {
        return Ok(Some(of.latest.clone()));
    }
    match version.parse() {
        Ok(number) => tx.read(&name.version(of.generation, number)).await,
        Err(_) => Ok(None),
    }
}

impl LambdaMachine {
    pub(super) async fn create(
        &mut self,
        tx: &mut Tx,
        name: FunctionName,
        (code, config): (Code, Config),
        tags: BTreeMap<String, String>,
        publish: bool,
        fetch: bool,
    ) -> Result<Output, Error> {
        if tx.get(&name.key()).await?.is_some() {
            return Err(errors::conflict(format!("Function already exist: {}", name.name)));
        }
        let latest = Version {
            version: LATEST.to_owned(),
            revision: tx.ids().uuid(),
            modified: tx.now(),
            code,
            config,
        };
        let mut made = Function {
            name: name.clone(),
            generation: tx.ids().number(),
            created: tx.now(),
            latest,
            next_version: 1,
            published: None,
            reserved: None,
            tags,
        };
        code::add_uses(tx, &made.latest, &name, made.generation);
        let answer = match publish {
            true => publish_latest(tx, &name, &mut made, None)?,
            false => made.latest.clone(),
        };
        tx.write(name.key(), &made)?;
        let list = keys::functions_list(&name.scope.account, &name.scope.region);
        directory::add_with(tx, &list, &name.name, &[])?;
        if fetch {
            for version in BTreeSet::from([LATEST, &answer.version]) {
                self.prepare(tx, &name, made.generation, (version, &answer.config.runtime), false)?;
            }
        }
        self.stated(tx, made, answer).await
    }

    /// Reads a function, and the version that a qualifier names, with its state.
    pub(super) async fn read(
        &self,
        tx: &Tx,
        name: &FunctionName,
        qualifier: Option<&str>,
    ) -> Result<Output, Error> {
        let Output::Found(mut found) = read(tx, name, qualifier).await? else {
            return Err(Error::internal("another answer"));
        };
        let (generation, version) = (found.function.generation, found.version.version.as_str());
        found.preparation = self.preparation(tx, name, generation, version).await?;
        Ok(Output::Found(found))
    }

    /// The answer to a change of a version.
    async fn stated(&self, tx: &Tx, function: Function, version: Version) -> Result<Output, Error> {
        let preparation = self.preparation(tx, &function.name, function.generation, &version.version).await?;
        Ok(Output::Found(Box::new(Found { function, version, alias: None, preparation })))
    }

    /// Removes a function; what belongs to it follows in steps.
    pub(super) async fn delete(&mut self, tx: &mut Tx, name: &FunctionName) -> Result<Output, Error> {
        let gone = function(tx, name).await?;
        tx.delete(name.key());
        code::remove_uses(tx, &gone.latest, name, gone.generation);
        let list = keys::functions_list(&name.scope.account, &name.scope.region);
        directory::remove_with(tx, &list, &name.name)?;
        super::mappings::remove_all(tx, name, gone.generation).await?;
        self.go_on_cleaning(tx, name, gone.generation)?;
        self.forget_queue(name);
        let (concurrency, of) = (self.concurrency.clone(), name.clone());
        tx.after_commit(move || concurrency.forget(&of));
        Ok(found(gone.clone(), gone.latest))
    }

    fn go_on_cleaning(&self, tx: &mut Tx, name: &FunctionName, generation: u64) -> Result<(), Fault> {
        let next = Command::Clean { function: name.clone(), generation };
        let shard = tx.shard();
        tx.send(&format!("clean/{}", name.arn()), Space::Lambda, shard, &next)
    }

    /// Removes rows of a function that is gone, the rest by the next step.
    pub(super) async fn clean(
        &mut self,
        tx: &mut Tx,
        name: &FunctionName,
        generation: u64,
    ) -> Result<Output, Error> {
        let now: Option<Function> = tx.read(&name.key()).await?;
        for kind in keys::OF_FUNCTION {
            let prefix = name.all(kind, generation);
            let page = tx.scan_prefix(&prefix, None, CLEANED_AT_ONCE).await?;
            for (key, row) in &page.rows {
                if prefix == name.versions(generation) {
                    let version: Version = postcard::from_bytes(row).map_err(Fault::from)?;
                    code::remove_uses(tx, &version, name, generation);
                }
                if prefix == name.urls(generation) {
                    let url: Url = postcard::from_bytes(row).map_err(Fault::from)?;
                    directory::remove_with(tx, &keys::url_list(&url.id), &url.id)?;
                }
                if prefix == name.policies(generation) {
                    let qualifier = keys::last_text(key, &prefix).unwrap_or_default();
                    self.forget_policy(tx, name, now.as_ref(), &qualifier).await?;
                }
                tx.delete(key.clone());
            }
            if !page.rows.is_empty() {
                self.go_on_cleaning(tx, name, generation)?;
                return Ok(Output::Nothing);
            }
        }
        Ok(Output::Nothing)
    }

    pub(super) async fn delete_version(
        &mut self,
        tx: &mut Tx,
        name: &FunctionName,
        number: &str,
    ) -> Result<Output, Error> {
        let of = function(tx, name).await?;
        if number == LATEST {
            return Err(errors::invalid("$LATEST version cannot be deleted without deleting the function."));
        }
        let missing = || errors::no_function(&name.qualified(Some(number)));
        let key = name.version(of.generation, number.parse().map_err(|_| missing())?);
        let gone: Version = tx.read(&key).await?.ok_or_else(missing)?;
        let uses = |alias: &Alias| {
            alias.version == number || alias.weight.as_ref().is_some_and(|(other, _)| other == number)
        };
        let mut after = None;
        loop {
            let (aliases, more): (Vec<(String, Alias)>, bool) =
                super::by_text(tx, name.aliases(of.generation), after, PAGE as u32).await?;
            if let Some((alias, _)) = aliases.iter().find(|(_, alias)| uses(alias)) {
                return Err(errors::conflict(format!(
                    "Version {number} is currently referenced by alias {alias}. Remove the reference before you delete the version."
                )));
            }
            after = aliases.last().map(|(alias, _)| name.alias(of.generation, alias));
            if !more {
                break;
            }
        }
        tx.delete(key);
        tx.delete(name.preparation(of.generation, number));
        tx.delete(name.provisioned(of.generation, number));
        tx.delete(name.invoke_config(of.generation, number));
        self.remove_policy(tx, name, &of, number).await?;
        let (concurrency, function_name, version) =
            (self.concurrency.clone(), name.clone(), number.to_owned());
        tx.after_commit(move || concurrency.provision(&function_name, &version, 0));
        code::remove_uses(tx, &gone, name, of.generation);
        Ok(found(of, gone))
    }

    /// Makes known what the functions of this shard reserve and allow, and finds their events.
    pub(super) async fn load_functions(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        let mut after = None;
        loop {
            let page = tx.scan_prefix(&keys::all_functions(), after.as_ref(), PAGE).await?;
            for (_, row) in &page.rows {
                let of: Function = postcard::from_bytes(row)?;
                let name = of.name.clone();
                if of.reserved.is_some() {
                    self.concurrency.reserve(&name, of.reserved);
                }
                self.load_function(tx, &name, &of).await?;
            }
            after = page.rows.last().map(|(key, _)| key.clone());
            if !page.more || after.is_none() {
                return Ok(());
            }
        }
    }

    async fn load_function(&mut self, tx: &mut Tx, name: &FunctionName, of: &Function) -> Result<(), Fault> {
        let mut after = None;
        loop {
            let prefix = name.policies(of.generation);
            let (policies, more): (Vec<(String, Policy)>, bool) =
                super::by_text(tx, prefix, after, PAGE as u32).await?;
            for (qualifier, policy) in &policies {
                let arn = name.qualified(Some(qualifier.as_str()).filter(|q| !q.is_empty()));
                self.gate.set_resource_policy(&arn, Some(&policy.document()));
            }
            after = policies.last().map(|(qualifier, _)| name.policy(of.generation, qualifier));
            if !more || after.is_none() {
                break;
            }
        }
        let (provisioned, _): (Vec<(String, Provisioned)>, bool) =
            super::by_text(tx, name.all_provisioned(of.generation), None, 10_000).await?;
        for (qualifier, row) in provisioned {
            if let Some(version) = super::settings::version_of(tx, name, of, &qualifier).await? {
                self.concurrency.provision(name, &version, row.requested);
            }
            self.to_provision.push((name.clone(), qualifier));
        }
        self.load_preparations(tx, name, of.generation).await?;
        self.load_queue(tx, name, of.generation).await
    }
}

/// Makes a version of `$LATEST`; `of` is to be written by the caller.
fn publish_latest(
    tx: &mut Tx,
    name: &FunctionName,
    of: &mut Function,
    description: Option<String>,
) -> Result<Version, Error> {
    let number = of.next_version;
    let mut version = of.latest.clone();
    version.version = number.to_string();
    version.revision = tx.ids().uuid();
    if let Some(description) = description {
        version.config.description = description;
    }
    code::add_uses(tx, &version, name, of.generation);
    tx.write(name.version(of.generation, number), &version)?;
    of.next_version += 1;
    of.published = Some((number, of.latest.revision.clone()));
    Ok(version)
}

impl LambdaMachine {
    /// Changes `$LATEST`; `fetch`: its runtime is not at hand.
    pub(super) async fn update(
        &mut self,
        tx: &mut Tx,
        name: &FunctionName,
        change: Kind,
        revision: Option<&str>,
        fetch: bool,
    ) -> Result<Output, Error> {
        let mut of = function(tx, name).await?;
        let before = self.check_settled(tx, name, of.generation).await?;
        check_revision(revision, &of.latest.revision)?;
        let mut publish = false;
        code::remove_uses(tx, &of.latest, name, of.generation);
        match change {
            Kind::Code { code, architecture, publish: at_once } => {
                of.latest.code = code;
                if let Some(architecture) = architecture {
                    of.latest.config.architecture = architecture;
                }
                publish = at_once;
            }
            Kind::Config(change) => configure(&mut of.latest.config, *change),
        }
        code::add_uses(tx, &of.latest, name, of.generation);
        of.latest.revision = tx.ids().uuid();
        of.latest.modified = tx.now();
        let answer = match publish {
            true => publish_latest(tx, name, &mut of, None)?,
            false => of.latest.clone(),
        };
        tx.write(name.key(), &of)?;
        // What never was made is made now.
        let update = before.as_ref().is_none_or(|before| before.update);
        for version in BTreeSet::from([LATEST, &answer.version]) {
            match fetch {
                true => self.prepare(tx, name, of.generation, (version, &answer.config.runtime), update)?,
                false if before.is_some() => tx.delete(name.preparation(of.generation, version)),
                false => {}
            }
        }
        if before.is_some() && !fetch {
            tx.wake(&super::active_signal(name), 1);
        }
        self.stated(tx, of, answer).await
    }

    /// Publishes `$LATEST`, unless it is what was published last.
    pub(super) async fn publish(
        &mut self,
        tx: &mut Tx,
        name: &FunctionName,
        sha256: Option<String>,
        description: Option<String>,
        revision: Option<&str>,
    ) -> Result<Output, Error> {
        let mut of = function(tx, name).await?;
        let now = self.check_settled(tx, name, of.generation).await?;
        super::check_active(now.as_ref())?;
        check_revision(revision, &of.latest.revision)?;
        if let Some(asked) = sha256.filter(|asked| *asked != of.latest.code.base64()) {
            let has = of.latest.code.base64();
            return Err(errors::invalid(format!(
                "CodeSHA256 ({asked}) is different from current CodeSHA256 in $LATEST ({has}). Please try again with the CodeSHA256 in $LATEST."
            )));
        }
        if let Some((number, from)) = &of.published
            && *from == of.latest.revision
            && let Some(version) = tx.read(&name.version(of.generation, *number)).await?
        {
            return Ok(found(of, version));
        }
        let version = publish_latest(tx, name, &mut of, description)?;
        tx.write(name.key(), &of)?;
        Ok(found(of, version))
    }
}

fn configure(config: &mut Config, change: ConfigChange) {
    fn set<T>(to: &mut T, from: Option<T>) {
        if let Some(from) = from {
            *to = from;
        }
    }
    set(&mut config.description, change.description);
    set(&mut config.runtime, change.runtime);
    set(&mut config.handler, change.handler.map(Some));
    set(&mut config.role, change.role);
    set(&mut config.timeout, change.timeout);
    set(&mut config.memory, change.memory);
    set(&mut config.tmp, change.tmp);
    set(&mut config.environment, change.environment);
    set(&mut config.layers, change.layers);
    set(&mut config.dead_letters, change.dead_letters);
    set(&mut config.traced, change.traced);
    set(&mut config.logging, change.logging);
}

/// Reads published versions in order.
pub async fn versions(tx: &Tx, name: &FunctionName, after: u64, limit: u32) -> Result<Output, Error> {
    let of = function(tx, name).await?;
    let after = name.version(of.generation, after);
    let page = tx.scan_prefix(&name.versions(of.generation), Some(&after), limit as usize).await?;
    let rows: Result<Vec<Version>, _> = page.rows.iter().map(|(_, row)| postcard::from_bytes(row)).collect();
    Ok(Output::Versions(rows.map_err(Fault::from)?, page.more))
}

/// Changes tags.
pub async fn tag(
    tx: &mut Tx,
    name: &FunctionName,
    add: BTreeMap<String, String>,
    remove: &[String],
) -> Result<Output, Error> {
    let mut of = function(tx, name).await?;
    of.tags.extend(add);
    of.tags.retain(|key, _| !remove.contains(key));
    check_tags(&of.tags)?;
    tx.write(name.key(), &of)?;
    Ok(Output::Nothing)
}

/// A resource has at most 50 tags of its users.
pub fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), Error> {
    if counted(tags.keys()) > limits::TAGS {
        return Err(errors::invalid(format!("A resource may have at most {} tags.", limits::TAGS)));
    }
    Ok(())
}

/// Functions of an account in a region that this shard has, and the bytes of their code.
pub async fn usage(tx: &Tx, account: &str, region: &str) -> Result<Output, Error> {
    let prefix = keys::functions_of(account, region);
    let (mut functions, mut bytes, mut after) = (0, 0, None);
    loop {
        let page = tx.scan_prefix(&prefix, after.as_ref(), PAGE).await?;
        for (_, row) in &page.rows {
            let of: Function = postcard::from_bytes(row).map_err(Fault::from)?;
            functions += 1;
            bytes += of.latest.code.size;
        }
        after = page.rows.last().map(|(key, _)| key.clone());
        if !page.more || after.is_none() {
            return Ok(Output::Usage { functions, bytes });
        }
    }
}
