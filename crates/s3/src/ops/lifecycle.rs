//! Lifecycle configurations: what is taken, and what is shown of it.

use ropeway_api::s3::{
    self, AbortIncompleteMultipartUpload, DeleteBucketLifecycleInput, DeleteBucketLifecycleOutput,
    GetBucketLifecycleConfigurationInput, GetBucketLifecycleConfigurationOutput, LifecycleExpiration,
    LifecycleRuleAndOperator, LifecycleRuleFilter, NoncurrentVersionExpiration,
    PutBucketLifecycleConfigurationInput, PutBucketLifecycleConfigurationOutput,
};
use ropeway_core::Time;
use ropeway_wire::{Cx, Error};

use super::settings::check_said;
use super::tagging::{shown as shown_tags, tags_of};
use crate::commands::{Command, MAX_LIFECYCLE_RULES, Output};
use crate::lifecycle::{Expiry, Filter, Form, Noncurrent, Rule, midnight};
use crate::model::Object;
use crate::names::{OBJECT_TAGS, check_tags};
use crate::{S3Service, error, lifecycle, target};

/// The longest id of a rule, in characters.
const MAX_ID: usize = 255;
/// Newer versions that a rule may keep.
const MAX_NEWER: i64 = 100;

impl S3Service {
    /// `x-amz-expiration` of a current object.
    pub(super) fn expiration(&self, bucket: &str, key: &str, object: &Object) -> Option<String> {
        lifecycle::expiration(self.live.get(bucket)?.lifecycle(), key, object)
    }

    /// `x-amz-abort-date` and `x-amz-abort-rule-id` of an upload.
    pub(super) fn abortion(
        &self,
        bucket: &str,
        key: &str,
        initiated: Time,
    ) -> (Option<Time>, Option<String>) {
        let configured = self.live.get(bucket);
        configured.and_then(|found| lifecycle::abortion(found.lifecycle(), key, initiated)).unzip()
    }
}

/// A number of days.
fn days(action: &str, days: i64) -> Result<u32, Error> {
    u32::try_from(days).ok().filter(|days| *days > 0 && *days <= i32::MAX as u32).ok_or_else(|| {
        let message = format!("'Days' for {action} action must be a positive integer");
        error::invalid_argument("Days", &days.to_string(), message)
    })
}

fn size(bytes: Option<i64>) -> Result<Option<u64>, Error> {
    bytes.map(|bytes| u64::try_from(bytes).map_err(|_| error::malformed_xml())).transpose()
}

fn filter(rule: &mut s3::LifecycleRule) -> Result<Filter, Error> {
    let given = match (rule.prefix.take(), rule.filter.take()) {
        (Some(prefix), None) => {
            return Ok(Filter { form: Form::Old, prefix: Some(prefix), ..Filter::default() });
        }
        (None, Some(filter)) => filter,
        _ => return Err(error::malformed_xml()),
    };
    let alone = [
        given.prefix.is_some(),
        given.tag.is_some(),
        given.object_size_greater_than.is_some(),
        given.object_size_less_than.is_some(),
        given.and.is_some(),
    ];
    if alone.into_iter().filter(|given| *given).count() > 1 {
        return Err(error::malformed_xml());
    }
    let (form, all) = match given.and {
        Some(and) => (Form::And, and),
        None => {
            let all = LifecycleRuleAndOperator {
                prefix: given.prefix,
                tags: given.tag.map(|tag| vec![tag]),
                object_size_greater_than: given.object_size_greater_than,
                object_size_less_than: given.object_size_less_than,
            };
            (Form::Plain, all)
        }
    };
    let tags = tags_of(all.tags.unwrap_or_default());
    check_tags(&tags, OBJECT_TAGS)?;
    let (greater, less) = (size(all.object_size_greater_than)?, size(all.object_size_less_than)?);
    Ok(Filter { form, prefix: all.prefix, tags, greater, less })
}

