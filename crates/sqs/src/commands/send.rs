//! Messages come in.

use bytes::Bytes;
use ropeway_core::{Fault, Time, Tx};
use ropeway_wire::Error;
use serde::{Deserialize, Serialize};

use super::queue::Queue;
use super::{Output, Send, SendEntry, Sent, SqsError};
use crate::keys::{Kind, Place};
use crate::limits;
use crate::message::{self, Head, Seal};

/// What was sent under a deduplication id. Every row that [`Kind::Cleanup`] names begins with `until`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DedupRow {
    /// Until when the id counts.
    pub until: Time,
    /// The message's id.
    pub id: [u8; 16],
    /// Its sequence number.
    pub seq: u64,
}

/// What a command has stored, to be taken note of once nothing can fail any more.
#[derive(Default)]
struct Arrivals(Vec<Arrival>);

struct Arrival {
    group: Option<String>,
    delayed: Option<Time>,
    cleanup: Option<Time>,
}

impl Queue {
    /// Stores messages, in order; each entry has its own answer. One without a deduplication id, where there must be one,
    /// is the whole batch's error: so AWS's answers were recorded by LocalStack's
    /// `test_send_batch_missing_deduplication_id_for_fifo_queue`.
    pub async fn send(&mut self, tx: &mut Tx, send: Send) -> Result<Output, SqsError> {
        let settings = &self.row.settings;
        let needs_id = settings.fifo && !settings.content_dedup;
        let lacks_id = |entry: &SendEntry| entry.group.is_some() && entry.dedup.is_none();
        if needs_id && send.entries.iter().any(lacks_id) {
            let why = "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly";
            return Err(limits::invalid_parameter(why).into());
        }
        let mut arrivals = Arrivals::default();
        let mut answers = Vec::with_capacity(send.entries.len());
        for entry in send.entries {
            answers.push(self.store(tx, &send.sender, entry, &mut arrivals).await?);
        }
        self.arrive(tx, arrivals)?;
        Ok(Output::Sent(answers))
    }

    /// Writes one message's rows, unless it is refused or was sent before.
    async fn store(
        &self,
        tx: &mut Tx,
        sender: &str,
        entry: SendEntry,
        arrivals: &mut Arrivals,
    ) -> Result<Result<Sent, Error>, Fault> {
        if let Err(error) = self.check(&entry) {
            return Ok(Err(error));
        }
        let hot = self.hot.as_ref().ok_or_else(|| Fault::Damaged("a queue that is not open".to_owned()))?;
        let seq = hot.counters.next_seq + arrivals.0.len() as u64;
        let dedup = match self.row.settings.fifo {
            true => entry.dedup.or(entry.content_id),
            false => None,
        };
        let scope = if self.row.settings.dedup_by_group { entry.group.as_deref() } else { None };
        let dedup_key = dedup.as_ref().map(|id| self.place.dedup(scope.unwrap_or_default(), id));
        if let Some(key) = &dedup_key
            && let Some(row) = tx.read::<DedupRow>(key).await?
            && row.until > tx.now()
        {
            return Ok(Ok(Sent { id: row.id, seq: row.seq }));
        }
        let mut head = self.head(tx, sender, entry.delay, entry.group, dedup);
        head.trace_header = entry.trace_header;
        let content = self.seal(tx, &mut head, entry.content)?;
        message::write(tx, &self.place, seq, &mut head, &content)?;
        if let Some(at) = head.delayed {
            tx.put(self.place.timed(Kind::Delayed, at, seq), Bytes::new());
        }
        let sent = Sent { id: head.id, seq };
        let cleanup = dedup_key.map(|key| remember(tx, &self.place, key, sent)).transpose()?;
        arrivals.0.push(Arrival { group: head.group, delayed: head.delayed, cleanup });
        Ok(Ok(sent))
    }

