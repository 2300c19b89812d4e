//! One evaluation: a value of a template in, the same without functions out.

use std::cell::Cell;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::evaluate::{Environment, Lookup};
use super::functions::{AttributeName, FIND_IN_MAP, Function, JOIN, Logic, SELECT, SPLIT, function, logic};
use super::model::Template;
use super::references::{Use, misplaced_logic, variable};
use super::sub::{Piece, pieces};
use super::value::{Map, Value};
use super::{Result, TemplateError, cidr};

/// What one evaluation (a resource's properties, an output) may build, in bytes: functions that
/// repeat each other's results cannot fill the memory.
pub const MAX_EVALUATED_BYTES: usize = 8 << 20;

/// The surroundings of an evaluation.
pub(crate) struct Run<'a> {
    template: &'a Template,
    environment: &'a Environment,
    parameters: &'a BTreeMap<String, Value>,
    conditions: &'a BTreeMap<String, bool>,
    lookup: &'a dyn Lookup,
    spent: Cell<usize>,
}

fn error<T>(message: impl std::fmt::Display) -> Result<T> {
    Err(TemplateError::new(format!("Template error: {message}")))
}

fn unresolved<T>(id: &str) -> Result<T> {
    Err(TemplateError::new(format!(
        "Template format error: Unresolved resource dependencies [{id}] in the Resources block of the template"
    )))
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        template: &'a Template,
        environment: &'a Environment,
        parameters: &'a BTreeMap<String, Value>,
        conditions: &'a BTreeMap<String, bool>,
        lookup: &'a dyn Lookup,
    ) -> Self {
        Self { template, environment, parameters, conditions, lookup, spent: Cell::new(0) }
    }

    /// Evaluates a value; none is `AWS::NoValue`.
    pub(crate) fn value(&self, value: &Value) -> Result<Option<Value>> {
        if let Some(found) = function(value)? {
            return self.function(found);
        }
        match value {
            Value::List(items) => self.list(items).map(|items| Some(Value::List(items))),
            Value::Map(map) => self.map(map).map(|map| Some(Value::Map(map))),
            scalar => self.produce(scalar.clone()).map(Some),
        }
    }

    /// Evaluates the values of a mapping and leaves out those that are `AWS::NoValue`.
    pub(crate) fn map(&self, map: &Map) -> Result<Map> {
        let mut evaluated = Map::new();
        for (key, value) in map {
            self.spend(key.len())?;
            if let Some(value) = self.value(value)? {
                evaluated.insert(key.clone(), value);
            }
        }
        Ok(evaluated)
    }

    fn list(&self, items: &[Value]) -> Result<Vec<Value>> {
        items.iter().filter_map(|item| self.value(item).transpose()).collect()
    }

    fn spend(&self, bytes: usize) -> Result<()> {
        self.spent.set(self.spent.get().saturating_add(bytes));
        if self.spent.get() > MAX_EVALUATED_BYTES {
            return error(format!("evaluating the template takes more than {MAX_EVALUATED_BYTES} bytes"));
        }
        Ok(())
    }

    /// Lets a value into the result: counts it, and refuses dynamic references.
    fn produce(&self, value: Value) -> Result<Value> {
        self.spend(value.cost())?;
        if let Value::String(text) = &value {
            refuse_dynamic_reference(text)?;
        }
        Ok(value)
    }

    fn function(&self, found: Function<'_>) -> Result<Option<Value>> {
        let value = match found {
            Function::Ref("AWS::NoValue") => return Ok(None),
            Function::If(name, yes, no) => {
                return self.value(if self.condition(name, "Fn::If")? { yes } else { no });
            }
            Function::Ref(name) => self.reference(name)?,
            Function::GetAtt(id, name) => self.get_att(id, name)?,
            Function::Sub(text, variables) => self.substitute(text, variables)?.into(),
            Function::Join(delimiter, list) => self.join(delimiter, list)?.into(),
            Function::Select(index, list) => self.select(index, list)?,
            Function::Split(delimiter, source) => self.split(delimiter, source)?,
            Function::FindInMap(map, top, second, default) => {
                match (self.find_in_map(map, top, second), default) {
                    (Ok(found), _) => found,
                    (Err(_), Some(default)) => return self.value(default),
                    (Err(error), None) => return Err(error),
                }
            }
            Function::Length(list) => match self.value(list)? {
                Some(Value::List(items)) => Value::Number(items.len().to_string()),
                _ => return error("Fn::Length requires a list or a function that returns a list"),
            },
            Function::ToJsonString(value) => match self.value(value)? {
                Some(value) => value.to_json().to_string().into(),
                None => return Ok(None),
            },
            Function::Base64(text) => STANDARD.encode(self.string(text, BASE64)?).into(),
            Function::Cidr(block, count, bits) => self.cidr(block, count, bits)?,
            Function::GetAzs(region) => self.zones(region)?,
            Function::ImportValue(name) => self.import(name)?,
            Function::Logic(_) => return Err(misplaced_logic()),
        };
        self.produce(value).map(Some)
    }

    /// The text of a value that must be a scalar.
    fn string(&self, value: &Value, message: &str) -> Result<String> {
        match self.value(value)?.as_ref().and_then(Value::text) {
            Some(text) => Ok(text.into_owned()),
            None => error(message),
        }
    }

    fn reference(&self, name: &str) -> Result<Value> {
        let environment = self.environment;
        Ok(match name {
            "AWS::AccountId" => environment.account_id.as_str().into(),
            "AWS::Region" => environment.region.as_str().into(),
            "AWS::Partition" => environment.partition.as_str().into(),
            "AWS::URLSuffix" => environment.url_suffix.as_str().into(),
            "AWS::StackId" => environment.stack_id.as_str().into(),
            "AWS::StackName" => environment.stack_name.as_str().into(),
            "AWS::NotificationARNs" => {
                Value::List(environment.notification_arns.iter().map(|arn| arn.as_str().into()).collect())
            }
            _ => {
                let value = self.parameters.get(name).cloned();
                match value.or_else(|| self.lookup.reference(name)) {
                    Some(value) => value,
                    None => return unresolved(name),
                }
            }
        })
    }

    fn get_att(&self, id: &str, name: AttributeName<'_>) -> Result<Value> {
        match name {
            AttributeName::Literal(name) => self.attribute(id, name),
            AttributeName::Computed(name) => {
                let name = self.string(name, "the attribute name of Fn::GetAtt must be a string")?;
                self.attribute(id, &name)
            }
        }
    }

    fn attribute(&self, id: &str, name: &str) -> Result<Value> {
        match self.lookup.attribute(id, name) {
            Some(value) => Ok(value),
            None if self.template.resources.get(id).is_some_and(|found| found.is_custom()) => {
                Err(TemplateError::new(format!(
                    "CustomResource attribute error: Vendor response doesn't contain {name} attribute in object"
                )))
            }
            None if self.template.resources.contains_key(id) => {
                error(format!("resource {id} does not support attribute type {name} in Fn::GetAtt"))
            }
            None => error(format!("instance of Fn::GetAtt references undefined resource {id}")),
        }
    }

    fn substitute(&self, text: &str, variables: Option<&Map>) -> Result<String> {
        let variables = variables.map(|map| self.map(map)).transpose()?.unwrap_or_default();
        let mut result = String::new();
        for piece in pieces(text)? {
            match piece {
                Piece::Text(text) => self.append(&mut result, text)?,
                Piece::Variable(name) => {
                    let value = match (variables.get(name), variable(name)) {
                        (Some(value), _) => value.clone(),
                        (None, Use::GetAtt(id, Some(attribute))) => self.attribute(id, attribute)?,
                        (None, _) => self.reference(name)?,
                    };
                    match value.text() {
                        Some(text) => self.append(&mut result, &text)?,
                        None => return error(format!("Fn::Sub variable {name} must resolve to a string")),
                    }
                }
            }
        }
        Ok(result)
    }

    /// Appends to a string that is being built: counted as it grows, not when it is done.
    fn append(&self, result: &mut String, text: &str) -> Result<()> {
        self.spend(text.len())?;
        result.push_str(text);
        Ok(())
    }

    fn join(&self, delimiter: &Value, list: &Value) -> Result<String> {
        let delimiter = self.string(delimiter, JOIN)?;
        let Some(Value::List(items)) = self.value(list)? else { return error(JOIN) };
        let mut result = String::new();
        for (index, item) in items.iter().enumerate() {
            let Some(text) = item.text() else { return error(JOIN) };
            if index > 0 {
                self.append(&mut result, &delimiter)?;
            }
            self.append(&mut result, &text)?;
        }
        Ok(result)
    }

    fn select(&self, index: &Value, list: &Value) -> Result<Value> {
        let index = self.string(index, SELECT)?;
        let Ok(position) = index.parse::<usize>() else { return error(SELECT) };
        let Some(Value::List(items)) = self.value(list)? else { return error(SELECT) };
        match items.into_iter().nth(position) {
            Some(item) => Ok(item),
            None => error(format!("Fn::Select cannot select nonexistent value at index {position}")),
        }
    }

    fn split(&self, delimiter: &Value, source: &Value) -> Result<Value> {
        let delimiter = self.string(delimiter, SPLIT)?;
        if delimiter.is_empty() {
            return error(SPLIT);
        }
        let source = self.string(source, SPLIT)?;
        let parts = source.split(delimiter.as_str()).map(|part| self.produce(part.into()));
        Ok(Value::List(parts.collect::<Result<_>>()?))
    }

    fn find_in_map(&self, map: &Value, top: &Value, second: &Value) -> Result<Value> {
        let map = self.string(map, FIND_IN_MAP)?;
        let top = self.string(top, FIND_IN_MAP)?;
        let second = self.string(second, FIND_IN_MAP)?;
        let Some(mapping) = self.template.mappings.get(&map).and_then(Value::as_map) else {
            return error(format!(
                "Mapping named '{map}' is not present in the 'Mappings' section of template."
            ));
        };
        match mapping.get(&top).and_then(Value::as_map).and_then(|attributes| attributes.get(&second)) {
            Some(value) => Ok(value.clone()),
            None => error(format!("Unable to get mapping for {map}::{top}::{second}")),
        }
    }

    fn cidr(&self, block: &Value, count: &Value, bits: &Value) -> Result<Value> {
        let text = |value| self.string(value, "the parameters of Fn::Cidr must be strings or numbers");
        let blocks = cidr::blocks(&text(block)?, &text(count)?, &text(bits)?)?;
        Ok(Value::List(blocks.into_iter().map(Value::from).collect()))
    }

    fn zones(&self, region: &Value) -> Result<Value> {
        let region = self.string(region, "every Fn::GetAZs object must have a String-typed value.")?;
        let region = if region.is_empty() { self.environment.region.clone() } else { region };
        Ok(Value::List(self.lookup.availability_zones(&region).into_iter().map(Value::from).collect()))
    }

    fn import(&self, name: &Value) -> Result<Value> {
        let name = self.string(name, "the attribute in Fn::ImportValue must be a string")?;
        match self.lookup.import(&name) {
            Some(value) => Ok(value.into()),
            None => Err(TemplateError::new(format!("No export named {name} found."))),
        }
    }

    fn condition(&self, name: &str, in_function: &str) -> Result<bool> {
        match self.conditions.get(name) {
            Some(holds) => Ok(*holds),
            None => error(format!("unresolved condition dependency {name} in {in_function}")),
        }
    }

    /// Whether a condition holds. Those that it names must have been evaluated before.
    pub(crate) fn holds(&self, value: &Value) -> Result<bool> {
        let Some(operation) = logic(value)? else {
            return Err(TemplateError::new(
                "Template format error: Conditions can only be boolean operations on parameters and other conditions",
            ));
        };
        match operation {
            Logic::And(operands) => {
                operands.iter().try_fold(true, |all, operand| Ok(self.holds(operand)? && all))
            }
            Logic::Or(operands) => {
                operands.iter().try_fold(false, |any, operand| Ok(self.holds(operand)? || any))
            }
            Logic::Not(operand) => Ok(!self.holds(operand)?),
            Logic::Equals(left, right) => match (self.value(left)?, self.value(right)?) {
                (Some(left), Some(right)) => Ok(left.same(&right)),
                (left, right) => Ok(left.is_none() && right.is_none()),
            },
            Logic::Condition(name) => self.condition(name, "Condition"),
        }
    }
}

const BASE64: &str = "every Fn::Base64 object must have a String-typed value.";

/// Refuses `{{resolve:service:…}}`, which would otherwise reach the resource as it stands.
pub(crate) fn refuse_dynamic_reference(text: &str) -> Result<()> {
    let after = text.split_once("{{resolve:").map(|(_, after)| after);
    let Some((reference, _)) = after.and_then(|after| after.split_once("}}")) else { return Ok(()) };
    let service = reference.split(':').next().unwrap_or_default();
    error(format!("dynamic references of service {service} are not supported: {{{{resolve:{reference}}}}}"))
}
