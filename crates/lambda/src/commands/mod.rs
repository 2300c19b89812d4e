//! The machine: functions and what belongs to them, layers, and events, as pure functions of rows and command.

mod aliases;
mod code;
mod events;
mod functions;
mod layers;
mod mappings;
mod policies;
mod settings;
mod states;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use ropeway_core::effects::FunctionDelivery;
use ropeway_core::keys::Space;
use ropeway_core::seal::MasterKey;
use ropeway_core::{Fault, Machine, Settled, Time, Tx};
use ropeway_wire::{Error, Gate};
use serde::{Deserialize, Serialize};

use crate::concurrency::Concurrency;
use crate::errors;
use crate::keys::{FunctionName, LayerName};
use crate::model::{
    Alias, Code, Config, ConfigChange, Event, Function, InvokeConfig, LayerVersion, Mapping, Policy,
    Preparation, Provisioned, Url, Version,
};
pub use aliases::AliasChange;
pub use events::NewEvent;
use events::Queue;
pub use functions::{Kind, check_tags};
pub use mappings::{MappingChange, Passing, signal as mapping_signal};
pub use settings::UrlChange;
pub use states::{check_active, signal as active_signal};

/// Rows of one kind that are read at once.
const PAGE: usize = 64;

/// What can be asked of the machine. New variants and fields come last; the first is
/// [`ropeway_core::effects::LambdaCommand`]'s.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Command {
    /// An event from a service.
    Deliver(FunctionDelivery),
    /// Goes on removing what is left of a function. Comes by the outbox.
    Clean {
        /// the function
        function: FunctionName,
        /// its generation
        generation: u64,
    },
    /// Makes a function.
    Create {
        function: FunctionName,
        code: Code,
        config: Box<Config>,
        tags: BTreeMap<String, String>,
        publish: bool,
        /// What its runtime brings must be fetched first.
        fetch: bool,
    },
    /// Reads a function, and the version that a qualifier names.
    Read { function: FunctionName, qualifier: Option<String> },
    /// Removes a function with all that belongs to it.
    Delete { function: FunctionName },
    /// Removes a version.
    DeleteVersion { function: FunctionName, version: String },
    /// Replaces the code of `$LATEST`.
    UpdateCode {
        function: FunctionName,
        code: Code,
        architecture: Option<String>,
        revision: Option<String>,
        publish: bool,
        /// What its runtime brings must be fetched first.
        fetch: bool,
    },
    /// Changes the configuration of `$LATEST`.
    UpdateConfig {
        function: FunctionName,
        change: Box<ConfigChange>,
        revision: Option<String>,
        /// What its runtime brings must be fetched first.
        fetch: bool,
    },
    /// Publishes `$LATEST`.
    Publish {
        function: FunctionName,
        sha256: Option<String>,
        description: Option<String>,
        revision: Option<String>,
    },
    /// Reads published versions in order, those behind a number.
    Versions { function: FunctionName, after: u64, limit: u32 },
    /// Changes tags.
    Tag { function: FunctionName, add: BTreeMap<String, String>, remove: Vec<String> },
    /// Makes an alias (`create`) or changes one.
    PutAlias { function: FunctionName, create: bool, change: aliases::AliasChange },
    /// Removes an alias.
    DeleteAlias { function: FunctionName, alias: String },
    /// Reads aliases in order, those behind a name; of one version if it is named.
    Aliases { function: FunctionName, version: Option<String>, after: Option<String>, limit: u32 },
    /// Adds a statement to a policy.
    AddPermission {
        function: FunctionName,
        qualifier: Option<String>,
        id: String,
        statement: String,
        revision: Option<String>,
    },
    /// Removes a statement from a policy.
    RemovePermission {
        function: FunctionName,
        qualifier: Option<String>,
        id: String,
        revision: Option<String>,
    },
    /// Reads a policy.
    ReadPolicy { function: FunctionName, qualifier: Option<String> },
    /// Reserves concurrency, or gives it up.
    Reserve { function: FunctionName, reserved: Option<u32> },
    /// Sets, removes (`None`) or, without a change, reads settings of a qualifier.
    Provision { function: FunctionName, qualifier: String, requested: Option<u32> },
    /// Reads what is provisioned for each qualifier, in order.
    AllProvisioned { function: FunctionName, after: Option<String>, limit: u32 },
    /// Sets how events are treated; `merge` keeps what is not said.
    PutInvokeConfig { function: FunctionName, qualifier: Option<String>, config: InvokeConfig, merge: bool },
    /// Forgets how events are to be treated.
    DeleteInvokeConfig { function: FunctionName, qualifier: Option<String> },
    /// Reads how events are treated: of one qualifier, or of all in order.
    InvokeConfigs { function: FunctionName, qualifier: Option<String>, after: Option<String>, limit: u32 },
    /// Makes a function URL.
    CreateUrl { function: FunctionName, qualifier: Option<String>, url: Url },
    /// Changes a function URL.
    UpdateUrl { function: FunctionName, qualifier: Option<String>, change: settings::UrlChange },
    /// Removes a function URL.
    DeleteUrl { function: FunctionName, qualifier: Option<String> },
    /// Reads function URLs in order.
    Urls { function: FunctionName, after: Option<String>, limit: u32 },
    /// Takes an event.
    Enqueue(Box<NewEvent>),
    /// Reads the event in a slot, and how it is to be treated.
    ReadEvent { function: FunctionName, generation: u64, slot: u32 },
    /// Makes a mapping.
    CreateMapping { function: FunctionName, mapping: Box<Mapping> },
    /// Changes a mapping; may move it to another function of the same name, that is to another qualifier.
    UpdateMapping { function: FunctionName, id: String, change: MappingChange },
    /// Removes a mapping, once its poller has ended.
    DeleteMapping { function: FunctionName, id: String },
    /// Reads a mapping.
    ReadMapping { function: FunctionName, id: String },
    /// What its poller says of a mapping.
    PassMapping { function: FunctionName, generation: u64, id: String, passing: Passing },
    /// Changes tags of a mapping.
    TagMapping { function: FunctionName, id: String, add: BTreeMap<String, String>, remove: Vec<String> },
    /// Publishes a layer's version.
    PublishLayer { layer: LayerName, version: Box<LayerVersion> },
    /// Reads a layer's version.
    ReadLayer { layer: LayerName, number: u64 },
    /// Removes a layer's version.
    DeleteLayer { layer: LayerName, number: u64 },
    /// Reads a layer's versions, the latest first, those before a number.
    LayerVersions { layer: LayerName, before: Option<u64>, limit: u32 },
    /// Changes the policy of a layer's version: adds a statement, or removes one.
    LayerPermission {
        layer: LayerName,
        number: u64,
        id: String,
        statement: Option<String>,
        revision: Option<String>,
    },
    /// Whether a package has users: by the beginning of its archive's SHA-256.
    CodeIsUsed { sha_prefix: String },
    /// Number of functions and bytes of their code, of an account in a region.
    Usage { account: String, region: String },
}

