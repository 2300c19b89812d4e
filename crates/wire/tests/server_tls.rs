//! The server over TLS.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]

mod server_common;

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ropeway_core::Time;
use ropeway_wire::server::{Options, Tls};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use server_common::{connect, patient, start};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The certificates' time; clients check them against the real one, so it must be near.
fn now() -> Time {
    let modified = tempfile::tempfile().unwrap().metadata().unwrap().modified().unwrap();
    Time::from_secs(modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs().try_into().unwrap())
}

fn local(directory: &Path) -> Tls {
    let names = ["localhost", "*.s3.localhost", "127.0.0.1"].map(str::to_owned);
    Tls::local_ca(directory, &names, now()).unwrap()
}

async fn tls_connect(
    addr: SocketAddr,
    ca: &Path,
    name: &str,
    protocol: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, connect(addr).await).await
}

#[tokio::test]
async fn a_local_authority_is_made_kept_and_trusted() {
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("tls").join("ca.pem");
    let server = start(Options { tls: Some(local(ca.parent().unwrap())), ..patient() });
    for name in ["localhost", "bucket.s3.localhost", "127.0.0.1"] {
        let mut stream = tls_connect(server.addr(), &ca, name, "http/1.1").await.unwrap();
        stream.write_all(b"GET /info HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("HTTP/1.1 tls=true 127.0.0.1"), "{answer}");
    }
    assert!(tls_connect(server.addr(), &ca, "example.com", "http/1.1").await.is_err());
    let made = std::fs::read_to_string(&ca).unwrap();
    for file in ["ca.pem", "ca.key"] {
        let mode = ca.with_file_name(file).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    // After a restart it is the same authority, and what trusted it goes on.
    server.handle.stop(Duration::ZERO).await;
    let server = start(Options { tls: Some(local(ca.parent().unwrap())), ..patient() });
    assert_eq!(std::fs::read_to_string(&ca).unwrap(), made);
    tls_connect(server.addr(), &ca, "localhost", "http/1.1").await.unwrap();
}

#[tokio::test]
async fn http2_by_alpn() {
    let directory = tempfile::tempdir().unwrap();
    let server = start(Options { tls: Some(local(directory.path())), ..patient() });
    let ca = directory.path().join("ca.pem");
    let mut stream = tls_connect(server.addr(), &ca, "localhost", "h2").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    // The server's first frame is its settings: 3 bytes of length, then type 4.
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[3], 4);
}

#[tokio::test]
async fn plain_http_on_a_tls_port_and_silence_are_closed() {
    let directory = tempfile::tempdir().unwrap();
    let tls = Some(local(directory.path()));
    let server = start(Options { tls, header_timeout: Duration::from_millis(20), ..patient() });
    for bytes in ["", "GET /info HTTP/1.1\r\nhost: h\r\n\r\n"] {
        let mut stream = connect(server.addr()).await;
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let mut out = Vec::new();
        let _ = stream.read_to_end(&mut out).await;
        assert!(!out.starts_with(b"HTTP/1.1 200"));
    }
}

#[test]
fn bad_pem_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    local(directory.path());
    let ca = std::fs::read(directory.path().join("ca.pem")).unwrap();
    let key = std::fs::read(directory.path().join("ca.key")).unwrap();
    assert!(Tls::from_pem(&ca, &key).is_ok());
    for (chain, key) in [(b"".as_slice(), key.as_slice()), (&ca, b""), (&key, &ca), (b"-----BEGIN", &key)] {
        assert_eq!(Tls::from_pem(chain, key).unwrap_err().kind(), std::io::ErrorKind::InvalidData);
    }
    let other = tempfile::tempdir().unwrap();
    local(other.path());
    assert!(Tls::from_pem(&ca, &std::fs::read(other.path().join("ca.key")).unwrap()).is_err());
    std::fs::write(directory.path().join("ca.key"), "no key").unwrap();
    let error = Tls::local_ca(directory.path(), &["localhost".to_owned()], now()).unwrap_err();
    assert!(error.to_string().starts_with("ca.key"), "{error}");
}
