//! The thread beside the committer: it has the engine sync what it was fed, so that segments of the log can be
//! used again, keeps the mark, and looks for room and for a failed engine.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use fjall::PersistMode;

use super::mark::Mark;
use super::segments::Segments;
use super::state::State;

/// The running thread; ends, with a last mark, when dropped.
pub(super) struct Watch {
    segments: Arc<Segments>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(super) fn start(
        state: Arc<State>,
        segments: Arc<Segments>,
        mark: Mark,
        every: Duration,
    ) -> io::Result<Watch> {
        state.look_for_room();
        let own = segments.clone();
        let thread = super::spawn("store-watch", move || run(&state, &own, mark, every))?;
        Ok(Watch { segments, thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.segments.stop();
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the store's watch panicked");
        }
    }
}

fn run(state: &State, segments: &Segments, mut mark: Mark, every: Duration) {
    let mut synced = state.fed();
    // Real time, not the clock's: what is bounded here is how much a failing disk can lose unseen.
    while segments.wait_for_work(every) {
        state.look_for_room();
        if let Err(why) = sync_engine(state, segments, &mut synced) {
            state.fail(&why);
        }
        advance(state, &mut mark);
    }
    advance(state, &mut mark);
}

/// Has the engine sync what it was fed, and releases what the log holds of it. A failure of the engine's own threads
/// shows here too.
fn sync_engine(state: &State, segments: &Segments, synced: &mut u64) -> Result<(), String> {
    if let (Ok(engine), None) = (state.engine(), state.failure()) {
        let fed = state.fed();
        let mode = if fed > *synced { PersistMode::SyncData } else { PersistMode::Buffer };
        engine.sync(mode).map_err(|e| format!("the engine's sync: {e}"))?;
        *synced = fed;
    }
    segments.release(*synced).map_err(|e| format!("the log's segments: {e}"))
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
