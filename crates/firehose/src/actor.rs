//! Delivers closed buffers: reads their records, processes them, and puts objects, as the destination's role.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use ropeway_api::lambda::InvokeInput;
use ropeway_api::s3::PutObjectInput;
use ropeway_core::seal::MasterKey;
use ropeway_core::{Actor, BoxFuture, Core, Fault, Outcome, Trace};
use ropeway_wire::{ByteStream, Cx, Error, Gate, Keys, Outgoing, Roles, Services};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::commands::{Command, FirehoseMachine, Output};
use crate::compression::Compression;
use crate::delimiter;
use crate::delivery::{Out, Run};
use crate::endpoint::{self, ACCESS_KEY};
use crate::log::{self, Told};
use crate::model::{Destination, Endpoint, Flush};
use crate::prefix::DELIVERY_FAILED;
use crate::process::Plan;
use crate::process::transform::Failure;
use crate::records::Records;

/// The principal that roles' trust policies name.
pub const PRINCIPAL: &str = "firehose.amazonaws.com";
/// How long S3 may refuse an object before it is given up, in seconds: a day, as AWS's Firehose does.
/// <https://docs.aws.amazon.com/firehose/latest/dev/retry.html>.
const RETRIED_FOR: i64 = 24 * 60 * 60;
/// Pause between tries at first, in milliseconds; the outbox doubles it up to its own limit.
const PAUSE: i64 = 1_000;
/// MiB of records that are compressed or processed in memory at once, over all streams.
const IN_MEMORY: u32 = 512;
/// MiB that each such delivery takes beside its records: batches for a function, and their answers.
const BESIDE: u32 = 16;

/// The actor of `Space::Firehose`.
pub struct FirehoseActor {
    core: Core,
    services: Arc<Services>,
    gate: Arc<dyn Gate>,
    roles: Arc<dyn Roles>,
    master: MasterKey,
    outgoing: Arc<dyn Outgoing>,
    memory: Semaphore,
}

impl FirehoseActor {
    /// An actor that puts objects by `services`, asked for by `gate` as roles that `roles` knows.
    /// `master` opens the records that are sealed; `outgoing` calls HTTP endpoints.
    pub fn new(
        core: Core,
        services: Arc<Services>,
        gate: Arc<dyn Gate>,
        roles: Arc<dyn Roles>,
        master: MasterKey,
        outgoing: Arc<dyn Outgoing>,
    ) -> Self {
        let memory = Semaphore::new(IN_MEMORY as usize);
        FirehoseActor { core, services, gate, roles, master, outgoing, memory }
    }

    /// The core that it runs in.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// What calls HTTP endpoints.
    pub fn outgoing(&self) -> &dyn Outgoing {
        &*self.outgoing
    }

    /// A flush's records, from one on.
    pub fn records(&self, flush: &Flush, from: u64) -> Records {
        Records::new(self.core.clone(), &self.master, Flush { from, ..flush.clone() })
    }

    /// The access key of a stream's endpoint.
    pub fn access_key(&self, flush: &Flush, endpoint: &Endpoint) -> Result<Option<Vec<u8>>, Error> {
        let seal = flush.stream.seal_key(&self.master);
        Ok(endpoint.access_key.as_ref().map(|sealed| seal.open(ACCESS_KEY, sealed)).transpose()?)
    }

    async fn deliver(&self, flush: Flush) -> Outcome {
        if flush.endpoint.is_some() {
            return endpoint::delivery::deliver(self, &flush).await;
        }
        let to = match self.ends(&flush).await {
            Ok(Some((destination, _))) => destination,
            Ok(None) => return Outcome::Refused("the delivery stream is deleted".to_owned()),
            Err(error) => return later(&flush, &error),
        };
        let error = match self.put_all(&flush, &to, false).await {
            Ok(()) => return Outcome::Done(Bytes::new()),
            Err(error) => error,
        };
        // What is the server's own trouble is in its log.
        if error.is_sender_fault() {
            self.report(&flush, &Told::of_s3(&to), &log::of_s3(&error), None).await;
        }
        let age = self.core.clock().now().secs() - flush.closed.secs();
        let partitioning = flush.destination.partitioning.as_ref().filter(|said| said.enabled);
        let most = partitioning.map_or(RETRIED_FOR, |said| i64::from(said.retry_seconds));
        if age < most || !error.is_sender_fault() {
            return later(&flush, &error);
        }
        // AWS would discard them. Where S3 takes them under the prefix of errors, they are kept there.
        match self.put_all(&flush, &to, true).await {
            Ok(()) => {
                tracing::warn!(name = flush.name, %error, "objects were put under the prefix of errors");
                Outcome::Done(Bytes::new())
            }
            Err(second) if second.is_sender_fault() => Outcome::Refused(error.to_string()),
            Err(second) => later(&flush, &second),
        }
    }

