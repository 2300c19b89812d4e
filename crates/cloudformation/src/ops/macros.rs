//! Transforms that are functions, or take in an object: macros.
//!
//! Source: the user guide, "Perform custom processing on CloudFormation templates with template macros"; the template
//! reference, "AWS::Include transform" and `Fn::Transform`.

use ropeway_api::lambda::InvokeInput;
use ropeway_core::Core;
use ropeway_wire::{BoxFuture, Cx, Error, Services};
use serde_json::{Value as Json, json};

use super::source;
use crate::commands::{Command, Output, Stacks};
use crate::error::validation;
use crate::keys::{StackKey, exports_shard};
use crate::sam;
use crate::template::{Environment, LANGUAGE_EXTENSIONS, Map, ParameterValues, Template, Value, parse};
use crate::transforms::{Declared, INCLUDE, SNIPPET, built_in, declaration, declared, transformed};

/// Transforms of one template at most, those within it included.
const MAX_CALLS: usize = 100;

/// What transforms a template.
pub struct Transforms<'a> {
    pub core: &'a Core,
    pub services: &'a Services,
    /// In whose name functions are called and objects are read.
    pub cx: &'a Cx,
    pub key: &'a StackKey,
    pub environment: Environment,
    pub values: &'a ParameterValues,
}

