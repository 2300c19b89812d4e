//! PutSubscriptionFilter, DescribeSubscriptionFilters, DeleteSubscriptionFilter, TestMetricFilter.

use ropeway_api::firehose::{PutRecordInput, Record};
use ropeway_api::logs::{
    DeleteSubscriptionFilterInput, DeleteSubscriptionFilterOutput, DescribeSubscriptionFiltersInput,
    DescribeSubscriptionFiltersOutput, MetricFilterMatchRecord, PutSubscriptionFilterInput,
    PutSubscriptionFilterOutput, SERVICE, SubscriptionFilter, TestMetricFilterInput, TestMetricFilterOutput,
};
use ropeway_core::Time;
use ropeway_store::MAX_KEY_BYTES;
use ropeway_wire::{Cx, Error, Keys, Principal};

use super::{Logs, invalid, named, parse_token, token, unexpected};
use crate::actor::{Data, payload};
use crate::commands::{Command, Output};
use crate::keys::GroupName;
use crate::model::Filter;
use crate::pattern::Pattern;
use crate::subscription::{Destination, PRINCIPAL, source_arn};

/// Filters that `DescribeSubscriptionFilters` gives where no limit is asked for:
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeSubscriptionFilters.html>.
const PAGE: i64 = 50;
/// How records are dealt out where nothing is said.
const BY_STREAM: &str = "ByLogStream";

pub async fn put_subscription_filter(
    logs: &Logs,
    cx: &Cx,
    input: PutSubscriptionFilterInput,
) -> Result<PutSubscriptionFilterOutput, Error> {
    let group = named(cx, &input.log_group_name);
    Pattern::parse(&input.filter_pattern).map_err(invalid)?;
    if group.rows(0).filter(&input.filter_name).len() > MAX_KEY_BYTES {
        return Err(invalid("The subscription filter's name is too long in UTF-8."));
    }
    logs.read(cx, &group).await?;
    let filter = Filter {
        name: input.filter_name,
        id: 0,
        pattern: input.filter_pattern,
        destination: input.destination_arn,
        role: input.role_arn,
        distribution: input.distribution.unwrap_or_else(|| BY_STREAM.to_owned()),
        created: Time(0),
    };
    check_destination(logs, cx, &group, &filter).await?;
    logs.submit(cx, &group, Command::PutFilter { group: group.clone(), filter }).await?;
    Ok(PutSubscriptionFilterOutput {})
}

/// The destination must be the caller's own, and take what the service sends it.
async fn check_destination(logs: &Logs, cx: &Cx, group: &GroupName, filter: &Filter) -> Result<(), Error> {
    let arn = &filter.destination;
    let destination = Destination::of(arn).ok_or_else(|| {
        invalid(format!(
            "destinationArn {arn} is not implemented: Lambda functions and Firehose delivery streams are."
        ))
    })?;
    let place: Vec<&str> = arn.split(':').skip(3).take(2).collect();
    if place != [cx.region.as_str(), cx.account.as_str()] {
        return Err(invalid("destinationArn must be of the log group's own account and region."));
    }
    match destination {
        Destination::Lambda => check_function(logs, cx, group, filter),
        Destination::Firehose => check_stream(logs, cx, group, filter).await,
    }
}

/// What the destination's owner may make conditions of.
fn source(group: &GroupName) -> Keys {
    let mut keys = Keys::default();
    keys.add("aws:SourceArn", &source_arn(&group.arn()));
    keys.add("aws:SourceAccount", &group.scope.account);
    keys
}

/// The function's policy must let the service invoke it.
fn check_function(logs: &Logs, cx: &Cx, group: &GroupName, filter: &Filter) -> Result<(), Error> {
    if filter.role.is_some() {
        return Err(invalid("destinationArn for vendor lambda cannot be used with roleArn"));
    }
    let service = Principal::service(PRINCIPAL, &cx.account);
    let gate = std::sync::Arc::clone(&logs.setup.gate);
    let asked = Cx::from_within(gate, service, &cx.region, &cx.trace, cx.now);
    let function = &filter.destination;
    asked.authorize(&SERVICE, "lambda:InvokeFunction", function, &source(group)).map_err(|error| {
        tracing::debug!(function, %error, "a function may not be invoked for a log group");
        invalid(
            "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to \
             execute your function.",
        )
    })
}

