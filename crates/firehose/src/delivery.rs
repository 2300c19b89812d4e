//! The delivery of records that are processed, or told apart by what they say.
//!
//! What is put is held in memory until it is an object, of 128 MiB together at most: what a function makes
//! longer goes on in further objects.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use ropeway_core::Time;
use ropeway_wire::{ByteStream, Error};
use serde::Serialize;

use crate::actor::{FirehoseActor, extension};
use crate::delimiter;
use crate::endpoint::delivery::Posts;
use crate::log::Told;
use crate::model::{Destination, Flush};
use crate::prefix::{DECOMPRESSION_FAILED, DELIVERY_FAILED, PROCESSING_FAILED, PartitionKeys, Prefixes};
use crate::process::transform::{self, Batch, Failure, Item, Transformation};
use crate::process::{Plan, logs};
use crate::records::Record;

/// Bytes that are held before they are put.
const MAX_HELD: usize = 128 * 1024 * 1024;
/// Most prefixes at once: <https://docs.aws.amazon.com/firehose/latest/dev/limits.html>.
const MAX_PARTITIONS: usize = 500;
/// Pause before a failed invocation is repeated, in milliseconds; it doubles.
const PAUSE: i64 = 200;
/// Pauses don't grow beyond this, in milliseconds.
const MAX_PAUSE: i64 = 10_000;

/// A delivery under way.
pub struct Run<'a> {
    pub(crate) actor: &'a FirehoseActor,
    pub(crate) flush: &'a Flush,
    pub(crate) to: &'a Destination,
    pub(crate) told: &'a Told<'a>,
    pub(crate) plan: &'a Plan,
    pub(crate) prefixes: &'a Prefixes,
    /// S3 doesn't take the objects under their own prefixes.
    given_up: bool,
    /// Requests, if records go to an HTTP endpoint.
    posts: Option<Posts<'a>>,
    batch: Batch,
    /// Objects by their prefix.
    objects: BTreeMap<String, Vec<u8>>,
    /// What is said of records that failed, a line each, by how they did.
    pub(crate) failed: BTreeMap<&'static str, Vec<u8>>,
    held: usize,
    /// How often what was held has been put.
    rounds: u32,
}

/// What records become.
pub enum Out<'a> {
    /// objects
    Objects {
        /// S3 doesn't take them under their own prefixes.
        given_up: bool,
    },
    /// requests to an HTTP endpoint
    Endpoint(Posts<'a>),
}

/// A line of an error output:
/// <https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-failure-handling.html>.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FailedRecord<'a> {
    attempts_made: u32,
    arrival_timestamp: i64,
    error_code: &'a str,
    error_message: &'a str,
    attempt_ending_timestamp: i64,
    raw_data: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    lambda_arn: Option<&'a str>,
}

impl<'a> Run<'a> {
    /// A delivery of a flush to where the stream delivers now.
    pub fn new(
        actor: &'a FirehoseActor,
        flush: &'a Flush,
        to: &'a Destination,
        told: &'a Told<'a>,
        plan: &'a Plan,
        prefixes: &'a Prefixes,
        out: Out<'a>,
    ) -> Self {
        let (given_up, posts) = match out {
            Out::Objects { given_up } => (given_up, None),
            Out::Endpoint(posts) => (false, Some(posts)),
        };
        let (batch, objects, failed) = (Batch::default(), BTreeMap::new(), BTreeMap::new());
        Run {
            actor,
            flush,
            to,
            told,
            plan,
            prefixes,
            given_up,
            posts,
            batch,
            objects,
            failed,
            held: 0,
            rounds: 0,
        }
    }

    /// Processes and puts, or sends, every record from one on.
    pub async fn run(mut self, from: u64) -> Result<(), Error> {
        let mut records = self.actor.records(self.flush, from);
        while let Some(page) = records.next().await? {
            for record in page {
                self.take(record).await?;
                if self.plan.transformation.is_none() && self.batch.is_large() {
                    let items = std::mem::take(&mut self.batch).items;
                    self.place(items).await?;
                }
            }
            if self.plan.transformation.is_none() {
                let items = std::mem::take(&mut self.batch).items;
                self.place(items).await?;
            }
        }
        if let Some(transformation) = &self.plan.transformation {
            self.transform(transformation).await?;
        }
        match self.posts.take() {
            Some(mut posts) => self.post(&mut posts, self.flush.to).await,
            None => self.put().await,
        }
    }

