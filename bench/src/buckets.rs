//! Buckets with many keys, and large objects: pages of listings, uploads in parts.

use std::fmt::Write as _;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use md5::{Digest, Md5};

use crate::All;
use crate::client::Connection;
use crate::load::{Measured, Plan, Work, cpu_of, drive};
use crate::report::Row;
use crate::scenario::{expect, hex, in_parallel, make_bucket};
use crate::server::Process;

/// Keys of a full page, and of the small bucket.
const PAGE: usize = 1000;
/// Connections that list.
const LISTING: usize = 8;
/// Connections that fill a bucket.
const FILLING: usize = 32;
/// Connections that upload parts.
const UPLOADING: usize = 8;
const MIB: usize = 1024 * 1024;
/// Bytes of a part, as AWS's transfer managers cut files.
const PART: usize = 8 * MIB;
/// The row that pages of the large bucket are measured by.
const SMALL: &str = "list 1,000 keys of 1,000";
/// A page anywhere must come at a third of that rate at least.
const FLOOR: f64 = 1.0 / 3.0;

/// The key of a number: a thousand to a folder.
fn key(number: usize) -> String {
    format!("{:04}/{number:07}", number / PAGE)
}

/// What is listed of a bucket of so many keys: the row's name, and the query.
fn listings(keys: usize) -> [(&'static str, String); 3] {
    let middle = key(keys / 2).replace('/', "%2F");
    [
        ("list the first page of many", "list-type=2".to_owned()),
        ("list a page in the middle", format!("list-type=2&start-after={middle}")),
        ("list folders by delimiter", "delimiter=%2F&list-type=2".to_owned()),
    ]
}

/// Measures listings of a bucket of `--keys` keys beside one of a thousand, and an upload in parts, unless `--only`
/// leaves them out. `ceiling`: MiB that can be hashed, written and synced a second.
pub async fn rows(server: &Process, all: &All, ceiling: f64, rows: &mut Vec<Row>) -> Result<(), String> {
    let (keys, mib) = (all.keys as usize, all.upload_mib as usize);
    let many = listings(keys);
    if SMALL.contains(&all.only) || many.iter().any(|(name, _)| name.contains(&all.only)) {
        let duration = Duration::from_secs(all.seconds);
        fill(server, "bench-thousand", PAGE).await?;
        let small = list(server, "bench-thousand", SMALL, "list-type=2", PAGE, duration).await?;
        rows.push(Row { name: SMALL.to_owned(), rate: small.rate(), floor: None });
        fill(server, "bench-many", keys).await?;
        for (name, query) in many {
            let folders = query.contains("delimiter");
            let shown = if folders { keys.div_ceil(PAGE) } else { keys / 2 };
            let found = list(server, "bench-many", name, &query, shown.min(PAGE), duration).await?;
            rows.push(Row { name: name.to_owned(), rate: found.rate(), floor: Some((FLOOR, small.rate())) });
        }
    }
    let name = format!("upload {mib} MiB in parts, MiB");
    if name.contains(&all.only) {
        let rate = upload(server, &name, mib).await?;
        rows.push(Row { name, rate, floor: Some((0.5, ceiling)) });
    }
    Ok(())
}

/// Makes a bucket of so many keys, with bodies of 64 bytes.
async fn fill(server: &Process, bucket: &str, keys: usize) -> Result<(), String> {
    let mut connection = Connection::open(&server.endpoint).await?;
    make_bucket(&mut connection, bucket).await?;
    let started = Instant::now();
    let path = Rc::new(bucket.to_owned());
    in_parallel(&server.endpoint, FILLING, move |mut connection, n| {
        let bucket = Rc::clone(&path);
        async move {
            let body = Bytes::from_static(&[b'o'; 64]);
            for number in (n..keys).step_by(FILLING) {
                let path = format!("/{bucket}/{}", key(number));
                let (status, answer) = connection.send("s3", "PUT", &path, &[], body.clone()).await?;
                expect(status, &answer)?;
            }
            Ok(())
        }
    })
    .await?;
    let took = started.elapsed().as_secs_f64();
    println!(
        "filled a bucket with {keys} keys in {took:.1} s: {:.0}/s; memory {:.0} MiB",
        keys as f64 / took,
        server.memory_mib()
    );
    Ok(())
}

/// One connection's listing of the same page, which must have so many keys or folders.
struct Lister {
    path: String,
    shown: usize,
}

impl Work for Lister {
    async fn prepare(&mut self, _connection: &mut Connection) -> Result<(), String> {
        Ok(())
    }

    async fn step(&mut self, connection: &mut Connection) -> Result<bool, String> {
        let (status, answer) = connection.send("s3", "GET", &self.path, &[], Bytes::new()).await?;
        expect(status, &answer)?;
        let count = format!("<KeyCount>{}</KeyCount>", self.shown);
        if !String::from_utf8_lossy(&answer).contains(&count) {
            return Err(format!("{}: not {count}", self.path));
        }
        Ok(true)
    }
}

async fn list(
    server: &Process,
    bucket: &str,
    name: &str,
    query: &str,
    shown: usize,
    duration: Duration,
) -> Result<Measured, String> {
    let plan = Plan { connections: LISTING, duration, rate: 0.0 };
    let works = (0..LISTING).map(|_| Lister { path: format!("/{bucket}?{query}"), shown }).collect();
    let (measured, _) = drive(&server.endpoint, &plan, works, Some(server.pid())).await?;
    println!("{}", measured.line(name));
    Ok(measured)
}

/// Uploads an object in parts; gives its MiB a second, from the beginning to the completion's answer.
async fn upload(server: &Process, name: &str, mib: usize) -> Result<f64, String> {
    let mut connection = Connection::open(&server.endpoint).await?;
    make_bucket(&mut connection, "bench-upload").await?;
    let (cpu, started) = (cpu_of(Some(server.pid())), Instant::now());
    let path = "/bench-upload/object";
    let begun = connection.send("s3", "POST", &format!("{path}?uploads="), &[], Bytes::new()).await?;
    expect(begun.0, &begun.1)?;
    let answer = String::from_utf8_lossy(&begun.1).into_owned();
    let id = answer.split_once("<UploadId>").and_then(|(_, rest)| rest.split_once('<'));
    let id = Rc::new(id.ok_or("no upload's id")?.0.to_owned());
    let (parts, body) = ((mib * MIB).div_ceil(PART), Bytes::from(vec![b'o'; PART]));
    let (upload, content) = (Rc::clone(&id), body.clone());
    in_parallel(&server.endpoint, UPLOADING, move |mut connection, n| {
        let (upload, content) = (Rc::clone(&upload), content.clone());
        async move {
            for number in (n..parts).step_by(UPLOADING) {
                let path = format!("{path}?partNumber={}&uploadId={upload}", number + 1);
                let (status, answer) = connection.send("s3", "PUT", &path, &[], content.clone()).await?;
                expect(status, &answer)?;
            }
            Ok(())
        }
    })
    .await?;
    let etag = hex(&Md5::digest(&body));
    let mut named = String::from("<CompleteMultipartUpload>");
    for number in 1..=parts {
        write!(named, "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
            .map_err(|e| e.to_string())?;
    }
    named.push_str("</CompleteMultipartUpload>");
    let path = format!("{path}?uploadId={id}");
    let (status, answer) = connection.send("s3", "POST", &path, &[], named.into()).await?;
    expect(status, &answer)?;
    let (took, cpu) = (started.elapsed().as_secs_f64(), cpu_of(Some(server.pid())).saturating_sub(cpu));
    let size = (parts * PART / MIB) as f64;
    println!("{name:<28} {:>9.0}/s  {took:.1} s, server CPU {:.1} s", size / took, cpu.as_secs_f64());
    Ok(size / took)
}
