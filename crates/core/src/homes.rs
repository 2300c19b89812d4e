//! The way of answers back to the threads that wait for them.
//!
//! A commit becomes durable on a thread of the store's. Waking each caller from there costs a system call for each;
//! so the answers go to the thread of the caller in one hand-over, which wakes its callers itself.

use std::cell::Cell;

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::Fault;

/// Called with how the commit went.
type Call = Box<dyn FnOnce(Result<(), Fault>) + Send>;

thread_local! {
    /// Which of the runtimes this thread is.
    static HOME: Cell<Option<usize>> = const { Cell::new(None) };
}

/// An answer that waits for its commit, and the thread on which it is waited for.
pub(crate) struct Answer {
    call: Call,
    home: Option<usize>,
}

impl Answer {
    /// One that is waited for on no thread in particular.
    pub fn new(call: impl FnOnce(Result<(), Fault>) + Send + 'static) -> Self {
        Answer { call: Box::new(call), home: None }
    }

    /// One that is waited for on a thread given by [`home`].
    pub fn at(home: Option<usize>, call: impl FnOnce(Result<(), Fault>) + Send + 'static) -> Self {
        Answer { call: Box::new(call), home }
    }
}

/// The thread that this is, for [`Answer::at`].
pub(crate) fn home() -> Option<usize> {
    HOME.get()
}

/// A letter-box for each runtime.
pub(crate) struct Homes(Vec<mpsc::UnboundedSender<(Call, Result<(), Fault>)>>);

impl Homes {
    /// Starts a task on each runtime, which must have one thread. They end with the letter-boxes.
    pub fn start(runtimes: &[Handle]) -> Self {
        Homes(runtimes.iter().enumerate().map(|(number, runtime)| start(number, runtime)).collect())
    }

    /// Gives an answer, on the thread where it is waited for.
    pub fn answer(&self, answer: Answer, committed: Result<(), Fault>) {
        let Answer { call, home } = answer;
        let Some(home) = home.and_then(|home| self.0.get(home)) else { return call(committed) };
        // Bounded by the commands under way. A runtime that has ended has nobody who waits.
        if let Err(mpsc::error::SendError((call, committed))) = home.send((call, committed)) {
            call(committed);
        }
    }
}

fn start(number: usize, runtime: &Handle) -> mpsc::UnboundedSender<(Call, Result<(), Fault>)> {
    let (sender, mut arrived) = mpsc::unbounded_channel::<(Call, Result<(), Fault>)>();
    runtime.spawn(async move {
        HOME.set(Some(number));
        while let Some((call, committed)) = arrived.recv().await {
            call(committed);
        }
    });
    sender
}
