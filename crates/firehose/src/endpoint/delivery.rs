//! Delivers a flush to an HTTP endpoint, request by request, and puts what the endpoint doesn't take.
//!
//! While it waits for the next try of a request nothing of the records is held in memory: they are read, and processed,
//! again. What was taken before is not sent again unless the server is killed meanwhile; a request that is sent again
//! keeps its id.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use ropeway_core::{Ids, Outcome};
use ropeway_wire::{ByteStream, Error};
use serde::Serialize;

use super::answer::{self, Refusal, Verdict};
use super::request::{self, Batch};
use crate::actor::{FirehoseActor, later};
use crate::delivery::{Out, Run};
use crate::log::{self, Told};
use crate::model::{Destination, Endpoint, Flush};
use crate::prefix::HTTP_FAILED;
use crate::process::Plan;
use crate::process::transform::{Failure, Item};

/// How long an endpoint has for its answer, in seconds:
/// <https://docs.aws.amazon.com/firehose/latest/dev/httpdeliveryrequestresponse.html>, as all that follows.
const PATIENCE: i64 = 3 * 60;
/// The first pause between tries, and the longest, in milliseconds; each is twice the one before.
const PAUSE: i64 = 1_000;
const MAX_PAUSE: i64 = 120_000;
/// What pauses differ by, in thousandths.
const JITTER: u64 = 150;

/// How far a delivery has come.
#[derive(Debug, Default)]
pub struct Progress {
    /// The first record that no request has settled yet.
    from: u64,
    /// Requests that are settled.
    settled: u32,
    /// Tries of the next one, all of them in vain.
    tries: u32,
    /// Milliseconds that were spent on them, beside the time in which the endpoint could answer.
    spent: i64,
    /// The pause before the next try, if it was that which stopped a run.
    pause: Option<i64>,
    /// How often the bucket refused what the endpoint didn't take.
    troubles: u32,
}

impl Progress {
    fn new(from: u64) -> Progress {
        Progress { from, ..Progress::default() }
    }

    /// A request came to its end; the next record is `next`.
    fn settle(&mut self, next: u64) {
        *self = Progress { from: next, settled: self.settled + 1, ..Progress::default() };
    }

    /// Whether a request that was refused is tried again: `Some` after which pause.
    fn again(&self, retry_seconds: u32, ids: &Ids) -> Option<i64> {
        let left = i64::from(retry_seconds) * 1000 - self.spent;
        (left > 0).then(|| backoff(self.tries, ids).min(left))
    }
}

/// The pause after so many tries, in milliseconds.
fn backoff(tries: u32, ids: &Ids) -> i64 {
    let pause = PAUSE.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(MAX_PAUSE);
    let thousandths = 1000 - JITTER + ids.number() % (2 * JITTER + 1);
    pause * i64::try_from(thousandths).unwrap_or(1000) / 1000
}

/// Requests to an endpoint.
pub struct Posts<'a> {
    endpoint: &'a Endpoint,
    key: Option<Vec<u8>>,
    batch: Batch,
    progress: &'a mut Progress,
}

/// A line of the error output:
/// <https://docs.aws.amazon.com/firehose/latest/dev/retry.html>, "HTTP endpoint destination".
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UndeliveredRecord<'a> {
    attempts_made: u32,
    arrival_timestamp: i64,
    error_code: &'a str,
    error_message: &'a str,
    attempt_ending_timestamp: i64,
    raw_data: String,
    subsequence_number: usize,
    data_id: String,
}

/// Delivers a flush.
pub async fn deliver(actor: &FirehoseActor, flush: &Flush) -> Outcome {
    let mut progress = Progress::new(flush.from);
    let (clock, ids) = (actor.core().clock(), actor.core().ids());
    loop {
        let (to, endpoint) = match actor.ends(flush).await {
            Ok(Some((to, Some(endpoint)))) => (to, endpoint),
            Ok(_) => return Outcome::Refused("the delivery stream is deleted".to_owned()),
            Err(error) => return later(flush, &error),
        };
        let error = match pass(actor, flush, (&to, &endpoint), &mut progress).await {
            Ok(()) => return Outcome::Done(Bytes::new()),
            Err(error) => error,
        };
        let began = clock.now();
        if let Some(pause) = progress.pause.take() {
            clock.sleep_until(began.plus_millis(pause)).await;
            progress.spent += clock.now().millis().saturating_sub(began.millis());
        } else if error.is_sender_fault() {
            // The stream pauses until either takes the records.
            actor.report(flush, &Told::of_s3(&to), &log::of_s3(&error), None).await;
            progress.troubles += 1;
            clock.sleep_until(began.plus_millis(backoff(progress.troubles, ids))).await;
        } else {
            return later(flush, &error);
        }
    }
}

/// Sends the records that are left. `Err`: what stopped it; a pause in `progress` tells after which it goes on.
async fn pass(
    actor: &FirehoseActor,
    flush: &Flush,
    (to, endpoint): (&Destination, &Endpoint),
    progress: &mut Progress,
) -> Result<(), Error> {
    let plan = Plan::parse(flush.processing())?;
    let prefixes = crate::destination::prefixes(&flush.destination);
    let prefixes = prefixes.map_err(|why| Error::internal(why.clone()))?;
    let told = Told::of_endpoint(endpoint, to);
    let key = actor.access_key(flush, endpoint)?;
    let _room = actor.room(flush, 3).await?;
    let from = progress.from;
    let posts = Posts { endpoint, key, batch: Batch::default(), progress };
    Run::new(actor, flush, to, &told, &plan, &prefixes, Out::Endpoint(posts)).run(from).await
}

