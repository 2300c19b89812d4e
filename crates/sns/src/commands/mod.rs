//! The machine: topics, subscriptions and publications, as pure functions of rows and command.

mod archived;
mod deliver;
mod endpoints;
mod expiry;
mod feedback;
mod incoming;
mod publish;
mod replay;
mod steps;
mod subscriptions;
mod topics;

use std::collections::BTreeMap;
use std::sync::Arc;

use ropeway_api::sns::error;
use ropeway_core::effects::TopicDelivery;
use ropeway_core::keys::Space;
use ropeway_core::log_lines::LogSink;
use ropeway_core::{Fault, Machine, Settled, Time, Trace, Tx};
use ropeway_wire::{Error, Gate};
use serde::{Deserialize, Serialize};

use crate::fifo::{self, Fifo, Place};
use crate::filter::Filter;
use crate::http::{LANE, SignerRow, signer_key};
use crate::keys::{self, TopicName};
use crate::model::{Publication, Subscription, Topic};
use crate::settings;
use crate::signed::{self, Signed, Wanted};

use self::replay::Replay;

pub use deliver::PRINCIPAL;
pub(crate) use subscriptions::listed;

/// Subscriptions that a publish goes to in its own commit; beyond, it goes out in steps.
const INLINE: u64 = 200;
/// Bytes of deliveries in one commit; beyond, the rest goes out in steps.
const INLINE_BYTES: usize = 512 * 1024;
/// Subscriptions of a step.
const STEP: usize = 100;
/// Subscriptions that a shard's machine keeps compiled.
const CACHED: usize = 4096;

/// What can be asked of the machine. New variants and fields come last.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Command {
    /// Makes a topic, or finds the one that is as wanted.
    CreateTopic {
        /// its name
        topic: TopicName,
        /// how it is to be
        wanted: WantedTopic,
    },
    /// Removes a topic with its subscriptions.
    DeleteTopic {
        /// its name
        topic: TopicName,
    },
    /// Reads a topic.
    ReadTopic {
        /// its name
        topic: TopicName,
    },
    /// Changes a topic.
    ChangeTopic {
        /// its name
        topic: TopicName,
        /// how
        change: TopicChange,
    },
    /// Subscribes, or finds the subscription that is as wanted.
    Subscribe {
        /// the topic
        topic: TopicName,
        /// the subscription; its id is made here
        wanted: Subscription,
        /// its owner gave attributes, which a subscription that exists must have
        compare: bool,
    },
    /// Ends a subscription.
    Unsubscribe {
        /// the topic
        topic: TopicName,
        /// the subscription's id
        id: String,
        /// who asks
        account: String,
    },
    /// Reads a subscription.
    ReadSubscription {
        /// the topic
        topic: TopicName,
        /// the subscription's id
        id: String,
        /// who asks
        account: String,
    },
    /// Sets a subscription's attribute.
    SetSubscription {
        /// the topic
        topic: TopicName,
        /// the subscription's id
        id: String,
        /// who asks
        account: String,
        /// the attribute
        name: String,
        /// its value
        value: String,
    },
    /// Reads a topic's subscriptions, in the order of their ids.
    ListSubscriptions {
        /// the topic
        topic: TopicName,
        /// only those behind this id
        after: Option<String>,
        /// at most so many
        limit: u32,
    },
    /// Publishes a message.
    Publish(Publication),
    /// Goes on with what is too much for one commit. Comes by the outbox.
    Step {
        /// number of the work
        work: u64,
    },
    /// A message from another service: [`ropeway_core::effects::SnsCommand::Deliver`].
    Deliver(TopicDelivery),
    /// Publishes a message with a deduplication id.
    PublishOnce {
        /// the message
        publication: Publication,
        /// its deduplication id
        deduplication_id: String,
    },
    /// Goes on with the oldest publication of a FIFO topic that is too much for one commit. Comes by the outbox.
    StepInOrder {
        /// the topic
        topic: TopicName,
        /// its generation
        generation: u64,
    },
    /// Subscribes an endpoint, which is asked to confirm.
    SubscribeEndpoint {
        /// the topic
        topic: TopicName,
        /// the subscription; its id is made here
        wanted: Subscription,
        /// its owner gave attributes, which a subscription that exists must have
        compare: bool,
        /// what links in the question begin with
        base_url: String,
    },
    /// Confirms a subscription.
    Confirm {
        /// the topic
        topic: TopicName,
        /// the token that the endpoint got
        token: String,
        /// the request was signed
        authenticated: bool,
        /// `AuthenticateOnUnsubscribe`
        wants_authentication: bool,
    },
    /// Ends a subscription that nobody signed for.
    Leave {
        /// the topic
        topic: TopicName,
        /// the subscription's id
        id: String,
        /// what links in what is told of it begin with
        base_url: String,
    },
    /// Reads the key that messages are signed with.
    ReadSigner,
    /// Keeps a key, unless there is one.
    AddSigner(SignerRow),
    /// Publishes a message that is signed.
    PublishSigned {
        /// the message
        publication: Publication,
        /// its deduplication id
        deduplication_id: Option<String>,
        /// its id, its time, its signatures
        signed: Signed,
    },
}

