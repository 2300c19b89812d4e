//! AWS's own test suite for Signature Version 4, as botocore's source package carries it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]

use std::path::{Path, PathBuf};

use http::request::Parts;
use http::{HeaderName, HeaderValue};
use ropeway_core::Time;
use ropeway_wire::sigv4::{self, Body, Credentials, Family, SignBody, Signer, SigningKeys};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// 2015-08-30T12:36:00Z, the suite's one moment.
const NOW: Time = Time::from_secs(1_440_938_160);

/// Cases that cannot be run, and why.
const LEFT_OUT: [(&str, &str); 1] = [(
    "get-space",
    "its request target holds a raw space, which is no HTTP: the server answers 400 before this",
)];

/// Cases whose authorization the signer cannot make, and why; they are still checked.
const NOT_SIGNED: [(&str, &str); 1] =
    [("post-sts-header-after", "its token is added after signing; the signer signs tokens")];

fn directory() -> PathBuf {
    let default =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/vectors/botocore/tests/unit/auth/aws4_testsuite");
    let path =
        std::env::var_os("ROPEWAY_VECTORS_SIGV4").map_or_else(|| PathBuf::from(default), PathBuf::from);
    assert!(
        path.is_dir(),
        "no SigV4 test suite at {}: run `cargo xtask test`, which fetches it, or set ROPEWAY_VECTORS_SIGV4",
        path.display()
    );
    path
}

/// Every case's directory and name.
fn cases(under: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in std::fs::read_dir(under).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_dir() {
            continue;
        }
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.join(format!("{name}.req")).exists() {
            found.push((path, name));
        } else {
            cases(&path, found);
        }
    }
}

fn read(directory: &Path, name: &str, kind: &str) -> String {
    let text = std::fs::read_to_string(directory.join(format!("{name}.{kind}"))).unwrap();
    text.replace("\r\n", "\n")
}

/// The request of a case, as a server would hand it on: folded headers are unfolded (RFC 9112, 5.2).
fn request(text: &str) -> (Parts, String) {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.lines();
    let start = lines.next().unwrap();
    let (method, rest) = start.split_once(' ').unwrap();
    let (target, _) = rest.rsplit_once(' ').unwrap();
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in lines {
        if line.starts_with(' ') {
            let last = headers.last_mut().unwrap();
            last.1.push_str(line);
        } else {
            let (name, value) = line.split_once(':').unwrap();
            headers.push((name.to_owned(), value.to_owned()));
        }
    }
    let uri = http::Uri::from_maybe_shared(bytes::Bytes::copy_from_slice(target.as_bytes())).unwrap();
    let (mut parts, ()) = http::Request::builder().method(method).uri(uri).body(()).unwrap().into_parts();
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        parts.headers.append(name, HeaderValue::from_str(value.trim()).unwrap());
    }
    (parts, body.to_owned())
}

#[test]
fn the_suite_verifies_and_signs() {
    let mut found = Vec::new();
    cases(&directory(), &mut found);
    found.retain(|(_, name)| LEFT_OUT.iter().all(|(left_out, _)| left_out != name));
    assert!(found.len() >= 30, "only {} cases: is the suite whole?", found.len());
    for (directory, name) in &found {
        let authorization = read(directory, name, "authz").trim().to_owned();
        verifies(directory, name, &authorization);
        if NOT_SIGNED.iter().all(|(not_signed, _)| not_signed != name) {
            signs(directory, name, &authorization);
        }
    }
}

/// The signed request: its own file holds the token, but one case's authorization there is a
/// placeholder, so that comes from the file made for it.
fn signed(directory: &Path, name: &str, authorization: &str) -> (Parts, String) {
    let (mut parts, body) = request(&read(directory, name, "sreq"));
    parts.headers.insert("authorization", HeaderValue::from_str(authorization).unwrap());
    (parts, body)
}

fn verifies(directory: &Path, name: &str, authorization: &str) {
    let (parts, body) = signed(directory, name, authorization);
    for family in [Family::Query, Family::Json, Family::RestJson] {
        let claim = sigv4::parse(&parts, family).unwrap().unwrap();
        assert_eq!((claim.access_key_id(), claim.service()), ("AKIDEXAMPLE", "service"), "{name}");
        assert_eq!(claim.session_token().is_some(), parts.headers.contains_key("x-amz-security-token"));
        let keys = SigningKeys::default();
        let verified = claim.verify(&keys, SECRET, Body::Whole(body.as_bytes()), NOW);
        assert!(verified.is_ok(), "{name}: {verified:?}");
        let other = claim.verify(&keys, SECRET, Body::Whole(b"another body"), NOW);
        assert_eq!(other.unwrap_err().query_code(), "SignatureDoesNotMatch", "{name}");
    }
}

fn signs(directory: &Path, name: &str, authorization: &str) {
    let (mut parts, body) = request(&read(directory, name, "sreq"));
    parts.headers.remove("authorization");
    let token = parts.headers.remove("x-amz-security-token");
    let credentials = Credentials {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: SECRET.to_owned(),
        session_token: token.map(|token| token.to_str().unwrap().to_owned()),
    };
    let signer = Signer { credentials: &credentials, region: "us-east-1", service: "service", time: NOW };
    signer.sign_headers(&mut parts, SignBody::Whole(body.as_bytes())).unwrap();
    assert_eq!(parts.headers["authorization"], authorization, "{name}");
}

trait QueryCode {
    fn query_code(&self) -> &str;
}

impl QueryCode for ropeway_wire::Error {
    fn query_code(&self) -> &str {
        self.query_code.as_deref().unwrap_or(&self.code)
    }
}
