//! What the commands print. The only place that writes to the terminal.

use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Failure;

/// A line did not reach where it was printed to.
static LOST: AtomicBool = AtomicBool::new(false);

/// Prints a line; if it is lost, the command fails at its end.
pub(crate) fn line(text: &str) {
    if let Err(why) = writeln!(std::io::stdout().lock(), "{text}")
        // A reader that has gone away, such as `head`, has all that it wanted.
        && why.kind() != ErrorKind::BrokenPipe
    {
        LOST.store(true, Ordering::Relaxed);
        error(&format!("a line could not be printed: {why}"));
    }
}

/// Prints lines that are shown once, such as a secret.
///
/// # Errors
/// The lines did not reach where they were printed to, which a reader that has gone away is, too.
pub(crate) fn surely(lines: &[String]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let written = lines.iter().try_for_each(|line| writeln!(out, "{line}")).and_then(|()| out.flush());
    written.map_err(|why| Failure::Failed(format!("the credentials could not be printed: {why}")))
}

/// Whether lines may have colours: they go to a terminal, and nobody has asked for none (`NO_COLOR`,
/// no-color.org).
pub(crate) fn colours() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// True if a line was lost.
pub(crate) fn lost() -> bool {
    LOST.load(Ordering::Relaxed)
}

/// Prints what went wrong.
pub(crate) fn error(text: &str) {
    // There is nowhere else to say that this failed.
    let _ = writeln!(std::io::stderr().lock(), "ropeway: {text}");
}
