//! CreateTopic, DeleteTopic, GetTopicAttributes, SetTopicAttributes, ListTopics.

use std::collections::BTreeMap;

use ropeway_api::sns::{
    CreateTopicInput, CreateTopicOutput, DeleteTopicInput, DeleteTopicOutput, GetTopicAttributesInput,
    GetTopicAttributesOutput, ListTopicsInput, ListTopicsOutput, SERVICE, SetTopicAttributesInput,
    SetTopicAttributesOutput, Topic as Listed,
};
use ropeway_core::keys::Scope;
use ropeway_core::{Time, directory};
use ropeway_wire::{Cx, Error};

use super::{PAGE, Sns, parse_token, token, topic_of, unexpected};
use crate::archive;
use crate::commands::{Command, FifoChange, Output, PRINCIPAL, TopicChange, WantedTopic};
use crate::envelope::timestamp;
use crate::feedback;
use crate::fifo::{Fifo, SUFFIX};
use crate::http::policy as policies;
use crate::keys::{self, TopicName};
use crate::model::{MAX_BYTES, Topic};
use crate::policy;
use crate::settings::{in_attributes, invalid, refused};

/// Most that AWS takes for `MaximumMessageSize`.
const MOST_BYTES: u32 = 1024 * 1024;
/// Most characters of a display name.
const MAX_DISPLAY_NAME: usize = 100;

/// Attributes of AWS's topics that are not implemented, but for the values that say so.
const REFUSED: &[(&str, &str, &str)] = &[
    ("KmsMasterKeyId", "", "KmsMasterKeyId: encryption by a key of one's own"),
    ("TracingConfig", "PassThrough", "TracingConfig Active"),
    ("DataProtectionPolicy", "", "DataProtectionPolicy"),
];

pub async fn create_topic(sns: &Sns, cx: &Cx, input: CreateTopicInput) -> Result<CreateTopicOutput, Error> {
    let mut attributes = input.attributes.unwrap_or_default();
    let in_order =
        attributes.remove("FifoTopic").as_deref().map(|value| truth("FifoTopic", value)).transpose();
    let in_order = in_order.map_err(in_attributes)?.unwrap_or(false);
    check_name(&input.name, in_order)?;
    let topic = TopicName { scope: Scope::new(&*cx.account, &*cx.region), name: input.name };
    let tags = input.tags.map(|tags| super::tags::unique(cx, tags)).transpose()?;
    let mut wanted = WantedTopic { tags, ..Default::default() };
    wanted.fifo = in_order.then(FifoChange::default);
    for (name, value) in attributes {
        match change(&name, value).map_err(in_attributes)? {
            Some(TopicChange::DisplayName(text)) => wanted.display_name = Some(text),
            Some(TopicChange::MaxBytes(bytes)) => wanted.max_bytes = Some(bytes),
            Some(TopicChange::Fifo(said)) if wanted.fifo.is_some() => {
                wanted.fifo = wanted.fifo.map(|fifo| fifo.and(said))
            }
            // A standard topic's ids do not come from content; more is not for it to say.
            Some(TopicChange::Fifo(FifoChange { by_content: Some(false), by_group: None })) => {}
            Some(TopicChange::Fifo(_)) => return Err(invalid(format_args!("Attributes Reason: {name}"))),
            Some(TopicChange::Archive(days)) if in_order => wanted.archive = days,
            Some(TopicChange::Archive(_)) => return Err(invalid(format_args!("Attributes Reason: {name}"))),
            Some(TopicChange::Sha256(sha256)) => wanted.sha256 = Some(sha256),
            Some(TopicChange::Delivery(policy)) => wanted.delivery = policy,
            Some(TopicChange::Feedback(name, value)) => {
                check_role(cx, &name, &value)?;
                if !value.is_empty() {
                    wanted.feedback.insert(name, value);
                }
            }
            Some(TopicChange::Policy(text)) => wanted.policy = Some(text).filter(|text| !text.is_empty()),
            _ => {}
        }
    }
    let command = Command::CreateTopic { topic: topic.clone(), wanted };
    let Output::Topic(made) = sns.submit(cx, &topic, command).await? else { return Err(unexpected()) };
    let list = keys::topics_list(&cx.account, &cx.region);
    let line = directory::Command::Add { list, name: topic.name, value: Vec::new() };
    directory::apply(&sns.core, &cx.trace, line).await?;
    Ok(CreateTopicOutput { topic_arn: Some(made.arn) })
}

