//! Notification configurations of buckets.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ropeway_api::s3::{
    FilterRule, GetBucketNotificationConfigurationInput, GetBucketNotificationConfigurationOutput,
    LambdaFunctionConfiguration, NotificationConfiguration, NotificationConfigurationFilter,
    PutBucketNotificationConfigurationInput, PutBucketNotificationConfigurationOutput, QueueConfiguration,
    S3KeyFilter, TopicConfiguration,
};
use ropeway_core::Ids;
use ropeway_wire::{Cx, Error};

use super::destinations;
use crate::commands::{Command, MAX_RULES, Output};
use crate::model::Bucket;
use crate::notification::{Cause, Conflict, Filter, Kind, Rule, Standing, common, standing};
use crate::{S3Service, error, target};

/// The longest id, in characters.
const MAX_ID: usize = 255;
/// The longest value of a filter, in bytes: a key's.
const MAX_VALUE: usize = 1024;
/// The longest ARN of a destination, in bytes; none that is there is longer.
const MAX_ARN: usize = 512;
/// Event types that a configuration may name: as many as can be named without an overlap, and then some.
const MAX_EVENTS: usize = 32;

pub(super) async fn put_bucket_notification_configuration(
    service: &S3Service,
    cx: &Cx,
    input: PutBucketNotificationConfigurationInput,
) -> Result<PutBucketNotificationConfigurationOutput, Error> {
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let command = Command::HeadBucket(target.clone());
    let bucket = answer!(service.submit(cx, &input.bucket, command), Output::Bucket(bucket) => bucket);
    let rules = rules(input.notification_configuration, &bucket, service.core.ids())?;
    let skip = input.skip_destination_validation.unwrap_or(false);
    if !skip {
        destinations::check(service, cx, &input.bucket, &bucket, &rules).await?;
    }
    let test = (!skip).then(|| Cause::of(cx));
    service.submit(cx, &input.bucket, Command::SetNotification { target, rules, test }).await?;
    Ok(PutBucketNotificationConfigurationOutput::default())
}

pub(super) async fn get_bucket_notification_configuration(
    service: &S3Service,
    cx: &Cx,
    input: GetBucketNotificationConfigurationInput,
) -> Result<GetBucketNotificationConfigurationOutput, Error> {
    let command = Command::GetNotification(target(cx, &input.bucket, input.expected_bucket_owner.as_ref()));
    let rules = answer!(service.submit(cx, &input.bucket, command), Output::Notification(rules) => rules);
    Ok(shown(rules))
}

fn shown(rules: Vec<Rule>) -> NotificationConfiguration {
    let mut out = NotificationConfiguration::default();
    for rule in rules {
        let (id, filter, arn, events) =
            (Some(rule.id), shown_filter(rule.filters), rule.destination, rule.events);
        match rule.kind {
            Kind::Queue => out.queue_configurations.get_or_insert_default().push(QueueConfiguration {
                id,
                queue_arn: arn,
                events,
                filter,
            }),
            Kind::Topic => out.topic_configurations.get_or_insert_default().push(TopicConfiguration {
                id,
                topic_arn: arn,
                events,
                filter,
            }),
            Kind::Function => {
                let all = out.lambda_function_configurations.get_or_insert_default();
                all.push(LambdaFunctionConfiguration { id, lambda_function_arn: arn, events, filter });
            }
        }
    }
    out
}

fn shown_filter(filters: Vec<Filter>) -> Option<NotificationConfigurationFilter> {
    let rules: Vec<FilterRule> = filters
        .into_iter()
        .map(|filter| FilterRule {
            name: Some(if filter.suffix { "Suffix" } else { "Prefix" }.to_owned()),
            value: Some(filter.value),
        })
        .collect();
    let key = (!rules.is_empty()).then_some(S3KeyFilter { filter_rules: Some(rules) });
    key.map(|key| NotificationConfigurationFilter { key: Some(key) })
}

/// A configuration as it was given, whatever its destination.
struct Given {
    kind: Kind,
    id: Option<String>,
    arn: String,
    events: Vec<String>,
    filter: Option<NotificationConfigurationFilter>,
}

fn given(all: NotificationConfiguration) -> Vec<Given> {
    let topics = all.topic_configurations.unwrap_or_default().into_iter().map(|one| Given {
        kind: Kind::Topic,
        id: one.id,
        arn: one.topic_arn,
        events: one.events,
        filter: one.filter,
    });
    let queues = all.queue_configurations.unwrap_or_default().into_iter().map(|one| Given {
        kind: Kind::Queue,
        id: one.id,
        arn: one.queue_arn,
        events: one.events,
        filter: one.filter,
    });
    let functions = all.lambda_function_configurations.unwrap_or_default().into_iter().map(|one| Given {
        kind: Kind::Function,
        id: one.id,
        arn: one.lambda_function_arn,
        events: one.events,
        filter: one.filter,
    });
    topics.chain(queues).chain(functions).collect()
}

