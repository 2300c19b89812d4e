//! The handlers whose cold starts are measured, and how they are started by hand.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use crate::functions::on_path;

/// A handler.
pub struct Language {
    /// What it is called.
    pub name: &'static str,
    /// The runtime's name.
    pub runtime: &'static str,
    /// `Handler`
    pub handler: &'static str,
    /// The package's files; none: the bootstrap's.
    pub files: Vec<(String, Vec<u8>)>,
    /// What the ratio must stay under.
    pub floor: Option<f64>,
    by_hand: ByHand,
}

/// How a handler is started by hand.
enum ByHand {
    /// The program, until it asks for work for the first time.
    Asks(PathBuf),
    /// An interpreter that runs the handler once, until it ends.
    Runs { program: String, arguments: Vec<String>, directory: PathBuf },
}

const NODE: &str = "exports.handler = async () => ({});\n";
const PYTHON: &str = "def handler(event, context):\n    return {}\n";
const JAVA: &str = "public class Main {\n  public String handle(Object event) { return \"{}\"; }\n  \
                    public static void main(String[] args) { System.out.println(new Main().handle(null)); }\n}\n";

/// The languages that this machine has.
pub fn languages(bootstrap: &Path, folder: &Path) -> Result<Vec<Language>, String> {
    let said = |e: std::io::Error| e.to_string();
    let directory = folder.join("by-hand");
    std::fs::create_dir_all(&directory).map_err(said)?;
    std::fs::write(directory.join("index.js"), NODE).map_err(said)?;
    std::fs::write(directory.join("app.py"), PYTHON).map_err(said)?;
    std::fs::write(directory.join("Main.java"), JAVA).map_err(said)?;
    let mut all = vec![Language {
        name: "rust",
        runtime: "provided.al2023",
        handler: "bootstrap",
        files: Vec::new(),
        floor: Some(3.0),
        by_hand: ByHand::Asks(bootstrap.to_path_buf()),
    }];
    let runs = |program: &str, arguments: &[&str]| ByHand::Runs {
        program: program.to_owned(),
        arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
        directory: directory.clone(),
    };
    if on_path("node") {
        all.push(Language {
            name: "node",
            runtime: "nodejs20.x",
            handler: "index.handler",
            files: vec![("index.js".to_owned(), NODE.into())],
            floor: Some(1.5),
            by_hand: runs("node", &["-e", "require('./index.js').handler({}).then(console.log)"]),
        });
    }
    if let Some(python) = python() {
        all.push(Language {
            name: "python",
            runtime: "python3.11",
            handler: "app.handler",
            files: vec![("app.py".to_owned(), PYTHON.into())],
            floor: Some(1.5),
            by_hand: runs(&python, &["-c", "import app; print(app.handler({}, None))"]),
        });
    }
    if on_path("javac") {
        let compiled = std::process::Command::new("javac")
            .args(["--release", "17", "Main.java"])
            .current_dir(&directory)
            .status()
            .map_err(said)?;
        let class = std::fs::read(directory.join("Main.class")).map_err(said)?;
        if compiled.success() {
            all.push(Language {
                name: "java",
                runtime: "java17",
                handler: "Main::handle",
                files: vec![("Main.class".to_owned(), class)],
                floor: None,
                by_hand: runs("java", &["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", ".", "Main"]),
            });
        }
    }
    Ok(all)
}

/// Python itself: what is on PATH may be a version manager's script, which takes longer than Python.
fn python() -> Option<String> {
    let asked = ["-c", "import sys; print(sys.executable)"];
    let output = std::process::Command::new("python3.11").args(asked).output().ok()?;
    let program = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !program.is_empty()).then_some(program)
}

impl Language {
    /// How long it takes by hand.
    pub async fn by_hand(&self) -> Result<Duration, String> {
        match &self.by_hand {
            ByHand::Asks(program) => asks(program).await,
            ByHand::Runs { program, arguments, directory } => {
                let started = Instant::now();
                let mut command = Command::new(program);
                command.args(arguments).current_dir(directory).stdout(Stdio::null());
                let status = command.status().await.map_err(|e| format!("{program}: {e}"))?;
                let took = started.elapsed();
                if status.success() { Ok(took) } else { Err(format!("{program}: {status}")) }
            }
        }
    }
}

/// From the start of a program to its first request to the Runtime API.
async fn asks(program: &Path) -> Result<Duration, String> {
    let said = |e: std::io::Error| e.to_string();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(said)?;
    let address = listener.local_addr().map_err(said)?.to_string();
    let started = Instant::now();
    let child = Command::new(program)
        .env_clear()
        .envs([
            ("AWS_LAMBDA_RUNTIME_API", address.as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", "by-hand"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "g"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "s"),
        ])
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(said)?;
    let (mut stream, _) = listener.accept().await.map_err(said)?;
    let mut head = [0; 1024];
    let length = stream.read(&mut head).await.map_err(said)?;
    let took = started.elapsed();
    drop(child);
    let asked =
        head.get(..length).unwrap_or_default().starts_with(b"GET /2018-06-01/runtime/invocation/next");
    if asked { Ok(took) } else { Err(format!("{program:?} asked for something else first")) }
}
