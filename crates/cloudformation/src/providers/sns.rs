//! `AWS::SNS`.
//!
//! Source of the tables: the CloudFormation template reference, Amazon SNS.

use std::collections::BTreeMap;

use ropeway_api::sns::{
    CreateTopicInput, DeleteTopicInput, GetTopicAttributesInput, ListSubscriptionsByTopicInput,
    SetSubscriptionAttributesInput, SetTopicAttributesInput, SubscribeInput, TagResourceInput,
    UnsubscribeInput, UntagResourceInput,
};
use ropeway_wire::{BoxFuture, Error};
use serde_json::{Value as Json, json};

use super::{
    Failure, Made, Provider, Subject, TAGS, after_creation, property, tag_changes, tag_list, tags, text,
    texts, unless,
};
use crate::template::{Kind, Naming, Property, ResourceType};

const STRING: Kind = Kind::String;
/// What a topic or a subscription that is not there answers.
const MISSING: &[&str] = &["NotFound", "NotFoundException"];

const DELIVERY_STATUS: &str = "DeliveryStatusLogging";
const DELIVERY_STATUS_OF: &[Property] = &[
    Property::new("FailureFeedbackRoleArn", STRING),
    Property::new("Protocol", STRING).required(),
    Property::new("SuccessFeedbackRoleArn", STRING),
    Property::new("SuccessFeedbackSampleRate", STRING),
];

static TOPIC: ResourceType = ResourceType::new(
    "AWS::SNS::Topic",
    &[
        Property::new("ArchivePolicy", Kind::Json),
        Property::new("ContentBasedDeduplication", Kind::Boolean),
        Property::new(DELIVERY_STATUS, Kind::List(&Kind::Structure(DELIVERY_STATUS_OF))),
        Property::new("DisplayName", STRING),
        Property::new("FifoThroughputScope", STRING),
        Property::new("FifoTopic", Kind::Boolean).replacement(),
        Property::new(
            "Subscription",
            Kind::List(&Kind::Structure(&[
                Property::new("Endpoint", STRING).required(),
                Property::new("Protocol", STRING).required(),
            ])),
        ),
        Property::new("SignatureVersion", STRING),
        TAGS,
        Property::new("TopicName", STRING).replacement(),
    ],
)
.attributes(&["TopicArn", "TopicName"])
.naming(Naming::new(256))
.system_tags();

static SUBSCRIPTION: ResourceType = ResourceType::new(
    "AWS::SNS::Subscription",
    &[
        Property::new("DeliveryPolicy", Kind::Json),
        Property::new("Endpoint", STRING).required().replacement(),
        Property::new("FilterPolicy", Kind::Json),
        Property::new("FilterPolicyScope", STRING),
        Property::new("Protocol", STRING).required().replacement(),
        Property::new("RawMessageDelivery", Kind::Boolean),
        Property::new("RedrivePolicy", Kind::Json),
        Property::new("Region", STRING),
        Property::new("ReplayPolicy", Kind::Json),
        Property::new("SubscriptionRoleArn", STRING),
        Property::new("TopicArn", STRING).required().replacement(),
    ],
)
.attributes(&["Arn"]);

/// Properties that are attributes of a subscription, and what they are without it.
const SUBSCRIPTION_ATTRIBUTES: &[(&str, &str)] = &[
    ("DeliveryPolicy", ""),
    ("FilterPolicyScope", "MessageAttributes"),
    ("FilterPolicy", "{}"),
    ("RawMessageDelivery", "false"),
    ("RedrivePolicy", ""),
    ("ReplayPolicy", "{}"),
    ("SubscriptionRoleArn", ""),
];

static TOPIC_POLICY: ResourceType = ResourceType::new(
    "AWS::SNS::TopicPolicy",
    &[
        Property::new("PolicyDocument", Kind::Json).required(),
        Property::new("Topics", Kind::List(&STRING)).required(),
    ],
)
.attributes(&["Id"]);

/// Properties that are attributes of a topic, and what they are without it.
const TOPIC_ATTRIBUTES: &[(&str, &str)] = &[
    ("ArchivePolicy", "{}"),
    ("ContentBasedDeduplication", "false"),
    ("DisplayName", ""),
    ("FifoThroughputScope", "Topic"),
    ("SignatureVersion", "1"),
];

/// The attributes that say how deliveries' ends are logged, of the property that has an entry for each protocol.
fn delivery_status(properties: &Json) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for entry in property(properties, DELIVERY_STATUS).as_array().into_iter().flatten() {
        let protocol = text(property(entry, "Protocol"));
        // What is none of these, the service refuses by the attribute's name.
        let prefix = match &*protocol {
            "http/s" => "HTTP",
            "sqs" => "SQS",
            "lambda" => "Lambda",
            "firehose" => "Firehose",
            "application" => "Application",
            other => other,
        };
        for Property { name, .. } in DELIVERY_STATUS_OF.iter().filter(|one| one.name != "Protocol") {
            let value = property(entry, name);
            if !value.is_null() {
                out.insert(format!("{prefix}{name}"), text(value));
            }
        }
    }
    out
}

