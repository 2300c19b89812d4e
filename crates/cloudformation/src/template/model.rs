//! The sections of a template.

use indexmap::IndexMap;

use super::creation;
use super::for_each::LANGUAGE_EXTENSIONS;
use super::parameters::Parameter;
use super::rules::Rule;
use super::types::ResourceType;
use super::value::{Map, Value};
use super::{Result, TemplateError, parse};

/// The most resources of a template (the service's quota).
const MAX_RESOURCES: usize = 500;
/// The most parameters, mappings and outputs of a template, each (the service's quotas).
const MAX_MEMBERS: usize = 200;
/// The longest description of a template, in bytes.
const MAX_DESCRIPTION_BYTES: usize = 1024;
/// The longest logical id, and name of a parameter, mapping, condition or output.
const MAX_NAME_CHARS: usize = 255;

/// A template whose sections have the right form. Whether its references hold is [`check`](super::check)'s to say.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Template {
    /// The body that was parsed.
    pub body: String,
    /// For people.
    pub description: Option<String>,
    /// Anything.
    pub metadata: Option<Value>,
    /// The parameters.
    pub parameters: IndexMap<String, Parameter>,
    /// What must hold of the parameters.
    pub rules: IndexMap<String, Rule>,
    /// It may use what `AWS::LanguageExtensions` adds.
    pub extended: bool,
    /// The mappings: map name, top-level key, second-level key, scalar or list.
    pub mappings: Map,
    /// The conditions.
    pub conditions: Map,
    /// The resources, by logical id.
    pub resources: IndexMap<String, Resource>,
    /// The outputs.
    pub outputs: IndexMap<String, OutputDefinition>,
}

/// A declared resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// As `AWS::SQS::Queue`.
    pub resource_type: String,
    /// The properties, not evaluated.
    pub properties: Map,
    /// The logical ids that it names in `DependsOn`.
    pub depends_on: Vec<String>,
    /// The condition under which it exists.
    pub condition: Option<String>,
    /// What becomes of it when it leaves the stack.
    pub deletion_policy: DeletionPolicy,
    /// Whether the template says what becomes of it.
    pub says_deletion_policy: bool,
    /// What becomes of the old one when an update replaces it.
    pub update_replace_policy: DeletionPolicy,
    /// Anything, not evaluated.
    pub metadata: Option<Value>,
    /// What its creation waits for, not evaluated.
    pub creation_policy: Option<Value>,
}

/// What becomes of a resource that its stack no longer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum DeletionPolicy {
    /// It is deleted.
    #[default]
    Delete,
    /// It stays.
    Retain,
    /// It stays, unless the operation that created it is rolled back.
    RetainExceptOnCreate,
}

impl DeletionPolicy {
    /// The policy's name in templates.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "Delete",
            Self::Retain => "Retain",
            Self::RetainExceptOnCreate => "RetainExceptOnCreate",
        }
    }
}

/// A declared output.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputDefinition {
    /// The value, not evaluated.
    pub value: Value,
    /// For people.
    pub description: Option<String>,
    /// The name under which other stacks import it, not evaluated.
    pub export_name: Option<Value>,
    /// The condition under which it exists.
    pub condition: Option<String>,
}

impl Template {
    /// Parses a body and reads its sections. The error names everything that has the wrong form.
    pub fn parse(body: &str) -> Result<Self> {
        let Value::Map(map) = parse(body)? else { return format_error("unsupported structure.") };
        Self::from_map(body, &map)
    }

