//! What each family of services answers when credentials do not hold.
//!
//! Sources: the "Common Errors" page of each service's API reference, S3's "Error responses", and
//! the DynamoDB guide's "Error messages and codes" for the statuses of the awsJson protocols.

use ropeway_core::Time;

use super::{ALGORITHM, MAX_SKEW_SECS, date};
use crate::Error;

/// Whose error codes, statuses and canonical form apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// S3: codes and members of its own, the path taken as it is, streamed bodies.
    S3,
    /// Services of the Query protocol: `SignatureDoesNotMatch`, 403.
    Query,
    /// Services of the awsJson and rpc-v2-cbor protocols: `InvalidSignatureException`, 400.
    Json,
    /// Services of the restJson protocol: `InvalidSignatureException`, 403.
    RestJson,
}

const MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check \
     your AWS Secret Access Key and signing method. Consult the service documentation for details.";
const S3_MISMATCH: &str = "The request signature we calculated does not match the signature you provided. Check \
     your key and signing method.";
const INVALID_TOKEN: &str = "The security token included in the request is invalid.";
const EXPIRED_TOKEN: &str = "The security token included in the request is expired";

/// What was signed, for S3's error answer.
pub(super) struct Evidence<'a> {
    pub(super) access_key_id: &'a str,
    pub(super) string_to_sign: &'a str,
    pub(super) signature: &'a str,
    pub(super) canonical_request: &'a [u8],
}

impl Family {
    /// True if bodies may be streamed, paths stay as they are, and `x-amz-content-sha256` rules.
    pub(super) fn is_s3(self) -> bool {
        self == Family::S3
    }

    /// One error under the names it has in the families.
    fn named(self, query: &'static str, json: &'static str, query_status: u16, message: String) -> Error {
        match self {
            Family::S3 | Family::Query => Error::new(query_status, query, message),
            Family::Json => Error::new(400, json, message).with_query_code(query),
            Family::RestJson => Error::new(403, json, message).with_query_code(query),
        }
    }

    /// The answer to a request without credentials where some are needed.
    pub fn missing_credentials(self) -> Error {
        let message = "Request is missing Authentication Token".to_owned();
        match self {
            Family::S3 => Error::new(403, "AccessDenied", "Access Denied"),
            _ => {
                self.named("MissingAuthenticationToken", "MissingAuthenticationTokenException", 403, message)
            }
        }
    }

    /// The answer to an access key that does not exist.
    pub fn unknown_key(self, access_key_id: &str) -> Error {
        match self {
            Family::S3 => Error::new(
                403,
                "InvalidAccessKeyId",
                "The AWS Access Key Id you provided does not exist in our records.",
            )
            .with_member("AWSAccessKeyId", access_key_id),
            _ => self.named(
                "InvalidClientTokenId",
                "UnrecognizedClientException",
                403,
                INVALID_TOKEN.to_owned(),
            ),
        }
    }

    /// The answer to a session token that is not the access key's.
    pub fn invalid_token(self, token: &str) -> Error {
        match self {
            Family::S3 => {
                Error::new(400, "InvalidToken", "The provided token is malformed or otherwise invalid.")
                    .with_member("Token-0", token)
            }
            _ => self.named(
                "InvalidClientTokenId",
                "UnrecognizedClientException",
                403,
                INVALID_TOKEN.to_owned(),
            ),
        }
    }

    /// The answer to a session token that is past its time.
    pub fn expired_token(self, token: &str) -> Error {
        match self {
            Family::S3 => Error::new(400, "ExpiredToken", "The provided token has expired.")
                .with_member("Token-0", token),
            _ => self.named("ExpiredToken", "ExpiredTokenException", 403, EXPIRED_TOKEN.to_owned()),
        }
    }

    /// Credentials that lack a part, or have one that cannot be read.
    pub(super) fn incomplete(self, message: impl Into<String>) -> Error {
        self.named("IncompleteSignature", "IncompleteSignatureException", 400, message.into())
    }

    /// A signature that is well-formed but does not hold, for the reason given.
    pub(super) fn refused(self, message: impl Into<String>) -> Error {
        self.named("SignatureDoesNotMatch", "InvalidSignatureException", 403, message.into())
    }

    /// A signature other than the one computed here.
    pub(super) fn mismatch(self, evidence: &Evidence<'_>) -> Error {
        if !self.is_s3() {
            return self.refused(MISMATCH);
        }
        self.refused(S3_MISMATCH)
            .with_member("AWSAccessKeyId", evidence.access_key_id)
            .with_member("StringToSign", evidence.string_to_sign)
            .with_member("SignatureProvided", evidence.signature)
            .with_member("StringToSignBytes", hex_bytes(evidence.string_to_sign.as_bytes()))
            .with_member("CanonicalRequest", String::from_utf8_lossy(evidence.canonical_request))
            .with_member("CanonicalRequestBytes", hex_bytes(evidence.canonical_request))
    }

