//! Pages of lists: a token is where the next page begins.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ropeway_wire::Error;

use crate::error;

/// Entries of a page.
pub const PAGE: usize = 100;

/// The token of a page that begins behind `position`.
pub fn token(position: &str) -> String {
    URL_SAFE_NO_PAD.encode(position)
}

/// What a token says.
///
/// # Errors
/// `ValidationError` for a token that this service never gave.
pub fn position(token: Option<&str>) -> Result<Option<String>, Error> {
    let Some(token) = token else { return Ok(None) };
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok()).filter(|text| !text.contains('\0'));
    text.map(Some).ok_or_else(invalid)
}

/// As [`position`], for lists that are numbered.
pub fn number(token: Option<&str>) -> Result<Option<u64>, Error> {
    let Some(text) = position(token)? else { return Ok(None) };
    text.parse().map(Some).map_err(|_| invalid())
}

fn invalid() -> Error {
    error::validation("The value of NextToken is invalid")
}

/// A page of a list that is all there: its entries and the next page's token.
pub fn cut<T>(all: Vec<T>, next: Option<&str>) -> Result<(Vec<T>, Option<String>), Error> {
    let from = usize::try_from(number(next)?.unwrap_or(0)).map_err(|_| invalid())?;
    let end = from.saturating_add(PAGE);
    let more = (all.len() > end).then(|| token(&end.to_string()));
    Ok((all.into_iter().skip(from).take(PAGE).collect(), more))
}
