//! The documentation of REST APIs: parts, each for a place of the API, and versions, which freeze them.
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-documenting-api.html>

use std::collections::BTreeMap;

use ropeway_core::Time;
use ropeway_wire::Error;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::errors::bad;
use crate::openapi::{member, members, text};

/// The extension that documents have parts in.
pub const EXTENSION: &str = "x-amazon-apigateway-documentation";
/// Any method or status.
const ANY: &str = "*";
/// What of an operation documents its method.
const OF_METHOD: [&str; 5] = ["description", "externalDocs", "deprecated", "summary", "tags"];

/// Parts by id.
pub type Parts = BTreeMap<String, Part>;

/// A part: what is said of a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The place.
    pub location: Location,
    /// What is said: a JSON object.
    pub properties: String,
}

/// A place of an API.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Location {
    /// API, AUTHORIZER, MODEL, RESOURCE and so on
    pub kind: String,
    /// The path; what is below it may inherit.
    pub path: Option<String>,
    /// The verb, or `*`.
    pub method: Option<String>,
    /// The status, or `*`.
    pub status: Option<String>,
    /// The name of a model, an authoriser, a parameter or a header.
    pub name: Option<String>,
}

/// The parts as they are edited, and which versions there are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Documentation {
    /// Parts by id.
    pub parts: Parts,
    /// Versions by name; their parts have rows of their own.
    pub versions: BTreeMap<String, Version>,
}

/// A version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Version {
    /// `description`
    pub description: Option<String>,
    /// When it was made.
    pub created: Time,
}

/// Which fields a kind of place has: path, method, status, name. Others are not valid for it
/// (<https://docs.aws.amazon.com/apigateway/latest/api/API_DocumentationPartLocation.html>).
fn fields(kind: &str) -> Option<[bool; 4]> {
    Some(match kind {
        "API" => [false, false, false, false],
        "AUTHORIZER" | "MODEL" => [false, false, false, true],
        "RESOURCE" => [true, false, false, false],
        "METHOD" | "REQUEST_BODY" => [true, true, false, false],
        "PATH_PARAMETER" | "QUERY_PARAMETER" | "REQUEST_HEADER" => [true, true, false, true],
        "RESPONSE" | "RESPONSE_BODY" => [true, true, true, false],
        "RESPONSE_HEADER" => [true, true, true, true],
        _ => return None,
    })
}

impl Location {
    /// The place with what it does not say: path `/`, any method, any status.
    ///
    /// # Errors
    /// `BadRequestException` for a field that its kind does not have.
    pub fn checked(mut self) -> Result<Location, Error> {
        let kind = self.kind.clone();
        let [path, method, status, name] =
            fields(&kind).ok_or_else(|| bad(format!("Invalid documentation part location type: {kind}")))?;
        let of = [
            ("path", path, &mut self.path, Some("/")),
            ("method", method, &mut self.method, Some(ANY)),
            ("statusCode", status, &mut self.status, Some(ANY)),
            ("name", name, &mut self.name, None),
        ];
        for (field, valid, value, default) in of {
            *value = value.take().filter(|value| !value.is_empty());
            match (valid, value.is_some(), default) {
                (false, true, _) => {
                    return Err(bad(format!("Invalid location field '{field}' for the type '{kind}'")));
                }
                (true, false, None) => {
                    return Err(bad(format!(
                        "The location field '{field}' is required for the type '{kind}'"
                    )));
                }
                (true, false, Some(default)) => *value = Some(default.to_owned()),
                _ => {}
            }
        }
        if !self.path.as_deref().is_none_or(|path| path.starts_with('/')) {
            return Err(bad("A location's path begins with a slash"));
        }
        Ok(self)
    }

    /// The place in AWS's words: `type 'METHOD', path '/', method '*'`.
    pub fn shown(&self) -> String {
        let fields = [
            ("path", &self.path),
            ("method", &self.method),
            ("statusCode", &self.status),
            ("name", &self.name),
        ];
        let said = fields.into_iter().filter_map(|(field, value)| Some((field, value.as_ref()?)));
        let said: String = said.map(|(field, value)| format!(", {field} '{value}'")).collect();
        format!("type '{}'{said}", self.kind)
    }

    fn json(&self) -> Json {
        let fields = [
            ("type", Some(&self.kind)),
            ("path", self.path.as_ref()),
            ("method", self.method.as_ref()),
            ("statusCode", self.status.as_ref()),
            ("name", self.name.as_ref()),
        ];
        let said =
            fields.into_iter().filter_map(|(field, value)| Some((field.to_owned(), value?.clone().into())));
        Json::Object(said.collect())
    }
}

/// Checks what a part says.
pub fn check_properties(properties: &str) -> Result<(), Error> {
    if properties.trim().is_empty() {
        return Err(bad("Documentation part properties must be non-empty"));
    }
    match serde_json::from_str::<Map<String, Json>>(properties) {
        Ok(_) => Ok(()),
        Err(why) => Err(bad(format!("Documentation part properties must be a JSON object: {why}"))),
    }
}

