//! `cargo xtask demo`: the reference systems, from an empty directory to what a person can go on with.

use std::path::Path;
use std::process::Command;

use crate::run::{cargo, run, target_dir};
use crate::setup;

/// Builds, and hands over to the script that plays the story.
pub fn demo(root: &Path, arguments: &[&str]) -> Result<(), String> {
    let binaries = ["--bin", "ropeway", "--bin", "order-events", "--bin", "producer-consumer"];
    run(cargo(root, &["build", "--release"]).args(binaries))?;
    let release = target_dir(root).join("release");
    let python = setup::python(root)?;
    run(Command::new(python)
        .arg(root.join("systems/demo.py"))
        .arg("--ropeway")
        .arg(release.join("ropeway"))
        .arg("--drivers")
        .arg(&release)
        .args(arguments)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(root))
}
