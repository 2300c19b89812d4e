//! The check itself.

use hmac::Mac;
use http::request::Parts;
use ropeway_core::Time;
use sha2::{Digest, Sha256};

use super::chunked::{ChunkKey, Chunked, Trailers};
use super::errors::{self, Evidence};
use super::keys::{self, Hmac256, SigningKeys};
use super::{ALGORITHM, Claim, Form, MAX_SKEW_SECS, Payload, canonical, payload};
use crate::{ByteStream, Error};

/// The body that a signature is checked with.
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// All of it, as it came (before any content encoding is undone).
    Whole(&'a [u8]),
    /// It comes later, through [`Verified::open`]. S3 alone signs requests so that this can work.
    Streamed,
}

/// A claim that held.
#[derive(Debug)]
#[must_use = "a streamed body is checked by `open`"]
pub struct Verified {
    payload: Payload,
    /// What the chunks' signatures go on from, where there are any.
    chunks: Option<ChunkKey>,
}

impl Verified {
    /// What the signature says about the body.
    pub fn payload(&self) -> Payload {
        self.payload
    }

    /// The payload of a streamed body, and its trailing headers, there once the payload has ended.
    ///
    /// The hash or the chunks' signatures are checked on the way: bytes are handed on before the
    /// check that covers them, so nothing of them may count until the stream has ended without error.
    ///
    /// # Errors
    /// 411 `MissingContentLength` if a body in chunks does not say its decoded length. The stream
    /// itself ends with S3's `XAmzContentSHA256Mismatch`, `SignatureDoesNotMatch`, `IncompleteBody`,
    /// `InvalidChunkSizeError` or `MalformedTrailerError`.
    pub fn open(self, parts: &Parts, raw: ByteStream) -> Result<(ByteStream, Trailers), Error> {
        match (self.payload, self.chunks) {
            (Payload::Sha256(hash), _) => Ok(payload::hashed(raw, hash)),
            (Payload::Chunked, Some(key)) => payload::chunks(Chunked::signed(parts, key, false)?, raw),
            (Payload::ChunkedTrailer, Some(key)) => payload::chunks(Chunked::signed(parts, key, true)?, raw),
            (Payload::UnsignedTrailer, _) => payload::chunks(Chunked::unsigned(parts)?, raw),
            _ => Ok((raw, Trailers::default())),
        }
    }
}

impl Claim<'_> {
    /// Checks the claim with the secret of its access key, at the time given (real time, not the
    /// time of the application: signatures are about the network).
    ///
    /// # Errors
    /// The family's own: a date outside fifteen minutes or an expired URL, another signature than
    /// the one computed, a body other than the one signed.
    pub fn verify(
        &self,
        keys: &SigningKeys,
        secret: &str,
        body: Body<'_>,
        now: Time,
    ) -> Result<Verified, Error> {
        self.check_time(now)?;
        let mut hex = [0; 64];
        let hash = self.payload_text(body, &mut hex)?;
        let presigned = self.form != Form::Header;
        let canonical = canonical::request(self.parts, self.family, &self.signed_headers, hash, presigned);
        let to_sign = string_to_sign(self.stamp.as_str(), self.credential.scope(), &canonical);
        let cached = keys.get(self.credential.as_str(), secret);
        let fresh = cached.is_none();
        let key =
            cached.unwrap_or_else(|| keys::signing_key(secret, self.date(), self.region(), self.service()));
        let Some(seed) = self.holds(&key, &to_sign) else {
            return Err(self.family.mismatch(&Evidence {
                access_key_id: self.access_key_id(),
                string_to_sign: &to_sign,
                signature: &self.signature,
                canonical_request: &canonical,
            }));
        };
        if fresh {
            keys.put(self.credential.as_str(), secret, &key);
        }
        self.check_body(body)?;
        Ok(Verified { payload: self.payload, chunks: self.chunk_key(key, seed) })
    }

    /// The signature's bytes, if it is the one of this text.
    fn holds(&self, key: &Hmac256, to_sign: &str) -> Option<[u8; 32]> {
        // Upper-case digits would make two signatures of one.
        let lower = !self.signature.bytes().any(|byte| byte.is_ascii_uppercase());
        let mut signature = [0; 32];
        hex::decode_to_slice(self.signature.as_bytes(), &mut signature).ok().filter(|()| lower)?;
        key.clone().chain_update(to_sign).verify_slice(&signature).ok()?;
        Some(signature)
    }

    fn check_time(&self, now: Time) -> Result<(), Error> {
        let age = now.secs() - self.stamp.time.secs();
        let window = match self.form {
            Form::Header => MAX_SKEW_SECS,
            Form::Presigned { expires_secs } => i64::from(expires_secs),
        };
        if age <= window && age >= -MAX_SKEW_SECS {
            return Ok(());
        }
        if !self.family.is_s3() || self.form == Form::Header {
            return Err(self.family.skewed(&self.stamp, window, now));
        }
        let message = if age > window { "Request has expired" } else { "Request is not valid yet" };
        Err(errors::s3_not_current(message, window, self.stamp.time.plus_secs(window), now))
    }

    /// The body's hash or keyword, as it was signed.
    fn payload_text<'t>(&self, body: Body<'_>, hex: &'t mut [u8; 64]) -> Result<&'t str, Error> {
        if let Some(keyword) = self.payload.keyword() {
            return Ok(keyword);
        }
        let hash = match (self.payload, body) {
            (Payload::Sha256(hash), _) => hash,
            (_, Body::Whole(bytes)) => Sha256::digest(bytes).into(),
            (_, Body::Streamed) => {
                return Err(Error::internal("a signature over a body that is not at hand"));
            }
        };
        hex::encode_to_slice(hash, hex).map_err(|error| Error::internal(error.to_string()))?;
        std::str::from_utf8(hex).map_err(|error| Error::internal(error.to_string()))
    }

    /// S3 says the hash in a header; a body at hand must have it.
    fn check_body(&self, body: Body<'_>) -> Result<(), Error> {
        let (Payload::Sha256(claimed), Body::Whole(bytes)) = (self.payload, body) else { return Ok(()) };
        let computed: [u8; 32] = Sha256::digest(bytes).into();
        if computed == claimed { Ok(()) } else { Err(errors::s3_body_mismatch(&claimed, &computed)) }
    }

    fn chunk_key(&self, key: Hmac256, seed: [u8; 32]) -> Option<ChunkKey> {
        matches!(self.payload, Payload::Chunked | Payload::ChunkedTrailer)
            .then(|| ChunkKey::new(key, self.stamp, self.credential.scope(), seed))
    }
}

/// The text that the key signs.
pub(super) fn string_to_sign(stamp: &str, scope: &str, canonical: &[u8]) -> String {
    let mut hex = [0; 64];
    // Sixty-four digits always fit sixty-four bytes.
    let hash = match hex::encode_to_slice(Sha256::digest(canonical), &mut hex) {
        Ok(()) => std::str::from_utf8(&hex).unwrap_or(""),
        Err(_) => "",
    };
    let mut out = String::with_capacity(ALGORITHM.len() + stamp.len() + scope.len() + hash.len() + 3);
    for part in [ALGORITHM, "\n", stamp, "\n", scope, "\n", hash] {
        out.push_str(part);
    }
    out
}
