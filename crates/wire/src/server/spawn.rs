//! The one place where the server starts threads and tasks.

use std::io;
use std::thread::JoinHandle;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Threads with a single-threaded runtime each, which run what is spawned on them: connections, and
/// whatever else is to run beside them without a hand-over between threads. Dropping them ends
/// the threads, and cuts what still runs there.
#[derive(Debug)]
pub struct Threads {
    runtimes: Vec<Handle>,
    /// Goes to end the threads.
    end: Option<watch::Sender<()>>,
    joins: Vec<JoinHandle<()>>,
}

impl Threads {
    /// Starts so many threads; 0: one for each core.
    ///
    /// # Errors
    /// What the operating system says, as when there can be no more threads.
    pub fn start(count: usize) -> io::Result<Self> {
        let count = match count {
            0 => std::thread::available_parallelism()?.get(),
            count => count,
        };
        let (end, ended) = watch::channel(());
        let mut threads = Threads { runtimes: Vec::new(), end: Some(end), joins: Vec::new() };
        for index in 0..count {
            threads.add(format!("ropeway-http-{index}"), ended.clone())?;
        }
        Ok(threads)
    }

    fn add(&mut self, name: String, mut ended: watch::Receiver<()>) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        self.runtimes.push(runtime.handle().clone());
        let join = std::thread::Builder::new().name(name).spawn(move || {
            // Nothing is ever sent: this is over when the sender is gone.
            while runtime.block_on(ended.changed()).is_ok() {}
            // What a handler runs as blocking work may take its time; nobody waits for its answer now.
            runtime.shutdown_background();
        })?;
        self.joins.push(join);
        Ok(())
    }

    /// The threads' runtimes.
    pub fn runtimes(&self) -> &[Handle] {
        &self.runtimes
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        drop(self.end.take());
        for join in self.joins.drain(..) {
            // A panic of the thread itself has been printed, and nothing can be done about it here.
            let _ = join.join();
        }
    }
}

/// A task of this thread. Those still there are cut when the set is dropped.
pub(super) fn task(set: &mut JoinSet<()>, task: impl Future<Output = ()> + Send + 'static) {
    set.spawn(task);
}

/// A task of one of the threads.
pub(super) fn task_on(runtime: &Handle, task: impl Future<Output = ()> + Send + 'static) {
    drop(runtime.spawn(task));
}
