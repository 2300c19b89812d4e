//! Arithmetic and comparison, as Velocity's `MathUtils` does them.

use crate::ast::Operation;
use crate::error::{RenderError, Result};
use crate::value::Value;

/// A number of a JSON document: whole numbers stay so, others are doubles.
pub(crate) fn from_json(number: &serde_json::Number) -> Value {
    let text = number.to_string();
    if let Ok(whole) = text.parse::<i128>() {
        return Value::Int(whole);
    }
    Value::Double(text.parse().unwrap_or(f64::NAN))
}

/// The result of an operation on two numbers, null where it has none: a division by zero.
pub(crate) fn calculate(operation: Operation, left: &Value, right: &Value) -> Result<Value> {
    Ok(match (left, right) {
        (Value::Int(a), Value::Int(b)) => match operation {
            Operation::Divide | Operation::Modulo if *b == 0 => Value::Null,
            Operation::Add => whole(a.checked_add(*b))?,
            Operation::Subtract => whole(a.checked_sub(*b))?,
            Operation::Multiply => whole(a.checked_mul(*b))?,
            Operation::Divide => whole(a.checked_div(*b))?,
            Operation::Modulo => whole(a.checked_rem(*b))?,
        },
        _ => match (as_double(left), as_double(right)) {
            (Some(a), Some(b)) => match operation {
                Operation::Divide | Operation::Modulo if b == 0.0 => Value::Null,
                Operation::Add => Value::Double(a + b),
                Operation::Subtract => Value::Double(a - b),
                Operation::Multiply => Value::Double(a * b),
                Operation::Divide => Value::Double(a / b),
                Operation::Modulo => Value::Double(a % b),
            },
            _ => Value::Null,
        },
    })
}

fn whole(result: Option<i128>) -> Result<Value> {
    result.map(Value::Int).ok_or(RenderError::Limit("numbers of 128 bits"))
}

pub(crate) fn as_double(value: &Value) -> Option<f64> {
    match value {
        Value::Int(number) => Some(*number as f64),
        Value::Double(number) => Some(*number),
        _ => None,
    }
}

/// The order of two numbers, nothing if one is none.
pub(crate) fn compare(left: &Value, right: &Value) -> Option<std::cmp::Ordering> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        _ => as_double(left)?.partial_cmp(&as_double(right)?),
    }
}
