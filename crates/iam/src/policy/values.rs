//! The values that condition operators compare.

use std::net::IpAddr;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// A decimal number with up to nine places after the point, counted in billionths so that it compares
/// exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Number(i128);

const PLACES: usize = 9;

impl Number {
    /// Reads an integer or decimal number; `None` for anything else, an exponent included.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || fraction.len() > PLACES {
            return None;
        }
        let scaled: i128 = format!("{whole}{fraction:0<PLACES$}").parse().ok()?;
        Some(Number(if negative { -scaled } else { scaled }))
    }
}

/// Reads a date: seconds since 1970, or ISO 8601 as W3C's profile has it, down to the year alone. A time
/// without an offset is UTC. Answers in milliseconds since 1970.
pub(super) fn parse_date(text: &str) -> Option<i64> {
    let is_epoch = !text.contains(['-', 'T', 't']);
    if is_epoch {
        return text.parse::<u64>().ok().and_then(|s| i64::try_from(s).ok()?.checked_mul(1000));
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment.as_millisecond());
    }
    let civil = text.parse::<DateTime>().or_else(|_| parse_month(text)).ok()?;
    TimeZone::UTC.to_timestamp(civil).ok().map(|moment| moment.as_millisecond())
}

/// Whether it is a date as conditions take them.
pub(crate) fn is_date(text: &str) -> bool {
    parse_date(text).is_some()
}

/// A year and a month, which begin on their first day.
fn parse_month(text: &str) -> Result<DateTime, jiff::Error> {
    format!("{text}-01").parse::<Date>().map(|date| date.at(0, 0, 0, 0))
}

/// Reads a Boolean, in any case.
pub(super) fn parse_bool(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        return Some(true);
    }
    text.eq_ignore_ascii_case("false").then_some(false)
}

/// A range of IP addresses in CIDR form; an address alone is a range of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network {
    bits: u128,
    mask: u128,
    v4: bool,
}

impl Network {
    /// Reads `203.0.113.0/24`, `2001:db8::/32` or a single address. Bits past the prefix are disregarded.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let (bits, v4) = address_bits(address.parse().ok()?);
        let width: u32 = if v4 { 32 } else { 128 };
        let length: u32 = match prefix {
            Some(prefix) if prefix.bytes().all(|b| b.is_ascii_digit()) => prefix.parse().ok()?,
            Some(_) => return None,
            None => width,
        };
        let host_bits = width.checked_sub(length)?;
        let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
        Some(Network { bits: bits & mask, mask, v4 })
    }

    /// An IPv4 address that comes in IPv6 form is an IPv4 address.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        let (bits, v4) = address_bits(address.to_canonical());
        v4 == self.v4 && bits & self.mask == self.bits
    }
}

fn address_bits(address: IpAddr) -> (u128, bool) {
    match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), true),
        IpAddr::V6(v6) => (v6.to_bits(), false),
    }
}