/// What a command answers.
#[derive(Debug, Clone)]
pub enum Output {
    Nothing,
    Found(Box<Found>),
    Versions(Vec<Version>, bool),
    Alias(Alias),
    Aliases(Vec<Alias>, bool),
    Policy(Policy),
    Provisioned(Option<Provisioned>),
    AllProvisioned(Vec<(String, Provisioned)>, bool),
    InvokeConfigs(Vec<(String, InvokeConfig)>, bool),
    Url(Url),
    Urls(Vec<(String, Url)>, bool),
    Event(Option<Box<EventAtHand>>),
    Accepted { request_id: String },
    Mapping(Box<Mapping>, u64),
    Layer(Box<LayerVersion>),
    Layers(Vec<LayerVersion>, bool),
    Used(bool),
    Usage { functions: u64, bytes: u64 },
}

/// A function and one of its versions.
#[derive(Debug, Clone)]
pub struct Found {
    /// The function.
    pub function: Function,
    /// The version; a published one with its own code and configuration.
    pub version: Version,
    /// The alias that was named.
    pub alias: Option<Alias>,
    /// How the version stands, if its runtime is not at hand.
    pub preparation: Option<Preparation>,
}

/// An event that is to be handled now.
#[derive(Debug, Clone)]
pub struct EventAtHand {
    /// The event.
    pub event: Event,
    /// Its payload, sealed.
    pub sealed: Bytes,
}