impl Transforms<'_> {
    /// The template that transforms make of a body, which it remains if it has none: first those within it, the deepest
    /// first, then those that it declares, in order.
    ///
    /// # Errors
    /// `ValidationError` with everything that is wrong, in the words of the transform that found it.
    pub async fn expand(&self, body: &str) -> Result<Template, Error> {
        let Value::Map(map) = parse(body)? else { return Ok(Template::parse(body)?) };
        let mut calls = 0;
        let snippets = map.values().any(crate::transforms::has_snippets);
        let mut map = if snippets { self.sections(map, &mut calls).await? } else { map };
        let declared = declared(&map)?;
        if declared.is_empty() && !snippets {
            return Ok(Template::from_map(body, &map)?);
        }
        let is_extended = declared.iter().any(|one| one.name == LANGUAGE_EXTENSIONS);
        // SAM knows no loops: those are unrolled before it.
        let (first, then): (Vec<Declared>, Vec<Declared>) =
            declared.into_iter().partition(|one| one.name == LANGUAGE_EXTENSIONS);
        for one in first.iter().take(1).chain(&then) {
            map = match one.name.as_str() {
                LANGUAGE_EXTENSIONS | sam::NAME => built_in(&one.name, &map, self.values, &self.environment)?,
                _ => {
                    let mut whole = map.clone();
                    whole.shift_remove("Transform");
                    match self.transform(one, Value::Map(whole), &mut calls).await? {
                        Value::Map(map) => map,
                        _ => return Err(self.malformed(&one.name)),
                    }
                }
            };
        }
        Ok(transformed(map, is_extended)?)
    }

    async fn sections(&self, map: Map, calls: &mut usize) -> Result<Map, Error> {
        let mut done = Map::new();
        for (section, value) in map {
            let value = self.within(value, calls).await?;
            done.insert(section, value);
        }
        Ok(done)
    }

    /// Performs the transforms within a value. No deeper than templates are.
    fn within<'b>(&'b self, value: Value, calls: &'b mut usize) -> BoxFuture<'b, Result<Value, Error>> {
        Box::pin(async move {
            match value {
                Value::List(items) => {
                    let mut done = Vec::with_capacity(items.len());
                    for item in items {
                        done.push(self.within(item, calls).await?);
                    }
                    Ok(Value::List(done))
                }
                Value::Map(mut map) => {
                    let snippet = map.shift_remove(SNIPPET);
                    let mut done = Map::new();
                    for (key, value) in map {
                        let value = self.within(value, calls).await?;
                        done.insert(key, value);
                    }
                    match snippet {
                        None => Ok(Value::Map(done)),
                        Some(snippet) => {
                            let declared = declaration(&snippet)?;
                            self.transform(&declared, Value::Map(done), calls).await
                        }
                    }
                }
                scalar => Ok(scalar),
            }
        })
    }

    /// One transform of a fragment.
    async fn transform(
        &self,
        declared: &Declared,
        fragment: Value,
        calls: &mut usize,
    ) -> Result<Value, Error> {
        *calls += 1;
        if *calls > MAX_CALLS {
            return Err(validation(format!("A template may have {MAX_CALLS} transforms at most")));
        }
        if declared.name == INCLUDE {
            return self.include(declared, fragment).await;
        }
        let scope = self.key.scope.clone();
        let shard = self.core.shard_of(&exports_shard(&scope));
        let command = Command::Macro(scope, declared.name.clone());
        match self.core.submit::<Stacks>(shard, &self.cx.trace, command).await? {
            Output::Value(Some(function)) => self.call(&function, declared, &fragment).await,
            _ => Err(validation(format!("No transform named {} found.", self.id(&declared.name)))),
        }
    }

    fn id(&self, name: &str) -> String {
        format!("{}::{name}", self.key.scope.account)
    }

    fn malformed(&self, name: &str) -> Error {
        validation(format!("Received malformed response from transform {}", self.id(name)))
    }

    /// Asks the macro's function. Parameters of the template are given as their references say.
    async fn call(&self, function: &str, declared: &Declared, fragment: &Value) -> Result<Value, Error> {
        let request_id = self.core.ids().uuid();
        let event = json!({
            "region": self.key.scope.region,
            "accountId": self.key.scope.account,
            "fragment": fragment.to_json(),
            "transformId": self.id(&declared.name),
            "params": self.resolved(&Value::Map(declared.parameters.clone())).to_json(),
            "requestId": request_id,
            "templateParameterValues": self.values,
        });
        let input = InvokeInput {
            function_name: function.to_owned(),
            payload: Some(event.to_string().into()),
            ..InvokeInput::default()
        };
        let id = self.id(&declared.name);
        let answer = self.services.call(self.cx.clone(), input).await.map_err(|e| {
            if e.status < 500 {
                validation(format!("Failed to execute transform {id}: {}", e.message))
            } else {
                e
            }
        })?;
        if answer.function_error.is_some() {
            return Err(validation(format!("Transform {id} failed without an error message.")));
        }
        let answer: Json = serde_json::from_slice(&answer.payload.unwrap_or_default())
            .map_err(|_| self.malformed(&declared.name))?;
        if answer.get("requestId").and_then(Json::as_str) != Some(&request_id) {
            return Err(self.malformed(&declared.name));
        }
        match (answer.get("status").and_then(Json::as_str), answer.get("fragment")) {
            (Some("success"), Some(fragment)) => Ok(Value::from(fragment.clone())),
            (Some("success"), None) => Err(self.malformed(&declared.name)),
            _ => match answer.get("errorMessage").and_then(Json::as_str) {
                Some(why) => Err(validation(format!("Transform {id} failed with: {why}."))),
                None => Err(validation(format!("Transform {id} failed without an error message."))),
            },
        }
    }

    /// The value with the parameters that it refers to.
    fn resolved(&self, value: &Value) -> Value {
        match value {
            Value::List(items) => Value::List(items.iter().map(|item| self.resolved(item)).collect()),
            Value::Map(map) => match (map.len(), map.get("Ref").and_then(Value::as_str)) {
                (1, Some("AWS::AccountId")) => self.key.scope.account.as_str().into(),
                (1, Some("AWS::Region")) => self.key.scope.region.as_str().into(),
                (1, Some(name)) if self.values.contains_key(name) => {
                    self.values.get(name).map(String::as_str).unwrap_or_default().into()
                }
                _ => Value::Map(map.iter().map(|(key, value)| (key.clone(), self.resolved(value))).collect()),
            },
            scalar => scalar.clone(),
        }
    }

    /// Takes in the members of an object: `Location` is `s3://bucket/key`.
    async fn include(&self, declared: &Declared, fragment: Value) -> Result<Value, Error> {
        let failed = |why: String| validation(format!("Transform {INCLUDE} failed with: {why}"));
        let location = declared.parameters.get("Location").map(|location| self.resolved(location));
        let location = location.as_ref().and_then(Value::as_str);
        let location = location.ok_or_else(|| failed("the Location must be a string".to_owned()))?;
        let body = source::object_at(self.services, self.cx, location).await?;
        let (Value::Map(included), Value::Map(mut members)) = (parse(&body)?, fragment) else {
            return Err(failed("what is included must be an object".to_owned()));
        };
        for (key, value) in included {
            members.entry(key).or_insert(value);
        }
        Ok(Value::Map(members))
    }
}