impl Run<'_> {
    /// Takes a record that goes to the endpoint.
    pub async fn send(&mut self, posts: &mut Posts<'_>, mut item: Item) -> Result<(), Error> {
        if self.plan.delimited {
            item.data = Bytes::from([&*item.data, crate::delimiter::BYTES].concat());
        }
        if !posts.batch.has_room(posts.endpoint.mebibytes, &item) {
            self.post(posts, item.number.0).await?;
        }
        posts.batch.push(item);
        Ok(())
    }

    /// Has the endpoint take the records that wait for it, and puts those that could not be processed. The next record
    /// is `next`.
    pub async fn post(&mut self, posts: &mut Posts<'_>, next: u64) -> Result<(), Error> {
        let items = std::mem::take(&mut posts.batch).items;
        let number = posts.progress.settled;
        if let Some(refusal) = self.offer(posts, &items, number).await? {
            let lines = self.undelivered(posts.progress.tries, &items, &refusal)?;
            self.put_lines(HTTP_FAILED, number, lines).await?;
        }
        for (kind, lines) in std::mem::take(&mut self.failed) {
            self.put_lines(kind, number, lines).await?;
        }
        posts.progress.settle(next);
        Ok(())
    }

    /// Sends records once. `Ok(Some(_))`: they are given up. `Err`: they are to be sent again.
    async fn offer(
        &mut self,
        posts: &mut Posts<'_>,
        items: &[Item],
        number: u32,
    ) -> Result<Option<Refusal>, Error> {
        if items.is_empty() {
            return Ok(None);
        }
        let (refusal, permanent) = match self.call(posts, items, number).await? {
            Verdict::Taken => return Ok(None),
            Verdict::TooLarge(refusal) => (refusal, true),
            Verdict::Refused(refusal) => (refusal, false),
        };
        posts.progress.tries += 1;
        let failure = Failure::new(refusal.code, &*refusal.said);
        self.actor.report(self.flush, self.told, &failure, self.plan.function()).await;
        if permanent {
            let (stream, count) = (&self.flush.stream.name, items.len());
            tracing::warn!(stream, count, "records are too large for their endpoint and are dropped");
            return Ok(None);
        }
        let again = posts.progress.again(posts.endpoint.retry_seconds, self.actor.core().ids());
        posts.progress.pause = again;
        match again {
            None => Ok(Some(refusal)),
            Some(_) => Err(Error::new(503, "EndpointFailure", refusal.said)),
        }
    }

    /// Sends a request, and reads its answer.
    async fn call(&self, posts: &Posts<'_>, items: &[Item], number: u32) -> Result<Verdict, Error> {
        let clock = self.actor.core().clock();
        let id = request::request_id(&self.flush.name, number);
        let (now, gzip, told, items) = (clock.now(), posts.endpoint.gzip, id.clone(), items.to_vec());
        // Megabytes are encoded and compressed where no connection and no shard waits for it.
        let body = tokio::task::spawn_blocking(move || request::body(&told, now, &items, gzip)).await;
        let body = body.map_err(|error| Error::internal(error.to_string()))?;
        let body = body.map_err(|error| Error::internal(error.to_string()))?;
        let arn = self.flush.stream.arn();
        let request = request::request(posts.endpoint, posts.key.as_deref(), &arn, &id, body)?;
        Ok(tokio::select! {
            answer = self.actor.outgoing().call(request) => match answer {
                Ok(answer) => answer::read(&id, &answer),
                Err(why) => answer::none(&why),
            },
            () = clock.sleep_until(clock.now().plus_secs(PATIENCE)) => answer::late(),
        })
    }

    fn undelivered(&self, tries: u32, items: &[Item], refusal: &Refusal) -> Result<Vec<u8>, Error> {
        let mut lines = Vec::new();
        let ended = self.actor.core().clock().now().millis();
        for item in items {
            let line = UndeliveredRecord {
                attempts_made: tries,
                arrival_timestamp: item.arrived.millis(),
                error_code: refusal.code,
                error_message: &refusal.record,
                attempt_ending_timestamp: ended,
                raw_data: BASE64.encode(&item.data),
                subsequence_number: item.number.1,
                data_id: format!("{:056}.{}", item.number.0, item.number.1),
            };
            serde_json::to_writer(&mut lines, &line).map_err(|why| Error::internal(why.to_string()))?;
            lines.push(b'\n');
        }
        Ok(lines)
    }

    /// Puts lines under the prefix of errors. The name is that of the request: what is put again replaces what was.
    async fn put_lines(&self, kind: &str, number: u32, lines: Vec<u8>) -> Result<(), Error> {
        if lines.is_empty() {
            return Ok(());
        }
        let (flush, name) = (self.flush, self.name(number));
        let key = format!("{}{name}", self.prefixes.error(flush.opened, &flush.random, kind));
        self.actor.put(flush, self.to, &key, ByteStream::from(Bytes::from(lines)), None).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_two_minutes_and_end_with_the_time_for_retries() {
        let ids = Ids::seeded(1);
        for (tries, most) in
            [(1, 1_000), (2, 2_000), (5, 16_000), (7, 64_000), (8, 120_000), (9, 120_000), (90, 120_000)]
        {
            let pauses: Vec<i64> = (0..200).map(|_| backoff(tries, &ids)).collect();
            assert!(
                pauses.iter().all(|pause| (most * 85 / 100..=most * 115 / 100).contains(pause)),
                "{pauses:?}"
            );
            assert!(pauses.iter().min() < pauses.iter().max());
        }
        let progress = |spent| Progress { tries: 9, spent, ..Progress::default() };
        assert_eq!(progress(299_500).again(300, &ids), Some(500));
        assert_eq!(progress(300_000).again(300, &ids), None);
        assert_eq!(progress(0).again(0, &ids), None);
    }
}
