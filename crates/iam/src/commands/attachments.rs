//! Managed policies, attached.

use super::{Account, Answer, Listed, Name, Output, Page, errors};
use crate::aws_managed::AWS;
use crate::keys;
use crate::limits;
use crate::model::{Kind, ManagedPolicy};

impl Account<'_> {
    /// Attaching what is attached changes nothing.
    pub(super) async fn attach(&mut self, name: Name, arn: &str) -> Answer {
        let entity = self.entity(&name).await?;
        let mut policy = self.policy(arn).await.map_err(|_| errors::not_attachable(arn))?;
        let key = keys::attachment(&self.account, &entity.id, &attached_as(&policy));
        if self.tx.get(&key).await?.is_some() {
            return Ok(Output::Done);
        }
        let attached: Vec<String> = self.all(&keys::attachments(&self.account, &entity.id)).await?;
        if attached.len() >= limits::ATTACHED {
            let quota = match entity.kind {
                Kind::User => "PoliciesPerUser",
                Kind::Role => "PoliciesPerRole",
                Kind::Group => "PoliciesPerGroup",
            };
            return Err(errors::quota(quota, limits::ATTACHED));
        }
        policy.attachments = policy.attachments.saturating_add(1);
        self.tx.write(key, &policy.arn())?;
        self.save_policy(&policy)?;
        self.publish(&entity, None).await?;
        Ok(Output::Done)
    }

    pub(super) async fn detach(&mut self, name: Name, arn: &str) -> Answer {
        let entity = self.entity(&name).await?;
        let mut policy = self.policy(arn).await?;
        let key = keys::attachment(&self.account, &entity.id, &attached_as(&policy));
        if self.tx.get(&key).await?.is_none() {
            return Err(errors::no_policy(arn));
        }
        policy.attachments = policy.attachments.saturating_sub(1);
        self.tx.delete(key);
        self.save_policy(&policy)?;
        self.publish(&entity, None).await?;
        Ok(Output::Done)
    }

    pub(super) async fn list_attached(&mut self, name: Name, prefix: &str, page: Page) -> Answer {
        let entity = self.entity(&name).await?;
        let rows = keys::attachments(&self.account, &entity.id);
        let found: Listed<String> =
            self.page(&rows, &page, |arn: &String| path_of(arn).starts_with(prefix)).await?;
        let name = |arn: &String| arn.rsplit('/').next().unwrap_or_default().to_owned();
        let items = found.items.into_iter().map(|arn| (name(&arn), arn)).collect();
        Ok(Output::Attached(Listed { items, next: found.next }))
    }
}

/// What an attachment is keyed by: a policy of AWS's may have the name of one of the account's.
fn attached_as(policy: &ManagedPolicy) -> String {
    if policy.account == AWS { format!("{AWS}:{}", policy.name) } else { policy.name.clone() }
}

/// The path in a policy's ARN: `/a/` in `arn:aws:iam::000000000000:policy/a/name`.
fn path_of(arn: &str) -> &str {
    let Some((_, tail)) = arn.split_once(":policy") else { return "" };
    tail.rfind('/').and_then(|end| tail.get(..=end)).unwrap_or_default()
}