    /// Where the stream delivers such records to now, if it still delivers such, or delivered them to then; `None` if
    /// it is no more.
    pub async fn ends(&self, flush: &Flush) -> Result<Option<(Destination, Option<Endpoint>)>, Error> {
        let trace = Trace::from(flush.trace.as_str());
        let shard = self.core.shard_of(&flush.stream.arn());
        let command = Command::Read { stream: flush.stream.clone() };
        match self.core.submit::<FirehoseMachine>(shard, &trace, command).await {
            Ok(Output::Stream(stream)) => Ok(stream.way_of(flush.id).map(|way| {
                let to = stream.to(way).unwrap_or(&flush.destination).clone();
                (to, stream.endpoint.or_else(|| flush.endpoint.clone()).map(|endpoint| *endpoint))
            })),
            Err(error) if error.status >= 500 => Err(error),
            _ => Ok(None),
        }
    }

    /// Puts all that a flush becomes, under the prefix of errors if S3 doesn't take it under its own.
    async fn put_all(&self, flush: &Flush, to: &Destination, given_up: bool) -> Result<(), Error> {
        let plan = Plan::parse(flush.processing())?;
        let prefixes = crate::destination::prefixes(&flush.destination);
        let prefixes = prefixes.map_err(|why| Error::from(Fault::Damaged(why)))?;
        let partitioned = flush.destination.partitioning.as_ref().is_some_and(|said| said.enabled);
        if !plan.keeps_records() || partitioned {
            let _room = self.room(flush, 2).await?;
            let (told, out) = (Told::of_s3(to), Out::Objects { given_up });
            return Run::new(self, flush, to, &told, &plan, &prefixes, out).run(flush.from).await;
        }
        let prefix = match given_up {
            false => prefixes.object(flush.opened, &flush.random),
            true => prefixes.error(flush.opened, &flush.random, DELIVERY_FAILED),
        };
        let records = self.records(flush, flush.from);
        let compression = flush.destination.compression;
        if compression == Compression::None {
            let key = format!("{prefix}{}{}", flush.name, flush.destination.extension);
            return self.put(flush, to, &key, plain(records, flush.bytes, plan.delimited), None).await;
        }
        let _room = self.room(flush, 1).await?;
        let body = compressed(records, flush, plan.delimited).await?;
        let key = format!("{prefix}{}{}", flush.name, extension(&flush.destination));
        self.put(flush, to, &key, ByteStream::from(body), compression.encoding()).await
    }

