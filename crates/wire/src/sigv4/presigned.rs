//! Credentials in the query: pre-signed URLs.

use std::borrow::Cow;

use http::request::Parts;

use super::claim::{self, Claim, Credential, Form};
use super::date::Stamp;
use super::payload::Payload;
use super::{ALGORITHM, Family, canonical, errors};
use crate::Error;

/// The longest that a pre-signed URL may be good for: a week, in seconds.
pub(super) const MAX_EXPIRES_SECS: u32 = 604_800;

/// The query's parameters of a signature.
#[derive(Default)]
struct Fields<'a> {
    algorithm: Option<Cow<'a, str>>,
    credential: Option<Cow<'a, str>>,
    date: Option<Cow<'a, str>>,
    expires: Option<Cow<'a, str>>,
    signed_headers: Option<Cow<'a, str>>,
    signature: Option<Cow<'a, str>>,
    token: Option<Cow<'a, str>>,
    content_sha256: Option<Cow<'a, str>>,
}

/// True if the query carries a signature of version 4.
pub(super) fn is_presigned(parts: &Parts) -> bool {
    names(parts).any(|name| matches!(name, "X-Amz-Algorithm" | "X-Amz-Credential" | "X-Amz-Signature"))
}

/// Refuses S3's old signatures by name, rather than taking the request for an anonymous one.
pub(super) fn refuse_version_2(parts: &Parts, family: Family) -> Result<(), Error> {
    if family.is_s3() && names(parts).any(|name| name == "AWSAccessKeyId") {
        return Err(family.unsupported_algorithm("AWS"));
    }
    Ok(())
}

fn names(parts: &Parts) -> impl Iterator<Item = &str> {
    let pairs = parts.uri.query().unwrap_or("").split('&');
    pairs.map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name))
}

pub(super) fn parse(parts: &Parts, family: Family) -> Result<Claim<'_>, Error> {
    let fields = fields(parts, family)?;
    if let Some(algorithm) = fields.algorithm.as_deref().filter(|name| *name != ALGORITHM) {
        return Err(match family {
            Family::S3 => {
                errors::s3_query_malformed(format!("X-Amz-Algorithm only supports \"{ALGORITHM}\""))
            }
            _ => family.unsupported_algorithm(algorithm),
        });
    }
    let (Some(_), Some(credential), Some(date), Some(signed_headers), Some(signature)) =
        (&fields.algorithm, fields.credential, fields.date, fields.signed_headers, fields.signature)
    else {
        return Err(incomplete(family));
    };
    let credential = credential_of(family, credential)?;
    let stamp = Stamp::parse(&date).ok_or_else(|| bad_date(family, &date))?;
    same_day(family, &credential, &stamp)?;
    let form = Form::Presigned { expires_secs: expires(family, fields.expires.as_deref())? };
    claim::require_signed(parts, family, &signed_headers)?;
    let payload = Payload::of_query(parts, family, fields.content_sha256.as_deref())?;
    Ok(Claim {
        parts,
        family,
        form,
        credential,
        signed_headers,
        signature,
        stamp,
        token: fields.token,
        payload,
    })
}

fn fields(parts: &Parts, family: Family) -> Result<Fields<'_>, Error> {
    let mut fields = Fields::default();
    for pair in parts.uri.query().unwrap_or("").split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let slot = match name {
            "X-Amz-Algorithm" => &mut fields.algorithm,
            "X-Amz-Credential" => &mut fields.credential,
            "X-Amz-Date" => &mut fields.date,
            "X-Amz-Expires" => &mut fields.expires,
            "X-Amz-SignedHeaders" => &mut fields.signed_headers,
            "X-Amz-Signature" => &mut fields.signature,
            "X-Amz-Security-Token" => &mut fields.token,
            "X-Amz-Content-Sha256" => &mut fields.content_sha256,
            _ => continue,
        };
        // Given twice, nobody can tell which one was meant.
        if slot.replace(value_of(value, family)?).is_some() {
            return Err(incomplete(family));
        }
    }
    Ok(fields)
}

fn value_of(raw: &str, family: Family) -> Result<Cow<'_, str>, Error> {
    if !raw.contains(['%', '+']) {
        return Ok(Cow::Borrowed(raw));
    }
    let bytes = canonical::decoded(raw.as_bytes(), true).collect();
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| incomplete(family))
}

/// How long the URL is good for. Services other than S3 take fifteen minutes where it is not said.
fn expires(family: Family, text: Option<&str>) -> Result<u32, Error> {
    let text = match (family, text) {
        (_, Some(text)) => text,
        (Family::S3, None) => return Err(incomplete(family)),
        (_, None) => "900",
    };
    let bad = |message: &str| match family {
        Family::S3 => errors::s3_query_malformed(message),
        _ => family.incomplete(message),
    };
    let secs: i64 = text.parse().map_err(|_| bad("X-Amz-Expires should be a number"))?;
    if secs < 0 {
        return Err(bad("X-Amz-Expires must be non-negative"));
    }
    u32::try_from(secs).ok().filter(|secs| *secs <= MAX_EXPIRES_SECS).ok_or_else(|| {
        bad("X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less \
             than 604800 seconds")
    })
}

fn credential_of(family: Family, text: Cow<'_, str>) -> Result<Credential<'_>, Error> {
    Credential::parse(text).map_err(|_| match family {
        Family::S3 => errors::s3_query_malformed(
            "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting \
             \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".",
        ),
        _ => family.incomplete(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term",
        ),
    })
}

fn same_day(family: Family, credential: &Credential<'_>, stamp: &Stamp) -> Result<(), Error> {
    let (scope, date) = (credential.date(), stamp.date());
    if scope == date {
        return Ok(());
    }
    let message =
        format!("Invalid credential date \"{scope}\". This date is not the same as X-Amz-Date: \"{date}\".");
    Err(match family {
        Family::S3 => errors::s3_query_malformed(message),
        _ => family.refused(message),
    })
}

fn bad_date(family: Family, date: &str) -> Error {
    match family {
        Family::S3 => errors::s3_query_malformed(
            "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"",
        ),
        _ => family.incomplete(format!(
            "Date must be in ISO-8601 'basic format'. Got '{date}'. See http://en.wikipedia.org/wiki/ISO_8601"
        )),
    }
}

fn incomplete(family: Family) -> Error {
    match family {
        Family::S3 => errors::s3_query_malformed(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, \
             X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
        ),
        _ => family.incomplete(
            "AWS query-string parameters must include 'X-Amz-Algorithm', 'X-Amz-Credential', 'X-Amz-Signature', \
             'X-Amz-SignedHeaders' and 'X-Amz-Date', each of them once. Re-examine the query-string parameters.",
        ),
    }
}
