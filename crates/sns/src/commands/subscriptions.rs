//! Subscriptions: made, changed, ended.

use ropeway_api::sns::error;
use ropeway_core::{Fault, Tx, directory};
use ropeway_wire::Error;

use super::{Output, SnsMachine, archived, no_topic, topics};
use crate::keys::{self, TopicName};
use crate::model::{Listed, Subscription, Topic};
use crate::settings;

/// Most subscriptions of a topic with a filter policy:
/// <https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html>.
const MAX_FILTERS: u32 = 200;

/// Most subscriptions of a FIFO topic: <https://docs.aws.amazon.com/general/latest/gr/sns.html>.
const MAX_OF_FIFO: u64 = 100;

impl SnsMachine {
    /// Subscribes. An endpoint has one subscription of a topic: asked again, that one is answered.
    pub(super) async fn subscribe(
        &mut self,
        tx: &mut Tx,
        name: TopicName,
        wanted: Subscription,
        compare: bool,
        base_url: Option<&str>,
    ) -> Result<Output, Error> {
        let mut topic = self.topic(tx, &name).await?;
        let by_endpoint = name.endpoint(topic.generation, wanted.protocol.name(), &wanted.endpoint);
        let mut before = None;
        if let Some(id) = tx.read::<String>(&by_endpoint).await? {
            let found = Subscription::read(tx, &name.subscription(topic.generation, &id)).await?;
            before = Some(found.ok_or_else(|| Fault::Damaged(format!("no subscription {id}")))?);
        }
        let left = before.take_if(|found| found.left);
        if let Some(mut found) = before {
            if compare && found.settings != wanted.settings {
                let why = "Attributes Reason: Subscription already exists with different attributes";
                return Err(settings::invalid(why));
            }
            if let Some(base_url) = base_url.filter(|_| found.is_pending()) {
                self.ask(tx, &name, &topic, &mut found, base_url)?;
                let key = name.subscription(topic.generation, &found.id);
                found.write(tx, key)?;
            }
            return Ok(Output::Subscription(Box::new(found)));
        }
        if name.is_fifo() && topic.subscriptions >= MAX_OF_FIFO {
            let why = format!("A FIFO topic has {MAX_OF_FIFO} subscriptions at most");
            return Err(error::subscription_limit_exceeded_exception(why));
        }
        // One that was left makes room for the new one.
        if let Some(left) = left {
            end(tx, &name, &mut topic, &left)?;
        }
        let mut made = Subscription { id: tx.ids().uuid(), ..wanted };
        topic.subscriptions += 1;
        if let Some(base_url) = base_url {
            topic.more.pending += 1;
            self.ask(tx, &name, &topic, &mut made, base_url)?;
        }
        count_filter(&mut topic, None, made.settings.filter.as_deref())?;
        let begun = self.begin_replay(tx, &name, &mut topic, &mut made).await;
        begun.map_err(settings::in_attributes)?;
        topic.write(tx, name.key())?;
        made.write(tx, name.subscription(topic.generation, &made.id))?;
        tx.write(by_endpoint, &made.id)?;
        let list = keys::subscriptions_list(&made.owner, &name.scope.region);
        let line = listed(&made)?;
        directory::add_with(tx, &list, &format!("{}:{}", topic.arn, made.id), &line)?;
        self.forget(&name);
        Ok(Output::Subscription(Box::new(made)))
    }

    /// A subscription that `account` may see: its own, or one of its topic. One that has ended and may be taken up again
    /// is found only if `also_left`.
    pub(super) async fn subscription(
        &self,
        tx: &Tx,
        name: &TopicName,
        id: &str,
        account: &str,
        also_left: bool,
    ) -> Result<(Topic, Subscription), Error> {
        let topic = self.topic(tx, name).await.map_err(|e| if e.status == 404 { missing() } else { e })?;
        let found = Subscription::read(tx, &name.subscription(topic.generation, id)).await?;
        let found = found.filter(|found| also_left || !found.left).ok_or_else(missing)?;
        if found.owner != account && name.scope.account != account {
            let why = "The subscription belongs to another account, and so does its topic.";
            return Err(error::authorization_error_exception(why));
        }
        Ok((topic, found))
    }

