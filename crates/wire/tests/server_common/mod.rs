//! A handler for the server's tests, and a client that speaks raw HTTP.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use hyper::body::Incoming;
use ropeway_wire::server::{self, Body, ConnInfo, Handler, Options, Server, ServerHandle, Threads};
use ropeway_wire::{BoxFuture, ByteStream, Error};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};

/// The most that `/echo` reads, in bytes.
pub const LIMIT: usize = 1024 * 1024;

/// Answers by path.
pub struct TestHandler {
    /// `/wait` waits for one of these.
    pub go: Semaphore,
    /// What the handler tells the test: requests begun, streams dropped.
    pub events: mpsc::UnboundedSender<&'static str>,
}

pub struct Running {
    pub handle: ServerHandle,
    pub threads: Threads,
    pub handler: Arc<TestHandler>,
    pub events: mpsc::UnboundedReceiver<&'static str>,
}

impl Running {
    pub fn addr(&self) -> SocketAddr {
        self.handle.local_addr()
    }
}

pub fn start(options: Options) -> Running {
    let (events, received) = mpsc::unbounded_channel();
    let handler = Arc::new(TestHandler { go: Semaphore::new(0), events });
    let server = Server::bind(SocketAddr::from(([127, 0, 0, 1], 0)), options).unwrap();
    let threads = Threads::start(0).unwrap();
    let handle = server.serve(Arc::clone(&handler) as Arc<dyn Handler>, &threads).unwrap();
    Running { handle, threads, handler, events: received }
}

impl Handler for TestHandler {
    fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        conn: ConnInfo,
    ) -> BoxFuture<'static, Response<Body>> {
        Box::pin(async move {
            match request.uri().path() {
                "/echo" => echo(request, conn).await.unwrap_or_else(|error| refuse(&error)),
                "/stream" => Response::new(Body::from(counted(3, None))),
                "/broken" => Response::new(Body::from(broken())),
                "/endless" => {
                    Response::new(Body::from(counted(u64::MAX, Some(Dropped(self.events.clone())))))
                }
                "/panic" => panic!("a fault of the handler"),
                "/wait" => {
                    let _dropped = Dropped(self.events.clone());
                    self.events.send("waiting").unwrap();
                    self.go.acquire().await.unwrap().forget();
                    Response::new(Body::from("waited"))
                }
                "/info" => Response::new(Body::from(format!(
                    "{:?} tls={} {}",
                    request.version(),
                    conn.tls,
                    conn.remote.ip()
                ))),
                _ => refuse(&Error::new(403, "AccessDenied", "no")),
            }
        })
    }
}

async fn echo(request: Request<Incoming>, conn: ConnInfo) -> Result<Response<Body>, Error> {
    let (parts, body) = request.into_parts();
    let sent = server::read_body(body, LIMIT, conn.stall_timeout).await?;
    Ok(Response::new(Body::from(server::decoded(&parts.headers, sent, LIMIT)?)))
}

fn refuse(error: &Error) -> Response<Body> {
    Response::builder().status(error.status).body(Body::from(error.to_string())).unwrap()
}

struct Dropped(mpsc::UnboundedSender<&'static str>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

fn counted(chunks: u64, guard: Option<Dropped>) -> ByteStream {
    let length = (chunks != u64::MAX).then_some(chunks * 65_536);
    let chunks = stream::unfold((0, guard), move |(count, guard)| async move {
        (count < chunks).then(|| (Ok(Bytes::from_static(&[b'x'; 65_536])), (count + 1, guard)))
    });
    ByteStream::new(chunks, length)
}

fn broken() -> ByteStream {
    let chunks = [Ok(Bytes::from_static(b"some")), Err(Error::internal("the disk broke"))];
    ByteStream::new(stream::iter(chunks), None)
}

/// Timeouts that no test waits for.
pub fn patient() -> Options {
    let long = Duration::from_secs(600);
    Options { header_timeout: long, idle_timeout: long, stall_timeout: long, ..Options::default() }
}

pub async fn connect(addr: SocketAddr) -> TcpStream {
    TcpStream::connect(addr).await.unwrap()
}

/// Sends bytes on a connection of their own and reads until the server closes.
pub async fn talk(addr: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = connect(addr).await;
    stream.write_all(bytes).await.unwrap();
    let mut out = Vec::new();
    stream.read_to_end(&mut out).await.unwrap();
    String::from_utf8_lossy(&out).into_owned()
}

/// Reads until what was read ends like this.
pub async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut out = Vec::new();
    while !out.ends_with(end.as_bytes()) {
        let byte = stream.read_u8().await.expect("the connection ended early");
        out.push(byte);
    }
    String::from_utf8(out).unwrap()
}

/// A POST with a body and a length, after which the server closes.
pub fn post(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}
