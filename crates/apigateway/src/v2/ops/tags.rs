//! TagResource, UntagResource, GetTags.

use ropeway_api::apigatewayv2 as api;
use ropeway_wire::{Cx, Error};

use super::domains::read;
use super::{ApiGateway, said};
use crate::commands::DomainChange;
use crate::model::Texts;
use crate::ops::{check_reserved, check_tags, domains as names};
use crate::v2::changes::Change;
use crate::v2::errors::{bad, no_stage};

/// What has tags.
enum Tagged {
    /// an API, or a stage of it
    Api(String, Option<String>),
    /// a custom domain name
    Domain(String),
}

/// `arn:aws:apigateway:<region>::/apis/<id>[/stages/<name>]`, or `…::/domainnames/<name>`
fn tagged(cx: &Cx, arn: &str) -> Result<Tagged, Error> {
    let invalid = || bad(format!("Invalid resource ARN specified: {arn}"));
    let path = arn.strip_prefix(&format!("arn:aws:apigateway:{}::/", cx.region)).ok_or_else(invalid)?;
    match path.split('/').collect::<Vec<_>>().as_slice() {
        ["apis", id] => Ok(Tagged::Api((*id).to_owned(), None)),
        ["apis", id, "stages", name] => Ok(Tagged::Api((*id).to_owned(), Some((*name).to_owned()))),
        ["domainnames", name] => Ok(Tagged::Domain((*name).to_owned())),
        _ => Err(invalid()),
    }
}

async fn change(
    gateway: &ApiGateway,
    cx: &Cx,
    arn: &str,
    add: Texts,
    gone: Vec<String>,
) -> Result<(), Error> {
    match tagged(cx, arn)? {
        Tagged::Api(id, stage) => {
            gateway.change_http(cx, &id, Change::Tags(stage, add, gone)).await.map(drop)
        }
        Tagged::Domain(name) => {
            names::run(gateway, cx, &name, DomainChange::Tags(add, gone)).await.map(drop).map_err(said)
        }
    }
}

pub async fn tag_resource(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::TagResourceInput,
) -> Result<api::TagResourceOutput, Error> {
    let tags = input.tags.unwrap_or_default();
    check_tags(cx, &tags)?;
    change(gateway, cx, &input.resource_arn, tags, Vec::new()).await?;
    Ok(api::TagResourceOutput {})
}

pub async fn untag_resource(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::UntagResourceInput,
) -> Result<api::UntagResourceOutput, Error> {
    check_reserved(cx, &input.tag_keys)?;
    change(gateway, cx, &input.resource_arn, Texts::new(), input.tag_keys).await?;
    Ok(api::UntagResourceOutput {})
}

pub async fn get_tags(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetTagsInput,
) -> Result<api::GetTagsOutput, Error> {
    let tags = match tagged(cx, &input.resource_arn)? {
        Tagged::Api(id, None) => gateway.own_http(cx, &id).await?.settings.tags,
        Tagged::Api(id, Some(stage)) => {
            gateway.own_http(cx, &id).await?.stages.remove(&stage).ok_or_else(no_stage)?.tags
        }
        Tagged::Domain(name) => read(gateway, cx, &name).await?.tags,
    };
    Ok(api::GetTagsOutput { tags: Some(tags) })
}
