//! Delivers files and digests into trails' buckets, as CloudTrail, and tells trails' topics of files.

use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use ropeway_api::s3::PutObjectInput;
use ropeway_api::sns::PublishInput;
use ropeway_core::keys::Scope;
use ropeway_core::signing::{SigningKey, Sum};
use ropeway_core::{Actor, BoxFuture, Core, Fault, Outcome, Time, Trace};
use ropeway_wire::{ByteStream, Cx, Error, Principal};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use crate::Setup;
use crate::commands::{CloudTrailMachine, Command, Output};
use crate::event::{format_time, moment};
use crate::keys;
use crate::model::{Delivered, File, Key, Order, Previous, Trail, What};

/// The principal that policies of buckets and topics name.
pub const PRINCIPAL: &str = "cloudtrail.amazonaws.com";
/// How long a bucket may refuse a file before it is given up, in seconds: 30 days
/// (<https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-set-bucket-policy-update-trail.html>).
const RETRIED_FOR: i64 = 30 * 24 * 60 * 60;
/// Pause between tries, in milliseconds.
const PAUSE: i64 = 10_000;
/// Files that are held in memory at once.
const AT_ONCE: usize = 4;
/// Events that are read at once.
const PAGE: u32 = 256;
/// How long a signing key is used, in seconds.
const KEY_SECS: i64 = 365 * 24 * 60 * 60;

/// The actor of `Space::CloudTrail`.
pub struct CloudTrailActor {
    core: Core,
    setup: Setup,
    packing: Semaphore,
}

impl CloudTrailActor {
    /// An actor over a running core.
    pub fn new(core: Core, setup: Setup) -> Self {
        CloudTrailActor { core, setup, packing: Semaphore::new(AT_ONCE) }
    }

    async fn deliver(&self, order: Order) -> Outcome {
        let trail = self.setup.registry.get(&order.arn).filter(|trail| trail.id == order.trail);
        let Some(trail) = trail else { return Outcome::Refused("the trail is deleted".to_owned()) };
        let (done, since) = match &order.what {
            What::File { at, .. } => (self.file(&order, &trail).await.map(Delivered::File), *at),
            What::Digest { to, .. } => (self.digest(&order, &trail).await.map(Delivered::Digest), *to),
        };
        let done = done.and_then(|done| Ok(postcard::to_stdvec(&done).map_err(Fault::from)?));
        match done {
            Ok(done) => Outcome::Done(Bytes::from(done)),
            Err(error) => self.later(&order, since, error).await,
        }
    }

    /// Notes why, and tries again, unless the bucket has refused for too long.
    async fn later(&self, order: &Order, since: Time, error: Error) -> Outcome {
        tracing::warn!(trail = order.arn, %error, "a trail's file waits to be put");
        if error.is_sender_fault() && self.core.clock().now().secs() - since.secs() > RETRIED_FOR {
            return Outcome::Refused(error.code.into_owned());
        }
        let digest = matches!(order.what, What::Digest { .. });
        let (scope, trail, why) = (order.scope.clone(), order.trail, error.code.into_owned());
        let note = Command::Failed { scope, trail, digest, error: why };
        if let Err(error) = self.submit(&order.scope, note).await {
            tracing::warn!(%error, "why a trail's file waits could not be noted");
        }
        Outcome::Retry(PAUSE)
    }

    async fn submit(&self, scope: &Scope, command: Command) -> Result<Output, Error> {
        let shard = self.core.shard_of(&keys::journal(scope));
        self.core.submit::<CloudTrailMachine>(shard, &Trace::from(""), command).await
    }

    fn cx(&self, order: &Order) -> Cx {
        let principal = Principal::service(PRINCIPAL, &order.scope.account);
        let gate = Arc::clone(&self.setup.gate);
        let (trace, now) = (Trace::from(""), self.core.clock().now());
        let cx = Cx::from_within(gate, principal, &order.scope.region, &trace, now);
        Cx { source: Some(Arc::from(order.arn.as_str())), ..cx }
    }

    async fn put(
        &self,
        order: &Order,
        bucket: &str,
        key: &str,
        body: Vec<u8>,
        metadata: &[(&str, &str)],
    ) -> Result<(), Error> {
        let named = metadata.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let input = PutObjectInput {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            acl: Some("bucket-owner-full-control".to_owned()),
            content_length: i64::try_from(body.len()).ok(),
            content_type: Some("application/json".to_owned()),
            content_encoding: Some("gzip".to_owned()),
            metadata: (!metadata.is_empty()).then(|| named.collect()),
            body: Some(ByteStream::from(Bytes::from(body))),
            ..PutObjectInput::default()
        };
        self.setup.services.call(self.cx(order), input).await.map(drop)
    }

