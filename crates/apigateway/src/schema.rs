//! JSON Schema, draft 4: what models say of bodies. <https://datatracker.ietf.org/doc/html/draft-fge-json-schema-validation-00>
//!
//! `format` is not looked at: the draft leaves that open.

use regex::Regex;
use serde_json::{Map, Value as Json};

/// How deep schemas and references are followed.
const MOST_DEEP: usize = 64;

/// Gives a model's schema by its name.
pub type Models<'m> = &'m dyn Fn(&str) -> Option<Json>;

/// Checks that a schema can be read: it is an object, and its patterns are ones.
pub fn check(schema: &Json) -> Result<(), String> {
    if !schema.is_object() {
        return Err("A schema is an object.".to_owned());
    }
    patterns(schema, 0)
}

fn patterns(schema: &Json, depth: usize) -> Result<(), String> {
    if depth > MOST_DEEP * 2 {
        return Err("The schema is nested too deeply.".to_owned());
    }
    match schema {
        Json::Object(members) => {
            if let Some(Json::String(pattern)) = members.get("pattern") {
                Regex::new(pattern).map_err(|_| format!("{pattern} is no regular expression."))?;
            }
            members.values().try_for_each(|member| patterns(member, depth + 1))
        }
        Json::Array(items) => items.iter().try_for_each(|item| patterns(item, depth + 1)),
        _ => Ok(()),
    }
}

/// Checks a value.
///
/// # Errors
/// The first thing that is wrong.
pub fn validate(schema: &Json, value: &Json, models: Models<'_>) -> Result<(), String> {
    Check { root: schema, models, depth: 0 }.value(schema, value)
}

struct Check<'s> {
    root: &'s Json,
    models: Models<'s>,
    depth: usize,
}

/// Whether a value is of a type.
fn is(kind: &str, value: &Json) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|n| n.fract() == 0.0),
        _ => false,
    }
}

