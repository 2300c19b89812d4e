//! What the commands print. The only place that writes to the terminal.

use std::io::Write;

/// Prints a line.
pub(crate) fn line(text: &str) {
    // A reader that has gone away needs no line.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Prints what went wrong.
pub(crate) fn error(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "ropeway: {text}");
}
