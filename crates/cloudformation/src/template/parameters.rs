//! Template parameters: their declarations, and the values that a stack gives them.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use regex::{Regex, RegexBuilder};

use super::diff::KNOWN_AFTER_APPLY;
use super::value::{Map, Value};
use super::{Result, TemplateError};

/// The values that a stack gives its parameters, by name, as their text.
pub type ParameterValues = BTreeMap<String, String>;

/// The longest value of a parameter, in bytes (the service's quota).
const MAX_VALUE_BYTES: usize = 4096;

/// The types of AWS resources that parameters may have. Their values are taken as strings: whether such a
/// resource exists is for the service that uses it to say.
const AWS_TYPES: [&str; 10] = [
    "AWS::EC2::AvailabilityZone::Name",
    "AWS::EC2::Image::Id",
    "AWS::EC2::Instance::Id",
    "AWS::EC2::KeyPair::KeyName",
    "AWS::EC2::SecurityGroup::GroupName",
    "AWS::EC2::SecurityGroup::Id",
    "AWS::EC2::Subnet::Id",
    "AWS::EC2::VPC::Id",
    "AWS::EC2::Volume::Id",
    "AWS::Route53::HostedZone::Id",
];

/// The type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterType {
    /// `String`, and the AWS-specific types.
    String,
    /// `Number`.
    Number,
    /// `List<Number>`.
    NumberList,
    /// `CommaDelimitedList`, and lists of the AWS-specific types.
    CommaDelimitedList,
}

impl ParameterType {
    fn parse(name: &str) -> Result<Self> {
        if name.contains("AWS::SSM::Parameter") {
            return Err(TemplateError::new(format!(
                "Template format error: parameter type {name} is not supported: there is no Parameter Store"
            )));
        }
        let element = name.strip_prefix("List<").and_then(|rest| rest.strip_suffix('>'));
        match (name, element) {
            ("String", _) => Ok(Self::String),
            ("Number", _) => Ok(Self::Number),
            ("CommaDelimitedList", _) => Ok(Self::CommaDelimitedList),
            (_, Some("Number")) => Ok(Self::NumberList),
            (_, Some(element)) if AWS_TYPES.contains(&element) => Ok(Self::CommaDelimitedList),
            (_, None) if AWS_TYPES.contains(&name) => Ok(Self::String),
            _ => {
                Err(TemplateError::new(format!("Template format error: Unrecognized parameter type: {name}")))
            }
        }
    }

    fn is_list(self) -> bool {
        matches!(self, Self::NumberList | Self::CommaDelimitedList)
    }

    fn is_number(self) -> bool {
        matches!(self, Self::Number | Self::NumberList)
    }
}

/// A declared parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// How values are read and checked.
    pub kind: ParameterType,
    /// The type as the template spells it.
    pub type_name: String,
    /// The value if the stack gives none.
    pub default: Option<String>,
    /// Whether the value is shown as asterisks.
    pub no_echo: bool,
    /// The values that are allowed; empty if any is.
    pub allowed_values: Vec<String>,
    /// What the whole value must match.
    pub allowed_pattern: Option<String>,
    /// For people.
    pub description: Option<String>,
    /// What an error says instead of the constraint.
    pub constraint_description: Option<String>,
    min_length: Option<u64>,
    max_length: Option<u64>,
    min_value: Option<Number>,
    max_value: Option<Number>,
}

/// A bound as it was written, which is how messages show it, and as it compares.
#[derive(Debug, Clone, PartialEq)]
struct Number {
    text: String,
    value: f64,
}

impl Number {
    fn parse(text: &str) -> Option<Self> {
        let value = text.trim().parse::<f64>().ok().filter(|value| value.is_finite())?;
        Some(Self { text: text.to_owned(), value })
    }
}

