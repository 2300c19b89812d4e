//! What users, groups and roles have in common: inline policies, attached policies, boundaries, tags.

use std::collections::BTreeMap;

use ropeway_api::iam::{
    AttachGroupPolicyInput, AttachRolePolicyInput, AttachUserPolicyInput, DeleteGroupPolicyInput,
    DeleteRolePermissionsBoundaryInput, DeleteRolePolicyInput, DeleteUserPermissionsBoundaryInput,
    DeleteUserPolicyInput, DetachGroupPolicyInput, DetachRolePolicyInput, DetachUserPolicyInput,
    PutGroupPolicyInput, PutRolePermissionsBoundaryInput, PutRolePolicyInput,
    PutUserPermissionsBoundaryInput, PutUserPolicyInput, TagRoleInput, TagUserInput, UntagRoleInput,
    UntagUserInput,
};
use ropeway_wire::Error;
use serde_json::{Value as Json, json};

use super::{Subject, property, tag_changes, tag_list, text, texts, unless};
use crate::template::{Kind, Property};

/// What an identity, a policy or an attachment that is not there answers.
pub const MISSING: &[&str] = &["NoSuchEntity", "NoSuchEntityException"];
/// What a name that is taken answers.
pub const TAKEN: &[&str] = &["EntityAlreadyExists", "EntityAlreadyExistsException"];

/// `Policies`, as users, groups and roles have them.
pub const POLICIES: Property = Property::new(
    "Policies",
    Kind::List(&Kind::Structure(&[
        Property::new("PolicyDocument", Kind::Json).required(),
        Property::new("PolicyName", Kind::String).required(),
    ])),
);
/// `ManagedPolicyArns`
pub const MANAGED: Property = Property::new("ManagedPolicyArns", Kind::List(&Kind::String));

/// A kind of identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// A user.
    User,
    /// A group.
    Group,
    /// A role.
    Role,
}