    /// A request dated outside the window around the server's clock.
    pub(super) fn skewed(self, stamp: &date::Stamp, window_secs: i64, now: Time) -> Error {
        if self.is_s3() {
            return Error::new(
                403,
                "RequestTimeTooSkewed",
                "The difference between the request time and the current time is too large.",
            )
            .with_member("RequestTime", stamp.as_str())
            .with_member("ServerTime", date::iso(now))
            .with_member("MaxAllowedSkewMilliseconds", (MAX_SKEW_SECS * 1000).to_string());
        }
        let (text, server) = (stamp.as_str(), date::basic(now));
        if stamp.time < now {
            let bound = date::basic(now.plus_secs(-window_secs));
            let span = span(window_secs);
            self.refused(format!(
                "Signature expired: {text} is now earlier than {bound} ({server} - {span}.)"
            ))
        } else {
            let bound = date::basic(now.plus_secs(MAX_SKEW_SECS));
            let span = span(MAX_SKEW_SECS);
            self.refused(format!(
                "Signature not yet current: {text} is still later than {bound} ({server} + {span}.)"
            ))
        }
    }

    /// Credentials in the header and in the query at once.
    pub(super) fn two_mechanisms(self, authorization: &str) -> Error {
        let message = "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature \
                       query string parameter or the Authorization header should be specified";
        match self {
            Family::S3 => Error::new(400, "InvalidArgument", message)
                .with_member("ArgumentName", "Authorization")
                .with_member("ArgumentValue", authorization),
            _ => self.incomplete(message),
        }
    }

    /// An algorithm or scheme that is not AWS4-HMAC-SHA256.
    pub(super) fn unsupported_algorithm(self, name: &str) -> Error {
        match self {
            Family::S3 if name.starts_with("AWS") => Error::new(
                400,
                "InvalidRequest",
                format!(
                    "The authorization mechanism you have provided is not supported. Please use {ALGORITHM}."
                ),
            ),
            Family::S3 => Error::new(400, "InvalidArgument", "Unsupported Authorization Type")
                .with_member("ArgumentName", "Authorization")
                .with_member("ArgumentValue", name),
            _ => self.incomplete(format!("Unsupported AWS 'algorithm': '{name}'.")),
        }
    }
}

/// A span as the services' messages write it.
fn span(secs: i64) -> String {
    if secs % 60 == 0 { format!("{} min", secs / 60) } else { format!("{secs} sec") }
}

/// S3: the `Authorization` header cannot be read.
pub(super) fn s3_header_malformed(reason: &str) -> Error {
    Error::new(
        400,
        "AuthorizationHeaderMalformed",
        format!("The authorization header is malformed; {reason}"),
    )
}

/// S3: a parameter of a pre-signed URL cannot be read.
pub(super) fn s3_query_malformed(message: impl Into<String>) -> Error {
    Error::new(400, "AuthorizationQueryParametersError", message)
}

/// S3: a pre-signed URL is past its time, or not yet in it.
pub(super) fn s3_not_current(message: &str, expires_secs: i64, until: Time, now: Time) -> Error {
    Error::new(403, "AccessDenied", message)
        .with_member("X-Amz-Expires", expires_secs.to_string())
        .with_member("Expires", date::iso(until))
        .with_member("ServerTime", date::iso(now))
}

/// S3: `x-amz-*` headers that the signature does not cover.
pub(super) fn s3_unsigned_headers(names: &str) -> Error {
    Error::new(403, "AccessDenied", "There were headers present in the request which were not signed")
        .with_member("HeadersNotSigned", names)
}

/// S3: the body is not the one that the signature speaks of.
pub(super) fn s3_body_mismatch(claimed: &[u8; 32], computed: &[u8; 32]) -> Error {
    Error::new(
        400,
        "XAmzContentSHA256Mismatch",
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
    )
    .with_member("ClientComputedContentSHA256", hex::encode(claimed))
    .with_member("S3ComputedContentSHA256", hex::encode(computed))
}

/// S3: a form's field cannot be read.
pub(super) fn invalid_field(name: &str, value: &str, message: &str) -> Error {
    Error::new(400, "InvalidArgument", message)
        .with_member("ArgumentName", name)
        .with_member("ArgumentValue", value)
}

/// Bytes as S3's error answers show them: `41 57 53`.
pub(super) fn hex_bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 3);
    for (index, byte) in bytes.iter().enumerate() {
        if index > 0 {
            out.push(' ');
        }
        out.push_str(&hex::encode([*byte]));
    }
    out
}