    /// Reads the sections of a template that has been parsed.
    pub fn from_map(body: &str, map: &Map) -> Result<Self> {
        check_sections(map)?;
        let mut problems = Vec::new();
        let template = Self {
            body: body.to_owned(),
            description: description(map)?,
            metadata: map.get("Metadata").cloned(),
            parameters: members(
                map,
                "Parameters",
                "Parameter",
                MAX_MEMBERS,
                &mut problems,
                Parameter::parse,
            )?,
            rules: members(map, "Rules", "Rule", usize::MAX, &mut problems, Rule::parse)?,
            extended: map.contains_key("Transform"),
            mappings: members(map, "Mappings", "Mapping", MAX_MEMBERS, &mut problems, mapping)?,
            conditions: members(map, "Conditions", "Condition", usize::MAX, &mut problems, |_, v| {
                Ok(v.clone())
            })?,
            resources: members(map, "Resources", "Resource", MAX_RESOURCES, &mut problems, Resource::parse)?,
            outputs: members(map, "Outputs", "Output", MAX_MEMBERS, &mut problems, OutputDefinition::parse)?,
        };
        for name in template.resources.keys().filter(|name| template.parameters.contains_key(*name)) {
            problems.push(format!("Template format error: {name} names both a parameter and a resource"));
        }
        TemplateError::of_problems(&problems)?;
        if template.resources.is_empty() {
            return format_error("At least one Resources member must be defined.");
        }
        Ok(template)
    }
}

fn format_error<T>(message: impl std::fmt::Display) -> Result<T> {
    Err(TemplateError::new(format!("Template format error: {message}")))
}

/// Refuses sections that do not exist, versions other than the only one, and what is not implemented.
fn check_sections(map: &Map) -> Result<()> {
    const KNOWN: [&str; 11] = [
        "AWSTemplateFormatVersion",
        "Description",
        "Metadata",
        "Parameters",
        "Rules",
        "Mappings",
        "Conditions",
        "Transform",
        "Hooks",
        "Resources",
        "Outputs",
    ];
    let unknown: Vec<&str> = map.keys().map(String::as_str).filter(|key| !KNOWN.contains(key)).collect();
    if !unknown.is_empty() {
        return Err(TemplateError::new(format!(
            "Invalid template property or properties [{}]",
            unknown.join(", ")
        )));
    }
    match map.get("AWSTemplateFormatVersion").map(Value::text) {
        None => {}
        Some(Some(version)) if version == "2010-09-09" => {}
        Some(_) => return format_error("unsupported value for AWSTemplateFormatVersion."),
    }
    // Whose loops have been unrolled.
    let extended = Value::from(LANGUAGE_EXTENSIONS);
    if let Some(transform) = map.get("Transform").filter(|transform| **transform != extended) {
        let names = match transform {
            Value::List(items) => items.iter().filter_map(Value::text).collect::<Vec<_>>().join(", "),
            other => other.text().map(|text| text.into_owned()).unwrap_or_default(),
        };
        return format_error(format!("Transform [{names}] is not supported"));
    }
    if map.contains_key("Hooks") {
        return format_error("the Hooks section is not supported");
    }
    Ok(())
}

fn description(map: &Map) -> Result<Option<String>> {
    match map.get("Description") {
        None => Ok(None),
        Some(Value::String(text)) if text.len() > MAX_DESCRIPTION_BYTES => {
            format_error(format!("'Description' length is greater than {MAX_DESCRIPTION_BYTES}."))
        }
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => format_error("Every Description member must be a string."),
    }
}

/// Reads the members of a section; what is wrong with one is noted, and the next is read.
fn members<T>(
    map: &Map,
    section: &str,
    noun: &str,
    max: usize,
    problems: &mut Vec<String>,
    read: impl Fn(&str, &Value) -> Result<T>,
) -> Result<IndexMap<String, T>> {
    let entries = match map.get(section) {
        None => return Ok(IndexMap::new()),
        Some(Value::Map(entries)) => entries,
        Some(_) => return format_error(format!("[/{section}] {section} must be an object.")),
    };
    if entries.len() > max {
        let section = section.to_lowercase();
        return format_error(format!(
            "Number of {section}, {}, is greater than maximum allowed, {max}",
            entries.len()
        ));
    }
    let mut members = IndexMap::new();
    for (name, value) in entries {
        match check_name(noun, name).and_then(|()| read(name, value)) {
            Ok(member) => {
                members.insert(name.clone(), member);
            }
            Err(error) => problems.push(error.message().to_owned()),
        }
    }
    Ok(members)
}

