//! Pages of lists: markers, and how many are asked for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ropeway_wire::Error;

use crate::errors;
use crate::limits;

/// Where a list goes on: what came last.
pub fn after(marker: Option<&str>) -> Result<Option<String>, Error> {
    let Some(marker) = marker.filter(|marker| !marker.is_empty()) else { return Ok(None) };
    let text = BASE64.decode(marker).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.map(Some).ok_or_else(|| errors::invalid("Invalid Marker"))
}

/// The marker behind what came last, if there is more.
pub fn marker(last: Option<&str>, more: bool) -> Option<String> {
    last.filter(|_| more).map(|last| BASE64.encode(last))
}

/// How many are given at once: Lambda gives 50 at most, whatever is asked for.
pub fn limit(asked: Option<i64>) -> u32 {
    let most = limits::PAGE as i64;
    u32::try_from(asked.unwrap_or(most).clamp(1, most)).unwrap_or(1)
}
