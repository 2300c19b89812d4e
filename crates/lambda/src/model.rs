//! Rows, and what travels by the outbox.

use std::collections::BTreeMap;

use bytes::Bytes;
use ropeway_core::Time;
use serde::{Deserialize, Serialize};

use crate::keys::{FunctionName, LayerName};

/// The version that changes.
pub const LATEST: &str = "$LATEST";

/// A function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Function {
    /// What names it.
    pub name: FunctionName,
    /// Tells it from functions that had its name before.
    pub generation: u64,
    /// When it was made.
    pub created: Time,
    /// `$LATEST`.
    pub latest: Version,
    /// Number of the next version to be published.
    pub next_version: u64,
    /// The version that was published last, and the revision of `$LATEST` that it was made from.
    pub published: Option<(u64, String)>,
    /// Reserved concurrency.
    pub reserved: Option<u32>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
}

/// A version: code and configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Version {
    /// `$LATEST` or a number.
    pub version: String,
    /// `RevisionId`: changes with each change.
    pub revision: String,
    /// When it was changed last.
    pub modified: Time,
    /// The code.
    pub code: Code,
    /// The configuration.
    pub config: Config,
}

/// An archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// SHA-256, 64 hexadecimal digits.
    pub sha256: String,
    /// Length in bytes.
    pub size: u64,
}

impl Code {
    /// `CodeSha256`: the digest in base64.
    pub fn base64(&self) -> String {
        use base64::Engine as _;
        let digest = hex::decode(&self.sha256).unwrap_or_default();
        base64::engine::general_purpose::STANDARD.encode(digest)
    }
}

/// What of a version is configured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// `Description`
    pub description: String,
    /// `Runtime`
    pub runtime: String,
    /// `Handler`
    pub handler: Option<String>,
    /// `Architectures`, of which there is one
    pub architecture: String,
    /// `Role`
    pub role: String,
    /// `Timeout` in seconds
    pub timeout: u32,
    /// `MemorySize` in MiB
    pub memory: u32,
    /// `EphemeralStorage` in MiB
    pub tmp: u32,
    /// Environment variables: JSON, sealed under the function's ARN.
    pub environment: Option<Vec<u8>>,
    /// `Layers`
    pub layers: Vec<LayerUse>,
    /// ARN of the dead-letter queue or topic.
    pub dead_letters: Option<String>,
    /// `TracingConfig` is `Active`.
    pub traced: bool,
    /// `LoggingConfig`
    pub logging: LogSettings,
}

/// A layer of a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerUse {
    /// ARN of the layer's version.
    pub arn: String,
    /// The archive.
    pub code: Code,
}

/// `LoggingConfig`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSettings {
    /// `LogFormat` is `JSON`.
    pub json: bool,
    /// `ApplicationLogLevel`
    pub application: Option<String>,
    /// `SystemLogLevel`
    pub system: Option<String>,
    /// `LogGroup`, where it is not the function's own.
    pub group: Option<String>,
}

/// What an update of the configuration changes; `None` stays as it is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct ConfigChange {
    pub description: Option<String>,
    pub runtime: Option<String>,
    pub handler: Option<String>,
    pub role: Option<String>,
    pub timeout: Option<u32>,
    pub memory: Option<u32>,
    pub tmp: Option<u32>,
    /// `Some(None)`: no variables any more.
    pub environment: Option<Option<Vec<u8>>>,
    pub layers: Option<Vec<LayerUse>>,
    /// `Some(None)`: no target any more.
    pub dead_letters: Option<Option<String>>,
    pub traced: Option<bool>,
    pub logging: Option<LogSettings>,
}

/// A version whose runtime is not at hand: what it brings is being fetched, or could not be. Without such a row
/// a version is `Active`, and its last update `Successful`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preparation {
    /// It is for an update of a function that was made before; otherwise for its creation.
    pub update: bool,
    /// Why the runtime cannot be had.
    pub failed: Option<String>,
}

