//! Tags of functions and of event source mappings.

use std::collections::BTreeMap;

use ropeway_api::lambda as api;
use ropeway_wire::{Cx, Error};

use super::{Lambda, mappings};
use crate::commands::{Command, Output, check_tags};
use crate::engine::unexpected;
use crate::errors::{self, invalid};
use crate::keys::FunctionName;

/// What has tags.
enum Tagged {
    Function(FunctionName),
    Mapping(FunctionName, String),
}

async fn find(lambda: &Lambda, cx: &Cx, arn: &str) -> Result<Tagged, Error> {
    if let Some((_, id)) = arn.split_once(":event-source-mapping:") {
        let (function, _) = mappings::place(lambda, cx, id).await?;
        return Ok(Tagged::Mapping(function, id.to_owned()));
    }
    match FunctionName::parse(arn) {
        Some((name, None)) if name.scope.region == cx.region => Ok(Tagged::Function(name)),
        Some((_, Some(_))) => Err(invalid(
            "Tags on function aliases and versions are not supported. Please specify a function ARN.",
        )),
        _ => Err(errors::no_resource()),
    }
}

async fn change(
    lambda: &Lambda,
    cx: &Cx,
    arn: &str,
    add: BTreeMap<String, String>,
    remove: Vec<String>,
) -> Result<(), Error> {
    let (name, command) = match find(lambda, cx, arn).await? {
        Tagged::Function(name) => (name.clone(), Command::Tag { function: name, add, remove }),
        Tagged::Mapping(name, id) => (name.clone(), Command::TagMapping { function: name, id, add, remove }),
    };
    super::nothing(lambda.submit(cx, &name, command).await?)
}

fn check_reserved<'a>(cx: &Cx, keys: impl IntoIterator<Item = &'a String>) -> Result<(), Error> {
    match cx.reserved_tag(keys) {
        Some(key) => Err(invalid(format!("Tag keys that begin with aws: are reserved: {key}"))),
        None => Ok(()),
    }
}

/// The tags of what is about to be made.
pub(super) fn of_new(
    cx: &Cx,
    tags: Option<BTreeMap<String, String>>,
) -> Result<BTreeMap<String, String>, Error> {
    let tags = tags.unwrap_or_default();
    check_reserved(cx, tags.keys())?;
    check_tags(&tags)?;
    Ok(tags)
}

pub async fn tag_resource(
    lambda: &Lambda,
    cx: &Cx,
    input: api::TagResourceInput,
) -> Result<api::TagResourceOutput, Error> {
    check_reserved(cx, input.tags.keys())?;
    change(lambda, cx, &input.resource, input.tags, Vec::new()).await?;
    Ok(api::TagResourceOutput {})
}

pub async fn untag_resource(
    lambda: &Lambda,
    cx: &Cx,
    input: api::UntagResourceInput,
) -> Result<api::UntagResourceOutput, Error> {
    check_reserved(cx, &input.tag_keys)?;
    change(lambda, cx, &input.resource, BTreeMap::new(), input.tag_keys).await?;
    Ok(api::UntagResourceOutput {})
}

pub async fn list_tags(
    lambda: &Lambda,
    cx: &Cx,
    input: api::ListTagsInput,
) -> Result<api::ListTagsOutput, Error> {
    let tags = match find(lambda, cx, &input.resource).await? {
        Tagged::Function(name) => lambda.read(cx, &name, None).await?.function.tags,
        Tagged::Mapping(name, id) => {
            let command = Command::ReadMapping { function: name.clone(), id };
            match lambda.submit(cx, &name, command).await? {
                Output::Mapping(mapping, _) => mapping.tags,
                _ => return Err(unexpected()),
            }
        }
    };
    Ok(api::ListTagsOutput { tags: Some(tags) })
}
