//! The canonical request: the text that a signature is about.

use http::request::Parts;

use super::Family;

/// Writes the canonical request.
///
/// `signed` is the list of header names as the claim has it; `skip_signature` leaves the query's
/// `X-Amz-Signature` out, as pre-signed URLs want it.
pub(super) fn request(
    parts: &Parts,
    family: Family,
    signed: &str,
    payload: &str,
    skip_signature: bool,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(parts.method.as_str().as_bytes());
    out.push(b'\n');
    path(parts.uri.path(), family, &mut out);
    out.push(b'\n');
    query(parts.uri.query().unwrap_or(""), skip_signature, &mut out);
    out.push(b'\n');
    for name in signed.split(';') {
        header(parts, name, &mut out);
    }
    out.push(b'\n');
    out.extend_from_slice(signed.as_bytes());
    out.push(b'\n');
    out.extend_from_slice(payload.as_bytes());
    out
}

/// S3 signs the path encoded once, every other service the normalised path as it was sent, encoded again.
fn path(path: &str, family: Family, out: &mut Vec<u8>) {
    if family.is_s3() {
        for byte in decoded(path.as_bytes(), false) {
            encode(byte, true, out);
        }
        if path.is_empty() {
            out.push(b'/');
        }
        return;
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    for segment in &segments {
        out.push(b'/');
        segment.bytes().for_each(|byte| encode(byte, false, out));
    }
    if segments.is_empty() || path.ends_with('/') {
        out.push(b'/');
    }
}

/// The query's parameters, decoded, encoded in the one way that counts, and sorted.
fn query(query: &str, skip_signature: bool, out: &mut Vec<u8>) {
    if query.is_empty() {
        return;
    }
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (encoded_again(name), encoded_again(value)))
        .filter(|(name, _)| !(skip_signature && name == b"X-Amz-Signature"))
        .collect();
    pairs.sort();
    for (index, (name, value)) in pairs.iter().enumerate() {
        if index > 0 {
            out.push(b'&');
        }
        out.extend_from_slice(name);
        out.push(b'=');
        out.extend_from_slice(value);
    }
}

fn encoded_again(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 8);
    decoded(text.as_bytes(), true).for_each(|byte| encode(byte, false, &mut out));
    out
}

/// Undoes percent-encoding; what is no valid escape stays as it is. In a query, `+` is a space.
pub(super) fn decoded(text: &[u8], plus_is_space: bool) -> impl Iterator<Item = u8> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let byte = *text.get(at)?;
        if byte == b'%'
            && let (Some(high), Some(low)) = (hex_digit(text.get(at + 1)), hex_digit(text.get(at + 2)))
        {
            at += 3;
            return Some(high * 16 + low);
        }
        at += 1;
        Some(if byte == b'+' && plus_is_space { b' ' } else { byte })
    })
}

fn hex_digit(byte: Option<&u8>) -> Option<u8> {
    match byte? {
        byte @ b'0'..=b'9' => Some(byte - b'0'),
        byte @ b'a'..=b'f' => Some(byte - b'a' + 10),
        byte @ b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Encodes one byte: RFC 3986's unreserved characters stay, and `/` where it separates.
pub(super) fn encode(byte: u8, keep_slash: bool, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte),
        b'/' if keep_slash => out.push(byte),
        _ => {
            out.push(b'%');
            out.extend(HEX.get(usize::from(byte >> 4)));
            out.extend(HEX.get(usize::from(byte & 15)));
        }
    }
}

/// `name:value\n`, values joined by commas in the order they came; a header that is not there
/// counts as empty, so that its signature cannot hold unless it was empty.
fn header(parts: &Parts, name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.push(b':');
    let mut first = true;
    for value in parts.headers.get_all(name) {
        if !first {
            out.push(b',');
        }
        first = false;
        trimmed(value.as_bytes(), out);
    }
    // HTTP/2 carries the host as `:authority`.
    if first && (name == "host" || name == ":authority") {
        let authority = parts.uri.authority().map_or("", |authority| authority.as_str());
        out.extend_from_slice(authority.as_bytes());
    }
    out.push(b'\n');
}

/// A header's value without outer white space, and with inner runs of it as one space.
fn trimmed(value: &[u8], out: &mut Vec<u8>) {
    let mut first = true;
    for word in value.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty()) {
        if !first {
            out.push(b' ');
        }
        first = false;
        out.extend_from_slice(word);
    }
}
