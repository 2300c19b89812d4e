//! The two ways in which S3 encodes keys: in messages, and in filters.

use std::fmt::Write as _;

use percent_encoding::percent_decode_str;

/// A key as messages have it: form-encoded, but for its slashes (S3 user guide, "Event message
/// structure": `red flower.jpg` becomes `red+flower.jpg`).
pub fn encode_key(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'*' | b'/' => {
                out.push(char::from(byte));
            }
            b' ' => out.push('+'),
            // Writing to a text cannot fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}

/// What a filter's value stands for: `+` for a space, `%XX` for a byte. What is no text when decoded
/// stands for itself (S3 user guide, "Configuring event notifications using object key name filtering").
pub fn decode_filter(value: &str) -> String {
    let spaced = value.replace('+', " ");
    match percent_decode_str(&spaced).decode_utf8() {
        Ok(decoded) => decoded.into_owned(),
        Err(_) => value.to_owned(),
    }
}