/// When objects expire, and `ExpiredObjectDeleteMarker`.
fn expiration(given: Option<LifecycleExpiration>) -> Result<(Option<Expiry>, Option<bool>), Error> {
    let Some(given) = given else { return Ok((None, None)) };
    match (given.days, given.date, given.expired_object_delete_marker) {
        (Some(number), None, None) => Ok((Some(Expiry::Days(days("Expiration", number)?)), None)),
        (None, Some(date), None) if midnight(date) == date => Ok((Some(Expiry::Date(date)), None)),
        (None, Some(date), None) => {
            let message = "'Date' must be at midnight GMT";
            Err(error::invalid_argument("Date", &date.secs().to_string(), message))
        }
        (None, None, Some(markers)) => Ok((None, Some(markers))),
        _ => Err(error::malformed_xml()),
    }
}

fn noncurrent(given: Option<NoncurrentVersionExpiration>) -> Result<Option<Noncurrent>, Error> {
    let Some(given) = given else { return Ok(None) };
    let number = given.noncurrent_days.ok_or_else(error::malformed_xml)?;
    let newer = given.newer_noncurrent_versions;
    if let Some(newer) = newer.filter(|newer| !(1..=MAX_NEWER).contains(newer)) {
        let message = "'NewerNoncurrentVersions' must be an integer between 1 and 100";
        return Err(error::invalid_argument("NewerNoncurrentVersions", &newer.to_string(), message));
    }
    let newer = newer.map(|newer| newer as u32);
    Ok(Some(Noncurrent { days: days("NoncurrentVersionExpiration", number)?, newer }))
}

fn rule(mut given: s3::LifecycleRule, made_up: impl FnOnce() -> String) -> Result<Rule, Error> {
    let enabled = match given.status.as_str() {
        "Enabled" => true,
        "Disabled" => false,
        _ => return Err(error::malformed_xml()),
    };
    let id = given.id.take().filter(|id| !id.is_empty()).unwrap_or_else(made_up);
    if id.chars().count() > MAX_ID {
        return Err(error::invalid_argument("ID", &id, "ID length should not exceed allowed limit of 255"));
    }
    let filter = filter(&mut given)?;
    let (expires, markers) = expiration(given.expiration)?;
    let abort = given.abort_incomplete_multipart_upload.map(|abort| {
        let number = abort.days_after_initiation.ok_or_else(error::malformed_xml)?;
        days("AbortIncompleteMultipartUpload", number)
    });
    let noncurrent = noncurrent(given.noncurrent_version_expiration)?;
    let rule = Rule { id, enabled, filter, expires, markers, noncurrent, abort: abort.transpose()? };
    check(&rule)?;
    Ok(rule)
}

/// What may not stand together.
fn check(rule: &Rule) -> Result<(), Error> {
    let acts = rule.expires.is_some() || rule.markers.is_some() || rule.noncurrent.is_some();
    if !acts && rule.abort.is_none() {
        return Err(error::invalid_request("At least one action needs to be specified in a rule"));
    }
    if rule.filter.is_narrow() && rule.abort.is_some() {
        let message = "AbortIncompleteMultipartUpload cannot be specified with Tags or object sizes.";
        return Err(error::invalid_request(message));
    }
    if rule.filter.is_narrow() && rule.markers.is_some() {
        let message = "ExpiredObjectDeleteMarker cannot be specified with Tags or object sizes.";
        return Err(error::invalid_request(message));
    }
    Ok(())
}

pub(super) async fn put_bucket_lifecycle_configuration(
    service: &S3Service,
    cx: &Cx,
    input: PutBucketLifecycleConfigurationInput,
) -> Result<PutBucketLifecycleConfigurationOutput, Error> {
    check_said(None, input.checksum_algorithm.as_deref())?;
    let given = input.lifecycle_configuration.ok_or_else(error::malformed_xml)?.rules;
    if given.is_empty() || given.len() > MAX_LIFECYCLE_RULES {
        return Err(error::malformed_xml());
    }
    let ids = service.core.ids();
    let rules: Result<Vec<Rule>, Error> = given.into_iter().map(|one| rule(one, || ids.uuid())).collect();
    let rules = rules?;
    let mut seen = std::collections::BTreeSet::new();
    if let Some(twice) = rules.iter().find(|rule| !seen.insert(rule.id.as_str())) {
        let message = format!("Rule ID must be unique. Found same ID for more than one rule: {}", twice.id);
        return Err(error::invalid_argument("ID", &twice.id, message));
    }
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    service.submit(cx, &input.bucket, Command::SetLifecycle(target, rules)).await?;
    Ok(PutBucketLifecycleConfigurationOutput::default())
}

