//! Delivers closed buffers: reads their records and puts the object, as the destination's role.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use ropeway_api::s3::PutObjectInput;
use ropeway_core::{Actor, BoxFuture, Core, Fault, Outcome, Trace};
use ropeway_wire::{ByteStream, Cx, Error, Gate, Keys, Roles, Services};
use tokio::sync::Semaphore;

use crate::commands::{Command, FirehoseMachine, Output};
use crate::compression::Compression;
use crate::delimiter;
use crate::model::{Destination, Flush};

/// The principal that roles' trust policies name.
pub const PRINCIPAL: &str = "firehose.amazonaws.com";
/// How long S3 may refuse an object before it is given up, in seconds: a day, as AWS's Firehose does.
/// <https://docs.aws.amazon.com/firehose/latest/dev/retry.html>.
const RETRIED_FOR: i64 = 24 * 60 * 60;
/// Pause between tries at first, in milliseconds; the outbox doubles it up to its own limit.
const PAUSE: i64 = 1_000;
/// Compressed objects that are held in memory at once.
const COMPRESSED_AT_ONCE: usize = 4;
/// About how many bytes of records are read at once.
const PAGE_BYTES: u64 = 1024 * 1024;

/// The actor of `Space::Firehose`.
pub struct FirehoseActor {
    core: Core,
    services: Arc<Services>,
    gate: Arc<dyn Gate>,
    roles: Arc<dyn Roles>,
    compressing: Semaphore,
}

impl FirehoseActor {
    /// An actor that puts objects by `services`, asked for by `gate` as roles that `roles` knows.
    pub fn new(core: Core, services: Arc<Services>, gate: Arc<dyn Gate>, roles: Arc<dyn Roles>) -> Self {
        FirehoseActor { core, services, gate, roles, compressing: Semaphore::new(COMPRESSED_AT_ONCE) }
    }

    async fn deliver(&self, flush: Flush) -> Outcome {
        let destination = match self.destination(&flush).await {
            Ok(Some(destination)) => destination,
            Ok(None) => return Outcome::Refused("the delivery stream is deleted".to_owned()),
            Err(error) => return later(&flush, &error),
        };
        let error = match self.put(&flush, &destination, &flush.key).await {
            Ok(()) => return Outcome::Done(Bytes::new()),
            Err(error) => error,
        };
        let age = self.core.clock().now().secs() - flush.opened.secs();
        if age < RETRIED_FOR || !error.is_sender_fault() {
            return later(&flush, &error);
        }
        // AWS would discard them. Where S3 takes them under the prefix of errors, they are kept there.
        match self.put(&flush, &destination, &flush.error_key).await {
            Ok(()) => {
                tracing::warn!(key = flush.error_key, %error, "an object was put under the prefix of errors");
                Outcome::Done(Bytes::new())
            }
            Err(second) if second.is_sender_fault() => Outcome::Refused(error.to_string()),
            Err(second) => later(&flush, &second),
        }
    }

    /// Where the stream delivers to now; `None` if it is no more.
    async fn destination(&self, flush: &Flush) -> Result<Option<Destination>, Error> {
        let trace = Trace::from(flush.trace.as_str());
        let shard = self.core.shard_of(&flush.stream.arn());
        let command = Command::Read { stream: flush.stream.clone() };
        match self.core.submit::<FirehoseMachine>(shard, &trace, command).await {
            Ok(Output::Stream(stream)) if stream.id == flush.id => Ok(Some(stream.destination)),
            Err(error) if error.status >= 500 => Err(error),
            _ => Ok(None),
        }
    }