impl Preparation {
    /// `State`
    pub fn state(&self) -> &'static str {
        match (self.update, &self.failed) {
            (true, _) => "Active",
            (false, None) => "Pending",
            (false, Some(_)) => "Failed",
        }
    }

    /// `LastUpdateStatus`
    pub fn last_update(&self) -> &'static str {
        if self.failed.is_some() { "Failed" } else { "InProgress" }
    }

    /// `StateReason` or `LastUpdateStatusReason`, and its code.
    pub fn reason(&self) -> (String, &'static str) {
        match &self.failed {
            Some(why) => (why.clone(), "InvalidRuntime"),
            None if self.update => ("The function is being updated.".to_owned(), "Updating"),
            None => ("The function is being created.".to_owned(), "Creating"),
        }
    }
}

/// An alias.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alias {
    /// The name.
    pub name: String,
    /// `FunctionVersion`
    pub version: String,
    /// `Description`
    pub description: String,
    /// Another version and the part of invocations that go there, from 0 to 1.
    pub weight: Option<(String, f64)>,
    /// `RevisionId`
    pub revision: String,
}

/// A resource policy: its statements, each as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// `RevisionId`
    pub revision: String,
    /// Statements by their id, in the order in which they were added.
    pub statements: Vec<(String, String)>,
}

impl Policy {
    /// The policy as JSON.
    pub fn document(&self) -> String {
        let statements: Vec<&str> = self.statements.iter().map(|(_, json)| json.as_str()).collect();
        format!("{{\"Version\":\"2012-10-17\",\"Id\":\"default\",\"Statement\":[{}]}}", statements.join(","))
    }
}

/// How asynchronous events are treated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvokeConfig {
    /// When it was changed last.
    pub modified: Time,
    /// `MaximumRetryAttempts`
    pub retries: Option<u32>,
    /// `MaximumEventAgeInSeconds`
    pub age: Option<u32>,
    /// ARN of the destination of what succeeded.
    pub on_success: Option<String>,
    /// ARN of the destination of what failed.
    pub on_failure: Option<String>,
}

/// A function URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Url {
    /// The first label of its host.
    pub id: String,
    /// `CreationTime`
    pub created: Time,
    /// `LastModifiedTime`
    pub modified: Time,
    /// `AuthType` is `AWS_IAM`.
    pub iam: bool,
    /// `InvokeMode` is `RESPONSE_STREAM`.
    pub streams: bool,
    /// `Cors`
    pub cors: Option<CorsRow>,
}

/// `Cors` of a function URL.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorsRow {
    pub credentials: Option<bool>,
    pub headers: Option<Vec<String>>,
    pub methods: Option<Vec<String>>,
    pub origins: Option<Vec<String>>,
    pub expose: Option<Vec<String>>,
    pub max_age: Option<u32>,
}

/// Provisioned concurrency of a version or an alias.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provisioned {
    /// How many were asked for.
    pub requested: u32,
    /// When.
    pub modified: Time,
}

/// An asynchronous event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its number: random.
    pub number: u64,
    /// `requestId`, the same in each try.
    pub request_id: String,
    /// The version or alias that was invoked.
    pub qualifier: Option<String>,
    /// When it was accepted.
    pub received: Time,
    /// Tries that the function's own error ended.
    pub failures: u32,
    /// Tries in a row that did not reach the function.
    pub misses: u32,
    /// Pieces that the sealed payload lies in.
    pub pieces: u32,
    /// The trace that it belongs to.
    pub trace: String,
    /// The X-Ray header that the function gets.
    pub trace_header: Option<String>,
    /// The client's context.
    pub client_context: Option<String>,
}

