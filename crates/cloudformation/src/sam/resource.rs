//! Resources: SAM's own as they come in, and those that are generated.

use super::node::{Dict, Node, Text, dict, get_att, reference};
use super::problem::{Problem, Result};
use super::tables::{self, Property};

/// Attributes that a resource keeps.
const ATTRIBUTES: [&str; 5] =
    ["DeletionPolicy", "UpdatePolicy", "Condition", "UpdateReplacePolicy", "Metadata"];
/// Attributes that whatever it generates has too.
const PASSED: [&str; 3] = ["Condition", "DeletionPolicy", "UpdateReplacePolicy"];
/// Types of which a generated resource may take an id that is there: the one that is transformed, or changed.
const REPLACES: [(&str, &str); 6] = [
    ("AWS::Lambda::Function", "AWS::Serverless::Function"),
    ("AWS::Lambda::LayerVersion", "AWS::Serverless::LayerVersion"),
    ("AWS::ApiGateway::RestApi", "AWS::Serverless::Api"),
    ("AWS::ApiGatewayV2::Api", "AWS::Serverless::HttpApi"),
    ("AWS::S3::Bucket", "AWS::S3::Bucket"),
    ("AWS::CloudFormation::Stack", "AWS::Serverless::Application"),
];
/// Types that take tags as a list.
const TAGGED: [&str; 10] = [
    "AWS::Lambda::Function",
    "AWS::IAM::Role",
    "AWS::ApiGateway::DomainName",
    "AWS::ApiGateway::RestApi",
    "AWS::ApiGateway::Stage",
    "AWS::ApiGateway::UsagePlan",
    "AWS::ApiGateway::ApiKey",
    "AWS::S3::Bucket",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
];

/// A resource or an event of SAM's, its properties checked.
#[derive(Debug, Clone)]
pub struct Source {
    /// The logical id.
    pub id: Text,
    /// The properties.
    pub properties: Dict,
    /// The attributes that it keeps.
    pub attributes: Dict,
    /// What it depends on.
    pub depends_on: Option<Node>,
}

impl Source {
    /// Reads a resource.
    pub fn read(id: &Text, resource: &Dict) -> Self {
        let mut attributes = Dict::new();
        for name in ATTRIBUTES {
            if let Some(value) = resource.get(name) {
                attributes.insert(name, value.clone());
            }
        }
        Self {
            id: id.clone(),
            properties: resource.get("Properties").and_then(Node::dict).cloned().unwrap_or_default(),
            attributes,
            depends_on: resource.get("DependsOn").cloned(),
        }
    }

    /// Everything that is wrong with id and properties.
    pub fn problems(&self, table: &[Property], type_name: &str) -> Vec<Problem> {
        let mut found = Vec::new();
        if !is_logical_id(&self.id.text) {
            found.push("Logical ids must be alphanumeric.".to_owned());
        }
        found.extend(tables::problems(&self.properties, table, type_name));
        found.into_iter().map(|what| Problem::resource(&self.id.text, what)).collect()
    }

    /// A property that is there and not null.
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.properties.some(name)
    }

    /// A property that Python takes as true.
    pub fn truthy(&self, name: &str) -> Option<&Node> {
        self.properties.truthy(name)
    }

    /// The attributes of what this generates.
    pub fn passed(&self) -> Dict {
        let mut passed = Dict::new();
        for name in PASSED {
            if let Some(value) = self.attributes.get(name) {
                passed.insert(name, value.clone());
            }
        }
        passed
    }

    /// The error that something is wrong with this resource.
    pub fn problem<T>(&self, what: impl Into<String>) -> Result<T> {
        Err(Problem::resource(&self.id.text, what))
    }

    /// A value that must be a mapping.
    pub fn map<'n>(&self, value: &'n Node, path: &str) -> Result<&'n Dict> {
        value
            .dict()
            .ok_or_else(|| Problem::resource(&self.id.text, format!("Property '{path}' should be a map.")))
    }

    /// A value that must be a list of texts.
    pub fn texts<'n>(&self, value: &'n Node, path: &str) -> Result<Vec<&'n Text>> {
        let wrong = |path: &str, what: &str| {
            Problem::resource(&self.id.text, format!("Property '{path}' should be a {what}."))
        };
        let items = value.list().ok_or_else(|| wrong(path, "list"))?;
        let text = |(index, item): (usize, &'n Node)| {
            item.as_text().ok_or_else(|| wrong(&format!("{path}[{index}]"), "string"))
        };
        items.iter().enumerate().map(text).collect()
    }
}

