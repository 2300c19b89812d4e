//! `ropeway runtime`: what functions run on.

use std::io;
use std::path::{Path, PathBuf};

use ropeway_runtime::runtimes::{Runtimes, Settings};
use serde_json::json;

use crate::cli::{RuntimeArgs, RuntimeCommand};
use crate::settings::runtimes_directory;
use crate::{Failure, client, output};

/// The runtimes of a data directory, without a server's settings.
fn runtimes(data_dir: &Path, given: Option<PathBuf>) -> io::Result<Runtimes> {
    let directory = runtimes_directory(data_dir, given)?;
    Ok(Runtimes::new(Settings { directory, ..Settings::default() }))
}

/// Adds or lists.
pub(crate) fn run(arguments: &RuntimeArgs) -> Result<(), Failure> {
    let runtimes = runtimes(&arguments.data_dir, arguments.runtimes_dir.clone())?;
    match &arguments.command {
        RuntimeCommand::Add { name } => {
            let ready = client::runtime()?.block_on(runtimes.add(name)).map_err(Failure::Failed)?;
            output::line(&ready);
        }
        RuntimeCommand::Ls { json } => list(&runtimes, *json),
    }
    Ok(())
}

fn list(runtimes: &Runtimes, json: bool) {
    for listed in runtimes.list() {
        let (there, text) = match &listed.state {
            Ok(text) => (true, text),
            Err(text) => (false, text),
        };
        let name = listed.name.text;
        output::line(&if json {
            let deprecated = listed.name.deprecated;
            json!({ "name": name, "ready": there, "detail": text, "deprecated": deprecated }).to_string()
        } else {
            let mark = if there { "yes" } else { "no " };
            let note = listed
                .name
                .deprecated
                .map_or(String::new(), |since| format!(" [deprecated {since}: needs --deprecated-runtimes]"));
            format!("{mark} {name:<16} {text}{note}")
        });
    }
}

/// In one line, what this machine has, and what not.
pub(crate) fn summary(data_dir: &Path, given: Option<PathBuf>) -> Result<String, String> {
    let (there, missing): (Vec<_>, Vec<_>) = runtimes(data_dir, given)
        .map_err(|error| error.to_string())?
        .list()
        .into_iter()
        .filter(|listed| listed.name.deprecated.is_none())
        .partition(|listed| listed.state.is_ok());
    let names = |listed: Vec<ropeway_runtime::runtimes::Listed>| {
        listed.iter().map(|listed| listed.name.text).collect::<Vec<_>>().join(", ")
    };
    let (there, missing) = (names(there), names(missing));
    Ok(if missing.is_empty() { there } else { format!("{there}; without an interpreter here: {missing}") })
}
