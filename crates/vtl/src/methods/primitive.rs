//! The methods of `Boolean`, `Integer`, `Long` and `Double`, their static ones included.

use crate::context::Heap;
use crate::error::Result;
use crate::number;
use crate::value::Value;

use super::failed;

pub(super) fn bool(value: bool, method: &str, arguments: &[Value]) -> Result<Option<Value>> {
    Ok(Some(match (method, arguments) {
        ("booleanValue", []) => Value::Bool(value),
        ("compareTo", [Value::Bool(other)]) => Value::Int(value.cmp(other) as i128),
        ("parseBoolean" | "valueOf", [Value::Str(text)]) => Value::Bool(text.eq_ignore_ascii_case("true")),
        _ => return Ok(None),
    }))
}

pub(super) fn int(heap: &Heap, value: i128, method: &str, arguments: &[Value]) -> Result<Option<Value>> {
    Ok(Some(match (method, arguments) {
        ("intValue", []) => Value::Int((value as i32).into()),
        ("longValue", []) => Value::Int((value as i64).into()),
        ("shortValue", []) => Value::Int((value as i16).into()),
        ("byteValue", []) => Value::Int((value as i8).into()),
        ("doubleValue" | "floatValue", []) => Value::Double(value as f64),
        ("compareTo" | "compare", [Value::Int(other)]) => Value::Int(value.cmp(other) as i128),
        ("parseInt" | "parseLong" | "valueOf", [Value::Str(text)]) => {
            let range =
                if method == "parseLong" { i64::MIN..=i64::MAX } else { i32::MIN.into()..=i32::MAX.into() };
            match text.parse::<i64>() {
                Ok(number) if range.contains(&number) => Value::Int(number.into()),
                _ => return Err(failed(format!("For input string: \"{text}\""))),
            }
        }
        ("toString", [Value::Int(number)]) => heap.string(number.to_string())?,
        ("valueOf", [Value::Int(number)]) => Value::Int(*number),
        ("max", [Value::Int(a), Value::Int(b)]) => Value::Int(*a.max(b)),
        ("min", [Value::Int(a), Value::Int(b)]) => Value::Int(*a.min(b)),
        ("sum", [Value::Int(a), Value::Int(b)]) => {
            number::calculate(crate::ast::Operation::Add, &Value::Int(*a), &Value::Int(*b))?
        }
        ("signum", [Value::Int(number)]) => Value::Int(number.signum()),
        ("toHexString", [Value::Int(number)]) => heap.string(format!("{:x}", *number as i32))?,
        ("toBinaryString", [Value::Int(number)]) => heap.string(format!("{:b}", *number as i32))?,
        _ => return Ok(None),
    }))
}

pub(super) fn double(value: f64, method: &str, arguments: &[Value]) -> Result<Option<Value>> {
    Ok(Some(match (method, arguments) {
        ("intValue", []) => Value::Int((value as i32).into()),
        ("longValue", []) => Value::Int((value as i64).into()),
        ("doubleValue" | "floatValue", []) => Value::Double(value),
        ("isNaN", []) => Value::Bool(value.is_nan()),
        ("isInfinite", []) => Value::Bool(value.is_infinite()),
        ("compareTo", [Value::Double(other)]) => Value::Int(value.total_cmp(other) as i128),
        ("parseDouble" | "valueOf", [Value::Str(text)]) => match text.trim().parse() {
            Ok(number) => Value::Double(number),
            Err(_) => return Err(failed(format!("For input string: \"{text}\""))),
        },
        ("max", [Value::Double(a), Value::Double(b)]) => Value::Double(a.max(*b)),
        ("min", [Value::Double(a), Value::Double(b)]) => Value::Double(a.min(*b)),
        _ => return Ok(None),
    }))
}
