//! The ceilings: a hyper server with a fixed answer, and an append with fdatasync.

use std::convert::Infallible;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use md5::{Digest, Md5};
use sha2::Sha256;

/// Serves a fixed answer on as many single-threaded runtimes as there are cores, as the server
/// does, and prints its address.
pub async fn serve_fixed() -> Result<(), String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(|e| e.to_string())?;
    println!("http://{}", listener.local_addr().map_err(|e| e.to_string())?);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut senders = Vec::new();
    for _ in 0..cores {
        let (sender, mut connections) = tokio::sync::mpsc::unbounded_channel::<std::net::TcpStream>();
        senders.push(sender);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let Ok(runtime) = runtime else { return };
            runtime.block_on(async move {
                while let Some(stream) = connections.recv().await {
                    let Ok(stream) = tokio::net::TcpStream::from_std(stream) else { continue };
                    tokio::spawn(serve(stream));
                }
            });
        });
    }
    for number in 0.. {
        let (stream, _) = listener.accept().await.map_err(|e| e.to_string())?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        let stream = stream.into_std().map_err(|e| e.to_string())?;
        if let Some(sender) = senders.get(number % cores) {
            sender.send(stream).map_err(|e| e.to_string())?;
        }
    }
    Ok(())
}

/// The path is the number of bytes to answer with.
async fn serve(stream: tokio::net::TcpStream) {
    static BYTES: [u8; 1024 * 1024] = [b'x'; 1024 * 1024];
    let service = service_fn(|request: http::Request<hyper::body::Incoming>| async move {
        let size = request.uri().path().trim_start_matches('/').parse().unwrap_or(0);
        let _ = request.into_body().collect().await;
        let answer = Bytes::from_static(BYTES.get(..size).unwrap_or_default());
        Ok::<_, Infallible>(http::Response::new(Full::new(answer)))
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// Appends of `bytes` each, synced one by one: how many a second.
pub fn append_and_sync(dir: &Path, bytes: usize, duration: Duration) -> Result<f64, String> {
    let run = || -> std::io::Result<f64> {
        let mut file = tempfile::tempfile_in(dir)?;
        let body = vec![7u8; bytes];
        let started = Instant::now();
        let mut count = 0;
        while started.elapsed() < duration {
            file.write_all(&body)?;
            file.sync_data()?;
            count += 1;
        }
        Ok(f64::from(count) / started.elapsed().as_secs_f64())
    };
    run().map_err(|e| e.to_string())
}

/// What a put of `bytes` cannot do without, on as many threads as there are cores: SHA-256, MD5,
/// a new file, its sync. How many a second.
pub fn hash_write_sync(dir: &Path, bytes: usize, duration: Duration) -> Result<f64, String> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads: Vec<_> = (0..cores)
        .map(|_| {
            let dir = dir.to_owned();
            std::thread::spawn(move || one_writer(&dir, bytes, duration))
        })
        .collect();
    let mut total = 0.0;
    for thread in threads {
        total += thread.join().map_err(|_| "a thread of the ceiling failed")?.map_err(|e| e.to_string())?;
    }
    Ok(total)
}

fn one_writer(dir: &Path, bytes: usize, duration: Duration) -> std::io::Result<f64> {
    let body = vec![7u8; bytes];
    let started = Instant::now();
    let mut count = 0;
    while started.elapsed() < duration {
        std::hint::black_box((Sha256::digest(&body), Md5::digest(&body)));
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.write_all(&body)?;
        file.as_file().sync_data()?;
        count += 1;
    }
    Ok(f64::from(count) / started.elapsed().as_secs_f64())
}
