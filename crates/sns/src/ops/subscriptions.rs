//! Subscribe, Unsubscribe, ConfirmSubscription, Get- and SetSubscriptionAttributes, ListSubscriptions,
//! ListSubscriptionsByTopic.

use std::collections::BTreeMap;

use ropeway_api::sns::{
    ConfirmSubscriptionInput, ConfirmSubscriptionOutput, GetSubscriptionAttributesInput,
    GetSubscriptionAttributesOutput, ListSubscriptionsByTopicInput, ListSubscriptionsByTopicOutput,
    ListSubscriptionsInput, ListSubscriptionsOutput, SERVICE, SetSubscriptionAttributesInput,
    SetSubscriptionAttributesOutput, SubscribeInput, SubscribeOutput, Subscription as Entry,
    UnsubscribeInput, UnsubscribeOutput, error,
};
use ropeway_core::directory;
use ropeway_wire::{Cx, Error, Keys, PrincipalKind};

use super::{PAGE, Sns, parse_token, subscription_of, token, topic_of, unexpected};
use crate::commands::{Command, Output, PRINCIPAL, listed};
use crate::keys::{self, TopicName};
use crate::model::{Listed, Protocol, Settings, State, Subscription, SubscriptionMore};
use crate::settings::{self, invalid, refused};

/// Protocols of AWS's that are not implemented.
const REFUSED: &[&str] = &["email", "email-json", "sms", "application"];

/// Most bytes of an endpoint's address: what a key has room for beside the topic's name.
const MAX_ENDPOINT: usize = 1024;
/// What is answered instead of an ARN before the confirmation, and what lists say then.
const PENDING: &str = "pending confirmation";
const PENDING_IN_LISTS: &str = "PendingConfirmation";
/// What lists say while one that has ended may be taken up again.
const DELETED_IN_LISTS: &str = "Deleted";

pub async fn subscribe(sns: &Sns, cx: &Cx, input: SubscribeInput) -> Result<SubscribeOutput, Error> {
    let protocol = protocol(&input.protocol)?;
    let topic = topic_of(cx, "TopicArn", &input.topic_arn)?;
    let endpoint = input.endpoint.unwrap_or_default();
    check_endpoint(cx, protocol, &endpoint, topic.is_fifo())?;
    let attributes = input.attributes.unwrap_or_default();
    let mut given = Settings::default();
    for (name, value) in &attributes {
        settings::set(&mut given, &topic, name, value).map_err(settings::in_attributes)?;
    }
    settings::check(&given, protocol).map_err(settings::in_attributes)?;
    settings::check_dead_letters(&given, &topic, &endpoint).map_err(settings::in_attributes)?;
    if let Some(role) = &given.role {
        check_role(sns, cx, &topic, role)?;
    }
    let wanted = Subscription {
        id: String::new(),
        protocol,
        endpoint,
        owner: cx.account.clone(),
        principal: cx.principal.arn.clone(),
        settings: given,
        more: SubscriptionMore::default(),
        left: false,
        replaying: Default::default(),
    };
    let (compare, named) = (!attributes.is_empty(), topic.clone());
    let command = match protocol.is_http() {
        true => Command::SubscribeEndpoint { topic: named, wanted, compare, base_url: cx.endpoint.clone() },
        false => Command::Subscribe { topic: named, wanted, compare },
    };
    let Output::Subscription(made) = sns.submit(cx, &topic, command).await? else {
        return Err(unexpected());
    };
    let arn = list(sns, cx, &topic, &made).await?;
    let hidden = made.is_pending() && input.return_subscription_arn != Some(true);
    Ok(SubscribeOutput { subscription_arn: Some(if hidden { PENDING.to_owned() } else { arn }) })
}

/// Tells the owner's list of a subscription at once; gives its ARN.
async fn list(sns: &Sns, cx: &Cx, topic: &TopicName, of: &Subscription) -> Result<String, Error> {
    let arn = format!("{}:{}", topic.arn(), of.id);
    let list = keys::subscriptions_list(&of.owner, &topic.scope.region);
    let line = directory::Command::Add { list, name: arn.clone(), value: listed(of)? };
    directory::apply(&sns.core, &cx.trace, line).await?;
    Ok(arn)
}

fn protocol(name: &str) -> Result<Protocol, Error> {
    match name {
        "sqs" => Ok(Protocol::Sqs),
        "firehose" => Ok(Protocol::Firehose),
        "lambda" => Ok(Protocol::Lambda),
        "http" => Ok(Protocol::Http),
        "https" => Ok(Protocol::Https),
        _ if REFUSED.contains(&name) => Err(refused(format_args!("A subscription by the protocol {name}"))),
        _ => Err(invalid(format_args!("Amazon SNS does not support this protocol string: {name}"))),
    }
}

