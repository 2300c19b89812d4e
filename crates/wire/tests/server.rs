//! The server, spoken to through sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]

mod server_common;

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use ropeway_wire::server::Options;
use server_common::{LIMIT, connect, patient, post, read_until, start, talk};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

fn status(answer: &str) -> u16 {
    answer
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .unwrap_or_else(|| panic!("no status: {answer:?}"))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_connection_carries_requests_one_after_the_other_and_pipelined() {
    let server = start(patient());
    let mut stream = connect(server.addr()).await;
    for _ in 0..3 {
        stream.write_all(b"POST /echo HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\n\r\nhello").await.unwrap();
        let answer = read_until(&mut stream, "hello").await;
        assert_eq!(status(&answer), 200);
        assert!(answer.contains("content-length: 5"));
    }
    let one = b"POST /echo HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\none".to_vec();
    let two =
        b"POST /echo HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n1\r\nt\r\n2\r\nwo\r\n0\r\n\r\n";
    stream.write_all(&[one.as_slice(), two].concat()).await.unwrap();
    read_until(&mut stream, "\r\n\r\none").await;
    read_until(&mut stream, "\r\n\r\ntwo").await;
}

#[tokio::test]
async fn bodies_stream_out() {
    let server = start(patient());
    let answer = talk(server.addr(), b"GET /stream HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("content-length: 196608"), "{head}");
    assert_eq!(body.len(), 196_608);
    // A part must not pass for the whole: the last chunk is missing.
    let answer = talk(server.addr(), b"GET /broken HTTP/1.1\r\nhost: h\r\n\r\n").await;
    assert!(!answer.ends_with("0\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn continue_is_granted_by_reading_alone() {
    let server = start(patient());
    let mut stream = connect(server.addr()).await;
    let head = "HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";
    stream.write_all(format!("POST /echo {head}").as_bytes()).await.unwrap();
    assert_eq!(read_until(&mut stream, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hello").await.unwrap();
    let echoed = read_until(&mut stream, "hello").await;
    assert!(status(&echoed) == 200 && !echoed.contains("connection: close"), "{echoed}");
    let mut stream = connect(server.addr()).await;
    stream.write_all(format!("POST /refuse {head}").as_bytes()).await.unwrap();
    // The body never comes, so that the connection ends: the client must know, or it sends its next request there.
    let refused = read_until(&mut stream, "\r\n\r\n").await;
    assert!(status(&refused) == 403 && refused.contains("connection: close"), "{refused}");
}

#[tokio::test]
async fn an_early_refusal_reaches_a_client_that_is_still_sending() {
    let server = start(patient());
    for _ in 0..10 {
        let answer = talk(server.addr(), &post("/refuse", "", &vec![0; 4 * LIMIT])).await;
        assert_eq!(status(&answer), 403);
    }
}

#[tokio::test]
async fn bodies_are_bounded() {
    let server = start(patient());
    let most = vec![b'a'; LIMIT];
    assert_eq!(status(&talk(server.addr(), &post("/echo", "", &most)).await), 200);
    let answer = talk(server.addr(), &post("/echo", "", &[most.as_slice(), b"a"].concat())).await;
    assert_eq!(status(&answer), 413);
    assert!(answer.contains("RequestEntityTooLarge"), "{answer}");
    let mut chunked =
        b"POST /echo HTTP/1.1\r\nhost: h\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..17 {
        chunked.extend_from_slice(format!("10000\r\n{}\r\n", "a".repeat(65_536)).as_bytes());
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    assert_eq!(status(&talk(server.addr(), &chunked).await), 413);
}

#[tokio::test]
async fn gzip_is_undone_within_bounds() {
    let server = start(patient());
    let send = async |headers: &str, body: &[u8]| talk(server.addr(), &post("/echo", headers, body)).await;
    let answer = send("content-encoding: gzip\r\n", &gzip(b"hello")).await;
    assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
    assert_eq!(status(&send("content-encoding: GZIP\r\n", &gzip(&vec![0; LIMIT])).await), 200);
    assert_eq!(status(&send("content-encoding: gzip\r\n", &gzip(&vec![0; LIMIT + 1])).await), 413);
    assert_eq!(status(&send("content-encoding: gzip\r\n", b"no gzip").await), 400);
    assert_eq!(status(&send("content-encoding: gzip\r\n", &gzip(b"hello")[..12]).await), 400);
    assert_eq!(status(&send("content-encoding: br\r\n", b"hello").await), 415);
    assert_eq!(status(&send("content-encoding: gzip\r\ncontent-encoding: gzip\r\n", b"hello").await), 415);
    assert_eq!(status(&send("content-encoding: identity\r\n", b"hello").await), 200);
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    let server = start(patient());
    for bytes in [
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nbad header\r\n\r\n",
        "GET /a b HTTP/1.1\r\nhost: h\r\n\r\n",
    ] {
        let answer = talk(server.addr(), bytes.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{bytes:?}: {answer}");
    }
    let long = format!("GET / HTTP/1.1\r\nhost: h\r\nx-long: {}\r\n\r\n", "a".repeat(200_000));
    assert_eq!(status(&talk(server.addr(), long.as_bytes()).await), 431);
    let many = format!("GET / HTTP/1.1\r\nhost: h\r\n{}\r\n", "a: b\r\n".repeat(200));
    assert_eq!(status(&talk(server.addr(), many.as_bytes()).await), 431);
}

#[tokio::test]
async fn a_panic_is_answered_and_harms_nobody_else() {
    let server = start(patient());
    let mut stream = connect(server.addr()).await;
    stream.write_all(b"GET /panic HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
    assert_eq!(status(&read_until(&mut stream, "\r\n\r\n").await), 500);
    stream.write_all(b"POST /echo HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
    read_until(&mut stream, "\r\n\r\nok").await;
}

#[tokio::test]
async fn http2_by_prior_knowledge() {
    let server = start(patient());
    let io = TokioIo::new(connect(server.addr()).await);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake::<_, _, Full<Bytes>>(TokioExecutor::new(), io).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { connection.await.unwrap() });
    let ask = |path: &str, body: &'static str| {
        let uri = format!("http://{}{path}", server.addr());
        Request::post(uri).body(Full::from(body)).unwrap()
    };
    let info = sender.send_request(ask("/info", "")).await.unwrap();
    let text = info.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(text, "HTTP/2.0 tls=false 127.0.0.1");
    // Two at once, answered in the other order.
    let waiting = sender.send_request(ask("/wait", ""));
    let echoed = sender.send_request(ask("/echo", "hello")).await.unwrap();
    assert_eq!(echoed.into_body().collect().await.unwrap().to_bytes(), "hello");
    server.handler.go.add_permits(1);
    assert_eq!(waiting.await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn connections_are_bounded() {
    let server = start(Options { max_connections: 1, ..patient() });
    let mut first = connect(server.addr()).await;
    first.write_all(b"POST /echo HTTP/1.1\r\nhost: h\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
    read_until(&mut first, "\r\n\r\nok").await;
    let mut second = connect(server.addr()).await;
    let mut answer = String::new();
    second.read_to_string(&mut answer).await.unwrap();
    assert_eq!(status(&answer), 503);
    drop(first);
    // Its place is free once the server has seen that it is gone.
    loop {
        let mut next = connect(server.addr()).await;
        // Refused connections may be closed already.
        let asked = next.write_all(b"GET /info HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await;
        let mut answer = String::new();
        if asked.is_ok() && next.read_to_string(&mut answer).await.is_ok() && status(&answer) == 200 {
            break;
        }
    }
}