impl Identity {
    /// The member of an input that names it.
    pub fn member(self) -> &'static str {
        match self {
            Self::User => "UserName",
            Self::Group => "GroupName",
            Self::Role => "RoleName",
        }
    }

    /// Writes an inline policy.
    pub async fn put(
        self,
        subject: &Subject<'_>,
        owner: &str,
        name: &str,
        document: &Json,
    ) -> Result<(), Error> {
        let input =
            json!({ self.member(): owner, "PolicyName": name, "PolicyDocument": document.to_string() });
        match self {
            Self::User => subject.call::<PutUserPolicyInput>(input).await.map(drop),
            Self::Group => subject.call::<PutGroupPolicyInput>(input).await.map(drop),
            Self::Role => subject.call::<PutRolePolicyInput>(input).await.map(drop),
        }
    }

    /// Removes an inline policy.
    pub async fn remove(self, subject: &Subject<'_>, owner: &str, name: &str) -> Result<(), Error> {
        let input = json!({ self.member(): owner, "PolicyName": name });
        let removed = match self {
            Self::User => subject.call::<DeleteUserPolicyInput>(input).await.map(drop),
            Self::Group => subject.call::<DeleteGroupPolicyInput>(input).await.map(drop),
            Self::Role => subject.call::<DeleteRolePolicyInput>(input).await.map(drop),
        };
        unless(removed, MISSING).map(drop)
    }

    /// Attaches a managed policy.
    pub async fn attach(self, subject: &Subject<'_>, owner: &str, arn: &str) -> Result<(), Error> {
        let input = json!({ self.member(): owner, "PolicyArn": arn });
        match self {
            Self::User => subject.call::<AttachUserPolicyInput>(input).await.map(drop),
            Self::Group => subject.call::<AttachGroupPolicyInput>(input).await.map(drop),
            Self::Role => subject.call::<AttachRolePolicyInput>(input).await.map(drop),
        }
    }

    /// Detaches a managed policy.
    pub async fn detach(self, subject: &Subject<'_>, owner: &str, arn: &str) -> Result<(), Error> {
        let input = json!({ self.member(): owner, "PolicyArn": arn });
        let detached = match self {
            Self::User => subject.call::<DetachUserPolicyInput>(input).await.map(drop),
            Self::Group => subject.call::<DetachGroupPolicyInput>(input).await.map(drop),
            Self::Role => subject.call::<DetachRolePolicyInput>(input).await.map(drop),
        };
        unless(detached, MISSING).map(drop)
    }

    /// Turns the policies of `old` into those of `new`, and the boundary and tags too.
    pub async fn change(
        self,
        subject: &Subject<'_>,
        owner: &str,
        old: &Json,
        new: &Json,
    ) -> Result<(), Error> {
        self.change_policies(subject, owner, old, new).await?;
        let (before, after) = (property(old, "PermissionsBoundary"), property(new, "PermissionsBoundary"));
        if before != after {
            self.bound(subject, owner, after).await?;
        }
        let (set, gone) = tag_changes(old, new);
        self.tag(subject, owner, &set, &gone).await
    }

    /// Turns the inline and the attached policies of `old` into those of `new`.
    pub async fn change_policies(
        self,
        subject: &Subject<'_>,
        owner: &str,
        old: &Json,
        new: &Json,
    ) -> Result<(), Error> {
        let (before, after) = (inline(old), inline(new));
        for (name, document) in after.iter().filter(|(name, document)| before.get(*name) != Some(document)) {
            self.put(subject, owner, name, document).await?;
        }
        for name in before.keys().filter(|name| !after.contains_key(*name)) {
            self.remove(subject, owner, name).await?;
        }
        let (before, after) = (texts(property(old, MANAGED.name)), texts(property(new, MANAGED.name)));
        for arn in after.iter().filter(|arn| !before.contains(arn)) {
            self.attach(subject, owner, arn).await?;
        }
        for arn in before.iter().filter(|arn| !after.contains(arn)) {
            self.detach(subject, owner, arn).await?;
        }
        Ok(())
    }

    async fn bound(self, subject: &Subject<'_>, owner: &str, boundary: &Json) -> Result<(), Error> {
        let off = json!({ self.member(): owner });
        let on = json!({ self.member(): owner, "PermissionsBoundary": boundary });
        let done = match (self, boundary.is_null()) {
            (Self::User, true) => subject.call::<DeleteUserPermissionsBoundaryInput>(off).await.map(drop),
            (Self::User, false) => subject.call::<PutUserPermissionsBoundaryInput>(on).await.map(drop),
            (Self::Role, true) => subject.call::<DeleteRolePermissionsBoundaryInput>(off).await.map(drop),
            (Self::Role, false) => subject.call::<PutRolePermissionsBoundaryInput>(on).await.map(drop),
            // A group has none.
            (Self::Group, _) => Ok(()),
        };
        unless(done, if boundary.is_null() { MISSING } else { &[] }).map(drop)
    }

    async fn tag(
        self,
        subject: &Subject<'_>,
        owner: &str,
        set: &BTreeMap<String, String>,
        gone: &[String],
    ) -> Result<(), Error> {
        if !gone.is_empty() {
            let input = json!({ self.member(): owner, "TagKeys": gone });
            match self {
                Self::User => subject.call::<UntagUserInput>(input).await.map(drop)?,
                Self::Role => subject.call::<UntagRoleInput>(input).await.map(drop)?,
                Self::Group => {}
            }
        }
        if !set.is_empty() {
            let input = json!({ self.member(): owner, "Tags": tag_list(set) });
            match self {
                Self::User => subject.call::<TagUserInput>(input).await.map(drop)?,
                Self::Role => subject.call::<TagRoleInput>(input).await.map(drop)?,
                Self::Group => {}
            }
        }
        Ok(())
    }

    /// Takes away what the template gave it, so that it can be deleted.
    pub async fn strip(self, subject: &Subject<'_>, owner: &str) -> Result<(), Error> {
        for name in inline(subject.properties).keys() {
            self.remove(subject, owner, name).await?;
        }
        for arn in texts(subject.property(MANAGED.name)) {
            self.detach(subject, owner, &arn).await?;
        }
        Ok(())
    }
}

/// Inline policies by name.
fn inline(properties: &Json) -> BTreeMap<String, Json> {
    let policies = property(properties, POLICIES.name).as_array().cloned().unwrap_or_default();
    let entry =
        |policy: Json| (text(property(&policy, "PolicyName")), property(&policy, "PolicyDocument").clone());
    policies.into_iter().map(entry).collect()
}
