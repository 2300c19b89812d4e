//! A queue's attributes: what can be set, their ranges and texts, and how they are shown.

use std::collections::BTreeMap;

use ropeway_api::sqs::error;
use ropeway_wire::Error;
use serde::{Deserialize, Serialize};

use crate::limits;

/// What `SetQueueAttributes` sets, with the defaults of a new queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// `DelaySeconds`.
    pub delay: u32,
    /// `MaximumMessageSize`.
    pub max_size: u32,
    /// `MessageRetentionPeriod`.
    pub retention: u32,
    /// `ReceiveMessageWaitTimeSeconds`.
    pub wait: u32,
    /// `VisibilityTimeout`.
    pub visibility: u32,
    /// `Policy`.
    pub policy: Option<String>,
    /// `RedrivePolicy`.
    pub redrive: Option<Redrive>,
    /// `RedriveAllowPolicy`.
    pub redrive_allow: Option<RedriveAllow>,
    /// `SqsManagedSseEnabled`.
    pub sealed: bool,
    /// `FifoQueue`, which cannot be changed.
    pub fifo: bool,
    /// `ContentBasedDeduplication`.
    pub content_dedup: bool,
    /// `DeduplicationScope` is `messageGroup`.
    pub dedup_by_group: bool,
    /// `FifoThroughputLimit` is `perMessageGroupId`.
    pub limit_by_group: bool,
}

/// A redrive policy: when and where messages go that cannot be processed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Redrive {
    /// ARN of the dead-letter queue.
    pub target: String,
    /// A message that was received so often goes there instead of being received once more.
    pub max_receives: u32,
    /// The policy as it was given.
    pub text: String,
}

/// Which queues may use this one as their dead-letter queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedriveAllow {
    /// Who may.
    pub permission: RedrivePermission,
    /// The policy as it was given.
    pub text: String,
}

/// `redrivePermission` and `sourceQueueArns`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RedrivePermission {
    /// Every queue of the account and region.
    AllowAll,
    /// None.
    DenyAll,
    /// These.
    ByQueue(Vec<String>),
}

impl RedriveAllow {
    /// Whether a queue may name this one in its redrive policy.
    pub fn allows(&self, source: &str) -> bool {
        match &self.permission {
            RedrivePermission::AllowAll => true,
            RedrivePermission::DenyAll => false,
            RedrivePermission::ByQueue(queues) => queues.iter().any(|queue| queue == source),
        }
    }
}

impl Settings {
    /// Those of a new queue.
    pub fn new(fifo: bool) -> Self {
        Settings {
            delay: 0,
            max_size: limits::MESSAGE_SIZE.1,
            retention: limits::DEFAULT_RETENTION,
            wait: 0,
            visibility: limits::DEFAULT_VISIBILITY,
            policy: None,
            redrive: None,
            redrive_allow: None,
            sealed: true,
            fifo,
            content_dedup: false,
            dedup_by_group: false,
            limit_by_group: false,
        }
    }

