//! The API itself: what is set for it, its tags, imports.

use ropeway_wire::Error;

use super::Moment;
use crate::errors::{bad, no_stage, unimplemented};
use crate::model::{Api, Definition, Model, Resource, Settings, Texts};
use crate::patch::Patch;

/// Most tags of an API or a stage.
pub const MAX_TAGS: usize = 50;
/// Bytes that an answer is compressed from on, at most.
const MAX_COMPRESSION: u32 = 10_485_760;

/// Gives a definition its root, and the models that every API has; gives the root's id.
pub fn prepare(definition: &mut Definition, moment: &Moment<'_>) -> String {
    let empty = r#"{
  "$schema": "http://json-schema.org/draft-04/schema#",
  "title" : "Empty Schema",
  "type" : "object"
}"#;
    let error = r#"{
  "$schema" : "http://json-schema.org/draft-04/schema#",
  "title" : "Error Schema",
  "type" : "object",
  "properties" : {
    "message" : { "type" : "string" }
  }
}"#;
    for (name, description, schema) in [
        ("Empty", "This is a default empty schema model", empty),
        ("Error", "This is a default error schema model", error),
    ] {
        definition.models.entry(name.to_owned()).or_insert_with(|| Model {
            id: moment.id(6),
            description: Some(description.to_owned()),
            schema: Some(schema.to_owned()),
            content_type: "application/json".to_owned(),
        });
    }
    let root = definition.resources.iter().find(|(_, resource)| resource.parent.is_none());
    if let Some((root, _)) = root {
        return root.clone();
    }
    let root = moment.id(10);
    definition.resources.insert(root.clone(), Resource::default());
    root
}

/// A size from which on answers are compressed.
pub fn compression(value: i64) -> Result<u32, Error> {
    u32::try_from(value).ok().filter(|size| *size <= MAX_COMPRESSION).ok_or_else(bad_compression)
}

fn bad_compression() -> Error {
    bad(format!("Invalid minimum compression size, must be between 0 and {MAX_COMPRESSION}"))
}

/// Checks a resource policy: JSON, of an object with statements.
pub fn check_policy(policy: &str) -> Result<(), Error> {
    let said: Option<serde_json::Value> = serde_json::from_str(policy).ok();
    match said.as_ref().and_then(|said| said.get("Statement")) {
        Some(serde_json::Value::Array(_) | serde_json::Value::Object(_)) => Ok(()),
        _ => Err(bad(
            "Invalid policy document. Please check the policy syntax and ensure that Principals are valid.",
        )),
    }
}

fn settled(settings: &mut Settings, patch: &Patch, parts: &[&str]) -> Result<bool, Error> {
    match parts {
        ["name"] => {
            patch.only(&["replace"])?;
            settings.name = patch.optional().ok_or_else(|| bad("API name cannot be blank"))?;
        }
        ["description"] => {
            patch.only(&["add", "replace", "remove"])?;
            settings.description = patch.optional().filter(|_| patch.op != "remove");
        }
        ["version"] => {
            patch.only(&["add", "replace", "remove"])?;
            settings.version = patch.optional().filter(|_| patch.op != "remove");
        }
        ["disableExecuteApiEndpoint"] => {
            patch.only(&["replace"])?;
            settings.disable_endpoint = patch.flag();
        }
        ["endpointConfiguration", "ipAddressType"] => {
            patch.only(&["replace"])?;
            settings.ip_address_type = match patch.text().as_str() {
                kind @ ("ipv4" | "dualstack") => kind.to_owned(),
                _ => return Err(bad("Invalid ipAddressType, must be ipv4 or dualstack")),
            };
        }
        ["endpointConfiguration", "types", _] => {
            patch.only(&["replace"])?;
            settings.endpoint_type = match patch.text().as_str() {
                kind @ ("EDGE" | "REGIONAL") => kind.to_owned(),
                "PRIVATE" => return Err(unimplemented("The endpoint type PRIVATE")),
                _ => return Err(patch.invalid()),
            };
        }
        _ => return Ok(false),
    }
    Ok(true)
}

pub fn patch(api: &mut Api, patch: &Patch) -> Result<(), Error> {
    let parts = patch.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    if settled(&mut api.settings, patch, &parts)? {
        return Ok(());
    }
    let definition = &mut api.definition;
    match parts.as_slice() {
        ["apiKeySource"] => {
            patch.only(&["replace"])?;
            definition.api_key_source = match patch.text().as_str() {
                source @ ("HEADER" | "AUTHORIZER") => source.to_owned(),
                _ => return Err(bad("Invalid API key source, must be HEADER or AUTHORIZER")),
            };
        }
        ["minimumCompressionSize"] => {
            patch.only(&["replace"])?;
            let size = patch.optional().map(|size| size.parse::<i64>().map_err(|_| bad_compression()));
            definition.minimum_compression = size.transpose()?.map(compression).transpose()?;
        }
        ["policy"] => {
            patch.only(&["add", "replace", "remove"])?;
            definition.policy = patch.optional().filter(|_| patch.op != "remove");
            definition.policy.as_deref().map(check_policy).transpose()?;
        }
        ["binaryMediaTypes", kind] if !kind.is_empty() => {
            binary_type(&mut definition.binary_media_types, patch, kind)?;
        }
        _ => return Err(patch.invalid()),
    }
    Ok(())
}

/// The type is in the path; what replaces it is the value.
fn binary_type(types: &mut Vec<String>, patch: &Patch, kind: &str) -> Result<(), Error> {
    patch.only(&["add", "remove", "replace"])?;
    let at = types.iter().position(|one| one == kind);
    match (patch.op.as_str(), at) {
        ("add", None) => types.push(kind.to_owned()),
        ("add", Some(_)) => {}
        ("remove", Some(at)) => {
            types.remove(at);
        }
        ("replace", Some(at)) => {
            types.remove(at);
            types.push(patch.optional().unwrap_or_else(|| kind.to_owned()));
        }
        _ => return Err(crate::errors::missing("Invalid binary media type specified")),
    }
    Ok(())
}

pub fn tag(api: &mut Api, stage: Option<&str>, add: Texts, gone: &[String]) -> Result<(), Error> {
    let tags = match stage {
        None => &mut api.settings.tags,
        Some(name) => &mut api.stages.get_mut(name).ok_or_else(no_stage)?.tags,
    };
    tags.extend(add);
    tags.retain(|key, _| !gone.contains(key));
    if tags.len() > MAX_TAGS {
        return Err(bad(format!("The number of tags exceeds the limit of {MAX_TAGS}")));
    }
    Ok(())
}

/// Takes an imported definition.
pub fn import(api: &mut Api, definition: Definition, settings: Settings, moment: &Moment<'_>) {
    api.definition = definition;
    api.settings = settings;
    api.root = prepare(&mut api.definition, moment);
}
