//! `cargo xtask test`: everything that proves the project, step by step.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::run::{cargo, run as execute, target_dir};
use crate::{codegen, setup, tidy};

type Step = (&'static str, fn(&Path) -> Result<(), String>);

const STEPS: &[Step] = &[
    ("format", |root| execute(&mut cargo(root, &["fmt", "--all", "--check"]))),
    ("codegen", |root| codegen::run(root, true)),
    ("tidy", tidy::run),
    ("vectors", setup::vectors),
    ("clippy", |root| {
        execute(&mut cargo(
            root,
            &["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"],
        ))
    }),
    ("build", |root| execute(&mut cargo(root, &["build", "--quiet", "--workspace", "--bins"]))),
    ("rust", |root| {
        execute(
            cargo(root, &["test", "--quiet", "--workspace", "--no-fail-fast"])
                .env("ROPEWAY_BIN", binary(root)),
        )
    }),
    ("python", python),
    ("node", node),
];

/// Runs the steps of these names, or all.
pub fn run(root: &Path, names: &[&str]) -> Result<(), String> {
    if let Some(unknown) = names.iter().find(|name| !STEPS.iter().any(|(step, _)| step == *name)) {
        let known: Vec<&str> = STEPS.iter().map(|(name, _)| *name).collect();
        return Err(format!("there is no step {unknown}; the steps are {}", known.join(", ")));
    }
    let mut passed = 0;
    for (name, step) in STEPS.iter().filter(|(name, _)| names.is_empty() || names.contains(name)) {
        println!("── {name}");
        let started = Instant::now();
        if let Err(why) = step(root) {
            println!("steps: {passed} passed, 1 failed");
            return Err(format!("the step {name} failed: {why}"));
        }
        println!("── {name}: passed in {} s", started.elapsed().as_secs());
        passed += 1;
    }
    println!("steps: {passed} passed, 0 failed");
    Ok(())
}

/// The server that the clients' tests start.
pub fn binary(root: &Path) -> std::path::PathBuf {
    target_dir(root).join("debug/ropeway")
}

fn python(root: &Path) -> Result<(), String> {
    let chromium = setup::chromium()?;
    let python = setup::python(root)?;
    let sam_tools = setup::sam_tools(root)?;
    execute(
        Command::new(python)
            .args(["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/python"])
            .env("ROPEWAY_BIN", binary(root))
            .env("ROPEWAY_CHROMIUM", chromium)
            .env("ROPEWAY_SAM_TOOLS", sam_tools)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .current_dir(root),
    )
}

fn node(root: &Path) -> Result<(), String> {
    let packages = setup::node(root)?;
    let tests = root.join("tests/node");
    let mut files: Vec<_> = std::fs::read_dir(&tests)
        .map_err(|e| e.to_string())?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.to_string_lossy().ends_with(".test.mjs"))
        .collect();
    files.sort();
    // Modules are found from where a file is: the tests run from a copy beside the packages.
    let copy = packages.join("tests");
    std::fs::create_dir_all(&copy).map_err(|e| e.to_string())?;
    for entry in std::fs::read_dir(&tests).map_err(|e| e.to_string())?.flatten() {
        if entry.path().extension().is_some_and(|e| e == "mjs") {
            std::fs::copy(entry.path(), copy.join(entry.file_name())).map_err(|e| e.to_string())?;
        }
    }
    let copied = files.iter().filter_map(|file| Some(copy.join(file.file_name()?)));
    execute(
        Command::new("node")
            .arg("--test")
            .args(copied)
            .env("ROPEWAY_BIN", binary(root))
            .current_dir(&packages),
    )
}
