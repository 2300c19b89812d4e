//! Crash tools: record what a process does to a directory, and rebuild the directory as a loss of
//! power at any moment could have left it; or make one of its file system calls fail.
//!
//! A process is started with [`Shim::record`], and with [`Shim::fail`] where a call is to fail.
//! [`Log::read`] reads what it did, [`replay`] rebuilds the directory as of any event. What it had
//! acknowledged by then is known either from what it wrote to its standard output, which the log
//! holds in order ([`Log::output_before`]), or from the length of the log file when the answer
//! arrived ([`Log::events_within`]): every later event belongs to a crash that must keep it.

mod log;
mod replay;
mod shim;

pub use self::log::{Event, Log};
pub use self::replay::{Unsynced, replay};
pub use self::shim::{Call, Fault, Shim};