    /// Puts a file of events. Put again after a crash, it is the same.
    async fn file(&self, order: &Order, trail: &Trail) -> Result<File, Error> {
        let What::File { from, to, at, random, .. } = &order.what else { return Err(unexpected()) };
        let _permit = self.packing.acquire().await.map_err(|_| Error::from(Fault::Stopping))?;
        let Packed { body, hash, newest, oldest } = self.pack(order, (*from, *to)).await?;
        let Scope { account, region } = &order.scope;
        let (day, minute) = (format_time(*at, "%Y/%m/%d"), format_time(*at, "%Y%m%dT%H%MZ"));
        let name = format!("{account}_CloudTrail_{region}_{minute}_{random}.json.gz");
        let key = format!("{}AWSLogs/{account}/CloudTrail/{region}/{day}/{name}", prefix(trail));
        let bucket = trail.settings.bucket.clone();
        self.put(order, &bucket, &key, body, &[]).await?;
        self.notify(order, trail, &bucket, &key).await?;
        Ok(File { bucket, key, hash, newest, oldest })
    }

    async fn pack(&self, order: &Order, (from, to): (u64, u64)) -> Result<Packed, Error> {
        let mut pack = Pack::new()?;
        let mut next = from;
        while next < to {
            let (scope, trail) = (order.scope.clone(), order.trail);
            let fetch = Command::Fetch { scope, trail, from: next, to, limit: PAGE };
            let Output::Lines(lines) = self.submit(&order.scope, fetch).await? else {
                return Err(unexpected());
            };
            let Some((last, _)) = lines.last() else { break };
            next = last + 1;
            for (_, line) in &lines {
                pack.add(line)?;
            }
        }
        pack.end()
    }

    /// Tells the trail's topic, if it has one. What the topic refuses is noted, and not tried again.
    async fn notify(&self, order: &Order, trail: &Trail, bucket: &str, key: &str) -> Result<(), Error> {
        let Some(topic) = &trail.settings.topic else { return Ok(()) };
        let message = json!({ "s3Bucket": bucket, "s3ObjectKey": [key] }).to_string();
        let input = PublishInput { topic_arn: Some(topic.clone()), message, ..PublishInput::default() };
        let error = match self.setup.services.call(self.cx(order), input).await {
            Ok(_) => None,
            Err(error) if error.is_sender_fault() => Some(error.code.into_owned()),
            Err(error) => return Err(error),
        };
        let note = Command::Notified { scope: order.scope.clone(), trail: order.trail, error };
        self.submit(&order.scope, note).await.map(drop)
    }

    /// Puts a digest: signed, and chained to the one before.
    async fn digest(&self, order: &Order, trail: &Trail) -> Result<Previous, Error> {
        let What::Digest { from, to, files } = &order.what else { return Err(unexpected()) };
        let read = Command::Read { scope: order.scope.clone(), trail: order.trail };
        let Output::Buffer(buffer) = self.submit(&order.scope, read).await? else { return Err(unexpected()) };
        let (signer, public) = self.signer(&order.scope).await?;
        let Scope { account, region } = &order.scope;
        let (day, end) = (format_time(*to, "%Y/%m/%d"), format_time(*to, "%Y%m%dT%H%M%SZ"));
        let name = format!(
            "{account}_CloudTrail-Digest_{region}_{}_{}_{end}.json.gz",
            trail.name, trail.home.region
        );
        let key = format!("{}AWSLogs/{account}/CloudTrail-Digest/{region}/{day}/{name}", prefix(trail));
        let bucket = trail.settings.bucket.clone();
        let place = Place { account, bucket: &bucket, key: &key, fingerprint: &public.fingerprint() };
        let text = digest_text(&place, (*from, *to), files, buffer.previous.as_ref());
        let hash = hex::encode(Sha256::digest(&text));
        let before = buffer.previous.as_ref().map_or("null", |previous| &previous.signature);
        let signed = format!("{}\n{bucket}/{key}\n{hash}\n{before}", moment(*to));
        let signature = hex::encode(signer.sign(self.core.ids(), Sum::Sha256, signed.as_bytes())?);
        let mut pack = Pack::empty();
        pack.write(&text)?;
        let metadata = [("signature", signature.as_str()), ("signature-algorithm", "SHA256withRSA")];
        self.put(order, &bucket, &key, pack.finish()?, &metadata).await?;
        Ok(Previous { bucket, key, hash, signature })
    }

    /// The key that signs now; a new one if there is none, or the last one's time is over.
    async fn signer(&self, scope: &Scope) -> Result<(SigningKey, Key), Error> {
        let now = self.core.clock().now();
        for _ in 0..2 {
            let Output::Keys(keys) = self.submit(scope, Command::Keys { scope: scope.clone() }).await? else {
                return Err(unexpected());
            };
            let seal = self.setup.master.derive(&keys::journal(scope));
            if let Some(key) = keys.into_iter().next_back().filter(|key| key.ends > now) {
                let private = seal.open(b"digests", &key.sealed)?;
                return Ok((SigningKey::from_pkcs8(&private)?, key));
            }
            let ids = self.core.ids().clone();
            let made = tokio::task::spawn_blocking(move || SigningKey::generate(&ids)).await;
            let made = made.map_err(|error| Error::internal(error.to_string()))??;
            let sealed = seal.seal(self.core.ids(), b"digests", &made.to_pkcs8()?)?;
            let key =
                Key { begins: now, ends: now.plus_secs(KEY_SECS), sealed, public: made.public_pkcs1()? };
            self.submit(scope, Command::AddKey { scope: scope.clone(), key }).await?;
        }
        Err(unexpected())
    }
}

