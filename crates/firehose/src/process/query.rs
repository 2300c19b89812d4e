//! `MetadataExtraction`: what a query of the language of jq 1.6 says of a record.
//!
//! A query is run for every record by whoever may make a stream. So that no record can make one run for long, or
//! take much memory, those parts of the language are refused whose work isn't bounded by the record's
//! length: what repeats (`..`, `.[]`, `reduce`, `def`, `range`, …), what gives several values (`,`), variables,
//! regular expressions. How far a value may grow is counted when the stream is made.

mod bound;

use std::collections::BTreeMap;

use jaq_core::data::JustLut;
use jaq_core::load::{Arena, File, Loader, parse::Term};
use jaq_core::{Compiler, Ctx, Filter, Vars, unwrap_valr};
use jaq_json::Val;

use super::split::length_of_value;

/// The only engine: <https://docs.aws.amazon.com/firehose/latest/APIReference/API_ProcessorParameter.html>.
pub const ENGINE: &str = "JQ-1.6";
/// Most keys that a query gives, and most characters of a value:
/// <https://docs.aws.amazon.com/firehose/latest/dev/dynamic-partitioning-partitioning-keys.html>.
pub const MAX_KEYS: usize = 50;
/// Most characters between two commas of a query's outermost brackets that are neither letters nor digits.
const MAX_SIGNS: usize = 200;
/// How deep brackets may be nested in a query.
const MAX_NESTED: usize = 24;

/// A query, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    text: String,
    /// The keys that it gives, if it is an object whose keys are written out.
    pub keys: Option<Vec<String>>,
}

impl Query {
    /// Checks a query. `Err`: what is wrong, or not implemented.
    pub fn parse(text: &str) -> Result<Query, String> {
        check_nesting(text)?;
        let term = jaq_core::load::parse(text, |parser| parser.term());
        let term = term.ok_or_else(|| "MetadataExtractionQuery is not a valid query".to_owned())?;
        bound::check(&term)?;
        let query = Query { text: text.to_owned(), keys: keys(&term) };
        if query.keys.as_ref().is_some_and(|keys| keys.len() > MAX_KEYS) {
            return Err(format!("MetadataExtractionQuery may give {MAX_KEYS} keys at most"));
        }
        query.compile()?;
        Ok(query)
    }

    fn compile(&self) -> Result<Filter<JustLut<Val>>, String> {
        let wrong = || "MetadataExtractionQuery is not a valid query".to_owned();
        let arena = Arena::default();
        let own = jaq_core::load::parse(bound::DEFINITIONS, |parser| parser.defs()).ok_or_else(wrong)?;
        let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs()).chain(own);
        let modules = Loader::new(defs).load(&arena, File { code: &*self.text, path: () });
        let modules = modules.map_err(|_| wrong())?;
        let funs = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs()).chain(bound::funs());
        Compiler::default().with_funs(funs).compile(modules).map_err(|_| wrong())
    }

    /// The keys of each record, or why there are none.
    pub fn extract(&self, records: &[&[u8]]) -> Vec<Result<BTreeMap<String, String>, String>> {
        match self.compile() {
            Ok(filter) => records.iter().map(|record| one(&filter, record)).collect(),
            Err(why) => records.iter().map(|_| Err(why.clone())).collect(),
        }
    }
}

/// What reads and compiles a query calls itself for each operator: their number is bounded first.
fn check_nesting(text: &str) -> Result<(), String> {
    let (mut nested, mut signs) = (0usize, 0usize);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => nested += 1,
            b')' | b']' | b'}' => nested = nested.saturating_sub(1),
            _ => {}
        }
        signs += usize::from(!byte.is_ascii_alphanumeric() && byte != b'_');
        if byte == b',' && nested == 1 {
            signs = 0;
        }
        if nested > MAX_NESTED {
            return Err(format!("MetadataExtractionQuery: brackets nested more than {MAX_NESTED} deep"));
        }
        if signs > MAX_SIGNS {
            return Err(format!("MetadataExtractionQuery: more than {MAX_SIGNS} signs for a key"));
        }
    }
    Ok(())
}

/// The keys of an object that are written out.
fn keys(term: &Term<&str>) -> Option<Vec<String>> {
    let Term::Obj(entries) = term else { return None };
    entries.iter().map(|(key, _)| bound::literal(key)).collect()
}

fn one(filter: &Filter<JustLut<Val>>, record: &[u8]) -> Result<BTreeMap<String, String>, String> {
    let broken = || "Non JSON record provided".to_owned();
    // Brackets are counted first, since what reads JSON here calls itself for each.
    let start = record.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or_default();
    if record.get(start) != Some(&b'{') {
        return Err(broken());
    }
    length_of_value(record.get(start..).unwrap_or_default()).map_err(|_| broken())?;
    serde_json::from_slice::<serde::de::IgnoredAny>(record).map_err(|_| broken())?;
    let value = jaq_json::read::parse_single(record).map_err(|_| broken())?;
    let context = Ctx::<JustLut<Val>>::new(&filter.lut, Vars::new([]));
    let mut out = filter.id.run((context, value)).map(unwrap_valr);
    let Val::Obj(found) = out.next().transpose().map_err(|why| format!("{why}"))?.unwrap_or_default() else {
        return Err("MetadataExtractionQuery gives no object".to_owned());
    };
    if found.len() > MAX_KEYS {
        return Err(format!("More than {MAX_KEYS} partition keys"));
    }
    Ok(found.iter().filter_map(|(key, value)| Some((scalar(key)?, scalar(value)?))).collect())
}

/// A key's value as text; only strings, numbers and truth values are any.
fn scalar(value: &Val) -> Option<String> {
    match value {
        Val::TStr(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Val::Bool(_) | Val::Num(_) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
