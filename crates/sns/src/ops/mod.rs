//! The operations: wire input to command, and what it answers to wire output.

mod attributes;
mod permissions;
mod publish;
mod signatures;
mod subscriptions;
mod tags;
mod topics;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ropeway_api::sns as api;
use ropeway_core::{Core, Fault};
use ropeway_wire::{Cx, Error, Roles};

use self::signatures::Signatures;
use crate::Signing;
use crate::commands::{Command, Output, SnsMachine};
use crate::keys::{self, TopicName};
use crate::settings::invalid;

/// Entries of a page of a list.
const PAGE: u32 = 100;

/// The service.
pub struct Sns {
    core: Core,
    roles: Arc<dyn Roles>,
    signatures: Signatures,
}

impl Sns {
    pub(crate) fn new(core: Core, roles: Arc<dyn Roles>, signing: Arc<Signing>) -> Self {
        Sns { core, roles, signatures: Signatures::new(signing) }
    }

    /// Applies a command in the shard of its topic.
    async fn submit(&self, cx: &Cx, topic: &TopicName, command: Command) -> Result<Output, Error> {
        let shard = self.core.shard_of(&topic.arn());
        self.core.submit::<SnsMachine>(shard, &cx.trace, command).await
    }
}

/// A command's answer is not of the kind that it gives.
fn unexpected() -> Error {
    Fault::Damaged("another command's answer".to_owned()).into()
}

/// The topic of an ARN that a request named by `parameter`; it must be of the request's region.
fn topic_of(cx: &Cx, parameter: &str, arn: &str) -> Result<TopicName, Error> {
    check_elements(parameter, arn)?;
    TopicName::parse(arn).filter(|topic| topic.scope.region == cx.region).ok_or_else(|| invalid(parameter))
}

/// The topic and the id of a subscription's ARN.
fn subscription_of(cx: &Cx, arn: &str) -> Result<(TopicName, String), Error> {
    check_elements("SubscriptionArn", arn)?;
    let found = keys::parse_subscription(arn).filter(|(topic, _)| topic.scope.region == cx.region);
    found.map(|(topic, id)| (topic, id.to_owned())).ok_or_else(|| invalid("SubscriptionArn"))
}

fn check_elements(parameter: &str, arn: &str) -> Result<(), Error> {
    match arn.split(':').count() {
        count @ 0..6 => Err(invalid(format_args!(
            "{parameter} Reason: An ARN must have at least 6 elements, not {count}"
        ))),
        _ => Ok(()),
    }
}

/// The last name of a page, as a token that means nothing to its reader.
fn token(name: &str) -> String {
    BASE64.encode(name)
}

fn parse_token(token: Option<String>) -> Result<Option<String>, Error> {
    let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(None) };
    let bytes = BASE64.decode(token).map_err(|_| invalid("NextToken"))?;
    let name = String::from_utf8(bytes).ok().filter(|name| !name.contains('\0') && name.len() <= 1024);
    name.map(Some).ok_or_else(|| invalid("NextToken"))
}

macro_rules! operations {
    ($($module:ident::$name:ident($input:ident) -> $output:ident;)*) => {
        impl api::Sns for Sns {
            $(async fn $name(&self, cx: &Cx, input: api::$input) -> Result<api::$output, Error> {
                $module::$name(self, cx, input).await
            })*
        }
    };
}

operations! {
    permissions::add_permission(AddPermissionInput) -> AddPermissionOutput;
    subscriptions::confirm_subscription(ConfirmSubscriptionInput) -> ConfirmSubscriptionOutput;
    topics::create_topic(CreateTopicInput) -> CreateTopicOutput;
    topics::delete_topic(DeleteTopicInput) -> DeleteTopicOutput;
    subscriptions::get_subscription_attributes(GetSubscriptionAttributesInput) -> GetSubscriptionAttributesOutput;
    topics::get_topic_attributes(GetTopicAttributesInput) -> GetTopicAttributesOutput;
    subscriptions::list_subscriptions(ListSubscriptionsInput) -> ListSubscriptionsOutput;
    subscriptions::list_subscriptions_by_topic(ListSubscriptionsByTopicInput) -> ListSubscriptionsByTopicOutput;
    tags::list_tags_for_resource(ListTagsForResourceInput) -> ListTagsForResourceOutput;
    topics::list_topics(ListTopicsInput) -> ListTopicsOutput;
    publish::publish(PublishInput) -> PublishOutput;
    publish::publish_batch(PublishBatchInput) -> PublishBatchOutput;
    permissions::remove_permission(RemovePermissionInput) -> RemovePermissionOutput;
    subscriptions::set_subscription_attributes(SetSubscriptionAttributesInput) -> SetSubscriptionAttributesOutput;
    topics::set_topic_attributes(SetTopicAttributesInput) -> SetTopicAttributesOutput;
    subscriptions::subscribe(SubscribeInput) -> SubscribeOutput;
    tags::tag_resource(TagResourceInput) -> TagResourceOutput;
    subscriptions::unsubscribe(UnsubscribeInput) -> UnsubscribeOutput;
    tags::untag_resource(UntagResourceInput) -> UntagResourceOutput;
}