fn name(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(_) if is("integer", value) => "integer",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

/// Equal as JSON Schema has it: numbers by their value.
fn same(a: &Json, b: &Json) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

impl Check<'_> {
    fn value(&self, schema: &Json, value: &Json) -> Result<(), String> {
        if self.depth > MOST_DEEP {
            return Err("the schema refers to itself too deeply".to_owned());
        }
        let Json::Object(schema) = schema else { return Ok(()) };
        if let Some(Json::String(reference)) = schema.get("$ref") {
            return self.referred(reference, value);
        }
        self.kind(schema, value)?;
        match value {
            Json::Number(_) => number(schema, value)?,
            Json::String(text) => string(schema, text)?,
            Json::Array(items) => self.array(schema, items)?,
            Json::Object(members) => self.object(schema, members)?,
            _ => {}
        }
        self.combined(schema, value)
    }

    fn deeper(&self) -> Check<'_> {
        Check { depth: self.depth + 1, ..*self }
    }

    /// `#/…` within the schema, or another model's address.
    fn referred(&self, reference: &str, value: &Json) -> Result<(), String> {
        let missing = || format!("{reference} refers to nothing");
        if let Some(pointer) = reference.strip_prefix('#') {
            let found = self.root.pointer(pointer).ok_or_else(missing)?;
            return self.deeper().value(found, value);
        }
        let (address, pointer) = reference.split_once('#').unwrap_or((reference, ""));
        let name = address.rsplit('/').next().unwrap_or_default();
        let model = (self.models)(name).ok_or_else(missing)?;
        let check = Check { root: &model, models: self.models, depth: self.depth + 1 };
        check.value(model.pointer(pointer).ok_or_else(missing)?, value)
    }

    fn kind(&self, schema: &Map<String, Json>, value: &Json) -> Result<(), String> {
        let wanted: Vec<&str> = match schema.get("type") {
            Some(Json::String(kind)) => vec![kind],
            Some(Json::Array(kinds)) => kinds.iter().filter_map(Json::as_str).collect(),
            _ => Vec::new(),
        };
        if !wanted.is_empty() && !wanted.iter().any(|kind| is(kind, value)) {
            let found = name(value);
            return Err(format!(
                "instance type ({found}) does not match any allowed primitive type (allowed: {wanted:?})"
            ));
        }
        match schema.get("enum") {
            Some(Json::Array(all)) if !all.iter().any(|one| same(one, value)) => {
                Err(format!("instance value ({value}) not found in enum"))
            }
            _ => Ok(()),
        }
    }

    fn array(&self, schema: &Map<String, Json>, items: &[Json]) -> Result<(), String> {
        size(schema, items.len(), ("minItems", "maxItems"), "array")?;
        let unique = schema.get("uniqueItems") == Some(&Json::Bool(true));
        let mut before =
            items.iter().enumerate().flat_map(|(at, a)| items.iter().skip(at + 1).map(move |b| (a, b)));
        if unique && before.any(|(a, b)| same(a, b)) {
            return Err("array must not contain duplicate elements".to_owned());
        }
        match schema.get("items") {
            Some(Json::Array(schemas)) => {
                for (schema, item) in schemas.iter().zip(items) {
                    self.deeper().value(schema, item)?;
                }
                let rest = items.get(schemas.len()..).unwrap_or_default();
                match schema.get("additionalItems") {
                    Some(Json::Bool(false)) if !rest.is_empty() => {
                        Err("array has more elements than allowed".to_owned())
                    }
                    Some(schema) => rest.iter().try_for_each(|item| self.deeper().value(schema, item)),
                    None => Ok(()),
                }
            }
            Some(schema) => items.iter().try_for_each(|item| self.deeper().value(schema, item)),
            None => Ok(()),
        }
    }

    fn object(&self, schema: &Map<String, Json>, members: &Map<String, Json>) -> Result<(), String> {
        size(schema, members.len(), ("minProperties", "maxProperties"), "object")?;
        let required = schema.get("required").and_then(Json::as_array).into_iter().flatten();
        let missing: Vec<&str> =
            required.filter_map(Json::as_str).filter(|name| !members.contains_key(*name)).collect();
        if !missing.is_empty() {
            return Err(format!("object has missing required properties ({missing:?})"));
        }
        let empty = Map::new();
        let of = |name: &str| schema.get(name).and_then(Json::as_object).unwrap_or(&empty);
        let (properties, by_pattern) = (of("properties"), of("patternProperties"));
        for (name, value) in members {
            let mut known = false;
            if let Some(schema) = properties.get(name) {
                known = true;
                self.deeper().value(schema, value)?;
            }
            for (pattern, schema) in by_pattern {
                if Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(name)) {
                    known = true;
                    self.deeper().value(schema, value)?;
                }
            }
            match schema.get("additionalProperties") {
                Some(Json::Bool(false)) if !known => {
                    return Err(format!(
                        "object instance has properties which are not allowed by the schema: [{name:?}]"
                    ));
                }
                Some(schema) if !known => self.deeper().value(schema, value)?,
                _ => {}
            }
        }
        self.dependencies(of("dependencies"), members)
    }

    fn dependencies(&self, all: &Map<String, Json>, members: &Map<String, Json>) -> Result<(), String> {
        for (name, wanted) in all.iter().filter(|(name, _)| members.contains_key(*name)) {
            match wanted {
                Json::Array(names) => {
                    let missing =
                        names.iter().filter_map(Json::as_str).find(|one| !members.contains_key(*one));
                    if let Some(missing) = missing {
                        return Err(format!(
                            "property {name} of object has missing property dependencies ({missing})"
                        ));
                    }
                }
                schema => self.deeper().value(schema, &Json::Object(members.clone()))?,
            }
        }
        Ok(())
    }

    fn combined(&self, schema: &Map<String, Json>, value: &Json) -> Result<(), String> {
        let all = |name: &str| schema.get(name).and_then(Json::as_array);
        if let Some(schemas) = all("allOf") {
            schemas.iter().try_for_each(|schema| self.deeper().value(schema, value))?;
        }
        let fitting = |schemas: &Vec<Json>| {
            schemas.iter().filter(|schema| self.deeper().value(schema, value).is_ok()).count()
        };
        if all("anyOf").is_some_and(|schemas| fitting(schemas) == 0) {
            return Err("instance failed to match at least one required schema".to_owned());
        }
        if all("oneOf").is_some_and(|schemas| fitting(schemas) != 1) {
            return Err("instance failed to match exactly one schema".to_owned());
        }
        match schema.get("not") {
            Some(schema) if self.deeper().value(schema, value).is_ok() => {
                Err("instance matched a schema which it should not have".to_owned())
            }
            _ => Ok(()),
        }
    }
}

