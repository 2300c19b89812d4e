//! `String.format`.

use super::failed;
use crate::context::Heap;
use crate::display;
use crate::error::Result;
use crate::value::Value;

/// Width and precision, at most.
const MAX_WIDTH: usize = 10_000;

/// One `%` of a pattern.
#[derive(Default)]
struct Specifier {
    argument: Option<usize>,
    left: bool,
    zero: bool,
    plus: bool,
    space: bool,
    grouped: bool,
    width: usize,
    precision: Option<usize>,
    conversion: char,
}

pub(super) fn format(heap: &Heap, pattern: &str, values: &[Value]) -> Result<String> {
    let mut result = String::new();
    let mut rest = pattern;
    let mut next = 0;
    while let Some(at) = rest.find('%') {
        let (before, after) = rest.split_at(at);
        result.push_str(before);
        let (specifier, length) = specifier(after)?;
        rest = after.get(length..).unwrap_or_default();
        let text = match specifier.conversion {
            '%' => "%".to_owned(),
            'n' => "\n".to_owned(),
            _ => {
                let index = specifier.argument.map_or(next, |argument| argument.wrapping_sub(1));
                if specifier.argument.is_none() {
                    next += 1;
                }
                let Some(value) = values.get(index) else {
                    return Err(failed(format!("Format specifier '%{}'", specifier.conversion)));
                };
                convert(&specifier, value)?
            }
        };
        let padded = pad(&specifier, text);
        heap.charge(padded.len())?;
        result.push_str(&padded);
    }
    result.push_str(rest);
    Ok(result)
}

fn specifier(text: &str) -> Result<(Specifier, usize)> {
    let mut specifier = Specifier::default();
    let mut at = 1;
    let number = |from: usize| -> (Option<usize>, usize) {
        let digits = text.bytes().skip(from).take_while(u8::is_ascii_digit).count();
        (text.get(from..from + digits).and_then(|d| d.parse().ok()), digits)
    };
    if let (Some(argument), digits) = number(at)
        && text.as_bytes().get(at + digits) == Some(&b'$')
    {
        specifier.argument = Some(argument);
        at += digits + 1;
    }
    while let Some(flag) = text.as_bytes().get(at) {
        match flag {
            b'-' => specifier.left = true,
            b'0' => specifier.zero = true,
            b'+' => specifier.plus = true,
            b' ' => specifier.space = true,
            b',' => specifier.grouped = true,
            _ => break,
        }
        at += 1;
    }
    let (width, digits) = number(at);
    specifier.width = width.unwrap_or(0);
    at += digits;
    if text.as_bytes().get(at) == Some(&b'.') {
        let (precision, digits) = number(at + 1);
        specifier.precision = precision;
        at += digits + 1;
    }
    if specifier.width.max(specifier.precision.unwrap_or(0)) > MAX_WIDTH {
        return Err(failed("a width in a format is at most 10000"));
    }
    match text.get(at..).and_then(|rest| rest.chars().next()) {
        Some(conversion) if conversion.is_ascii_alphabetic() || conversion == '%' => {
            specifier.conversion = conversion;
            Ok((specifier, at + 1))
        }
        _ => Err(failed("Conversion = '%'")),
    }
}

fn convert(specifier: &Specifier, value: &Value) -> Result<String> {
    let wrong = || failed(format!("{} cannot take this argument", specifier.conversion));
    let cut = |text: String| match specifier.precision {
        Some(most) => text.chars().take(most).collect(),
        None => text,
    };
    Ok(match (specifier.conversion, value) {
        ('s', value) => cut(display::text(value)?),
        ('S', value) => cut(display::text(value)?.to_uppercase()),
        ('b' | 'B', value) => cut(match value {
            Value::Null => "false".to_owned(),
            Value::Bool(bool) => bool.to_string(),
            _ => "true".to_owned(),
        }),
        ('c', Value::Str(text)) if text.chars().count() == 1 => text.to_string(),
        ('c', Value::Int(code)) => {
            u32::try_from(*code).ok().and_then(char::from_u32).map(String::from).ok_or_else(wrong)?
        }
        (_, Value::Null) => "null".to_owned(),
        ('d', Value::Int(number)) => signed(specifier, *number < 0, &number.unsigned_abs().to_string()),
        ('x', Value::Int(number)) => format!("{:x}", *number as i32),
        ('X', Value::Int(number)) => format!("{:X}", *number as i32),
        ('o', Value::Int(number)) => format!("{:o}", *number as i32),
        ('f', Value::Double(number)) if !number.is_finite() => display::double(*number),
        ('f', Value::Double(number)) => {
            let digits = rounded(&number.abs().to_string(), specifier.precision.unwrap_or(6));
            signed(specifier, number.is_sign_negative(), &digits)
        }
        _ => return Err(wrong()),
    })
}

/// A decimal with this many digits after its point, half rounded up: Java rounds the digits that the number
/// is written with, and not the number.
fn rounded(decimal: &str, places: usize) -> String {
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    let kept = whole.len() + places;
    let mut digits: Vec<u8> =
        whole.bytes().chain(fraction.bytes()).chain(std::iter::repeat_n(b'0', places)).collect();
    let up = digits.get(kept).is_some_and(|digit| (b'5'..=b'9').contains(digit));
    digits.truncate(kept);
    let mut carry = up;
    for digit in digits.iter_mut().rev() {
        if !carry {
            break;
        }
        carry = *digit == b'9';
        *digit = if carry { b'0' } else { *digit + 1 };
    }
    let mut text: String =
        carry.then_some('1').into_iter().chain(digits.into_iter().map(char::from)).collect();
    if places > 0 {
        text.insert(text.len() - places, '.');
    }
    text
}

/// A number with its sign, grouped and filled up with zeros as the flags want it.
fn signed(specifier: &Specifier, negative: bool, digits: &str) -> String {
    let (whole, fraction) = digits.split_once('.').map_or((digits, None), |(w, f)| (w, Some(f)));
    let mut text = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if specifier.grouped && index > 0 && (whole.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if let Some(fraction) = fraction {
        text.push('.');
        text.push_str(fraction);
    }
    let sign = match (negative, specifier.plus, specifier.space) {
        (true, ..) => "-",
        (_, true, _) => "+",
        (_, _, true) => " ",
        _ => "",
    };
    let fill = if specifier.zero { specifier.width.saturating_sub(text.len() + sign.len()) } else { 0 };
    format!("{sign}{}{text}", "0".repeat(fill))
}

fn pad(specifier: &Specifier, text: String) -> String {
    let fill = " ".repeat(specifier.width.saturating_sub(text.chars().count()));
    if specifier.left { text + &fill } else { fill + &text }
}
