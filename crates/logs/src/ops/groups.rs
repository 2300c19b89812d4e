//! CreateLogGroup, DeleteLogGroup, DescribeLogGroups, ListLogGroups, PutRetentionPolicy,
//! DeleteRetentionPolicy, PutLogGroupDeletionProtection.

use ropeway_api::logs::{
    CreateLogGroupInput, CreateLogGroupOutput, DeleteLogGroupInput, DeleteLogGroupOutput,
    DeleteRetentionPolicyInput, DeleteRetentionPolicyOutput, DescribeLogGroupsInput, DescribeLogGroupsOutput,
    ListLogGroupsInput, ListLogGroupsOutput, LogGroup, LogGroupSummary, PutLogGroupDeletionProtectionInput,
    PutLogGroupDeletionProtectionOutput, PutRetentionPolicyInput, PutRetentionPolicyOutput,
};
use ropeway_core::directory;
use ropeway_wire::{Cx, Error};

use super::{Logs, authorize, bad_token, identified, invalid, named, parse_token, token};
use crate::commands::{Change, Command};
use crate::keys::{self, GroupName};
use crate::model::{Group, Stats};

/// The one class of log groups.
const STANDARD: &str = "STANDARD";
/// Groups that one `DescribeLogGroups` or `ListLogGroups` gives where no limit is asked for:
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogGroups.html>.
const PAGE: i64 = 50;
/// Names that are looked through at once.
const NAMES_AT_ONCE: u32 = 1000;
/// The days that `PutRetentionPolicy` takes:
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html>.
const RETENTIONS: &[i64] = &[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
];

pub async fn create_log_group(
    logs: &Logs,
    cx: &Cx,
    input: CreateLogGroupInput,
) -> Result<CreateLogGroupOutput, Error> {
    if let Some(class) = input.log_group_class.filter(|class| class != STANDARD) {
        return Err(invalid(format!("logGroupClass {class} is not implemented: only {STANDARD} is.")));
    }
    if input.log_group_name.to_ascii_lowercase().starts_with("aws/") {
        return Err(invalid("Log groups starting with AWS/ are reserved for AWS."));
    }
    let group = named(cx, &input.log_group_name);
    let tags = input.tags.unwrap_or_default();
    super::tags::check_reserved(cx, tags.keys())?;
    let command = Command::CreateGroup {
        group: group.clone(),
        tags,
        protected: input.deletion_protection_enabled.unwrap_or(false),
    };
    logs.submit(cx, &group, command).await?;
    let list = keys::list(&cx.account, &cx.region);
    let line = directory::Command::Add { list, name: group.name, value: Vec::new() };
    directory::apply(&logs.core, &cx.trace, line).await?;
    Ok(CreateLogGroupOutput {})
}

pub async fn delete_log_group(
    logs: &Logs,
    cx: &Cx,
    input: DeleteLogGroupInput,
) -> Result<DeleteLogGroupOutput, Error> {
    let group = named(cx, &input.log_group_name);
    logs.submit(cx, &group, Command::DeleteGroup { group: group.clone() }).await?;
    let list = keys::list(&cx.account, &cx.region);
    let line = directory::Command::Remove { list, name: group.name };
    directory::apply(&logs.core, &cx.trace, line).await?;
    Ok(DeleteLogGroupOutput {})
}

/// Reads groups in the order of their names until `limit` are found; the last name that was looked at
/// says where to go on, if there are more.
async fn find(
    logs: &Logs,
    cx: &Cx,
    prefix: &str,
    mut after: Option<String>,
    limit: usize,
    wanted: impl Fn(&str) -> bool,
) -> Result<(Vec<(Group, Stats)>, Option<String>), Error> {
    let mut found = Vec::new();
    loop {
        let command = directory::Command::Read {
            list: keys::list(&cx.account, &cx.region),
            prefix: prefix.to_owned(),
            after: after.clone(),
            limit: NAMES_AT_ONCE,
        };
        let names = directory::apply(&logs.core, &cx.trace, command).await?;
        for (name, _) in names.names {
            if wanted(&name) {
                if found.len() >= limit {
                    return Ok((found, after));
                }
                match logs.read(cx, &named(cx, &name)).await {
                    Ok(group) => found.push(group),
                    // Deleted in between.
                    Err(error) if error.code == "ResourceNotFoundException" => {}
                    Err(error) => return Err(error),
                }
            }
            after = Some(name);
        }
        if !names.more {
            return Ok((found, None));
        }
    }
}

pub async fn describe_log_groups(
    logs: &Logs,
    cx: &Cx,
    input: DescribeLogGroupsInput,
) -> Result<DescribeLogGroupsOutput, Error> {
    let after = input.next_token.as_deref().map(parse_token).transpose()?;
    if let Some(identifiers) = &input.log_group_identifiers {
        return describe_these(logs, cx, &input, identifiers).await;
    }
    let prefix = input.log_group_name_prefix.unwrap_or_default();
    let pattern = input.log_group_name_pattern.unwrap_or_default();
    if !prefix.is_empty() && !pattern.is_empty() {
        return Err(invalid(
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
        ));
    }
    let other_class = input.log_group_class.is_some_and(|class| class != STANDARD);
    let limit = usize::try_from(input.limit.unwrap_or(PAGE)).unwrap_or(1);
    let wanted = |name: &str| !other_class && name.contains(&pattern);
    let (found, next) = find(logs, cx, &prefix, after, limit, wanted).await?;
    Ok(DescribeLogGroupsOutput {
        log_groups: Some(found.into_iter().map(described).collect()),
        next_token: next.as_deref().map(token),
    })
}

