//! Transforms that a template declares: what expands it before it is a template of CloudFormation's own.

use serde_json::Value as Json;

use crate::sam;
use crate::template::{
    Environment, LANGUAGE_EXTENSIONS, Map, ParameterValues, Template, TemplateError, Value, parse, unroll,
};

/// The capability that acknowledges transforms.
pub const AUTO_EXPAND: &str = "CAPABILITY_AUTO_EXPAND";
/// The transform that takes in an object.
pub const INCLUDE: &str = "AWS::Include";
/// The key of a transform within a template.
pub const SNIPPET: &str = "Fn::Transform";

type Result<T> = std::result::Result<T, TemplateError>;

/// A transform that a template declares.
#[derive(Debug, Clone, PartialEq)]
pub struct Declared {
    /// Its name.
    pub name: String,
    /// Its parameters, not evaluated.
    pub parameters: Map,
}

/// Reads the declaration of a transform: its name, or an object of its name and parameters.
///
/// # Errors
/// What is none.
pub fn declaration(value: &Value) -> Result<Declared> {
    let wrong = || {
        TemplateError::new("Template format error: Transform must be a string, an object or a list of them.")
    };
    match value {
        Value::String(name) => Ok(Declared { name: name.clone(), parameters: Map::new() }),
        Value::Map(map) if map.keys().all(|key| ["Name", "Parameters"].contains(&key.as_str())) => {
            let name = map.get("Name").and_then(Value::as_str).ok_or_else(wrong)?.to_owned();
            match map.get("Parameters") {
                None => Ok(Declared { name, parameters: Map::new() }),
                Some(Value::Map(parameters)) => Ok(Declared { name, parameters: parameters.clone() }),
                Some(_) => Err(wrong()),
            }
        }
        _ => Err(wrong()),
    }
}

/// The transforms that a template declares, in order.
///
/// # Errors
/// Those of AWS's that do not exist here, by name; a section that is none.
pub fn declared(map: &Map) -> Result<Vec<Declared>> {
    let all: Vec<Declared> = match map.get("Transform") {
        None => Vec::new(),
        Some(Value::List(items)) => items.iter().map(declaration).collect::<Result<_>>()?,
        Some(one) => vec![declaration(one)?],
    };
    let known = [sam::NAME, LANGUAGE_EXTENSIONS, INCLUDE];
    let of_aws = all.iter().map(|declared| declared.name.as_str()).filter(|name| name.starts_with("AWS::"));
    let unknown: Vec<&str> = of_aws.filter(|name| !known.contains(name)).collect();
    if !unknown.is_empty() {
        let unknown = unknown.join(", ");
        return Err(TemplateError::new(format!(
            "Template format error: Transform [{unknown}] is not supported"
        )));
    }
    Ok(all)
}

/// Whether a template's body declares transforms, or has any in it.
///
/// # Errors
/// A body that is no template, and transforms that do not exist.
pub fn is_transformed(body: &str) -> Result<bool> {
    match parse(body)? {
        Value::Map(map) => Ok(!declared(&map)?.is_empty() || map.values().any(has_snippets)),
        _ => Ok(false),
    }
}

/// Whether a transform stands somewhere in a value.
pub fn has_snippets(value: &Value) -> bool {
    match value {
        Value::Map(map) => map.contains_key(SNIPPET) || map.values().any(has_snippets),
        Value::List(items) => items.iter().any(has_snippets),
        _ => false,
    }
}

/// The template that AWS's own transforms make of one.
///
/// # Errors
/// Everything that is wrong with the template, in the words of the transform that found it.
pub fn built_in(
    name: &str,
    map: &Map,
    parameters: &ParameterValues,
    environment: &Environment,
) -> Result<Map> {
    if name == LANGUAGE_EXTENSIONS {
        return unroll(map, parameters, environment);
    }
    let around = sam::Surroundings { parameters, region: &environment.region };
    sam::transform(map, &around)
        .map_err(|message| TemplateError::new(format!("Transform {} failed with: {message}", sam::NAME)))
}

/// The template after all of its transforms.
///
/// # Errors
/// What is wrong with its sections.
pub fn transformed(mut map: Map, is_extended: bool) -> Result<Template> {
    map.shift_remove("Transform");
    if is_extended {
        map.insert("Transform".to_owned(), LANGUAGE_EXTENSIONS.into());
    }
    let json: Json = Value::Map(map).to_json();
    Template::parse(&json.to_string())
}

/// Takes the transforms out of a value, and notes their names.
fn strip(value: &mut Value, names: &mut Vec<String>) {
    match value {
        Value::Map(map) => {
            if let Some(snippet) = map.shift_remove(SNIPPET)
                && let Ok(declared) = declaration(&snippet)
                && !names.contains(&declared.name)
            {
                names.push(declared.name);
            }
            map.values_mut().for_each(|value| strip(value, names));
        }
        Value::List(items) => items.iter_mut().for_each(|item| strip(item, names)),
        _ => {}
    }
}

/// A template's loops unrolled by its defaults, or left out where those do not say enough.
fn without_loops(map: Map) -> Map {
    let environment = Environment::default();
    if let Ok(unrolled) = unroll(&map, &ParameterValues::new(), &environment) {
        return unrolled;
    }
    let mut map = map;
    for section in ["Resources", "Outputs", "Conditions"] {
        if let Some(Value::Map(members)) = map.get_mut(section) {
            members.retain(|name, _| !name.starts_with("Fn::ForEach"));
        }
    }
    map
}

/// A template that declares transforms, read as far as that goes without them: for its parameters and types.
///
/// # Errors
/// What is wrong with its sections.
pub fn unexpanded(body: &str) -> Result<(Template, Vec<String>)> {
    let Value::Map(mut map) = parse(body)? else { return Ok((Template::parse(body)?, Vec::new())) };
    let names: Vec<String> = declared(&map)?.into_iter().map(|declared| declared.name).collect();
    let mut names = names;
    map.values_mut().for_each(|value| strip(value, &mut names));
    if names.iter().any(|name| name == LANGUAGE_EXTENSIONS) {
        map = without_loops(map);
    }
    if !names.is_empty() {
        map.shift_remove("Transform");
        map.shift_remove("Globals");
        if let Some(Value::Map(resources)) = map.get_mut("Resources") {
            for resource in resources.values_mut() {
                if let Value::Map(resource) = resource {
                    resource.shift_remove("Connectors");
                    resource.shift_remove("IgnoreGlobals");
                }
            }
        }
    }
    Ok((Template::from_map(body, &map)?, names))
}
