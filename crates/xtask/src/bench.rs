//! `cargo xtask bench`.

use std::path::Path;
use std::process::Command;

use crate::run::{cargo, run, target_dir};

/// Builds server and load generator for release, and measures; further arguments go to the latter.
/// `functions` measures functions instead of the other services, `apis` APIs.
pub fn bench(root: &Path, arguments: &[&str]) -> Result<(), String> {
    run(&mut cargo(
        root,
        &[
            "build",
            "--release",
            "--bin",
            "ropeway",
            "--bin",
            "ropeway-bench",
            "--bin",
            "greet",
            "--bin",
            "presign",
        ],
    ))?;
    let release = target_dir(root).join("release");
    let server = release.join("ropeway");
    let mut command = Command::new(release.join("ropeway-bench"));
    match arguments.split_first() {
        Some((&"functions", rest)) => {
            command.args(["functions", "--runtimes-dir"]).arg(root.join("target/runtimes"));
            command.arg("--function").arg(release.join("greet")).arg("--server").arg(server).args(rest)
        }
        Some((&"apis", rest)) => {
            let function = release.join("presign");
            command.arg("apis").arg("--function").arg(function).arg("--server").arg(server).args(rest)
        }
        _ => command.arg("all").arg("--server").arg(server).args(arguments),
    };
    run(&mut command)
}
