//! Scalars as text: what XML, Query, headers, labels and query strings have in common.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use ropeway_core::Time;

use crate::Error;
use crate::schema::{Member, TimestampFormat};

/// Standard base64; padding is written, and not insisted upon.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Whose words a malformed value is refused with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Query,
    Xml,
}

impl Form {
    /// The error for a body that cannot be read.
    pub(crate) fn malformed(self, detail: impl Into<String>) -> Error {
        match self {
            Form::Json => Error::serialization(detail),
            Form::Query => Error::new(400, "MalformedInput", detail),
            // S3's list of error codes gives the text; it says no more about where.
            Form::Xml => Error::new(
                400,
                "MalformedXML",
                "The XML you provided was not well-formed or did not validate against our published schema",
            ),
        }
    }
}

/// Name of a kind of scalar in the services' messages about values of another kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Boolean,
    Integer,
    Float,
    String,
    Blob,
    Timestamp,
    Document,
    List,
    Map,
    Structure,
}

impl Wanted {
    /// The Java type that AWS's messages name.
    pub(crate) fn java(self) -> &'static str {
        match self {
            Wanted::Boolean => "Boolean",
            Wanted::Integer => "Long",
            Wanted::Float => "Double",
            Wanted::String => "String",
            Wanted::Blob => "ByteBuffer",
            Wanted::Timestamp => "Date",
            Wanted::Document => "Document",
            Wanted::List => "List",
            Wanted::Map => "Map",
            Wanted::Structure => "Structure",
        }
    }
}

pub(crate) fn parse_boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

pub(crate) fn parse_float(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => text.parse().ok().filter(|v: &f64| v.is_finite()),
    }
}

pub(crate) fn format_float(value: f64) -> String {
    match special_float(value) {
        Some(name) => name.to_owned(),
        None => value.to_string(),
    }
}

/// The name of a float that is no number.
pub(crate) fn special_float(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value == f64::INFINITY {
        Some("Infinity")
    } else if value == f64::NEG_INFINITY {
        Some("-Infinity")
    } else {
        None
    }
}

pub(crate) fn decode_base64(text: &str) -> Option<Bytes> {
    BASE64.decode(text).ok().map(Bytes::from)
}

pub(crate) fn encode_base64(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// A moment from seconds since 1970, rounded to milliseconds; `None` outside the years that
/// the text formats can tell (-9999 to 9999).
pub(crate) fn from_seconds(seconds: f64) -> Option<Time> {
    let millis = (seconds * 1000.0).round();
    let range = (Timestamp::MIN.as_millisecond() as f64)..=(Timestamp::MAX.as_millisecond() as f64);
    range.contains(&millis).then_some(Time(millis as i64))
}

/// Reads a moment in any of the three formats: they cannot be confused.
pub(crate) fn parse_time(text: &str) -> Option<Time> {
    let text = text.trim();
    if text.contains(',') {
        let broken = jiff::fmt::strtime::parse("%a, %d %b %Y %H:%M:%S%.f GMT", text).ok()?;
        let at = broken.to_datetime().ok()?.to_zoned(TimeZone::UTC).ok()?;
        return Some(Time(at.timestamp().as_millisecond()));
    }
    match text.parse::<f64>() {
        Ok(seconds) => from_seconds(seconds),
        Err(_) => text.parse::<Timestamp>().ok().map(|t| Time(t.as_millisecond())),
    }
}

/// Writes a moment; what lies outside of the years -9999 to 9999 is brought to their edge.
pub(crate) fn format_time(time: Time, format: TimestampFormat) -> String {
    let millis = time.millis();
    if format == TimestampFormat::UnixTimestamp {
        return format_seconds(millis);
    }
    let edge = if millis < 0 { Timestamp::MIN } else { Timestamp::MAX };
    let at = Timestamp::from_millisecond(millis).unwrap_or(edge).to_zoned(TimeZone::UTC);
    match format {
        TimestampFormat::Rfc822 => at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string(),
        _ if at.millisecond() == 0 => at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        _ => at.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
    }
}

/// Seconds since 1970 with as many decimals as needed.
fn format_seconds(millis: i64) -> String {
    let (sign, size) = if millis < 0 { ("-", millis.unsigned_abs()) } else { ("", millis as u64) };
    let (seconds, rest) = (size / 1000, size % 1000);
    match rest {
        0 => format!("{sign}{seconds}"),
        _ => format!("{sign}{seconds}.{rest:03}").trim_end_matches('0').to_owned(),
    }
}

/// Percent-decoding of a query string or a form: `+` is a space. `None` if what results is not UTF-8.
pub(crate) fn form_decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|b| b == b'+' || b == b'%') {
        return Some(Cow::Borrowed(text));
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8().ok()?;
    Some(Cow::Owned(decoded.into_owned()))
}

/// The pairs of a query string or a form, decoded, in order. `None` if one is not UTF-8.
pub(crate) fn form_pairs(text: &str) -> Option<Vec<(Cow<'_, str>, Cow<'_, str>)>> {
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((form_decode(name)?, form_decode(value)?))
        })
        .collect()
}

/// A shape asked for what its schema does not say: generated code and schema disagree.
pub(crate) fn not_a(member: &Member, kind: &str) -> Error {
    Error::internal(format!("the schema of {} is not a {kind}", member.name))
}
