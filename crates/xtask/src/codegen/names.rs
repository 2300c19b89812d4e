//! Names: from the models' to Rust's.

/// `SendMessage` → `send_message`; `ACL` → `acl`; `ChecksumCRC32C` → `checksum_crc32c`.
pub fn snake(name: &str) -> String {
    let chars: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (i, c) in chars.iter().enumerate() {
        let previous = i.checked_sub(1).and_then(|p| chars.get(p));
        let next = chars.get(i + 1);
        let boundary = c.is_uppercase()
            && previous.is_some_and(|p| {
                p.is_lowercase()
                    || (p.is_ascii_digit() && next.is_some_and(|n| n.is_lowercase()))
                    || (p.is_uppercase() && next.is_some_and(|n| n.is_lowercase()))
            });
        if boundary && !out.ends_with('_') {
            out.push('_');
        }
        match c {
            '-' | '.' | ':' | '_' => out.push('_'),
            c => out.extend(c.to_lowercase()),
        }
    }
    match out.as_str() {
        "type" | "match" | "move" | "ref" | "self" | "use" | "where" | "loop" | "in" | "for" | "async"
        | "final" | "virtual" | "override" | "static" | "true" | "false" | "abstract" | "box" | "do"
        | "try" | "yield" => format!("{out}_"),
        _ => out,
    }
}

/// `SendMessage` → `SEND_MESSAGE`.
pub fn screaming(name: &str) -> String {
    snake(name).trim_end_matches('_').to_uppercase()
}

/// A shape's name as a type: its first letter upper case.
pub fn pascal(name: &str) -> String {
    let mut out = String::new();
    let mut upper = true;
    for c in name.chars() {
        if !c.is_alphanumeric() {
            upper = true;
        } else if upper {
            out.extend(c.to_uppercase());
            upper = false;
        } else {
            out.push(c);
        }
    }
    out
}
