//! The operations: wire input to command, and what it answers to wire output.

mod events;
mod filters;
mod groups;
mod put;
mod streams;
mod tags;

use std::sync::Arc;

use ropeway_api::logs::{self as api, SERVICE, error};
use ropeway_core::seal::MasterKey;
use ropeway_core::{Core, Fault};
use ropeway_wire::{Cx, Error, Gate, Keys, Roles, Services};

use crate::commands::{Command, LogsMachine, Output};
use crate::keys::GroupName;
use crate::model::{Group, Stats};

/// What the service needs of the server.
#[derive(Clone)]
pub struct Setup {
    /// Decides who may do what.
    pub gate: Arc<dyn Gate>,
    /// Gives roles to services.
    pub roles: Arc<dyn Roles>,
    /// The key that events are sealed under.
    pub master: MasterKey,
    /// The other services.
    pub services: Arc<Services>,
}

/// The service.
pub struct Logs {
    core: Core,
    setup: Setup,
}

impl Logs {
    pub(crate) fn new(core: Core, setup: Setup) -> Self {
        Logs { core, setup }
    }

    /// Applies a command in the shard of its group.
    async fn submit(&self, cx: &Cx, group: &GroupName, command: Command) -> Result<Output, Error> {
        let shard = self.core.shard_of(&group.arn());
        self.core.submit::<LogsMachine>(shard, &cx.trace, command).await.map_err(said)
    }

    /// Reads a group.
    async fn read(&self, cx: &Cx, group: &GroupName) -> Result<(Group, Stats), Error> {
        match self.submit(cx, group, Command::ReadGroup { group: group.clone() }).await? {
            Output::Group(group, stats) => Ok((*group, stats)),
            _ => Err(unexpected()),
        }
    }
}

/// The service's own code for what the core calls unavailable.
fn said(error: Error) -> Error {
    match &*error.code {
        "ServiceUnavailable" => error::service_unavailable_exception(error.message),
        _ => error,
    }
}

/// A command's answer is not of the kind that it gives.
pub(crate) fn unexpected() -> Error {
    Fault::Damaged("another command's answer".to_owned()).into()
}

/// The error for a parameter that is wrong.
pub(crate) fn invalid(why: impl Into<String>) -> Error {
    error::invalid_parameter_exception(why)
}

/// The caller's group of a name.
fn named(cx: &Cx, name: &str) -> GroupName {
    GroupName::new(&cx.account, &cx.region, name)
}

/// The group of a name or an ARN; of the caller's account and region.
fn identified(cx: &Cx, identifier: &str) -> Result<GroupName, Error> {
    if !identifier.starts_with("arn:") {
        return Ok(named(cx, identifier));
    }
    let group = GroupName::parse(identifier);
    let own = |group: &GroupName| group.scope.account == cx.account && group.scope.region == cx.region;
    group.filter(own).ok_or_else(|| invalid(format!("Invalid log group identifier: {identifier}")))
}

/// The group that one of two members names.
fn either(cx: &Cx, name: Option<String>, identifier: Option<String>) -> Result<GroupName, Error> {
    match (name, identifier) {
        (Some(name), None) => Ok(named(cx, &name)),
        (None, Some(identifier)) => identified(cx, &identifier),
        (None, None) => Err(invalid("Either logGroupName or logGroupIdentifier must be specified.")),
        (Some(_), Some(_)) => {
            Err(invalid("LogGroup name and LogGroup identifier are mutually exclusive parameters."))
        }
    }
}

/// Asks whether the caller may do this with a resource that no single member names.
fn authorize(cx: &Cx, action: &str, resource: &str) -> Result<(), Error> {
    cx.authorize(&SERVICE, action, resource, &Keys::default())
}

/// A token for the next page: opaque to the caller.
fn token(place: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(place)
}

/// What a token says.
fn parse_token(token: &str) -> Result<String, Error> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token).ok();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(bad_token)
}

fn bad_token() -> Error {
    invalid("The specified nextToken is invalid.")
}

macro_rules! operations {
    ($($module:ident::$name:ident($input:ident) -> $output:ident;)*) => {
        impl api::Logs for Logs {
            $(async fn $name(&self, cx: &Cx, input: api::$input) -> Result<api::$output, Error> {
                $module::$name(self, cx, input).await
            })*
        }
    };
}

operations! {
    groups::create_log_group(CreateLogGroupInput) -> CreateLogGroupOutput;
    groups::delete_log_group(DeleteLogGroupInput) -> DeleteLogGroupOutput;
    groups::describe_log_groups(DescribeLogGroupsInput) -> DescribeLogGroupsOutput;
    groups::list_log_groups(ListLogGroupsInput) -> ListLogGroupsOutput;
    groups::put_retention_policy(PutRetentionPolicyInput) -> PutRetentionPolicyOutput;
    groups::delete_retention_policy(DeleteRetentionPolicyInput) -> DeleteRetentionPolicyOutput;
    groups::put_log_group_deletion_protection(PutLogGroupDeletionProtectionInput) -> PutLogGroupDeletionProtectionOutput;
    tags::tag_log_group(TagLogGroupInput) -> TagLogGroupOutput;
    tags::untag_log_group(UntagLogGroupInput) -> UntagLogGroupOutput;
    tags::list_tags_log_group(ListTagsLogGroupInput) -> ListTagsLogGroupOutput;
    tags::tag_resource(TagResourceInput) -> TagResourceOutput;
    tags::untag_resource(UntagResourceInput) -> UntagResourceOutput;
    tags::list_tags_for_resource(ListTagsForResourceInput) -> ListTagsForResourceOutput;
    streams::create_log_stream(CreateLogStreamInput) -> CreateLogStreamOutput;
    streams::delete_log_stream(DeleteLogStreamInput) -> DeleteLogStreamOutput;
    streams::describe_log_streams(DescribeLogStreamsInput) -> DescribeLogStreamsOutput;
    put::put_log_events(PutLogEventsInput) -> PutLogEventsOutput;
    events::get_log_events(GetLogEventsInput) -> GetLogEventsOutput;
    events::filter_log_events(FilterLogEventsInput) -> FilterLogEventsOutput;
    filters::put_subscription_filter(PutSubscriptionFilterInput) -> PutSubscriptionFilterOutput;
    filters::describe_subscription_filters(DescribeSubscriptionFiltersInput) -> DescribeSubscriptionFiltersOutput;
    filters::delete_subscription_filter(DeleteSubscriptionFilterInput) -> DeleteSubscriptionFilterOutput;
    filters::test_metric_filter(TestMetricFilterInput) -> TestMetricFilterOutput;
}
