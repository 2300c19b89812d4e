//! `$util`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::context::Heap;
use crate::display;
use crate::error::{RenderError, Result};
use crate::value::{Object, Value};

/// What `application/x-www-form-urlencoded` writes as it is; a space becomes a plus.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'*').remove(b'_').remove(b' ');

#[derive(Debug)]
pub(super) struct Util;

impl Object for Util {
    fn property(&self, _: &str, _: &Heap) -> Result<Value> {
        Ok(Value::Null)
    }

    fn call(&self, method: &str, arguments: &[Value], heap: &Heap) -> Result<Value> {
        let [argument] = arguments else { return Ok(Value::Null) };
        if argument.is_null() {
            return Ok(Value::Null);
        }
        let text = display::text(argument)?;
        heap.charge(text.len())?;
        let wrong = |message: String| RenderError::Method(format!("$util.{method}: {message}"));
        match method {
            "escapeJavaScript" => heap.string(escape_java_script(&text)),
            "parseJson" => {
                let json: serde_json::Value =
                    serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
                heap.json(&json, true)
            }
            "urlEncode" => heap.string(utf8_percent_encode(&text, FORM).to_string().replace(' ', "+")),
            "urlDecode" => {
                let spaced = text.replace('+', " ");
                heap.string(percent_decode_str(&spaced).decode_utf8_lossy())
            }
            "base64Encode" => heap.string(STANDARD.encode(&text)),
            "base64Decode" => {
                let bytes = STANDARD.decode(text.trim()).map_err(|error| wrong(error.to_string()))?;
                heap.string(String::from_utf8_lossy(&bytes))
            }
            _ => Ok(Value::Null),
        }
    }

    fn text(&self) -> String {
        "$util".into()
    }
}

/// Escapes for a string in JavaScript, as Commons Lang does: quotes of both kinds, backslashes and slashes,
/// control characters, and everything beyond ASCII. A `\'` has to be made `'` again for JSON.
fn escape_java_script(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\'' | '\\' | '/' => escaped.extend(['\\', c]),
            '\u{8}' => escaped.push_str("\\b"),
            '\t' => escaped.push_str("\\t"),
            '\n' => escaped.push_str("\\n"),
            '\u{c}' => escaped.push_str("\\f"),
            '\r' => escaped.push_str("\\r"),
            ' '..='~' => escaped.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    escaped.push_str(&format!("\\u{unit:04X}"));
                }
            }
        }
    }
    escaped
}