/// The region of a subscription's topic: where it is subscribed to. Without it, that of the stack.
fn region<'a>(subject: &'a Subject<'_>) -> &'a str {
    subject.property("Region").as_str().unwrap_or(&subject.cx.region)
}

async fn subscribe(subject: &Subject<'_>, topic: &str, to: &Json, attributes: Json) -> Result<String, Error> {
    let input = json!({
        "TopicArn": topic,
        "Protocol": property(to, "Protocol"),
        "Endpoint": property(to, "Endpoint"),
        "Attributes": attributes,
        "ReturnSubscriptionArn": true,
    });
    Ok(subject.call_in::<SubscribeInput>(region(subject), input).await?.subscription_arn.unwrap_or_default())
}

async fn unsubscribe(subject: &Subject<'_>, arn: &str) -> Result<(), Error> {
    let input = json!({ "SubscriptionArn": arn });
    unless(subject.call_in::<UnsubscribeInput>(region(subject), input).await, MISSING).map(drop)
}

/// `AWS::SNS::Topic`
pub struct Topic;

impl Topic {
    fn arn(subject: &Subject<'_>) -> String {
        let scope = &subject.stack.scope;
        format!("arn:aws:sns:{}:{}:{}", scope.region, scope.account, subject.name)
    }

    fn made(arn: &str) -> Made {
        let name = arn.rsplit(':').next().unwrap_or_default();
        Made::new(arn, &[("TopicArn", arn), ("TopicName", name)])
    }

    /// Sets what has changed of how deliveries' ends are logged; what is gone, to nothing.
    async fn update_delivery_status(subject: &Subject<'_>, old: &Json) -> Result<(), Error> {
        let (before, after) = (delivery_status(old), delivery_status(subject.properties));
        let gone = before.keys().filter(|name| !after.contains_key(*name)).map(|name| (name, ""));
        let set = after.iter().filter(|(name, value)| before.get(*name) != Some(*value));
        for (name, value) in set.map(|(name, value)| (name, value.as_str())).chain(gone) {
            let input =
                json!({ "TopicArn": subject.physical_id, "AttributeName": name, "AttributeValue": value });
            subject.call::<SetTopicAttributesInput>(input).await?;
        }
        Ok(())
    }

    fn subscriptions(properties: &Json) -> Vec<Json> {
        property(properties, "Subscription").as_array().cloned().unwrap_or_default()
    }

    /// Ends the topic's subscriptions that the new properties no longer have.
    async fn end(subject: &Subject<'_>, topic: &str, gone: &[Json]) -> Result<(), Error> {
        if gone.is_empty() {
            return Ok(());
        }
        let mut next: Option<String> = None;
        loop {
            let input = super::object([("TopicArn", json!(topic)), ("NextToken", json!(next))]);
            let page = subject.call::<ListSubscriptionsByTopicInput>(input).await?;
            for found in page.subscriptions.unwrap_or_default() {
                let this = json!({ "Endpoint": found.endpoint, "Protocol": found.protocol });
                // One that waits for its confirmation has no ARN yet, and ends of itself.
                let arn = found.subscription_arn.filter(|arn| arn.starts_with("arn:"));
                if let Some(arn) = arn.filter(|_| gone.contains(&this)) {
                    unsubscribe(subject, &arn).await?;
                }
            }
            next = page.next_token;
            if next.is_none() {
                return Ok(());
            }
        }
    }
}

impl Provider for Topic {
    fn resource_type(&self) -> &'static ResourceType {
        &TOPIC
    }

    fn name_property(&self) -> Option<&'static str> {
        Some("TopicName")
    }

    fn suffix(&self, properties: &Json) -> &'static str {
        if property(properties, "FifoTopic") == &json!(true) { ".fifo" } else { "" }
    }

    fn exists<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async move {
            let input = json!({ "TopicArn": Self::arn(subject) });
            Ok(unless(subject.call::<GetTopicAttributesInput>(input).await, MISSING)?.is_some())
        })
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let names = TOPIC_ATTRIBUTES.iter().map(|(name, _)| *name).chain(["FifoTopic"]);
            let given = names.map(|name| (name, subject.property(name)));
            let given = given.filter(|(_, value)| !value.is_null());
            let given = given.map(|(name, value)| (name.to_owned(), text(value)));
            let attributes: BTreeMap<String, String> =
                given.chain(delivery_status(subject.properties)).collect();
            let input = json!({
                "Name": subject.name,
                "Attributes": attributes,
                "Tags": tag_list(&tags(subject.properties)),
            });
            let arn = subject.call::<CreateTopicInput>(input).await?.topic_arn.unwrap_or_default();
            for to in Self::subscriptions(subject.properties) {
                after_creation(&arn, subscribe(subject, &arn, &to, json!({})).await)?;
            }
            Ok(Self::made(&arn))
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let (arn, new) = (subject.physical_id, subject.properties);
            for (name, without) in TOPIC_ATTRIBUTES {
                let value = property(new, name);
                if property(old, name) != value {
                    let value = if value.is_null() { (*without).to_owned() } else { text(value) };
                    let input = json!({ "TopicArn": arn, "AttributeName": name, "AttributeValue": value });
                    subject.call::<SetTopicAttributesInput>(input).await?;
                }
            }
            Self::update_delivery_status(subject, old).await?;
            let (before, after) = (Self::subscriptions(old), Self::subscriptions(new));
            for to in after.iter().filter(|to| !before.contains(to)) {
                subscribe(subject, arn, to, json!({})).await?;
            }
            let gone: Vec<Json> = before.into_iter().filter(|to| !after.contains(to)).collect();
            Self::end(subject, arn, &gone).await?;
            let (set, gone) = tag_changes(old, new);
            if !gone.is_empty() {
                subject.call::<UntagResourceInput>(json!({ "ResourceArn": arn, "TagKeys": gone })).await?;
            }
            if !set.is_empty() {
                let input = json!({ "ResourceArn": arn, "Tags": tag_list(&set) });
                subject.call::<TagResourceInput>(input).await?;
            }
            Ok(Self::made(arn))
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let input = json!({ "TopicArn": subject.physical_id });
            unless(subject.call::<DeleteTopicInput>(input).await, MISSING)?;
            Ok(())
        })
    }
}