impl Parameter {
    /// Reads a declaration.
    pub(crate) fn parse(name: &str, declaration: &Value) -> Result<Self> {
        const KNOWN: [&str; 11] = [
            "Type",
            "Default",
            "NoEcho",
            "AllowedValues",
            "AllowedPattern",
            "Description",
            "ConstraintDescription",
            "MinLength",
            "MaxLength",
            "MinValue",
            "MaxValue",
        ];
        let Value::Map(map) = declaration else {
            return format_error(format!("[/Parameters/{name}] Every Parameters object must be an object"));
        };
        if let Some(unknown) = map.keys().find(|key| !KNOWN.contains(&key.as_str())) {
            return Err(TemplateError::new(format!("Invalid template parameter property '{unknown}'")));
        }
        let type_name = match map.get("Type") {
            Some(Value::String(type_name)) => type_name.clone(),
            Some(_) => return format_error("Every Type member must be a string."),
            None => return format_error("Every Parameters object must contain a Type member."),
        };
        let parameter = Self {
            kind: ParameterType::parse(&type_name)?,
            type_name,
            default: member(map, "Default")?,
            no_echo: member(map, "NoEcho")?.is_some_and(|text| text.eq_ignore_ascii_case("true")),
            allowed_values: allowed_values(map)?,
            allowed_pattern: member(map, "AllowedPattern")?,
            description: member(map, "Description")?,
            constraint_description: member(map, "ConstraintDescription")?,
            min_length: length(name, map, "MinLength")?,
            max_length: length(name, map, "MaxLength")?,
            min_value: bound(name, map, "MinValue")?,
            max_value: bound(name, map, "MaxValue")?,
        };
        parameter.check_constraints(name)?;
        if let Some(default) = &parameter.default {
            parameter.check_value(name, default)?;
        }
        Ok(parameter)
    }

    /// Whether the constraints fit the type and each other.
    fn check_constraints(&self, name: &str) -> Result<()> {
        let misfit = |constraint: &str, kind: &str| {
            error(name, format!("{constraint} must be on a parameter of type {kind}"))
        };
        if self.min_length.is_some() && self.kind != ParameterType::String {
            return misfit("MinLength", "String");
        }
        if self.max_length.is_some() && self.kind != ParameterType::String {
            return misfit("MaxLength", "String");
        }
        if self.allowed_pattern.is_some() && self.kind.is_number() {
            return misfit("AllowedPattern", "String");
        }
        if self.min_value.is_some() && !self.kind.is_number() {
            return misfit("MinValue", "Number");
        }
        if self.max_value.is_some() && !self.kind.is_number() {
            return misfit("MaxValue", "Number");
        }
        if let (Some(min), Some(max)) = (self.min_length, self.max_length)
            && max < min
        {
            return error(name, "MinLength must be less than MaxLength.");
        }
        if let (Some(min), Some(max)) = (&self.min_value, &self.max_value)
            && max.value < min.value
        {
            return error(name, "MinValue must be less than MaxValue.");
        }
        if let Some(pattern) = &self.allowed_pattern {
            compile(name, pattern)?;
        }
        Ok(())
    }

    /// What `Ref` gives for a value: a string, or the list of its comma-separated, trimmed parts.
    fn value(&self, text: &str) -> Value {
        if self.kind.is_list() {
            return Value::List(text.split(',').map(|part| Value::from(part.trim())).collect());
        }
        Value::from(text)
    }

    /// Whether a value satisfies the type and every constraint.
    fn check_value(&self, name: &str, text: &str) -> Result<()> {
        if text.contains(KNOWN_AFTER_APPLY) {
            // Of a nested stack, before its parent has made what the value comes from.
            return Ok(());
        }
        if text.len() > MAX_VALUE_BYTES {
            return Err(TemplateError::new(format!(
                "Parameter '{name}' must contain at most {MAX_VALUE_BYTES} bytes"
            )));
        }
        let pattern = self.allowed_pattern.as_deref().map(|pattern| compile(name, pattern)).transpose()?;
        let parts: Vec<&str> =
            if self.kind.is_list() { text.split(',').map(str::trim).collect() } else { vec![text] };
        let Some(violation) = parts.into_iter().find_map(|part| self.violation(part, pattern.as_ref()))
        else {
            return Ok(());
        };
        Err(TemplateError::new(match &self.constraint_description {
            Some(description) => format!("Parameter {name} failed to satisfy constraint: {description}"),
            None => format!("Parameter '{name}' {violation}"),
        }))
    }

    /// Which constraint one value violates.
    fn violation(&self, text: &str, pattern: Option<&Regex>) -> Option<String> {
        if !self.allowed_values.is_empty() && !self.allowed_values.iter().any(|allowed| allowed == text) {
            return Some("must be one of AllowedValues".to_owned());
        }
        if self.kind.is_number() {
            let Some(number) = Number::parse(text) else { return Some("must be a number".to_owned()) };
            if let Some(min) = self.min_value.as_ref().filter(|min| number.value < min.value) {
                return Some(format!("must be a number not less than {}", min.text));
            }
            if let Some(max) = self.max_value.as_ref().filter(|max| number.value > max.value) {
                return Some(format!("must be a number not greater than {}", max.text));
            }
            return None;
        }
        let length = text.chars().count() as u64;
        if let Some(min) = self.min_length.filter(|min| length < *min) {
            return Some(format!("must contain at least {min} characters"));
        }
        if let Some(max) = self.max_length.filter(|max| length > *max) {
            return Some(format!("must contain at most {max} characters"));
        }
        pattern.filter(|pattern| !pattern.is_match(text))?;
        self.allowed_pattern.as_ref().map(|source| format!("must match pattern {source}"))
    }
}

