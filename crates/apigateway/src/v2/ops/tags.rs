//! TagResource, UntagResource, GetTags.

use std::collections::BTreeMap;

use ropeway_api::apigatewayv2 as api;
use ropeway_wire::{Cx, Error};

use super::ApiGateway;
use crate::ops::check_tags;
use crate::v2::changes::Change;
use crate::v2::errors::{bad, no_stage};

/// What has tags: an API, or a stage of it. `arn:aws:apigateway:<region>::/apis/<id>[/stages/<name>]`
fn tagged(cx: &Cx, arn: &str) -> Result<(String, Option<String>), Error> {
    let invalid = || bad(format!("Invalid resource ARN specified: {arn}"));
    let path = arn.strip_prefix(&format!("arn:aws:apigateway:{}::/apis/", cx.region)).ok_or_else(invalid)?;
    match path.split('/').collect::<Vec<_>>().as_slice() {
        [id] => Ok(((*id).to_owned(), None)),
        [id, "stages", name] => Ok(((*id).to_owned(), Some((*name).to_owned()))),
        _ => Err(invalid()),
    }
}

pub async fn tag_resource(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::TagResourceInput,
) -> Result<api::TagResourceOutput, Error> {
    let tags = input.tags.unwrap_or_default();
    check_tags(cx, &tags)?;
    let (id, stage) = tagged(cx, &input.resource_arn)?;
    gateway.change_http(cx, &id, Change::Tags(stage, tags, Vec::new())).await?;
    Ok(api::TagResourceOutput {})
}

pub async fn untag_resource(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::UntagResourceInput,
) -> Result<api::UntagResourceOutput, Error> {
    let (id, stage) = tagged(cx, &input.resource_arn)?;
    gateway.change_http(cx, &id, Change::Tags(stage, BTreeMap::new(), input.tag_keys)).await?;
    Ok(api::UntagResourceOutput {})
}

pub async fn get_tags(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetTagsInput,
) -> Result<api::GetTagsOutput, Error> {
    let (id, stage) = tagged(cx, &input.resource_arn)?;
    let api = gateway.own_http(cx, &id).await?;
    let tags = match stage {
        None => api.settings.tags,
        Some(name) => api.stages.get(&name).ok_or_else(no_stage)?.tags.clone(),
    };
    Ok(api::GetTagsOutput { tags: Some(tags) })
}
