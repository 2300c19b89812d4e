//! Topics: made, changed, removed.

use ropeway_api::sns::error;
use ropeway_core::{Fault, Tx, directory};
use ropeway_wire::Error;
use ropeway_wire::tags::counted;

use super::{Output, SnsMachine, TopicChange, WantedTopic, Work, archived, steps};
use crate::keys::{self, TopicName};
use crate::model::{More, Topic, TopicLatest};
use crate::policy;
use crate::settings::invalid;

/// Most tags of a topic: <https://docs.aws.amazon.com/sns/latest/dg/sns-tags.html>.
const MAX_TAGS: usize = 50;
/// Most bytes of a topic's tags, keys and values: what its row has room for beside its policy.
const MAX_TAG_BYTES: usize = 28 * 1024;

impl SnsMachine {
    pub(super) async fn create_topic(
        &mut self,
        tx: &mut Tx,
        name: TopicName,
        wanted: WantedTopic,
    ) -> Result<Output, Error> {
        if let Some(topic) = read(tx, &name).await? {
            is_as_wanted(&topic, &wanted)?;
            return Ok(Output::Topic(Box::new(topic)));
        }
        let arn = name.arn();
        let archive = wanted.archive;
        let mut topic = Topic {
            generation: tx.ids().number(),
            display_name: wanted.display_name.unwrap_or_default(),
            policy: wanted.policy.unwrap_or_else(|| policy::default_policy(&arn, &name.scope.account)),
            tags: wanted.tags.unwrap_or_default(),
            subscriptions: 0,
            deleted: 0,
            filters: 0,
            max_bytes: wanted.max_bytes,
            more: More {
                fifo: wanted.fifo.map(|fifo| fifo.settings()),
                sha256: wanted.sha256.unwrap_or(false),
                delivery: wanted.delivery,
                pending: 0,
            },
            latest: TopicLatest { left: 0, feedback: wanted.feedback },
            archive: None,
            arn,
        };
        if archive.is_some() {
            self.set_archive(tx, &name, &mut topic, archive)?;
        }
        check_tags(&topic)?;
        topic.write(tx, name.key())?;
        self.tells |= !topic.latest.feedback.is_empty();
        let list = keys::topics_list(&name.scope.account, &name.scope.region);
        directory::add_with(tx, &list, &name.name, &[])?;
        self.announce(tx, &name, Some(topic.policy.clone()));
        Ok(Output::Topic(Box::new(topic)))
    }

    /// Removes a topic; its subscriptions follow in steps. One that isn't there is removed already.
    pub(super) async fn delete_topic(&mut self, tx: &mut Tx, name: TopicName) -> Result<Output, Error> {
        let Some(topic) = read(tx, &name).await? else { return Ok(Output::Nothing) };
        if let Some(archive) = topic.archive {
            // Source: what AWS answers, as its Terraform provider's tests and its Kubernetes controller report it.
            if archive.days.is_some() {
                let why = "Invalid state: Cannot delete a topic with an ArchivePolicy";
                return Err(error::invalid_state_exception(why));
            }
            archived::drop_before(tx, &name, topic.generation, u64::MAX)?;
        }
        tx.delete(name.key());
        let list = keys::topics_list(&name.scope.account, &name.scope.region);
        directory::remove_with(tx, &list, &name.name)?;
        if topic.subscriptions > 0 {
            steps::begin(tx, &Work::Remove { topic: name.clone(), generation: topic.generation })?;
        }
        self.forget(&name);
        self.announce(tx, &name, None);
        Ok(Output::Nothing)
    }

    pub(super) async fn change_topic(
        &mut self,
        tx: &mut Tx,
        name: TopicName,
        change: TopicChange,
    ) -> Result<Output, Error> {
        let mut topic = self.topic(tx, &name).await.map_err(|error| match &change {
            TopicChange::Tag(_) | TopicChange::Untag(_) if error.code == "NotFound" => {
                error::resource_not_found_exception("Resource does not exist")
            }
            _ => error,
        })?;
        let before = topic.policy.clone();
        match change {
            TopicChange::Archive(days) if topic.more.fifo.is_some() => {
                self.set_archive(tx, &name, &mut topic, days)?;
            }
            change => alter(&mut topic, &name, change)?,
        }
        check_tags(&topic)?;
        topic.write(tx, name.key())?;
        self.tells |= !topic.latest.feedback.is_empty();
        self.forget(&name);
        if topic.policy != before {
            self.announce(tx, &name, Some(topic.policy));
        }
        Ok(Output::Nothing)
    }
}

