//! The timestamps of signatures: `20150830T123600Z`.

use jiff::civil::DateTime;
use jiff::tz::Offset;
use ropeway_core::Time;

/// A moment as signatures write it, and as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    text: [u8; 16],
    pub(super) time: Time,
}

impl Stamp {
    /// The stamp of a moment, in whole seconds. Years outside 0–9999 cannot be written.
    pub(super) fn of(time: Time) -> Option<Self> {
        let at = civil(time)?;
        let text = format!(
            "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
            at.year(),
            at.month(),
            at.day(),
            at.hour(),
            at.minute(),
            at.second()
        );
        Some(Stamp { text: text.into_bytes().try_into().ok()?, time })
    }

    /// Reads `YYYYMMDDTHHMMSSZ`, and nothing else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 16] = text.as_bytes().try_into().ok()?;
        if bytes.get(8) != Some(&b'T') || bytes.get(15) != Some(&b'Z') {
            return None;
        }
        let at = DateTime::new(
            i16::try_from(digits(bytes.get(0..4)?)?).ok()?,
            i8::try_from(digits(bytes.get(4..6)?)?).ok()?,
            i8::try_from(digits(bytes.get(6..8)?)?).ok()?,
            i8::try_from(digits(bytes.get(9..11)?)?).ok()?,
            i8::try_from(digits(bytes.get(11..13)?)?).ok()?,
            i8::try_from(digits(bytes.get(13..15)?)?).ok()?,
            0,
        )
        .ok()?;
        let secs = Offset::UTC.to_timestamp(at).ok()?.as_second();
        Some(Stamp { text: bytes, time: Time::from_secs(secs) })
    }

    /// Reads an HTTP `Date` header (RFC 1123), or the form of `X-Amz-Date`.
    pub(super) fn parse_http_date(text: &str) -> Option<Self> {
        if let Some(stamp) = Stamp::parse(text) {
            return Some(stamp);
        }
        let at = jiff::fmt::rfc2822::parse(text).ok()?;
        Stamp::of(Time::from_secs(at.timestamp().as_second()))
    }

    /// `20150830T123600Z`.
    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text).unwrap_or("")
    }

    /// `20150830`.
    pub(super) fn date(&self) -> &str {
        self.as_str().get(..8).unwrap_or("")
    }
}

/// `2015-08-30T12:36:00Z`, as S3's error members write moments.
pub(super) fn iso(time: Time) -> String {
    civil(time).map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default()
}

/// `20150830T123600Z`, for messages.
pub(super) fn basic(time: Time) -> String {
    Stamp::of(time).map(|stamp| stamp.as_str().to_owned()).unwrap_or_default()
}

fn civil(time: Time) -> Option<DateTime> {
    let at = jiff::Timestamp::from_second(time.secs()).ok()?;
    Some(Offset::UTC.to_datetime(at)).filter(|at| at.year() >= 0)
}

fn digits(bytes: &[u8]) -> Option<u32> {
    bytes.iter().try_fold(0u32, |sum, byte| match byte {
        b'0'..=b'9' => Some(sum * 10 + u32::from(byte - b'0')),
        _ => None,
    })
}
