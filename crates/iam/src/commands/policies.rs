//! Managed policies and their versions.

use std::sync::Arc;

use ropeway_api::iam::error;
use ropeway_core::Fault;
use ropeway_wire::Error;

use super::{Account, Answer, Listed, Output, Page, PolicyFilter, errors};
use crate::aws_managed::{self, AWS, AwsManaged, POLICIES};
use crate::keys;
use crate::limits;
use crate::model::{ManagedPolicy, Tags, Version};

/// Stands before the name in the marker of a page that ends among AWS's policies; no name has a colon.
const AWS_PAGE: &str = "aws:";

impl Account<'_> {
    /// A managed policy of the account, or of AWS.
    pub(super) async fn policy(&self, arn: &str) -> Result<ManagedPolicy, Error> {
        if let Some(provided) = aws_managed::find(arn) {
            return Ok(self.provided(provided).await?);
        }
        let name = arn.rsplit('/').next().unwrap_or_default();
        let found: Option<ManagedPolicy> = self.tx.read(&keys::policy(&self.account, name)).await?;
        found.filter(|policy| policy.arn() == arn).ok_or_else(|| errors::no_policy(arn))
    }

    /// A policy of AWS's, with how often this account uses it.
    async fn provided(&self, provided: &AwsManaged) -> Result<ManagedPolicy, Fault> {
        let used = self.tx.read(&keys::aws_policy(&self.account, provided.name)).await?;
        Ok(used.unwrap_or_else(|| provided.policy()))
    }

    /// A managed policy that the account may change.
    pub(super) async fn own_policy(&self, arn: &str) -> Result<ManagedPolicy, Error> {
        if aws_managed::find(arn).is_some() {
            return Err(errors::not_own_policy());
        }
        self.policy(arn).await
    }

    /// Writes a managed policy's row; of AWS's, an account keeps how often it uses them.
    pub(super) fn save_policy(&mut self, policy: &ManagedPolicy) -> Result<(), Fault> {
        let key = match policy.account == AWS {
            true => keys::aws_policy(&self.account, &policy.name),
            false => keys::policy(&self.account, &policy.name),
        };
        self.tx.write(key, policy)
    }

    pub(super) async fn create_policy(
        &mut self,
        name: String,
        path: String,
        document: String,
        description: Option<String>,
        tags: Tags,
    ) -> Answer {
        let key = keys::policy(&self.account, &name);
        if self.tx.get(&key).await?.is_some() {
            let message = format!("A policy called {name} already exists. Duplicate names are not allowed.");
            return Err(error::entity_already_exists_exception(message));
        }
        self.count(|counts| &mut counts.policies, 1, "PoliciesPerAccount", limits::POLICIES).await?;
        let now = self.tx.now();
        let policy = ManagedPolicy {
            account: self.account.clone(),
            name,
            path,
            id: self.unique_id("ANPA"),
            created: now,
            updated: now,
            description,
            tags,
            default: 1,
            next: 2,
            attachments: 0,
            boundaries: 0,
        };
        let version = Version { number: 1, document, created: now, default: true };
        self.tx.write(key, &policy)?;
        self.tx.write(keys::version(&self.account, &policy.id, 1), &version)?;
        self.publish_policy(&policy, &version.document);
        Ok(Output::Policy(Box::new(policy)))
    }

    pub(super) async fn list_policies(&mut self, filter: &PolicyFilter, page: Page) -> Answer {
        let wanted = |policy: &ManagedPolicy| {
            let used = match filter.boundaries {
                Some(true) => policy.boundaries > 0,
                Some(false) => policy.attachments > 0,
                None => !filter.attached || policy.attachments > 0,
            };
            used && policy.path.starts_with(&filter.prefix)
        };
        let behind = page.after.as_deref().and_then(|after| after.strip_prefix(AWS_PAGE).map(str::to_owned));
        let limit = page.limit as usize;
        let mut out = match filter.own && behind.is_none() {
            true => self.page(&keys::policies(&self.account), &page, wanted).await?,
            false => Listed { items: Vec::new(), next: None },
        };
        if out.next.is_some() || !filter.aws {
            return Ok(Output::Policies(out));
        }
        for provided in POLICIES {
            if behind.as_deref().is_some_and(|behind| provided.name <= behind) {
                continue;
            }
            let policy = self.provided(provided).await?;
            if !wanted(&policy) {
                continue;
            }
            if out.items.len() == limit {
                // Nothing of AWS's before this one was left out, whatever the last one taken is.
                let last = out.items.last().filter(|last| last.account == AWS);
                out.next = Some(format!("{AWS_PAGE}{}", last.map_or("", |last| last.name.as_str())));
                break;
            }
            out.items.push(policy);
        }
        Ok(Output::Policies(out))
    }

    pub(super) async fn delete_policy(&mut self, arn: &str) -> Answer {
        let policy = self.own_policy(arn).await?;
        if policy.attachments > 0 || policy.boundaries > 0 {
            return Err(error::delete_conflict_exception("Cannot delete a policy attached to entities."));
        }
        if self.versions(&policy).await?.len() > 1 {
            return Err(error::delete_conflict_exception(
                "This policy has more than one version. Before you delete a policy, you must delete the \
                 policy's versions. The default version is deleted with the policy.",
            ));
        }
        self.count(|counts| &mut counts.policies, -1, "PoliciesPerAccount", limits::POLICIES).await?;
        self.tx.delete(keys::version(&self.account, &policy.id, policy.default));
        self.tx.delete(keys::policy(&self.account, &policy.name));
        let (access, arn) = (Arc::clone(self.access), arn.to_owned());
        self.tx.after_commit(move || access.policies.remove(&arn));
        Ok(Output::Done)
    }

    async fn versions(&self, policy: &ManagedPolicy) -> Result<Vec<Version>, Error> {
        if let Some(provided) = aws_managed::find(&policy.arn()) {
            return Ok(vec![provided.version()]);
        }
        Ok(self.all(&keys::versions(&self.account, &policy.id)).await?)
    }

    async fn version(&self, arn: &str, number: u32) -> Result<(ManagedPolicy, Version), Error> {
        let policy = self.policy(arn).await?;
        let mut versions = self.versions(&policy).await?;
        versions.retain(|version| version.number == number);
        Ok((policy, versions.pop().ok_or_else(|| errors::no_version(arn, number))?))
    }

    pub(super) async fn create_version(&mut self, arn: &str, document: String, default: bool) -> Answer {
        let mut policy = self.own_policy(arn).await?;
        if self.versions(&policy).await?.len() >= limits::POLICY_VERSIONS {
            return Err(error::limit_exceeded_exception(format!(
                "A managed policy can have up to {} versions. Before you create a new version, you must \
                 delete an existing version.",
                limits::POLICY_VERSIONS
            )));
        }
        let version = Version { number: policy.next, document, created: self.tx.now(), default: false };
        policy.next = policy.next.saturating_add(1);
        self.save_version(&policy, &version)?;
        match default {
            true => self.choose(policy, version).await,
            false => {
                self.save_policy(&policy)?;
                Ok(Output::Version(version))
            }
        }
    }

    fn save_version(&mut self, policy: &ManagedPolicy, version: &Version) -> Result<(), Error> {
        Ok(self.tx.write(keys::version(&self.account, &policy.id, version.number), version)?)
    }

    /// Makes a version the one in force.
    async fn choose(&mut self, mut policy: ManagedPolicy, mut version: Version) -> Answer {
        let before = keys::version(&self.account, &policy.id, policy.default);
        if let Some(old) = self.tx.read::<Version>(&before).await? {
            self.save_version(&policy, &Version { default: false, ..old })?;
        }
        version.default = true;
        policy.default = version.number;
        policy.updated = self.tx.now();
        self.save_version(&policy, &version)?;
        self.save_policy(&policy)?;
        self.publish_policy(&policy, &version.document);
        Ok(Output::Version(version))
    }

    pub(super) async fn get_version(&mut self, arn: &str, number: u32) -> Answer {
        Ok(Output::Version(self.version(arn, number).await?.1))
    }

    pub(super) async fn list_versions(&mut self, arn: &str, page: Page) -> Answer {
        let policy = self.policy(arn).await?;
        let mut items = self.versions(&policy).await?;
        items.reverse();
        let before: Option<u32> = page.after.and_then(|number| number.parse().ok());
        items.retain(|version| before.is_none_or(|before| version.number < before));
        let more = items.len() > page.limit as usize;
        items.truncate(page.limit as usize);
        let next = items.last().filter(|_| more).map(|version| version.number.to_string());
        Ok(Output::Versions(Listed { items, next }))
    }

    pub(super) async fn set_default(&mut self, arn: &str, number: u32) -> Answer {
        self.own_policy(arn).await?;
        let (policy, version) = self.version(arn, number).await?;
        self.choose(policy, version).await
    }

    pub(super) async fn delete_version(&mut self, arn: &str, number: u32) -> Answer {
        self.own_policy(arn).await?;
        let (policy, version) = self.version(arn, number).await?;
        if version.default {
            let message = "Cannot delete the default version of a policy.";
            return Err(error::delete_conflict_exception(message));
        }
        self.tx.delete(keys::version(&self.account, &policy.id, number));
        Ok(Output::Done)
    }
}