pub(super) async fn get_bucket_lifecycle_configuration(
    service: &S3Service,
    cx: &Cx,
    input: GetBucketLifecycleConfigurationInput,
) -> Result<GetBucketLifecycleConfigurationOutput, Error> {
    let command = Command::GetLifecycle(target(cx, &input.bucket, input.expected_bucket_owner.as_ref()));
    let rules = answer!(service.submit(cx, &input.bucket, command), Output::Lifecycle(rules) => rules);
    if rules.is_empty() {
        let message = "The lifecycle configuration does not exist";
        return Err(
            Error::new(404, "NoSuchLifecycleConfiguration", message).with_member("BucketName", &input.bucket)
        );
    }
    let rules = Some(rules.into_iter().map(shown).collect());
    Ok(GetBucketLifecycleConfigurationOutput { rules, ..GetBucketLifecycleConfigurationOutput::default() })
}

pub(super) async fn delete_bucket_lifecycle(
    service: &S3Service,
    cx: &Cx,
    input: DeleteBucketLifecycleInput,
) -> Result<DeleteBucketLifecycleOutput, Error> {
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    service.submit(cx, &input.bucket, Command::SetLifecycle(target, Vec::new())).await?;
    Ok(DeleteBucketLifecycleOutput::default())
}

fn shown(rule: Rule) -> s3::LifecycleRule {
    let expiration = match (rule.expires, rule.markers) {
        (None, None) => None,
        (expires, markers) => Some(LifecycleExpiration {
            date: match expires {
                Some(Expiry::Date(date)) => Some(date),
                _ => None,
            },
            days: match expires {
                Some(Expiry::Days(days)) => Some(i64::from(days)),
                _ => None,
            },
            expired_object_delete_marker: markers,
        }),
    };
    let (prefix, filter) = shown_filter(rule.filter);
    s3::LifecycleRule {
        expiration,
        id: Some(rule.id),
        prefix,
        filter,
        status: if rule.enabled { "Enabled" } else { "Disabled" }.to_owned(),
        noncurrent_version_expiration: rule.noncurrent.map(|noncurrent| NoncurrentVersionExpiration {
            noncurrent_days: Some(i64::from(noncurrent.days)),
            newer_noncurrent_versions: noncurrent.newer.map(i64::from),
        }),
        abort_incomplete_multipart_upload: rule
            .abort
            .map(|days| AbortIncompleteMultipartUpload { days_after_initiation: Some(i64::from(days)) }),
    }
}

fn shown_filter(filter: Filter) -> (Option<String>, Option<LifecycleRuleFilter>) {
    let (greater, less) = (filter.greater.map(|size| size as i64), filter.less.map(|size| size as i64));
    let tags = shown_tags(filter.tags);
    match filter.form {
        Form::Old => (filter.prefix, None),
        Form::Plain => {
            let plain = LifecycleRuleFilter {
                prefix: filter.prefix,
                tag: tags.into_iter().next(),
                object_size_greater_than: greater,
                object_size_less_than: less,
                and: None,
            };
            (None, Some(plain))
        }
        Form::And => {
            let and = LifecycleRuleAndOperator {
                prefix: filter.prefix,
                tags: Some(tags).filter(|tags| !tags.is_empty()),
                object_size_greater_than: greater,
                object_size_less_than: less,
            };
            (None, Some(LifecycleRuleFilter { and: Some(and), ..LifecycleRuleFilter::default() }))
        }
    }
}
