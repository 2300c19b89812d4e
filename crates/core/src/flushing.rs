//! What is gathered in memory and written soon: log lines, audit events of reads.

use tokio::sync::Notify;

use crate::Core;

/// Has what came written, at most once in `pause` milliseconds, until the core stops. `came` is notified of what comes;
/// `name` is the wait's own among the core's signals. What comes at the end is the caller's to flush.
pub async fn flush_what_comes<F>(core: &Core, name: &str, came: &Notify, pause: i64, flush: impl Fn() -> F)
where
    F: Future<Output = ()>,
{
    let (clock, signals) = (core.clock(), core.signals());
    let stopping = signals.named(name);
    loop {
        let mut stopped = std::pin::pin!(stopping.notified());
        stopped.as_mut().enable();
        if signals.is_closed() {
            return;
        }
        tokio::select! {
            () = came.notified() => {}
            () = stopped.as_mut() => return,
        }
        let next = clock.now().plus_millis(pause);
        flush().await;
        tokio::select! {
            () = clock.sleep_until(next) => {}
            () = stopped => return,
        }
    }
}
