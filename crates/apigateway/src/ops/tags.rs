//! TagResource, UntagResource, GetTags.

use std::collections::BTreeMap;

use ropeway_api::apigateway as api;
use ropeway_wire::{Cx, Error};

use super::{ApiGateway, check_reserved, check_tags, domains, page, scope, unexpected};
use crate::commands::{AccountChange, AccountOutput, Change, DomainChange};
use crate::errors::{bad, no_stage};

/// What has tags.
enum Tagged {
    Api(String),
    Stage(String, String),
    Key(String),
    Plan(String),
    Domain(String),
}

/// `arn:aws:apigateway:<region>::/restapis/…`
fn tagged(cx: &Cx, arn: &str) -> Result<Tagged, Error> {
    let invalid = || bad(format!("Invalid resource ARN specified: {arn}"));
    let path = arn.strip_prefix(&format!("arn:aws:apigateway:{}::/", cx.region)).ok_or_else(invalid)?;
    let parts: Vec<&str> = path.split('/').collect();
    Ok(match parts.as_slice() {
        ["restapis", id] => Tagged::Api((*id).to_owned()),
        ["restapis", id, "stages", name] => Tagged::Stage((*id).to_owned(), (*name).to_owned()),
        ["apikeys", id] => Tagged::Key((*id).to_owned()),
        ["domainnames", name] => Tagged::Domain((*name).to_owned()),
        ["usageplans", id] => Tagged::Plan((*id).to_owned()),
        _ => return Err(invalid()),
    })
}

async fn change(
    gateway: &ApiGateway,
    cx: &Cx,
    arn: &str,
    add: BTreeMap<String, String>,
    gone: Vec<String>,
) -> Result<(), Error> {
    match tagged(cx, arn)? {
        Tagged::Api(id) => gateway.change(cx, &id, Change::Tags(None, add, gone)).await.map(drop),
        Tagged::Stage(id, name) => {
            gateway.change(cx, &id, Change::Tags(Some(name), add, gone)).await.map(drop)
        }
        Tagged::Key(id) => {
            gateway.account(&cx.trace, &scope(cx), AccountChange::TagKey(id, add, gone)).await.map(drop)
        }
        Tagged::Plan(id) => {
            gateway.account(&cx.trace, &scope(cx), AccountChange::TagPlan(id, add, gone)).await.map(drop)
        }
        Tagged::Domain(name) => {
            domains::run(gateway, cx, &name, DomainChange::Tags(add, gone)).await.map(drop)
        }
    }
}

pub async fn tag_resource(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::TagResourceInput,
) -> Result<api::TagResourceOutput, Error> {
    check_tags(cx, &input.tags)?;
    change(gateway, cx, &input.resource_arn, input.tags, Vec::new()).await?;
    Ok(api::TagResourceOutput {})
}

pub async fn untag_resource(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::UntagResourceInput,
) -> Result<api::UntagResourceOutput, Error> {
    check_reserved(cx, &input.tag_keys)?;
    change(gateway, cx, &input.resource_arn, BTreeMap::new(), input.tag_keys).await?;
    Ok(api::UntagResourceOutput {})
}

pub async fn get_tags(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetTagsInput,
) -> Result<api::GetTagsOutput, Error> {
    let tags = match tagged(cx, &input.resource_arn)? {
        Tagged::Api(id) => gateway.own(cx, &id).await?.settings.tags,
        Tagged::Stage(id, name) => {
            let api = gateway.own(cx, &id).await?;
            api.stages.get(&name).ok_or_else(no_stage)?.tags.clone()
        }
        Tagged::Key(id) => match gateway.account(&cx.trace, &scope(cx), AccountChange::Key(id)).await? {
            AccountOutput::Key(key) => key.tags,
            _ => return Err(unexpected()),
        },
        Tagged::Plan(id) => match gateway.account(&cx.trace, &scope(cx), AccountChange::Plan(id)).await? {
            AccountOutput::Plan(plan) => plan.tags,
            _ => return Err(unexpected()),
        },
        Tagged::Domain(name) => domains::run(gateway, cx, &name, DomainChange::Read).await?.tags,
    };
    let all = tags.into_iter().map(|(key, value)| (key.clone(), (key, value)));
    // The answer has no place for the position of a next page: all there are, at most 50.
    let (found, _) = page(all, input.position.as_deref(), input.limit.or(Some(500)))?;
    Ok(api::GetTagsOutput { tags: Some(found.into_iter().collect()) })
}
