//! The thread beside the committer: it keeps the mark, and looks for room and for a failed engine.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use fjall::PersistMode;

use super::mark::Mark;
use super::state::State;

/// The running thread; ends, with a last mark, when dropped.
pub(super) struct Watch {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(super) fn start(state: Arc<State>, mark: Mark, every: Duration) -> io::Result<Watch> {
        let (stop, stopped) = channel();
        state.look_for_room();
        let thread = super::spawn("store-watch", move || run(&state, mark, every, &stopped))?;
        Ok(Watch { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the store's watch panicked");
        }
    }
}

fn run(state: &State, mut mark: Mark, every: Duration, stopped: &Receiver<()>) {
    // Real time, not the clock's: what is bounded here is how much a failing disk can lose unseen.
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(every) {
        state.look_for_room();
        look_for_failure(state);
        advance(state, &mut mark);
    }
    advance(state, &mut mark);
}

/// A failure of the engine's own threads stops commits from finishing, so the committer may not
/// come to see it.
fn look_for_failure(state: &State) {
    if let Ok(engine) = state.engine()
        && let Err(e) = engine.db.persist(PersistMode::Buffer)
    {
        state.fail(&format!("the engine's background work: {e}"));
    }
}

fn advance(state: &State, mark: &mut Mark) {
    let commit = state.commit();
    if commit > mark.commit()
        && state.failure().is_none()
        && let Err(e) = mark.set(commit)
    {
        state.fail(&format!("the mark of what is durable: {e}"));
    }
}
