//! `docs/services.md`: what is there and what is refused, from the same lists as the code.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::model::Model;
use super::overlay::Overlay;

/// The document's head.
pub fn beginning() -> String {
    "# Services\n\nWritten by `cargo xtask codegen` from the lists that the code is generated from. Everything that is \
     not named here is refused, by name.\n"
        .to_owned()
}

/// One service's chapter.
pub fn service(overlay: &Overlay, model: &Model) -> String {
    let mut out = format!("\n## {}\n\nOperations: ", model.metadata.service_id);
    out.push_str(&overlay.operations.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "));
    let left = model.operations.len().saturating_sub(overlay.operations.len());
    let _ = writeln!(out, ".\n\nRefused: {left} other operations of the API.");
    table(&mut out, "Refused parameters", &overlay.refuse);
    table(&mut out, "Parameters that rightly have no effect", &overlay.without_effect);
    out
}

fn table(out: &mut String, title: &str, rows: &BTreeMap<String, String>) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{title}:\n\n| parameter | why |\n| --- | --- |");
    for (path, reason) in rows {
        let _ = writeln!(out, "| `{path}` | {} |", reason.replace('|', "\\|"));
    }
}