fn check_name(noun: &str, name: &str) -> Result<()> {
    if let Some(rest) = name.strip_prefix("Fn::ForEach") {
        return Err(TemplateError::new(format!(
            "Template error: Fn::ForEach{rest} requires the AWS::LanguageExtensions transform"
        )));
    }
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric()) {
        return format_error(format!("{noun} name {name} is non alphanumeric."));
    }
    if name.len() > MAX_NAME_CHARS {
        return format_error(format!("{noun} name {name} is longer than {MAX_NAME_CHARS} characters."));
    }
    Ok(())
}

/// A mapping: two levels of keys, then scalars or lists of them.
fn mapping(name: &str, value: &Value) -> Result<Value> {
    let Value::Map(tops) = value else {
        return format_error(format!("[/Mappings/{name}] Every Mappings member must be a map"));
    };
    for (top, seconds) in tops {
        let Value::Map(seconds) = seconds else {
            return format_error(format!("[/Mappings/{name}/{top}] Every Mappings attribute must be a map"));
        };
        for (second, value) in seconds {
            // Source: the service's error for attributes such as x86-64.
            if second.is_empty() || !second.chars().all(|c| c.is_ascii_alphanumeric()) {
                return format_error(format!(
                    "Mappings attribute name '{second}' must contain only alphanumeric characters"
                ));
            }
            let scalars = |items: &[Value]| items.iter().all(|item| item.text().is_some());
            if value.text().is_none() && !value.as_list().is_some_and(scalars) {
                return format_error("Every Mappings attribute must be a String or a List.");
            }
        }
    }
    Ok(value.clone())
}

/// The type of custom resources that have no type of their own.
pub const CUSTOM: &str = "AWS::CloudFormation::CustomResource";

/// Whether a type is one of custom resources: `Custom::` and up to 60 characters, or the one that all share.
/// Source: the template reference, `AWS::CloudFormation::CustomResource`.
pub fn is_custom(resource_type: &str) -> bool {
    const MAX: usize = 60;
    let of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '@' | '-' | ':');
    let own = resource_type.strip_prefix("Custom::");
    resource_type == CUSTOM
        || own.is_some_and(|name| !name.is_empty() && resource_type.len() <= MAX && name.chars().all(of_name))
}

impl Resource {
    /// Whether it is a custom resource.
    pub fn is_custom(&self) -> bool {
        is_custom(&self.resource_type)
    }

    /// All that is evaluated of it.
    pub(crate) fn expressions(&self) -> impl Iterator<Item = &Value> {
        self.properties.values().chain(&self.metadata).chain(&self.creation_policy)
    }

    /// What its type takes here: a creation policy says all that a wait condition's properties say otherwise.
    pub fn described(&self, resource_type: &ResourceType) -> ResourceType {
        let properties = if self.creation_policy.is_some() { &[] } else { resource_type.properties };
        ResourceType { properties, ..*resource_type }
    }