/// The endpoint must be the caller's: AWS asks the owner of another's to confirm, which is not implemented.
fn check_endpoint(cx: &Cx, protocol: Protocol, endpoint: &str, in_order: bool) -> Result<(), Error> {
    if in_order && protocol != Protocol::Sqs {
        return Err(invalid(format_args!(
            "Protocol Reason: FIFO topics deliver to Amazon SQS queues, not to endpoints of the protocol {}",
            protocol.name()
        )));
    }
    if protocol.is_http() {
        return check_url(protocol, endpoint);
    }
    let (found, mistake) = match protocol {
        Protocol::Sqs => (settings::queue_of(endpoint), "SQS endpoint ARN"),
        Protocol::Firehose => (settings::stream_of(endpoint), "Firehose endpoint ARN"),
        Protocol::Lambda => (settings::function_of(endpoint), "Lambda endpoint ARN"),
        Protocol::Http | Protocol::Https => (None, "Endpoint"),
    };
    let found = found.ok_or_else(|| invalid(mistake))?;
    if found.name.ends_with(".fifo") && protocol == Protocol::Sqs && !in_order {
        return Err(invalid(
            "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics",
        ));
    }
    if found.account != cx.account {
        return Err(refused(
            "A subscription of another account's endpoint, which its owner would have to confirm,",
        ));
    }
    Ok(())
}

/// An endpoint's address, with the scheme that the protocol says.
fn check_url(protocol: Protocol, endpoint: &str) -> Result<(), Error> {
    let beginning = format!("{}://", protocol.name());
    let address: Option<http::Uri> = endpoint.parse().ok();
    let authority = address.as_ref().and_then(http::Uri::authority);
    match authority {
        _ if !endpoint.to_ascii_lowercase().starts_with(&beginning) => {
            Err(invalid("Endpoint must match the specified protocol"))
        }
        Some(authority) if authority.as_str().contains('@') => {
            Err(refused("An endpoint's user and password"))
        }
        Some(_) if endpoint.len() <= MAX_ENDPOINT => Ok(()),
        _ => Err(invalid("Endpoint")),
    }
}

/// The caller must be allowed to hand the role to SNS, and the role must trust SNS.
fn check_role(sns: &Sns, cx: &Cx, topic: &TopicName, role: &str) -> Result<(), Error> {
    if !role.starts_with("arn:aws:iam::") || !role.contains(":role/") {
        return Err(invalid("SubscriptionRoleArn"));
    }
    cx.pass_role(&SERVICE, role, PRINCIPAL)?;
    let mut keys = Keys::default();
    keys.add("aws:SourceArn", &topic.arn());
    keys.add("aws:SourceAccount", &topic.scope.account);
    let assumed = sns.roles.assume_for_service(role, PRINCIPAL, "sns", &keys);
    assumed.map(drop).map_err(|why| invalid(format_args!("SubscriptionRoleArn Reason: {why}")))
}

/// Whoever has the token may confirm; who is not the endpoint's visitor needs the permission.
pub async fn confirm_subscription(
    sns: &Sns,
    cx: &Cx,
    input: ConfirmSubscriptionInput,
) -> Result<ConfirmSubscriptionOutput, Error> {
    let topic = topic_of(cx, "TopicArn", &input.topic_arn)?;
    let wanted = input.authenticate_on_unsubscribe.as_deref().map(str::to_ascii_lowercase);
    let wants_authentication = match wanted.as_deref() {
        None | Some("" | "false") => false,
        Some("true") => true,
        Some(_) => return Err(invalid("AuthenticateOnUnsubscribe")),
    };
    let authenticated = is_signed(cx);
    if authenticated {
        cx.authorize(&SERVICE, "sns:ConfirmSubscription", &input.topic_arn, &Keys::default())?;
    } else if wants_authentication {
        return Err(error::authorization_error_exception("AuthenticateOnUnsubscribe needs a signed request"));
    }
    let token = input.token;
    let command = Command::Confirm { topic: topic.clone(), token, authenticated, wants_authentication };
    let Output::Subscription(found) = sns.submit(cx, &topic, command).await? else {
        return Err(unexpected());
    };
    let arn = list(sns, cx, &topic, &found).await?;
    Ok(ConfirmSubscriptionOutput { subscription_arn: Some(arn) })
}

fn is_signed(cx: &Cx) -> bool {
    cx.principal.kind != PrincipalKind::Anonymous
}

pub async fn unsubscribe(sns: &Sns, cx: &Cx, input: UnsubscribeInput) -> Result<UnsubscribeOutput, Error> {
    let signed = is_signed(cx);
    // What an endpoint visits is in whatever region its topic is.
    let (topic, id) = match signed {
        true => subscription_of(cx, &input.subscription_arn)?,
        false => {
            let found = keys::parse_subscription(&input.subscription_arn);
            found.map(|(topic, id)| (topic, id.to_owned())).ok_or_else(|| invalid("SubscriptionArn"))?
        }
    };
    if !signed {
        let command = Command::Leave { topic: topic.clone(), id, base_url: cx.endpoint.clone() };
        if let Output::Subscription(left) = sns.submit(cx, &topic, command).await? {
            list(sns, cx, &topic, &left).await?;
        }
        return Ok(UnsubscribeOutput {});
    }
    cx.authorize(&SERVICE, "sns:Unsubscribe", "*", &Keys::default())?;
    let command = Command::Unsubscribe { topic: topic.clone(), id, account: cx.account.clone() };
    sns.submit(cx, &topic, command).await?;
    let list = keys::subscriptions_list(&cx.account, &topic.scope.region);
    let line = directory::Command::Remove { list, name: input.subscription_arn };
    directory::apply(&sns.core, &cx.trace, line).await?;
    Ok(UnsubscribeOutput {})
}

