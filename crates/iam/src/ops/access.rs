//! Asks for an operation's action on what it is about.
//!
//! An entity's ARN holds its path, and its tags and boundary are condition keys: all three are looked up
//! in the snapshots. What is not there is asked for under the ARN that it would have at the root path.

use std::collections::BTreeMap;

use ropeway_wire::schema::Service;
use ropeway_wire::{Cx, Error, Input, Keys};

use super::IamService;
use crate::model::{Kind, Tags, entity_arn};

/// The caller may carry out the operation on this resource.
fn ask<I: Input>(cx: &Cx, resource: &str, keys: &Keys) -> Result<(), Error> {
    let service: &Service = I::SERVICE;
    let listed = service.operations.iter().find(|operation| operation.name == I::OPERATION);
    let action = listed.and_then(|operation| operation.action);
    let action = action.ok_or_else(|| Error::internal(format!("{} has no action", I::OPERATION)))?;
    cx.authorize(service, action, resource, keys)
}

/// The caller may tag what it creates, if it tags it.
fn ask_to_tag<I: Input>(cx: &Cx, action: &str, arn: &str, tags: &Tags) -> Result<(), Error> {
    match tags.is_empty() {
        true => Ok(()),
        false => {
            let mut keys = Keys::default();
            add_request_tags(&mut keys, tags);
            cx.authorize(I::SERVICE, action, arn, &keys)
        }
    }
}

/// `aws:RequestTag/…` and `aws:TagKeys`.
pub(super) fn add_request_tags(keys: &mut Keys, tags: &Tags) {
    for (key, value) in tags {
        keys.add_all(&format!("aws:RequestTag/{key}"), vec![value.clone()]);
    }
    if !tags.is_empty() {
        keys.add_all("aws:TagKeys", tags.keys().cloned().collect());
    }
}

fn add_resource_tags(keys: &mut Keys, tags: &BTreeMap<String, String>) {
    for (key, value) in tags {
        for prefix in ["aws", "iam"] {
            keys.add_all(&format!("{prefix}:ResourceTag/{key}"), vec![value.clone()]);
        }
    }
}

impl IamService {
    /// The caller may carry out the operation on a user, role or group that is there.
    pub(super) fn allow<I: Input>(&self, cx: &Cx, kind: Kind, name: &str) -> Result<(), Error> {
        self.allow_with::<I>(cx, kind, name, Keys::default())
    }

    /// The same of the user, role or group of an ARN; of any other text as it is.
    pub(super) fn allow_arn<I: Input>(&self, cx: &Cx, arn: &str) -> Result<(), Error> {
        match super::simulate::named(arn) {
            Some((kind, name)) => self.allow::<I>(cx, kind, name),
            None => ask::<I>(cx, arn, &Keys::default()),
        }
    }

    /// The same, with condition keys of its own, which come before those of the entity.
    pub(super) fn allow_with<I: Input>(
        &self,
        cx: &Cx,
        kind: Kind,
        name: &str,
        mut keys: Keys,
    ) -> Result<(), Error> {
        let Some(known) = self.access.named(&cx.account, kind, name) else {
            return ask::<I>(cx, &entity_arn(kind, &cx.account, "/", name), &keys);
        };
        add_resource_tags(&mut keys, &known.tags);
        if !keys.iter().any(|(key, _)| key == BOUNDARY) {
            keys.add(BOUNDARY, known.boundary.as_deref().unwrap_or_default());
        }
        ask::<I>(cx, &known.arn, &keys)
    }

    /// The caller may make this user, role or group.
    pub(super) fn allow_new<I: Input>(
        &self,
        cx: &Cx,
        kind: Kind,
        arn: &str,
        tags: &Tags,
        boundary: Option<&str>,
    ) -> Result<(), Error> {
        let mut keys = Keys::default();
        keys.add(BOUNDARY, boundary.unwrap_or_default());
        add_request_tags(&mut keys, tags);
        ask::<I>(cx, arn, &keys)?;
        ask_to_tag::<I>(cx, &format!("iam:Tag{}", kind.title()), arn, tags)
    }

    /// The path of a user, role or group; `/` if it is not there.
    pub(super) fn path(&self, cx: &Cx, kind: Kind, name: &str) -> String {
        let known = self.access.named(&cx.account, kind, name);
        known.map_or_else(|| "/".to_owned(), |known| known.path.clone())
    }

    /// The caller may carry out the operation on a managed policy.
    pub(super) fn allow_policy<I: Input>(&self, cx: &Cx, arn: &str, mut keys: Keys) -> Result<(), Error> {
        if let Some(known) = self.access.policies.get(arn) {
            add_resource_tags(&mut keys, &known.tags);
        }
        ask::<I>(cx, arn, &keys)
    }

    /// The caller may make this managed policy.
    pub(super) fn allow_new_policy<I: Input>(&self, cx: &Cx, arn: &str, tags: &Tags) -> Result<(), Error> {
        let mut keys = Keys::default();
        add_request_tags(&mut keys, tags);
        ask::<I>(cx, arn, &keys)?;
        ask_to_tag::<I>(cx, "iam:TagPolicy", arn, tags)
    }
}

/// The boundary that a request sets, or that the entity it changes has.
pub(super) const BOUNDARY: &str = "iam:PermissionsBoundary";
