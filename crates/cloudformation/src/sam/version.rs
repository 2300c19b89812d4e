//! Versions and aliases that a function publishes by itself: `AutoPublishAlias`.

use super::digest;
use super::function::Surroundings;
use super::node::{Dict, Node, dict, get_att};
use super::problem::Result;
use super::resource::{Resource, Source};

/// A version and the alias that points to it.
pub struct Published {
    /// The version.
    pub version: Resource,
    /// The alias.
    pub alias: Resource,
}

/// The version and alias of a function, if it shall have them. A function whose code is named by a digest says
/// so in its description, for Lambda publishes no version of what has not changed.
pub fn publish(
    source: &Source,
    function: &mut Resource,
    around: &Surroundings<'_>,
) -> Result<Option<Published>> {
    let Some(alias) = source.truthy("AutoPublishAlias") else { return Ok(None) };
    let name = around.parameters.resolve(alias)?;
    let Some(name) = name.text().map(str::to_owned) else {
        return source.problem("'AutoPublishAlias' must be a string or a Ref to a template parameter");
    };
    let sha256 = code_sha256(source, around)?;
    if let Some(sha256) = &sha256 {
        describe(source, function, sha256, around)?;
    }
    // As SAM has it: what decides on a new version has no references to parameters.
    if let Some(code) =
        function.properties.get("Code").map(|code| around.parameters.resolve(code)).transpose()?
    {
        function.properties.insert("Code", code);
    }
    let version = version(source, function, sha256.as_deref(), around)?;
    let alias = alias_of(source, &name, function, &version)?;
    Ok(Some(Published { version, alias }))
}

fn code_sha256(source: &Source, around: &Surroundings<'_>) -> Result<Option<String>> {
    let Some(given) = source.truthy("AutoPublishCodeSha256") else { return Ok(None) };
    match around.parameters.resolve(given)?.text() {
        Some(sha256) => Ok(Some(sha256.to_owned())),
        None => source.problem("AutoPublishCodeSha256 must be a string"),
    }
}

fn describe(source: &Source, function: &mut Resource, sha256: &str, around: &Surroundings<'_>) -> Result<()> {
    let description = source.get("Description").map(|node| around.parameters.resolve(node)).transpose()?;
    let description = match description {
        Some(Node::Text(text)) if !text.text.is_empty() => format!("{} {sha256}", text.text).into(),
        Some(other) if other.is_truthy() => {
            dict([("Fn::Join", vec![" ".into(), vec![other, sha256.into()].into()].into())])
        }
        _ => sha256.into(),
    };
    function.properties.insert("Description", description);
    Ok(())
}

fn version(
    source: &Source,
    function: &Resource,
    sha256: Option<&str>,
    around: &Surroundings<'_>,
) -> Result<Resource> {
    let prefix = format!("{}Version", source.id.text);
    let id = match sha256 {
        Some(sha256) => format!("{prefix}{}", sha256.chars().take(digest::LENGTH).collect::<String>()),
        None => digest::id(&prefix, &digest::json(&digested(source, function, around).into())),
    };
    let mut attributes = source.passed();
    if !attributes.contains("DeletionPolicy") {
        let policy = source.get("VersionDeletionPolicy").cloned();
        let known = |policy: &Node| {
            policy.intrinsic().is_some() || matches!(policy.text(), Some("Delete" | "Retain"))
        };
        if !policy.as_ref().is_none_or(known) {
            return source.problem(
                "Property 'VersionDeletionPolicy' should be a one of the strings: 'Delete' or 'Retain'.",
            );
        }
        attributes.insert("DeletionPolicy", policy.unwrap_or_else(|| "Retain".into()));
    }
    Ok(Resource::new(id, "AWS::Lambda::Version", attributes)
        .with("FunctionName", function.reference())
        .with_some("Description", source.get("VersionDescription")))
}

/// What a new version follows from: the code and some of the configuration, or every property.
fn digested(source: &Source, function: &Resource, around: &Surroundings<'_>) -> Dict {
    if source.truthy("AutoPublishAliasAllProperties").is_some() {
        let mut all = function.properties.clone();
        for layer in source.get("Layers").and_then(Node::list).unwrap_or_default() {
            layer_properties(layer, around, &mut all);
        }
        return all;
    }
    let mut some = function.properties.get("Code").and_then(Node::dict).cloned().unwrap_or_default();
    if let Some(environment) = source.truthy("Environment").and_then(Node::dict) {
        some.update(environment);
    }
    if let Some(size) = source.truthy("MemorySize") {
        some.insert("MemorySize", size.clone());
    }
    if let Some(start) = source.truthy("SnapStart").and_then(Node::dict)
        && start.get("ApplyOn").is_some_and(|on| on.text() != Some("None"))
    {
        some.insert("SnapStart", start.clone());
    }
    some
}

/// The properties of a layer of the same template that asks for it.
fn layer_properties(layer: &Node, around: &Surroundings<'_>, all: &mut Dict) {
    let id = match layer.intrinsic() {
        Some(("Ref", id)) => id.text(),
        Some(("Fn::GetAtt", argument)) => argument.list().and_then(|list| list.first()).and_then(Node::text),
        _ => None,
    };
    let Some(id) = id else { return };
    let properties = around.resources.get(id).and_then(Node::dict).and_then(|r| r.get("Properties"));
    if let Some(properties) = properties.and_then(Node::dict)
        && properties.truthy("PublishLambdaVersion").is_some()
    {
        all.insert(id, properties.clone());
    }
}

fn alias_of(source: &Source, name: &str, function: &Resource, version: &Resource) -> Result<Resource> {
    if name.is_empty() {
        return source.problem("Alias name is required to create an alias");
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.chars().all(allowed) || name.chars().all(|c| c.is_ascii_digit()) {
        return source.problem(format!(
            "AutoPublishAlias name ('{name}') must contain only alphanumeric characters, hyphens, or underscores matching \
             (?!^[0-9]+$)([a-zA-Z0-9-_]+) pattern."
        ));
    }
    let id = format!("{}Alias{}", source.id.text, name.replace('-', "D").replace('_', "U"));
    Ok(Resource::new(id, "AWS::Lambda::Alias", source.passed())
        .with("Name", name)
        .with("FunctionName", function.reference())
        .with("FunctionVersion", get_att(version.id.clone(), "Version"))
        .with_some("ProvisionedConcurrencyConfig", source.truthy("ProvisionedConcurrencyConfig")))
}