/// Lambda's state in one shard.
pub struct LambdaMachine {
    gate: Arc<dyn Gate>,
    master: MasterKey,
    concurrency: Concurrency,
    /// Functions with events.
    queues: BTreeMap<FunctionName, Queue>,
    /// When a function's first waiting event is due, if it may be started then.
    due: BTreeSet<(Time, FunctionName)>,
    /// What is provisioned must be started again after the server's start.
    to_provision: Vec<(FunctionName, String)>,
    /// Functions that have, or had, versions without a runtime: the rows of others need no look.
    preparing: BTreeSet<FunctionName>,
}

impl LambdaMachine {
    pub(crate) fn new(gate: Arc<dyn Gate>, master: MasterKey, concurrency: Concurrency) -> Self {
        LambdaMachine {
            gate,
            master,
            concurrency,
            queues: BTreeMap::new(),
            due: BTreeSet::new(),
            to_provision: Vec::new(),
            preparing: BTreeSet::new(),
        }
    }
}

/// Reads a function, which must be there.
async fn function(tx: &Tx, name: &FunctionName) -> Result<Function, Error> {
    tx.read(&name.key()).await?.ok_or_else(|| errors::no_function(&name.arn()))
}

/// The caller's revision must be the current one, where it names one.
fn check_revision(asked: Option<&str>, current: &str) -> Result<(), Error> {
    if asked.is_some_and(|asked| asked != current) { Err(errors::stale_revision()) } else { Ok(()) }
}

/// Reads rows whose keys are a prefix and a text, in order, those behind a text.
async fn by_text<T: serde::de::DeserializeOwned>(
    tx: &Tx,
    prefix: Bytes,
    after: Option<Bytes>,
    limit: u32,
) -> Result<(Vec<(String, T)>, bool), Fault> {
    let page = tx.scan_prefix(&prefix, after.as_ref(), limit as usize).await?;
    let mut out = Vec::new();
    for (key, row) in page.rows {
        let text = crate::keys::last_text(&key, &prefix);
        let text = text.ok_or_else(|| Fault::Damaged("a key without its text".to_owned()))?;
        out.push((text, postcard::from_bytes(&row)?));
    }
    Ok((out, page.more))
}

impl Machine for LambdaMachine {
    type Command = Command;
    type Output = Output;
    type Error = Error;
    const SPACE: Space = Space::Lambda;

    async fn load(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        self.queues.clear();
        self.due.clear();
        self.to_provision.clear();
        self.preparing.clear();
        self.load_functions(tx).await?;
        self.load_layers(tx).await
    }