/// Reads the parts of a document: those of the extension, and what it says itself of its operations.
///
/// # Errors
/// `BadRequestException` for a part that is none.
pub fn read(document: &Json) -> Result<Vec<Part>, Error> {
    let mut out = Vec::new();
    for said in member(member(document, EXTENSION), "documentationParts").as_array().into_iter().flatten() {
        let at = member(said, "location");
        let field = |name: &str| text(member(at, name));
        let location = Location {
            kind: field("type").unwrap_or_default(),
            path: field("path"),
            method: field("method"),
            status: field("statusCode"),
            name: field("name"),
        };
        let properties = text(member(said, "properties")).unwrap_or_default();
        add(&mut out, location.checked()?, properties)?;
    }
    for (path, item) in members(member(document, "paths")) {
        for (verb, operation) in members(item).filter(|(_, operation)| operation.is_object()) {
            let method = match verb.as_str() {
                crate::openapi::ANY_METHOD => "ANY".to_owned(),
                "get" | "put" | "post" | "delete" | "options" | "head" | "patch" => verb.to_ascii_uppercase(),
                _ => continue,
            };
            of_operation(&mut out, path, &method, operation)?;
        }
    }
    Ok(out)
}

/// Adds a part; one of the same place goes before it.
fn add(out: &mut Vec<Part>, location: Location, properties: String) -> Result<(), Error> {
    check_properties(&properties)?;
    if !out.iter().any(|part| part.location == location) {
        out.push(Part { location, properties });
    }
    Ok(())
}

fn of_operation(out: &mut Vec<Part>, path: &str, method: &str, operation: &Json) -> Result<(), Error> {
    let at = |kind: &str| Location {
        kind: kind.to_owned(),
        path: Some(path.to_owned()),
        method: Some(method.to_owned()),
        ..Location::default()
    };
    let said: Map<String, Json> = OF_METHOD
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), operation.get(name)?.clone())))
        .collect();
    if !said.is_empty() {
        add(out, at("METHOD"), Json::Object(said).to_string())?;
    }
    let described = |json: &Json| Some(json!({ "description": json.get("description")? }).to_string());
    for parameter in member(operation, "parameters").as_array().into_iter().flatten() {
        let kind = match text(member(parameter, "in")).as_deref() {
            Some("path") => "PATH_PARAMETER",
            Some("query") => "QUERY_PARAMETER",
            Some("header") => "REQUEST_HEADER",
            _ => continue,
        };
        if let (Some(name), Some(said)) = (text(member(parameter, "name")), described(parameter)) {
            add(out, Location { name: Some(name), ..at(kind) }, said)?;
        }
    }
    for (status, response) in members(member(operation, "responses")) {
        let is_said = |said: &String| said != r#"{"description":""}"#;
        if let Some(said) = described(response).filter(is_said) {
            let status = if status == "default" { ANY } else { status };
            add(out, Location { status: Some(status.to_owned()), ..at("RESPONSE") }, said)?;
        }
    }
    Ok(())
}

/// A version as an export's extension has it.
pub fn extension(name: &str, version: &Version, parts: &Parts) -> Json {
    let part = |part: &Part| {
        let properties: Json = serde_json::from_str(&part.properties).unwrap_or_default();
        json!({ "location": part.location.json(), "properties": properties })
    };
    json!({
        "version": name,
        "createdDate": crate::ops::instant(version.created),
        "documentationParts": parts.values().map(part).collect::<Vec<_>>(),
    })
}

/// Writes what parts say into an export's own fields.
pub fn fill(document: &mut Json, parts: &Parts, third: bool) {
    let mut all: Vec<&Part> = parts.values().collect();
    // What is said of a closer place is written later.
    let closeness = |part: &&Part| {
        let Location { path, method, status, .. } = &part.location;
        let exact = |value: &Option<String>| value.as_deref().is_some_and(|value| value != ANY);
        (path.as_deref().map_or(0, str::len), exact(method), exact(status))
    };
    all.sort_by_key(closeness);
    for part in all {
        let Ok(said) = serde_json::from_str::<Json>(&part.properties) else { continue };
        for target in targets(document, &part.location, third) {
            if let Some(found) = document.pointer_mut(&target) {
                merge(found, &said);
            }
        }
    }
}