    async fn put(&self, flush: &Flush, to: &Destination, key: &str) -> Result<(), Error> {
        let mut source = Keys::default();
        source.add("aws:SourceArn", &flush.stream.arn());
        source.add("aws:SourceAccount", &flush.stream.scope.account);
        let role = self.roles.assume_for_service(&to.role, PRINCIPAL, "firehose", &source);
        let role = role.map_err(|why| Error::new(403, "AccessDenied", why))?;
        let trace = Trace::from(flush.trace.as_str());
        let (gate, now) = (Arc::clone(&self.gate), self.core.clock().now());
        let cx = Cx::from_within(gate, role, &flush.stream.scope.region, &trace, now);
        let records = Records::new(self.core.clone(), flush.clone());
        let mut permit = None;
        let body = if flush.compression != Compression::None {
            let acquired = self.compressing.acquire().await;
            permit = Some(acquired.map_err(|_| Error::from(Fault::Stopping))?);
            ByteStream::from(compressed(records).await?)
        } else {
            plain(records)
        };
        let input = PutObjectInput {
            bucket: to.bucket.clone(),
            key: key.to_owned(),
            content_length: body.length().and_then(|length| i64::try_from(length).ok()),
            content_type: Some("application/octet-stream".to_owned()),
            content_encoding: flush.compression.encoding().map(str::to_owned),
            body: Some(body),
            ..PutObjectInput::default()
        };
        self.services.call(cx, input).await?;
        drop(permit);
        Ok(())
    }
}

impl Actor for FirehoseActor {
    fn act<'a>(&'a self, _lane: &'a str, payload: &'a [u8]) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match postcard::from_bytes(payload) {
                Ok(flush) => self.deliver(flush).await,
                Err(why) => Outcome::Refused(format!("damaged flush: {why}")),
            }
        })
    }
}

fn later(flush: &Flush, error: &Error) -> Outcome {
    tracing::warn!(stream = flush.stream.name, key = flush.key, %error, "an object waits to be put");
    Outcome::Retry(PAUSE)
}

/// Reads a flush's records, page by page.
struct Records {
    core: Core,
    flush: Flush,
    after: Option<(u64, u32)>,
    ended: bool,
}

impl Records {
    fn new(core: Core, flush: Flush) -> Self {
        Records { core, flush, after: None, ended: false }
    }

    /// The next bytes of the object; `None` at its end.
    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        if self.ended {
            return Ok(None);
        }
        let flush = &self.flush;
        let average = (flush.bytes / (flush.to - flush.from).max(1)).max(1);
        let limit = (PAGE_BYTES / average).clamp(16, 1000);
        let command = Command::Fetch {
            stream: flush.stream.clone(),
            id: flush.id,
            after: self.after,
            from: flush.from,
            to: flush.to,
            limit: u32::try_from(limit).unwrap_or(16),
        };
        let shard = self.core.shard_of(&flush.stream.arn());
        let trace = Trace::from(flush.trace.as_str());
        let Output::Pieces(pieces) = self.core.submit::<FirehoseMachine>(shard, &trace, command).await?
        else {
            return Err(Fault::Damaged("another command's answer".to_owned()).into());
        };
        let delimiter = if flush.delimited { delimiter::BYTES } else { &[] };
        let mut out = Vec::new();
        for piece in &pieces {
            // A record's delimiter comes when the next one begins, since a page may end within a record.
            if self.after.is_some_and(|(record, _)| record != piece.record) {
                out.extend_from_slice(delimiter);
            }
            out.extend_from_slice(&piece.bytes);
            self.after = Some((piece.record, piece.piece));
        }
        if pieces.is_empty() {
            self.ended = true;
            if self.after.is_some() {
                out.extend_from_slice(delimiter);
            }
        }
        Ok(Some(Bytes::from(out)))
    }
}

/// The object as it is read, its length known beforehand.
fn plain(records: Records) -> ByteStream {
    let length = records.flush.bytes;
    let chunks = stream::try_unfold(records, |mut records| async {
        Ok(records.next().await?.map(|bytes| (bytes, records)))
    });
    ByteStream::new(chunks, Some(length))
}

/// The object compressed as a whole: its length is known only then.
async fn compressed(mut records: Records) -> Result<Bytes, Error> {
    let broken = |error: std::io::Error| Error::internal(error.to_string());
    let name = records.flush.key.rsplit('/').next().unwrap_or_default().to_owned();
    let name = name.strip_suffix(records.flush.compression.extension()).unwrap_or(&name);
    let mut encoder = records.flush.compression.begin(name).map_err(broken)?;
    while let Some(bytes) = records.next().await? {
        encoder.write(&bytes).map_err(broken)?;
    }
    encoder.finish().map(Bytes::from).map_err(broken)
}
