//! Java: the runtime interface client, and how it is started.

use std::path::{Path, PathBuf};

use ropeway_core::functions::FunctionSpec;
use sha2::{Digest as _, Sha256};

use super::find::{Interpreter, Places, program};
use super::making::{self, Store};
use super::{Bind, Launch, SDK, framed, own};

/// The official client and what it needs: group, artifact, version, SHA-256.
const JARS: [(&str, &str, &str, &str); 5] = [
    (
        "com.amazonaws",
        "aws-lambda-java-runtime-interface-client",
        "2.9.0",
        "26568a5f63bf9e921567e77661be425650abc8972bae2aa0b7e99bab4e4239d9",
    ),
    (
        "com.amazonaws",
        "aws-lambda-java-core",
        "1.4.0",
        "575c24393cc1ad645e83e618956eabd89ffe8cc09efae2cb62bc6589154d68ed",
    ),
    (
        "com.amazonaws",
        "aws-lambda-java-serialization",
        "1.2.0",
        "1513c1f945a3213f916a4b2de1760c97b51d84d110f82bbbcf9cfac53d5651e7",
    ),
    (
        "software.amazon.awssdk",
        "utils-lite",
        "2.34.0",
        "efaf784f07ae526f0b5c89d71ef21cf16636131c47d44616e3df9bedc3f4f89a",
    ),
    (
        "software.amazon.awssdk",
        "annotations",
        "2.34.0",
        "fafdcb55f4e5af603f5219f4a2b080aa0decb562a7c0944f7a7eca82dd47e487",
    ),
];
const MAIN: &str = "com.amazonaws.services.lambda.runtime.api.client.AWSLambda";

/// The name of the client's directory.
pub fn client_name() -> String {
    format!("client-java-{}", making::digest(JARS.iter().map(|jar| jar.3)))
}

/// The directory with the client, in `lib`.
pub async fn client(store: &Store, places: &Places) -> Result<PathBuf, String> {
    store
        .directory(&client_name(), async |directory| {
            let maven =
                program(&places.path, "mvn").ok_or("mvn is not on PATH, and is needed once to fetch it")?;
            let said = |error: std::io::Error| error.to_string();
            std::fs::write(directory.join("pom.xml"), pom()).map_err(said)?;
            let arguments =
                ["-q", "-B", "-f", "pom.xml", "dependency:copy-dependencies", "-DoutputDirectory=lib"];
            making::run(&maven, &arguments, directory).await?;
            check(&directory.join("lib"))
        })
        .await
}

fn pom() -> String {
    let dependencies: String = JARS
        .iter()
        .map(|(group, artifact, version, _)| {
            format!(
                "<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
                 <version>{version}</version></dependency>"
            )
        })
        .collect();
    format!(
        "<project><modelVersion>4.0.0</modelVersion><groupId>ropeway</groupId><artifactId>client</artifactId>\
         <version>1</version><dependencies>{dependencies}</dependencies></project>"
    )
}

/// The jars are the pinned ones, all of them and no others.
fn check(directory: &Path) -> Result<(), String> {
    for (_, artifact, version, hash) in JARS {
        let jar = directory.join(format!("{artifact}-{version}.jar"));
        let bytes = std::fs::read(&jar).map_err(|error| format!("{}: {error}", jar.display()))?;
        if hex::encode(Sha256::digest(&bytes)) != hash {
            return Err(format!("{artifact} {version} is not the one that is pinned"));
        }
    }
    match std::fs::read_dir(directory).map(Iterator::count) {
        Ok(count) if count == JARS.len() => Ok(()),
        Ok(count) => Err(format!("{count} jars came where {} are pinned", JARS.len())),
        Err(error) => Err(error.to_string()),
    }
}

/// How a function's processes are started: the client loads the package and its layers by itself, with a
/// quick compiler and a plain collector, as short-lived processes want them.
pub fn launch(spec: &FunctionSpec, java: &Interpreter, client: PathBuf) -> Launch {
    let mut binds = vec![Bind { host: client, inside: PathBuf::from(SDK) }];
    if !java.prefix.starts_with("/usr") {
        binds.push(Bind::same(&java.prefix));
    }
    binds.extend(settings_elsewhere(&java.prefix).iter().map(|path| Bind::same(path)));
    // What is left is for the code, the threads and the machine itself.
    let heap = u64::from(spec.memory_mib) * 3 / 4;
    let mut args = vec![
        format!("-XX:MaxHeapSize={heap}m"),
        "-XX:+UseSerialGC".to_owned(),
        "-XX:TieredStopAtLevel=1".to_owned(),
        "-Djava.net.preferIPv4Stack=true".to_owned(),
        // The client makes its log's stream from a descriptor's number.
        "--add-opens=java.base/java.io=ALL-UNNAMED".to_owned(),
    ];
    // The client loads a library of its own, of which newer versions warn otherwise.
    if java
        .version
        .split('.')
        .next()
        .and_then(|major| major.parse().ok())
        .is_some_and(|major: u32| major >= 24)
    {
        args.push("--enable-native-access=ALL-UNNAMED".to_owned());
    }
    args.extend([
        "-cp".to_owned(),
        format!("{SDK}/lib/*"),
        MAIN.to_owned(),
        spec.handler.clone().unwrap_or_default(),
    ]);
    let mut env = own(spec, &[("JAVA_HOME", &java.prefix.display().to_string())]);
    env.push(framed());
    Launch {
        program: java.program.clone(),
        args: args.into_iter().map(Into::into).collect(),
        env,
        binds,
        // Often a link, to where a system keeps it for all its programs.
        trust_store: java.prefix.join("lib/security/cacerts").canonicalize().ok(),
    }
}

/// Directories below `/etc` that a distribution's JDK keeps its settings in.
fn settings_elsewhere(home: &Path) -> Vec<PathBuf> {
    let files = ["conf/security/java.security", "conf/logging.properties", "lib/jvm.cfg"];
    let mut found: Vec<PathBuf> = files
        .iter()
        .filter_map(|file| home.join(file).canonicalize().ok())
        .filter_map(|real| {
            let name = real.strip_prefix("/etc").ok()?.components().next()?;
            Some(Path::new("/etc").join(name))
        })
        .collect();
    found.sort();
    found.dedup();
    found
}
