//! Between rows and the API's shapes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ropeway_api::iam::{self as api, error};
use ropeway_wire::Error;

use crate::commands::{Listed, Page, errors, size};
use crate::limits;
use crate::model::{Entity, ManagedPolicy, Tags, Version};
use crate::policy::{Policy, PolicyError, PolicyKind};

/// RFC 3986's unreserved characters stand for themselves.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A policy document, as answers carry it.
pub(super) fn encode(document: &str) -> String {
    utf8_percent_encode(document, ENCODED).to_string()
}

/// Checks a policy document and its size.
pub(super) fn check_policy(document: &str, kind: PolicyKind) -> Result<(), Error> {
    if document.len() > limits::DOCUMENT_BYTES {
        return Err(errors::quota("PolicyDocumentBytes", limits::DOCUMENT_BYTES));
    }
    Policy::parse(document, kind).map_err(malformed)?;
    let (quota, limit) = match kind {
        PolicyKind::Managed => ("PolicySize", limits::MANAGED_POLICY),
        PolicyKind::Trust => ("ACLSizePerRole", limits::TRUST_POLICY),
        PolicyKind::Identity | PolicyKind::Resource => return Ok(()),
    };
    if size(document) > limit {
        return Err(errors::quota(quota, limit));
    }
    Ok(())
}

fn malformed(error: PolicyError) -> Error {
    error::malformed_policy_document_exception(error.to_string())
}

/// The page that a request asks for.
pub(super) fn page(marker: Option<String>, max_items: Option<i64>) -> Result<Page, Error> {
    let after = match marker {
        None => None,
        Some(marker) => {
            let bytes = URL_SAFE_NO_PAD.decode(marker).ok();
            let text =
                bytes.and_then(|bytes| String::from_utf8(bytes).ok()).filter(|text| !text.contains('\0'));
            Some(text.ok_or_else(|| invalid("Invalid Marker."))?)
        }
    };
    let limit = max_items.and_then(|limit| u32::try_from(limit).ok()).unwrap_or(limits::PAGE);
    Ok(Page { after, limit })
}

/// `IsTruncated` and `Marker` of a page.
pub(super) fn more<T>(listed: &Listed<T>) -> (Option<bool>, Option<String>) {
    (Some(listed.next.is_some()), listed.next.as_ref().map(|next| URL_SAFE_NO_PAD.encode(next)))
}

/// A request that makes no sense.
pub(super) fn invalid(message: impl Into<String>) -> Error {
    Error::new(400, "ValidationError", message)
}

/// Tags of a request.
pub(super) fn tags(given: Option<Vec<api::Tag>>) -> Result<Tags, Error> {
    let mut tags = Tags::new();
    for tag in given.unwrap_or_default() {
        if tags.keys().any(|key| key.eq_ignore_ascii_case(&tag.key)) {
            let message = "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
            return Err(error::invalid_input_exception(message));
        }
        if tag.key.to_ascii_lowercase().starts_with("aws:") {
            let message = "System tags cannot be added/updated by requester.";
            return Err(error::invalid_input_exception(message));
        }
        tags.insert(tag.key, tag.value);
    }
    Ok(tags)
}

/// Tags of an answer.
pub(super) fn tag_list(tags: &Tags) -> Vec<api::Tag> {
    tags.iter().map(|(key, value)| api::Tag { key: key.clone(), value: value.clone() }).collect()
}

fn some_tags(tags: &Tags) -> Option<Vec<api::Tag>> {
    (!tags.is_empty()).then(|| tag_list(tags))
}

fn boundary(entity: &Entity) -> Option<api::AttachedPermissionsBoundary> {
    entity.boundary.as_ref().map(|arn| api::AttachedPermissionsBoundary {
        permissions_boundary_type: Some("Policy".to_owned()),
        permissions_boundary_arn: Some(arn.clone()),
    })
}

/// A user. Lists leave out tags and boundaries.
pub(super) fn user(entity: &Entity, whole: bool) -> api::User {
    api::User {
        path: entity.path.clone(),
        user_name: entity.name.clone(),
        user_id: entity.id.clone(),
        arn: entity.arn(),
        create_date: entity.created,
        password_last_used: None,
        permissions_boundary: boundary(entity).filter(|_| whole),
        tags: some_tags(&entity.tags).filter(|_| whole),
    }
}

/// A role. Lists leave out tags and boundaries.
pub(super) fn role(entity: &Entity, whole: bool) -> api::Role {
    let parts = entity.role.as_ref();
    api::Role {
        path: entity.path.clone(),
        role_name: entity.name.clone(),
        role_id: entity.id.clone(),
        arn: entity.arn(),
        create_date: entity.created,
        assume_role_policy_document: parts.map(|parts| encode(&parts.trust)),
        description: parts.and_then(|parts| parts.description.clone()),
        max_session_duration: parts.map(|parts| parts.max_session),
        permissions_boundary: boundary(entity).filter(|_| whole),
        tags: some_tags(&entity.tags).filter(|_| whole),
        role_last_used: None,
        source_role_template: None,
    }
}

/// A group.
pub(super) fn group(entity: &Entity) -> api::Group {
    api::Group {
        path: entity.path.clone(),
        group_name: entity.name.clone(),
        group_id: entity.id.clone(),
        arn: entity.arn(),
        create_date: entity.created,
    }
}

/// A managed policy. Lists leave out description and tags.
pub(super) fn policy(policy: &ManagedPolicy, whole: bool) -> api::Policy {
    api::Policy {
        policy_name: Some(policy.name.clone()),
        policy_id: Some(policy.id.clone()),
        arn: Some(policy.arn()),
        path: Some(policy.path.clone()),
        default_version_id: Some(version_id(policy.default)),
        attachment_count: Some(i64::from(policy.attachments)),
        permissions_boundary_usage_count: Some(i64::from(policy.boundaries)),
        is_attachable: Some(true),
        description: policy.description.clone().filter(|_| whole),
        create_date: Some(policy.created),
        update_date: Some(policy.updated),
        tags: some_tags(&policy.tags).filter(|_| whole),
    }
}

/// A version; lists leave out the document.
pub(super) fn version(version: &Version, whole: bool) -> api::PolicyVersion {
    api::PolicyVersion {
        document: whole.then(|| encode(&version.document)),
        version_id: Some(version_id(version.number)),
        is_default_version: Some(version.default),
        create_date: Some(version.created),
    }
}

fn version_id(number: u32) -> String {
    format!("v{number}")
}

/// The number of a version id. Its pattern was checked; a suffix names no version of ours.
pub(super) fn version_number(id: &str) -> u32 {
    id.strip_prefix('v').and_then(|number| number.parse().ok()).unwrap_or(0)
}