/// The groups of these names or ARNs.
async fn describe_these(
    logs: &Logs,
    cx: &Cx,
    input: &DescribeLogGroupsInput,
    identifiers: &[String],
) -> Result<DescribeLogGroupsOutput, Error> {
    if input.log_group_name_prefix.is_some() || input.log_group_name_pattern.is_some() {
        return Err(invalid("logGroupIdentifiers cannot be combined with a prefix or a pattern."));
    }
    let mut found = Vec::new();
    for identifier in identifiers {
        match logs.read(cx, &identified(cx, identifier)?).await {
            Ok(group) => found.push(described(group)),
            Err(error) if error.code == "ResourceNotFoundException" => {}
            Err(error) => return Err(error),
        }
    }
    Ok(DescribeLogGroupsOutput { log_groups: Some(found), next_token: None })
}

fn described((group, stats): (Group, Stats)) -> LogGroup {
    let arn = group.name.arn();
    LogGroup {
        creation_time: Some(group.created.millis()),
        retention_in_days: group.retention.map(i64::from),
        metric_filter_count: Some(0),
        arn: Some(format!("{arn}:*")),
        stored_bytes: i64::try_from(stats.bytes).ok(),
        log_group_class: Some(STANDARD.to_owned()),
        log_group_arn: Some(arn),
        deletion_protection_enabled: Some(group.protected),
        log_group_name: Some(group.name.name),
        ..LogGroup::default()
    }
}

/// Whether a name matches one of the pattern's alternatives: by its beginning after `^`, anywhere
/// otherwise.
fn matches(pattern: &str, name: &str) -> bool {
    pattern.split('|').any(|part| match part.strip_prefix('^') {
        Some(prefix) => name.starts_with(prefix),
        None => name.contains(part),
    })
}

pub async fn list_log_groups(
    logs: &Logs,
    cx: &Cx,
    input: ListLogGroupsInput,
) -> Result<ListLogGroupsOutput, Error> {
    let after = input.next_token.as_deref().map(parse_token).transpose()?;
    let other_class = input.log_group_class.is_some_and(|class| class != STANDARD);
    let pattern = input.log_group_name_pattern;
    let wanted = |name: &str| !other_class && pattern.as_deref().is_none_or(|pattern| matches(pattern, name));
    let limit = usize::try_from(input.limit.unwrap_or(PAGE)).map_err(|_| bad_token())?;
    let (found, next) = find(logs, cx, "", after, limit, wanted).await?;
    let summary = |(group, _): (Group, Stats)| LogGroupSummary {
        log_group_arn: Some(group.name.arn()),
        log_group_class: Some(STANDARD.to_owned()),
        log_group_name: Some(group.name.name),
    };
    Ok(ListLogGroupsOutput {
        log_groups: Some(found.into_iter().map(summary).collect()),
        next_token: next.as_deref().map(token),
    })
}

async fn set(logs: &Logs, cx: &Cx, group: GroupName, change: Change) -> Result<(), Error> {
    logs.submit(cx, &group, Command::SetGroup { group: group.clone(), change }).await.map(drop)
}

pub async fn put_retention_policy(
    logs: &Logs,
    cx: &Cx,
    input: PutRetentionPolicyInput,
) -> Result<PutRetentionPolicyOutput, Error> {
    let days = input.retention_in_days;
    if !RETENTIONS.contains(&days) {
        return Err(invalid(format!(
            "1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: \
             Member must satisfy enum value set: {RETENTIONS:?}"
        )));
    }
    let change = Change::Retention(u32::try_from(days).ok());
    set(logs, cx, named(cx, &input.log_group_name), change).await?;
    Ok(PutRetentionPolicyOutput {})
}

pub async fn delete_retention_policy(
    logs: &Logs,
    cx: &Cx,
    input: DeleteRetentionPolicyInput,
) -> Result<DeleteRetentionPolicyOutput, Error> {
    set(logs, cx, named(cx, &input.log_group_name), Change::Retention(None)).await?;
    Ok(DeleteRetentionPolicyOutput {})
}

pub async fn put_log_group_deletion_protection(
    logs: &Logs,
    cx: &Cx,
    input: PutLogGroupDeletionProtectionInput,
) -> Result<PutLogGroupDeletionProtectionOutput, Error> {
    let group = identified(cx, &input.log_group_identifier)?;
    authorize(cx, "logs:PutLogGroupDeletionProtection", &group.stream_arn(""))?;
    set(logs, cx, group, Change::Protection(input.deletion_protection_enabled)).await?;
    Ok(PutLogGroupDeletionProtectionOutput {})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_names_are_alternatives() {
        assert!(matches("^/aws/lambda|discovery", "/aws/lambda/f"));
        assert!(matches("^/aws/lambda|discovery", "my-discovery"));
        assert!(!matches("^/aws/lambda|discovery", "x/aws/lambda"));
    }
}
