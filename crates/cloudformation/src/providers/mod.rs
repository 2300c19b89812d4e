//! Providers: what CloudFormation does for each resource type.
//!
//! A provider is a table of properties and four calls of the type's own service, made as the principal
//! that the stack's operation acts for. Calls may come again after a crash, so each is idempotent: a
//! creation goes by a name that was committed before it began, and takes what that name already
//! stands for as its own; a deletion takes what is not there as deleted.

mod apigateway;
mod apigateway_domains;
mod apigateway_keys;
mod apigateway_methods;
mod apigateway_v2;
mod apigateway_v2_domains;
mod apigateway_v2_stage;
mod cloudtrail;
mod custom;
mod documents;
mod firehose;
mod iam;
mod iam_policies;
mod identity;
mod import;
mod lambda;
mod lambda_access;
mod lambda_events;
mod lambda_inline;
mod logs;
mod nested;
mod queue_policies;
mod s3;
mod s3_lifecycle;
mod s3_serving;
mod sns;
mod sqs;
mod transform;
mod wait;

pub use custom::NO_ECHO;
pub use import::{identifier, name_of};
pub use nested::MAX_DEPTH;

use std::collections::BTreeMap;
use std::sync::Arc;

use ropeway_core::{Core, Time};
use ropeway_wire::{BoxFuture, Cx, Error, Input, Services, protocol};
use serde_json::Value as Json;

use crate::commands::{Command, Output, Snapshot, Stacks};
use crate::keys::StackKey;
use crate::model::Phase;
use crate::responses::Addresses;
use crate::template::{Awaited, CUSTOM, Kind, Property, ResourceType, Types, is_custom};

/// A resource as its provider sees it.
pub struct Subject<'a> {
    /// Every service.
    pub services: &'a Arc<Services>,
    /// In whose name.
    pub cx: &'a Cx,
    /// The stack.
    pub stack: &'a StackKey,
    /// The name in the template.
    pub logical_id: &'a str,
    /// Its name: the template's or a generated one.
    pub name: &'a str,
    /// The physical id, once it has one.
    pub physical_id: &'a str,
    /// The evaluated properties, of the kinds that the table says.
    pub properties: &'a Json,
    /// The type, as the template spells it.
    pub resource_type: &'a str,
    /// Where the stack's rows are.
    pub core: &'a Core,
    /// What those outside answer to.
    pub addresses: &'a Addresses,
    /// The stack and its operation.
    pub whole: &'a Snapshot,
    /// The operation that the call belongs to: the resource's, and another one for each of its calls that is repeated.
    pub operation: &'a str,
    /// The signals that its creation waits for.
    pub awaits: Option<Awaited>,
}

impl Subject<'_> {
    /// Calls an operation; its input is given as JSON by the model's names.
    pub async fn call<I: Input>(&self, input: Json) -> Result<I::Output, Error> {
        self.call_in::<I>(&self.cx.region, input).await
    }

    /// Calls an operation in a region.
    pub async fn call_in<I: Input>(&self, region: &str, input: Json) -> Result<I::Output, Error> {
        let operation = I::SERVICE.operations.iter().find(|operation| operation.name == I::OPERATION);
        let operation =
            operation.ok_or_else(|| Error::internal(format!("{} is not listed", I::OPERATION)))?;
        let input: I = protocol::from_json(input.to_string().as_bytes(), &operation.input)?;
        // Tags that the template or the stack give are looked at before they come here.
        let cx = Cx { region: region.to_owned(), system_tags: true, ..self.cx.clone() };
        self.services.call(cx, input).await
    }

    /// Applies a command to the stack's rows.
    pub async fn submit(&self, command: Command) -> Result<Output, Error> {
        let shard = self.stack.shard_in(self.core);
        self.core.submit::<Stacks>(shard, &self.cx.trace, command).await
    }

    /// Whether the update that the call belongs to shall be given up: it waits for nobody.
    pub fn is_cancelled(&self) -> bool {
        let operation = &self.whole.operation;
        operation.cancelled && operation.phase == Phase::Forward
    }

    /// A property; null if it is not there.
    pub fn property(&self, name: &str) -> &Json {
        property(self.properties, name)
    }
}

/// Why a creation fails whose update is given up. Source: events, as users report them.
const CREATION_CANCELLED: &str = "Resource creation cancelled";
/// The same of an update.
const UPDATE_CANCELLED: &str = "Resource update cancelled";

/// What a creation or an update leaves.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Made {
    /// The physical id.
    pub physical_id: String,
    /// What `Fn::GetAtt` gives.
    pub attributes: BTreeMap<String, String>,
}

impl Made {
    /// A resource of this physical id, with these attributes.
    pub fn new(physical_id: impl Into<String>, attributes: &[(&str, &str)]) -> Self {
        let attributes = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self { physical_id: physical_id.into(), attributes: attributes.collect() }
    }
}

/// Why a call did not succeed.
#[derive(Debug, Clone)]
pub enum Failure {
    /// Nothing came of it.
    Refused(Error),
    /// It failed when something, of this physical id, was there already.
    Partial(String, Error),
    /// It is not over: ask again.
    Pending,
    /// Somebody outside is at work: ask again when there is word, or at this moment.
    Waiting(Time),
    /// It failed, in these words; something of this physical id may be there.
    Said(Option<String>, String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// The outcome of a step that follows the creation itself.
pub fn after_creation<T>(physical_id: &str, result: Result<T, Error>) -> Result<T, Failure> {
    result.map_err(|error| Failure::Partial(physical_id.to_owned(), error))
}

/// What CloudFormation does for a resource type.
pub trait Provider: Send + Sync {
    /// The type.
    fn resource_type(&self) -> &'static ResourceType;

    /// The property that gives the resource a name of its author's choice.
    fn name_property(&self) -> Option<&'static str> {
        None
    }

    /// What generated names end with.
    fn suffix(&self, _properties: &Json) -> &'static str {
        ""
    }

