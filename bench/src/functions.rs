//! Functions: warm invocations beside the fixed-response ceiling, cold starts beside the same handler started
//! by hand, memory of a hundred processes, and what they cost while they are idle.

use std::io::{Cursor, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine as _;
use bytes::Bytes;
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;

use crate::client::Connection;
use crate::cold::{self, Language};
use crate::load::{Measured, Plan, cpu_of};
use crate::scenario::{self, INVOKED, Scenario};
use crate::server::Process;

/// Connections of warm invocations.
const CONNECTIONS: usize = 32;
/// Part of the ceiling that warm invocations must reach.
const WARM_FLOOR: f64 = 0.10;
/// Processes whose memory is taken.
const MANY: usize = 100;
/// How long idle processes are watched.
const IDLE: Duration = Duration::from_secs(5);
/// Runtime and handler of a Rust function.
const RUST: (&str, &str) = ("provided.al2023", "bootstrap");
/// Memory of each function, in MiB.
const MEMORY: u32 = 256;

/// Measures all of it.
pub async fn all(asked: crate::Functions) -> Result<(), String> {
    let folder = match &asked.dir {
        Some(dir) => tempfile::tempdir_in(dir),
        None => tempfile::tempdir_in("."),
    };
    let folder = folder.map_err(|e| e.to_string())?;
    let bootstrap = std::fs::read(&asked.function).map_err(|e| format!("{:?}: {e}", asked.function))?;
    let duration = Duration::from_secs(asked.seconds);
    let fixed = Process::fixed()?;
    let ceiling = measure("C: fixed answer, 32", Scenario::Fixed(scenario::ANSWER), &fixed, duration).await?;
    drop(fixed);

    let runtimes = asked.runtimes_dir.clone().unwrap_or_else(|| folder.path().join("runtimes"));
    let settings = [("ROPEWAY_RUNTIMES_DIR", runtimes.as_path())];
    let server = Process::server_with(&asked.server, &folder.path().join("data"), &settings)?;
    let mut connection = Connection::open(&server.endpoint).await?;
    make_role(&mut connection).await?;
    let rust = package(&[("bootstrap", &bootstrap)])?;
    create(&mut connection, INVOKED, RUST, &rust, Value::Null).await?;
    connection.invoke(INVOKED).await?;
    let warm = measure("warm invoke of a Rust function", Scenario::Invoke, &server, duration).await?;
    let part = warm.rate() / ceiling.rate().max(1e-9);
    println!("  {:.1}% of C, floor {:.0}%{}", part * 100.0, WARM_FLOOR * 100.0, verdict(part >= WARM_FLOOR));

    for language in cold::languages(&asked.function, folder.path())? {
        starts(&mut connection, &language, &rust, asked.starts).await?;
    }
    many(&mut connection, &server, &rust).await
}

/// What a figure that is below its floor has behind it.
pub fn verdict(reached: bool) -> &'static str {
    if reached { "" } else { "  BELOW THE FLOOR" }
}

async fn measure(
    name: &str,
    scenario: Scenario,
    server: &Process,
    duration: Duration,
) -> Result<Measured, String> {
    let plan = Plan { connections: CONNECTIONS, duration, rate: 0.0 };
    let measured = scenario::run(scenario, &server.endpoint, &plan, Some(server.pid())).await?;
    println!("{}", measured.line(name));
    Ok(measured)
}

/// Cold starts of functions with the same code, each the first invocation of its function, in turn with the same
/// handler started by hand.
async fn starts(
    connection: &mut Connection,
    language: &Language,
    rust: &[u8],
    count: usize,
) -> Result<(), String> {
    let code = match language.files.is_empty() {
        true => rust.to_vec(),
        false => {
            let files: Vec<(&str, &[u8])> =
                language.files.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect();
            package(&files)?
        }
    };
    let (mut cold, mut by_hand) = (Vec::new(), Vec::new());
    for number in 0..count {
        let name = format!("bench-{}-{number}", language.name);
        create(connection, &name, (language.runtime, language.handler), &code, Value::Null).await?;
        let started = Instant::now();
        connection.invoke(&name).await?;
        cold.push(started.elapsed());
        by_hand.push(language.by_hand().await?);
    }
    let (cold, by_hand) = (median(cold), median(by_hand));
    let ratio = cold.as_secs_f64() / by_hand.as_secs_f64().max(1e-9);
    let floor = language
        .floor
        .map_or(String::new(), |floor| format!(", floor under {floor}x{}", verdict(ratio < floor)));
    println!(
        "cold start, {:<8} {:>7.1} ms, by hand {:>7.1} ms: {ratio:.2}x{floor}",
        language.name,
        cold.as_secs_f64() * 1e3,
        by_hand.as_secs_f64() * 1e3
    );
    Ok(())
}

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort();
    all.get(all.len() / 2).copied().unwrap_or_default()
}

