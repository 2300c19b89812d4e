//! Random histories against a model, restarts included.

use std::collections::BTreeMap;

use proptest::prelude::*;
use ropeway_api::sqs::{Message, SendMessageInput, Sqs};
use ropeway_sqs::Options;

use crate::world::{World, handle, message};

const QUEUE: &str = "model";
const FIFO: &str = "model.fifo";
const GROUPS: [&str; 3] = ["a", "b", "c"];
const RETENTION: i64 = 120;

#[derive(Debug, Clone)]
enum Step {
    Send { group: usize, delay: i64, dedup: u8 },
    Receive { max: i64 },
    Delete { which: usize },
    Change { which: usize, secs: i64 },
    Advance { secs: u64 },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3usize, prop_oneof![Just(0i64), Just(0), 1..30i64], 0..40u8)
            .prop_map(|(group, delay, dedup)| Step::Send { group, delay, dedup }),
        5 => (1..11i64).prop_map(|max| Step::Receive { max }),
        4 => (0..40usize).prop_map(|which| Step::Delete { which }),
        2 => (0..40usize, prop_oneof![Just(0i64), 1..60i64]).prop_map(|(which, secs)| Step::Change { which, secs }),
        2 => (1..50u64).prop_map(|secs| Step::Advance { secs }),
        1 => Just(Step::Restart),
    ]
}

#[derive(Debug, Clone)]
struct Stored {
    body: String,
    group: usize,
    sent: i64,
    /// Delayed or in flight until then.
    hidden_until: i64,
    delayed: bool,
    count: u32,
    receipt: String,
}

/// What SQS's documentation says of a queue, in its simplest form.
#[derive(Default)]
struct Model {
    now: i64,
    messages: BTreeMap<u64, Stored>,
    next: u64,
    /// Every receipt that was handed out, with the message it was for.
    receipts: Vec<(String, u64)>,
}

impl Model {
    fn expire(&mut self) {
        let now = self.now;
        self.messages.retain(|_, m| m.sent + RETENTION > now);
        for stored in self.messages.values_mut().filter(|m| m.hidden_until <= now) {
            stored.delayed = false;
        }
    }

    fn counts(&self) -> (u64, u64, u64) {
        let hidden = |delayed: bool| {
            self.messages.values().filter(|m| m.hidden_until > self.now && m.delayed == delayed).count()
                as u64
        };
        (self.messages.len() as u64 - hidden(true) - hidden(false), hidden(false), hidden(true))
    }

    fn visible(&self) -> Vec<u64> {
        self.messages.iter().filter(|(_, m)| m.hidden_until <= self.now).map(|(seq, _)| *seq).collect()
    }

    fn take(&mut self, seq: u64, got: &Message, visibility: i64) {
        let stored = self.messages.get_mut(&seq).unwrap();
        stored.count += 1;
        stored.hidden_until = self.now + visibility;
        stored.receipt = handle(got).to_owned();
        self.receipts.push((handle(got).to_owned(), seq));
        let shown = &got.attributes.as_ref().unwrap()["ApproximateReceiveCount"];
        assert_eq!(*shown, stored.count.to_string());
    }

    /// The message that a receipt is the newest of.
    fn by_receipt(&self, receipt: &str, seq: u64) -> Option<&Stored> {
        self.messages.get(&seq).filter(|m| m.receipt == receipt)
    }
}

struct Run {
    world: World,
    model: Model,
    queue: &'static str,
}

impl Run {
    async fn new(queue: &'static str, options: Options) -> Run {
        let world = World::with(options).await;
        let attributes = [("MessageRetentionPeriod", "120"), ("VisibilityTimeout", "20")];
        world.create(queue, &attributes).await;
        Run { world, model: Model::default(), queue }
    }

    async fn delete(&mut self, which: usize) {
        let Some((receipt, seq)) = self.pick(which) else { return };
        let newest = self.model.by_receipt(&receipt, seq);
        let expired = self.queue == FIFO && newest.is_some_and(|m| m.hidden_until <= self.model.now);
        let is_newest = newest.is_some();
        let result = self.world.delete(self.queue, &receipt).await;
        assert_eq!(result.is_err(), expired, "{result:?}");
        if is_newest && !expired {
            self.model.messages.remove(&seq);
        }
    }

    async fn change(&mut self, which: usize, secs: i64) {
        let Some((receipt, seq)) = self.pick(which) else { return };
        let now = self.model.now;
        let in_flight = self.model.by_receipt(&receipt, seq).is_some_and(|m| m.hidden_until > now);
        let result = self.world.change(self.queue, &receipt, secs).await;
        assert_eq!(result.is_ok(), in_flight, "{result:?}");
        if in_flight {
            self.model.messages.get_mut(&seq).unwrap().hidden_until = now + secs;
        }
    }

    fn pick(&self, which: usize) -> Option<(String, u64)> {
        let receipts = &self.model.receipts;
        receipts.get(which.checked_rem(receipts.len())?).cloned()
    }

