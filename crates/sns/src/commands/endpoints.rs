//! Subscriptions of endpoints: asked to be confirmed, posted to, posted to again.

use bytes::Bytes;
use ropeway_api::sns::error;
use ropeway_core::effects::{QueueDelivery, SqsCommand};
use ropeway_core::keys::{KeyBuilder, Space};
use ropeway_core::{Fault, Time, Tx, directory};
use ropeway_wire::Error;

use super::deliver::{self, Message, PRINCIPAL};
use super::{Output, SnsMachine, expiry, steps, subscriptions, topics};
use crate::feedback::{self, End, Note};
use crate::http::{Post, PostMore, Posted, policy};
use crate::keys::{self, TopicName};
use crate::model::{More, Protocol, Subscription, Topic};
use crate::settings::invalid;

/// Posts that wait for another try: time, number → number of pieces.
const RETRY: u8 = 10;
/// How long a subscription may be confirmed, in seconds: 48 hours, after which it is deleted
/// (<https://aws.amazon.com/about-aws/whats-new/2023/05/amazon-sns-automatic-deletion-unconfirmed-subscriptions/>).
const CONFIRMED_WITHIN: i64 = 48 * 60 * 60;
/// Posts that one step sends again.
const AGAIN_AT_ONCE: usize = 16;
/// Characters of a token before the subscription's id.
const RANDOM: usize = 96;