fn size(
    schema: &Map<String, Json>,
    found: usize,
    (least, most): (&str, &str),
    what: &str,
) -> Result<(), String> {
    let bound = |name: &str| schema.get(name).and_then(Json::as_u64);
    let found = found as u64;
    if bound(least).is_some_and(|least| found < least) || bound(most).is_some_and(|most| found > most) {
        return Err(format!("{what} has {found} elements: too few or too many"));
    }
    Ok(())
}

fn number(schema: &Map<String, Json>, value: &Json) -> Result<(), String> {
    let of = |name: &str| schema.get(name).and_then(Json::as_f64);
    let flag = |name: &str| schema.get(name) == Some(&Json::Bool(true));
    let found = value.as_f64().unwrap_or_default();
    let low = of("minimum").is_some_and(|least| found < least || flag("exclusiveMinimum") && found <= least);
    let high = of("maximum").is_some_and(|most| found > most || flag("exclusiveMaximum") && found >= most);
    if low || high {
        return Err(format!("numeric instance ({value}) is not between the required minimum and maximum"));
    }
    let divides = |by: f64| by > 0.0 && ((found / by) - (found / by).round()).abs() > 1e-9;
    if of("multipleOf").is_some_and(divides) {
        return Err(format!("numeric instance ({value}) is not a multiple of the required number"));
    }
    Ok(())
}

fn string(schema: &Map<String, Json>, text: &str) -> Result<(), String> {
    size(schema, text.chars().count(), ("minLength", "maxLength"), "string")?;
    let Some(Json::String(pattern)) = schema.get("pattern") else { return Ok(()) };
    match Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text)) {
        true => Ok(()),
        false => Err(format!("ECMA 262 regex {pattern:?} does not match input string {text:?}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_fit_their_schemas() {
        let other = |name: &str| (name == "Int").then(|| json!({ "type": "integer" }));
        for (schema, good, bad) in [
            (json!({ "type": "integer", "minimum": 1 }), json!([1, 2.0]), json!([0, 1.5, "1", null])),
            (json!({ "type": ["string", "null"] }), json!(["", null]), json!([1])),
            (
                json!({ "required": ["a"], "properties": { "a": { "type": "string" } } }),
                json!([{ "a": "" }, 1]),
                json!([{}, { "a": 1 }]),
            ),
            (
                json!({ "additionalProperties": false, "properties": { "a": {} } }),
                json!([{}, { "a": 1 }]),
                json!([{ "b": 1 }]),
            ),
            (
                json!({ "items": { "type": "number" }, "maxItems": 2, "uniqueItems": true }),
                json!([[], [1, 2]]),
                json!([[1, 1.0], [1, 2, 3], ["a"]]),
            ),
            (json!({ "enum": [1, "a"] }), json!([1.0, "a"]), json!([2, "b"])),
            (json!({ "pattern": "^a+$", "maxLength": 3 }), json!(["a", "aaa", 1]), json!(["", "aaaa", "b"])),
            (json!({ "oneOf": [{ "type": "integer" }, { "minimum": 5 }] }), json!([1, 5.5]), json!([7, 1.5])),
            (json!({ "not": { "type": "string" } }), json!([1]), json!(["a"])),
            (
                json!({ "$ref": "#/definitions/x", "definitions": { "x": { "type": "string" } } }),
                json!(["a"]),
                json!([1]),
            ),
            (
                json!({ "$ref": "https://apigateway.amazonaws.com/restapis/i/models/Int" }),
                json!([1]),
                json!(["a"]),
            ),
            (
                json!({ "multipleOf": 0.1, "maximum": 1, "exclusiveMaximum": true }),
                json!([0.3]),
                json!([0.25, 1]),
            ),
        ] {
            for value in good.as_array().unwrap() {
                assert_eq!(validate(&schema, value, &other), Ok(()), "{schema} {value}");
            }
            for value in bad.as_array().unwrap() {
                assert!(validate(&schema, value, &other).is_err(), "{schema} {value}");
            }
        }
    }

    #[test]
    fn a_schema_of_itself_ends() {
        let schema = json!({ "$ref": "#" });
        assert!(validate(&schema, &json!(1), &|_| None).is_err());
    }
}
