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
    Ok(environment(root, "target/venv", "tests/python/requirements.txt")?.join("python"))
}

/// The folder of SAM's tools, which want other versions of botocore than the tests.
pub fn sam_tools(root: &Path) -> Result<PathBuf, String> {
    environment(root, "target/sam", "tests/python/requirements-sam.txt")
}

/// A Python environment of just these packages; its folder of programs.
fn environment(root: &Path, dir: &str, requirements: &str) -> Result<PathBuf, String> {
    let (dir, requirements) = (root.join(dir), root.join(requirements));
    let wanted = read(&requirements)?;
    let programs = dir.join("bin");
    if !is_done(&dir, &wanted) {
        make_empty(&dir)?;
        run(Command::new("python3").args(["-m", "venv"]).arg(&dir))?;
        run(Command::new(programs.join("python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
            .arg(requirements))?;
        done(&dir, &wanted)?;
    }
    Ok(programs)
}

/// The browser of the tests: the one that `ROPEWAY_CHROMIUM` names, or `chromium` of the path.
pub fn chromium() -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let named = std::env::var_os("ROPEWAY_CHROMIUM").map(PathBuf::from);
    let mut places = named.into_iter().chain(std::env::split_paths(&path).map(|dir| dir.join("chromium")));
    places.find(|place| place.is_file()).ok_or_else(|| {
        "the tests need Chromium: install it (on Debian, `apt-get install chromium`), or name another build of it in \
         ROPEWAY_CHROMIUM"
            .to_owned()
    })
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