/// Checks all but whether the destinations are there.
fn rules(all: NotificationConfiguration, bucket: &Bucket, ids: &Ids) -> Result<Vec<Rule>, Error> {
    let given = given(all);
    if given.len() > MAX_RULES {
        return Err(error::invalid_request(format!(
            "Too many configurations submitted. The maximum number of configurations is {MAX_RULES}"
        )));
    }
    let mut rules: Vec<Rule> = Vec::with_capacity(given.len());
    let mut named = BTreeSet::new();
    for one in given {
        let rule = rule(one, bucket, ids)?;
        if !named.insert(rule.id.clone()) {
            let message = "Same ID used for multiple configurations. IDs must be unique.";
            return Err(error::invalid_argument("Id", &rule.id, message));
        }
        if let Some(conflict) = rules.iter().find_map(|earlier| earlier.conflict(&rule)) {
            return Err(refused(conflict));
        }
        rules.push(rule);
    }
    Ok(rules)
}

/// In the words that S3 has: github.com/minio/minio issue 2472 for events that overlap, github.com/aws/aws-cdk
/// issue 29951 for keys.
fn refused(conflict: Conflict) -> Error {
    match conflict {
        Conflict::Overlap(one, other) => error::invalid_argument(
            "Event",
            &format!("{one}, {other}"),
            "Configurations overlap. Configurations on the same bucket cannot share a common event type.",
        ),
        Conflict::Ambiguous => Error::new(
            400,
            "InvalidArgument",
            "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type.",
        ),
    }
}

fn rule(given: Given, bucket: &Bucket, ids: &Ids) -> Result<Rule, Error> {
    destinations::check_arn(given.kind, &given.arn, bucket)?;
    if given.arn.len() > MAX_ARN {
        return Err(error::invalid_argument("ARN", &given.arn, "The ARN could not be parsed"));
    }
    check_events(&given.events)?;
    let id = match given.id.filter(|id| !id.is_empty()) {
        Some(id) if id.chars().count() > MAX_ID => {
            let message = format!("ID length exceeded allowed limit of {MAX_ID}");
            return Err(error::invalid_argument("Id", &id, message));
        }
        Some(id) => id,
        // As S3 makes them.
        None => STANDARD.encode(ids.uuid()),
    };
    let filters = filters(given.filter)?;
    Ok(Rule { id, kind: given.kind, destination: given.arn, events: given.events, filters })
}

fn check_events(events: &[String]) -> Result<(), Error> {
    if events.is_empty() || events.len() > MAX_EVENTS {
        return Err(error::malformed_xml());
    }
    for (number, event) in events.iter().enumerate() {
        match standing(event) {
            Standing::Possible => {}
            Standing::Never => return Err(error::not_implemented("notifications of", event)),
            Standing::Unknown => {
                let message = "A specified event is not supported for notifications.";
                return Err(error::invalid_argument("Event", event, message));
            }
        }
        let earlier = events.get(..number).unwrap_or_default();
        if let Some((one, other)) = common(std::iter::once(event), earlier) {
            return Err(refused(Conflict::Overlap(one.to_owned(), other.to_owned())));
        }
    }
    Ok(())
}

fn filters(given: Option<NotificationConfigurationFilter>) -> Result<Vec<Filter>, Error> {
    let rules = given.and_then(|filter| filter.key).and_then(|key| key.filter_rules).unwrap_or_default();
    let mut filters: Vec<Filter> = Vec::new();
    for rule in rules {
        let name = rule.name.ok_or_else(error::malformed_xml)?;
        let value = rule.value.ok_or_else(error::malformed_xml)?;
        let suffix = match name.to_ascii_lowercase().as_str() {
            "prefix" => false,
            "suffix" => true,
            _ => {
                let message = "filter rule name must be either prefix or suffix";
                return Err(error::invalid_argument("FilterRule.Name", &name, message));
            }
        };
        if value.len() > MAX_VALUE {
            let message =
                format!("Size of filter rule value cannot exceed {MAX_VALUE} bytes in UTF-8 representation");
            return Err(error::invalid_argument("FilterRule.Value", &value, message));
        }
        if filters.iter().any(|filter| filter.suffix == suffix) {
            let message =
                format!("Cannot specify more than one {} rule in a filter.", name.to_ascii_lowercase());
            return Err(error::invalid_argument("FilterRule.Name", &name, message));
        }
        filters.push(Filter { suffix, value });
    }
    Ok(filters)
}
