//! Policies and owners of resources, by ARN.

use super::{Access, compile};
use crate::aws_managed::AWS;
use crate::policy::{AttachedPolicy, PolicyKind};

impl Access {
    pub(super) fn put_policy(&self, resource: &str, policy: Option<&str>) {
        match policy {
            Some(document) => {
                self.resources.set(resource, compile(resource, document, PolicyKind::Resource));
            }
            None => self.resources.remove(resource),
        }
    }

    pub(super) fn put_owner(&self, resource: &str, account: Option<&str>) {
        match account {
            Some(account) => self.owners.set(resource, account.into()),
            None => self.owners.remove(resource),
        }
    }

    /// The resource's policy: an object's is its bucket's.
    pub(super) fn policy_of(&self, resource: &str) -> Option<AttachedPolicy> {
        self.resources.get(bucket_of(resource))
    }

    /// The account that owns a resource, where its ARN or its service tells.
    pub(super) fn owner_of(&self, resource: &str) -> Option<String> {
        match resource.split(':').nth(4) {
            Some("") | None => self.owners.get(bucket_of(resource)).map(|account| account.to_string()),
            // AWS's own policies are everybody's.
            Some(AWS) => None,
            Some(account) => Some(account.to_owned()),
        }
    }
}

/// The ARN that a resource's policy is known by: an object's is its bucket's; that of a REST API's method, its
/// stage's (`…:<api>/<stage>`), which each deployment gives its own; any other ARN as it is.
fn bucket_of(resource: &str) -> &str {
    if resource.starts_with("arn:aws:s3:::") {
        return resource.split('/').next().unwrap_or(resource);
    }
    if resource.starts_with("arn:aws:execute-api:") {
        let end = resource.match_indices('/').nth(1).map_or(resource.len(), |(at, _)| at);
        return resource.get(..end).unwrap_or(resource);
    }
    resource
}
