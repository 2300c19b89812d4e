//! Server access logs: a line for each request to a bucket that has one, put into another bucket every second.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html>. What Ropeway does not know stands as `-`:
//! the cipher, the version of TLS, and what only access points and access control lists have.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, HOST, REFERER, USER_AGENT};
use http::{HeaderMap, HeaderName, Method, StatusCode, Uri};
use ropeway_api::s3::PutObjectInput;
use ropeway_core::{Core, Time, Trace, flush_what_comes};
use ropeway_wire::gateway::{ErrorCode, Known};
use ropeway_wire::protocol::ResponseBody;
use ropeway_wire::{Answer, ByteStream, Cx, Error, Gate, Principal, PrincipalKind, Services, canonical_id};
use tokio::sync::{Mutex as AsyncMutex, Notify};

use super::{Place, operations};
use crate::commands::bucket_arn;
use crate::configuration::{Configured, DateSource, KeyFormat, Logging};

/// The principal that the policy of a log's bucket names.
const PRINCIPAL: &str = "logging.s3.amazonaws.com";
/// Bytes of lines that wait or are being put.
const MAX_BYTES: usize = 32 * 1024 * 1024;
/// Bytes of a line beside its fields, about.
const LINE_BYTES: usize = 64;
/// Time between two puts, in milliseconds.
const PAUSE: i64 = 1000;
/// Tries of a put that the server had no room for, and the pause between them in milliseconds.
const TRIES: u32 = 4;
const TRY_PAUSE: i64 = 250;
/// The longest field of a client's that a line has, in bytes.
const MAX_FIELD: usize = 8 * 1024;

/// Lines of a bucket that wait, and where they go.
struct Waiting {
    account: String,
    region: String,
    logging: Logging,
    lines: Vec<(Time, String)>,
}

#[derive(Default)]
struct Queue {
    /// By the bucket that the lines are of.
    sources: BTreeMap<String, Waiting>,
    /// Bytes of all lines that wait or are being put.
    bytes: usize,
    dropped: u64,
}

/// Takes lines of access logs. Clones are handles to the same.
#[derive(Clone)]
pub struct AccessLogs(Arc<Shared>);

struct Shared {
    core: Core,
    services: Arc<Services>,
    gate: Arc<dyn Gate>,
    queue: Mutex<Queue>,
    came: Notify,
    flushing: AsyncMutex<()>,
}

impl AccessLogs {
    /// Logs that are put by `services`. [`AccessLogs::run`] does the work.
    pub fn new(core: Core, services: Arc<Services>, gate: Arc<dyn Gate>) -> Self {
        let (queue, came, flushing) = (Mutex::default(), Notify::new(), AsyncMutex::new(()));
        AccessLogs(Arc::new(Shared { core, services, gate, queue, came, flushing }))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a line; one beyond the bound is dropped, and counted.
    fn take(&self, entry: &Entry, line: String) {
        let mut queue = self.queue();
        let size = line.len() + LINE_BYTES;
        if queue.bytes + size > MAX_BYTES {
            queue.dropped += 1;
            return;
        }
        queue.bytes += size;
        let waiting = queue.sources.entry(entry.place.bucket.clone()).or_insert_with(|| Waiting {
            account: entry.account.clone(),
            region: entry.region.clone(),
            logging: entry.logging.clone(),
            lines: Vec::new(),
        });
        waiting.logging = entry.logging.clone();
        waiting.lines.push((entry.at, line));
        drop(queue);
        self.0.came.notify_one();
    }

    /// Puts what has come, at most once a second, until the core stops.
    pub async fn run(&self) {
        let Shared { core, came, .. } = &*self.0;
        flush_what_comes(core, "s3/access logs", came, PAUSE, || self.flush()).await;
    }

    /// Puts what has come, now: also before the core stops.
    pub async fn flush(&self) {
        let _one = self.0.flushing.lock().await;
        let (sources, dropped) = {
            let mut queue = self.queue();
            (std::mem::take(&mut queue.sources), std::mem::take(&mut queue.dropped))
        };
        if dropped > 0 {
            tracing::error!(count = dropped, "lines of access logs are lost: too many at once");
        }
        for (source, waiting) in sources {
            let bytes: usize = waiting.lines.iter().map(|(_, line)| line.len() + LINE_BYTES).sum();
            self.0.deliver(&source, waiting).await;
            let mut queue = self.queue();
            queue.bytes = queue.bytes.saturating_sub(bytes);
        }
    }
}

impl Shared {
    async fn deliver(&self, source: &str, waiting: Waiting) {
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        let Waiting { account, region, logging, lines } = waiting;
        let now = self.core.clock().now();
        for (at, line) in lines {
            let begin = beginning(&logging, [&account, &region, source], at, now);
            files.entry(begin).or_default().push_str(&line);
        }
        let principal = Principal::service(PRINCIPAL, &account);
        let cx = Cx::from_within(Arc::clone(&self.gate), principal, &region, &Trace::from(""), now);
        let cx = Cx { source: Some(Arc::from(bucket_arn(source))), ..cx };
        for (begin, lines) in files {
            let unique: String =
                self.core.ids().uuid().chars().filter(char::is_ascii_hexdigit).take(16).collect();
            let key = format!("{begin}{}", unique.to_ascii_uppercase());
            if let Err(error) = self.put(&cx, &logging.target, &key, Bytes::from(lines)).await {
                tracing::warn!(source, target = logging.target, %error, "lines of an access log are lost");
            }
        }
    }