    /// What a record says, once what log subscriptions put is unpacked; `None`: nothing, or nothing that can be read.
    async fn unpacked(&mut self, record: &Record) -> Result<Option<Bytes>, Error> {
        if !self.plan.decompressed {
            return Ok(Some(record.data.clone()));
        }
        let read = logs::decompressed(&record.data)
            .map_err(|why| (DECOMPRESSION_FAILED, Failure::new("Decompression.InvalidRecord", why)));
        let read = read.and_then(|data| match self.plan.extracted {
            false => Ok(Some(data)),
            true => logs::messages(&data).map_err(|why| {
                (PROCESSING_FAILED, Failure::new("CloudWatchLogProcessing.InvalidRecord", why))
            }),
        });
        let (kind, failure) = match read {
            Ok(data) => return Ok(data),
            Err(failed) => failed,
        };
        // Once is enough for all that are put together.
        if !self.failed.contains_key(kind) {
            self.actor.report(self.flush, self.told, &failure, None).await;
        }
        self.fail_as(kind, record.accepted, &record.data, &failure)?;
        Ok(None)
    }

    /// Divides a record, and passes on what it holds.
    async fn take(&mut self, record: Record) -> Result<(), Error> {
        let Some(data) = self.unpacked(&record).await? else { return Ok(()) };
        let source = self.plan.decompressed.then(|| record.data.clone());
        let parts = match &self.plan.split {
            None => vec![data],
            Some(split) => match split.apply(&data) {
                Ok(parts) => parts,
                Err(why) => {
                    let failure = Failure::new("RecordDeAggregation.InvalidRecord", why);
                    return self.fail_as(PROCESSING_FAILED, record.accepted, &record.data, &failure);
                }
            },
        };
        for (part, data) in parts.into_iter().enumerate() {
            let number = (record.number, part);
            let (arrived, source) = (record.accepted, source.clone());
            let item = Item { number, arrived, data, source, keys: BTreeMap::new() };
            if let Some(transformation) = &self.plan.transformation
                && !self.batch.has_room(transformation, &item)
            {
                self.transform(transformation).await?;
            }
            self.batch.push(item);
        }
        Ok(())
    }

    /// Has the function say what becomes of the records that wait for it.
    async fn transform(&mut self, by: &Transformation) -> Result<(), Error> {
        let items = std::mem::take(&mut self.batch).items;
        if items.is_empty() {
            return Ok(());
        }
        let answered = match self.ask(by, &items).await? {
            Ok(answer) => transform::verdicts(&answer, items),
            Err(failure) => Err((items, failure)),
        };
        let verdicts = match answered {
            Ok(verdicts) => verdicts,
            Err((items, failure)) => {
                self.actor.report(self.flush, self.told, &failure, Some(&by.function)).await;
                return items.iter().try_for_each(|item| self.fail(item, &failure));
            }
        };
        let mut kept = Vec::new();
        let mut said: Option<Failure> = None;
        for verdict in verdicts {
            match verdict {
                Ok(item) => kept.extend(item),
                Err(failed) => {
                    let (item, failure) = *failed;
                    self.fail(&item, &failure)?;
                    said.get_or_insert(failure);
                }
            }
        }
        // The function logs by itself that it gave up a record.
        if let Some(failure) = said.filter(|failure| failure.code != "Lambda.ProcessingFailedStatus") {
            self.actor.report(self.flush, self.told, &failure, Some(&by.function)).await;
        }
        self.place(kept).await
    }