/// A topic as its maker wants it; what is `None` was not said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedTopic {
    /// `DisplayName`
    pub display_name: Option<String>,
    /// `Policy`, as JSON
    pub policy: Option<String>,
    /// tags
    pub tags: Option<BTreeMap<String, String>>,
    /// `MaximumMessageSize`
    pub max_bytes: Option<u32>,
    /// It is to be a FIFO topic.
    pub fifo: Option<FifoChange>,
    /// `SignatureVersion` is 2
    pub sha256: Option<bool>,
    /// `DeliveryPolicy`, as JSON
    pub delivery: Option<String>,
    /// `…FeedbackRoleArn`, `…SuccessFeedbackSampleRate`
    pub feedback: BTreeMap<String, String>,
    /// `ArchivePolicy`, in days
    pub archive: Option<u16>,
}

/// What is said of a FIFO topic's settings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FifoChange {
    /// `ContentBasedDeduplication`
    pub by_content: Option<bool>,
    /// `FifoThroughputScope` is `MessageGroup`
    pub by_group: Option<bool>,
}

impl FifoChange {
    /// This, and what else is said.
    pub fn and(self, other: FifoChange) -> Self {
        FifoChange {
            by_content: other.by_content.or(self.by_content),
            by_group: other.by_group.or(self.by_group),
        }
    }

    /// The settings of a new topic.
    fn settings(self) -> Fifo {
        Fifo { by_content: self.by_content.unwrap_or(false), by_group: self.by_group.unwrap_or(false) }
    }
}

/// A change of a topic.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum TopicChange {
    /// `DisplayName`
    DisplayName(String),
    /// `Policy`; empty: the default one
    Policy(String),
    /// Adds a statement to the policy.
    AddPermission {
        /// the statement's name
        label: String,
        /// who
        accounts: Vec<String>,
        /// may do what
        actions: Vec<String>,
    },
    /// Removes a statement from the policy.
    RemovePermission {
        /// the statement's name
        label: String,
    },
    /// Adds or replaces tags.
    Tag(BTreeMap<String, String>),
    /// Removes tags.
    Untag(Vec<String>),
    /// `MaximumMessageSize`
    MaxBytes(u32),
    /// A FIFO topic's settings.
    Fifo(FifoChange),
    /// `SignatureVersion` is 2
    Sha256(bool),
    /// `DeliveryPolicy`, as JSON
    Delivery(Option<String>),
    /// `…FeedbackRoleArn`, `…SuccessFeedbackSampleRate`; empty: no more
    Feedback(String, String),
    /// `ArchivePolicy`, in days; `None`: no more
    Archive(Option<u16>),
}

