//! `cargo xtask bench`.

use std::path::Path;
use std::process::Command;

use crate::run::{cargo, run, target_dir};

/// Builds server and load generator for release, and measures; further arguments go to the latter.
pub fn bench(root: &Path, arguments: &[&str]) -> Result<(), String> {
    run(&mut cargo(root, &["build", "--release", "--bin", "ropeway", "--bin", "ropeway-bench"]))?;
    let release = target_dir(root).join("release");
    run(Command::new(release.join("ropeway-bench"))
        .arg("all")
        .arg("--server")
        .arg(release.join("ropeway"))
        .args(arguments))
}
