//! The variables of API Gateway's mapping templates: `$input`, `$context`, `$stageVariables`, `$util`
//! ("API Gateway mapping template and access logging variable reference",
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html>).

mod util;

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::context::Heap;
use crate::error::{RenderError, Result};
use crate::jsonpath::Path;
use crate::value::{Key, Object, Value};
use crate::{Context, Limits, ParseError, Template};

/// A request's or response's parameters, by their place. A name is there once, with its last value.
#[derive(Debug, Clone, Default)]
pub struct Params {
    /// The values of the path's `{variables}`.
    pub path: Vec<(String, String)>,
    /// The query string.
    pub querystring: Vec<(String, String)>,
    /// The headers.
    pub header: Vec<(String, String)>,
}

/// What a mapping template is about. What the template does not [mention](Template::mentions) may be left empty.
#[derive(Debug, Clone, Default)]
pub struct Input {
    /// The payload. One that is empty is `{}` for the template.
    pub body: String,
    /// The parameters of the method's request.
    pub params: Params,
    /// `$context`: an object. `requestOverride` and `responseOverride` are added where they are not in it.
    pub context: Json,
    /// The stage's variables.
    pub stage_variables: Vec<(String, String)>,
}

/// What a template rendered, and what it overrides: null if it does not even mention `$context`.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendered {
    /// The rendered text: the mapped payload.
    pub body: String,
    /// `$context.requestOverride`: `header`, `path` and `querystring`, each an object.
    pub request_override: Json,
    /// `$context.responseOverride`: `header`, an object, and `status`.
    pub response_override: Json,
}

/// Reads a mapping template, with the settings that API Gateway has.
///
/// # Errors
/// As [`Template::parse`].
pub fn parse(source: &str) -> std::result::Result<Template, ParseError> {
    Template::parse_as(source, crate::Dialect::api_gateway())
}

/// Renders a mapping template.
///
/// # Errors
/// As [`Template::render`]; [`RenderError::Body`] if the template asks for parts of a body that is no JSON.
pub fn render(
    template: &Template,
    input: &Input,
    limits: Limits,
) -> std::result::Result<Rendered, RenderError> {
    let mut context = context(input, limits, |name| template.mentions(name))?;
    let body = template.render(&mut context)?;
    let overridden = |name| match template.mentions("context") {
        true => overridden(&context, name),
        false => Ok(Json::Null),
    };
    Ok(Rendered {
        body,
        request_override: overridden("requestOverride")?,
        response_override: overridden("responseOverride")?,
    })
}

/// The variables that are wanted, for rendering with [`Template::render`].
///
/// # Errors
/// [`RenderError::Limit`] if what is given is larger than the limits allow.
pub fn context(
    input: &Input,
    limits: Limits,
    wanted: impl Fn(&str) -> bool,
) -> std::result::Result<Context, RenderError> {
    let mut context = Context::new(limits);
    let heap = context.heap().clone();
    if wanted("context") {
        context.set("context", heap.json(&context_tree(&input.context), false)?);
    }
    if wanted("stageVariables") {
        context.set("stageVariables", strings(&heap, &input.stage_variables)?);
    }
    if wanted("util") {
        context.set("util", Value::Object(Rc::new(util::Util)));
    }
    if wanted("input") {
        context.set("input", Value::Object(Rc::new(InputObject::new(input, &heap)?)));
    }
    Ok(context)
}

/// `$context`, with room for what the template may override.
fn context_tree(given: &Json) -> Json {
    let mut tree = match given {
        Json::Object(members) => members.clone(),
        _ => serde_json::Map::new(),
    };
    for (name, places) in
        [("requestOverride", &["header", "path", "querystring"][..]), ("responseOverride", &["header"][..])]
    {
        let empty = || Json::Object(serde_json::Map::new());
        let overrides = tree.entry(name).or_insert_with(empty);
        if let Json::Object(overrides) = overrides {
            for place in places {
                overrides.entry(*place).or_insert_with(empty);
            }
        }
    }
    Json::Object(tree)
}

fn overridden(context: &Context, name: &str) -> Result<Json> {
    let value = match context.get("context") {
        Some(Value::Map(tree)) => tree.get(name).unwrap_or_default(),
        _ => Value::Null,
    };
    let text = crate::display::json(&value)?;
    Ok(serde_json::from_str(&text).unwrap_or_default())
}

fn strings(heap: &Heap, pairs: &[(String, String)]) -> Result<Value> {
    let mut entries = Vec::with_capacity(pairs.len());
    for (name, value) in pairs {
        entries.push((Key::Str(name.as_str().into()), heap.string(value)?));
    }
    heap.map(entries)
}

/// `$input`.
#[derive(Debug)]
struct InputObject {
    body: Arc<str>,
    /// The body as JSON, once it was asked for.
    document: OnceCell<std::result::Result<Json, String>>,
    params: Params,
    /// What `params()` gives.
    all: Value,
}

impl InputObject {
    fn new(input: &Input, heap: &Heap) -> Result<Self> {
        let Params { path, querystring, header } = &input.params;
        let mut all = Vec::new();
        for (name, pairs) in [("path", path), ("querystring", querystring), ("header", header)] {
            all.push((Key::Str(name.into()), strings(heap, pairs)?));
        }
        let body = if input.body.is_empty() { "{}" } else { &input.body };
        heap.charge(body.len())?;
        Ok(InputObject {
            body: body.into(),
            document: OnceCell::new(),
            params: input.params.clone(),
            all: heap.map(all)?,
        })
    }

    /// The value of a parameter from the path, the query string or the headers, searched in that order.
    fn param(&self, name: &str) -> Value {
        let Params { path, querystring, header } = &self.params;
        let found = [path, querystring, header]
            .into_iter()
            .find_map(|pairs| pairs.iter().rev().find(|(known, _)| known == name));
        Value::Str(found.map_or("", |(_, value)| value).into())
    }

    fn find(&self, path: &str, heap: &Heap) -> Result<Option<Json>> {
        let document =
            self.document.get_or_init(|| serde_json::from_str(&self.body).map_err(|e| e.to_string()));
        let document = document.as_ref().map_err(|error| RenderError::Body(error.clone()))?;
        Path::parse(path)?.find(document, heap)
    }
}

impl Object for InputObject {
    fn property(&self, name: &str, _: &Heap) -> Result<Value> {
        Ok(if name == "body" { Value::Str(self.body.clone()) } else { Value::Null })
    }

    fn call(&self, method: &str, arguments: &[Value], heap: &Heap) -> Result<Value> {
        match (method, arguments) {
            ("getBody", []) => Ok(Value::Str(self.body.clone())),
            ("params", []) => Ok(self.all.clone()),
            ("params", [Value::Str(name)]) => Ok(self.param(name)),
            ("path", [Value::Str(path)]) => match self.find(path, heap)? {
                Some(found) => heap.json(&found, true),
                None => Ok(Value::Null),
            },
            // What is not there is an empty string, in JSON too.
            ("json", [Value::Str(path)]) => match self.find(path, heap)? {
                Some(found) => heap.string(crate::display::json(&heap.json(&found, true)?)?),
                None => heap.string("\"\""),
            },
            _ => Ok(Value::Null),
        }
    }

    fn text(&self) -> String {
        "$input".into()
    }
}