/// What a command answers.
#[derive(Debug, Clone)]
pub enum Output {
    /// nothing
    Nothing,
    /// the topic
    Topic(Box<Topic>),
    /// the subscription
    Subscription(Box<Subscription>),
    /// subscriptions, and whether there are more
    Subscriptions(Vec<Subscription>, bool),
    /// the message was published
    Published(Published),
    /// nothing was done: the message, given back, is to be signed first
    Unsigned(Box<Publication>, Wanted),
    /// the key that messages are signed with
    Signer(Option<SignerRow>),
}

/// A message that was published.
#[derive(Debug, Clone)]
pub struct Published {
    /// its id
    pub id: String,
    /// its sequence number in a FIFO topic
    pub sequence: Option<u64>,
    /// the signatures that its receivers need; `None`: none of them needs one, or they are not known yet
    pub needed: Option<Wanted>,
}

/// Work that goes on in steps.
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Work {
    /// A publication, kept in pieces, on its way to more subscriptions than fit a commit.
    Publish {
        topic: TopicName,
        generation: u64,
        message_id: String,
        at: ropeway_core::Time,
        pieces: u32,
        after: Option<String>,
    },
    /// The subscriptions of a topic that is no more.
    Remove { topic: TopicName, generation: u64 },
    /// A publication of a FIFO topic, which waits for those before it.
    PublishInOrder {
        topic: TopicName,
        generation: u64,
        message_id: String,
        at: Time,
        pieces: u32,
        after: Option<String>,
        place: Place,
    },
    /// What is archived of a topic's messages before a sequence number is to go.
    DropArchive { topic: TopicName, generation: u64, until: u64 },
    /// A subscription gets messages of the archive.
    Replay(Replay),
}

/// A subscription and its compiled filter.
struct Compiled {
    subscription: Subscription,
    filter: Option<Filter>,
}

impl Compiled {
    fn new(subscription: Subscription) -> Result<Self, Fault> {
        let filter = settings::check(&subscription.settings, subscription.protocol);
        Ok(Compiled { filter: filter.map_err(|e| Fault::Damaged(e.to_string()))?, subscription })
    }
}

/// A topic, and its subscriptions where they are few.
struct Cached {
    topic: Topic,
    fan: Option<Vec<Compiled>>,
}

/// SNS's state in one shard.
pub struct SnsMachine {
    gate: Arc<dyn Gate>,
    logs: LogSink,
    /// The log stream that `logs` is told of.
    stream: String,
    /// Some topic of this shard wants, or has wanted, to know how its deliveries end.
    tells: bool,
    /// Copies of rows; a command that changes a topic drops its entry.
    cache: BTreeMap<TopicName, Arc<Cached>>,
    cached: usize,
    /// Publications of FIFO topics that go out in steps.
    in_steps: BTreeMap<TopicName, u64>,
    /// When there are messages to be forgotten.
    forget_at: Option<Time>,
    /// When there are posts to be sent again.
    again: Option<Time>,
    /// When there are subscriptions that nobody has confirmed.
    expire_at: Option<Time>,
    /// When there may be archived messages that are too old.
    watch_at: Option<Time>,
}

impl SnsMachine {
    pub(crate) fn new(gate: Arc<dyn Gate>, logs: LogSink, stream: String) -> Self {
        SnsMachine {
            gate,
            logs,
            stream,
            tells: false,
            cache: BTreeMap::new(),
            cached: 0,
            in_steps: BTreeMap::new(),
            forget_at: None,
            again: None,
            expire_at: None,
            watch_at: None,
        }
    }

    /// A topic, from its row.
    async fn topic(&self, tx: &Tx, name: &TopicName) -> Result<Topic, Error> {
        if let Some(cached) = self.cache.get(name) {
            return Ok(cached.topic.clone());
        }
        topics::read(tx, name).await?.ok_or_else(no_topic)
    }