/// The caller must be allowed to hand the role over, and the role to put records: a probe is put, as AWS
/// does ("CONTROL_MESSAGE", user guide, "Log group-level subscription filters").
async fn check_stream(logs: &Logs, cx: &Cx, group: &GroupName, filter: &Filter) -> Result<(), Error> {
    let vendor = || invalid("destinationArn for vendor firehose cannot be used without roleArn");
    let role = filter.role.as_ref().ok_or_else(vendor)?;
    cx.pass_role(&SERVICE, role, PRINCIPAL)?;
    let session = logs.setup.roles.assume_for_service(role, PRINCIPAL, "logs", &source(group));
    let session = session.map_err(|why| {
        tracing::debug!(role, why, "a role cannot be assumed");
        invalid(
            "Could not deliver test message to specified Firehose stream. Check if CloudWatch Logs has been \
             granted permission to assume the role.",
        )
    })?;
    let probe = Data {
        message_type: "CONTROL_MESSAGE",
        owner: "CloudwatchLogs",
        log_group: "",
        log_stream: "",
        subscription_filters: Vec::new(),
        log_events: Vec::new(),
    };
    let data = probe.compressed().map_err(|error| Error::internal(error.to_string()))?;
    let name = filter.destination.rsplit('/').next().unwrap_or_default().to_owned();
    let input = PutRecordInput {
        delivery_stream_name: name,
        record: Record { data: payload(Destination::Firehose, data) },
    };
    let gate = std::sync::Arc::clone(&logs.setup.gate);
    let within = Cx::from_within(gate, session, &cx.region, &cx.trace, cx.now);
    logs.setup.services.call(within, input).await.map(drop).map_err(|error| {
        tracing::debug!(stream = filter.destination, %error, "a probe was not taken");
        invalid(
            "Could not deliver test message to specified Firehose stream. Check if the given Firehose stream is \
             in ACTIVE state.",
        )
    })
}

async fn all(logs: &Logs, cx: &Cx, group: &GroupName) -> Result<Vec<Filter>, Error> {
    match logs.submit(cx, group, Command::ReadFilters { group: group.clone() }).await? {
        Output::Filters(filters) => Ok(filters),
        _ => Err(unexpected()),
    }
}

pub async fn describe_subscription_filters(
    logs: &Logs,
    cx: &Cx,
    input: DescribeSubscriptionFiltersInput,
) -> Result<DescribeSubscriptionFiltersOutput, Error> {
    let group = named(cx, &input.log_group_name);
    let prefix = input.filter_name_prefix.unwrap_or_default();
    let after = input.next_token.as_deref().map(parse_token).transpose()?;
    let limit = usize::try_from(input.limit.unwrap_or(PAGE)).unwrap_or(1);
    let filters = all(logs, cx, &group).await?;
    let behind = |filter: &Filter| after.as_ref().is_none_or(|after| filter.name > *after);
    let mut wanted = filters.into_iter().filter(|filter| filter.name.starts_with(&prefix) && behind(filter));
    let page: Vec<Filter> = wanted.by_ref().take(limit).collect();
    let more = wanted.next().is_some();
    let next_token = page.last().filter(|_| more).map(|filter| token(&filter.name));
    let described = page.into_iter().map(|filter| described(&group, filter)).collect();
    Ok(DescribeSubscriptionFiltersOutput { subscription_filters: Some(described), next_token })
}

fn described(group: &GroupName, filter: Filter) -> SubscriptionFilter {
    SubscriptionFilter {
        filter_name: Some(filter.name),
        log_group_name: Some(group.name.clone()),
        filter_pattern: Some(filter.pattern),
        destination_arn: Some(filter.destination),
        role_arn: filter.role,
        distribution: Some(filter.distribution),
        apply_on_transformed_logs: Some(false),
        creation_time: Some(filter.created.millis()),
        ..SubscriptionFilter::default()
    }
}

pub async fn delete_subscription_filter(
    logs: &Logs,
    cx: &Cx,
    input: DeleteSubscriptionFilterInput,
) -> Result<DeleteSubscriptionFilterOutput, Error> {
    let group = named(cx, &input.log_group_name);
    let command = Command::DeleteFilter { group: group.clone(), name: input.filter_name };
    logs.submit(cx, &group, command).await?;
    Ok(DeleteSubscriptionFilterOutput {})
}

pub async fn test_metric_filter(
    _logs: &Logs,
    _cx: &Cx,
    input: TestMetricFilterInput,
) -> Result<TestMetricFilterOutput, Error> {
    let pattern = Pattern::parse(&input.filter_pattern).map_err(invalid)?;
    let messages = (1..).zip(input.log_event_messages);
    let matches = messages.filter_map(|(number, message)| {
        let values = pattern.extract(&message)?;
        Some(MetricFilterMatchRecord {
            event_number: Some(number),
            event_message: Some(message),
            extracted_values: Some(values),
        })
    });
    Ok(TestMetricFilterOutput { matches: Some(matches.collect()) })
}
