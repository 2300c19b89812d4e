//! What stands before the operations: preflights and forms of browsers, what configurations put on answers, and
//! access logs.

mod cors;
pub mod form;
pub mod log;
mod operations;

use std::sync::Arc;

use http::header::{AUTHORIZATION, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use ropeway_api::s3;
use ropeway_wire::gateway::{Finish, Front, FrontRequest, Known, Seen};
use ropeway_wire::protocol::{self, RequestBody, RequestParts, ResponseBody};
use ropeway_wire::schema::{Operation, Protocol};
use ropeway_wire::{Answer, BoxFuture, Credentials, Cx, Decode, Error};

use crate::commands::Command;
use crate::configuration::{Configured, Live};
use crate::{S3Service, error, target};
use log::{AccessLogs, Entry};

/// What is known as the operation of a preflight.
pub const PREFLIGHT: &str = "Preflight";
/// What stays as it is in a path.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// Stands before S3's operations.
pub struct S3Front {
    pub(crate) service: Arc<S3Service>,
    pub(crate) live: Live,
    credentials: Arc<dyn Credentials>,
    logs: AccessLogs,
}

/// The bucket and the object that a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The bucket.
    pub bucket: String,
    /// The object's key; `None`: it is about the bucket.
    pub key: Option<String>,
}

impl Place {
    /// Of a path, percent-encoded, and of the bucket that the host names; `None`: it is about no bucket.
    pub fn of(path: &str, host: Option<&str>) -> Option<Self> {
        let path = path.strip_prefix('/').unwrap_or(path);
        let (bucket, key) = match host {
            Some(bucket) => (bucket, path),
            None => path.split_once('/').unwrap_or((path, "")),
        };
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let bucket = decoded(bucket);
        let key = Some(decoded(key)).filter(|key| !key.is_empty());
        (!bucket.is_empty()).then_some(Place { bucket, key })
    }
}

/// A key as it stands in a path.
pub fn encoded(key: &str) -> String {
    utf8_percent_encode(key, PATH).to_string()
}

/// An operation of the service.
pub fn operation(name: &str) -> Result<&'static Operation, Error> {
    let mut all = s3::SERVICE.operations.iter();
    all.find(|operation| operation.name == name)
        .ok_or_else(|| error::internal("an operation that is not listed"))
}

/// Reads an operation's input from what would be its HTTP request.
pub fn decoded<I: Decode>(
    name: &str,
    (bucket, key): (&str, &str),
    headers: &HeaderMap,
    body: RequestBody,
) -> Result<I, Error> {
    let labels = [("Bucket", bucket.to_owned()), ("Key", key.to_owned())];
    let request =
        RequestParts { method: &Method::PUT, uri_path: "", query: None, headers, labels: &labels, body };
    protocol::decode_input(&s3::SERVICE, operation(name)?, Protocol::RestXml, request)
}

impl S3Front {
    /// Stands before a service, whose machines make known in `live` what is configured. Forms are signed by keys
    /// that `credentials` knows.
    pub fn new(
        service: Arc<S3Service>,
        live: Live,
        credentials: Arc<dyn Credentials>,
        logs: AccessLogs,
    ) -> Self {
        S3Front { service, live, credentials, logs }
    }

    /// Answers a browser's question whether it may ask. The headers come as on every answer: [`Watch`].
    pub(crate) async fn preflight(
        &self,
        cx: &Cx,
        place: Option<&Place>,
        headers: &HeaderMap,
    ) -> Result<Answer, Error> {
        let Some(asked) = cors::Asked::of(&Method::OPTIONS, headers) else {
            let message = "Insufficient information. Origin request header needed.";
            return Err(Error::new(400, "BadRequest", message));
        };
        let not_found = || cors::forbidden("Bucket not found", asked.method, false);
        let place = place.ok_or_else(not_found)?;
        let configured = self.live.get(&place.bucket);
        let Some(rules) = configured.as_ref().and_then(|configured| configured.cors()) else {
            let mut anywhere = target(cx, &place.bucket, None);
            anywhere.region = None;
            let head = Command::HeadBucket(anywhere);
            return Err(match self.service.submit(cx, &place.bucket, head).await {
                Ok(_) => cors::forbidden("CORS is not enabled for this bucket.", asked.method, false),
                Err(error) if error.code == "NoSuchBucket" => not_found(),
                Err(error) => error,
            });
        };
        if asked.allowed(rules).is_none() {
            return Err(cors::not_allowed(&asked, place.key.is_some()));
        }
        let mut answer = http::Response::new(ResponseBody::Bytes(bytes::Bytes::new()));
        name(&mut answer, &cx.request_id);
        Ok(answer)
    }

