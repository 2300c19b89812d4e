//! Packages of the Python registry, kept under `target/`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The data folder of a botocore version, its models unpacked.
pub fn botocore_data(root: &Path, version: &str) -> Result<PathBuf, String> {
    let base = root.join("target/codegen").join(format!("botocore-{version}"));
    let data = base.join("botocore/data");
    if base.join("complete").exists() {
        return Ok(data);
    }
    std::fs::create_dir_all(&base).map_err(|e| format!("{}: {e}", base.display()))?;
    run(Command::new("python3")
        .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--dest"])
        .arg(&base)
        .arg(format!("botocore=={version}")))?;
    run(Command::new("python3").arg("-c").arg(UNPACK).arg(&base))?;
    std::fs::write(base.join("complete"), "").map_err(|e| e.to_string())?;
    Ok(data)
}

/// Unpacks the models of a wheel, newer ones being gzip'd.
const UNPACK: &str = r#"
import glob, gzip, os, sys, zipfile
base = sys.argv[1]
wheel = zipfile.ZipFile(glob.glob(os.path.join(base, "*.whl"))[0])
for name in wheel.namelist():
    if "/data/" in name and "/service-2.json" in name:
        body = wheel.read(name)
        if name.endswith(".gz"):
            name, body = name[:-3], gzip.decompress(body)
        path = os.path.join(base, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        open(path, "wb").write(body)
"#;

fn run(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|e| format!("{command:?}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} failed: {status}")) }
}