/// The subscription that a token is of.
fn id_of(token: &str) -> Option<String> {
    let plain =
        token.get(RANDOM..).filter(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()))?;
    let part = |range: std::ops::Range<usize>| plain.get(range).unwrap_or_default();
    Some(format!("{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32)))
}

impl SnsMachine {
    /// Makes a subscription wait for its confirmation, and asks for it; one that was left is told how to come back.
    pub(super) fn ask(
        &mut self,
        tx: &mut Tx,
        name: &TopicName,
        topic: &Topic,
        of: &mut Subscription,
        base_url: &str,
    ) -> Result<(), Fault> {
        let token = tx.ids().text("0123456789abcdef", RANDOM) + &of.id.replace('-', "");
        let until = tx.now().plus_secs(CONFIRMED_WITHIN);
        expiry::remember(tx, until, name, topic.generation, &of.id, &token)?;
        self.expire_at = Some(self.expire_at.map_or(until, |first| first.min(until)));
        of.more.token = Some(token.clone());
        of.more.until = Some(until);
        post_token(tx, name, topic, of, token, base_url)
    }
}

/// Tells an endpoint the token of its subscription.
fn post_token(
    tx: &mut Tx,
    name: &TopicName,
    topic: &Topic,
    of: &Subscription,
    token: String,
    base_url: &str,
) -> Result<(), Fault> {
    let arn = &topic.arn;
    let text = match of.left {
        false => format!(
            "You have chosen to subscribe to the topic {arn}.\nTo confirm the subscription, visit the SubscribeURL included in this message."
        ),
        true => format!(
            "You have chosen to deactivate subscription {arn}:{}.\nTo cancel this operation and restore the subscription, visit the SubscribeURL included in this message.",
            of.id
        ),
    };
    let post = Post {
        topic: name.clone(),
        generation: topic.generation,
        subscription: of.id.clone(),
        endpoint: of.endpoint.clone(),
        token: Some(token),
        id: tx.ids().uuid(),
        at: tx.now(),
        message: text,
        subject: None,
        attributes: Default::default(),
        base_url: base_url.to_owned(),
        raw: false,
        content_type: None,
        sha256: topic.more.sha256,
        tried: 0,
        more: PostMore { left: of.left, per_second: None },
    };
    tx.send_to_actor(&post.lane(), Space::Sns, &post.whole())
}

/// Leaves a message to an endpoint to the actor.
pub(super) fn send(
    tx: &mut Tx,
    name: &TopicName,
    to: &Subscription,
    message: &Message<'_>,
) -> Result<(), Fault> {
    let More { delivery, sha256, .. } = message.more;
    let publication = message.publication;
    let policy = policy::effective(delivery.as_deref(), to.settings.delivery.as_deref());
    let post = Post {
        topic: name.clone(),
        generation: message.generation,
        subscription: to.id.clone(),
        endpoint: to.endpoint.clone(),
        token: None,
        id: message.id.clone(),
        at: message.at,
        message: publication.message_for(to.protocol).to_owned(),
        subject: publication.subject.clone(),
        attributes: publication.attributes.clone(),
        base_url: publication.base_url.clone(),
        raw: to.settings.raw,
        content_type: policy.content_type,
        sha256: *sha256,
        tried: 0,
        more: PostMore { left: false, per_second: policy.per_second },
    };
    tx.send_to_actor(&post.lane(), Space::Sns, &post.whole())
}

impl SnsMachine {
    /// Confirms the subscription of a token; gives it again if that was done before.
    pub(super) async fn confirm(
        &mut self,
        tx: &mut Tx,
        name: TopicName,
        token: &str,
        authenticated: bool,
        wants_authentication: bool,
    ) -> Result<Output, Error> {
        // A text that is no token, and a token of nothing that is there, as AWS's answers were recorded by LocalStack's
        // `test_sns_confirm_subscription_wrong_token`.
        let id = id_of(token).ok_or_else(|| error::invalid_parameter_exception("Invalid token"))?;
        let mut topic = topics::read(tx, &name).await?.ok_or_else(|| invalid("Token"))?;
        let key = name.subscription(topic.generation, &id);
        let found = Subscription::read(tx, &key).await?;
        let mut found = found
            .filter(|found| found.more.token.as_deref() == Some(token))
            .ok_or_else(|| invalid("Token"))?;
        let Some(until) = found.more.until else { return Ok(Output::Subscription(Box::new(found))) };
        if until < tx.now() {
            return Err(invalid("Token"));
        }
        found.more.until = None;
        found.more.authenticated = authenticated;
        found.more.to_be_left_by_owner = wants_authentication;
        if found.left {
            // It is taken up again.
            subscriptions::count_filter(&mut topic, None, found.settings.filter.as_deref())?;
            topic.latest.left = topic.latest.left.saturating_sub(1);
            topic.deleted = topic.deleted.saturating_sub(1);
            found.left = false;
        } else {
            topic.more.pending = topic.more.pending.saturating_sub(1);
        }
        topic.write(tx, name.key())?;
        found.write(tx, key)?;
        let list = keys::subscriptions_list(&found.owner, &name.scope.region);
        directory::add_with(
            tx,
            &list,
            &format!("{}:{}", topic.arn, found.id),
            &subscriptions::listed(&found)?,
        )?;
        self.forget(&name);
        Ok(Output::Subscription(Box::new(found)))
    }

    /// Ends a subscription that nobody signed for, as its messages' `UnsubscribeURL` does: its endpoint is told how to
    /// take it up again (<https://docs.aws.amazon.com/sns/latest/api/API_Unsubscribe.html>).
    pub(super) async fn leave(
        &mut self,
        tx: &mut Tx,
        name: TopicName,
        id: String,
        base_url: &str,
    ) -> Result<Output, Error> {
        let Some(mut topic) = topics::read(tx, &name).await? else { return Ok(Output::Nothing) };
        let key = name.subscription(topic.generation, &id);
        let Some(mut found) = Subscription::read(tx, &key).await? else { return Ok(Output::Nothing) };
        if !found.protocol.is_http() || found.more.to_be_left_by_owner {
            return Err(error::authorization_error_exception("Only the owner may end this subscription"));
        }
        if found.is_waiting() {
            return Ok(Output::Nothing);
        }
        found.left = true;
        topic.latest.left += 1;
        topic.deleted += 1;
        subscriptions::count_filter(&mut topic, found.settings.filter.as_deref(), None)?;
        self.ask(tx, &name, &topic, &mut found, base_url)?;
        topic.write(tx, name.key())?;
        found.write(tx, key)?;
        let list = keys::subscriptions_list(&found.owner, &name.scope.region);
        let line = subscriptions::listed(&found)?;
        directory::add_with(tx, &list, &format!("{}:{}", topic.arn, found.id), &line)?;
        self.forget(&name);
        Ok(Output::Subscription(Box::new(found)))
    }

    /// A post came to its end: taken, to be tried again, or never.
    pub(super) async fn posted(
        &mut self,
        tx: &mut Tx,
        payload: &[u8],
        result: Result<&[u8], &str>,
    ) -> Result<(), Fault> {
        let mut post = Post::from_bytes(payload)?;
        let posted = match result {
            Ok(posted) => postcard::from_bytes::<Posted>(posted)?,
            Err(why) => return Err(Fault::Damaged(why.to_owned())),
        };
        if posted.taken {
            return self.tell_post(tx, &post, &posted).await;
        }
        let topic = topics::read(tx, &post.topic).await?.filter(|topic| topic.generation == post.generation);
        let key = post.topic.subscription(post.generation, &post.subscription);
        let Some((topic, to)) = topic.zip(Subscription::read(tx, &key).await?) else { return Ok(()) };
        let policy = policy::effective(topic.more.delivery.as_deref(), to.settings.delivery.as_deref());
        post.tried += 1;
        match policy.retries.pause(post.tried).filter(|_| !posted.permanent) {
            Some(pause) => self.again_at(tx, tx.now().plus_millis(pause), &post),
            None => {
                self.tell_post(tx, &post, &posted).await?;
                give_up(tx, &post, &to, &posted)
            }
        }
    }

    /// Tells how the delivery of a notification ended, after all its tries.
    async fn tell_post(&self, tx: &mut Tx, post: &Post, posted: &Posted) -> Result<(), Fault> {
        if !self.tells || post.token.is_some() {
            return Ok(());
        }
        let note = Note { id: post.id.clone(), at: post.at, md5: feedback::md5(&post.message) };
        let end = End {
            topic: &post.topic,
            protocol: Protocol::Http,
            destination: &post.endpoint,
            note: &note,
            attempts: if posted.taken { post.tried + 1 } else { post.tried },
            taken: posted.taken,
            status: posted.status,
            response: posted.said.clone(),
        };
        self.tell(tx, &end).await
    }

    fn again_at(&mut self, tx: &mut Tx, at: Time, post: &Post) -> Result<(), Fault> {
        let number = tx.ids().number();
        let pieces = steps::keep_pieces(tx, number, &postcard::to_stdvec(&post.whole())?);
        tx.write(KeyBuilder::unscoped(Space::Sns, RETRY).time(at).number(number).build(), &pieces)?;
        self.again = Some(self.again.map_or(at, |first| first.min(at)));
        Ok(())
    }

    /// Sends again what it is time for.
    pub(super) async fn send_again(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        let Some(from) = self.again.filter(|at| *at <= tx.now()) else { return Ok(()) };
        let prefix = KeyBuilder::unscoped(Space::Sns, RETRY).build();
        let begin = KeyBuilder::unscoped(Space::Sns, RETRY).time(from).build();
        let page = tx.scan_prefix(&prefix, Some(&begin), AGAIN_AT_ONCE).await?;
        let mut next = page.more.then_some(tx.now());
        for (key, pieces) in page.rows {
            let (at, number) = place_of(&key)?;
            if at > tx.now() {
                next = Some(at);
                break;
            }
            let pieces: u32 = postcard::from_bytes(&pieces)?;
            let post = Post::from_bytes(&steps::gather_pieces(tx, number, pieces).await?)?;
            (0..pieces).for_each(|piece| tx.delete(keys::piece(number, piece)));
            tx.delete(key);
            tx.send_to_actor(&post.lane(), Space::Sns, &post.whole())?;
        }
        self.again = next;
        Ok(())
    }
}

pub(super) fn place_of(key: &[u8]) -> Result<(Time, u64), Fault> {
    let damaged = || Fault::Damaged("the key of a post that waits".to_owned());
    let at: [u8; 8] = key.get(2..10).and_then(|bytes| bytes.try_into().ok()).ok_or_else(damaged)?;
    let at = i64::try_from(u64::from_be_bytes(at)).map_err(|_| damaged())?;
    Ok((Time(at), ropeway_core::keys::last_number(key).ok_or_else(damaged)?))
}

/// When the first post is to be sent again, of those that are there at start.
pub(super) async fn first_again(tx: &Tx) -> Result<Option<Time>, Fault> {
    let page = tx.scan_prefix(&KeyBuilder::unscoped(Space::Sns, RETRY).build(), None, 1).await?;
    page.rows.first().map(|(key, _): &(Bytes, Bytes)| Ok(place_of(key)?.0)).transpose()
}

/// What an endpoint did not take goes to the subscription's dead-letter queue, if there is one.
fn give_up(tx: &mut Tx, post: &Post, to: &Subscription, posted: &Posted) -> Result<(), Fault> {
    let (topic, endpoint, why) = (post.topic.arn(), &post.endpoint, &posted.why);
    let Some(queue) = to.settings.dead_letters.clone().filter(|_| post.token.is_none()) else {
        tracing::warn!(topic, endpoint, why, "an endpoint did not take a message, which is dropped");
        return Ok(());
    };
    let shard = tx.shard_of(&queue);
    let delivery = QueueDelivery {
        principal: PRINCIPAL.to_owned(),
        source_arn: topic,
        source_account: post.topic.scope.account.clone(),
        body: post.body(posted.signature.as_ref()),
        attributes: if post.raw { post.attributes.clone() } else { Default::default() },
        group: None,
        deduplication_id: None,
        trace_header: super::trace_header(tx.trace()),
        queue,
    };
    let lane = format!("{}{}", deliver::DEAD_LETTERS, delivery.queue);
    tx.send(&lane, Space::Sqs, shard, &SqsCommand::Deliver(delivery))
}
