//! The HTTP server: sockets, TLS, connections, threads. What it answers is the [`Handler`]'s.
//!
//! Connections are dealt in turn to the [`Threads`], each a single-threaded runtime that owns its
//! connections. HTTP/1.1 with keep-alive and pipelining, and
//! HTTP/2 by ALPN or by prior knowledge. What is bounded: connections, the size of a request's head,
//! the time for it, the time a connection may lie idle or stall, and, by [`read_body`] and [`decoded`],
//! bodies. A request that is no HTTP gets 400, a head too large 431, one connection too many 503.

mod accept;
mod activity;
mod body;
mod conn;
mod read;
mod spawn;
mod tls;
mod worker;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use ropeway_core::{BoxFuture, Vouched};
use tokio::sync::{Semaphore, mpsc, watch};

pub use body::Body;
pub use read::{decoded, incoming, read_body};
pub use spawn::Threads;
pub use tls::Tls;

/// Answers requests.
pub trait Handler: Send + Sync + 'static {
    /// Answers one. A panic is caught, logged and answered with 500.
    ///
    /// A body that is not read is not asked for: `Expect: 100-continue` is granted by the first
    /// poll of the request's body. If the client goes away the future is dropped wherever it stands,
    /// so what must be finished once begun cannot live in it alone.
    fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
        conn: ConnInfo,
    ) -> BoxFuture<'static, Response<Body>>;
}

/// What is known of a request's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnInfo {
    /// The client's address.
    pub remote: SocketAddr,
    /// The address that the client connected to.
    pub local: SocketAddr,
    /// True if the connection is encrypted, or was until something in this process took that off.
    pub tls: bool,
    /// How long a body may take to send its next bytes: [`Options::stall_timeout`].
    pub stall_timeout: Duration,
}

/// How a server is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// Connections at once; one more gets 503 (without TLS) and is closed.
    pub max_connections: usize,
    /// The most that a request's head may take, in bytes; at least 8,192.
    pub max_header_bytes: usize,
    /// How long a client may take for a TLS handshake, for its first request's head, and for a head
    /// once begun.
    pub header_timeout: Duration,
    /// How long a connection may lie without requests; up to half as long again.
    pub idle_timeout: Duration,
    /// How long a client may leave an answer unread or a body unsent.
    pub stall_timeout: Duration,
    /// Certificate and key; `None`: no encryption.
    pub tls: Option<Tls>,
    /// Connections that come here without their encryption.
    pub vouched: Vouched,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            max_connections: 4096,
            max_header_bytes: 64 * 1024,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(120),
            stall_timeout: Duration::from_secs(60),
            tls: None,
            vouched: Vouched::default(),
        }
    }
}

/// A server that listens but does not answer yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    local: SocketAddr,
    options: Options,
}

impl Server {
    /// Listens at an address; port 0 takes a free one.
    ///
    /// # Errors
    /// What the operating system says, as when the address is taken.
    pub fn bind(addr: SocketAddr, options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(addr)?;
        listener.set_nonblocking(true)?;
        let local = listener.local_addr()?;
        Ok(Server { listener, local, options })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Answers from now on, on these threads; the first one accepts.
    ///
    /// # Errors
    /// What the operating system says, as when the listener cannot be polled.
    pub fn serve(self, handler: Arc<dyn Handler>, threads: &Threads) -> io::Result<ServerHandle> {
        let (stop, stopping) = watch::channel(None);
        let (cut, done) = mpsc::unbounded_channel();
        let permits = Arc::new(Semaphore::new(self.options.max_connections.min(Semaphore::MAX_PERMITS)));
        let mut workers = Vec::with_capacity(threads.runtimes().len());
        for runtime in threads.runtimes() {
            // As long as there are permits, connections may queue: the permits are the bound.
            let (deal, dealt) = mpsc::unbounded_channel();
            workers.push(deal);
            let worker = worker::Worker {
                handler: Arc::clone(&handler),
                options: self.options.clone(),
                stopping: stopping.clone(),
                dealt,
            };
            let cut = cut.clone();
            spawn::task_on(runtime, async move {
                // The receiver may be gone: a handle that was dropped asks nothing.
                let _ = cut.send(worker.run().await);
            });
        }
        let acceptor = accept::Acceptor { workers, permits, stopping, encrypted: self.options.tls.is_some() };
        if let Some(first) = threads.runtimes().first() {
            let listener = {
                let _entered = first.enter();
                tokio::net::TcpListener::from_std(self.listener)?
            };
            spawn::task_on(first, acceptor.run(listener));
        }
        Ok(ServerHandle { local: self.local, stop, done })
    }
}

/// A server that answers. Dropping it stops it at once, requests in flight included.
#[derive(Debug)]
pub struct ServerHandle {
    local: SocketAddr,
    stop: watch::Sender<Option<Duration>>,
    done: mpsc::UnboundedReceiver<usize>,
}

impl ServerHandle {
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Stops: takes no more connections, closes idle ones, lets requests in flight end, and cuts
    /// what has not ended when the time given is over. Says how many connections were cut.
    pub async fn stop(mut self, deadline: Duration) -> usize {
        self.stop.send_replace(Some(deadline));
        let mut cut = 0;
        while let Some(one) = self.done.recv().await {
            cut += one;
        }
        cut
    }
}