    /// A new message's head.
    fn head(
        &self,
        tx: &Tx,
        sender: &str,
        delay: Option<u32>,
        group: Option<String>,
        dedup: Option<String>,
    ) -> Head {
        let delay = delay.unwrap_or(self.row.settings.delay);
        let delayed = match (delay, self.row.settings.fifo) {
            (0, _) => None,
            (_, true) => Some(tx.now()),
            (secs, false) => Some(tx.now().plus_secs(i64::from(secs))),
        };
        Head {
            id: new_id(tx),
            sent: tx.now(),
            delayed,
            carried: false,
            sender: sender.to_owned(),
            group,
            dedup,
            trace_header: None,
            source: None,
            trace: tx.trace().to_string(),
            seal: Seal::None,
            parts: 0,
        }
    }

    fn seal(&self, tx: &Tx, head: &mut Head, content: Bytes) -> Result<Bytes, Fault> {
        let Some(key) = &self.key else { return Ok(content) };
        head.seal = Seal::By(self.arn.to_string());
        message::seal(key, tx.ids(), &content)
    }

    /// What depends on the queue's settings; all else was checked before.
    fn check(&self, entry: &SendEntry) -> Result<(), Error> {
        let settings = &self.row.settings;
        if entry.size > settings.max_size {
            return Err(limits::too_long(settings.max_size));
        }
        if !settings.fifo {
            return match &entry.dedup {
                Some(id) => Err(wrong_kind(id, "MessageDeduplicationId")),
                None => Ok(()),
            };
        }
        if entry.group.is_none() {
            return Err(limits::missing_parameter("MessageGroupId"));
        }
        if let Some(delay) = entry.delay.filter(|delay| *delay > 0) {
            return Err(wrong_kind(&delay.to_string(), "DelaySeconds"));
        }
        Ok(())
    }

    /// Takes note of what was stored.
    fn arrive(&mut self, tx: &mut Tx, arrivals: Arrivals) -> Result<(), Fault> {
        let expiry = self.expiry(tx.now());
        let hot = self.hot()?;
        let mut visible = 0;
        for arrival in arrivals.0 {
            let seq = hot.counters.next_seq;
            hot.counters.next_seq += 1;
            hot.counters.total += 1;
            hot.dirty = true;
            hot.head_due = hot.head_due.or(Some(expiry));
            hot.cleanup = hot.cleanup.or(arrival.cleanup);
            match arrival.delayed {
                Some(at) => hot.arrived_delayed(seq, at),
                None => {
                    hot.arrived(seq, arrival.group.as_deref());
                    visible += 1;
                }
            }
        }
        self.wake(tx, visible);
        Ok(())
    }

    /// Wakes those who wait for messages.
    pub(super) fn wake(&self, tx: &mut Tx, messages: usize) {
        if messages > 0 {
            tx.wake(&crate::address::signal(&self.arn), messages);
        }
    }
}

/// Writes the row of a deduplication id.
fn remember(tx: &mut Tx, place: &Place, key: Bytes, sent: Sent) -> Result<Time, Fault> {
    let until = tx.now().plus_millis(limits::DEDUPLICATION_MILLIS);
    tx.write(key.clone(), &DedupRow { until, id: sent.id, seq: sent.seq })?;
    tx.put(place.timed(Kind::Cleanup, until, sent.seq), key);
    Ok(until)
}

/// A random UUID's bytes.
pub(super) fn new_id(tx: &Tx) -> [u8; 16] {
    let mut bytes = [0; 16];
    tx.ids().fill(&mut bytes);
    let number = u128::from_be_bytes(bytes);
    let version = (number & !(0xf << 76)) | (0x4 << 76);
    ((version & !(0x3 << 62)) | (0x2 << 62)).to_be_bytes()
}

fn wrong_kind(value: &str, parameter: &str) -> Error {
    limits::invalid_value(
        value,
        parameter,
        "The request include parameter that is not valid for this queue type.",
    )
}