    /// Puts an object, a few times if the server is too busy.
    async fn put(&self, cx: &Cx, bucket: &str, key: &str, body: Bytes) -> Result<(), Error> {
        let mut tried = 1;
        loop {
            let input = PutObjectInput {
                bucket: bucket.to_owned(),
                key: key.to_owned(),
                content_length: i64::try_from(body.len()).ok(),
                content_type: Some("text/plain".to_owned()),
                body: Some(ByteStream::from(body.clone())),
                ..PutObjectInput::default()
            };
            match self.services.call(cx.clone(), input).await {
                Err(error) if !error.is_sender_fault() && tried < TRIES => {
                    tracing::debug!(%error, "an access log waits");
                }
                other => return other.map(drop),
            }
            tried += 1;
            let clock = self.core.clock();
            clock.sleep_until(clock.now().plus_millis(TRY_PAUSE)).await;
        }
    }
}

fn moment(at: Time, format: &str) -> String {
    let at = jiff::Timestamp::from_millisecond(at.millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.strftime(format).to_string()
}

/// What the key of a log's object begins with: all but what makes it unique.
fn beginning(logging: &Logging, [account, region, bucket]: [&str; 3], event: Time, now: Time) -> String {
    let prefix = &logging.prefix;
    match logging.format {
        KeyFormat::Unsaid | KeyFormat::Simple => format!("{prefix}{}-", moment(now, "%Y-%m-%d-%H-%M-%S")),
        KeyFormat::Partitioned(DateSource::Event) => {
            let day = moment(event, "%Y/%m/%d/%Y-%m-%d-00-00-00");
            format!("{prefix}{account}/{region}/{bucket}/{day}-")
        }
        KeyFormat::Partitioned(DateSource::Unsaid | DateSource::Delivery) => {
            let time = moment(now, "%Y/%m/%d/%Y-%m-%d-%H-%M-%S");
            format!("{prefix}{account}/{region}/{bucket}/{time}-")
        }
    }
}

/// A request's head, as logs see it.
#[derive(Clone, Copy)]
pub struct Asked<'r> {
    /// The method.
    pub method: &'r Method,
    /// Path and query, percent-encoded.
    pub uri: &'r str,
    /// The headers.
    pub headers: &'r HeaderMap,
    /// The request's id.
    pub request_id: &'r str,
    /// Where the client is.
    pub remote: Option<IpAddr>,
    /// It is for a website.
    pub website: bool,
}

/// A request that is to be logged.
pub struct Entry {
    logs: AccessLogs,
    place: Place,
    account: String,
    region: String,
    logging: Logging,
    at: Time,
    started: Time,
    method: Method,
    /// From the client's address to the request's id, but for the requester.
    remote: String,
    request_id: String,
    line: String,
    referer: String,
    user_agent: String,
    version: String,
    host: String,
    signature: (&'static str, &'static str),
    /// Bytes of the request's body.
    length: Option<u64>,
    website: bool,
}

fn field(headers: &HeaderMap, name: HeaderName) -> String {
    let text = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    text.filter(|text| !text.is_empty()).map_or_else(|| "-".to_owned(), cut)
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_FIELD));
    text
}