    /// Whether a change of properties that are updated conditionally makes a new resource.
    fn replaces(&self, _old: &Json, _new: &Json) -> bool {
        false
    }

    /// Whether something has the name already. Asked before the creation of what the template names.
    fn exists<'a>(&'a self, _subject: &'a Subject<'a>) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async { Ok(false) })
    }

    /// Makes it.
    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>>;

    /// Changes it from what `old` says into what the subject says.
    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>>;

    /// Makes it what it was before the stack's update, which fails: the subject says what that was. Asked of types that
    /// every update looks at; others are updated back.
    fn restore<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        self.update(subject, subject.properties)
    }

    /// The stack's update has succeeded: what it has changed stays.
    fn commit<'a>(&'a self, _subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async { Ok(()) })
    }

    /// Deletes it.
    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>>;
}

/// Every provider.
static PROVIDERS: &[&dyn Provider] = &[
    &apigateway::Account,
    &apigateway::Deployment,
    &apigateway::Resource,
    &apigateway::RestApi,
    &apigateway::Stage,
    &apigateway_keys::ApiKey,
    &apigateway_keys::UsagePlan,
    &apigateway_keys::UsagePlanKey,
    &apigateway_domains::DomainName,
    &apigateway_domains::BasePathMapping,
    &apigateway_methods::Authorizer,
    &apigateway_methods::GatewayResponse,
    &apigateway_methods::Method,
    &apigateway_methods::Model,
    &apigateway_methods::RequestValidator,
    &apigateway_v2::Api,
    &apigateway_v2::Authorizer,
    &apigateway_v2::Deployment,
    &apigateway_v2::Integration,
    &apigateway_v2::Route,
    &apigateway_v2_domains::ApiMapping,
    &apigateway_v2_domains::DomainName,
    &apigateway_v2_stage::Stage,
    &cloudtrail::Trail,
    &firehose::DeliveryStream,
    &iam::Group,
    &iam::ManagedPolicy,
    &iam::Role,
    &iam::User,
    &iam_policies::GroupPolicy,
    &iam_policies::Policy,
    &iam_policies::RolePolicy,
    &iam_policies::UserPolicy,
    &lambda::Alias,
    &lambda::Function,
    &lambda::Version,
    &lambda_access::LayerVersion,
    &lambda_access::LayerVersionPermission,
    &lambda_access::Permission,
    &lambda_access::Url,
    &lambda_events::EventInvokeConfig,
    &lambda_events::EventSourceMapping,
    &logs::LogGroup,
    &logs::LogStream,
    &logs::SubscriptionFilter,
    &queue_policies::QueueInlinePolicy,
    &queue_policies::QueuePolicy,
    &s3::Bucket,
    &s3::BucketPolicy,
    &sns::Subscription,
    &sns::Topic,
    &sns::TopicPolicy,
    &sqs::Queue,
    &transform::Macro,
    &custom::CustomResource,
    &nested::Stack,
    &wait::CdkMetadata,
    &wait::WaitCondition,
    &wait::WaitConditionHandle,
];

/// `Tags`, as most types have them.
const TAGS: Property = Property::new(
    "Tags",
    Kind::List(&Kind::Structure(&[
        Property::new("Key", Kind::String).required(),
        Property::new("Value", Kind::String).required(),
    ])),
);

/// The provider of a type.
pub fn of(resource_type: &str) -> Option<&'static dyn Provider> {
    let resource_type = if is_custom(resource_type) { CUSTOM } else { resource_type };
    PROVIDERS.iter().find(|provider| provider.resource_type().name == resource_type).copied()
}

/// The resource types that there are.
pub struct Registry;

impl Types for Registry {
    fn resource_type(&self, name: &str) -> Option<&ResourceType> {
        of(name).map(|provider| provider.resource_type())
    }
}

/// A member of an object; null if it is not there.
pub fn property<'a>(object: &'a Json, name: &str) -> &'a Json {
    object.get(name).unwrap_or(&Json::Null)
}

/// Text of a scalar, or the JSON of anything else.
pub fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The texts of a list.
pub fn texts(list: &Json) -> Vec<String> {
    list.as_array().map(|items| items.iter().map(text).collect()).unwrap_or_default()
}

/// An object without its nulls.
pub fn object<const N: usize>(members: [(&str, Json); N]) -> Json {
    members
        .into_iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Tags by key. A template's `Tags` are a list of keys and values.
pub fn tags(properties: &Json) -> BTreeMap<String, String> {
    let tags = property(properties, "Tags").as_array().map(Vec::as_slice).unwrap_or_default();
    tags.iter().map(|tag| (text(property(tag, "Key")), text(property(tag, "Value")))).collect()
}

/// What an update does to tags: those to set, and keys to remove.
pub fn tag_changes(old: &Json, new: &Json) -> (BTreeMap<String, String>, Vec<String>) {
    let (old, new) = (tags(old), tags(new));
    let gone = old.keys().filter(|key| !new.contains_key(*key)).cloned().collect();
    let set = new.into_iter().filter(|(key, value)| old.get(key) != Some(value)).collect();
    (set, gone)
}

/// Tags in the form of most services: a list of keys and values.
pub fn tag_list(tags: &BTreeMap<String, String>) -> Json {
    tags.iter().map(|(key, value)| serde_json::json!({ "Key": key, "Value": value })).collect()
}

/// Success if the error's code is one of these: what was to be deleted is not there.
pub fn unless<T>(result: Result<T, Error>, codes: &[&str]) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if codes.contains(&error.code.as_ref()) => Ok(None),
        Err(error) => Err(error),
    }
}
