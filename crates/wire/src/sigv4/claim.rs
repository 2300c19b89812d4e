//! What a request says about who signed it.

use std::borrow::Cow;
use std::ops::Range;

use http::request::Parts;

use super::date::Stamp;
use super::{Family, Payload, errors};
use crate::Error;

/// Where the credentials stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// In the `Authorization` header.
    Header,
    /// In the query: a pre-signed URL, and for how many seconds it is good.
    Presigned {
        /// `X-Amz-Expires`: 0–604,800 seconds.
        expires_secs: u32,
    },
}

/// A claim that is well-formed but not yet checked. It borrows from the request.
#[derive(Debug, Clone)]
pub struct Claim<'a> {
    pub(super) parts: &'a Parts,
    pub(super) family: Family,
    pub(super) form: Form,
    pub(super) credential: Credential<'a>,
    pub(super) signed_headers: Cow<'a, str>,
    pub(super) signature: Cow<'a, str>,
    pub(super) stamp: Stamp,
    pub(super) token: Option<Cow<'a, str>>,
    pub(super) payload: Payload,
}

impl Claim<'_> {
    /// The access key that the request says it was signed with.
    pub fn access_key_id(&self) -> &str {
        self.credential.access_key_id()
    }

    /// The day of the credential scope: `YYYYMMDD`.
    pub fn date(&self) -> &str {
        self.credential.date()
    }

    /// The region of the credential scope.
    pub fn region(&self) -> &str {
        self.credential.region()
    }

    /// The service of the credential scope, as in `sqs`.
    pub fn service(&self) -> &str {
        self.credential.service()
    }

    /// When the request was signed.
    pub fn signed_at(&self) -> ropeway_core::Time {
        self.stamp.time
    }

    /// The names of the signed headers, in lower case.
    pub fn signed_headers(&self) -> impl Iterator<Item = &str> {
        self.signed_headers.split(';')
    }

    /// The session token, where temporary credentials signed.
    pub fn session_token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// In the header or in the query.
    pub fn form(&self) -> Form {
        self.form
    }

    /// What the signature says about the body.
    pub fn payload(&self) -> Payload {
        self.payload
    }

    /// Requires the scope to name this service.
    ///
    /// # Errors
    /// The family's error for credentials scoped to another service.
    pub fn require_service(&self, service: &str) -> Result<(), Error> {
        if self.service() == service {
            return Ok(());
        }
        if !self.family.is_s3() {
            return Err(self
                .family
                .refused(format!("Credential should be scoped to correct service: '{service}'. ")));
        }
        let reason =
            format!("incorrect service \"{}\". This endpoint belongs to \"{service}\".", self.service());
        Err(match self.form {
            Form::Header => errors::s3_header_malformed(&reason),
            Form::Presigned { .. } => {
                errors::s3_query_malformed(format!("Error parsing the X-Amz-Credential parameter; {reason}"))
            }
        })
    }
}

/// `AKID/date/region/service/aws4_request`, and where its parts lie.
#[derive(Debug, Clone)]
pub(super) struct Credential<'a> {
    text: Cow<'a, str>,
    ends: [usize; 4],
}

/// Why a credential cannot be read.
pub(super) enum Malformed {
    /// Not five parts, or an empty one.
    Parts,
    /// The last part is not `aws4_request`.
    Terminator,
}

impl<'a> Credential<'a> {
    pub(super) fn parse(text: Cow<'a, str>) -> Result<Self, Malformed> {
        // From the right: an access key may hold slashes, the scope may not.
        let mut ends = [0; 4];
        let mut rest: &str = &text;
        for end in ends.iter_mut().rev() {
            let at = rest.rfind('/').ok_or(Malformed::Parts)?;
            if at + 1 == rest.len() {
                return Err(Malformed::Parts);
            }
            *end = at;
            rest = rest.get(..at).unwrap_or("");
        }
        if rest.is_empty() {
            return Err(Malformed::Parts);
        }
        if !text.ends_with("/aws4_request") {
            return Err(Malformed::Terminator);
        }
        Ok(Credential { text, ends })
    }

    /// The whole.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// `date/region/service/aws4_request`.
    pub(super) fn scope(&self) -> &str {
        let [first, ..] = self.ends;
        self.text.get(first + 1..).unwrap_or("")
    }

    pub(super) fn access_key_id(&self) -> &str {
        let [first, ..] = self.ends;
        self.slice(0..first)
    }

    pub(super) fn date(&self) -> &str {
        let [first, second, ..] = self.ends;
        self.slice(first + 1..second)
    }

    pub(super) fn region(&self) -> &str {
        let [_, second, third, _] = self.ends;
        self.slice(second + 1..third)
    }

    pub(super) fn service(&self) -> &str {
        let [_, _, third, fourth] = self.ends;
        self.slice(third + 1..fourth)
    }

    fn slice(&self, range: Range<usize>) -> &str {
        self.text.get(range).unwrap_or("")
    }
}

/// The one value of a header, where it is text.
pub(super) fn header<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    parts.headers.get(name)?.to_str().ok()
}

/// Requires the host to be signed, and with S3 every `x-amz-*` header too: what decides the
/// request's meaning must not be changeable on its way.
pub(super) fn require_signed(parts: &Parts, family: Family, signed: &str) -> Result<(), Error> {
    let is_signed = |name: &str| signed.split(';').any(|one| one == name);
    if !is_signed("host") && !is_signed(":authority") {
        return Err(if family.is_s3() {
            errors::s3_unsigned_headers("host")
        } else {
            family.refused("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
        });
    }
    if !family.is_s3() {
        return Ok(());
    }
    let mut missing: Vec<&str> = parts
        .headers
        .keys()
        .map(|name| name.as_str())
        .filter(|name| name.starts_with("x-amz-") && !is_signed(name))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    missing.sort_unstable();
    Err(errors::s3_unsigned_headers(&missing.join(", ")))
}
