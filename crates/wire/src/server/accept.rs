//! Accepting connections and dealing them to the workers.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

/// How long to leave connections waiting when the process has no more file descriptors or memory.
const PAUSE: Duration = Duration::from_millis(100);
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 1\r\nconnection: close\r\n\r\n";

/// A connection on its way to a worker. It leaves the acceptor's runtime, so it is the plain socket.
pub(super) struct Accepted {
    pub(super) stream: std::net::TcpStream,
    pub(super) remote: SocketAddr,
    /// Its place among the connections allowed.
    pub(super) permit: OwnedSemaphorePermit,
}

pub(super) struct Acceptor {
    pub(super) workers: Vec<mpsc::UnboundedSender<Accepted>>,
    pub(super) permits: Arc<Semaphore>,
    pub(super) stopping: watch::Receiver<Option<Duration>>,
    pub(super) encrypted: bool,
}

impl Acceptor {
    /// Accepts until the server stops.
    pub(super) async fn run(mut self, listener: TcpListener) {
        let mut next = 0;
        loop {
            let accepted = tokio::select! {
                _ = self.stopping.wait_for(Option::is_some) => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, remote)) => self.deal(&mut next, stream, remote),
                Err(error) => self.failed(&error).await,
            }
        }
    }

    fn deal(&self, next: &mut usize, stream: TcpStream, remote: SocketAddr) {
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            return self.refuse(&stream, remote);
        };
        // Answers are small and complete: waiting for more to send costs 40 ms and gains nothing.
        let stream = stream.set_nodelay(true).and_then(|()| stream.into_std());
        let Ok(stream) = stream.inspect_err(|error| tracing::debug!(%error, %remote, "connection lost"))
        else {
            return;
        };
        let index = *next % self.workers.len().max(1);
        *next = next.wrapping_add(1);
        if let Some(worker) = self.workers.get(index)
            && worker.send(Accepted { stream, remote, permit }).is_err()
        {
            tracing::error!(index, "a worker is gone; its connection is closed");
        }
    }

    /// One connection too many: said as well as can be without waiting for the client.
    fn refuse(&self, stream: &TcpStream, remote: SocketAddr) {
        tracing::warn!(%remote, "too many connections: refused");
        if !self.encrypted {
            // A new socket's buffer takes this; if not, closing says it too.
            let _ = stream.try_write(FULL);
        }
    }

    /// A connection that broke while it waited is its client's affair; anything else is ours, and
    /// trying again at once would spin.
    async fn failed(&self, error: &io::Error) {
        let theirs = [ErrorKind::ConnectionAborted, ErrorKind::ConnectionReset, ErrorKind::Interrupted];
        if theirs.contains(&error.kind()) {
            return;
        }
        tracing::error!(%error, "cannot accept connections");
        let _ = tokio::time::timeout(PAUSE, std::future::pending::<()>()).await;
    }
}
