//! The strings of `Fn::Sub`.

use super::{Result, TemplateError};

/// A part of a `Fn::Sub` string.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Text that stays.
    Text(&'a str),
    /// The name in `${name}`.
    Variable(&'a str),
}

/// Splits a string into its pieces. `${!name}` is the literal `${name}`; a `${` that is never closed stays.
pub(crate) fn pieces(text: &str) -> Result<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, next)) = after.split_once('}') else { break };
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        if let Some(literal) = name.strip_prefix('!') {
            pieces.extend([Piece::Text("${"), Piece::Text(literal), Piece::Text("}")]);
        } else {
            check_name(name)?;
            pieces.push(Piece::Variable(name));
        }
        rest = next;
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

fn check_name(name: &str) -> Result<()> {
    if !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':')) {
        return Ok(());
    }
    Err(TemplateError::new(
        "Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, \
         periods, and colons",
    ))
}
