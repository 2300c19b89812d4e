//! How code is built: Rust by cargo, Node by npm, Python by pip; anything else is packed as it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::artifact::Artifact;
use super::{archive, text};
use crate::{Failure, output};

/// Builds an artifact; gives its archive.
///
/// # Errors
/// A path that is not there, a build method that is not supported (by its name), a build that fails.
pub(super) fn build(artifact: &Artifact, folder: &Path) -> Result<Vec<u8>, Failure> {
    let named = folder.join(&artifact.path);
    let there = |e: std::io::Error| Failure::Usage(format!("{}: {e}", named.display()));
    // Without links: cargo looks for a package's workspace in the folders above it.
    let path = fs::canonicalize(&named).map_err(there)?;
    if path.is_file() {
        return pack_file(&path).map_err(there);
    }
    match artifact.method.as_deref() {
        None | Some("rust-cargolambda") => {}
        Some(method) if artifact.runtime.starts_with(method) || method == artifact.runtime => {}
        Some(method) => {
            let message = format!("{}: the BuildMethod {method} is not supported", artifact.resource);
            return Err(Failure::Usage(message));
        }
    }
    let has = |name: &str| path.join(name).is_file();
    match artifact.runtime.as_str() {
        runtime if runtime.starts_with("provided.") && has("Cargo.toml") => cargo(artifact, &path),
        runtime if runtime.starts_with("nodejs") && needs_npm(&path)? => npm(artifact, &path),
        runtime if runtime.starts_with("python") && has("requirements.txt") => pip(artifact, &path),
        _ => archive::of_folder(&path).map_err(there),
    }
}

/// An archive is taken as it is; any other file is packed alone.
fn pack_file(path: &Path) -> std::io::Result<Vec<u8>> {
    if path.extension().is_some_and(|extension| extension == "zip" || extension == "jar") {
        return fs::read(path);
    }
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("file");
    archive::of_file(path, name)
}

/// A Rust package: its program becomes the archive's `bootstrap`.
fn cargo(artifact: &Artifact, path: &Path) -> Result<Vec<u8>, Failure> {
    output::line(&format!("  building {} with cargo", artifact.resource));
    let mut command = Command::new("cargo");
    command.args(["build", "--release", "--message-format", "json-render-diagnostics", "--manifest-path"]);
    command.arg(path.join("Cargo.toml"));
    if let Some(binary) = &artifact.binary {
        command.args(["--bin", binary]);
    }
    let printed = run(command.stderr(Stdio::inherit()), artifact)?;
    let mut programs = programs(&printed);
    let program = match (programs.pop(), programs.is_empty()) {
        (Some(program), true) => program,
        _ => {
            let message = format!(
                "{}: {} has not one program; name it in the template: Metadata, BuildProperties, Binary",
                artifact.resource,
                path.display()
            );
            return Err(Failure::Usage(message));
        }
    };
    archive::of_file(&program, "bootstrap").map_err(|e| failed(artifact, &e))
}

/// The programs that cargo says it has built.
fn programs(printed: &str) -> Vec<PathBuf> {
    let messages = printed.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let artifacts = messages.filter(|message| text(message, &["reason"]) == Some("compiler-artifact"));
    artifacts.filter_map(|message| text(&message, &["executable"]).map(PathBuf::from)).collect()
}

/// True if a Node package has dependencies.
fn needs_npm(path: &Path) -> Result<bool, Failure> {
    let file = path.join("package.json");
    let Ok(manifest) = fs::read(&file) else { return Ok(false) };
    let manifest: Value =
        serde_json::from_slice(&manifest).map_err(|e| Failure::Usage(format!("{}: {e}", file.display())))?;
    let dependencies = manifest.get("dependencies").and_then(Value::as_object);
    Ok(dependencies.is_some_and(|dependencies| !dependencies.is_empty()))
}

/// A Node package, with its dependencies as its lock file says, or as its manifest does.
fn npm(artifact: &Artifact, path: &Path) -> Result<Vec<u8>, Failure> {
    output::line(&format!("  building {} with npm", artifact.resource));
    let copy = copied(artifact, path)?;
    let verb = if path.join("package-lock.json").is_file() { "ci" } else { "install" };
    let mut command = Command::new("npm");
    command.args([verb, "--omit=dev", "--no-audit", "--no-fund"]).current_dir(copy.path());
    run(&mut command, artifact)?;
    archive::of_folder(copy.path()).map_err(|e| failed(artifact, &e))
}

/// A Python package, with its requirements beside it.
fn pip(artifact: &Artifact, path: &Path) -> Result<Vec<u8>, Failure> {
    output::line(&format!("  building {} with pip", artifact.resource));
    let copy = copied(artifact, path)?;
    let mut command = Command::new("python3");
    command.args(["-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check"]);
    command.args(["--requirement", "requirements.txt", "--target", "."]).current_dir(copy.path());
    run(&mut command, artifact)?;
    archive::of_folder(copy.path()).map_err(|e| failed(artifact, &e))
}

/// A copy of a folder, for a build that adds to it.
fn copied(artifact: &Artifact, path: &Path) -> Result<tempfile::TempDir, Failure> {
    let copy = tempfile::tempdir()?;
    let mut command = Command::new("cp");
    command.args(["-R", "-L"]).arg(path.join(".")).arg(copy.path());
    run(&mut command, artifact)?;
    Ok(copy)
}

/// Runs a build; gives what it printed.
fn run(command: &mut Command, artifact: &Artifact) -> Result<String, Failure> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|e| failed(artifact, &format!("{program}: {e}")))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(failed(artifact, &format!("{program} ended with {}: {}", output.status, said.trim())))
}

fn failed(artifact: &Artifact, why: &dyn std::fmt::Display) -> Failure {
    Failure::Failed(format!("{} could not be built: {why}", artifact.resource))
}