pub async fn get_subscription_attributes(
    sns: &Sns,
    cx: &Cx,
    input: GetSubscriptionAttributesInput,
) -> Result<GetSubscriptionAttributesOutput, Error> {
    let (topic, id) = subscription_of(cx, &input.subscription_arn)?;
    let command = Command::ReadSubscription { topic: topic.clone(), id, account: cx.account.clone() };
    let Output::Subscription(found) = sns.submit(cx, &topic, command).await? else {
        return Err(unexpected());
    };
    let mut attributes: BTreeMap<String, String> =
        settings::shown(&found.settings).into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let own = [
        ("SubscriptionArn", input.subscription_arn),
        ("TopicArn", topic.arn()),
        ("Owner", found.owner),
        ("SubscriptionPrincipal", found.principal),
        ("Protocol", found.protocol.name().to_owned()),
        ("Endpoint", found.endpoint),
        ("ConfirmationWasAuthenticated", (!found.protocol.is_http() || found.more.authenticated).to_string()),
        ("PendingConfirmation", found.more.until.is_some().to_string()),
    ];
    let replay = found.replaying.status.map(|status| ("ReplayStatus", status.name().to_owned()));
    attributes.extend(own.into_iter().chain(replay).map(|(name, value)| (name.to_owned(), value)));
    Ok(GetSubscriptionAttributesOutput { attributes: Some(attributes) })
}

pub async fn set_subscription_attributes(
    sns: &Sns,
    cx: &Cx,
    input: SetSubscriptionAttributesInput,
) -> Result<SetSubscriptionAttributesOutput, Error> {
    let (topic, id) = subscription_of(cx, &input.subscription_arn)?;
    let value = input.attribute_value.unwrap_or_default();
    if input.attribute_name == "SubscriptionRoleArn" && !value.is_empty() {
        check_role(sns, cx, &topic, &value)?;
    }
    let command = Command::SetSubscription {
        topic: topic.clone(),
        id,
        account: cx.account.clone(),
        name: input.attribute_name,
        value,
    };
    sns.submit(cx, &topic, command).await?;
    Ok(SetSubscriptionAttributesOutput {})
}

pub async fn list_subscriptions(
    sns: &Sns,
    cx: &Cx,
    input: ListSubscriptionsInput,
) -> Result<ListSubscriptionsOutput, Error> {
    let command = directory::Command::Read {
        list: keys::subscriptions_list(&cx.account, &cx.region),
        prefix: String::new(),
        after: parse_token(input.next_token)?,
        limit: PAGE,
    };
    let page = directory::apply(&sns.core, &cx.trace, command).await?;
    let next_token = page.names.last().filter(|_| page.more).map(|(name, _)| token(name));
    let mut subscriptions = Vec::new();
    for (arn, line) in page.names {
        subscriptions.push(entry(arn, Listed::from_bytes(&line)?));
    }
    Ok(ListSubscriptionsOutput { subscriptions: Some(subscriptions), next_token })
}

fn entry(arn: String, line: Listed) -> Entry {
    Entry {
        topic_arn: arn.rsplit_once(':').map(|(topic, _)| topic.to_owned()),
        subscription_arn: Some(match line.state {
            State::Confirmed => arn,
            State::Pending => PENDING_IN_LISTS.to_owned(),
            State::Deleted => DELETED_IN_LISTS.to_owned(),
        }),
        owner: Some(line.owner),
        protocol: Some(line.protocol.name().to_owned()),
        endpoint: Some(line.endpoint),
    }
}

pub async fn list_subscriptions_by_topic(
    sns: &Sns,
    cx: &Cx,
    input: ListSubscriptionsByTopicInput,
) -> Result<ListSubscriptionsByTopicOutput, Error> {
    let topic = topic_of(cx, "TopicArn", &input.topic_arn)?;
    let after = parse_token(input.next_token)?;
    let command = Command::ListSubscriptions { topic: topic.clone(), after, limit: PAGE };
    let Output::Subscriptions(found, more) = sns.submit(cx, &topic, command).await? else {
        return Err(unexpected());
    };
    let next_token = found.last().filter(|_| more).map(|last| token(&last.id));
    let entries = found.iter().map(|one| entry(format!("{}:{}", topic.arn(), one.id), one.into()));
    Ok(ListSubscriptionsByTopicOutput { subscriptions: Some(entries.collect()), next_token })
}
