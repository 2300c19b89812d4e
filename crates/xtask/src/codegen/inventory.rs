//! `docs/services/`: what is there and what is refused, from the same lists as the code.

use std::collections::BTreeMap;

use super::model::Model;
use super::overlay::Overlay;

/// The head of the list of services.
pub fn beginning() -> String {
    "# Services\n\nWritten by `cargo xtask codegen` from the lists that the code is generated from. What a service's page does \
     not name is refused, by name.\n\n| service | operations | of |\n| --- | --- | --- |\n"
        .to_owned()
}

/// A service's line in that list.
pub fn line(id: &str, overlay: &Overlay, model: &Model) -> String {
    let (name, there, all) = (&model.metadata.service_id, overlay.operations.len(), model.operations.len());
    format!("| [{name}]({id}.md) | {there} | {all} |\n")
}

/// A service's page.
pub fn page(overlay: &Overlay, model: &Model) -> String {
    let mut out = format!("# {}\n\nWritten by `cargo xtask codegen`.\n", model.metadata.service_id);
    list(&mut out, "Operations", overlay.operations.keys());
    let refused = model.operations.keys().filter(|name| !overlay.operations.contains_key(*name));
    list(&mut out, "Refused operations", refused);
    table(&mut out, "Refused parameters", &overlay.refuse);
    table(&mut out, "Parameters that rightly have no effect", &overlay.without_effect);
    out
}

fn list<'a>(out: &mut String, title: &str, names: impl Iterator<Item = &'a String>) {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    if !names.is_empty() {
        out.push_str(&format!("\n## {title}\n\n{}.\n", names.join(", ")));
    }
}

fn table(out: &mut String, title: &str, rows: &BTreeMap<String, String>) {
    if rows.is_empty() {
        return;
    }
    out.push_str(&format!("\n## {title}\n\n| parameter | why |\n| --- | --- |\n"));
    for (path, reason) in rows {
        out.push_str(&format!("| `{path}` | {} |\n", reason.replace('|', "\\|")));
    }
}
