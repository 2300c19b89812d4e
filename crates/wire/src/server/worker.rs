//! A thread's loop: connections come in, run, end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};

use super::accept::Accepted;
use super::{Handler, Options, conn, spawn};

pub(super) struct Worker {
    pub(super) handler: Arc<dyn Handler>,
    pub(super) options: Options,
    pub(super) stopping: watch::Receiver<Option<Duration>>,
    pub(super) dealt: mpsc::UnboundedReceiver<Accepted>,
}

impl Worker {
    /// Serves until the server stops, then lets connections end for as long as it may. Says how
    /// many it had to cut.
    pub(super) async fn run(mut self) -> usize {
        let mut connections = JoinSet::new();
        let mut stopping = self.stopping.clone();
        let deadline = loop {
            tokio::select! {
                // A handle that was dropped leaves no time.
                stop = stopping.wait_for(Option::is_some) => break stop.ok().and_then(|deadline| *deadline),
                Some(accepted) = self.dealt.recv() => self.start(&mut connections, accepted),
                Some(ended) = connections.join_next() => report(ended),
            }
        };
        let drained = tokio::time::timeout(deadline.unwrap_or_default(), async {
            while let Some(ended) = connections.join_next().await {
                report(ended);
            }
        });
        match drained.await {
            Ok(()) => 0,
            Err(_) => connections.len(),
        }
    }

    fn start(&self, connections: &mut JoinSet<()>, accepted: Accepted) {
        let (handler, options) = (Arc::clone(&self.handler), self.options.clone());
        spawn::task(connections, conn::run(accepted, handler, options, self.stopping.clone()));
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection's task panicked");
    }
}
