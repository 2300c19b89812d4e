//! How much a query may do: its parts, and how far what they give may outgrow the record.

use jaq_core::data::JustLut;
use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Term};
use jaq_core::native::{Fun, bome, run, v};
use jaq_core::ops::Math;
use jaq_core::path::Part;
use jaq_core::{Cv, Error, ValXs};
use jaq_json::Val;

/// How many times longer than the record a value may become.
const MAX_GROWTH: u64 = 1_000;
/// Escapes make a character six at most (`\u0001`), base 64 and `%41` less.
const ESCAPED: u64 = 6;

/// What an argument of a function may be.
#[derive(Clone, Copy, PartialEq)]
enum Argument {
    /// a string or a number that is written out
    Literal,
    /// a filter, whose growth is the function's
    Filter,
}
use Argument::{Filter, Literal};

/// The functions that are there: name, arguments, growth.
const FUNCTIONS: &[(&str, &[Argument], u64)] = &[
    ("empty", &[], 1),
    ("null", &[], 1),
    ("true", &[], 1),
    ("false", &[], 1),
    ("not", &[], 1),
    ("error", &[], 1),
    ("type", &[], 1),
    ("length", &[], 1),
    ("utf8bytelength", &[], 1),
    ("tostring", &[], ESCAPED),
    ("tonumber", &[], 1),
    ("tojson", &[], ESCAPED),
    ("ascii_downcase", &[], 1),
    ("ascii_upcase", &[], 1),
    ("trim", &[], 1),
    ("ltrim", &[], 1),
    ("rtrim", &[], 1),
    ("startswith", &[Literal], 1),
    ("endswith", &[Literal], 1),
    ("ltrimstr", &[Literal], 1),
    ("rtrimstr", &[Literal], 1),
    ("split", &[Literal], 2),
    ("join", &[Literal], 16),
    ("contains", &[Literal], 1),
    ("has", &[Literal], 1),
    ("explode", &[], 8),
    ("implode", &[], 1),
    ("floor", &[], 1),
    ("round", &[], 1),
    ("ceil", &[], 1),
    ("abs", &[], 1),
    ("keys", &[], 1),
    ("first", &[], 1),
    ("last", &[], 1),
    ("add", &[], 1),
    ("min", &[], 1),
    ("max", &[], 1),
    ("sort", &[], 1),
    ("unique", &[], 1),
    ("reverse", &[], 1),
    ("to_entries", &[], 16),
    ("from_entries", &[], 1),
    ("any", &[], 1),
    ("all", &[], 1),
    ("select", &[Filter], 1),
    ("map", &[Filter], 1),
    ("isnumber", &[], 1),
    ("isstring", &[], 1),
    ("isboolean", &[], 1),
    ("isarray", &[], 1),
    ("isobject", &[], 1),
    ("todate", &[], 32),
    ("fromdate", &[], 1),
    ("todateiso8601", &[], 32),
    ("fromdateiso8601", &[], 1),
    ("gmtime", &[], 32),
    ("mktime", &[], 1),
    ("strftime", &[Literal], 32),
    ("strptime", &[Literal], 32),
    ("@text", &[], ESCAPED),
    ("@json", &[], ESCAPED),
    ("@base64", &[], 2 * ESCAPED),
    ("@base64d", &[], ESCAPED),
    ("@uri", &[], 3 * ESCAPED),
    ("@html", &[], ESCAPED * ESCAPED),
];

/// Definitions in place of jaq's own: a `tonumber` that reads nothing but numbers.
pub const DEFINITIONS: &str = "def tonumber: if isnumber then . else number_of_text end;";

/// The functions that [`DEFINITIONS`] are made of.
pub fn funs() -> impl Iterator<Item = Fun<JustLut<Val>>> {
    std::iter::once(run::<JustLut<Val>>(("number_of_text", v(0), number)))
}