/// Within quotes.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "%22"))
}

/// What signed a request, and how.
fn signature(headers: &HeaderMap, query: &str) -> (&'static str, &'static str) {
    match headers.contains_key(AUTHORIZATION) {
        true => ("SigV4", "AuthHeader"),
        false if query.contains("X-Amz-Signature=") => ("SigV4", "QueryString"),
        false => ("-", "-"),
    }
}

impl Entry {
    /// Begins an entry as the request comes; `None`: its bucket has no log.
    pub fn begin(
        logs: &AccessLogs,
        configured: &Configured,
        place: &Place,
        asked: Asked<'_>,
    ) -> Option<Self> {
        let logging = configured.logging()?.clone();
        let (clock, headers) = (logs.0.core.clock(), asked.headers);
        let query = asked.uri.split_once('?').map_or("", |(_, query)| query);
        let version = query.split('&').find_map(|pair| pair.strip_prefix("versionId="));
        let length = ["x-amz-decoded-content-length", CONTENT_LENGTH.as_str()];
        let length = length.iter().find_map(|name| headers.get(*name)?.to_str().ok()?.parse().ok());
        Some(Entry {
            logs: logs.clone(),
            place: place.clone(),
            account: configured.account.clone(),
            region: configured.region.clone(),
            logging,
            at: clock.now(),
            started: clock.machine_time(),
            method: asked.method.clone(),
            remote: asked.remote.map_or_else(|| "-".to_owned(), |remote| remote.to_string()),
            request_id: asked.request_id.to_owned(),
            line: cut(format!("{} {} HTTP/1.1", asked.method, asked.uri)),
            referer: field(headers, REFERER),
            user_agent: field(headers, USER_AGENT),
            version: version.filter(|version| !version.is_empty()).unwrap_or("-").to_owned(),
            host: field(headers, HOST),
            signature: signature(headers, query),
            length,
            website: asked.website,
        })
    }

    /// Ends it with the answer, which it follows until its last byte has left.
    pub fn end(self, known: &Known, answer: Answer) -> Answer {
        let (parts, body) = answer.into_parts();
        let code = parts.extensions.get::<ErrorCode>().map(|code| code.0.to_string());
        let now = self.logs.0.core.clock().machine_time();
        let answered = Answered {
            requester: requester(known.principal.as_deref()),
            operation: match self.website {
                true => format!("WEBSITE.{}.OBJECT", self.method),
                false => operations::shown(known.operation, &self.method, self.place.key.is_some()),
            },
            status: parts.status,
            code: code.filter(|_| parts.status != StatusCode::NOT_MODIFIED),
            size: self.size(&parts.headers, known.operation),
            turned: now.millis().saturating_sub(self.started.millis()),
        };
        let mut ending = Ending { entry: self, answered, sent: 0 };
        let body = match body {
            ResponseBody::Bytes(bytes) => {
                let is_head = ending.entry.method == Method::HEAD;
                ending.sent = if is_head { 0 } else { bytes.len() as u64 };
                drop(ending);
                ResponseBody::Bytes(bytes)
            }
            ResponseBody::Stream(stream) => {
                let length = stream.length();
                match stream.take() {
                    Some(inner) => ResponseBody::Stream(ByteStream::new(Sending { inner, ending }, length)),
                    None => ResponseBody::Stream(stream),
                }
            }
        };
        Answer::from_parts(parts, body)
    }

    /// Bytes of the object, where it is known by the request or the answer.
    fn size(&self, headers: &HeaderMap, operation: &str) -> Option<u64> {
        if matches!(operation, "PutObject" | "UploadPart") {
            return self.length;
        }
        if !self.website && !matches!(operation, "GetObject" | "HeadObject") {
            return None;
        }
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let whole = text(CONTENT_RANGE).and_then(|range| range.rsplit('/').next());
        whole.or_else(|| text(CONTENT_LENGTH)).and_then(|size| size.parse().ok())
    }
}