    /// What is to be done with the answer to a request.
    pub(crate) fn watch_place(
        &self,
        configured: &Configured,
        place: &Place,
        asked: log::Asked<'_>,
    ) -> Option<Watch> {
        let rules = configured.cors().unwrap_or_default();
        let cors = cors::Asked::of(asked.method, asked.headers).and_then(|asked| asked.allowed(rules));
        let entry = Entry::begin(&self.logs, configured, place, asked);
        (cors.is_some() || entry.is_some()).then(|| Watch { cors: cors.unwrap_or_default(), entry })
    }
}

/// Puts a request's id on its answer.
pub fn name(answer: &mut Answer, request_id: &str) {
    if let Ok(id) = HeaderValue::from_str(request_id) {
        answer.headers_mut().insert("x-amz-request-id", id.clone());
        answer.headers_mut().insert("x-amz-id-2", id);
    }
}

impl Front for S3Front {
    fn service(&self) -> &'static str {
        "s3"
    }

    fn takes(&self, seen: &Seen<'_>) -> bool {
        let parts = seen.parts;
        match parts.method {
            Method::OPTIONS => true,
            // A form: no operation on a bucket is a POST without a query, and no form is signed as requests are.
            Method::POST => {
                let place = Place::of(parts.uri.path(), seen.bucket);
                parts.uri.query().is_none_or(str::is_empty)
                    && !parts.headers.contains_key(AUTHORIZATION)
                    && place.is_some_and(|place| place.key.is_none())
            }
            _ => false,
        }
    }

    fn answer<'a>(
        &'a self,
        request: FrontRequest,
        known: &'a mut Known,
    ) -> BoxFuture<'a, Result<Answer, Error>> {
        Box::pin(async move {
            if request.parts.method == Method::POST {
                return self.post(request, known).await;
            }
            known.operation = PREFLIGHT;
            let place = Place::of(request.parts.uri.path(), request.bucket.as_deref());
            self.preflight(&request.cx, place.as_ref(), &request.parts.headers).await
        })
    }

    fn watch(&self, seen: &Seen<'_>) -> Option<Box<dyn Finish>> {
        if !seen.parts.headers.contains_key(ORIGIN) && !self.live.any_logged() {
            return None;
        }
        let place = Place::of(seen.parts.uri.path(), seen.bucket)?;
        let configured = self.live.get(&place.bucket)?;
        let asked = log::Asked {
            method: &seen.parts.method,
            uri: log::uri(&seen.parts.uri),
            headers: &seen.parts.headers,
            request_id: seen.request_id,
            remote: Some(seen.remote),
            website: false,
        };
        Some(Box::new(self.watch_place(&configured, &place, asked)?))
    }
}

/// What is done with an answer: headers are put on it, and it is logged.
pub struct Watch {
    cors: Vec<(HeaderName, HeaderValue)>,
    entry: Option<Entry>,
}

impl Watch {
    /// Gives the answer as it leaves.
    pub fn end(self, known: &Known, mut answer: Answer) -> Answer {
        for (name, value) in self.cors {
            answer.headers_mut().insert(name, value);
        }
        match self.entry {
            Some(entry) => entry.end(known, answer),
            None => answer,
        }
    }
}

impl Finish for Watch {
    fn finish(self: Box<Self>, known: Known, answer: Answer) -> Answer {
        self.end(&known, answer)
    }
}