    /// Sets one attribute.
    ///
    /// # Errors
    /// `InvalidAttributeName` for one that is unknown, that this kind of queue does not have, or that
    /// cannot be set; `InvalidAttributeValue` or `InvalidParameterValue` for a value out of its range.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), Error> {
        match name {
            "DelaySeconds" => self.delay = number(name, value, limits::DELAY)?,
            "MaximumMessageSize" => self.max_size = number(name, value, limits::MESSAGE_SIZE)?,
            "MessageRetentionPeriod" => self.retention = number(name, value, limits::RETENTION)?,
            "ReceiveMessageWaitTimeSeconds" => self.wait = number(name, value, limits::WAIT)?,
            "VisibilityTimeout" => self.visibility = number(name, value, limits::VISIBILITY)?,
            "Policy" => self.policy = policy(value)?,
            "RedrivePolicy" => self.redrive = redrive(value)?,
            "RedriveAllowPolicy" => self.redrive_allow = redrive_allow(value)?,
            "SqsManagedSseEnabled" => self.sealed = boolean(name, value)?,
            "KmsMasterKeyId" if value.is_empty() => {}
            "KmsMasterKeyId" | "KmsDataKeyReusePeriodSeconds" => return Err(not_implemented(name)),
            "FifoQueue" if self.fifo && value == "true" => {}
            "ContentBasedDeduplication" if self.fifo => self.content_dedup = boolean(name, value)?,
            "DeduplicationScope" if self.fifo => {
                self.dedup_by_group = choice(name, value, ["queue", "messageGroup"])?;
            }
            "FifoThroughputLimit" if self.fifo => {
                self.limit_by_group = choice(name, value, ["perQueue", "perMessageGroupId"])?;
            }
            _ => return Err(unknown_attribute(name)),
        }
        Ok(())
    }

    /// Sets attributes, and checks those that depend on each other.
    ///
    /// # Errors
    /// As [`Settings::set`]; `InvalidAttributeValue` for a throughput limit per group without
    /// deduplication per group.
    pub fn set_all(&mut self, attributes: &BTreeMap<String, String>) -> Result<(), Error> {
        for (name, value) in attributes {
            self.set(name, value)?;
        }
        if self.limit_by_group && !self.dedup_by_group {
            return Err(error::invalid_attribute_value(
                "Invalid value for the parameter FifoThroughputLimit. The value perMessageGroupId is allowed \
                 only when the value for DeduplicationScope is messageGroup.",
            ));
        }
        Ok(())
    }

    /// The value of a settable attribute as `GetQueueAttributes` shows it; `None` if it has none.
    pub fn get(&self, name: &str) -> Option<String> {
        match name {
            "DelaySeconds" => Some(self.delay.to_string()),
            "MaximumMessageSize" => Some(self.max_size.to_string()),
            "MessageRetentionPeriod" => Some(self.retention.to_string()),
            "ReceiveMessageWaitTimeSeconds" => Some(self.wait.to_string()),
            "VisibilityTimeout" => Some(self.visibility.to_string()),
            "Policy" => self.policy.clone(),
            "RedrivePolicy" => self.redrive.as_ref().map(|r| r.text.clone()),
            "RedriveAllowPolicy" => self.redrive_allow.as_ref().map(|r| r.text.clone()),
            "SqsManagedSseEnabled" => Some(self.sealed.to_string()),
            "FifoQueue" => self.fifo.then(|| "true".to_owned()),
            "ContentBasedDeduplication" => self.fifo.then(|| self.content_dedup.to_string()),
            "DeduplicationScope" => {
                self.fifo.then(|| if self.dedup_by_group { "messageGroup" } else { "queue" }.to_owned())
            }
            "FifoThroughputLimit" => self
                .fifo
                .then(|| if self.limit_by_group { "perMessageGroupId" } else { "perQueue" }.to_owned()),
            _ => None,
        }
    }
}

/// The attributes that [`Settings::get`] knows.
pub const SETTABLE: [&str; 13] = [
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "DelaySeconds",
    "FifoQueue",
    "FifoThroughputLimit",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "Policy",
    "ReceiveMessageWaitTimeSeconds",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
    "VisibilityTimeout",
];

/// The error for an attribute that a queue does not have.
pub fn unknown_attribute(name: &str) -> Error {
    error::invalid_attribute_name(format!("Unknown Attribute {name}."))
}

fn not_implemented(name: &str) -> Error {
    error::unsupported_operation(format!(
        "Ropeway does not implement the attribute {name}: messages are encrypted under the service's own key."
    ))
}

fn bad_value(name: &str) -> Error {
    error::invalid_attribute_value(format!("Invalid value for the parameter {name}."))
}

fn number(name: &str, value: &str, (least, most): (u32, u32)) -> Result<u32, Error> {
    let number: u32 = value.parse().map_err(|_| bad_value(name))?;
    if (least..=most).contains(&number) { Ok(number) } else { Err(bad_value(name)) }
}

