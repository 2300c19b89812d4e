//! What a connection does, seen from its socket, and when that is too little.
//!
//! Requests only count; one timer for each connection looks at the counts now and then. So
//! timeouts cost a request next to nothing, and come up to half as late again as they are set.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Options;

/// How much is read and thrown away after the last answer, in bytes.
const LINGER_BYTES: u64 = 16 * 1024 * 1024;

/// A connection's counts.
#[derive(Debug, Default)]
pub(super) struct Activity {
    read: AtomicU64,
    written: AtomicU64,
    /// True while the client does not take what is to be written.
    blocked: AtomicBool,
    begun: AtomicU64,
    ended: AtomicU64,
    /// What `read` was when the last request ended.
    read_at_end: AtomicU64,
    http2: AtomicBool,
    /// True if the connection is to close without waiting for what the client still sends.
    abrupt: AtomicBool,
}

/// A request that has not ended; it ends when its answer's body is dropped.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Activity>);

/// What is to become of a connection that does too little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It was idle: close it in order.
    Idle,
    /// Its client is too slow: drop it.
    Slow,
}

impl Activity {
    /// A request begins.
    pub(super) fn begin(self: &Arc<Self>, http2: bool) -> InFlight {
        self.begun.fetch_add(1, Relaxed);
        self.http2.store(http2, Relaxed);
        InFlight(Arc::clone(self))
    }

    /// Closing is to wait for nothing from now on.
    pub(super) fn close_abruptly(&self) {
        self.abrupt.store(true, Relaxed);
    }

    /// Waits until the connection has done too little for too long.
    pub(super) async fn verdict(&self, options: &Options) -> Verdict {
        let shortest = options.header_timeout.min(options.idle_timeout).min(options.stall_timeout);
        let period = (shortest / 2).max(Duration::from_millis(1));
        let (mut head, mut idle, mut stall) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        let (mut begun, mut written) = (0, 0);
        loop {
            let _ = tokio::time::timeout(period, std::future::pending::<()>()).await;
            let grow = |span: Duration, on: bool| if on { span + period } else { Duration::ZERO };
            let quiet = self.is_quiet() && self.begun.load(Relaxed) == begun;
            idle = grow(idle, quiet);
            head = grow(head, quiet && self.is_within_head());
            stall = grow(stall, self.blocked.load(Relaxed) && self.written.load(Relaxed) == written);
            begun = self.begun.load(Relaxed);
            written = self.written.load(Relaxed);
            if head >= options.header_timeout || stall >= options.stall_timeout {
                return Verdict::Slow;
            }
            if idle >= options.idle_timeout {
                return Verdict::Idle;
            }
        }
    }

    fn is_quiet(&self) -> bool {
        self.begun.load(Relaxed) == self.ended.load(Relaxed)
    }

    /// True if the first request has not come, or a part of the next one's head has. HTTP/2 has
    /// other traffic than requests, so there bytes say nothing.
    fn is_within_head(&self) -> bool {
        let first = self.begun.load(Relaxed) == 0;
        first || (!self.http2.load(Relaxed) && self.read.load(Relaxed) != self.read_at_end.load(Relaxed))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.read_at_end.store(self.0.read.load(Relaxed), Relaxed);
        self.0.ended.fetch_add(1, Relaxed);
    }
}

/// A socket that counts.
pub(super) struct Watched<S> {
    inner: S,
    activity: Arc<Activity>,
    shut: bool,
    lingered: u64,
}

impl<S> Watched<S> {
    pub(super) fn new(inner: S, activity: Arc<Activity>) -> Self {
        Watched { inner, activity, shut: false, lingered: 0 }
    }

    fn count_write(&self, outcome: &Poll<io::Result<usize>>) {
        self.activity.blocked.store(outcome.is_pending(), Relaxed);
        if let Poll::Ready(Ok(count)) = outcome {
            self.activity.written.fetch_add(*count as u64, Relaxed);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let outcome = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.activity.read.fetch_add((buf.filled().len() - before) as u64, Relaxed);
        outcome
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.count_write(&outcome);
        outcome
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.count_write(&outcome);
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_flush(cx);
        self.activity.blocked.store(outcome.is_pending(), Relaxed);
        outcome
    }

    /// Closes in two steps (RFC 9112, 9.6): a client that still sends the body of a request that
    /// was answered already would lose the answer if the socket closed under it.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.shut {
            ready!(Pin::new(&mut self.inner).poll_shutdown(cx))?;
            self.shut = true;
        }
        let mut scratch = [0; 4096];
        while !self.activity.abrupt.load(Relaxed) && self.lingered < LINGER_BYTES {
            let mut buf = ReadBuf::new(&mut scratch);
            let outcome = ready!(Pin::new(&mut *self).poll_read(cx, &mut buf));
            if outcome.is_err() || buf.filled().is_empty() {
                break;
            }
            self.lingered += buf.filled().len() as u64;
        }
        Poll::Ready(Ok(()))
    }
}
