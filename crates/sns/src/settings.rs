//! Attributes of subscriptions: reading what owners set, with the service's words for mistakes.

use ropeway_api::sns::{SERVICE, error};
use ropeway_wire::Error;
use serde_json::{Map, Value as Json, json};

use crate::archive;
use crate::fifo::SUFFIX;
use crate::filter::{self, Scope};
use crate::http::policy;
use crate::keys::TopicName;
use crate::model::{Protocol, Settings};

/// The error for what is not implemented.
pub fn refused(what: impl std::fmt::Display) -> Error {
    Error::new(SERVICE.refusal.1, SERVICE.refusal.0, format!("{what} is not implemented."))
}

/// `InvalidParameter`, in SNS's form.
pub fn invalid(why: impl std::fmt::Display) -> Error {
    error::invalid_parameter_exception(format!("Invalid parameter: {why}"))
}

/// What was wrong with an attribute, in a call that has a map of them.
pub fn in_attributes(error: Error) -> Error {
    match error.message.strip_prefix("Invalid parameter: ") {
        Some(why) if error.code == "InvalidParameter" => invalid(format_args!("Attributes Reason: {why}")),
        _ => error,
    }
}

/// Sets one attribute; [`check`] says whether all of them together are sound.
pub fn set(settings: &mut Settings, topic: &TopicName, name: &str, value: &str) -> Result<(), Error> {
    match name {
        "RawMessageDelivery" => {
            settings.raw = match value.to_ascii_lowercase().as_str() {
                "true" => true,
                "false" => false,
                _ => {
                    return Err(invalid(format_args!(
                        "RawMessageDelivery: Invalid value [{value}]. Must be true or false."
                    )));
                }
            }
        }
        "FilterPolicy" => settings.filter = Some(value.to_owned()).filter(|v| !is_empty_policy(v)),
        "FilterPolicyScope" => {
            settings.scope = match value {
                "MessageAttributes" => Scope::MessageAttributes,
                "MessageBody" => Scope::MessageBody,
                _ => {
                    return Err(invalid(format_args!(
                        "FilterPolicyScope: Invalid value [{value}]. Please use either MessageBody or MessageAttributes"
                    )));
                }
            }
        }
        "DeliveryPolicy" if value.is_empty() => settings.delivery = None,
        "DeliveryPolicy" => {
            policy::check_subscription(value)?;
            settings.delivery = Some(value.to_owned());
        }
        "RedrivePolicy" => settings.dead_letters = redrive(topic, value)?,
        "SubscriptionRoleArn" => settings.role = Some(value.to_owned()).filter(|v| !v.is_empty()),
        "ReplayPolicy" if topic.is_fifo() => {
            settings.replay = archive::range(value)?.map(|_| value.to_owned());
        }
        _ => return Err(invalid("AttributeName")),
    }
    Ok(())
}

fn is_empty_policy(value: &str) -> bool {
    value.is_empty() || serde_json::from_str::<Map<String, Json>>(value).is_ok_and(|policy| policy.is_empty())
}

/// The dead-letter queue is of the endpoint's kind:
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html>.
pub fn check_dead_letters(settings: &Settings, topic: &TopicName, endpoint: &str) -> Result<(), Error> {
    let Some(queue) = &settings.dead_letters else { return Ok(()) };
    let in_order = topic.is_fifo() && endpoint.ends_with(SUFFIX);
    let why = match (in_order, queue.ends_with(SUFFIX)) {
        (false, true) => "must use a standard queue as DLQ for a subscription to a standard topic",
        (true, false) => "must use a FIFO queue as DLQ for a FIFO Subscription to a FIFO Topic.",
        _ => return Ok(()),
    };
    Err(invalid(format_args!("RedrivePolicy: {why}")))
}

fn redrive(topic: &TopicName, value: &str) -> Result<Option<String>, Error> {
    if value.is_empty() {
        return Ok(None);
    }
    let bad = |why: &str| invalid(format_args!("RedrivePolicy: {why}"));
    let policy: Map<String, Json> = serde_json::from_str(value).map_err(|_| bad("failed to parse JSON."))?;
    let Some(arn) = policy.get("deadLetterTargetArn").and_then(Json::as_str) else {
        return if policy.is_empty() { Ok(None) } else { Err(bad("deadLetterTargetArn is missing")) };
    };
    if policy.len() > 1 {
        return Err(bad("only deadLetterTargetArn may be given"));
    }
    let queue = queue_of(arn).ok_or_else(|| bad("deadLetterTargetArn is an invalid arn"))?;
    if queue.region != topic.scope.region || queue.account != topic.scope.account {
        return Err(bad("must use same region and account as subscription"));
    }
    Ok(Some(arn.to_owned()))
}

