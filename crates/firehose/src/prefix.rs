//! Prefixes of object keys, with their expressions.
//!
//! `!{timestamp:pattern}` gives a moment in the form of Java's `DateTimeFormatter`,
//! `!{firehose:random-string}` eleven random characters, `!{firehose:error-output-type}`, in the prefix of
//! errors alone, what went wrong; `!{partitionKeyFromQuery:key}` and `!{partitionKeyFromLambda:key}`, in that of
//! objects alone, what a record says. Rules: <https://docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html>.

mod java;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Zoned;
use jiff::tz::TimeZone;
use ropeway_core::Time;

use java::Pattern;

/// Most characters of a prefix once it is evaluated.
const MAX_EVALUATED: usize = 512;
/// What `!{firehose:error-output-type}` says of objects that S3 did not take under their own prefix.
pub const DELIVERY_FAILED: &str = "delivery-failed";
/// What it says of records that an HTTP endpoint did not take:
/// <https://docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html>.
pub const HTTP_FAILED: &str = "http-endpoint-failed";
/// What it says of records that could not be processed:
/// <https://docs.aws.amazon.com/firehose/latest/dev/data-transformation-failure-handling.html>.
pub const PROCESSING_FAILED: &str = "processing-failed";
/// What it says of records that could not be decompressed:
/// <https://docs.aws.amazon.com/firehose/latest/dev/decomp-faq.html>.
pub const DECOMPRESSION_FAILED: &str = "decompression-failed";
/// Length of a random string.
pub const RANDOM: usize = 11;

/// A prefix, parsed.
#[derive(Debug, Clone)]
pub struct Prefix(Vec<Part>);

#[derive(Debug, Clone)]
enum Part {
    Literal(String),
    Time(Pattern),
    Random,
    ErrorType,
    Key(Source, String),
}

/// Where a partition key comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// `partitionKeyFromQuery`
    Query,
    /// `partitionKeyFromLambda`
    Lambda,
}

/// The partition keys of a record, by their source.
#[derive(Debug, Default)]
pub struct PartitionKeys {
    /// what the query says
    pub query: BTreeMap<String, String>,
    /// what the function says
    pub lambda: BTreeMap<String, String>,
}

/// The two prefixes of a destination, and its time zone.
#[derive(Debug, Clone)]
pub struct Prefixes {
    objects: Prefix,
    errors: Prefix,
    zone: TimeZone,
}

impl Prefixes {
    /// Parses and checks a destination's prefixes. `Err`: the constraint that they do not satisfy.
    pub fn parse(prefix: &str, error_prefix: &str, zone: &str) -> Result<Prefixes, String> {
        let mut objects = Prefix::parse(prefix)?;
        let mut errors = Prefix::parse(error_prefix)?;
        if objects.has(|part| matches!(part, Part::ErrorType)) {
            return Err("Prefix cannot contain !{firehose:error-output-type}".to_owned());
        }
        if objects.has_expressions() && error_prefix.is_empty() {
            return Err(
                "ErrorOutputPrefix cannot be null or empty when Prefix contains expressions".to_owned()
            );
        }
        if errors.has(|part| matches!(part, Part::Key(..))) {
            return Err("ErrorOutputPrefix cannot contain partition keys".to_owned());
        }
        let names_error = errors.has(|part| matches!(part, Part::ErrorType));
        if errors.has_expressions() && !names_error {
            let why =
                "ErrorOutputPrefix must contain !{firehose:error-output-type} when it contains expressions";
            return Err(why.to_owned());
        }
        if !errors.has_expressions() {
            let before = if error_prefix.is_empty() { prefix } else { error_prefix };
            errors = Prefix(vec![
                Part::Literal(before.to_owned()),
                Part::ErrorType,
                Part::Literal("/".to_owned()),
            ]);
            errors.0.push(Part::Time(Pattern::hourly()));
        }
        if !objects.has(|part| matches!(part, Part::Time(_))) {
            objects.0.push(Part::Time(Pattern::hourly()));
        }
        let zone = match zone {
            "" | "UTC" => TimeZone::UTC,
            name => TimeZone::get(name).map_err(|_| format!("CustomTimeZone {name} is not a time zone"))?,
        };
        Ok(Prefixes { objects, errors, zone })
    }

    /// Checks the lengths that the prefixes have at a moment.
    pub fn check_lengths(&self, at: Time) -> Result<(), String> {
        let random = "x".repeat(RANDOM);
        for (name, text) in [
            ("Prefix", self.object(at, &random)),
            ("ErrorOutputPrefix", self.error(at, &random, PROCESSING_FAILED)),
        ] {
            if text.chars().count() > MAX_EVALUATED {
                return Err(format!(
                    "{name} cannot be longer than {MAX_EVALUATED} characters when evaluated"
                ));
            }
        }
        Ok(())
    }