    /// Ends a subscription. One that isn't there has ended already.
    pub(super) async fn unsubscribe(
        &mut self,
        tx: &mut Tx,
        name: TopicName,
        id: String,
        account: String,
    ) -> Result<Output, Error> {
        let (mut topic, found) = match self.subscription(tx, &name, &id, &account, true).await {
            Err(error) if error.status == 404 => return Ok(Output::Nothing),
            other => other?,
        };
        end(tx, &name, &mut topic, &found)?;
        topic.write(tx, name.key())?;
        self.forget(&name);
        Ok(Output::Nothing)
    }

    pub(super) async fn set_subscription(
        &mut self,
        tx: &mut Tx,
        name: TopicName,
        (id, account): (String, String),
        attribute: &str,
        value: &str,
    ) -> Result<Output, Error> {
        let (mut topic, mut found) = self.subscription(tx, &name, &id, &account, false).await?;
        let before = found.settings.filter.clone();
        settings::set(&mut found.settings, &name, attribute, value)?;
        settings::check(&found.settings, found.protocol)?;
        settings::check_dead_letters(&found.settings, &name, &found.endpoint)?;
        count_filter(&mut topic, before.as_deref(), found.settings.filter.as_deref())?;
        if attribute == "ReplayPolicy" {
            self.begin_replay(tx, &name, &mut topic, &mut found).await?;
        }
        topic.write(tx, name.key())?;
        found.write(tx, name.subscription(topic.generation, &id))?;
        self.forget(&name);
        Ok(Output::Nothing)
    }

    pub(super) async fn list_subscriptions(
        &self,
        tx: &Tx,
        name: TopicName,
        after: Option<String>,
        limit: u32,
    ) -> Result<Output, Error> {
        let topic = topics::read(tx, &name).await?.ok_or_else(no_topic)?;
        let after = after.map(|id| name.subscription(topic.generation, &id));
        let prefix = name.subscriptions(topic.generation);
        let page = tx.scan_prefix(&prefix, after.as_ref(), limit as usize).await?;
        let found =
            page.rows.iter().map(|(_, row)| Subscription::from_row(row)).collect::<Result<_, Fault>>()?;
        Ok(Output::Subscriptions(found, page.more))
    }
}

fn missing() -> Error {
    error::not_found_exception("Subscription does not exist")
}

/// Ends a subscription; the topic is for the caller to write.
pub(super) fn end(
    tx: &mut Tx,
    name: &TopicName,
    topic: &mut Topic,
    found: &Subscription,
) -> Result<(), Fault> {
    topic.subscriptions = topic.subscriptions.saturating_sub(1);
    if found.left {
        topic.latest.left = topic.latest.left.saturating_sub(1);
    } else {
        topic.deleted += 1;
        topic.more.pending = topic.more.pending.saturating_sub(u64::from(found.is_pending()));
        topic.filters = topic.filters.saturating_sub(u32::from(found.settings.filter.is_some()));
    }
    if let Some(run) = found.replaying.run {
        tx.delete(keys::work(run.work));
        archived::release(tx, name, topic)?;
    }
    remove_rows(tx, name, topic.generation, found)
}

/// Removes the rows of a subscription, and its line in the list.
pub(super) fn remove_rows(
    tx: &mut Tx,
    name: &TopicName,
    generation: u64,
    of: &Subscription,
) -> Result<(), Fault> {
    tx.delete(name.subscription(generation, &of.id));
    tx.delete(name.endpoint(generation, of.protocol.name(), &of.endpoint));
    let list = keys::subscriptions_list(&of.owner, &name.scope.region);
    directory::remove_with(tx, &list, &format!("{}:{}", name.arn(), of.id))
}

/// What the list of subscriptions says of one.
pub(crate) fn listed(of: &Subscription) -> Result<Vec<u8>, Fault> {
    Listed::from(of).to_bytes()
}

pub(super) fn count_filter(
    topic: &mut Topic,
    before: Option<&str>,
    after: Option<&str>,
) -> Result<(), Error> {
    match (before, after) {
        (None, Some(_)) if topic.filters >= MAX_FILTERS => {
            let why = format!("Topic {} has the most filter policies that a topic may have", topic.arn);
            return Err(error::filter_policy_limit_exceeded_exception(why));
        }
        (None, Some(_)) => topic.filters += 1,
        (Some(_), None) => topic.filters = topic.filters.saturating_sub(1),
        _ => {}
    }
    Ok(())
}
