//! Tags.

use ropeway_api::iam::error;
use ropeway_wire::Error;

use super::{Account, Answer, Name, Output};
use crate::keys;
use crate::limits;
use crate::model::{Tags, Version};

impl Account<'_> {
    pub(super) async fn tag(&mut self, name: Name, add: Tags, remove: Vec<String>) -> Answer {
        let mut entity = self.entity(&name).await?;
        change(&mut entity.tags, add, &remove)?;
        self.save(&entity).await
    }

    pub(super) async fn tag_policy(&mut self, arn: &str, add: Tags, remove: Vec<String>) -> Answer {
        let mut policy = self.own_policy(arn).await?;
        change(&mut policy.tags, add, &remove)?;
        self.save_policy(&policy)?;
        let key = keys::version(&self.account, &policy.id, policy.default);
        if let Some(version) = self.tx.read::<Version>(&key).await? {
            self.publish_policy(&policy, &version.document);
        }
        Ok(Output::Done)
    }
}

/// Keys of tags are held apart without regard to case ("Tagging IAM resources", IAM User Guide).
fn change(tags: &mut Tags, add: Tags, remove: &[String]) -> Result<(), Error> {
    tags.retain(|key, _| {
        let named = |other: &String| other.eq_ignore_ascii_case(key);
        !remove.iter().any(named) && !add.keys().any(named)
    });
    tags.extend(add);
    if tags.len() > limits::TAGS {
        return Err(error::limit_exceeded_exception("The number of tags has reached the maximum limit."));
    }
    Ok(())
}
