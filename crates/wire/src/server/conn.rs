//! One connection: from the handshake to its end.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::{HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::accept::Accepted;
use super::activity::{Activity, InFlight, Verdict, Watched};
use super::{Body, ConnInfo, Handler, Options};

/// Requests that one HTTP/2 connection may have in flight.
const MAX_STREAMS: u32 = 256;

/// Runs a connection to its end.
pub(super) async fn run(
    accepted: Accepted,
    handler: Arc<dyn Handler>,
    options: Options,
    stopping: watch::Receiver<Option<Duration>>,
) {
    let Accepted { stream, remote, permit } = accepted;
    let opened = TcpStream::from_std(stream).and_then(|stream| Ok((stream.local_addr()?, stream)));
    let (local, stream) = match opened {
        Ok(opened) => opened,
        Err(error) => return tracing::debug!(%error, %remote, "connection lost"),
    };
    let tls = options.tls.clone();
    let encrypted = tls.is_some() || options.vouched.holds(remote);
    let conn = ConnInfo { remote, local, tls: encrypted, stall_timeout: options.stall_timeout };
    match tls {
        None => serve(stream, handler, conn, &options, stopping).await,
        Some(tls) => match tokio::time::timeout(options.header_timeout, tls.accept(stream)).await {
            Ok(Ok(stream)) => serve(stream, handler, conn, &options, stopping).await,
            Ok(Err(error)) => tracing::debug!(%error, %remote, "TLS handshake failed"),
            Err(_) => tracing::debug!(%remote, "TLS handshake timed out"),
        },
    }
    drop(permit);
}

async fn serve<S>(
    stream: S,
    handler: Arc<dyn Handler>,
    conn: ConnInfo,
    options: &Options,
    mut stopping: watch::Receiver<Option<Duration>>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let activity = Arc::new(Activity::default());
    let builder = builder(options);
    let service = {
        let activity = Arc::clone(&activity);
        service_fn(move |request: Request<Incoming>| {
            let in_flight = activity.begin(request.version() == Version::HTTP_2);
            let handler = Arc::clone(&handler);
            async move { Ok::<_, Infallible>(answer(handler, request, conn, in_flight).await) }
        })
    };
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&activity)));
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut verdict = pin!(activity.verdict(options));
    let mut closing = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                // Whatever it was, the client has been told, or is gone.
                if let Err(error) = ended {
                    tracing::debug!(error, remote = %conn.remote, "connection ended");
                }
                return;
            }
            _ = stopping.wait_for(Option::is_some), if !closing => {}
            verdict = verdict.as_mut(), if !closing => {
                if verdict == Verdict::Slow {
                    return tracing::debug!(remote = %conn.remote, "the client is too slow");
                }
            }
        }
        closing = true;
        activity.close_abruptly();
        connection.as_mut().graceful_shutdown();
    }
}

fn builder(options: &Options) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // Timeouts are the watcher's: hyper's would set a timer for each request. No `pipeline_flush`:
    // with it, the 400 to what is no HTTP is never sent.
    builder.http1().header_read_timeout(None).max_buf_size(options.max_header_bytes.max(8192));
    let header_list = u32::try_from(options.max_header_bytes.max(8192)).unwrap_or(u32::MAX);
    builder.http2().max_header_list_size(header_list).max_concurrent_streams(MAX_STREAMS);
    builder
}

async fn answer(
    handler: Arc<dyn Handler>,
    request: Request<Incoming>,
    conn: ConnInfo,
    in_flight: InFlight,
) -> Response<Body> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let asks_first = request.version() < Version::HTTP_2 && request.headers().contains_key(header::EXPECT);
    let outcome = AssertUnwindSafe(async move { handler.handle(request, conn).await }).catch_unwind().await;
    let mut response = outcome.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        tracing::error!(%method, path, panic = text, "a request's handler panicked");
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    });
    if asks_first && (response.status().is_client_error() || response.status().is_server_error()) {
        // The client may never send the body that was refused, and nothing else would tell it that the connection
        // ends for that: it would send its next request there (RFC 9110, 10.1.1).
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response.body_mut().keep(in_flight);
    response
}
