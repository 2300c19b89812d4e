use ropeway_core::functions::{Logging, Package};

use super::*;

fn machine() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }
}

fn spec(runtime: &str) -> FunctionSpec {
    FunctionSpec {
        account: "000000000000".to_owned(),
        region: "us-east-1".to_owned(),
        name: "fn".to_owned(),
        version: "$LATEST".to_owned(),
        arn: "arn:aws:lambda:us-east-1:000000000000:function:fn".to_owned(),
        revision: "1".to_owned(),
        runtime: runtime.to_owned(),
        handler: Some("index.handler".to_owned()),
        architecture: machine().to_owned(),
        timeout_secs: 3,
        memory_mib: 200,
        tmp_mib: 512,
        environment: BTreeMap::new(),
        code: Package { sha256: String::new(), size: 0 },
        layers: Vec::new(),
        role: String::new(),
        logging: Logging { group: String::new(), json: false, application_level: None, system_level: None },
        traced: false,
    }
}

/// A machine whose only program is a Node of this version, and none else.
struct Machine {
    directory: tempfile::TempDir,
    settings: Settings,
}

impl Machine {
    fn new(node: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        super::find::tests::fake(&directory.path().join("bin/node"), node);
        let settings =
            Settings { directory: directory.path().join("data"), no_sdk: true, ..Settings::default() };
        Machine { directory, settings }
    }

    fn runtimes(&self) -> Runtimes {
        let mut runtimes = Runtimes::new(self.settings.clone());
        runtimes.places = Places { path: self.directory.path().join("bin").into(), ..Places::default() };
        runtimes
    }
}

fn why(result: Result<(), NotRun>) -> String {
    match result {
        Err(NotRun::NoRuntime(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn provided_runtimes_are_always_there() {
    let runtimes = Machine::new("20.1.0").runtimes();
    assert_eq!(runtimes.check("provided.al2023", machine()), Ok(()));
    let other = if machine() == "arm64" { "x86_64" } else { "arm64" };
    assert!(why(runtimes.check("provided.al2023", other)).contains("this machine is"));
}

#[test]
fn what_is_not_run_is_refused_by_name() {
    let runtimes = Machine::new("20.1.0").runtimes();
    for name in ["ruby3.3", "go1.x", "java11", "dotnet8", "nodejs6.10", "", "python2.7"] {
        assert!(why(runtimes.check(name, machine())).contains(&format!("does not run {name};")));
    }
}

#[test]
fn a_missing_interpreter_is_said_with_the_way_out() {
    let machine_ = Machine::new("20.1.0");
    let runtimes = machine_.runtimes();
    assert_eq!(runtimes.check("nodejs20.x", machine()), Ok(()));
    assert_eq!(
        why(runtimes.check("nodejs22.x", machine())),
        "this machine has no Node 22, which nodejs22.x needs: `ropeway runtime add nodejs22.x` adds it, or name a \
         stand-in with --stand-in nodejs22.x=RUNTIME"
    );
    assert!(why(runtimes.check("python3.13", machine())).contains("no Python 3.13"));
}

#[test]
fn a_stand_in_serves_where_the_setting_names_it() {
    let mut machine_ = Machine::new("20.1.0");
    machine_.settings.stand_ins.insert("nodejs22.x".to_owned(), "nodejs20.x".to_owned());
    machine_.settings.stand_ins.insert("nodejs24.x".to_owned(), "nodejs18.x".to_owned());
    let runtimes = machine_.runtimes();
    assert_eq!(runtimes.check("nodejs22.x", machine()), Ok(()));
    assert!(why(runtimes.check("nodejs24.x", machine())).contains("nor is there its stand-in, nodejs18.x"));
    assert!(why(runtimes.check("nodejs18.x", machine())).contains("--stand-in nodejs18.x=RUNTIME"));
}

#[test]
fn stand_ins_are_of_the_same_language() {
    let check = |runtime: &str, other: &str| {
        check_stand_ins(&BTreeMap::from([(runtime.to_owned(), other.to_owned())]))
    };
    assert_eq!(check("nodejs18.x", "nodejs20.x"), Ok(()));
    assert!(check("nodejs18.x", "python3.11").unwrap_err().contains("different languages"));
    assert!(check("ruby3.3", "nodejs20.x").unwrap_err().contains("does not run ruby3.3"));
}

#[test]
fn deprecated_names_are_admitted_by_a_setting() {
    let mut machine_ = Machine::new("16.20.2");
    let refused = why(machine_.runtimes().check("nodejs16.x", machine()));
    assert!(refused.starts_with("The runtime parameter of nodejs16.x is no longer supported"));
    assert!(refused.contains("2024-06-12"));
    machine_.settings.deprecated = true;
    assert_eq!(machine_.runtimes().check("nodejs16.x", machine()), Ok(()));
}

#[test]
fn an_interpreter_that_goes_away_is_missed() {
    let machine_ = Machine::new("20.1.0");
    let runtimes = machine_.runtimes();
    assert_eq!(runtimes.check("nodejs20.x", machine()), Ok(()));
    std::fs::remove_file(machine_.directory.path().join("bin/node")).unwrap();
    assert!(runtimes.check("nodejs20.x", machine()).is_err());
}

#[tokio::test]
async fn node_is_started_with_its_bootstrap() {
    let machine_ = Machine::new("20.19.0");
    let mut spec = spec("nodejs20.x");
    let launch = machine_.runtimes().launch(&spec).await.unwrap();
    assert_eq!(launch.program, Path::new("/var/lang/bin/node"));
    assert_eq!(
        launch.args,
        [
            "--max-semi-space-size=10",
            "--max-old-space-size=180",
            "--max-http-header-size=81920",
            "--no-experimental-require-module",
            "/var/lang/bootstrap/index.js",
        ]
    );
    let bootstrap = &launch.binds.iter().find(|bind| bind.inside == Path::new(BOOTSTRAP)).unwrap().host;
    assert!(bootstrap.join("index.js").is_file());
    assert!(launch.env.iter().any(|(name, value)| name == "NODE_PATH"
        && value.starts_with(
            "/opt/nodejs/node20/node_modules:/opt/nodejs/node_modules:/var/runtime/node_modules"
        )));

    spec.environment.insert("NODE_PATH".to_owned(), "/own".to_owned());
    let options = "--max_old_space_size=64 --experimental-require-module".to_owned();
    spec.environment.insert("NODE_OPTIONS".to_owned(), options);
    let launch = machine_.runtimes().launch(&spec).await.unwrap();
    assert!(launch.env.iter().all(|(name, _)| name != "NODE_PATH"));
    assert_eq!(launch.args, ["--max-http-header-size=81920", "/var/lang/bootstrap/index.js"]);
}

#[tokio::test]
async fn what_a_runtime_brings_needs_the_tool_that_fetches_it() {
    let mut machine_ = Machine::new("20.19.0");
    machine_.settings.no_sdk = false;
    let refused = machine_.runtimes().launch(&spec("nodejs20.x")).await;
    let why = "nodejs20.x: npm is not on PATH, and is needed once to fetch it".to_owned();
    assert_eq!(refused, Err(NotRun::NoRuntime(why)));
}

#[test]
fn names_are_each_of_their_own() {
    for (index, name) in NAMES.iter().enumerate() {
        assert_eq!(Name::find(name.text), Some(*name));
        assert!(NAMES.iter().skip(index + 1).all(|other| other.text != name.text));
    }
}
