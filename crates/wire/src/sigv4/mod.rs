//! AWS Signature Version 4: who sent a request, and that nobody changed it.
//!
//! Checking takes two steps, with the look-up of the secret between them:
//!
//! 1. [`parse`] reads the claim from the `Authorization` header or from a pre-signed URL's query;
//!    `None` means that there are no credentials at all.
//! 2. [`Claim::verify`] recomputes the signature with the secret of [`Claim::access_key_id`].
//!
//! A body that is streamed (S3) then passes through [`Verified::open`], which checks its hash, or
//! its chunks' signatures, as the bytes go by: whoever consumes it must throw away what came
//! before an error. Everything here is a pure function of its input; the time is one of the inputs.
//!
//! The rules are those of "Create a signed AWS API request" (IAM user guide) and "Authenticating
//! Requests (AWS Signature Version 4)" (S3 API reference).

mod canonical;
mod chunked;
mod claim;
mod date;
mod errors;
mod form;
mod header;
mod keys;
mod payload;
mod presigned;
mod sign;
mod verify;

pub use chunked::Trailers;
pub use claim::{Claim, Form};
pub use errors::Family;
pub use form::FormClaim;
pub use keys::SigningKeys;
pub use payload::{Payload, open_anonymous};
pub use sign::{ChunkSigner, Credentials, SignBody, Signer};
pub use verify::{Body, Verified};

use crate::Error;

/// The name of the one algorithm spoken here.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How far a request's date may lie from the server's clock, in seconds.
const MAX_SKEW_SECS: i64 = 15 * 60;

/// Reads the claim that a request makes about its sender; `None` if it carries no credentials.
///
/// # Errors
/// The family's own error for credentials that are malformed, incomplete, given twice, or of an
/// algorithm other than AWS4-HMAC-SHA256.
pub fn parse(parts: &http::request::Parts, family: Family) -> Result<Option<Claim<'_>>, Error> {
    let authorization = parts.headers.get(http::header::AUTHORIZATION);
    let presigned = presigned::is_presigned(parts);
    match (authorization, presigned) {
        (None, false) => presigned::refuse_version_2(parts, family).map(|()| None),
        (Some(value), true) => Err(family.two_mechanisms(&String::from_utf8_lossy(value.as_bytes()))),
        (Some(value), false) => header::parse(parts, family, value).map(Some),
        (None, true) => presigned::parse(parts, family).map(Some),
    }
}
