//! The one place where the server starts threads and tasks.

use std::io;

use tokio::task::JoinSet;

/// A named thread with a runtime of its own, which runs this task and what it spawns, and says when
/// all of that is gone.
pub(super) fn thread<T>(
    name: String,
    task: impl Future<Output = T> + Send + 'static,
    ended: impl FnOnce(T) + Send + 'static,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name(name).spawn(move || {
        let outcome = runtime.block_on(task);
        // What a handler runs as blocking work may take its time; nobody waits for its answer now.
        runtime.shutdown_background();
        ended(outcome);
    })?;
    Ok(())
}

/// A task of this thread. Those still there are cut when the set is dropped.
pub(super) fn task(set: &mut JoinSet<()>, task: impl Future<Output = ()> + Send + 'static) {
    set.spawn(task);
}
