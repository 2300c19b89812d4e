//! What a part of a template refers to, without evaluating it.

use std::collections::BTreeMap;

use super::functions::{AttributeName, Function, Logic, function, logic};
use super::sub::{Piece, pieces};
use super::value::Value;
use super::{Result, TemplateError};

/// Something that a value refers to.
#[derive(Clone, Copy)]
pub(crate) enum Use<'a> {
    /// A parameter, pseudo parameter or resource.
    Ref(&'a str),
    /// A resource's attribute; no name if only evaluation tells it.
    GetAtt(&'a str, Option<&'a str>),
    /// A condition, and the function that names it.
    Condition(&'a str, &'static str),
    /// A mapping.
    Mapping(&'a str),
    /// The name of an export, as an expression.
    Import(&'a Value),
    /// The zones of a region.
    Azs,
    /// A function of `AWS::LanguageExtensions`.
    Extension(&'static str),
    /// Text that is not replaced.
    Text(&'a str),
}

/// Which branches of `Fn::If` are followed: the taken ones, or both if the conditions are not given.
pub(crate) type Taken<'c> = Option<&'c BTreeMap<String, bool>>;

/// Calls `visit` with everything that a value refers to, in the order of the template.
///
/// Fails if a function in it is malformed or not supported.
pub(crate) fn uses<'a>(value: &'a Value, taken: Taken<'_>, visit: &mut dyn FnMut(Use<'a>)) -> Result<()> {
    if let Some(found) = function(value)? {
        return function_uses(found, taken, visit);
    }
    match value {
        Value::List(items) => items.iter().try_for_each(|item| uses(item, taken, visit)),
        Value::Map(map) => map.values().try_for_each(|item| uses(item, taken, visit)),
        Value::String(text) => {
            visit(Use::Text(text));
            Ok(())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

fn function_uses<'a>(found: Function<'a>, taken: Taken<'_>, visit: &mut dyn FnMut(Use<'a>)) -> Result<()> {
    match found {
        Function::Ref(name) => visit(Use::Ref(name)),
        Function::GetAtt(id, AttributeName::Literal(name)) => visit(Use::GetAtt(id, Some(name))),
        Function::GetAtt(id, AttributeName::Computed(name)) => {
            visit(Use::GetAtt(id, None));
            uses(name, taken, visit)?;
        }
        Function::Sub(text, variables) => {
            for piece in pieces(text)? {
                match piece {
                    Piece::Text(text) => visit(Use::Text(text)),
                    Piece::Variable(name) if variables.is_some_and(|map| map.contains_key(name)) => {}
                    Piece::Variable(name) => visit(variable(name)),
                }
            }
            for value in variables.into_iter().flat_map(|map| map.values()) {
                uses(value, taken, visit)?;
            }
        }
        Function::FindInMap(map, top, second, default) => {
            if let (Value::String(name), None) = (map, default) {
                visit(Use::Mapping(name));
            }
            if default.is_some() {
                visit(Use::Extension("DefaultValue of Fn::FindInMap"));
            }
            let parts = [map, top, second].into_iter().chain(default);
            parts.into_iter().try_for_each(|part| uses(part, taken, visit))?;
        }
        Function::Length(list) => {
            visit(Use::Extension("Fn::Length"));
            uses(list, taken, visit)?;
        }
        Function::ToJsonString(value) => {
            visit(Use::Extension("Fn::ToJsonString"));
            uses(value, taken, visit)?;
        }
        Function::Join(a, b) | Function::Select(a, b) | Function::Split(a, b) => {
            uses(a, taken, visit)?;
            uses(b, taken, visit)?;
        }
        Function::Base64(a) => uses(a, taken, visit)?,
        Function::Cidr(a, b, c) => [a, b, c].into_iter().try_for_each(|part| uses(part, taken, visit))?,
        Function::GetAzs(region) => {
            visit(Use::Azs);
            uses(region, taken, visit)?;
        }
        Function::ImportValue(name) => {
            visit(Use::Import(name));
            uses(name, taken, visit)?;
        }
        Function::If(name, yes, no) => {
            visit(Use::Condition(name, "Fn::If"));
            let holds = taken.and_then(|conditions| conditions.get(name));
            if holds != Some(&false) {
                uses(yes, taken, visit)?;
            }
            if holds != Some(&true) {
                uses(no, taken, visit)?;
            }
        }
        Function::Logic(_) => return Err(misplaced_logic()),
    }
    Ok(())
}

/// The error of a boolean operation outside conditions.
pub(crate) fn misplaced_logic() -> TemplateError {
    TemplateError::new(
        "Template error: Fn::And, Fn::Or, Fn::Not and Fn::Equals are only allowed in the Conditions block of the \
         template",
    )
}

/// What a `${name}` that is no variable of its own refers to.
pub(crate) fn variable(name: &str) -> Use<'_> {
    match name.split_once('.') {
        Some((id, attribute)) => Use::GetAtt(id, Some(attribute)),
        None => Use::Ref(name),
    }
}

/// Calls `visit` with everything that a condition refers to.
pub(crate) fn condition_uses<'a>(value: &'a Value, visit: &mut dyn FnMut(Use<'a>)) -> Result<()> {
    let Some(operation) = logic(value)? else {
        return Err(TemplateError::new(
            "Template format error: Conditions can only be boolean operations on parameters and other conditions",
        ));
    };
    match operation {
        Logic::And(operands) | Logic::Or(operands) => {
            operands.iter().try_for_each(|operand| condition_uses(operand, visit))
        }
        Logic::Not(operand) => condition_uses(operand, visit),
        Logic::Equals(left, right) => {
            uses(left, None, visit)?;
            uses(right, None, visit)
        }
        Logic::Condition(name) => {
            visit(Use::Condition(name, "Condition"));
            Ok(())
        }
    }
}
