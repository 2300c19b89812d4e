//! Set-up, code generation, checks, tests: `cargo xtask help`.

#![allow(clippy::disallowed_methods, reason = "a developers' tool, with a clock and threads of its own")]

mod bench;
mod codegen;
mod demo;
mod run;
mod setup;
mod test;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const HELP: &str = "\
usage: cargo xtask COMMAND

  demo             build, start on an empty directory, deploy and run the reference systems
  test [STEP…]     install what the tests need, lint, and run every test (or the steps named)
  bench            measure, beside the ceilings, in one run
  codegen [--check] write crates/api from the service models (or say what differs)
  tidy             lengths of files and functions, licences, links of the documents, unread inputs";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match dispatch(&root(), &words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(root: &Path, words: &[&str]) -> Result<(), String> {
    match words {
        ["codegen"] => codegen::run(root, false),
        ["codegen", "--check"] => codegen::run(root, true),
        ["tidy"] => tidy::run(root),
        ["test", steps @ ..] => test::run(root, steps),
        ["demo", rest @ ..] => demo::demo(root, rest),
        ["bench", rest @ ..] => bench::bench(root, rest),
        ["help"] => {
            println!("{HELP}");
            Ok(())
        }
        _ => Err(HELP.to_owned()),
    }
}

/// The workspace's root.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    here.canonicalize().unwrap_or(here)
}
