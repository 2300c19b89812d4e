//! `cargo xtask demo`: the reference systems, from an empty directory to what a person can go on with.

use std::path::Path;
use std::process::Command;

use crate::run::{cargo, run, target_dir};
use crate::setup;

/// Builds, and hands over to the script that plays the story.
pub fn demo(root: &Path, arguments: &[&str]) -> Result<(), String> {
    run(&mut cargo(root, &["build", "--release", "--bin", "ropeway", "--bin", "order-events"]))?;
    let release = target_dir(root).join("release");
    let python = setup::python(root)?;
    run(Command::new(python)
        .arg(root.join("systems/demo.py"))
        .arg("--ropeway")
        .arg(release.join("ropeway"))
        .arg("--drivers")
        .arg(release.join("order-events"))
        .args(arguments)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(root))
}
