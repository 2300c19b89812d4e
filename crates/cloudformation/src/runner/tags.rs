//! The tags of a stack's resources: their own, the stack's, and the system's.
//!
//! Source: the CloudFormation user guide, "CloudFormation resource tagging".

use std::collections::BTreeMap;

use ropeway_wire::tags::is_system;
use serde_json::{Value as Json, json};

use super::Run;
use crate::template::{Kind, ResourceType};

const TAGS: &str = "Tags";
/// What the keys of CloudFormation's own tags begin with.
const OWN: &str = "aws:cloudformation:";

impl Run<'_> {
    /// Adds the stack's tags to a resource's properties, where it has none of the same key, and CloudFormation's own.
    /// Gives the key of a tag that only the system may set.
    pub(super) fn add_tags(
        &self,
        resource_type: &ResourceType,
        id: &str,
        properties: &mut Json,
    ) -> Option<String> {
        let property = resource_type.property(TAGS)?;
        let given = properties.get(TAGS);
        if let Some(reserved) = given.into_iter().flat_map(keys).find(|key| is_system(key)) {
            return Some(reserved);
        }
        // A nested stack has tags of the system's own itself; its resources have others.
        let stack = self.snapshot.planned.tags.iter().filter(|(key, _)| !is_system(key));
        let mut added: BTreeMap<String, String> = stack.cloned().collect();
        if resource_type.system_tags {
            added.insert(format!("{OWN}logical-id"), id.to_owned());
            added.insert(format!("{OWN}stack-id"), self.key.arn());
            added.insert(format!("{OWN}stack-name"), self.key.name.clone());
        }
        if !added.is_empty() {
            add(properties, matches!(property.kind, Kind::Map(_)), added);
        }
        None
    }
}

/// The keys of tags, which are a map, or a list of keys and values.
fn keys(tags: &Json) -> Vec<String> {
    let listed = tags.as_array().into_iter().flatten().map(|tag| &tag["Key"]).filter_map(Json::as_str);
    tags.as_object()
        .into_iter()
        .flat_map(|map| map.keys().map(String::as_str))
        .chain(listed)
        .map(str::to_owned)
        .collect()
}

fn add(properties: &mut Json, is_map: bool, added: BTreeMap<String, String>) {
    let Some(properties) = properties.as_object_mut() else { return };
    let tags = properties.entry(TAGS).or_insert_with(|| if is_map { json!({}) } else { json!([]) });
    let there = keys(tags);
    let added = added.into_iter().filter(|(key, _)| !there.contains(key));
    match tags {
        Json::Object(tags) => tags.extend(added.map(|(key, value)| (key, Json::String(value)))),
        Json::Array(tags) => tags.extend(added.map(|(key, value)| json!({ "Key": key, "Value": value }))),
        _ => {}
    }
}

/// The properties without the tags of the system's own, as a template could have them.
pub(super) fn without_system(properties: &str) -> String {
    if !properties.contains(OWN) {
        return properties.to_owned();
    }
    let mut all: Json = serde_json::from_str(properties).unwrap_or_default();
    let Some(map) = all.as_object_mut() else { return properties.to_owned() };
    let is_empty = match map.get_mut(TAGS) {
        Some(Json::Array(tags)) => {
            tags.retain(|tag| !tag["Key"].as_str().is_some_and(is_system));
            tags.is_empty()
        }
        Some(Json::Object(tags)) => {
            tags.retain(|key, _| !is_system(key));
            tags.is_empty()
        }
        _ => false,
    };
    if is_empty {
        map.remove(TAGS);
    }
    all.to_string()
}
