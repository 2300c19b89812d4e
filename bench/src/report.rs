//! The whole measurement: ceilings and scenarios in one run, as ratios.

use std::path::Path;
use std::time::Duration;

use crate::load::{Measured, Plan};
use crate::scenario::{self, Scenario};
use crate::server::Process;
use crate::topics::Fan;
use crate::{All, buckets, ceiling, stacks};

/// Connections of most figures.
const CONNECTIONS: usize = 32;
/// The row that publishing to one of many is measured by.
const PUBLISH_TO_ONE: &str = "publish to one queue";
const MIB: usize = 1024 * 1024;

/// A row of the table.
pub struct Row {
    /// What was done.
    pub name: String,
    /// How often a second.
    pub rate: f64,
    /// Part of the ceiling that must be reached, and the ceiling.
    pub floor: Option<(f64, f64)>,
}

/// Runs everything and prints a table.
pub async fn all(all: All) -> Result<(), String> {
    let folder = match &all.dir {
        Some(dir) => tempfile::tempdir_in(dir),
        None => tempfile::tempdir_in("."),
    };
    let folder = folder.map_err(|e| e.to_string())?;
    let duration = Duration::from_secs(all.seconds);
    let mut rows = Vec::new();

    let fixed = Process::fixed()?;
    let small = Scenario::Fixed(scenario::ANSWER);
    let c32 = measure("C: fixed answer, 32", small, &fixed, CONNECTIONS, duration).await?;
    let c128 = measure("C: fixed answer, 128", small, &fixed, 128, duration).await?;
    let large = measure("C: 1 MiB, 8", Scenario::Fixed(MIB), &fixed, 8, duration).await?;
    drop(fixed);
    disk_ceilings(folder.path(), duration, &mut rows)?;
    let put_ceiling = rows.last().map_or(0.0, |row: &Row| row.rate);

    let data = folder.path().join("data");
    let server = Process::server(&all.server, &data)?;
    println!(
        "start on an empty directory: {} ms; memory idle {:.0} MiB",
        server.started_in.as_millis(),
        server.memory_mib()
    );
    for (name, scenario, connections, floor) in [
        ("send", Scenario::Send, CONNECTIONS, Some((0.30, c32.rate()))),
        ("send, 128", Scenario::Send, 128, Some((0.40, c128.rate()))),
        ("delete", Scenario::Delete, CONNECTIONS, Some((0.30, c32.rate()))),
        ("cycle: send, receive, delete", Scenario::Cycle, CONNECTIONS, Some((0.10, c32.rate()))),
        ("send to a FIFO queue", Scenario::SendInOrder, CONNECTIONS, None),
        ("publish to two queues", Scenario::Publish(Fan::Raw), CONNECTIONS, Some((0.20, c32.rate()))),
        ("publish with envelopes", Scenario::Publish(Fan::Enveloped), CONNECTIONS, None),
        (PUBLISH_TO_ONE, Scenario::Publish(Fan::One), CONNECTIONS, None),
        ("publish to one of 100", Scenario::Publish(Fan::Filtered), CONNECTIONS, None),
        ("put 1 KiB", Scenario::Put(1024), CONNECTIONS, Some((0.25, c32.rate()))),
        ("put 1 MiB", Scenario::Put(MIB), 8, Some((0.5, put_ceiling))),
        ("get 1 MiB", Scenario::Get(MIB), 8, Some((0.5, large.rate()))),
        ("get 64 KiB of 1 MiB", Scenario::Range(64 * 1024), 8, None),
    ] {
        if !name.contains(&all.only) {
            continue;
        }
        let measured = measure(name, scenario, &server, connections, duration).await?;
        if scenario == Scenario::Send && connections == CONNECTIONS {
            println!(
                "  server CPU per send: {:.1}x C's per request",
                measured.cpu_micros() / c32.cpu_micros().max(0.1)
            );
        }
        let one = rows.iter().find(|row| row.name == PUBLISH_TO_ONE);
        let of_one = one.filter(|_| scenario == Scenario::Publish(Fan::Filtered)).map(|one| (0.5, one.rate));
        rows.push(Row { name: name.to_owned(), rate: measured.rate(), floor: floor.or(of_one) });
    }
    buckets::rows(&server, &all, put_ceiling, &mut rows).await?;
    if "stacks".contains(&all.only) {
        stacks::run(&server.endpoint).await?;
    }
    drop(server);
    if all.stored > 0 {
        stored(&all, &data, duration).await?;
    }
    print(&rows);
    Ok(())
}

fn disk_ceilings(dir: &Path, duration: Duration, rows: &mut Vec<Row>) -> Result<(), String> {
    for (name, rate) in [
        ("append 4 KiB + fdatasync", ceiling::append_and_sync(dir, 4096, duration)?),
        ("hash, write, sync 1 MiB", ceiling::hash_write_sync(dir, MIB, duration)?),
    ] {
        println!("{name:<28} {rate:>9.0}/s");
        rows.push(Row { name: name.to_owned(), rate, floor: None });
    }
    Ok(())
}

async fn measure(
    name: &str,
    scenario: Scenario,
    server: &Process,
    connections: usize,
    duration: Duration,
) -> Result<Measured, String> {
    let plan = Plan { connections, duration, rate: 0.0 };
    let measured = scenario::run(scenario, &server.endpoint, &plan, Some(server.pid())).await?;
    println!("{}", measured.line(name));
    Ok(measured)
}

/// Rates with many messages stored, and what a start with them costs.
async fn stored(all: &All, data: &Path, duration: Duration) -> Result<(), String> {
    let server = Process::server(&all.server, data)?;
    let mut connection = crate::client::Connection::open(&server.endpoint).await?;
    let body = serde_json::json!({ "QueueName": "bench-stored" }).to_string();
    let answer = connection.json("AmazonSQS.CreateQueue", "sqs", body.into()).await?;
    let parsed: serde_json::Value = serde_json::from_slice(&answer).map_err(|e| e.to_string())?;
    let queue = parsed["QueueUrl"].as_str().unwrap_or_default().to_owned();
    scenario::fill(&server.endpoint, &queue, all.stored as usize, all.stored_bytes).await?;
    println!("{} messages stored: memory {:.0} MiB", all.stored, server.memory_mib());
    measure("send, much stored", Scenario::Send, &server, CONNECTIONS, duration).await?;
    measure("cycle, much stored", Scenario::Cycle, &server, CONNECTIONS, duration).await?;
    drop(server);
    let server = Process::server(&all.server, data)?;
    println!(
        "start with {} messages: {} ms; memory {:.0} MiB",
        all.stored,
        server.started_in.as_millis(),
        server.memory_mib()
    );
    Ok(())
}

fn print(rows: &[Row]) {
    println!("\n{:<30} {:>10}  {:>8}  {:>6}", "", "a second", "of", "floor");
    for row in rows {
        match row.floor {
            None => println!("{:<30} {:>10.0}", row.name, row.rate),
            Some((floor, ceiling)) => {
                let ratio = row.rate / ceiling.max(1e-9);
                let verdict = if ratio >= floor { "" } else { "  BELOW THE FLOOR" };
                println!(
                    "{:<30} {:>10.0}  {:>7.0}%  {:>5.0}%{verdict}",
                    row.name,
                    row.rate,
                    ratio * 100.0,
                    floor * 100.0
                );
            }
        }
    }
}