/// <https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html>, `Name`.
fn check_name(name: &str, in_order: bool) -> Result<(), Error> {
    match (keys::is_name(name), name.ends_with(SUFFIX), in_order) {
        (true, true, true) | (true, false, false) => Ok(()),
        (_, _, true) => Err(invalid(
            "Fifo Topic names must end with .fifo and must be made up of only uppercase and lowercase ASCII letters, numbers, underscores, and hyphens, and must be between 1 and 256 characters long.",
        )),
        _ => Err(invalid("Topic Name")),
    }
}

/// `true` or `false`, in any case.
fn truth(name: &str, value: &str) -> Result<bool, Error> {
    match value.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(invalid(format_args!("{name}: Invalid value [{value}]. Must be true or false."))),
    }
}

/// The caller must be allowed to hand a role to SNS.
fn check_role(cx: &Cx, name: &str, value: &str) -> Result<(), Error> {
    feedback::role(name, value).map_or(Ok(()), |role| cx.pass_role(&SERVICE, role, PRINCIPAL))
}

/// The change that an attribute's new value makes; `None`: what it says is so anyway.
fn change(name: &str, value: String) -> Result<Option<TopicChange>, Error> {
    match name {
        "DisplayName" if value.chars().count() > MAX_DISPLAY_NAME || value.contains(char::is_control) => {
            Err(invalid("DisplayName"))
        }
        "DisplayName" => Ok(Some(TopicChange::DisplayName(value))),
        "Policy" => {
            if !value.is_empty() {
                policy::check(&value).map_err(invalid)?;
            }
            Ok(Some(TopicChange::Policy(value)))
        }
        "SignatureVersion" => match value.as_str() {
            "1" | "2" => Ok(Some(TopicChange::Sha256(value == "2"))),
            _ => Err(invalid("SignatureVersion")),
        },
        "DeliveryPolicy" if value.is_empty() => Ok(Some(TopicChange::Delivery(None))),
        "DeliveryPolicy" => {
            policies::check_topic(&value)?;
            Ok(Some(TopicChange::Delivery(Some(value))))
        }
        "ArchivePolicy" => Ok(Some(TopicChange::Archive(archive::days(&value)?))),
        "ContentBasedDeduplication" => {
            let by_content = Some(truth(name, &value)?);
            Ok(Some(TopicChange::Fifo(FifoChange { by_content, by_group: None })))
        }
        "FifoThroughputScope" => match value.as_str() {
            "Topic" | "MessageGroup" => {
                let by_group = Some(value == "MessageGroup");
                Ok(Some(TopicChange::Fifo(FifoChange { by_content: None, by_group })))
            }
            _ => Err(invalid("FifoThroughputScope")),
        },
        "MaximumMessageSize" => match value.parse() {
            Ok(bytes @ 1024..=MAX_BYTES) => Ok(Some(TopicChange::MaxBytes(bytes))),
            Ok(1024..=MOST_BYTES) => {
                Err(refused(format_args!("A MaximumMessageSize above {MAX_BYTES} bytes")))
            }
            _ => Err(invalid("MaximumMessageSize")),
        },
        _ => match REFUSED.iter().find(|(refused, ..)| *refused == name) {
            Some((_, taken, _)) if value == *taken => Ok(None),
            Some((.., what)) => Err(refused(what)),
            None if feedback::check(name, &value)? => Ok(Some(TopicChange::Feedback(name.to_owned(), value))),
            None => Err(invalid("AttributeName")),
        },
    }
}

pub async fn delete_topic(sns: &Sns, cx: &Cx, input: DeleteTopicInput) -> Result<DeleteTopicOutput, Error> {
    let topic = topic_of(cx, "TopicArn", &input.topic_arn)?;
    sns.submit(cx, &topic, Command::DeleteTopic { topic: topic.clone() }).await?;
    let list = keys::topics_list(&topic.scope.account, &topic.scope.region);
    let line = directory::Command::Remove { list, name: topic.name };
    directory::apply(&sns.core, &cx.trace, line).await?;
    Ok(DeleteTopicOutput {})
}

