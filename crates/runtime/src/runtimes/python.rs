//! Python: how it is started, and the SDK that its runtimes bring.

use std::path::{Path, PathBuf};

use ropeway_core::functions::FunctionSpec;

use super::find::{Interpreter, Places, program};
use super::making::{self, Store};
use super::{BOOTSTRAP, Bind, Launch, SDK, framed, own};

/// What the managed runtimes bring: boto3 and `awslambdaric` with what they need, each wheel by its hash.
/// Older versions get the last releases that ran on them.
const PINS: [(u32, &str); 5] = [
    (6, include_str!("pins/python3.6.txt")),
    (7, include_str!("pins/python3.7.txt")),
    (8, include_str!("pins/python3.8.txt")),
    (9, include_str!("pins/python3.9.txt")),
    (10, include_str!("pins/python.txt")),
];

/// The bootstrap's files.
const FILES: [(&str, &str); 8] = [
    ("bootstrap.py", include_str!("../../bootstraps/python/bootstrap.py")),
    ("ropeway_python/__init__.py", include_str!("../../bootstraps/python/ropeway_python/__init__.py")),
    ("ropeway_python/client.py", include_str!("../../bootstraps/python/ropeway_python/client.py")),
    ("ropeway_python/context.py", include_str!("../../bootstraps/python/ropeway_python/context.py")),
    ("ropeway_python/errors.py", include_str!("../../bootstraps/python/ropeway_python/errors.py")),
    ("ropeway_python/log_handler.py", include_str!("../../bootstraps/python/ropeway_python/log_handler.py")),
    ("ropeway_python/logs.py", include_str!("../../bootstraps/python/ropeway_python/logs.py")),
    ("ropeway_python/marshal.py", include_str!("../../bootstraps/python/ropeway_python/marshal.py")),
];

/// The bootstrap's directory, compiled by the interpreter that will run it.
pub async fn bootstrap(store: &Store, python: &Interpreter) -> Result<PathBuf, String> {
    let hash = making::digest(FILES.iter().flat_map(|(name, text)| [*name, *text]));
    store
        .directory(&format!("bootstrap-python-{}-{hash}", python.version), async |directory| {
            let said = |error: std::io::Error| error.to_string();
            std::fs::create_dir(directory.join("ropeway_python")).map_err(said)?;
            for (name, text) in FILES {
                std::fs::write(directory.join(name), text).map_err(said)?;
            }
            compile(python, directory).await
        })
        .await
}

/// The minor version of an interpreter, and what runtimes of it bring.
fn pins(python: &Interpreter) -> (u32, &'static str) {
    let minor = python.version.split('.').nth(1).and_then(|minor| minor.parse().ok()).unwrap_or_default();
    (minor, PINS.iter().rev().find(|(from, _)| *from <= minor).map_or("", |(_, pins)| pins))
}

/// The name of the directory with the SDK that an interpreter's runtimes bring.
pub fn sdk_name(python: &Interpreter) -> String {
    format!("sdk-python-{}-{}", python.version, making::digest([pins(python).1]))
}

/// The directory with the SDK that an interpreter's runtimes bring.
pub async fn sdk(store: &Store, places: &Places, python: &Interpreter) -> Result<PathBuf, String> {
    let (minor, pins) = pins(python);
    store
        .directory(&sdk_name(python), async |directory| {
            let file = directory.join("requirements.txt");
            std::fs::write(&file, pins).map_err(|error| error.to_string())?;
            install(places, python, minor, directory).await?;
            compile(python, directory).await
        })
        .await
}

async fn install(places: &Places, python: &Interpreter, minor: u32, directory: &Path) -> Result<(), String> {
    let version = format!("3.{minor}");
    let arguments = [
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
        "--no-deps",
        "--no-compile",
        "--require-hashes",
        "--only-binary=:all:",
        "--python-version",
        &version,
        "--target",
        ".",
        "--requirement",
        "requirements.txt",
    ];
    let own = making::run(&python.program, &["-m", "pip", "--version"], directory).await;
    if own.is_ok() {
        let arguments = [&["-m", "pip"], arguments.as_slice()].concat();
        return making::run(&python.program, &arguments, directory).await;
    }
    let pip = ["pip3", "pip"].into_iter().find_map(|name| program(&places.path, name));
    let missing = || format!("neither {} nor PATH has pip, which is needed once", python.program.display());
    making::run(&pip.ok_or_else(missing)?, &arguments, directory).await
}

async fn compile(python: &Interpreter, directory: &Path) -> Result<(), String> {
    making::run(&python.program, &["-S", "-E", "-m", "compileall", "-q", "."], directory).await
}

/// How a function's processes are started. Without the machine's own packages (`-S`), as in Lambda.
pub fn launch(spec: &FunctionSpec, python: &Interpreter, bootstrap: PathBuf, sdk: Option<PathBuf>) -> Launch {
    let mut binds = vec![Bind { host: bootstrap, inside: PathBuf::from(BOOTSTRAP) }];
    binds.extend(sdk.map(|host| Bind { host, inside: PathBuf::from(SDK) }));
    // Python finds its library by its own place, so both keep theirs; those of the system are there.
    if !python.prefix.starts_with("/usr") {
        binds.extend([&python.program, &python.prefix.join("lib")].map(|path| Bind::same(path)));
    }
    let mut env = own(spec, &[("PYTHONPATH", SDK)]);
    env.push(framed());
    // Before Python 3.7, output was ASCII wherever the locale is not installed.
    if python.version.starts_with("3.6.") {
        env.push(("PYTHONIOENCODING".to_owned(), "utf-8".to_owned()));
    }
    let args = vec!["-S".into(), format!("{BOOTSTRAP}/bootstrap.py").into()];
    Launch { program: python.program.clone(), args, env, binds, trust_store: None }
}
