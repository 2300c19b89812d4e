//! Signing, for the clients of this tree: the command line, the benchmarks, the tests.

use std::collections::BTreeMap;

use bytes::{BufMut as _, Bytes, BytesMut};
use hmac::Mac;
use http::request::Parts;
use http::{HeaderValue, Uri, uri};
use ropeway_core::Time;
use sha2::{Digest, Sha256};

use super::chunked::{ChunkKey, canonical_trailers};
use super::date::Stamp;
use super::verify::string_to_sign;
use super::{ALGORITHM, Family, canonical, keys, payload};
use crate::Error;

/// A pair of keys, and the session token of temporary ones.
#[derive(Clone)]
pub struct Credentials {
    /// `AKIA…`, `ASIA…`.
    pub access_key_id: String,
    /// The secret.
    pub secret_access_key: String,
    /// The token that goes with temporary keys.
    pub session_token: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// The body that a request is signed with.
#[derive(Debug, Clone, Copy)]
pub enum SignBody<'a> {
    /// All of it.
    Whole(&'a [u8]),
    /// S3: not covered by the signature.
    Unsigned,
    /// S3: in signed chunks, which [`ChunkSigner`] makes. The caller sets
    /// `x-amz-decoded-content-length`.
    Chunked,
    /// S3: the same, with trailing headers. The caller sets `x-amz-trailer`, too.
    ChunkedTrailer,
    /// S3: in chunks that are not signed, with trailing headers.
    UnsignedTrailer,
}

/// Signs requests for one region and service at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Signer<'a> {
    /// Whose signature.
    pub credentials: &'a Credentials,
    /// `us-east-1`.
    pub region: &'a str,
    /// `sqs`; `s3` has rules of its own.
    pub service: &'a str,
    /// When.
    pub time: Time,
}

/// What a signature leaves for the chunks of a body.
#[derive(Debug, Clone)]
pub struct ChunkSigner(ChunkKey);

impl Signer<'_> {
    /// Adds `x-amz-date`, `x-amz-security-token`, S3's `x-amz-content-sha256` and `authorization`.
    /// Every header there is gets signed, but for those that proxies and HTTP itself may change.
    ///
    /// # Errors
    /// `InternalFailure` for credentials or times that cannot stand in a header, or a request
    /// without a host.
    pub fn sign_headers(&self, parts: &mut Parts, body: SignBody<'_>) -> Result<ChunkSigner, Error> {
        let stamp = self.stamp()?;
        self.add_host(parts)?;
        set(parts, "x-amz-date", stamp.as_str())?;
        if let Some(token) = &self.credentials.session_token {
            set(parts, "x-amz-security-token", token)?;
        }
        let hash = body_text(body);
        if self.family().is_s3() {
            set(parts, "x-amz-content-sha256", &hash)?;
        }
        let signed = signed_headers(parts);
        let (signature, chunks) = self.signature(parts, &stamp, &signed, &hash);
        let value = format!(
            "{ALGORITHM} Credential={}/{}, SignedHeaders={signed}, Signature={signature}",
            self.credentials.access_key_id,
            self.scope(&stamp)
        );
        set(parts, "authorization", &value)?;
        Ok(chunks)
    }

    /// Adds the query parameters that make the request's URL good for so many seconds
    /// (1–604,800), with the headers it has now.
    ///
    /// # Errors
    /// As [`Signer::sign_headers`].
    pub fn presign_url(&self, parts: &mut Parts, expires_secs: u32) -> Result<(), Error> {
        let stamp = self.stamp()?;
        self.add_host(parts)?;
        let signed = signed_headers(parts);
        let credential = format!("{}/{}", self.credentials.access_key_id, self.scope(&stamp));
        let mut query = parts.uri.query().map(|query| format!("{query}&")).unwrap_or_default();
        let expires = expires_secs.to_string();
        let mut fields = vec![
            ("X-Amz-Algorithm", ALGORITHM),
            ("X-Amz-Credential", &credential),
            ("X-Amz-Date", stamp.as_str()),
            ("X-Amz-Expires", &expires),
            ("X-Amz-SignedHeaders", &signed),
        ];
        fields.extend(self.credentials.session_token.as_deref().map(|token| ("X-Amz-Security-Token", token)));
        for (name, value) in fields {
            query.push_str(name);
            query.push('=');
            query.push_str(&encoded(value));
            query.push('&');
        }
        let unsigned = query.trim_end_matches('&').to_owned();
        set_query(parts, &unsigned)?;
        let hash = if self.family().is_s3() {
            payload::UNSIGNED.to_owned()
        } else {
            body_text(SignBody::Whole(b""))
        };
        let (signature, _) = self.signature(parts, &stamp, &signed, &hash);
        set_query(parts, &format!("{unsigned}&X-Amz-Signature={signature}"))
    }

    fn signature(&self, parts: &Parts, stamp: &Stamp, signed: &str, hash: &str) -> (String, ChunkSigner) {
        let canonical = canonical::request(parts, self.family(), signed, hash, false);
        let scope = self.scope(stamp);
        let to_sign = string_to_sign(stamp.as_str(), &scope, &canonical);
        let secret = &self.credentials.secret_access_key;
        let key = keys::signing_key(secret, stamp.date(), self.region, self.service);
        let seed: [u8; 32] = key.clone().chain_update(to_sign).finalize().into_bytes().into();
        (hex::encode(seed), ChunkSigner(ChunkKey::new(key, *stamp, &scope, seed)))
    }

    fn family(&self) -> Family {
        // Among the others, the families differ in their errors alone.
        if self.service == "s3" { Family::S3 } else { Family::Query }
    }

    fn stamp(&self) -> Result<Stamp, Error> {
        let stamp = Stamp::of(Time::from_secs(self.time.secs()));
        stamp.ok_or_else(|| Error::internal("a time that cannot be written"))
    }

    fn scope(&self, stamp: &Stamp) -> String {
        format!("{}/{}/{}/aws4_request", stamp.date(), self.region, self.service)
    }

    fn add_host(&self, parts: &mut Parts) -> Result<(), Error> {
        if parts.headers.contains_key(http::header::HOST) {
            return Ok(());
        }
        let host = parts.uri.authority().map(|authority| authority.as_str().to_owned());
        set(parts, "host", &host.ok_or_else(|| Error::internal("a request without a host"))?)
    }
}