fn number(cv: Cv<'_, JustLut<Val>>) -> ValXs<'_, Val> {
    bome(cv.1.try_as_utf8_bytes_owned().and_then(|text| {
        let number = jaq_json::read::parse_single_num(&text).map(Val::Num);
        number.ok_or_else(|| Error::str("cannot parse as number"))
    }))
}

/// The text of a string that is written out.
pub fn literal(term: &Term<&str>) -> Option<String> {
    let Term::Str(None, parts) = term else { return None };
    let part = |part: &StrPart<&str, Term<&str>>| match part {
        StrPart::Str(text) => Some((*text).to_owned()),
        StrPart::Char(sign) => Some(sign.to_string()),
        StrPart::Term(_) => None,
    };
    parts.iter().map(part).collect()
}

/// Refuses a query that may do too much, naming what of it.
pub fn check(term: &Term<&str>) -> Result<(), String> {
    match growth(term)? {
        0..=MAX_GROWTH => Ok(()),
        _ => Err("MetadataExtractionQuery: its values may outgrow the record too far".to_owned()),
    }
}

fn refused(what: &str) -> String {
    format!("MetadataExtractionQuery: {what} is not implemented")
}

/// How many times longer than its input the output of a term may be.
fn growth(term: &Term<&str>) -> Result<u64, String> {
    Ok(match term {
        Term::Id | Term::Num(_) | Term::Arr(None) => 1,
        Term::Arr(Some(inner)) | Term::Neg(inner) => growth(inner)?,
        Term::Str(format, parts) => text_growth(*format, parts)?,
        Term::Obj(entries) => sum(entries, |(key, value)| {
            Ok(growth(key)?.saturating_add(value.as_ref().map_or(Ok(1), growth)?))
        })?,
        Term::BinOp(left, operator, right) => operator_growth(left, operator, right)?,
        Term::TryCatch(inner, other) => {
            growth(inner)?.saturating_add(other.as_deref().map_or(Ok(0), growth)?)
        }
        Term::IfThenElse(branches, other) => {
            let branches = sum(branches, |(when, then)| {
                growth(when)?;
                growth(then)
            })?;
            branches.saturating_add(other.as_deref().map_or(Ok(1), growth)?)
        }
        Term::Call(name, arguments) => call_growth(name, arguments)?,
        Term::Path(base, path) => {
            for (part, _) in &path.0 {
                match part {
                    Part::Index(index) => drop(growth(index)?),
                    Part::Range(None, None) => return Err(refused(".[]")),
                    Part::Range(from, to) => {
                        from.as_ref().map_or(Ok(1), growth)?;
                        to.as_ref().map_or(Ok(1), growth)?;
                    }
                }
            }
            growth(base)?
        }
        Term::Recurse => return Err(refused("..")),
        Term::Var(name) => return Err(refused(name)),
        Term::Fold(name, ..) => return Err(refused(name)),
        Term::Label(..) | Term::Break(_) => return Err(refused("label")),
        Term::Def(..) => return Err(refused("def")),
    })
}

fn sum<T>(of: &[T], each: impl Fn(&T) -> Result<u64, String>) -> Result<u64, String> {
    of.iter().try_fold(1u64, |total, part| Ok(total.saturating_add(each(part)?)))
}

fn text_growth(format: Option<&str>, parts: &[StrPart<&str, Term<&str>>]) -> Result<u64, String> {
    let factor = match format {
        None => ESCAPED,
        Some(format) => call_growth(format, &[])?,
    };
    sum(parts, |part| match part {
        // What is written out may follow each short value of an array.
        StrPart::Str(text) => Ok(text.len() as u64 / 2),
        StrPart::Char(_) => Ok(1),
        StrPart::Term(term) => Ok(growth(term)?.saturating_mul(factor)),
    })
}

fn operator_growth(left: &Term<&str>, operator: &BinaryOp<&str>, right: &Term<&str>) -> Result<u64, String> {
    let (l, r) = (growth(left)?, growth(right)?);
    let number = |term: &Term<&str>| matches!(term, Term::Num(_));
    Ok(match operator {
        BinaryOp::Pipe(None) => l.saturating_mul(r),
        BinaryOp::Alt | BinaryOp::Math(Math::Add) => l.saturating_add(r),
        BinaryOp::Or | BinaryOp::And | BinaryOp::Cmp(_) => 1,
        BinaryOp::Math(Math::Rem) => l.max(r),
        // Of a string or an array they would take long, or make it long.
        BinaryOp::Math(Math::Sub | Math::Mul | Math::Div) if number(left) || number(right) => {
            match number_of(left, right) {
                times if matches!(operator, BinaryOp::Math(Math::Mul)) => l.max(r).saturating_mul(times),
                _ => l.max(r),
            }
        }
        BinaryOp::Math(_) => {
            return Err(refused("an operation other than + of two values that aren't written out"));
        }
        BinaryOp::Comma => return Err(refused("a comma between values")),
        BinaryOp::Pipe(Some(_)) => return Err(refused("as")),
        _ => return Err(refused("an assignment")),
    })
}

/// The number that is written out on one side of an operator.
fn number_of(left: &Term<&str>, right: &Term<&str>) -> u64 {
    let of = |term: &Term<&str>| match term {
        Term::Num(text) => text.parse::<f64>().map_or(u64::MAX, |number| number.ceil() as u64),
        _ => 1,
    };
    of(left).saturating_mul(of(right)).max(1)
}

fn call_growth(name: &str, arguments: &[Term<&str>]) -> Result<u64, String> {
    let row =
        FUNCTIONS.iter().find(|(known, expected, _)| *known == name && expected.len() == arguments.len());
    let Some((_, expected, own)) = row else { return Err(refused(&format!("{name}/{}", arguments.len()))) };
    let mut total = *own;
    for (kind, argument) in expected.iter().zip(arguments) {
        match kind {
            Filter => total = total.saturating_mul(growth(argument)?),
            Literal if matches!(argument, Term::Num(_)) => {}
            Literal => {
                let text = literal(argument)
                    .ok_or_else(|| refused(&format!("an argument of {name} that isn't written out")))?;
                // A width (`%255Y`) would fill up with spaces.
                if name.ends_with("time") && text.contains(|sign: char| sign.is_ascii_digit()) {
                    return Err(refused(&format!("a digit in the format of {name}")));
                }
                total = total.saturating_add(text.len() as u64 / 2);
            }
        }
    }
    Ok(total)
}