/// A hundred functions with a process each: what they take, and what they do when nobody invokes them.
async fn many(connection: &mut Connection, server: &Process, rust: &[u8]) -> Result<(), String> {
    let before = server.memory_mib();
    let others = children(server.pid());
    for number in 0..MANY {
        let name = format!("bench-many-{number}");
        create(connection, &name, RUST, rust, Value::Null).await?;
        connection.invoke(&name).await?;
    }
    let all: Vec<u32> = children(server.pid()).into_iter().filter(|pid| !others.contains(pid)).collect();
    println!(
        "{MANY} Rust functions with a process each: {:.0} MiB in {} processes; server {before:.0} -> {:.0} MiB",
        all.iter().map(|pid| proportional_mib(*pid)).sum::<f64>(),
        all.len(),
        server.memory_mib()
    );
    let cpu = |pids: &[u32]| pids.iter().map(|pid| cpu_of(Some(*pid))).sum::<Duration>();
    let (functions, own) = (cpu(&all), cpu_of(Some(server.pid())));
    tokio::time::sleep(IDLE).await;
    println!(
        "idle for {} s: the functions took {} ms of CPU, the server {} ms",
        IDLE.as_secs(),
        cpu(&all).saturating_sub(functions).as_millis(),
        cpu_of(Some(server.pid())).saturating_sub(own).as_millis()
    );
    Ok(())
}

/// A process's children and theirs.
fn children(of: u32) -> Vec<u32> {
    let text = std::fs::read_dir(format!("/proc/{of}/task")).into_iter().flatten().flatten();
    let direct = text.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let direct: Vec<u32> = direct
        .flat_map(|line| line.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect();
    direct.iter().flat_map(|pid| std::iter::once(*pid).chain(children(*pid))).collect()
}

/// Memory of a process, with its part of what it shares, in MiB.
fn proportional_mib(pid: u32) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok()).unwrap_or_default() / 1024.0
}

/// Makes the role of the functions.
pub async fn make_role(connection: &mut Connection) -> Result<(), String> {
    let trust = "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%2C\
                 %22Principal%22%3A%7B%22Service%22%3A%22lambda.amazonaws.com%22%7D%2C%22Action%22%3A\
                 %22sts%3AAssumeRole%22%7D%5D%7D";
    let form =
        format!("Action=CreateRole&Version=2010-05-08&RoleName=bench&AssumeRolePolicyDocument={trust}");
    connection.query("iam", form).await.map(drop)
}

/// Makes a function with `more` properties, and waits until it is active.
pub async fn create(
    connection: &mut Connection,
    name: &str,
    (runtime, handler): (&str, &str),
    package: &[u8],
    more: Value,
) -> Result<(), String> {
    let mut body = json!({
        "FunctionName": name, "Runtime": runtime, "Handler": handler, "MemorySize": MEMORY, "Timeout": 30,
        "Role": "arn:aws:iam::000000000000:role/bench",
        "Code": { "ZipFile": base64::engine::general_purpose::STANDARD.encode(package) },
    });
    if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
        body.extend(more);
    }
    let path = "/2015-03-31/functions";
    let (status, answer) = connection.send("lambda", "POST", path, &[], body.to_string().into()).await?;
    if status != 201 {
        return Err(format!("{name}: {status} {}", String::from_utf8_lossy(&answer)));
    }
    loop {
        let path = format!("/2015-03-31/functions/{name}/configuration");
        let (_, answer) = connection.send("lambda", "GET", &path, &[], Bytes::new()).await?;
        let now: Value = serde_json::from_slice(&answer).map_err(|e| e.to_string())?;
        match now["State"].as_str() {
            Some("Active") => return Ok(()),
            Some("Pending") => tokio::time::sleep(Duration::from_millis(100)).await,
            _ => return Err(format!("{name}: {now}")),
        }
    }
}

/// A package of files.
pub fn package(files: &[(&str, &[u8])]) -> Result<Vec<u8>, String> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Deflated)
        .compression_level(Some(1))
        .unix_permissions(0o755);
    for (name, contents) in files {
        archive.start_file(*name, options).map_err(|e| e.to_string())?;
        archive.write_all(contents).map_err(|e| e.to_string())?;
    }
    Ok(archive.finish().map_err(|e| e.to_string())?.into_inner())
}

/// Whether a program is on PATH.
pub fn on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory: std::path::PathBuf| Path::is_file(&directory.join(name)))
}
