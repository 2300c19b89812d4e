//! Credentials in the `Authorization` header.

use std::borrow::Cow;

use base64::Engine as _;
use http::HeaderValue;
use http::request::Parts;
use sha2::{Digest, Sha256};

use super::claim::{self, Claim, Credential, Form, Malformed};
use super::date::Stamp;
use super::payload::Payload;
use super::{ALGORITHM, Family, errors};
use crate::Error;

/// The parameters of the header.
#[derive(Default)]
struct Fields<'a> {
    credential: Option<&'a str>,
    signed_headers: Option<&'a str>,
    signature: Option<&'a str>,
}

pub(super) fn parse<'a>(
    parts: &'a Parts,
    family: Family,
    value: &'a HeaderValue,
) -> Result<Claim<'a>, Error> {
    if parts.headers.get_all(http::header::AUTHORIZATION).iter().count() > 1 {
        return Err(family.two_mechanisms(&String::from_utf8_lossy(value.as_bytes())));
    }
    let text = value.to_str().map_err(|_| unreadable(family, value.as_bytes()))?.trim();
    let (algorithm, rest) = text.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((text, ""));
    if algorithm != ALGORITHM {
        return Err(family.unsupported_algorithm(algorithm));
    }
    let fields = fields(rest, family, text)?;
    let date = date_header(parts);
    let (Some(credential), Some(signed_headers), Some(signature)) =
        (fields.credential, fields.signed_headers, fields.signature)
    else {
        return Err(incomplete(family, &fields, date.is_some(), text));
    };
    let credential = Credential::parse(Cow::Borrowed(credential))
        .map_err(|malformed| bad_credential(family, credential, &malformed))?;
    let stamp = stamp(family, date, text, &fields)?;
    same_day(family, &credential, &stamp)?;
    claim::require_signed(parts, family, signed_headers)?;
    Ok(Claim {
        parts,
        family,
        form: Form::Header,
        credential,
        signed_headers: Cow::Borrowed(signed_headers),
        signature: Cow::Borrowed(signature),
        stamp,
        token: claim::header(parts, "x-amz-security-token").map(Cow::Borrowed),
        payload: Payload::of_header(parts, family)?,
    })
}

fn fields<'a>(rest: &'a str, family: Family, whole: &str) -> Result<Fields<'a>, Error> {
    let mut fields = Fields::default();
    for field in rest.split(',').map(str::trim).filter(|field| !field.is_empty()) {
        let Some((name, value)) = field.split_once('=') else {
            return Err(unreadable(family, whole.as_bytes()));
        };
        let slot = match name.trim_end() {
            "Credential" => &mut fields.credential,
            "SignedHeaders" => &mut fields.signed_headers,
            "Signature" => &mut fields.signature,
            _ => continue,
        };
        if slot.replace(value.trim()).is_some() {
            return Err(unreadable(family, whole.as_bytes()));
        }
    }
    Ok(fields)
}

fn date_header(parts: &Parts) -> Option<&str> {
    claim::header(parts, "x-amz-date").or_else(|| claim::header(parts, "date"))
}

fn stamp(family: Family, date: Option<&str>, text: &str, fields: &Fields<'_>) -> Result<Stamp, Error> {
    let no_date =
        || Error::new(403, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header");
    match date {
        None if family.is_s3() => Err(no_date()),
        None => Err(incomplete(family, fields, false, text)),
        Some(date) => Stamp::parse_http_date(date).ok_or_else(|| match family {
            Family::S3 => no_date(),
            _ => family.incomplete(format!(
                "Date must be in ISO-8601 'basic format'. Got '{date}'. See http://en.wikipedia.org/wiki/ISO_8601"
            )),
        }),
    }
}

fn same_day(family: Family, credential: &Credential<'_>, stamp: &Stamp) -> Result<(), Error> {
    let (scope, date) = (credential.date(), stamp.date());
    if scope == date {
        return Ok(());
    }
    Err(match family {
        Family::S3 => errors::s3_header_malformed(&format!(
            "Invalid credential date \"{scope}\". This date is not the same as X-Amz-Date: \"{date}\"."
        )),
        _ => family.refused(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: \
             '{scope}' != '{date}', from '{}'.",
            stamp.as_str()
        )),
    })
}

fn bad_credential(family: Family, text: &str, malformed: &Malformed) -> Error {
    match (family, malformed) {
        (Family::S3, _) => errors::s3_header_malformed(
            "the Credential is mal-formed; expecting \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".",
        ),
        (_, Malformed::Parts) => family.incomplete(format!(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{text}'"
        )),
        (_, Malformed::Terminator) => {
            let term = text.rsplit('/').next().unwrap_or("");
            family.refused(format!(
                "Credential should be scoped with a valid terminator: 'aws4_request', not '{term}'."
            ))
        }
    }
}

/// What the services say of a header that lacks parts. They name the header by its hash only.
fn incomplete(family: Family, fields: &Fields<'_>, dated: bool, text: &str) -> Error {
    if family.is_s3() {
        return errors::s3_header_malformed(
            "the authorization header requires three components: Credential, SignedHeaders, and Signature.",
        );
    }
    let mut message = String::new();
    let needed = [
        ("Credential", fields.credential),
        ("Signature", fields.signature),
        ("SignedHeaders", fields.signed_headers),
    ];
    for (name, _) in needed.iter().filter(|(_, value)| value.is_none()) {
        message.push_str(&format!("Authorization header requires '{name}' parameter. "));
    }
    if !dated {
        message.push_str(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ",
        );
    }
    message.push_str(&format!(
        "(Hashed with SHA-256 and encoded with Base64) Authorization={}",
        digest(text.as_bytes())
    ));
    family.incomplete(message)
}

fn unreadable(family: Family, text: &[u8]) -> Error {
    match family {
        Family::S3 => errors::s3_header_malformed(
            "the authorization header requires three components: Credential, SignedHeaders, and Signature.",
        ),
        _ => family.incomplete(format!(
            "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and \
             encoded with Base64): '{}'.",
            digest(text)
        )),
    }
}

fn digest(text: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text))
}