/// An event source mapping.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mapping {
    /// `UUID`
    pub id: String,
    /// The version or alias that it invokes.
    pub qualifier: Option<String>,
    /// ARN of the queue.
    pub source: String,
    /// `BatchSize`
    pub batch: u32,
    /// `MaximumBatchingWindowInSeconds`
    pub window: u32,
    /// Patterns, one of which an event must match; empty: all events.
    pub filters: Vec<String>,
    /// `MaximumConcurrency`
    pub concurrency: Option<u32>,
    /// `ReportBatchItemFailures`
    pub partial: bool,
    /// `State`
    pub state: MappingState,
    /// `StateTransitionReason`
    pub reason: String,
    /// `LastProcessingResult`
    pub last_result: String,
    /// When it was changed last.
    pub modified: Time,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// There is a poller for it: an order in its lane.
    pub polled: bool,
}

/// `State` of a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MappingState {
    Creating,
    Enabling,
    Enabled,
    Disabling,
    Disabled,
    Updating,
    Deleting,
}

impl MappingState {
    /// The state's name.
    pub fn name(self) -> &'static str {
        match self {
            MappingState::Creating => "Creating",
            MappingState::Enabling => "Enabling",
            MappingState::Enabled => "Enabled",
            MappingState::Disabling => "Disabling",
            MappingState::Disabled => "Disabled",
            MappingState::Updating => "Updating",
            MappingState::Deleting => "Deleting",
        }
    }

    /// Whether messages are to be polled.
    pub fn polls(self) -> bool {
        !matches!(self, MappingState::Disabling | MappingState::Disabled | MappingState::Deleting)
    }
}

/// A layer's row: what outlives its versions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Number of the version that was published last.
    pub last: u64,
}

/// A layer's version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerVersion {
    /// The layer.
    pub layer: LayerName,
    /// The number.
    pub number: u64,
    /// When it was published.
    pub created: Time,
    /// The archive.
    pub code: Code,
    /// `Description`
    pub description: String,
    /// `LicenseInfo`
    pub licence: Option<String>,
    /// `CompatibleRuntimes`
    pub runtimes: Vec<String>,
    /// `CompatibleArchitectures`
    pub architectures: Vec<String>,
    /// Who may use it.
    pub policy: Policy,
}

/// What the actor is ordered to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Order {
    /// Handle the event in a slot.
    Event {
        /// the function
        function: FunctionName,
        /// its generation
        generation: u64,
        /// the slot
        slot: u32,
    },
    /// Send what became of an event to a destination.
    Send(Box<Sending>),
    /// Poll a mapping's queue until the mapping is disabled or gone.
    Poll {
        /// the function
        function: FunctionName,
        /// its generation
        generation: u64,
        /// the mapping's id
        id: String,
    },
    /// Bring the number of provisioned processes to what a row says.
    Provision {
        /// the function
        function: FunctionName,
        /// version or alias
        qualifier: String,
        /// the version that it meant before the order
        before: String,
    },
    /// Fetch what the runtime of a version brings.
    Prepare {
        /// the function
        function: FunctionName,
        /// its generation
        generation: u64,
        /// the version
        version: String,
        /// the runtime
        runtime: String,
    },
}

/// What goes to a destination or to the dead letters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sending {
    /// The function whose event it was.
    pub function: FunctionName,
    /// ARN of the role that sends.
    pub role: String,
    /// ARN of the receiver.
    pub to: String,
    /// The body.
    pub body: Bytes,
    /// Attributes of the message, each with whether it is a number: of dead letters alone.
    pub attributes: Vec<(String, bool, String)>,
    /// The moment of the record.
    pub at: Time,
    /// The trace.
    pub trace: String,
}

/// How the handling of an event ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Handled {
    /// The function ran; `failed` by its own error.
    Ran {
        /// whether it ended in an error
        failed: bool,
        /// the version that ran
        version: String,
        /// the payload, if it is not too large to be passed on
        payload: Option<Bytes>,
    },
    /// The function was not reached; it may be later.
    Missed(String),
    /// Reserved concurrency is 0: there is no use in waiting.
    Barred,
    /// There is no such event, or no such function.
    Gone,
}
