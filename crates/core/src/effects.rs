//! Effects between services: the commands that one service leaves for another's machine.
//!
//! A service crate does not depend on another, so what crosses the border stands here. Each enum
//! mirrors the first variants of the receiving machine's command, so that both have the same binary
//! form; the receiver proves it in a test. Fields and variants are only ever added at the end.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// What may be sent to the queue machines ([`crate::keys::Space::Sqs`]), in the shard of the queue's ARN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SqsCommand {
    /// A message from a service.
    ///
    /// Refused for good if the queue does not exist, its policy does not let the service send, or
    /// the message is none that the queue takes.
    Deliver(QueueDelivery),
}

/// A message that a service sends to a queue, on behalf of one of its resources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueDelivery {
    /// The queue's ARN.
    pub queue: String,
    /// The service that sends: its host name as policies name it (`sns.amazonaws.com`).
    pub principal: String,
    /// ARN of the resource on whose behalf it sends: the policy's `aws:SourceArn`.
    pub source_arn: String,
    /// Account of that resource: the policy's `aws:SourceAccount`.
    pub source_account: String,
    /// The message's body.
    pub body: String,
    /// The message's attributes, at most 10.
    pub attributes: BTreeMap<String, MessageAttribute>,
    /// The message's group; FIFO queues need one.
    pub group: Option<String>,
    /// The deduplication id; a FIFO queue without content-based deduplication needs one.
    pub deduplication_id: Option<String>,
    /// The X-Ray header that the consumer gets as `AWSTraceHeader`.
    pub trace_header: Option<String>,
}

/// An attribute of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageAttribute {
    /// `String`, `Number` or `Binary`, or one of these with a label (`Number.int`).
    pub data_type: String,
    /// The value, of the kind that the type says.
    pub value: AttributeValue,
}

/// The value of a message's attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AttributeValue {
    /// Of the types `String` and `Number`.
    Text(String),
    /// Of the type `Binary`.
    Binary(Bytes),
}

/// What may be sent to the machines of delivery streams ([`crate::keys::Space::Firehose`]), in the shard of the
/// stream's ARN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FirehoseCommand {
    /// A record from a service.
    ///
    /// Refused for good if the stream does not exist, or the role may not put records into it.
    Deliver(StreamDelivery),
}

/// A record that a service puts into a delivery stream, on behalf of one of its resources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamDelivery {
    /// The stream's ARN.
    pub stream: String,
    /// The service that puts: its host name as trust policies name it (`sns.amazonaws.com`).
    pub principal: String,
    /// ARN of the role that the service acts as.
    pub role: String,
    /// ARN of the resource on whose behalf it puts: `aws:SourceArn`.
    pub source_arn: String,
    /// Account of that resource: `aws:SourceAccount`.
    pub source_account: String,
    /// The record.
    pub data: Bytes,
}

/// What may be sent to the machines of functions ([`crate::keys::Space::Lambda`]), in the shard of the
/// function's ARN without a qualifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LambdaCommand {
    /// An asynchronous event from a service.
    ///
    /// Refused for good if the function does not exist, its policy does not let the service invoke
    /// it, or the event is larger than 1 MiB.
    Deliver(FunctionDelivery),
}

/// An event that a service sends to a function, on behalf of one of its resources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionDelivery {
    /// The function's ARN, with a version or an alias where one is meant.
    pub function: String,
    /// The service that sends: its host name as policies name it (`sns.amazonaws.com`).
    pub principal: String,
    /// ARN of the resource on whose behalf it sends: the policy's `aws:SourceArn`.
    pub source_arn: String,
    /// Account of that resource: the policy's `aws:SourceAccount`.
    pub source_account: String,
    /// The event: JSON.
    pub payload: Bytes,
    /// The X-Ray header that the function gets.
    pub trace_header: Option<String>,
}

/// What may be sent to the topic machines ([`crate::keys::Space::Sns`]), in the shard of the topic's ARN.
///
/// The machine had commands before it took these, so this enum writes the number of its variant itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SnsCommand {
    /// A message from a service.
    ///
    /// Refused for good if the topic does not exist, its policy does not let the service publish, or
    /// the message is none that the topic takes.
    Deliver(TopicDelivery),
}

impl SnsCommand {
    /// Number of the variant in the machine's command.
    const DELIVER: u32 = 11;
}

impl Serialize for SnsCommand {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let SnsCommand::Deliver(delivery) = self;
        serializer.serialize_newtype_variant("Command", SnsCommand::DELIVER, "Deliver", delivery)
    }
}

/// A message that a service publishes to a topic, on behalf of one of its resources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicDelivery {
    /// The topic's ARN.
    pub topic: String,
    /// The service that publishes: its host name as policies name it (`s3.amazonaws.com`); or the source account's root,
    /// as an ARN.
    pub principal: String,
    /// ARN of the resource on whose behalf it publishes: the policy's `aws:SourceArn`.
    pub source_arn: String,
    /// Account of that resource: the policy's `aws:SourceAccount`.
    pub source_account: String,
    /// The message.
    pub message: String,
    /// The subject, for protocols that have one.
    pub subject: Option<String>,
    /// The address that links to Ropeway in the message begin with (`http://localhost:4566`).
    pub base_url: String,
}