/// Binds parameters to the stack's values or their defaults, and checks each.
pub(crate) fn bind(
    declared: &IndexMap<String, Parameter>,
    given: &ParameterValues,
) -> Result<BTreeMap<String, Value>> {
    let unknown: Vec<&str> =
        given.keys().filter(|name| !declared.contains_key(*name)).map(String::as_str).collect();
    if !unknown.is_empty() {
        return Err(TemplateError::new(format!(
            "Parameters: [{}] do not exist in the template",
            unknown.join(", ")
        )));
    }
    let missing =
        declared.iter().filter(|(name, parameter)| parameter.default.is_none() && !given.contains_key(*name));
    let missing: Vec<&str> = missing.map(|(name, _)| name.as_str()).collect();
    if !missing.is_empty() {
        return Err(TemplateError::new(format!("Parameters: [{}] must have values", missing.join(", "))));
    }
    let mut values = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, parameter) in declared {
        let Some(text) = given.get(name).or(parameter.default.as_ref()) else { continue };
        match parameter.check_value(name, text) {
            Ok(()) => {
                values.insert(name.clone(), parameter.value(text));
            }
            Err(error) => problems.push(error.message().to_owned()),
        }
    }
    TemplateError::of_problems(&problems)?;
    Ok(values)
}

fn format_error<T>(message: impl std::fmt::Display) -> Result<T> {
    Err(TemplateError::new(format!("Template format error: {message}")))
}

fn error<T>(name: &str, message: impl std::fmt::Display) -> Result<T> {
    Err(TemplateError::new(format!("Template error: Parameter '{name}' {message}")))
}

/// A scalar member of a declaration, as text.
fn member(map: &Map, key: &str) -> Result<Option<String>> {
    let Some(value) = map.get(key) else { return Ok(None) };
    match value.text() {
        Some(text) => Ok(Some(text.into_owned())),
        None => format_error(format!("Every {key} member must be a string.")),
    }
}

fn allowed_values(map: &Map) -> Result<Vec<String>> {
    let Some(value) = map.get("AllowedValues") else { return Ok(Vec::new()) };
    let Value::List(items) = value else { return format_error("Every AllowedValues member must be a list.") };
    let texts = items.iter().map(|item| item.text().map(|text| text.into_owned()));
    match texts.collect::<Option<Vec<_>>>() {
        Some(texts) if !texts.is_empty() => Ok(texts),
        Some(_) => format_error("Every AllowedValues member must be a list of at least one value."),
        None => format_error("Every AllowedValues value must be a string."),
    }
}

fn length(name: &str, map: &Map, key: &str) -> Result<Option<u64>> {
    let Some(text) = member(map, key)? else { return Ok(None) };
    match text.parse() {
        Ok(length) => Ok(Some(length)),
        Err(_) => error(name, format!("{key} must be a non-negative integer.")),
    }
}

fn bound(name: &str, map: &Map, key: &str) -> Result<Option<Number>> {
    let Some(text) = member(map, key)? else { return Ok(None) };
    match Number::parse(&text) {
        Some(number) => Ok(Some(number)),
        None => error(name, format!("{key} must be a number.")),
    }
}

/// The pattern as an expression that the whole value must match.
///
/// The service uses Java's expressions; look-around and back-references, which take exponential
/// time, are refused here.
fn compile(name: &str, pattern: &str) -> Result<Regex> {
    const MAX_COMPILED_BYTES: usize = 1 << 20;
    // Compiled alone first: a pattern with an unbalanced parenthesis must not become valid by the wrapping.
    let build = |source: &str| RegexBuilder::new(source).size_limit(MAX_COMPILED_BYTES).build();
    match build(pattern).and_then(|_| build(&format!("\\A(?:{pattern})\\z"))) {
        Ok(regex) => Ok(regex),
        Err(_) => error(
            name,
            format!(
                "AllowedPattern must be a valid regular expression, without look-around or back-references: {pattern}"
            ),
        ),
    }
}
