//! ListPublicKeys.

use ropeway_api::cloudtrail::{ListPublicKeysInput, ListPublicKeysOutput, PublicKey, error};
use ropeway_wire::{Cx, Error};

use super::{CloudTrail, own, unexpected};
use crate::commands::{Command, Output};
use crate::model::Key;

/// The keys of the region whose time overlaps the request's; without times, of the last 24 hours.
pub async fn list_public_keys(
    service: &CloudTrail,
    cx: &Cx,
    input: ListPublicKeysInput,
) -> Result<ListPublicKeysOutput, Error> {
    if input.next_token.is_some() {
        return Err(error::invalid_token_exception("Invalid next token"));
    }
    let to = input.end_time.unwrap_or(cx.now);
    let from = input.start_time.unwrap_or_else(|| to.plus_secs(-24 * 60 * 60));
    if from > to {
        let why = "The start time must be before the end time.";
        return Err(error::invalid_time_range_exception(why));
    }
    let scope = own(cx);
    let Output::Keys(keys) = service.submit(cx, &scope, Command::Keys { scope: scope.clone() }).await? else {
        return Err(unexpected());
    };
    let told = |key: Key| PublicKey {
        fingerprint: Some(key.fingerprint()),
        validity_start_time: Some(key.begins),
        validity_end_time: Some(key.ends),
        value: Some(key.public.into()),
    };
    let within = keys.into_iter().filter(|key| key.begins <= to && key.ends >= from);
    Ok(ListPublicKeysOutput { public_key_list: Some(within.map(told).collect()), next_token: None })
}
