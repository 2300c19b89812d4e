//! Intrinsic functions: which they are, and the shape of their arguments.

use super::value::{Map, Value};
use super::{Result, TemplateError};

/// An intrinsic function whose arguments have the right shape.
pub(crate) enum Function<'a> {
    Ref(&'a str),
    /// The logical id and the attribute's name, which may itself be a `Ref`.
    GetAtt(&'a str, AttributeName<'a>),
    Sub(&'a str, Option<&'a Map>),
    /// Delimiter and list.
    Join(&'a Value, &'a Value),
    /// Index and list.
    Select(&'a Value, &'a Value),
    /// Delimiter and string.
    Split(&'a Value, &'a Value),
    /// Map, top-level key, second-level key, and what is given where there is nothing.
    FindInMap(&'a Value, &'a Value, &'a Value, Option<&'a Value>),
    Base64(&'a Value),
    /// Block, count, bits.
    Cidr(&'a Value, &'a Value, &'a Value),
    GetAzs(&'a Value),
    ImportValue(&'a Value),
    /// Of a list.
    Length(&'a Value),
    ToJsonString(&'a Value),
    If(&'a str, &'a Value, &'a Value),
    /// `Fn::And`, `Fn::Or`, `Fn::Not` and `Fn::Equals`, which only conditions may use.
    Logic(Logic<'a>),
}

/// The name of an attribute, written out or to be evaluated.
#[derive(Clone, Copy)]
pub(crate) enum AttributeName<'a> {
    Literal(&'a str),
    Computed(&'a Value),
}

/// A boolean operation.
pub(crate) enum Logic<'a> {
    And(&'a [Value]),
    Or(&'a [Value]),
    Not(&'a Value),
    Equals(&'a Value, &'a Value),
    Condition(&'a str),
}

/// The function that a value is, or none if it is plain data.
///
/// `Condition` is a function in conditions only (see [`logic`]): elsewhere it is a key like any
/// other, of IAM policies for one.
pub(crate) fn function(value: &Value) -> Result<Option<Function<'_>>> {
    let Value::Map(map) = value else { return Ok(None) };
    let single = map.len() == 1;
    for (name, argument) in map {
        if single && name == "Ref" {
            return reference(argument).map(Some);
        }
        if name.starts_with("Fn::") {
            if !single {
                return error(format!("{name} must be the only key of its object"));
            }
            return named(name, argument).map(Some);
        }
    }
    Ok(None)
}

/// The boolean operation that a condition, or an operand of one, is.
pub(crate) fn logic(value: &Value) -> Result<Option<Logic<'_>>> {
    if let Value::Map(map) = value
        && map.len() == 1
        && let Some(name) = map.get("Condition")
    {
        return match name {
            Value::String(name) => Ok(Some(Logic::Condition(name))),
            _ => error("All Conditions must be of type string"),
        };
    }
    match function(value)? {
        Some(Function::Logic(logic)) => Ok(Some(logic)),
        _ => Ok(None),
    }
}

fn error<T>(message: impl std::fmt::Display) -> Result<T> {
    Err(TemplateError::new(format!("Template error: {message}")))
}

fn reference(argument: &Value) -> Result<Function<'_>> {
    match argument {
        Value::String(name) => Ok(Function::Ref(name)),
        _ => Err(TemplateError::new("Template format error: All Ref's must be of type string")),
    }
}

fn named<'a>(name: &str, argument: &'a Value) -> Result<Function<'a>> {
    match name {
        "Fn::GetAtt" => get_att(argument),
        "Fn::Sub" => substitution(argument),
        "Fn::Join" => join(argument),
        "Fn::Select" => select(argument),
        "Fn::Split" => split(argument),
        "Fn::FindInMap" => find_in_map(argument),
        "Fn::Base64" => Ok(Function::Base64(argument)),
        "Fn::Cidr" => cidr(argument),
        "Fn::GetAZs" => Ok(Function::GetAzs(argument)),
        "Fn::ImportValue" => Ok(Function::ImportValue(argument)),
        "Fn::If" => condition(argument),
        "Fn::And" => Ok(Function::Logic(Logic::And(operands(name, argument)?))),
        "Fn::Or" => Ok(Function::Logic(Logic::Or(operands(name, argument)?))),
        "Fn::Not" => not(argument),
        "Fn::Equals" => equals(argument),
        "Fn::Length" => Ok(Function::Length(argument)),
        "Fn::ToJsonString" => match argument {
            Value::Map(_) | Value::List(_) => Ok(Function::ToJsonString(argument)),
            _ => error("Fn::ToJsonString requires an object or a list"),
        },
        "Fn::Transform" => error("Fn::Transform is not supported: no macros run here"),
        _ => unsupported(name),
    }
}

fn unsupported<T>(name: &str) -> Result<T> {
    if name.starts_with("Fn::ForEach") {
        return error("Fn::ForEach requires the AWS::LanguageExtensions transform");
    }
    error(format!(
        "Encountered unsupported function: {name} Supported functions are: [Fn::Base64, Fn::GetAtt, Fn::GetAZs, \
         Fn::ImportValue, Fn::Join, Fn::Split, Fn::FindInMap, Fn::Select, Ref, Fn::Equals, Fn::If, Fn::Not, \
         Condition, Fn::And, Fn::Or, Fn::Sub, Fn::Cidr]"
    ))
}

fn get_att(argument: &Value) -> Result<Function<'_>> {
    let parts = match argument {
        Value::String(text) => text.split_once('.').map(|(id, name)| (id, AttributeName::Literal(name))),
        Value::List(items) => match items.as_slice() {
            [Value::String(id), Value::String(name)] => Some((id.as_str(), AttributeName::Literal(name))),
            [Value::String(id), name @ Value::Map(_)] => Some((id.as_str(), AttributeName::Computed(name))),
            _ => None,
        },
        _ => None,
    };
    match parts {
        Some((id, name)) if !id.is_empty() && !matches!(name, AttributeName::Literal("")) => {
            Ok(Function::GetAtt(id, name))
        }
        _ => error(
            "every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute",
        ),
    }
}

fn substitution(argument: &Value) -> Result<Function<'_>> {
    let parts = match argument {
        Value::String(text) => Some((text.as_str(), None)),
        Value::List(items) => match items.as_slice() {
            [Value::String(text)] => Some((text.as_str(), None)),
            [Value::String(text), Value::Map(variables)] => Some((text.as_str(), Some(variables))),
            _ => None,
        },
        _ => None,
    };
    match parts {
        Some((text, variables)) => Ok(Function::Sub(text, variables)),
        None => error(
            "One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as first \
             argument, and an optional second argument to specify a mapping of values to replace in the string",
        ),
    }
}

fn join(argument: &Value) -> Result<Function<'_>> {
    match argument.as_list() {
        Some([delimiter, list]) => Ok(Function::Join(delimiter, list)),
        _ => error(JOIN),
    }
}

/// What a malformed `Fn::Join` is told.
pub(crate) const JOIN: &str = "every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of \
                               strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) \
                               to be joined.";

fn select(argument: &Value) -> Result<Function<'_>> {
    match argument.as_list() {
        Some([index, list]) => Ok(Function::Select(index, list)),
        _ => error(SELECT),
    }
}

/// What a malformed `Fn::Select` is told.
pub(crate) const SELECT: &str =
    "Fn::Select requires a list argument with two elements: an integer index and a list";

fn split(argument: &Value) -> Result<Function<'_>> {
    match argument.as_list() {
        Some([delimiter, source]) => Ok(Function::Split(delimiter, source)),
        _ => error(SPLIT),
    }
}

/// What a malformed `Fn::Split` is told.
pub(crate) const SPLIT: &str = "every Fn::Split object requires two parameters, (1) a string delimiter and (2) a \
                                string to be split or a function that returns a string to be split.";

fn find_in_map(argument: &Value) -> Result<Function<'_>> {
    match argument.as_list() {
        Some([map, top, second]) => Ok(Function::FindInMap(map, top, second, None)),
        Some([map, top, second, Value::Map(options)]) if options.len() == 1 => {
            match options.get("DefaultValue") {
                Some(default) => Ok(Function::FindInMap(map, top, second, Some(default))),
                None => error(FIND_IN_MAP),
            }
        }
        _ => error(FIND_IN_MAP),
    }
}

/// What a malformed `Fn::FindInMap` is told.
pub(crate) const FIND_IN_MAP: &str = "every Fn::FindInMap object requires three parameters, the map name, map key and \
                                      the attribute for return value";

fn cidr(argument: &Value) -> Result<Function<'_>> {
    match argument.as_list() {
        Some([block, count, bits]) => Ok(Function::Cidr(block, count, bits)),
        _ => error(
            "every Fn::Cidr object requires three parameters, the IP block, the count and the CIDR bits",
        ),
    }
}

fn condition(argument: &Value) -> Result<Function<'_>> {
    match argument.as_list() {
        Some([Value::String(name), yes, no]) => Ok(Function::If(name, yes, no)),
        Some([Value::String(_), ..]) => error("Fn::If requires a list argument with three elements"),
        _ => error("Fn::If requires a list argument with the first element being a condition"),
    }
}

fn operands<'a>(name: &str, argument: &'a Value) -> Result<&'a [Value]> {
    match argument.as_list() {
        Some(operands) if (2..=10).contains(&operands.len()) => Ok(operands),
        _ => error(format!(
            "every {name} object requires a list of at least 2 and at most 10 boolean parameters."
        )),
    }
}

fn not(argument: &Value) -> Result<Function<'_>> {
    match argument.as_list() {
        Some([operand]) => Ok(Function::Logic(Logic::Not(operand))),
        _ => error("Fn::Not requires a list argument with one element"),
    }
}

fn equals(argument: &Value) -> Result<Function<'_>> {
    match argument.as_list() {
        Some([left, right]) => Ok(Function::Logic(Logic::Equals(left, right))),
        _ => error("Fn::Equals requires a list argument with two elements"),
    }
}