    /// A topic with its subscriptions, compiled, if they are few.
    async fn fan(&mut self, tx: &Tx, name: &TopicName) -> Result<Arc<Cached>, Error> {
        if let Some(cached) = self.cache.get(name) {
            return Ok(Arc::clone(cached));
        }
        let topic = topics::read(tx, name).await?.ok_or_else(no_topic)?;
        let mut fan = None;
        if topic.subscriptions <= INLINE {
            let rows =
                tx.scan_prefix(&name.subscriptions(topic.generation), None, INLINE as usize).await?.rows;
            let mut all = Vec::new();
            for (_, row) in &rows {
                let found = Subscription::from_row(row)?;
                if !found.is_waiting() {
                    all.push(Compiled::new(found)?);
                }
            }
            fan = Some(all);
        }
        let weight = 1 + fan.as_ref().map_or(0, Vec::len);
        if self.cached + weight > CACHED {
            self.cache.clear();
            self.cached = 0;
        }
        self.cached += weight;
        let cached = Arc::new(Cached { topic, fan });
        self.cache.insert(name.clone(), Arc::clone(&cached));
        Ok(cached)
    }

    fn forget(&mut self, name: &TopicName) {
        if let Some(cached) = self.cache.remove(name) {
            self.cached -= 1 + cached.fan.as_ref().map_or(0, Vec::len);
        }
    }

    /// Makes a topic's policy known once the change is durable.
    fn announce(&self, tx: &mut Tx, name: &TopicName, policy: Option<String>) {
        let (gate, arn) = (Arc::clone(&self.gate), name.arn());
        tx.after_commit(move || gate.set_resource_policy(&arn, policy.as_deref()));
    }
}

fn postcard_from<T: serde::de::DeserializeOwned>(row: &[u8]) -> Result<T, Fault> {
    postcard::from_bytes(row).map_err(Fault::from)
}

fn no_topic() -> Error {
    error::not_found_exception("Topic does not exist")
}

impl Machine for SnsMachine {
    type Command = Command;
    type Output = Output;
    type Error = Error;
    const SPACE: Space = Space::Sns;

    /// Makes the policies of the shard's topics known.
    async fn load(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        let prefix = keys::all_topics();
        let mut after = None;
        loop {
            let page = tx.scan_prefix(&prefix, after.as_ref(), 256).await?;
            for (_, row) in &page.rows {
                let topic = Topic::from_row(row)?;
                self.gate.set_resource_policy(&topic.arn, Some(&topic.policy));
                self.tells |= !topic.latest.feedback.is_empty();
            }
            after = page.rows.last().map(|(key, _)| key.clone());
            if !page.more || after.is_none() {
                break;
            }
        }
        for topic in fifo::all_waiting(tx).await? {
            *self.in_steps.entry(topic).or_default() += 1;
        }
        self.forget_at = fifo::first_to_forget(tx).await?;
        self.again = endpoints::first_again(tx).await?;
        self.expire_at = expiry::first(tx).await?;
        self.watch_at = archived::first_watch(tx).await?;
        Ok(())
    }