    async fn common(mut self, step: Step) -> Run {
        match step {
            Step::Delete { which } => self.delete(which).await,
            Step::Change { which, secs } => self.change(which, secs).await,
            Step::Advance { secs } => {
                self.world.advance(secs);
                self.model.now += secs as i64;
            }
            Step::Restart => self.world = self.world.restart().await,
            Step::Send { .. } | Step::Receive { .. } => unreachable!("not common"),
        }
        self
    }

    async fn check(&mut self) {
        self.model.expire();
        assert_eq!(self.world.counts(self.queue).await, self.model.counts());
    }

    async fn send_standard(&mut self, delay: i64, dedup: u8) {
        let body = format!("{dedup}-{}", self.model.next);
        let input = SendMessageInput { delay_seconds: Some(delay), ..message(QUEUE, &body) };
        self.world.sqs.send_message(&self.world.cx, input).await.unwrap();
        self.store(body, 0, delay);
    }

    fn store(&mut self, body: String, group: usize, delay: i64) {
        let model = &mut self.model;
        let stored = Stored {
            body,
            group,
            sent: model.now,
            hidden_until: model.now + delay,
            delayed: delay > 0,
            count: 0,
            receipt: String::new(),
        };
        model.messages.insert(model.next, stored);
        model.next += 1;
    }

    /// Without groups the oldest visible messages come, whatever the window's size.
    async fn receive_standard(&mut self, max: i64) {
        let got = self.world.receive(QUEUE, max).await;
        let due: Vec<u64> = self.model.visible().into_iter().take(max as usize).collect();
        let expected: Vec<&str> = due.iter().map(|seq| self.model.messages[seq].body.as_str()).collect();
        let bodies: Vec<&str> = got.iter().map(|m| m.body.as_deref().unwrap()).collect();
        assert_eq!(bodies, expected);
        for (seq, message) in due.into_iter().zip(&got) {
            self.model.take(seq, message, 20);
        }
    }

    async fn send_fifo(&mut self, group: usize, dedup: u8, ids: &mut BTreeMap<u8, (i64, String)>) {
        let id = dedup.to_string();
        let body = format!("{dedup}-{}", self.model.next);
        let sent = self.world.send_to_group(FIFO, GROUPS[group], Some(&id), &body).await;
        let message_id = sent.message_id.unwrap();
        match ids.get(&dedup) {
            Some((until, first)) if *until > self.model.now => assert_eq!(*first, message_id),
            _ => {
                ids.insert(dedup, (self.model.now + 300, message_id));
                self.store(body, group, 0);
            }
        }
    }

    /// From each group that is free come its first messages, in order, and never fewer than asked for
    /// while there are some.
    async fn receive_fifo(&mut self, max: i64, whole: bool) {
        let mut queues: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
        for (seq, stored) in &self.model.messages {
            queues.entry(stored.group).or_default().push(*seq);
        }
        let now = self.model.now;
        queues.retain(|_, seqs| seqs.iter().all(|seq| self.model.messages[seq].hidden_until <= now));
        let free: usize = queues.values().map(Vec::len).sum();
        let got = self.world.receive(FIFO, max).await;
        if whole {
            assert_eq!(got.len(), free.min(max as usize));
        }
        assert!(free == 0 || !got.is_empty() || !whole);
        for message in &got {
            let name = &message.attributes.as_ref().unwrap()["MessageGroupId"];
            let group = GROUPS.iter().position(|g| g == name).unwrap();
            let seq = queues.get_mut(&group).expect("the group is free").remove(0);
            assert_eq!(message.body.as_deref(), Some(self.model.messages[&seq].body.as_str()));
            self.model.take(seq, message, 20);
        }
    }
}

fn block_on(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future);
}

fn options(window: usize) -> Options {
    Options { standard_window: window, fifo_window: window, ..Options::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_standard_queue(steps in proptest::collection::vec(step(), 1..120), window in prop_oneof![Just(4usize), Just(1000)]) {
        block_on(async {
            let mut run = Run::new(QUEUE, options(window)).await;
            for step in steps {
                match step {
                    Step::Send { delay, dedup, .. } => run.send_standard(delay, dedup).await,
                    Step::Receive { max } => run.receive_standard(max).await,
                    other => run = run.common(other).await,
                }
                run.check().await;
            }
        });
    }

    #[test]
    fn a_fifo_queue(steps in proptest::collection::vec(step(), 1..120), window in prop_oneof![Just(4usize), Just(1000)]) {
        block_on(async {
            let mut run = Run::new(FIFO, options(window)).await;
            let mut ids = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Send { group, dedup, .. } => run.send_fifo(group, dedup, &mut ids).await,
                    Step::Receive { max } => run.receive_fifo(max, window == 1000).await,
                    other => run = run.common(other).await,
                }
                run.check().await;
            }
        });
    }
}