/// Who asked, as logs name them.
fn requester(principal: Option<&Principal>) -> String {
    match principal {
        None => "-".to_owned(),
        Some(principal) => match principal.kind {
            PrincipalKind::Anonymous => "-".to_owned(),
            PrincipalKind::Root => canonical_id(&principal.account),
            _ => principal.arn.clone(),
        },
    }
}

struct Answered {
    requester: String,
    operation: String,
    status: StatusCode,
    code: Option<String>,
    size: Option<u64>,
    /// Milliseconds until the answer was there.
    turned: i64,
}

/// Writes the line when it is dropped: the answer has left, or was broken off.
struct Ending {
    entry: Entry,
    answered: Answered,
    sent: u64,
}

impl Drop for Ending {
    fn drop(&mut self) {
        let (entry, answered) = (&self.entry, &self.answered);
        let now = entry.logs.0.core.clock().machine_time();
        let total = now.millis().saturating_sub(entry.started.millis());
        let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        let key = entry.place.key.as_deref().map_or_else(|| "-".to_owned(), super::encoded);
        let fields = [
            canonical_id(&entry.account),
            entry.place.bucket.clone(),
            moment(entry.at, "[%d/%b/%Y:%H:%M:%S +0000]"),
            entry.remote.clone(),
            answered.requester.clone(),
            entry.request_id.clone(),
            answered.operation.clone(),
            key,
            quoted(&entry.line),
            answered.status.as_u16().to_string(),
            answered.code.clone().unwrap_or_else(|| "-".to_owned()),
            number(Some(self.sent).filter(|sent| *sent > 0)),
            number(answered.size),
            total.to_string(),
            answered.turned.to_string(),
            quoted(&entry.referer),
            quoted(&entry.user_agent),
            entry.version.clone(),
            entry.request_id.clone(),
            entry.signature.0.to_owned(),
            // The cipher; behind the host, the version of TLS, the access point, ACLs, the region of the client.
            "-".to_owned(),
            entry.signature.1.to_owned(),
            entry.host.clone(),
            "- - - -\n".to_owned(),
        ];
        entry.logs.take(entry, fields.join(" "));
    }
}

/// An answer's body on its way out.
struct Sending {
    inner: Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>,
    ending: Ending,
}

impl Stream for Sending {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(self.inner.poll_next_unpin(cx));
        if let Some(Ok(bytes)) = &item {
            self.ending.sent += bytes.len() as u64;
        }
        Poll::Ready(item)
    }
}

/// Path and query of a request.
pub fn uri(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |all| all.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_of_the_format() {
        let (event, now) = (Time::from_secs(1_700_000_000), Time::from_secs(1_700_092_800));
        let key = |format| {
            let logging = Logging { target: "t".to_owned(), prefix: "logs/".to_owned(), format };
            beginning(&logging, ["000000000000", "eu-west-1", "b"], event, now)
        };
        assert_eq!(key(KeyFormat::Unsaid), "logs/2023-11-16-00-00-00-");
        assert_eq!(key(KeyFormat::Simple), "logs/2023-11-16-00-00-00-");
        let begin = "logs/000000000000/eu-west-1/b/2023/11";
        for (source, rest) in [
            (DateSource::Event, "/14/2023-11-14-00-00-00-"),
            (DateSource::Delivery, "/16/2023-11-16-00-00-00-"),
            (DateSource::Unsaid, "/16/2023-11-16-00-00-00-"),
        ] {
            assert_eq!(key(KeyFormat::Partitioned(source)), format!("{begin}{rest}"));
        }
    }

    #[test]
    fn requesters_have_names() {
        let root = Principal::root("000000000000");
        assert_eq!(requester(Some(&root)).len(), 64);
        let user = Principal {
            kind: PrincipalKind::User,
            arn: "arn:aws:iam::000000000000:user/alice".to_owned(),
            ..root
        };
        assert_eq!(requester(Some(&user)), "arn:aws:iam::000000000000:user/alice");
        assert_eq!(requester(Some(&Principal::anonymous())), "-");
        assert_eq!(requester(None), "-");
    }

    #[test]
    fn quotes_do_not_end_a_field() {
        assert_eq!(quoted("a \"b\""), "\"a %22b%22\"");
    }
}