impl Actor for CloudTrailActor {
    fn act<'a>(&'a self, _lane: &'a str, payload: &'a [u8]) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            match postcard::from_bytes(payload) {
                Ok(order) => self.deliver(order).await,
                Err(why) => Outcome::Refused(format!("damaged order: {why}")),
            }
        })
    }
}

/// A command's answer is not of the kind that it gives.
fn unexpected() -> Error {
    Fault::Damaged("another command's answer".to_owned()).into()
}

fn prefix(trail: &Trail) -> String {
    trail.settings.prefix.as_ref().map(|prefix| format!("{prefix}/")).unwrap_or_default()
}

/// Where a digest is put, and by which key it is signed.
struct Place<'a> {
    account: &'a str,
    bucket: &'a str,
    key: &'a str,
    fingerprint: &'a str,
}

/// What a digest says:
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/cloudtrail-log-file-validation-digest-file-structure.html>.
fn digest_text(
    place: &Place<'_>,
    (from, to): (Time, Time),
    files: &[File],
    previous: Option<&Previous>,
) -> Vec<u8> {
    let told = files.iter().map(|file| {
        json!({
            "s3Bucket": file.bucket,
            "s3Object": file.key,
            "hashValue": file.hash,
            "hashAlgorithm": "SHA-256",
            "newestEventTime": file.newest,
            "oldestEventTime": file.oldest,
        })
    });
    json!({
        "awsAccountId": place.account,
        "digestStartTime": moment(from),
        "digestEndTime": moment(to),
        "digestS3Bucket": place.bucket,
        "digestS3Object": place.key,
        "digestPublicKeyFingerprint": place.fingerprint,
        "digestSignatureAlgorithm": "SHA256withRSA",
        "newestEventTime": files.iter().map(|file| &file.newest).max(),
        "oldestEventTime": files.iter().map(|file| &file.oldest).min(),
        "previousDigestS3Bucket": previous.map(|previous| &previous.bucket),
        "previousDigestS3Object": previous.map(|previous| &previous.key),
        "previousDigestHashValue": previous.map(|previous| &previous.hash),
        "previousDigestHashAlgorithm": previous.map(|_| "SHA-256"),
        "previousDigestSignature": previous.map(|previous| &previous.signature),
        "logFiles": told.collect::<Vec<Json>>(),
    })
    .to_string()
    .into_bytes()
}

/// A file that is ready to be put.
struct Packed {
    body: Vec<u8>,
    hash: String,
    newest: String,
    oldest: String,
}

/// A file that is being made: compressed, and summed before that.
struct Pack {
    encoder: GzEncoder<Vec<u8>>,
    hash: Sha256,
    newest: String,
    oldest: String,
    count: u64,
}

fn broken(error: std::io::Error) -> Error {
    Error::internal(error.to_string())
}

impl Pack {
    fn empty() -> Self {
        let encoder = GzEncoder::new(Vec::new(), Compression::default());
        Pack { encoder, hash: Sha256::new(), newest: String::new(), oldest: String::new(), count: 0 }
    }

    fn new() -> Result<Self, Error> {
        let mut pack = Pack::empty();
        pack.write(b"{\"Records\":[")?;
        Ok(pack)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.hash.update(bytes);
        self.encoder.write_all(bytes).map_err(broken)
    }

    fn add(&mut self, line: &[u8]) -> Result<(), Error> {
        if self.count > 0 {
            self.write(b",")?;
        }
        self.count += 1;
        let event: Json = serde_json::from_slice(line).map_err(|error| Error::internal(error.to_string()))?;
        let at = event.get("eventTime").and_then(Json::as_str).unwrap_or_default();
        if self.newest.as_str() < at {
            self.newest = at.to_owned();
        }
        if self.oldest.is_empty() || self.oldest.as_str() > at {
            self.oldest = at.to_owned();
        }
        self.write(line)
    }

    fn end(mut self) -> Result<Packed, Error> {
        self.write(b"]}")?;
        let (newest, oldest) = (std::mem::take(&mut self.newest), std::mem::take(&mut self.oldest));
        let hash = hex::encode(self.hash.clone().finalize());
        Ok(Packed { body: self.finish()?, hash, newest, oldest })
    }

    fn finish(self) -> Result<Vec<u8>, Error> {
        self.encoder.finish().map_err(broken)
    }
}
