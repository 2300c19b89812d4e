//! Transforms that a template declares: what expands it before it is a template of CloudFormation's own.

use serde_json::Value as Json;

use crate::sam;
use crate::template::{
    Environment, LANGUAGE_EXTENSIONS, Map, ParameterValues, Template, TemplateError, Value, parse, unroll,
};

/// The capability that acknowledges transforms.
pub const AUTO_EXPAND: &str = "CAPABILITY_AUTO_EXPAND";

type Result<T> = std::result::Result<T, TemplateError>;

/// The transforms that a template declares, in order.
///
/// # Errors
/// Those that do not exist, by name; a section that is none.
pub fn declared(map: &Map) -> Result<Vec<String>> {
    let wrong = || {
        TemplateError::new("Template format error: Transform must be a string, an object or a list of them.")
    };
    let name = |transform: &Value| match transform {
        Value::String(name) => Ok(name.clone()),
        Value::Map(map) if map.len() == 1 => match map.get("Name") {
            Some(Value::String(name)) => Ok(name.clone()),
            _ => Err(wrong()),
        },
        // A macro with parameters; the one that there is takes none.
        Value::Map(map) => match map.get("Name").and_then(Value::as_str) {
            Some(name) => Err(TemplateError::new(format!("The transform {name} takes no parameters"))),
            None => Err(wrong()),
        },
        _ => Err(wrong()),
    };
    let names: Vec<String> = match map.get("Transform") {
        None => Vec::new(),
        Some(Value::List(items)) => items.iter().map(name).collect::<Result<_>>()?,
        Some(one) => vec![name(one)?],
    };
    let known = [sam::NAME, LANGUAGE_EXTENSIONS];
    let unknown: Vec<&str> = names.iter().map(String::as_str).filter(|name| !known.contains(name)).collect();
    if !unknown.is_empty() {
        let unknown = unknown.join(", ");
        return Err(TemplateError::new(format!(
            "Template format error: Transform [{unknown}] is not supported"
        )));
    }
    Ok(names)
}

/// Whether a template's body declares transforms.
///
/// # Errors
/// A body that is no template, and transforms that do not exist.
pub fn is_transformed(body: &str) -> Result<bool> {
    match parse(body)? {
        Value::Map(map) => Ok(!declared(&map)?.is_empty()),
        _ => Ok(false),
    }
}

/// The template that transforms make of a body, which it remains if it declares none.
///
/// # Errors
/// Everything that is wrong with the template, in the words of the transform that found it.
pub fn expand(body: &str, parameters: &ParameterValues, environment: &Environment) -> Result<Template> {
    let Value::Map(mut map) = parse(body)? else { return Template::parse(body) };
    let names = declared(&map)?;
    if names.is_empty() {
        return Template::from_map(body, &map);
    }
    let has = |name: &str| names.iter().any(|declared| declared == name);
    // Wherever it stands in the list: SAM knows no loops.
    if has(LANGUAGE_EXTENSIONS) {
        map = unroll(&map, parameters, environment)?;
    }
    if has(sam::NAME) {
        let around = sam::Surroundings { parameters, region: &environment.region };
        map = sam::transform(&map, &around).map_err(|message| {
            TemplateError::new(format!("Transform {} failed with: {message}", sam::NAME))
        })?;
    }
    map.shift_remove("Transform");
    if has(LANGUAGE_EXTENSIONS) {
        map.insert("Transform".to_owned(), LANGUAGE_EXTENSIONS.into());
    }
    let json: Json = Value::Map(map).to_json();
    Template::parse(&json.to_string())
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
    let names = declared(&map)?;
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