    /// Waits for memory for a flush's records, `times` over.
    pub async fn room(&self, flush: &Flush, times: u32) -> Result<SemaphorePermit<'_>, Error> {
        let mebibytes = u32::try_from(flush.bytes / 1024 / 1024).unwrap_or(IN_MEMORY);
        let wanted = mebibytes.saturating_mul(times).saturating_add(BESIDE).min(IN_MEMORY);
        self.memory.acquire_many(wanted).await.map_err(|_| Fault::Stopping.into())
    }

    /// What a role of the stream's account asks in a region.
    fn cx(&self, flush: &Flush, role: &str, region: &str) -> Result<Cx, Error> {
        let mut source = Keys::default();
        source.add("aws:SourceArn", &flush.stream.arn());
        source.add("aws:SourceAccount", &flush.stream.scope.account);
        let role = self.roles.assume_for_service(role, PRINCIPAL, "firehose", &source);
        let role = role.map_err(|why| Error::new(403, "AccessDenied", why))?;
        let trace = Trace::from(flush.trace.as_str());
        Ok(Cx::from_within(Arc::clone(&self.gate), role, region, &trace, self.core.clock().now()))
    }

    /// Puts an object.
    pub async fn put(
        &self,
        flush: &Flush,
        to: &Destination,
        key: &str,
        body: ByteStream,
        encoding: Option<&str>,
    ) -> Result<(), Error> {
        let cx = self.cx(flush, &to.role, &flush.stream.scope.region)?;
        let input = PutObjectInput {
            bucket: to.bucket.clone(),
            key: key.to_owned(),
            content_length: body.length().and_then(|length| i64::try_from(length).ok()),
            content_type: Some("application/octet-stream".to_owned()),
            content_encoding: encoding.map(str::to_owned),
            body: Some(body),
            ..PutObjectInput::default()
        };
        self.services.call(cx, input).await.map(drop)
    }

    /// Invokes a function once, and gives its answer. `Err`: what may pass with the server's own trouble.
    pub async fn invoke(
        &self,
        flush: &Flush,
        role: &str,
        function: &str,
        payload: Bytes,
    ) -> Result<Result<Bytes, Failure>, Error> {
        let region = function.split(':').nth(3).unwrap_or(&flush.stream.scope.region);
        let cx = match self.cx(flush, role, region) {
            Ok(cx) => cx,
            Err(_) => {
                let why = "Access was denied. Ensure that the trust policy for the provided IAM role allows \
                           Firehose to assume the role.";
                return Ok(Err(Failure::new("Lambda.AssumeRoleAccessDenied", why)));
            }
        };
        let input = InvokeInput {
            function_name: function.to_owned(),
            payload: Some(payload),
            ..InvokeInput::default()
        };
        match self.services.call(cx, input).await {
            Ok(answer) if answer.function_error.is_some() => {
                let why = "The Lambda function was successfully invoked but it returned an error result.";
                Ok(Err(Failure::new("Lambda.FunctionError", why)))
            }
            Ok(answer) => Ok(Ok(answer.payload.unwrap_or_default())),
            Err(error) if error.status == 503 => Err(error),
            Err(error) => Ok(Err(log::of_lambda(&error))),
        }
    }

    /// Logs a failure where the stream's owner wants to read of it.
    pub async fn report(&self, flush: &Flush, to: &Told<'_>, failure: &Failure, processor: Option<&str>) {
        let now = self.core.clock().now().millis();
        let Some(event) = log::event(flush, to, failure, processor, now) else { return };
        let put = async {
            let cx = self.cx(flush, to.role, &flush.stream.scope.region)?;
            self.services.call(cx, event).await.map(drop)
        };
        if let Err(error) = put.await {
            tracing::warn!(stream = flush.stream.name, %error, "an error could not be logged");
        }
    }
}

impl Actor for FirehoseActor {
    fn act<'a>(&'a self, _lane: &'a str, payload: &'a [u8]) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match Flush::from_bytes(payload) {
                Ok(flush) => self.deliver(flush).await,
                Err(why) => Outcome::Refused(format!("damaged flush: {why}")),
            }
        })
    }
}

/// A delivery that is to be made again.
pub fn later(flush: &Flush, error: &Error) -> Outcome {
    tracing::warn!(stream = flush.stream.name, name = flush.name, %error, "a delivery waits to be made");
    Outcome::Retry(PAUSE)
}

/// What the names of a destination's objects end with.
pub fn extension(of: &Destination) -> &str {
    match of.extension.as_str() {
        "" => of.compression.extension(),
        extension => extension,
    }
}

/// The object as it is read, its length known beforehand.
fn plain(records: Records, length: u64, delimited: bool) -> ByteStream {
    let chunks = stream::try_unfold(records, move |mut records| async move {
        let Some(page) = records.next().await? else { return Ok(None) };
        let mut out = Vec::new();
        for record in page {
            out.extend_from_slice(&record.data);
            out.extend_from_slice(if delimited { delimiter::BYTES } else { &[] });
        }
        Ok(Some((Bytes::from(out), records)))
    });
    ByteStream::new(chunks, Some(length))
}

/// The object compressed as a whole: its length is known only then.
async fn compressed(mut records: Records, flush: &Flush, delimited: bool) -> Result<Bytes, Error> {
    let broken = |error: std::io::Error| Error::internal(error.to_string());
    let mut encoder = flush.destination.compression.begin(&flush.name).map_err(broken)?;
    while let Some(page) = records.next().await? {
        for record in page {
            encoder.write(&record.data).map_err(broken)?;
            encoder.write(if delimited { delimiter::BYTES } else { &[] }).map_err(broken)?;
        }
    }
    encoder.finish().map(Bytes::from).map_err(broken)
}