impl ChunkSigner {
    /// One chunk of a body, with its head and signature. An empty one ends the body: after it
    /// comes [`ChunkSigner::end`]. All but the last must have 8,192 bytes or more.
    pub fn chunk(&mut self, data: &[u8]) -> Bytes {
        let head = format!("{:x};chunk-signature={}\r\n", data.len(), self.0.sign_data(data));
        let mut out = BytesMut::with_capacity(head.len() + data.len() + 2);
        out.put_slice(head.as_bytes());
        if !data.is_empty() {
            out.put_slice(data);
            out.put_slice(b"\r\n");
        }
        out.freeze()
    }

    /// What stands after the last chunk: trailing headers, by name in lower case, signed.
    pub fn end(self, trailers: &BTreeMap<String, String>) -> Bytes {
        if trailers.is_empty() {
            return Bytes::from_static(b"\r\n");
        }
        let signature = self.0.sign_trailer(&canonical_trailers(trailers));
        let mut out = String::new();
        for (name, value) in trailers {
            out.push_str(&format!("{name}:{value}\r\n"));
        }
        out.push_str(&format!("x-amz-trailer-signature:{signature}\r\n\r\n"));
        out.into()
    }
}

fn body_text(body: SignBody<'_>) -> String {
    match body {
        SignBody::Whole(bytes) => hex::encode(Sha256::digest(bytes)),
        SignBody::Unsigned => payload::UNSIGNED.to_owned(),
        SignBody::Chunked => payload::CHUNKED.to_owned(),
        SignBody::ChunkedTrailer => payload::CHUNKED_TRAILER.to_owned(),
        SignBody::UnsignedTrailer => payload::UNSIGNED_TRAILER.to_owned(),
    }
}

/// The names of the headers to sign, sorted. HTTP libraries and proxies change the others.
fn signed_headers(parts: &Parts) -> String {
    const UNSIGNED: [&str; 10] = [
        "accept-encoding",
        "authorization",
        "connection",
        "content-length",
        "expect",
        "te",
        "trailer",
        "transfer-encoding",
        "user-agent",
        "x-amzn-trace-id",
    ];
    let mut names: Vec<&str> =
        parts.headers.keys().map(|name| name.as_str()).filter(|name| !UNSIGNED.contains(name)).collect();
    names.sort_unstable();
    names.join(";")
}

fn set(parts: &mut Parts, name: &'static str, value: &str) -> Result<(), Error> {
    let value = HeaderValue::from_str(value).map_err(|error| Error::internal(error.to_string()))?;
    parts.headers.insert(name, value);
    Ok(())
}

fn set_query(parts: &mut Parts, query: &str) -> Result<(), Error> {
    let mut uri: uri::Parts = parts.uri.clone().into_parts();
    let path = parts.uri.path();
    let target = format!("{path}?{query}")
        .parse()
        .map_err(|error: uri::InvalidUri| Error::internal(error.to_string()))?;
    uri.path_and_query = Some(target);
    parts.uri = Uri::from_parts(uri).map_err(|error| Error::internal(error.to_string()))?;
    Ok(())
}

fn encoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    text.bytes().for_each(|byte| canonical::encode(byte, false, &mut out));
    String::from_utf8(out).unwrap_or_default()
}
