//! What a runtime answers: whole, piece by piece, or with an error.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use ropeway_core::functions::{Answer, StreamFault, StreamedAnswer};
use tokio::sync::mpsc::{self, OwnedPermit};

use super::session::{Event, Session};
use super::{MAX_PAYLOAD, Reply, accepted, body, error_reply, header, not_found};

/// The most of a streaming answer, in bytes: 200 MiB ("Response streaming: payload limits").
const MAX_STREAM: u64 = 200 << 20;
/// Pieces of a streaming answer that its reader has not taken yet.
const MAX_PIECES: usize = 8;
/// The error of an answer that is too large (rapidcore of AWS's emulator).
const TOO_LARGE: &str = "Function.ResponseSizeTooLarge";

type Pieces = mpsc::Sender<Result<Bytes, StreamFault>>;

impl Session {
    /// `POST …/invocation/{id}/response`.
    pub(super) async fn response(&self, id: &str, request: Request<Incoming>) -> Reply {
        match header(request.headers(), "lambda-runtime-function-response-mode") {
            None => self.whole(id, request).await,
            Some(mode) if mode.eq_ignore_ascii_case("streaming") => self.stream(id, request).await,
            Some(_) => error_reply(
                StatusCode::BAD_REQUEST,
                "InvalidFunctionResponseMode",
                "Invalid function response mode",
            ),
        }
    }

    async fn whole(&self, id: &str, request: Request<Incoming>) -> Reply {
        match body(self, request.into_body()).await {
            Ok(payload) => {
                if let Err(reply) = self.settle(id) {
                    return reply;
                }
                self.tell(Event::Answered(Answer::Whole(payload), false)).await;
                accepted()
            }
            Err(reply) if reply.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                if let Err(reply) = self.settle(id) {
                    return reply;
                }
                self.tell(Event::Answered(Answer::Whole(too_large(MAX_PAYLOAD as u64)), true)).await;
                reply
            }
            Err(reply) => reply,
        }
    }

    async fn stream(&self, id: &str, request: Request<Incoming>) -> Reply {
        let (pieces, receiver) = mpsc::channel(MAX_PIECES);
        let Ok(end) = pieces.clone().try_reserve_owned() else { return not_found() };
        if let Err(reply) = self.settle(id) {
            return reply;
        }
        let kind = header(request.headers(), "content-type").unwrap_or("application/octet-stream");
        let content_type = kind.to_owned();
        let answer = Answer::Stream(StreamedAnswer { content_type, pieces: receiver });
        let mut guard = Guard { session: self, end: Some(StreamEnd { place: Some(end), fault: None }) };
        self.tell(Event::Answered(answer, false)).await;
        let (fault, reply) = match forward(request.into_body(), &pieces).await {
            Ok(fault) => (fault, accepted()),
            Err((fault, reply)) => (Some(fault), reply),
        };
        drop(pieces);
        if let Some(mut end) = guard.end.take() {
            end.fault = fault;
            self.tell(Event::StreamEnded(end)).await;
        }
        reply
    }

    /// `POST …/invocation/{id}/error`.
    pub(super) async fn error(&self, id: &str, request: Request<Incoming>) -> Reply {
        let kind = error_type(request.headers());
        match body(self, request.into_body()).await {
            Ok(payload) => {
                if let Err(reply) = self.settle(id) {
                    return reply;
                }
                let payload = document(payload, kind.as_deref());
                self.tell(Event::Answered(Answer::Whole(payload), true)).await;
                accepted()
            }
            Err(reply) => reply,
        }
    }

    /// `POST …/init/error`.
    pub(super) async fn init_error(&self, request: Request<Incoming>) -> Reply {
        let kind = error_type(request.headers());
        match body(self, request.into_body()).await {
            Ok(payload) => {
                let payload = document(payload, kind.as_deref());
                self.tell(Event::InitError(payload, kind)).await;
                accepted()
            }
            Err(reply) => reply,
        }
    }
}

pub(super) fn error_type(headers: &HeaderMap) -> Option<String> {
    header(headers, "lambda-runtime-function-error-type").map(str::to_owned)
}

/// The error's document: what the runtime sent, if it is JSON at all.
fn document(payload: Bytes, kind: Option<&str>) -> Bytes {
    if serde_json::from_slice::<serde::de::IgnoredAny>(&payload).is_ok() {
        return payload;
    }
    let kind = kind.unwrap_or("Runtime.Unknown");
    let text = String::from_utf8_lossy(&payload);
    Bytes::from(serde_json::json!({ "errorMessage": text, "errorType": kind }).to_string())
}

fn too_large(limit: u64) -> Bytes {
    let message = format!("Response payload size exceeded maximum allowed payload size ({limit} bytes).");
    Bytes::from(serde_json::json!({ "errorType": TOO_LARGE, "errorMessage": message }).to_string())
}

/// The end of a streaming answer, which comes when this is dropped. It has a place of its own in the
/// channel: nobody may be left then to await room.
#[derive(Debug)]
pub struct StreamEnd {
    place: Option<OwnedPermit<Result<Bytes, StreamFault>>>,
    fault: Option<StreamFault>,
}

impl Drop for StreamEnd {
    fn drop(&mut self) {
        if let (Some(place), Some(fault)) = (self.place.take(), self.fault.take()) {
            drop(place.send(Err(fault)));
        }
    }
}

/// Ends an answer whose connection is lost while it is read.
struct Guard<'a> {
    session: &'a Session,
    end: Option<StreamEnd>,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if let Some(mut end) = self.end.take() {
            let fault = self.session.breaking();
            end.fault = Some(fault.unwrap_or_else(|| truncated("the connection was closed")));
            self.session.stream_ended(end);
        }
    }
}

/// Hands the pieces on as they come. An error that the runtime reports comes in the trailers.
async fn forward(mut body: Incoming, pieces: &Pieces) -> Result<Option<StreamFault>, (StreamFault, Reply)> {
    let mut left = MAX_STREAM;
    let mut fault = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let kind = "TruncatedHTTPRequest";
            let reply = error_reply(StatusCode::BAD_REQUEST, kind, "HTTP request detected as truncated");
            (truncated(&error.to_string()), reply)
        })?;
        match frame.into_data() {
            Ok(piece) => {
                left = left.checked_sub(piece.len() as u64).ok_or_else(|| {
                    let details = String::from_utf8_lossy(&too_large(MAX_STREAM)).into_owned();
                    let limit = format!("Exceeded maximum allowed payload size ({MAX_STREAM} bytes).");
                    let reply = error_reply(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &limit);
                    (StreamFault { kind: TOO_LARGE.to_owned(), details }, reply)
                })?;
                // The reader has gone: the function may finish all the same.
                drop(pieces.send(Ok(piece)).await);
            }
            Err(frame) => fault = frame.into_trailers().ok().and_then(|trailers| reported(&trailers)),
        }
    }
    Ok(fault)
}

fn reported(trailers: &HeaderMap) -> Option<StreamFault> {
    let kind = error_type(trailers)?;
    let details = header(trailers, "lambda-runtime-function-error-body")
        .and_then(|text| STANDARD.decode(text).ok())
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Some(StreamFault { kind, details: details.unwrap_or_default() })
}

fn truncated(why: &str) -> StreamFault {
    let kind = "Runtime.TruncatedResponse";
    let details = serde_json::json!({ "errorType": kind, "errorMessage": why }).to_string();
    StreamFault { kind: kind.to_owned(), details }
}
