//! Slow clients, and stopping: each test waits for what must happen, never for a time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]

mod server_common;

use std::net::SocketAddr;
use std::time::Duration;

use ropeway_wire::server::Options;
use server_common::{connect, patient, read_until, start};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const TINY: Duration = Duration::from_millis(20);
const LONG: Duration = Duration::from_secs(600);

/// Waits until the server has closed the connection, and gives what it still sent.
async fn closed(stream: &mut TcpStream) -> String {
    let mut out = Vec::new();
    // A reset is a way of closing, too.
    let _ = stream.read_to_end(&mut out).await;
    String::from_utf8_lossy(&out).into_owned()
}

/// A connection that has been served once. On a busy machine the server's tiny timeouts may be over
/// before the client has sent anything; then the next one is tried.
async fn served(addr: SocketAddr) -> TcpStream {
    loop {
        let mut stream = connect(addr).await;
        let _ = stream.write_all(b"POST /echo HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nok").await;
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\nok") {
            match stream.read_u8().await {
                Ok(byte) => answer.push(byte),
                Err(_) => break,
            }
        }
        if answer.ends_with(b"ok") {
            return stream;
        }
    }
}

async fn echo(stream: &mut TcpStream) {
    stream.write_all(b"POST /echo HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
    read_until(stream, "\r\n\r\nok").await;
}

#[tokio::test]
async fn a_head_that_does_not_end_is_cut() {
    let server = start(Options { header_timeout: TINY, ..patient() });
    for bytes in ["", "GET / HTTP/1.1\r\nhost:", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut stream = connect(server.addr()).await;
        stream.write_all(bytes.as_bytes()).await.unwrap();
        closed(&mut stream).await;
    }
    // A second head, as well.
    let mut stream = served(server.addr()).await;
    // It may be closed for being idle before this is sent.
    let _ = stream.write_all(b"GET /").await;
    closed(&mut stream).await;
}

#[tokio::test]
async fn a_request_at_work_is_not_idle() {
    let mut server = start(Options { header_timeout: TINY, idle_timeout: TINY, ..patient() });
    let mut stream = loop {
        let mut stream = connect(server.addr()).await;
        let _ = stream.write_all(b"GET /wait HTTP/1.1\r\nhost: h\r\n\r\n").await;
        tokio::select! {
            event = server.events.recv() => {
                assert_eq!(event, Some("waiting"));
                break stream;
            }
            _ = stream.read_u8() => {}
        }
    };
    // While it waits, an idle connection comes and is closed.
    let mut idle = served(server.addr()).await;
    closed(&mut idle).await;
    server.handler.go.add_permits(1);
    read_until(&mut stream, "waited").await;
    closed(&mut stream).await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let server = start(Options { stall_timeout: TINY, ..patient() });
    let mut stream = connect(server.addr()).await;
    stream.write_all(b"POST /echo HTTP/1.1\r\nhost: h\r\ncontent-length: 9\r\n\r\nfour").await.unwrap();
    let answer = read_until(&mut stream, "closed.").await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("RequestTimeout"), "{answer}");
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_given_up() {
    let mut server = start(Options { stall_timeout: TINY, ..patient() });
    let mut stream = connect(server.addr()).await;
    stream.write_all(b"GET /endless HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    assert_eq!(server.events.recv().await, Some("dropped"));
}

#[tokio::test]
async fn a_lingering_connection_ends() {
    let server = start(Options { header_timeout: TINY, ..patient() });
    let stream = loop {
        let mut stream = connect(server.addr()).await;
        let _ =
            stream.write_all(b"POST /refuse HTTP/1.1\r\nhost: h\r\ncontent-length: 9999\r\n\r\nfour").await;
        if closed(&mut stream).await.starts_with("HTTP/1.1 403") {
            break stream;
        }
    };
    // The client keeps its side open; the server must not wait for it for ever.
    assert_eq!(server.handle.stop(LONG).await, 0);
    drop(stream);
}

#[tokio::test]
async fn stopping_lets_requests_end_and_closes_the_rest() {
    let mut server = start(patient());
    let (mut idle, mut fresh, mut busy) =
        (connect(server.addr()).await, connect(server.addr()).await, connect(server.addr()).await);
    echo(&mut idle).await;
    busy.write_all(b"GET /wait HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    assert_eq!(server.events.recv().await, Some("waiting"));
    let addr = server.addr();
    let mut stopping = JoinSet::new();
    stopping.spawn(server.handle.stop(LONG));
    assert_eq!(closed(&mut idle).await, "");
    assert_eq!(closed(&mut fresh).await, "");
    // The listener is gone once the idle ones are told, or soon after.
    while TcpStream::connect(addr).await.is_ok() {}
    server.handler.go.add_permits(1);
    read_until(&mut busy, "waited").await;
    assert_eq!(closed(&mut busy).await, "");
    assert_eq!(stopping.join_next().await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn stopping_cuts_what_does_not_end() {
    let mut server = start(patient());
    let mut busy = connect(server.addr()).await;
    busy.write_all(b"GET /wait HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    assert_eq!(server.events.recv().await, Some("waiting"));
    assert_eq!(server.handle.stop(Duration::ZERO).await, 1);
    assert_eq!(closed(&mut busy).await, "");
}

#[tokio::test]
async fn a_dropped_handle_stops_the_server() {
    let server = start(patient());
    let mut stream = connect(server.addr()).await;
    echo(&mut stream).await;
    drop(server.handle);
    assert_eq!(closed(&mut stream).await, "");
}

#[tokio::test]
async fn a_request_whose_client_is_gone_is_dropped() {
    let mut server = start(patient());
    let mut stream = connect(server.addr()).await;
    stream.write_all(b"GET /wait HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    assert_eq!(server.events.recv().await, Some("waiting"));
    drop(stream);
    assert_eq!(server.events.recv().await, Some("dropped"));
}