/// Puts members in, over those that are there.
fn merge(into: &mut Json, from: &Json) {
    match (into, from) {
        (Json::Object(into), Json::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name.clone()).or_insert(Json::Null), value);
            }
        }
        (into, from) => from.clone_into(into),
    }
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Where a document has what a part is about, as JSON pointers.
fn targets(document: &Json, at: &Location, third: bool) -> Vec<String> {
    let name = at.name.as_deref().map(escaped).unwrap_or_default();
    match at.kind.as_str() {
        "API" => return vec![String::new()],
        "MODEL" if third => return vec![format!("/components/schemas/{name}")],
        "MODEL" => return vec![format!("/definitions/{name}")],
        "AUTHORIZER" if third => return vec![format!("/components/securitySchemes/{name}")],
        "AUTHORIZER" => return vec![format!("/securityDefinitions/{name}")],
        _ => {}
    }
    let place = at.path.as_deref().unwrap_or("/");
    // RESOURCE, METHOD and REQUEST_BODY are not inherited by what is below.
    let inherits = !matches!(at.kind.as_str(), "RESOURCE" | "METHOD" | "REQUEST_BODY");
    let below = |path: &str| {
        let rest = path.strip_prefix(place.trim_end_matches('/'));
        path == place || inherits && rest.is_some_and(|rest| rest.starts_with('/'))
    };
    let mut out = Vec::new();
    for (path, item) in members(member(document, "paths")).filter(|(path, _)| below(path)) {
        let base = format!("/paths/{}", escaped(path));
        if at.kind == "RESOURCE" {
            out.push(base);
            continue;
        }
        for (verb, operation) in members(item) {
            let verb_of =
                if verb == crate::openapi::ANY_METHOD { "ANY".to_owned() } else { verb.to_ascii_uppercase() };
            if at.method.as_deref().is_some_and(|method| method == ANY || method == verb_of) {
                of_method(&mut out, at, &format!("{base}/{}", escaped(verb)), operation, &name);
            }
        }
    }
    out
}

fn of_method(out: &mut Vec<String>, at: &Location, base: &str, operation: &Json, name: &str) {
    let of_kind = |kind: &str| match at.kind.as_str() {
        "PATH_PARAMETER" => kind == "path",
        "QUERY_PARAMETER" => kind == "query",
        "REQUEST_HEADER" => kind == "header",
        _ => kind == "body",
    };
    match at.kind.as_str() {
        "METHOD" => out.push(base.to_owned()),
        "PATH_PARAMETER" | "QUERY_PARAMETER" | "REQUEST_HEADER" | "REQUEST_BODY" => {
            if at.kind == "REQUEST_BODY" && operation.get("requestBody").is_some() {
                out.push(format!("{base}/requestBody"));
            }
            let all = member(operation, "parameters").as_array().into_iter().flatten().enumerate();
            let is_meant = |parameter: &Json| {
                text(member(parameter, "in")).is_some_and(|kind| of_kind(&kind))
                    && (at.name.is_none() || text(member(parameter, "name")) == at.name)
            };
            let found = all.filter(|(_, parameter)| is_meant(parameter));
            out.extend(found.map(|(index, _)| format!("{base}/parameters/{index}")));
        }
        _ => {
            for (status, response) in members(member(operation, "responses")) {
                if !at.status.as_deref().is_some_and(|one| one == ANY || one == status) {
                    continue;
                }
                let base = format!("{base}/responses/{status}");
                match at.kind.as_str() {
                    "RESPONSE_HEADER" => out.push(format!("{base}/headers/{name}")),
                    "RESPONSE_BODY" if response.get("schema").is_some() => out.push(format!("{base}/schema")),
                    _ => out.push(base),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(kind: &str) -> Location {
        Location { kind: kind.to_owned(), ..Location::default() }
    }

    #[test]
    fn places_have_the_fields_of_their_kind() {
        assert_eq!(at("METHOD").checked().unwrap().shown(), "type 'METHOD', path '/', method '*'");
        assert_eq!(at("API").checked().unwrap().shown(), "type 'API'");
        assert!(at("MODEL").checked().is_err(), "a model has a name");
        assert!(Location { method: Some("GET".to_owned()), ..at("API") }.checked().is_err());
        assert!(at("PLACE").checked().is_err());
    }

    #[test]
    fn parts_are_read_and_written() {
        let document = json!({
            EXTENSION: { "documentationParts": [
                { "location": { "type": "API" }, "properties": { "info": { "description": "an API" } } },
                { "location": { "type": "RESPONSE", "statusCode": "200" }, "properties": { "description": "good" } },
                { "location": { "type": "QUERY_PARAMETER", "path": "/a", "name": "q" }, "properties": { "description": "q" } },
            ] },
            "paths": { "/a": { "get": { "summary": "gets", "responses": { "200": { "description": "" } },
                "parameters": [{ "name": "q", "in": "query" }] } } },
        });
        let read = read(&document).unwrap();
        assert_eq!(read.len(), 4);
        let parts: Parts = read.into_iter().enumerate().map(|(n, part)| (n.to_string(), part)).collect();
        let mut export = json!({ "info": { "title": "t" }, "paths": {
            "/a": { "get": { "responses": { "200": {} }, "parameters": [{ "name": "q", "in": "query" }] } } } });
        fill(&mut export, &parts, false);
        assert_eq!(
            export,
            json!({ "info": { "title": "t", "description": "an API" }, "paths": {
            "/a": { "get": { "summary": "gets", "responses": { "200": { "description": "good" } },
                "parameters": [{ "name": "q", "in": "query", "description": "q" }] } } } })
        );
    }
}