fn boolean(name: &str, value: &str) -> Result<bool, Error> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(bad_value(name)),
    }
}

/// True for the second of two values.
fn choice(name: &str, value: &str, values: [&str; 2]) -> Result<bool, Error> {
    match values.iter().position(|v| *v == value) {
        Some(place) => Ok(place == 1),
        None => Err(bad_value(name)),
    }
}

/// An empty policy removes it.
fn policy(value: &str) -> Result<Option<String>, Error> {
    if value.is_empty() {
        return Ok(None);
    }
    let is_object = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(value).is_ok();
    if !is_object || value.len() > limits::POLICY {
        return Err(bad_value("Policy"));
    }
    Ok(Some(value.to_owned()))
}

fn bad_redrive(text: &str, reason: &str) -> Error {
    limits::invalid_value(text, "RedrivePolicy", reason)
}

fn redrive(text: &str) -> Result<Option<Redrive>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > limits::POLICY {
        return Err(bad_value("RedrivePolicy"));
    }
    let map: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text)
        .map_err(|_| bad_redrive(text, "Redrive policy is not a valid JSON map."))?;
    let member = |name: &str| {
        let missing =
            || bad_redrive(text, &format!("Redrive policy does not contain mandatory attribute: {name}."));
        map.get(name).ok_or_else(missing)
    };
    let target = member("deadLetterTargetArn")?;
    let count = member("maxReceiveCount")?;
    if let Some(name) = map.keys().find(|n| *n != "deadLetterTargetArn" && *n != "maxReceiveCount") {
        return Err(bad_redrive(text, &format!("Redrive policy contains unsupported attribute: {name}.")));
    }
    let target = target.as_str().filter(|arn| crate::address::parse_arn(arn).is_some());
    let target = target.ok_or_else(|| bad_redrive(text, "Invalid value for deadLetterTargetArn."))?;
    // Templates give the count as a number or as text, and SQS takes both.
    let shown = count.as_str().map_or_else(|| count.to_string(), str::to_owned);
    let (least, most) = limits::MAX_RECEIVES;
    let max_receives = shown.parse().ok().filter(|n| (least..=most).contains(n)).ok_or_else(|| {
        let range = format!("valid values are from {least} to {most} both inclusive.");
        bad_redrive(text, &format!("Invalid value for maxReceiveCount: {shown}, {range}"))
    })?;
    Ok(Some(Redrive { target: target.to_owned(), max_receives, text: text.to_owned() }))
}

fn redrive_allow(text: &str) -> Result<Option<RedriveAllow>, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Form {
        redrive_permission: String,
        #[serde(default)]
        source_queue_arns: Vec<String>,
    }
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > limits::POLICY {
        return Err(bad_value("RedriveAllowPolicy"));
    }
    let bad = |reason: &str| limits::invalid_value(text, "RedriveAllowPolicy", reason);
    let form: Form = serde_json::from_str(text)
        .map_err(|_| bad("RedriveAllowPolicy is not a valid JSON map of its attributes."))?;
    let queues = form.source_queue_arns;
    let permission = match form.redrive_permission.as_str() {
        "allowAll" if queues.is_empty() => RedrivePermission::AllowAll,
        "denyAll" if queues.is_empty() => RedrivePermission::DenyAll,
        "allowAll" | "denyAll" => {
            return Err(bad("sourceQueueArns can be given only when redrivePermission is byQueue."));
        }
        "byQueue" if queues.is_empty() || queues.len() > limits::ALLOWED_SOURCES => {
            return Err(bad("sourceQueueArns must name 1 to 10 queues when redrivePermission is byQueue."));
        }
        "byQueue" => RedrivePermission::ByQueue(queues),
        _ => return Err(bad("redrivePermission must be allowAll, denyAll or byQueue.")),
    };
    Ok(Some(RedriveAllow { permission, text: text.to_owned() }))
}