/// `AWS::SNS::Subscription`
pub struct Subscription;

impl Provider for Subscription {
    fn resource_type(&self) -> &'static ResourceType {
        &SUBSCRIPTION
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let given = SUBSCRIPTION_ATTRIBUTES.iter().map(|(name, _)| (*name, subject.property(name)));
            let given = given.filter(|(_, value)| !value.is_null());
            let attributes: BTreeMap<&str, String> = given.map(|(name, value)| (name, text(value))).collect();
            let topic = text(subject.property("TopicArn"));
            let arn = subscribe(subject, &topic, subject.properties, json!(attributes)).await?;
            Ok(Made::new(arn.clone(), &[("Arn", &arn)]))
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let arn = subject.physical_id;
            for (name, without) in SUBSCRIPTION_ATTRIBUTES {
                let value = subject.property(name);
                if property(old, name) != value {
                    let value = if value.is_null() { (*without).to_owned() } else { text(value) };
                    let input =
                        json!({ "SubscriptionArn": arn, "AttributeName": name, "AttributeValue": value });
                    subject.call_in::<SetSubscriptionAttributesInput>(region(subject), input).await?;
                }
            }
            Ok(Made::new(arn, &[("Arn", arn)]))
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move { Ok(unsubscribe(subject, subject.physical_id).await?) })
    }
}

/// `AWS::SNS::TopicPolicy`
pub struct TopicPolicy;

impl TopicPolicy {
    async fn set(subject: &Subject<'_>, topic: &str, policy: &Json) -> Result<(), Error> {
        let input =
            json!({ "TopicArn": topic, "AttributeName": "Policy", "AttributeValue": policy.to_string() });
        subject.call::<SetTopicAttributesInput>(input).await.map(drop)
    }

    async fn set_all(subject: &Subject<'_>) -> Result<(), Error> {
        for topic in texts(subject.property("Topics")) {
            Self::set(subject, &topic, subject.property("PolicyDocument")).await?;
        }
        Ok(())
    }

    /// Gives topics the policy that they are made with.
    async fn reset(subject: &Subject<'_>, topics: &[String]) -> Result<(), Error> {
        for topic in topics {
            let policy = Self::default_policy(topic, &subject.stack.scope.account);
            unless(Self::set(subject, topic, &policy).await, MISSING)?;
        }
        Ok(())
    }

    /// Source: the SNS guide, a new topic's policy.
    fn default_policy(topic: &str, account: &str) -> Json {
        json!({
            "Version": "2008-10-17",
            "Id": "__default_policy_ID",
            "Statement": [{
                "Sid": "__default_statement_ID",
                "Effect": "Allow",
                "Principal": { "AWS": "*" },
                "Action": [
                    "SNS:GetTopicAttributes", "SNS:SetTopicAttributes", "SNS:AddPermission", "SNS:RemovePermission",
                    "SNS:DeleteTopic", "SNS:Subscribe", "SNS:ListSubscriptionsByTopic", "SNS:Publish"
                ],
                "Resource": topic,
                "Condition": { "StringEquals": { "AWS:SourceOwner": account } }
            }]
        })
    }
}

impl Provider for TopicPolicy {
    fn resource_type(&self) -> &'static ResourceType {
        &TOPIC_POLICY
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            after_creation(subject.name, Self::set_all(subject).await)?;
            Ok(Made::new(subject.name, &[("Id", subject.name)]))
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            Self::set_all(subject).await?;
            let kept = texts(subject.property("Topics"));
            let gone: Vec<String> =
                texts(property(old, "Topics")).into_iter().filter(|topic| !kept.contains(topic)).collect();
            Self::reset(subject, &gone).await?;
            Ok(Made::new(subject.physical_id, &[("Id", subject.physical_id)]))
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move { Ok(Self::reset(subject, &texts(subject.property("Topics"))).await?) })
    }
}
