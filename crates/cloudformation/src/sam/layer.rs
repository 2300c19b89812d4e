//! `AWS::Serverless::LayerVersion`.

use super::node::{Dict, Node, dict};
use super::problem::{Problem, Result};
use super::resolve::Parameters;
use super::resource::{Resource, Source};
use super::{code, digest};

/// The layer's version, under an id that changes with it: versions of layers cannot be changed.
pub fn transform(source: &Source, parameters: &Parameters) -> Result<Resource> {
    let mut source = source.clone();
    for name in ["LayerName", "LicenseInfo", "Description", "RetentionPolicy"] {
        if let Some(value) = source.get(name) {
            let resolved = parameters.resolve(value)?;
            source.properties.insert(name, resolved);
        }
    }
    let mut attributes = source.passed();
    if let Some(policy) = retention(&source)? {
        attributes.insert("DeletionPolicy", policy);
    } else if !attributes.contains("DeletionPolicy") {
        attributes.insert("DeletionPolicy", "Retain");
    }
    check_architectures(&source)?;
    let content = source.get("ContentUri").cloned().unwrap_or(Node::Null);
    let id = digest::id(&source.id.text, &digest::json(&digested(&source)));
    let content =
        code::location(&content, "ContentUri").map_err(|what| Problem::resource(&source.id.text, what))?;
    let name = source.truthy("LayerName").cloned().unwrap_or_else(|| source.id.clone().into());
    let mut layer = Resource::new(id, "AWS::Lambda::LayerVersion", attributes)
        .after(source.depends_on.clone())
        .with("LayerName", name)
        .with("Content", content);
    for name in ["Description", "CompatibleArchitectures", "CompatibleRuntimes", "LicenseInfo"] {
        layer = layer.with_some(name, source.get(name));
    }
    Ok(layer)
}

/// What the layer's id follows from: all of it but what becomes of old versions.
fn digested(source: &Source) -> Node {
    let mut resource = Dict::new();
    resource.insert("Type", "AWS::Serverless::LayerVersion");
    if let Some(depends_on) = source.depends_on.clone().filter(Node::is_truthy) {
        resource.insert("DependsOn", depends_on);
    }
    for name in ["Condition", "UpdatePolicy"] {
        if let Some(value) = source.attributes.get(name) {
            resource.insert(name, value.clone());
        }
    }
    let mut properties = Dict::new();
    for (key, value) in source.properties.members().filter(|(_, value)| **value != Node::Null) {
        properties.insert(key, value.clone());
    }
    resource.insert("Properties", properties);
    dict([(source.id.text.as_str(), resource.into())])
}

fn retention(source: &Source) -> Result<Option<&'static str>> {
    let options = "['Retain', 'Delete']";
    let Some(policy) = source.get("RetentionPolicy") else { return Ok(None) };
    if policy.intrinsic().is_some() {
        return source.problem(format!(
            "'RetentionPolicy' does not accept intrinsic functions, please use one of the following options: {options}"
        ));
    }
    match policy.text().map(str::to_ascii_lowercase).as_deref() {
        Some("retain") => Ok(Some("Retain")),
        Some("delete") => Ok(Some("Delete")),
        _ => source.problem(format!("'RetentionPolicy' must be one of the following options: {options}.")),
    }
}

fn check_architectures(source: &Source) -> Result<()> {
    let architectures = source.get("CompatibleArchitectures").and_then(Node::list).unwrap_or_default();
    let known = |node: &Node| node.intrinsic().is_some() || matches!(node.text(), Some("arm64" | "x86_64"));
    if architectures.iter().all(known) {
        return Ok(());
    }
    source.problem("CompatibleArchitectures needs to be a list of 'x86_64' or 'arm64'")
}
