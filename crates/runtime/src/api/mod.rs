//! The Runtime API and the Extensions API, as the processes of one sandbox see them.
//!
//! Paths, headers and answers are those of "AWS Lambda runtime API" and "Lambda Extensions API"; the error
//! documents are those of AWS's open Runtime Interface Emulator (`rapi/rendering`).

mod extensions;
mod respond;
mod session;

use std::convert::Infallible;
use std::io::ErrorKind;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use crate::tasks::Tasks;

pub use respond::StreamEnd;
pub use session::{About, Event, Exit, Session, Shutdown, Work};

/// The most that an answer of a function may be, in bytes: 6 MiB and what the emulator gives beyond it.
pub const MAX_PAYLOAD: usize = 6_291_556;
/// The most connections of one sandbox that are open at once: the runtime needs one or two, an extension
/// as many.
const MAX_CONNECTIONS: usize = 32;
/// The most headers' bytes: what the runtimes send of an X-Ray cause is up to 1 MiB, and cut by them.
const MAX_HEADERS: usize = 1 << 20;

type Reply = Response<Full<Bytes>>;

/// Serves the API on a sandbox's listener for as long as the tasks live.
pub fn serve(tasks: &Tasks, listener: TcpListener, session: Arc<Session>) {
    let connections = tasks.clone();
    tasks.spawn(async move {
        let room = Arc::new(tokio::sync::Semaphore::new(MAX_CONNECTIONS));
        while let Ok(place) = Arc::clone(&room).acquire_owned().await {
            let Some(stream) = accept(&listener).await else { return };
            // Small messages are answered at once.
            drop(stream.set_nodelay(true));
            let session = Arc::clone(&session);
            connections.spawn(async move {
                let service = service_fn(move |request| route(Arc::clone(&session), request));
                let mut http = hyper::server::conn::http1::Builder::new();
                http.max_buf_size(MAX_HEADERS);
                // A connection that breaks off is the function's own affair.
                drop(http.serve_connection(TokioIo::new(stream), service).await);
                drop(place);
            });
        }
    });
}

/// The next connection; `None` when there can be none any more.
pub async fn accept(listener: &TcpListener) -> Option<TcpStream> {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return Some(stream),
            // It was closed before it was taken.
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(%error, "a function's connections cannot be taken any more");
                return None;
            }
        }
    }
}

async fn route(session: Arc<Session>, request: Request<Incoming>) -> Result<Reply, Infallible> {
    let path = request.uri().path().to_owned();
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let method = request.method().clone();
    let reply = match (parts.as_slice(), method) {
        (["2018-06-01", "runtime", rest @ ..], method) => match (rest, method) {
            (["invocation", "next"], Method::GET) => session.next().await,
            (["invocation", id, "response"], Method::POST) => session.response(id, request).await,
            (["invocation", id, "error"], Method::POST) => session.error(id, request).await,
            (["init", "error"], Method::POST) => session.init_error(request).await,
            (["restore", ..], _) => refused("Restore.NotSupported", "SnapStart is not supported"),
            _ => not_found(),
        },
        (["2020-01-01", "extension", rest @ ..], method) => match (rest, method) {
            (["register"], Method::POST) => session.register(request).await,
            (["event", "next"], Method::GET) => session.next_event(request.headers()).await,
            (["init" | "exit", "error"], Method::POST) => session.extension_failed(request).await,
            _ => not_found(),
        },
        (["2020-08-15", "logs"], Method::PUT) => refused("Logs.NotSupported", "Logs API is not supported"),
        (["2022-07-01", "telemetry"], Method::PUT) => {
            refused("Telemetry.NotSupported", "Telemetry API is not supported")
        }
        _ => not_found(),
    };
    Ok(reply)
}

/// A whole body, or the answer that says why there is none. Those who send several at once wait.
async fn body(session: &Session, body: Incoming) -> Result<Bytes, Reply> {
    let Ok(_room) = session.bodies.acquire().await else { return Err(not_found()) };
    match Limited::new(body, MAX_PAYLOAD).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(error_reply(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            &format!("Exceeded maximum allowed payload size ({MAX_PAYLOAD} bytes)."),
        )),
        Err(_) => Err(error_reply(
            StatusCode::BAD_REQUEST,
            "TruncatedHTTPRequest",
            "HTTP request detected as truncated",
        )),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn accepted() -> Reply {
    json_reply(StatusCode::ACCEPTED, &serde_json::json!({ "status": "OK" }))
}

fn refused(kind: &str, message: &str) -> Reply {
    error_reply(StatusCode::FORBIDDEN, kind, message)
}

fn not_found() -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from_static(b"404 page not found\n")));
    *reply.status_mut() = StatusCode::NOT_FOUND;
    reply
}

fn error_reply(status: StatusCode, kind: &str, message: &str) -> Reply {
    json_reply(status, &serde_json::json!({ "errorMessage": message, "errorType": kind }))
}

fn json_reply(status: StatusCode, document: &serde_json::Value) -> Reply {
    let mut reply = Response::new(Full::new(Bytes::from(document.to_string())));
    *reply.status_mut() = status;
    let json = http::HeaderValue::from_static("application/json");
    reply.headers_mut().insert(http::header::CONTENT_TYPE, json);
    reply
}