    async fn apply(&mut self, tx: &mut Tx, command: Command) -> Result<Output, Error> {
        match command {
            Command::CreateTopic { topic, wanted } => self.create_topic(tx, topic, wanted).await,
            Command::DeleteTopic { topic } => self.delete_topic(tx, topic).await,
            Command::ReadTopic { topic } => {
                self.topic(tx, &topic).await.map(|topic| Output::Topic(Box::new(topic)))
            }
            Command::ChangeTopic { topic, change } => self.change_topic(tx, topic, change).await,
            Command::Subscribe { topic, wanted, compare } => {
                self.subscribe(tx, topic, wanted, compare, None).await
            }
            Command::SubscribeEndpoint { topic, wanted, compare, base_url } => {
                self.subscribe(tx, topic, wanted, compare, Some(&base_url)).await
            }
            Command::Confirm { topic, token, authenticated, wants_authentication } => {
                self.confirm(tx, topic, &token, authenticated, wants_authentication).await
            }
            Command::Leave { topic, id, base_url } => self.leave(tx, topic, id, &base_url).await,
            Command::ReadSigner => Ok(Output::Signer(tx.read(&signer_key()).await?)),
            Command::AddSigner(row) => {
                if let Some(there) = tx.read(&signer_key()).await? {
                    return Ok(Output::Signer(Some(there)));
                }
                tx.write(signer_key(), &row)?;
                Ok(Output::Signer(Some(row)))
            }
            Command::Unsubscribe { topic, id, account } => self.unsubscribe(tx, topic, id, account).await,
            Command::ReadSubscription { topic, id, account } => {
                let (_, found) = self.subscription(tx, &topic, &id, &account, false).await?;
                Ok(Output::Subscription(Box::new(found)))
            }
            Command::SetSubscription { topic, id, account, name, value } => {
                self.set_subscription(tx, topic, (id, account), &name, &value).await
            }
            Command::ListSubscriptions { topic, after, limit } => {
                self.list_subscriptions(tx, topic, after, limit).await
            }
            Command::Publish(publication) => self.publish(tx, publication, None, None).await,
            Command::PublishOnce { publication, deduplication_id } => {
                self.publish(tx, publication, Some(deduplication_id), None).await
            }
            Command::PublishSigned { publication, deduplication_id, signed } => {
                self.publish(tx, publication, deduplication_id, Some(signed)).await
            }
            Command::Deliver(delivery) => self.deliver(tx, delivery).await,
            Command::Step { work } => Ok(self.step(tx, work).await.map(|()| Output::Nothing)?),
            Command::StepInOrder { topic, generation } => {
                Ok(self.step_in_order(tx, topic, generation).await.map(|()| Output::Nothing)?)
            }
        }
    }

    fn grows(command: &Command) -> bool {
        matches!(
            command,
            Command::CreateTopic { .. }
                | Command::ChangeTopic { .. }
                | Command::Subscribe { .. }
                | Command::SetSubscription { .. }
                | Command::Publish(_)
                | Command::PublishOnce { .. }
                | Command::PublishSigned { .. }
                | Command::SubscribeEndpoint { .. }
                | Command::AddSigner(_)
                | Command::Leave { .. }
                | Command::Deliver(_)
        )
    }

    fn next_due(&self) -> Option<Time> {
        self.forget_at.into_iter().chain(self.again).chain(self.expire_at).chain(self.watch_at).min()
    }

    async fn on_time(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        if let Some(from) = self.forget_at.filter(|at| *at <= tx.now()) {
            self.forget_at = fifo::forget(tx, from).await?;
        }
        self.expire(tx).await?;
        self.send_again(tx).await?;
        // One command has not room for all: the archives' turn is when nothing else is due.
        let others = [self.forget_at, self.expire_at, self.again];
        if others.into_iter().flatten().any(|at| at <= tx.now()) {
            return Ok(());
        }
        self.end_archived(tx).await
    }

    async fn settled(&mut self, tx: &mut Tx, settled: Settled<'_>) -> Result<(), Fault> {
        if settled.lane.starts_with(LANE) {
            return self.posted(tx, settled.payload, settled.result).await;
        }
        if settled.lane.starts_with(signed::LANE) {
            return steps::signed(tx, settled.payload, settled.result).await;
        }
        if self.tells {
            self.tell_delivery(tx, &settled).await?;
        }
        let Err(why) = settled.result else { return Ok(()) };
        deliver::refused(tx, settled.lane, settled.payload, why).await
    }
}

/// The trace header of a delivery: the root alone, since no segments are recorded.
fn trace_header(trace: &Trace) -> Option<String> {
    (!trace.is_empty()).then(|| format!("Root={trace}"))
}