    fn parse(id: &str, value: &Value) -> Result<Self> {
        const KNOWN: [&str; 8] = [
            "Type",
            "Properties",
            "DependsOn",
            "Condition",
            "DeletionPolicy",
            "UpdateReplacePolicy",
            "Metadata",
            "CreationPolicy",
        ];
        let Value::Map(map) = value else {
            return format_error(format!("[/Resources/{id}] Every Resources object must be an object."));
        };
        let resource_type = match map.get("Type") {
            Some(Value::String(resource_type)) => resource_type.clone(),
            Some(_) => {
                return format_error(format!("[/Resources/{id}/Type] Every Type member must be a string."));
            }
            None => {
                return format_error(format!(
                    "[/Resources/{id}] Every Resources object must contain a Type member."
                ));
            }
        };
        match map.keys().find(|key| !KNOWN.contains(&key.as_str())).map(String::as_str) {
            None => {}
            Some("UpdatePolicy") => {
                return format_error(format!("UpdatePolicy of resource {id} is not supported"));
            }
            Some(key) => {
                return Err(TemplateError::new(format!("Invalid template resource property '{key}'")));
            }
        }
        let properties = match map.get("Properties") {
            None => Map::new(),
            Some(Value::Map(properties)) => properties.clone(),
            Some(_) => {
                return format_error(format!("[/Resources/{id}/Properties] Properties must be an object."));
            }
        };
        Ok(Self {
            says_deletion_policy: map.contains_key("DeletionPolicy"),
            deletion_policy: policy(id, &resource_type, map, "DeletionPolicy")?,
            update_replace_policy: policy(id, &resource_type, map, "UpdateReplacePolicy")?,
            creation_policy: creation::declared(id, &resource_type, map)?,
            resource_type,
            properties,
            depends_on: depends_on(map)?,
            condition: condition(map)?,
            metadata: map.get("Metadata").cloned(),
        })
    }
}

fn policy(id: &str, resource_type: &str, map: &Map, key: &str) -> Result<DeletionPolicy> {
    match map.get(key) {
        None => Ok(DeletionPolicy::Delete),
        Some(Value::String(name)) => match name.as_str() {
            "Delete" => Ok(DeletionPolicy::Delete),
            "Retain" => Ok(DeletionPolicy::Retain),
            "RetainExceptOnCreate" if key == "DeletionPolicy" => Ok(DeletionPolicy::RetainExceptOnCreate),
            "Snapshot" => {
                format_error(format!("Resource type {resource_type} does not support {key} Snapshot"))
            }
            other => format_error(format!("Unrecognized {key} {other} for resource {id}")),
        },
        Some(_) => format_error(format!("Every {key} member must be a string.")),
    }
}

fn depends_on(map: &Map) -> Result<Vec<String>> {
    let strings = |items: &[Value]| items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
    let found: Option<Vec<String>> = match map.get("DependsOn") {
        None => Some(Vec::new()),
        Some(Value::String(id)) => Some(vec![id.clone()]),
        Some(Value::List(items)) => strings(items),
        Some(_) => None,
    };
    match found {
        Some(ids) => Ok(ids),
        None => format_error("DependsOn must be a string or list of strings."),
    }
}

fn condition(map: &Map) -> Result<Option<String>> {
    match map.get("Condition") {
        None => Ok(None),
        Some(Value::String(name)) => Ok(Some(name.clone())),
        Some(_) => format_error("Every Condition member must be a string."),
    }
}

impl OutputDefinition {
    fn parse(name: &str, value: &Value) -> Result<Self> {
        const KNOWN: [&str; 4] = ["Value", "Description", "Export", "Condition"];
        let Value::Map(map) = value else {
            return format_error(format!("[/Outputs/{name}] Every Outputs member must be an object."));
        };
        if let Some(unknown) = map.keys().find(|key| !KNOWN.contains(&key.as_str())) {
            return Err(TemplateError::new(format!("Invalid template output property '{unknown}'")));
        }
        let Some(value) = map.get("Value") else {
            return format_error(format!(
                "Output {name} is malformed. Every Outputs member must contain a Value object"
            ));
        };
        let description = match map.get("Description") {
            None => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(_) => return format_error("Every Description member must be a string."),
        };
        Ok(Self {
            value: value.clone(),
            description,
            export_name: export_name(name, map)?,
            condition: condition(map)?,
        })
    }
}

fn export_name(output: &str, map: &Map) -> Result<Option<Value>> {
    let Some(export) = map.get("Export") else { return Ok(None) };
    match export.as_map().map(|export| (export.len(), export.get("Name"))) {
        Some((1, Some(name))) => Ok(Some(name.clone())),
        _ => format_error(format!(
            "Output {output} is malformed. Every Export member must contain a Name and no more."
        )),
    }
}