/// A topic, from its row.
pub(super) async fn read(tx: &Tx, name: &TopicName) -> Result<Option<Topic>, Fault> {
    tx.get(&name.key()).await?.map(|row| Topic::from_row(&row)).transpose()
}

fn alter(topic: &mut Topic, name: &TopicName, change: TopicChange) -> Result<(), Error> {
    match change {
        TopicChange::DisplayName(text) => topic.display_name = text,
        TopicChange::Policy(text) if text.is_empty() => {
            topic.policy = policy::default_policy(&topic.arn, &name.scope.account);
        }
        TopicChange::Policy(text) => topic.policy = text,
        TopicChange::AddPermission { label, accounts, actions } => {
            topic.policy =
                policy::add(&topic.policy, &topic.arn, &label, &accounts, &actions).map_err(invalid)?;
        }
        TopicChange::RemovePermission { label } => topic.policy = policy::remove(&topic.policy, &label),
        TopicChange::Tag(tags) => topic.tags.extend(tags),
        TopicChange::MaxBytes(bytes) => topic.max_bytes = Some(bytes),
        TopicChange::Sha256(sha256) => topic.more.sha256 = sha256,
        TopicChange::Delivery(policy) => topic.more.delivery = policy,
        TopicChange::Feedback(name, value) if value.is_empty() => drop(topic.latest.feedback.remove(&name)),
        TopicChange::Feedback(name, value) => drop(topic.latest.feedback.insert(name, value)),
        TopicChange::Fifo(change) => {
            let fifo = topic.more.fifo.as_mut().ok_or_else(|| invalid("AttributeName"))?;
            if fifo.by_group && change.by_group == Some(false) {
                return Err(invalid(
                    "FifoThroughputScope Reason: MessageGroup cannot be changed back to Topic",
                ));
            }
            fifo.by_content = change.by_content.unwrap_or(fifo.by_content);
            fifo.by_group = change.by_group.unwrap_or(fifo.by_group);
        }
        // That of a FIFO topic needs more than its row.
        TopicChange::Archive(_) => return Err(invalid("AttributeName")),
        TopicChange::Untag(keys) => topic.tags.retain(|key, _| !keys.contains(key)),
    }
    Ok(())
}

fn check_tags(topic: &Topic) -> Result<(), Error> {
    let bytes: usize = topic.tags.iter().map(|(key, value)| key.len() + value.len()).sum();
    if counted(topic.tags.keys()) > MAX_TAGS || bytes > MAX_TAG_BYTES {
        let why = "Could not complete request: tag quota of per resource exceeded";
        return Err(error::tag_limit_exceeded_exception(why));
    }
    Ok(())
}

/// A topic that exists is given back if it is as wanted, as far as that was said.
fn is_as_wanted(topic: &Topic, wanted: &WantedTopic) -> Result<(), Error> {
    let name = wanted.display_name.as_ref().is_none_or(|name| *name == topic.display_name);
    let policy = wanted.policy.as_ref().is_none_or(|policy| policy::same(policy, &topic.policy));
    let bytes = wanted.max_bytes.is_none_or(|bytes| bytes as usize == topic.max_bytes());
    let fifo = wanted.fifo.zip(topic.more.fifo).is_none_or(|(wanted, is)| {
        wanted.by_content.is_none_or(|wanted| wanted == is.by_content)
            && wanted.by_group.is_none_or(|wanted| wanted == is.by_group)
    });
    let signed = wanted.sha256.is_none_or(|sha256| sha256 == topic.more.sha256);
    let delivered = wanted.delivery.is_none() || wanted.delivery == topic.more.delivery;
    let told = wanted.feedback.iter().all(|(name, value)| topic.latest.feedback.get(name) == Some(value));
    let archived =
        wanted.archive.is_none() || wanted.archive == topic.archive.as_ref().and_then(|of| of.days);
    if !archived || !told || !name || !policy || !bytes || !fifo || !signed || !delivered {
        return Err(invalid("Attributes Reason: Topic already exists with different attributes"));
    }
    if wanted.tags.as_ref().is_some_and(|tags| *tags != topic.tags) {
        return Err(invalid("Tags Reason: Topic already exists with different tags"));
    }
    Ok(())
}