/// Whether this can be a logical id.
pub fn is_logical_id(id: &str) -> bool {
    !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric())
}

/// Whether Python's `isalnum` holds: what ids are made of without a digest.
pub fn is_alphanumeric(text: &str) -> bool {
    !text.is_empty() && text.chars().all(char::is_alphanumeric)
}

/// A generated resource.
#[derive(Debug, Clone)]
pub struct Resource {
    /// The logical id.
    pub id: Text,
    /// The type.
    pub kind: &'static str,
    /// What it depends on.
    pub depends_on: Option<Node>,
    /// Its attributes.
    pub attributes: Dict,
    /// Its properties.
    pub properties: Dict,
}

impl Resource {
    /// A resource without properties.
    pub fn new(id: impl Into<Text>, kind: &'static str, attributes: Dict) -> Self {
        Self { id: id.into(), kind, depends_on: None, attributes, properties: Dict::new() }
    }

    /// With a property.
    pub fn with(mut self, name: &str, value: impl Into<Node>) -> Self {
        self.properties.insert(name, value);
        self
    }

    /// With a property if there is a value that is not null.
    pub fn with_some(self, name: &str, value: Option<&Node>) -> Self {
        match value.filter(|value| **value != Node::Null) {
            Some(value) => self.with(name, value.clone()),
            None => self,
        }
    }

    /// With what it depends on.
    pub fn after(mut self, depends_on: Option<Node>) -> Self {
        self.depends_on = depends_on.filter(Node::is_truthy);
        self
    }

    /// `Ref` of it.
    pub fn reference(&self) -> Node {
        reference(self.id.clone())
    }

    /// Its `Arn`.
    pub fn arn(&self) -> Node {
        get_att(self.id.clone(), "Arn")
    }

    /// Sets tags, if its type takes them as a list.
    pub fn assign_tags(&mut self, tags: &Dict) {
        if TAGGED.contains(&self.kind) {
            self.properties.insert("Tags", tag_list(tags));
        }
    }

    /// Whether it may have its id among the resources of the template.
    pub fn is_unique(&self, existing: &Dict) -> bool {
        let Some(there) = existing.get(&self.id.text).and_then(Node::dict) else { return true };
        let there = there.get("Type").and_then(Node::text).unwrap_or_default();
        REPLACES.contains(&(self.kind, there))
    }

    /// The resource as a template has it.
    pub fn into_node(self) -> Node {
        let mut resource = Dict::new();
        resource.insert("Type", self.kind);
        if let Some(depends_on) = self.depends_on {
            resource.insert("DependsOn", depends_on);
        }
        resource.update(&self.attributes);
        resource.insert("Properties", self.properties);
        resource.into()
    }
}

/// Tags as most types take them.
pub fn tag_list(tags: &Dict) -> Node {
    let tag = |(key, value): (Text, &Node)| {
        let value = if *value == Node::Null { "".into() } else { value.clone() };
        dict([("Key", key.into()), ("Value", value)])
    };
    Node::List(tags.members().map(tag).collect())
}

/// Sets the tags of everything that a resource generates, if it shall.
pub fn propagate_tags(resources: &mut [Resource], source: &Source, shall: bool) {
    if let Some(tags) = source.truthy("Tags").and_then(Node::dict).filter(|_| shall) {
        resources.iter_mut().for_each(|resource| resource.assign_tags(tags));
    }
}