/// Where a queue, a delivery stream or a function is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint<'a> {
    /// The region.
    pub region: &'a str,
    /// The account.
    pub account: &'a str,
    /// The name.
    pub name: &'a str,
}

/// The queue of an ARN.
pub fn queue_of(arn: &str) -> Option<Endpoint<'_>> {
    endpoint(arn, "sqs").filter(|e| is_name(e.name.strip_suffix(".fifo").unwrap_or(e.name), 80, "-_"))
}

/// The delivery stream of an ARN.
pub fn stream_of(arn: &str) -> Option<Endpoint<'_>> {
    let mut found = endpoint(arn, "firehose")?;
    found.name = found.name.strip_prefix("deliverystream/")?;
    Some(found).filter(|e| is_name(e.name, 64, "-_."))
}

/// The function of an ARN, with or without a qualifier.
pub fn function_of(arn: &str) -> Option<Endpoint<'_>> {
    let mut parts = arn.strip_prefix("arn:aws:lambda:")?.split(':');
    let (region, account, kind, name) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let qualified = parts.next().is_none_or(|qualifier| is_name(qualifier, 128, "-_$"));
    let sound = kind == "function"
        && qualified
        && parts.next().is_none()
        && is_name(region, 64, "-")
        && account.len() == 12
        && account.bytes().all(|b| b.is_ascii_digit());
    sound.then_some(Endpoint { region, account, name }).filter(|e| is_name(e.name, 64, "-_"))
}

fn is_name(name: &str, longest: usize, also: &str) -> bool {
    (1..=longest).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || also.contains(c))
}

fn endpoint<'a>(arn: &'a str, service: &str) -> Option<Endpoint<'a>> {
    let mut parts = arn.split(':');
    let head = (parts.next()?, parts.next()?, parts.next()?);
    let (region, account, name) = (parts.next()?, parts.next()?, parts.next()?);
    let sound = head == ("arn", "aws", service)
        && parts.next().is_none()
        && is_name(region, 64, "-")
        && account.len() == 12
        && account.bytes().all(|b| b.is_ascii_digit());
    sound.then_some(Endpoint { region, account, name })
}

/// Checks what a subscription was given as a whole, and compiles its filter.
pub fn check(settings: &Settings, protocol: Protocol) -> Result<Option<filter::Filter>, Error> {
    match (protocol, &settings.role) {
        (Protocol::Firehose, None) => {
            return Err(invalid("SubscriptionRoleArn Reason: no value for required parameter"));
        }
        (Protocol::Sqs | Protocol::Lambda | Protocol::Http | Protocol::Https, Some(_)) => {
            return Err(invalid("SubscriptionRoleArn is only for subscriptions of delivery streams"));
        }
        _ => {}
    }
    if settings.delivery.is_some() && !protocol.is_http() {
        return Err(invalid("DeliveryPolicy is only for subscriptions of HTTP and HTTPS endpoints"));
    }
    if protocol == Protocol::Lambda && settings.raw {
        return Err(invalid("RawMessageDelivery Reason: not supported for endpoints of the protocol lambda"));
    }
    let policy = settings.filter.as_deref();
    policy.map(|policy| filter::parse(settings.scope, policy)).transpose().map_err(invalid)
}

/// The attributes as `GetSubscriptionAttributes` tells them, the subscription's own aside.
pub fn shown(settings: &Settings) -> Vec<(&'static str, String)> {
    let mut out = vec![("RawMessageDelivery", settings.raw.to_string())];
    if let Some(filter) = &settings.filter {
        out.push(("FilterPolicy", filter.clone()));
        out.push(("FilterPolicyScope", settings.scope.name().to_owned()));
    }
    if let Some(queue) = &settings.dead_letters {
        out.push(("RedrivePolicy", json!({ "deadLetterTargetArn": queue }).to_string()));
    }
    if let Some(policy) = &settings.delivery {
        out.push(("DeliveryPolicy", policy.clone()));
    }
    if let Some(policy) = &settings.replay {
        out.push(("ReplayPolicy", policy.clone()));
    }
    if let Some(role) = &settings.role {
        out.push(("SubscriptionRoleArn", role.clone()));
    }
    out
}