    async fn apply(&mut self, tx: &mut Tx, command: Command) -> Result<Output, Error> {
        use Command as C;
        match command {
            C::Deliver(delivery) => self.deliver(tx, delivery).await,
            C::Clean { function, generation } => self.clean(tx, &function, generation).await,
            C::Create { function, code, config, tags, publish, fetch } => {
                self.create(tx, function, (code, *config), tags, publish, fetch).await
            }
            C::Read { function, qualifier } => self.read(tx, &function, qualifier.as_deref()).await,
            C::Delete { function } => self.delete(tx, &function).await,
            C::DeleteVersion { function, version } => self.delete_version(tx, &function, &version).await,
            C::UpdateCode { function, code, architecture, revision, publish, fetch } => {
                let change = Kind::Code { code, architecture, publish };
                self.update(tx, &function, change, revision.as_deref(), fetch).await
            }
            C::UpdateConfig { function, change, revision, fetch } => {
                self.update(tx, &function, Kind::Config(change), revision.as_deref(), fetch).await
            }
            C::Publish { function, sha256, description, revision } => {
                self.publish(tx, &function, sha256, description, revision.as_deref()).await
            }
            C::Versions { function, after, limit } => functions::versions(tx, &function, after, limit).await,
            C::Tag { function, add, remove } => functions::tag(tx, &function, add, &remove).await,
            C::PutAlias { .. } | C::DeleteAlias { .. } | C::Aliases { .. } => {
                self.apply_alias(tx, command).await
            }
            C::AddPermission { .. } | C::RemovePermission { .. } | C::ReadPolicy { .. } => {
                self.apply_policy(tx, command).await
            }
            C::Enqueue(event) => {
                if self.preparing.contains(&event.function) {
                    let read = self.read(tx, &event.function, event.qualifier.as_deref()).await?;
                    let Output::Found(found) = read else { return Err(Error::internal("another answer")) };
                    check_active(found.preparation.as_ref())?;
                }
                self.enqueue(tx, *event).await
            }
            C::ReadEvent { function, generation, slot } => {
                events::read(tx, &function, generation, slot).await
            }
            C::CreateMapping { .. }
            | C::UpdateMapping { .. }
            | C::DeleteMapping { .. }
            | C::ReadMapping { .. }
            | C::PassMapping { .. }
            | C::TagMapping { .. } => mappings::apply(tx, command).await,
            C::PublishLayer { .. }
            | C::ReadLayer { .. }
            | C::DeleteLayer { .. }
            | C::LayerVersions { .. }
            | C::LayerPermission { .. } => self.apply_layer(tx, command).await,
            C::CodeIsUsed { sha_prefix } => code::is_used(tx, &sha_prefix).await,
            C::Usage { account, region } => functions::usage(tx, &account, &region).await,
            other => self.apply_setting(tx, other).await,
        }
    }

    fn grows(command: &Command) -> bool {
        use Command as C;
        !matches!(
            command,
            C::Clean { .. }
                | C::Read { .. }
                | C::Delete { .. }
                | C::DeleteVersion { .. }
                | C::Versions { .. }
                | C::DeleteAlias { .. }
                | C::Aliases { .. }
                | C::RemovePermission { .. }
                | C::ReadPolicy { .. }
                | C::AllProvisioned { .. }
                | C::DeleteInvokeConfig { .. }
                | C::InvokeConfigs { .. }
                | C::DeleteUrl { .. }
                | C::Urls { .. }
                | C::ReadEvent { .. }
                | C::DeleteMapping { .. }
                | C::ReadMapping { .. }
                | C::PassMapping { .. }
                | C::ReadLayer { .. }
                | C::DeleteLayer { .. }
                | C::LayerVersions { .. }
                | C::CodeIsUsed { .. }
                | C::Usage { .. }
        )
    }

    fn next_due(&self) -> Option<Time> {
        if !self.to_provision.is_empty() {
            return Some(Time::default());
        }
        self.due.first().map(|(due, _)| *due)
    }

    async fn on_time(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        self.provision_again(tx)?;
        self.start_due(tx).await
    }

    async fn settled(&mut self, tx: &mut Tx, settled: Settled<'_>) -> Result<(), Fault> {
        self.order_settled(tx, settled).await
    }
}

#[cfg(test)]
mod tests {
    use ropeway_core::effects::LambdaCommand;

    use super::*;

    #[test]
    fn effects_have_the_commands_form() {
        let delivery = FunctionDelivery {
            function: "arn:aws:lambda:r:1:function:f".to_owned(),
            principal: "sns.amazonaws.com".to_owned(),
            source_arn: "arn:aws:sns:r:1:t".to_owned(),
            source_account: "1".to_owned(),
            payload: Bytes::from_static(b"{}"),
            trace_header: Some("Root=1".to_owned()),
        };
        let effect = postcard::to_stdvec(&LambdaCommand::Deliver(delivery.clone())).unwrap();
        assert_eq!(effect, postcard::to_stdvec(&Command::Deliver(delivery)).unwrap());
    }
}
