//! The one place where the server starts threads and tasks.

use std::io;

use tokio::task::JoinSet;

/// A named thread with a runtime of its own, which runs this task and what it spawns.
pub(super) fn thread(name: String, task: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name(name).spawn(move || runtime.block_on(task))?;
    Ok(())
}

/// A task of this thread. Those still there are cut when the set is dropped.
pub(super) fn task(set: &mut JoinSet<()>, task: impl Future<Output = ()> + Send + 'static) {
    set.spawn(task);
}
