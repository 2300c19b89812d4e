//! Digests in logical ids: SHA-1 of texts and of JSON, and Python's way of printing values.

use sha1::{Digest, Sha1};

use super::node::{Dict, Node, Text};

/// Characters of a digest in a logical id.
pub const LENGTH: usize = 10;

/// The SHA-1 digest of a text, as 40 hexadecimal digits.
pub fn sha1(text: &str) -> String {
    hex::encode(Sha1::digest(text.as_bytes()))
}

/// `prefix` with the digest of a text, which is left out if the text is empty.
pub fn id(prefix: &str, data: &str) -> String {
    if data.is_empty() {
        return prefix.to_owned();
    }
    format!("{prefix}{}", sha1(data).get(..LENGTH).unwrap_or_default())
}

/// How JSON is written.
#[derive(Clone, Copy)]
struct Style {
    comma: &'static str,
    colon: &'static str,
    sorted: bool,
}

/// JSON without spaces, with sorted keys and in ASCII alone: what digests of structures are made of.
pub fn json(node: &Node) -> String {
    let mut out = String::new();
    write_json(node, Style { comma: ",", colon: ":", sorted: true }, &mut out);
    out
}

/// JSON as Python's `json.dumps` writes it where nothing else is said.
pub fn dumped(node: &Node) -> String {
    let mut out = String::new();
    write_json(node, Style { comma: ", ", colon: ": ", sorted: false }, &mut out);
    out
}

fn write_json(node: &Node, style: Style, out: &mut String) {
    match node {
        Node::Null => out.push_str("null"),
        Node::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Node::Number(text) => out.push_str(&number(text)),
        Node::Text(text) => json_text(&text.text, out),
        Node::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { style.comma } else { "" });
                write_json(item, style, out);
            }
            out.push(']');
        }
        Node::Dict(dict) => {
            let mut keys = dict.keys();
            if style.sorted {
                keys.sort_unstable();
            }
            out.push('{');
            for (index, key) in keys.into_iter().enumerate() {
                out.push_str(if index > 0 { style.comma } else { "" });
                json_text(key, out);
                out.push_str(style.colon);
                write_json(dict.get(key).unwrap_or(&Node::Null), style, out);
            }
            out.push('}');
        }
    }
}

fn json_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            _ => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                out.push_str(&format!("\\u{unit:04x}"));
            }),
        }
    }
    out.push('"');
}

/// A number as Python prints it.
fn number(text: &str) -> String {
    if text.chars().all(|c| c.is_ascii_digit() || c == '-') {
        return text.to_owned();
    }
    let Ok(value) = text.parse::<f64>() else { return text.to_owned() };
    let magnitude = value.abs();
    if magnitude != 0.0 && !(1e-4..1e16).contains(&magnitude) {
        let scientific = format!("{value:e}");
        let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    format!("{value:?}")
}

/// `str()` of a value, as the SAM translator's Python prints it.
pub fn python(node: &Node) -> String {
    match node {
        Node::Text(text) => text.text.clone(),
        other => {
            let mut out = String::new();
            write_python(other, &mut out);
            out
        }
    }
}

fn write_python(node: &Node, out: &mut String) {
    match node {
        Node::Null => out.push_str("None"),
        Node::Bool(flag) => out.push_str(if *flag { "True" } else { "False" }),
        Node::Number(text) => out.push_str(&number(text)),
        Node::Text(text) => python_text(text, out),
        Node::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                write_python(item, out);
            }
            out.push(']');
        }
        Node::Dict(dict) => write_python_dict(dict, out),
    }
}

fn write_python_dict(dict: &Dict, out: &mut String) {
    out.push('{');
    for (index, (key, value)) in dict.members().enumerate() {
        out.push_str(if index > 0 { ", " } else { "" });
        python_text(&key, out);
        out.push_str(": ");
        write_python(value, out);
    }
    out.push('}');
}

/// A text of the template is printed as Python 2.7 does, in ASCII; one of the transform as Python 3 does.
fn python_text(text: &Text, out: &mut String) {
    let quote = if text.text.contains('\'') && !text.text.contains('"') { '"' } else { '\'' };
    if text.own {
        out.push('u');
    }
    out.push(quote);
    for c in text.text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            ' '..='~' => out.push(c),
            c => python_escape(c, text.own, out),
        }
    }
    out.push(quote);
}

fn python_escape(c: char, own: bool, out: &mut String) {
    let code = u32::from(c);
    match code {
        0..=0xff if own || code < 0xa1 || code == 0xad => out.push_str(&format!("\\x{code:02x}")),
        _ if !own => out.push(c),
        0..=0xffff => out.push_str(&format!("\\u{code:04x}")),
        _ => out.push_str(&format!("\\U{code:08x}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::node::{dict, ordered};
    use super::*;

    #[test]
    fn prints_as_python_does() {
        let own = |text: &str| Node::Text(Text::own(text));
        assert_eq!(
            python(&vec![own("it's"), "é'\"".into(), own("é\n")].into()),
            "[u\"it's\", 'é\\'\"', u'\\xe9\\n']"
        );
        let numbers = ["5", "1.50", "1e20", "0.00001", "-2.0"].map(|n| Node::Number(n.to_owned()));
        assert_eq!(python(&numbers.to_vec().into()), "[5, 1.5, 1e+20, 1e-05, -2.0]");
        let skeleton = ordered([
            ("swagger", "2.0".into()),
            ("info", dict([("title", true.into())])),
            ("paths", Node::Null),
        ]);
        assert_eq!(python(&skeleton), "{'info': {'title': True}, 'paths': None, 'swagger': '2.0'}");
    }

    #[test]
    fn digests_are_of_sorted_json() {
        let code = dict([("S3Key", "k".into()), ("S3Bucket", "é😀".into())]);
        assert_eq!(json(&code), "{\"S3Bucket\":\"\\u00e9\\ud83d\\ude00\",\"S3Key\":\"k\"}");
        assert_eq!(id("FnVersion", "x"), "FnVersion11f6ad8ec5");
        assert_eq!(id("Fn", ""), "Fn");
    }
}