    /// Invokes the function, again if that fails.
    async fn ask(&self, by: &Transformation, items: &[Item]) -> Result<Result<Bytes, Failure>, Error> {
        let core = self.actor.core();
        let (stream, region) = (self.flush.stream.arn(), &self.flush.stream.scope.region);
        let payload = transform::request(&core.ids().uuid(), &stream, region, items);
        let payload = payload.map_err(|why| Error::internal(why.to_string()))?;
        let role = by.role.as_deref().unwrap_or(self.told.role);
        let (mut attempts, mut pause) = (1, PAUSE);
        loop {
            match self.actor.invoke(self.flush, role, &by.function, payload.clone()).await? {
                Err(_) if attempts <= by.retries => {}
                Err(failure) => return Ok(Err(Failure { attempts, ..failure })),
                Ok(answer) => return Ok(Ok(answer)),
            }
            core.clock().sleep_until(core.clock().now().plus_millis(pause)).await;
            attempts += 1;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }

    /// Adds records to the objects, or the requests, that they belong to.
    async fn place(&mut self, items: Vec<Item>) -> Result<(), Error> {
        if let Some(mut posts) = self.posts.take() {
            for item in items {
                self.send(&mut posts, item).await?;
            }
            self.posts = Some(posts);
            return Ok(());
        }
        let queried = self.plan.query.as_ref().map(|query| {
            let data: Vec<&[u8]> = items.iter().map(|item| &*item.data).collect();
            query.extract(&data)
        });
        let mut queried = queried.into_iter().flatten();
        for mut item in items {
            let lambda = std::mem::take(&mut item.keys);
            let prefix = match queried.next().transpose() {
                Ok(query) => self.prefix(PartitionKeys { query: query.unwrap_or_default(), lambda }),
                Err(why) => Err(Failure::new("DynamicPartitioning.MetadataExtractionFailed", why)),
            };
            let prefix = match prefix {
                Ok(prefix) => prefix,
                Err(failure) => {
                    self.fail(&item, &failure)?;
                    continue;
                }
            };
            let object = self.objects.entry(prefix).or_default();
            let before = object.len();
            object.extend_from_slice(&item.data);
            object.extend_from_slice(if self.plan.delimited { delimiter::BYTES } else { &[] });
            self.held += object.len() - before;
        }
        if self.held > MAX_HELD { self.put().await } else { Ok(()) }
    }

    /// The prefix of a record's object.
    fn prefix(&self, keys: PartitionKeys) -> Result<String, Failure> {
        let (opened, random) = (self.flush.opened, &self.flush.random);
        let prefix = self.prefixes.partitioned(opened, random, &keys).ok_or_else(|| {
            let why = "partitionKeys values must not be null or empty, nor make the prefix too long";
            Failure::new("DynamicPartitioning.MetadataExtractionFailed", why)
        })?;
        if self.objects.len() >= MAX_PARTITIONS && !self.objects.contains_key(&prefix) {
            let why = format!("The number of active partitions is limited to {MAX_PARTITIONS}");
            return Err(Failure::new("DynamicPartitioning.ActivePartitionLimitExceeded", why));
        }
        Ok(prefix)
    }

    /// Writes down a record that could not be processed: as it came, if it was compressed.
    fn fail(&mut self, item: &Item, failure: &Failure) -> Result<(), Error> {
        let data = item.source.as_ref().unwrap_or(&item.data);
        self.fail_as(PROCESSING_FAILED, item.arrived, data, failure)
    }

    fn fail_as(
        &mut self,
        kind: &'static str,
        arrived: Time,
        data: &Bytes,
        failure: &Failure,
    ) -> Result<(), Error> {
        let line = FailedRecord {
            attempts_made: failure.attempts,
            arrival_timestamp: arrived.millis(),
            error_code: &failure.code,
            error_message: &failure.message,
            attempt_ending_timestamp: self.actor.core().clock().now().millis(),
            raw_data: BASE64.encode(data),
            lambda_arn: self.plan.function(),
        };
        let lines = self.failed.entry(kind).or_default();
        let before = lines.len();
        serde_json::to_writer(&mut *lines, &line).map_err(|why| Error::internal(why.to_string()))?;
        lines.push(b'\n');
        self.held += lines.len() - before;
        Ok(())
    }

    /// What the objects of a round are called.
    pub(crate) fn name(&self, round: u32) -> String {
        match round {
            0 => self.flush.name.clone(),
            round => format!("{}-{round}", self.flush.name),
        }
    }

    /// Puts all that is held. Names depend on the flush and the partitions alone, so that a delivery that is
    /// made again replaces its own objects.
    async fn put(&mut self) -> Result<(), Error> {
        let (flush, to) = (self.flush, self.to);
        let name = self.name(self.rounds);
        let compression = flush.destination.compression;
        for (number, (prefix, bytes)) in std::mem::take(&mut self.objects).into_iter().enumerate() {
            let (prefix, name) = match self.given_up {
                false => (prefix, name.clone()),
                // There they have one prefix.
                true => (
                    self.prefixes.error(flush.opened, &flush.random, DELIVERY_FAILED),
                    format!("{name}-{number}"),
                ),
            };
            let broken = |error: std::io::Error| Error::internal(error.to_string());
            let mut encoder = compression.begin(&name).map_err(broken)?;
            encoder.write(&bytes).map_err(broken)?;
            drop(bytes);
            let body = Bytes::from(encoder.finish().map_err(broken)?);
            let key = format!("{prefix}{name}{}", extension(&flush.destination));
            self.actor.put(flush, to, &key, ByteStream::from(body), compression.encoding()).await?;
        }
        for (kind, lines) in std::mem::take(&mut self.failed) {
            let body = Bytes::from(lines);
            let prefix = self.prefixes.error(flush.opened, &flush.random, kind);
            self.actor.put(flush, to, &format!("{prefix}{name}"), ByteStream::from(body), None).await?;
        }
        self.held = 0;
        self.rounds += 1;
        Ok(())
    }
}
