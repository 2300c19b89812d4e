//! What the tests need from outside: protocol vectors, Python and Node packages, all under `target/`.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::codegen::BOTOCORE;
use crate::run::run;

/// botocore's own tests, which carry the protocol vectors and the SigV4 suite.
pub fn vectors(root: &Path) -> Result<(), String> {
    let dir = root.join("target/vectors");
    if is_done(&dir, BOTOCORE) {
        return Ok(());
    }
    make_empty(&dir)?;
    run(Command::new("python3")
        .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"])
        .args(["--no-binary", ":all:", "--dest"])
        .arg(&dir)
        .arg(format!("botocore=={BOTOCORE}")))?;
    run(Command::new("tar")
        .arg("xzf")
        .arg(dir.join(format!("botocore-{BOTOCORE}.tar.gz")))
        .arg("-C")
        .arg(&dir))?;
    std::fs::rename(dir.join(format!("botocore-{BOTOCORE}")), dir.join("botocore"))
        .map_err(|e| e.to_string())?;
    done(&dir, BOTOCORE)
}

/// The Python of the tests' own environment.
pub fn python(root: &Path) -> Result<PathBuf, String> {
    let dir = root.join("target/venv");
    let wanted = read(&root.join("tests/python/requirements.txt"))?;
    let python = dir.join("bin/python");
    if !is_done(&dir, &wanted) {
        make_empty(&dir)?;
        run(Command::new("python3").args(["-m", "venv"]).arg(&dir))?;
        run(Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
            .arg(root.join("tests/python/requirements.txt")))?;
        done(&dir, &wanted)?;
    }
    Ok(python)
}

/// The Node packages of the tests; says where they are.
pub fn node(root: &Path) -> Result<PathBuf, String> {
    let dir = root.join("target/node");
    let wanted = read(&root.join("tests/node/package-lock.json"))?;
    if !is_done(&dir, &wanted) {
        make_empty(&dir)?;
        for name in ["package.json", "package-lock.json"] {
            std::fs::copy(root.join("tests/node").join(name), dir.join(name))
                .map_err(|e| format!("{name}: {e}"))?;
        }
        run(Command::new("npm").args(["ci", "--silent", "--no-audit", "--no-fund"]).current_dir(&dir))?;
        done(&dir, &wanted)?;
    }
    Ok(dir)
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

fn make_empty(dir: &Path) -> Result<(), String> {
    if dir.exists() {
        std::fs::remove_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    }
    std::fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))
}

/// True if the folder was completed for just this.
fn is_done(dir: &Path, wanted: &str) -> bool {
    std::fs::read_to_string(dir.join(".complete")).is_ok_and(|found| found == wanted)
}

fn done(dir: &Path, wanted: &str) -> Result<(), String> {
    std::fs::write(dir.join(".complete"), wanted).map_err(|e| e.to_string())
}
