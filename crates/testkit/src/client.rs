//! A blocking client for tests that must not disturb what they watch: a connection for each request.

use std::io::{Read, Write};
use std::net::TcpStream;

use ropeway_core::Clock;
use ropeway_wire::sigv4::{Credentials, SignBody, Signer};

/// A signed client, as `test`/`test`.
#[derive(Debug, Clone)]
pub struct Client {
    host: String,
}

/// Status and body of an answer.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Client {
    /// A client of an endpoint (`http://127.0.0.1:40123`).
    pub fn new(endpoint: &str) -> Self {
        Client { host: endpoint.trim_start_matches("http://").to_owned() }
    }

    /// Calls an operation of SQS.
    ///
    /// # Errors
    /// Why there was no whole answer: then nothing is known of the request.
    pub fn sqs(
        &self,
        operation: &str,
        input: &serde_json::Value,
    ) -> Result<(u16, serde_json::Value), String> {
        let target = format!("AmazonSQS.{operation}");
        let headers = [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", target.as_str())];
        let reply = self.send("sqs", "POST", "/", &headers, input.to_string().as_bytes())?;
        let output = serde_json::from_slice(&reply.body).unwrap_or_default();
        Ok((reply.status, output))
    }

    /// Sends a signed request.
    ///
    /// # Errors
    /// Why there was no whole answer.
    pub fn send(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Reply, String> {
        let mut request = http::Request::builder().method(method).uri(path).header("host", &self.host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).map_err(|e| e.to_string())?.into_parts();
        let credentials = Credentials {
            access_key_id: "test".to_owned(),
            secret_access_key: "test".to_owned(),
            session_token: None,
        };
        let time = Clock::real(0).machine_time();
        let signer = Signer { credentials: &credentials, region: "us-east-1", service, time };
        signer.sign_headers(&mut parts, SignBody::Whole(body)).map_err(|e| e.to_string())?;
        self.exchange(&parts, body).map_err(|e| e.to_string()).and_then(|bytes| parse(&bytes))
    }

    fn exchange(&self, parts: &http::request::Parts, body: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(&self.host)?;
        let mut head = format!(
            "{} {} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n",
            parts.method,
            parts.uri,
            body.len()
        );
        for (name, value) in &parts.headers {
            head.push_str(&format!("{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes())));
        }
        head.push_str("\r\n");
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let mut all = Vec::new();
        stream.read_to_end(&mut all)?;
        Ok(all)
    }
}

/// Status and body; an answer that is shorter than it says is none.
fn parse(bytes: &[u8]) -> Result<Reply, String> {
    let end = bytes.windows(4).position(|w| w == b"\r\n\r\n").ok_or("no whole answer")?;
    let head = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).to_ascii_lowercase();
    let body = bytes.get(end + 4..).unwrap_or_default().to_vec();
    let status = head.split_whitespace().nth(1).and_then(|s| s.parse().ok()).ok_or("no status")?;
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    match length {
        Some(length) if length != body.len() => Err(format!("{} of {length} bytes", body.len())),
        _ => Ok(Reply { status, body }),
    }
}