pub async fn get_topic_attributes(
    sns: &Sns,
    cx: &Cx,
    input: GetTopicAttributesInput,
) -> Result<GetTopicAttributesOutput, Error> {
    let name = topic_of(cx, "TopicArn", &input.topic_arn)?;
    let command = Command::ReadTopic { topic: name.clone() };
    let Output::Topic(topic) = sns.submit(cx, &name, command).await? else { return Err(unexpected()) };
    Ok(GetTopicAttributesOutput { attributes: Some(shown(&name, *topic, sns.core.clock().now())) })
}

fn shown(name: &TopicName, topic: Topic, now: Time) -> BTreeMap<String, String> {
    // AWS tells this one only where it was set.
    let max_bytes = topic.max_bytes.map(|bytes| ("MaximumMessageSize", bytes.to_string()));
    let scope = |fifo: &Fifo| if fifo.by_group { "MessageGroup" } else { "Topic" }.to_owned();
    let fifo = topic.more.fifo.iter().flat_map(|fifo| {
        [
            ("FifoTopic", "true".to_owned()),
            ("ContentBasedDeduplication", fifo.by_content.to_string()),
            ("FifoThroughputScope", scope(fifo)),
        ]
    });
    let fifo: Vec<(&str, String)> = fifo.collect();
    let archive = topic.archive.as_ref().and_then(|archive| {
        let beginning = timestamp(archive.beginning(now));
        Some([("ArchivePolicy", archive.policy()?), ("BeginningArchiveTime", beginning)])
    });
    // These, too, are told only where they were set.
    let signed = topic.more.sha256.then(|| ("SignatureVersion", "2".to_owned()));
    let delivery = topic.more.delivery.clone().map(|policy| ("DeliveryPolicy", policy));
    let confirmed = topic.subscriptions.saturating_sub(topic.more.pending + topic.latest.left);
    let attributes = [
        ("TopicArn", topic.arn),
        ("Owner", name.scope.account.clone()),
        ("Policy", topic.policy),
        ("DisplayName", topic.display_name),
        ("SubscriptionsPending", topic.more.pending.to_string()),
        ("SubscriptionsConfirmed", confirmed.to_string()),
        ("SubscriptionsDeleted", topic.deleted.to_string()),
        ("EffectiveDeliveryPolicy", policies::told_of_topic(topic.more.delivery.as_deref())),
    ];
    attributes
        .into_iter()
        .chain(max_bytes)
        .chain(fifo)
        .chain(signed)
        .chain(delivery)
        .chain(archive.into_iter().flatten())
        .map(|(name, value)| (name.to_owned(), value))
        .chain(topic.latest.feedback)
        .collect()
}

pub async fn set_topic_attributes(
    sns: &Sns,
    cx: &Cx,
    input: SetTopicAttributesInput,
) -> Result<SetTopicAttributesOutput, Error> {
    let topic = topic_of(cx, "TopicArn", &input.topic_arn)?;
    let change = change(&input.attribute_name, input.attribute_value.unwrap_or_default())?;
    if let Some(TopicChange::Feedback(name, value)) = &change {
        check_role(cx, name, value)?;
    }
    let command = match change {
        Some(change) => Command::ChangeTopic { topic: topic.clone(), change },
        None => Command::ReadTopic { topic: topic.clone() },
    };
    sns.submit(cx, &topic, command).await?;
    Ok(SetTopicAttributesOutput {})
}

pub async fn list_topics(sns: &Sns, cx: &Cx, input: ListTopicsInput) -> Result<ListTopicsOutput, Error> {
    let scope = Scope::new(&*cx.account, &*cx.region);
    let command = directory::Command::Read {
        list: keys::topics_list(&cx.account, &cx.region),
        prefix: String::new(),
        after: parse_token(input.next_token)?,
        limit: PAGE,
    };
    let page = directory::apply(&sns.core, &cx.trace, command).await?;
    let next_token = page.names.last().filter(|_| page.more).map(|(name, _)| token(name));
    let arn = |(name, _)| Listed { topic_arn: Some(TopicName { scope: scope.clone(), name }.arn()) };
    Ok(ListTopicsOutput { topics: Some(page.names.into_iter().map(arn).collect()), next_token })
}