    /// The prefix of objects whose first record was accepted at a moment, without what partition keys say.
    pub fn object(&self, at: Time, random: &str) -> String {
        self.objects.evaluate(&zoned(at, &self.zone), random, "", &|_, _| "")
    }

    /// The prefix of objects whose records have these keys. `None`: a key is missing or empty, or the
    /// prefix is too long.
    pub fn partitioned(&self, at: Time, random: &str, keys: &PartitionKeys) -> Option<String> {
        let value = |source, key: &str| match source {
            Source::Query => keys.query.get(key).map_or("", String::as_str),
            Source::Lambda => keys.lambda.get(key).map_or("", String::as_str),
        };
        let missing = |part: &Part| matches!(part, Part::Key(source, key) if value(*source, key).is_empty());
        if self.objects.has(missing) {
            return None;
        }
        let prefix = self.objects.evaluate(&zoned(at, &self.zone), random, "", &value);
        (prefix.chars().count() <= MAX_EVALUATED).then_some(prefix)
    }

    /// The prefix of what went wrong, in a way that has a name.
    pub fn error(&self, at: Time, random: &str, kind: &str) -> String {
        self.errors.evaluate(&zoned(at, &self.zone), random, kind, &|_, _| "")
    }

    /// The partition keys that are in the prefix of objects.
    pub fn keys(&self, from: Source) -> BTreeSet<&str> {
        let keys = self.objects.0.iter().filter_map(|part| match part {
            Part::Key(source, key) if *source == from => Some(key.as_str()),
            _ => None,
        });
        keys.collect()
    }
}

/// A moment in a time zone; what lies outside of the years that there are is brought to their edge.
fn zoned(at: Time, zone: &TimeZone) -> Zoned {
    let edge = if at.millis() < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    jiff::Timestamp::from_millisecond(at.millis()).unwrap_or(edge).to_zoned(zone.clone())
}

/// The name of an object behind its prefix: stream, version, moment (UTC), id.
pub fn object_name(stream: &str, version: u64, at: Time, id: &str) -> String {
    let at = zoned(at, &TimeZone::UTC).strftime("%Y-%m-%d-%H-%M-%S");
    format!("{stream}-{version}-{at}-{id}")
}

impl Prefix {
    fn parse(text: &str) -> Result<Prefix, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((literal, tail)) = rest.split_once("!{") {
            let (expression, behind) = tail.split_once('}').ok_or_else(|| {
                "The characters !{ may only begin an expression !{namespace:value}".to_owned()
            })?;
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.to_owned()));
            }
            parts.push(Part::parse(expression)?);
            rest = behind;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Ok(Prefix(parts))
    }

    fn has(&self, what: impl Fn(&Part) -> bool) -> bool {
        self.0.iter().any(what)
    }

    fn has_expressions(&self) -> bool {
        self.has(|part| !matches!(part, Part::Literal(_)))
    }

    fn evaluate<'v>(
        &self,
        at: &Zoned,
        random: &str,
        kind: &str,
        value: &dyn Fn(Source, &str) -> &'v str,
    ) -> String {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Time(pattern) => pattern.write(at, &mut out),
                Part::Random => out.push_str(random),
                Part::ErrorType => out.push_str(kind),
                Part::Key(source, key) => out.push_str(value(*source, key)),
            }
        }
        out
    }
}

impl Part {
    fn parse(expression: &str) -> Result<Part, String> {
        let (namespace, value) = expression
            .split_once(':')
            .ok_or_else(|| format!("!{{{expression}}} is not of the form !{{namespace:value}}"))?;
        match (namespace, value) {
            ("timestamp", pattern) => Pattern::parse(pattern).map(Part::Time),
            ("firehose", "random-string") => Ok(Part::Random),
            ("firehose", "error-output-type") => Ok(Part::ErrorType),
            ("partitionKeyFromQuery" | "partitionKeyFromLambda", "") => {
                Err(format!("!{{{expression}}} names no key"))
            }
            ("partitionKeyFromQuery", key) => Ok(Part::Key(Source::Query, key.to_owned())),
            ("partitionKeyFromLambda", key) => Ok(Part::Key(Source::Lambda, key.to_owned())),
            _ => Err(format!("!{{{expression}}} is not a supported expression")),
        }
    }
}

#[cfg(test)]
mod tests;
