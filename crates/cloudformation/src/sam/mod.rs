//! The `AWS::Serverless-2016-10-31` transform: a serverless template in, CloudFormation's own out.
//!
//! A pure function of a template, its parameters' values and the region, as SAM's translator is: logical ids
//! are SAM's to the last digit, so that a template means the same here and there. Source: the SAM specification, and the
//! behaviour of the public `aws-sam-translator` package, against whose output the tests compare.
//!
//! Not there, and refused by name with all that is wrong: `SimpleTable`, `StateMachine`, `GraphQLApi` and the other
//! types of services that do not exist; events of such services, and connectors to them; images as code; deployment preferences; records of Route 53 for custom domains, merged definitions and shared usage plans of APIs.

mod application;
mod authorizers;
mod code;
mod connector;
mod digest;
mod document;
mod domain;
mod events;
mod function;
mod globals;
mod http_api;
mod implicit;
mod invoke_config;
mod layer;
mod node;
mod openapi;
mod order;
mod policies;
mod problem;
mod resolve;
mod resource;
mod resource_policy;
mod rest_api;
mod role;
mod swagger;
mod tables;
mod url;
mod usage_plan;
mod version;

use std::collections::{BTreeMap, BTreeSet};

use node::{Dict, Node, Text};
use problem::Problem;
use resolve::{Generated, Parameters};
use resource::{Resource, Source};
use tables::Property;

use crate::template::{Map, Value};

/// The transform's name.
pub const NAME: &str = "AWS::Serverless-2016-10-31";

/// Events of a template at most: each generates a resource, of which a template has 500 at most.
const MAX_EVENTS: usize = 500;

/// What the parameters of a template are, and where its stack is.
pub struct Surroundings<'a> {
    /// The values that were given.
    pub parameters: &'a BTreeMap<String, String>,
    /// The region.
    pub region: &'a str,
}

/// Transforms a template. What is no resource of SAM's stays as it is.
///
/// # Errors
/// Everything that is wrong, in SAM's words: "Invalid Serverless Application Specification document. Number of
/// errors found: 2. Resource with id [X] is invalid. …"
pub fn transform(template: &Map, around: &Surroundings<'_>) -> Result<Map, String> {
    let run = || -> Result<Map, Vec<Problem>> {
        let mut run = Run::new(template, around)?;
        run.refuse()?;
        run.complete()?;
        run.resources()?;
        Ok(run.finish())
    };
    run().map_err(|problems| problem::message(&problems))
}

/// A template on its way.
struct Run {
    /// The template without what follows.
    template: Dict,
    resources: Dict,
    conditions: Dict,
    globals: Dict,
    parameters: Parameters,
    problems: Vec<Problem>,
    /// What SAM's resources have become, and the ids of those that are no more.
    made: Vec<Resource>,
    gone: BTreeSet<String>,
    generated: Generated,
    /// API → the names of the functions that call it.
    callers: BTreeMap<String, String>,
}

fn one(problem: Problem) -> Vec<Problem> {
    vec![problem]
}

fn type_of(resource: &Node) -> &str {
    resource.dict().and_then(|resource| resource.get("Type")).and_then(Node::text).unwrap_or_default()
}

impl Run {
    fn new(template: &Map, around: &Surroundings<'_>) -> Result<Self, Vec<Problem>> {
        let mut template = Dict::from(template);
        let required = || one(Problem::Template("'Resources' section is required".to_owned()));
        let resources = match template.remove("Resources") {
            Some(Node::Dict(resources)) if !resources.is_empty() => resources,
            _ => return Err(required()),
        };
        if resources.members().any(|(_, resource)| resource.dict().is_none()) {
            let what =
                "All 'Resources' must be Objects. If you're using YAML, this may be an indentation issue.";
            return Err(one(Problem::Template(what.to_owned())));
        }
        let globals = template.remove("Globals");
        let problems = globals.as_ref().map(globals::problems).unwrap_or_default();
        let globals = globals.as_ref().and_then(Node::dict).cloned().unwrap_or_default();
        template.remove("Transform");
        let conditions = match template.remove("Conditions") {
            Some(Node::Dict(conditions)) => conditions,
            _ => Dict::new(),
        };
        let parameters = parameters(&template, around);
        Ok(Self {
            template,
            resources,
            conditions,
            globals,
            parameters,
            problems,
            made: Vec::new(),
            gone: BTreeSet::new(),
            generated: Generated::default(),
            callers: BTreeMap::new(),
        })
    }

    /// Notes what is not there at all.
    fn refuse(&mut self) -> Result<(), Vec<Problem>> {
        let mut events = 0;
        for (id, resource) in self.resources.members() {
            let kind = type_of(resource);
            let Some(resource) = resource.dict() else { continue };
            let refuse = |what: String| Problem::resource(&id.text, what);
            if kind.starts_with("AWS::Serverless::") && table(kind).is_none() {
                self.problems.push(refuse(format!("Resource type '{kind}' is not supported.")));
            }
            if table(kind).is_none() {
                continue;
            }
            let properties = resource.get("Properties");
            if properties.is_some_and(|properties| properties.dict().is_none()) {
                self.problems.push(refuse("Attribute 'Properties' should be a map.".to_owned()));
            }
            if resource.truthy("Condition").is_some_and(|condition| condition.text().is_none()) {
                self.problems.push(Problem::Template("Every Condition member must be a string.".to_owned()));
            }
            let own = properties.and_then(Node::dict).and_then(|p| p.get("Events")).and_then(Node::dict);
            events += own.map_or(0, Dict::len);
        }
        if events > MAX_EVENTS {
            let what = format!("Number of events, {events}, is greater than maximum allowed, {MAX_EVENTS}.");
            self.problems.push(Problem::Template(what));
            return Err(std::mem::take(&mut self.problems));
        }
        Ok(())
    }

    /// Completes the template: documents of APIs, implicit APIs, defaults.
    fn complete(&mut self) -> Result<(), Vec<Problem>> {
        self.mark();
        implicit::default_documents(&mut self.resources);
        for kind in [&implicit::REST, &implicit::HTTP] {
            if let Err(problems) = kind.apply(&mut self.resources, &mut self.conditions, &self.globals) {
                self.problems.extend(problems);
            }
        }
        let ids: Vec<String> = self.resources.keys().into_iter().map(str::to_owned).collect();
        if self.problems.iter().any(|problem| matches!(problem, Problem::Globals(_))) {
            return self.rest();
        }
        for id in ids {
            let Some(Node::Dict(resource)) = self.resources.get_mut(&id) else { continue };
            match globals::merge(&self.globals, &id, resource) {
                Ok(Some(merged)) => resource.insert("Properties", merged),
                Ok(None) => {}
                Err(problem) => self.problems.push(problem),
            }
            let is_api = resource.get("Type").and_then(Node::text) == Some("AWS::Serverless::Api");
            if let Some(Node::Dict(properties)) = resource.get_mut("Properties").filter(|_| is_api) {
                rest_api::fix_version(properties);
            }
        }
        Ok(())
    }

    /// The resources of which something has been told: what follows from it would be told again.
    fn told(&self) -> BTreeSet<String> {
        let id = |problem: &Problem| match problem {
            Problem::Resource(id, _) => Some(id.clone()),
            _ => None,
        };
        self.problems.iter().filter_map(id).collect()
    }

    /// With wrong defaults: what else can be told of properties, and no more.
    fn rest(&mut self) -> Result<(), Vec<Problem>> {
        let told = self.told();
        for (id, resource) in self.resources.clone().members().filter(|(id, _)| !told.contains(&id.text)) {
            let Some((table, source)) = self.source(&id, resource) else { continue };
            let kind = type_of(resource);
            self.problems.extend(source.problems(table, kind));
            if kind == "AWS::Serverless::Function" {
                self.problems.extend(events::problems(&source));
            }
        }
        Err(std::mem::take(&mut self.problems))
    }

    /// Marks what came out of the template, where a digest depends on it.
    fn mark(&mut self) {
        let has_api = self.resources.members().any(|(_, r)| match type_of(r) {
            "AWS::Serverless::Api" => true,
            "AWS::Serverless::Function" => has_api_event(r),
            _ => false,
        });
        if !has_api {
            return;
        }
        if let Some(api) = self.globals.get_mut("Api") {
            *api = api.owned();
        }
        let mut marked = Dict::ordered();
        for (id, resource) in self.resources.members() {
            let mut resource = resource.clone();
            let kind = type_of(&resource).to_owned();
            if let Some(resource) = resource.dict_mut() {
                mark_resource(&kind, resource);
            }
            marked.insert(Text::own(id.text), resource);
        }
        self.resources = marked;
        for value in self.parameters.0.values_mut() {
            *value = value.owned();
        }
    }

    fn source(&self, id: &Text, resource: &Node) -> Option<(&'static [Property], Source)> {
        Some((table(type_of(resource))?, Source::read(id, resource.dict()?)))
    }

    /// Transforms every resource of SAM's: functions first, for their events change APIs; connectors last, for they
    /// join what the others have become.
    fn resources(&mut self) -> Result<(), Vec<Problem>> {
        const ORDER: [&[&str]; 5] = [
            &["AWS::Serverless::Function"],
            &["AWS::Serverless::Api", "AWS::Serverless::HttpApi"],
            &["AWS::Serverless::LayerVersion"],
            &["AWS::Serverless::Application"],
            &[connector::TYPE],
        ];
        let told = self.told();
        self.problems.extend(connector::embedded(&mut self.resources));
        for kinds in ORDER {
            let ids: Vec<Text> = self.resources.members().map(|(id, _)| id).collect();
            for id in ids {
                let Some(resource) = self.resources.get(&id.text).cloned() else { continue };
                let kind = type_of(&resource);
                if kinds.contains(&kind) && !told.contains(&id.text) {
                    self.resource(&id, kind, &resource);
                }
            }
        }
        if self.problems.is_empty() { Ok(()) } else { Err(std::mem::take(&mut self.problems)) }
    }

    fn resource(&mut self, id: &Text, kind: &str, resource: &Node) {
        let Some((table, source)) = self.source(id, resource) else { return };
        let mut found = source.problems(table, kind);
        if kind == "AWS::Serverless::Function" {
            found.extend(events::problems(&source));
        }
        if !found.is_empty() {
            self.problems.extend(found);
            return;
        }
        match self.generate(kind, &source) {
            Ok(generated) => self.take(id, kind, generated),
            Err(problem) => self.problems.push(problem),
        }
    }

    fn generate(&mut self, kind: &str, source: &Source) -> problem::Result<Vec<Resource>> {
        match kind {
            "AWS::Serverless::Function" => {
                self.note_callers(source)?;
                let mut around = function::Surroundings {
                    resources: &mut self.resources,
                    conditions: &mut self.conditions,
                    parameters: &self.parameters,
                };
                function::transform(source, &mut around)
            }
            "AWS::Serverless::Api" => {
                let callers = self.callers.get(&source.id.text).map(String::as_str).unwrap_or_default();
                rest_api::transform(source, &self.parameters, callers)
            }
            "AWS::Serverless::HttpApi" => http_api::transform(source, &self.parameters),
            "AWS::Serverless::Application" => Ok(vec![application::transform(source)?]),
            connector::TYPE => {
                let (written, made, gone) = (&mut self.resources, &mut self.made, &self.gone);
                connector::transform(source, &mut connector::Surroundings { written, made, gone })
            }
            _ => {
                let layer = layer::transform(source, &self.parameters)?;
                self.generated.renamed.insert(source.id.text.clone(), layer.id.text.clone());
                Ok(vec![layer])
            }
        }
    }

    /// A function's name is part of the digest of the APIs that call it: a new name is a new deployment.
    fn note_callers(&mut self, source: &Source) -> problem::Result<()> {
        let events = source.get("Events").and_then(Node::dict);
        let Some(name) = source.get("FunctionName") else { return Ok(()) };
        let name = self.parameters.resolve(name)?;
        for (_, event) in events.into_iter().flat_map(Dict::members).filter(|_| name.is_truthy()) {
            let properties = event.dict().and_then(|event| event.get("Properties")).and_then(Node::dict);
            let api = properties.and_then(|p| implicit::api_id(p.truthy("RestApiId"))).and_then(Node::text);
            if let Some(api) = api.filter(|_| type_of(event) == "Api") {
                self.callers.entry(api.to_owned()).or_default().push_str(&digest::python(&name));
            }
        }
        Ok(())
    }

    /// Takes what a resource generated in its place.
    fn take(&mut self, id: &Text, kind: &str, generated: Vec<Resource>) {
        for resource in &generated {
            if !resource.is_unique(&self.resources) {
                let (taken, kind) = (resource.id.text.clone(), resource.kind.to_owned());
                self.problems.push(Problem::Duplicate(id.text.clone(), taken, kind));
            }
            if let Some(property) = property_of(kind, resource.kind) {
                let key = (id.text.clone(), property.to_owned());
                self.generated.named.insert(key, resource.id.text.clone());
            }
        }
        self.gone.insert(id.text.clone());
        self.made.extend(generated);
    }

    /// The template with everything in its place.
    fn finish(self) -> Map {
        let mut resources = Dict::new();
        for (id, resource) in self.resources.members().filter(|(id, _)| !self.gone.contains(&id.text)) {
            resources.insert(id, resource.clone());
        }
        for resource in self.made {
            resources.insert(resource.id.clone(), resource.into_node());
        }
        let mut template = self.template;
        if !self.conditions.is_empty() {
            template.insert("Conditions", self.conditions);
        }
        template.insert("Resources", resources);
        let mut template = Node::Dict(template);
        self.generated.apply(&mut template);
        match template.into_value() {
            Value::Map(map) => map,
            _ => Map::new(),
        }
    }
}

/// The properties of a type of SAM's; none: it is not there.
fn table(kind: &str) -> Option<&'static [Property]> {
    Some(match kind {
        "AWS::Serverless::Function" => tables::FUNCTION,
        "AWS::Serverless::Api" => tables::API,
        "AWS::Serverless::HttpApi" => tables::HTTP_API,
        "AWS::Serverless::LayerVersion" => tables::LAYER,
        "AWS::Serverless::Application" => tables::APPLICATION,
        connector::TYPE => tables::CONNECTOR,
        _ => return None,
    })
}

/// Under which name other resources refer to what one generates: `Api.Stage`.
fn property_of(kind: &str, generated: &str) -> Option<&'static str> {
    Some(match (kind, generated) {
        ("AWS::Serverless::Function", "AWS::Lambda::Alias") => "Alias",
        ("AWS::Serverless::Function", "AWS::Lambda::Version") => "Version",
        ("AWS::Serverless::Function", "AWS::SNS::Topic") => "DestinationTopic",
        ("AWS::Serverless::Function", "AWS::SQS::Queue") => "DestinationQueue",
        ("AWS::Serverless::Api", "AWS::ApiGateway::Stage") => "Stage",
        ("AWS::Serverless::Api", "AWS::ApiGateway::Deployment") => "Deployment",
        ("AWS::Serverless::Api", "AWS::ApiGateway::UsagePlan") => "UsagePlan",
        ("AWS::Serverless::Api", "AWS::ApiGateway::UsagePlanKey") => "UsagePlanKey",
        ("AWS::Serverless::Api", "AWS::ApiGateway::ApiKey") => "ApiKey",
        ("AWS::Serverless::HttpApi", "AWS::ApiGatewayV2::Stage") => "Stage",
        _ => return None,
    })
}

fn parameters(template: &Dict, around: &Surroundings<'_>) -> Parameters {
    let mut values = BTreeMap::new();
    let declared = template.get("Parameters").and_then(Node::dict);
    for (name, parameter) in declared.into_iter().flat_map(Dict::members) {
        if let Some(default) = parameter.dict().and_then(|parameter| parameter.get("Default")) {
            values.insert(name.text, default.clone());
        }
    }
    for (name, value) in around.parameters {
        values.insert(name.clone(), value.as_str().into());
    }
    values.insert("AWS::Region".to_owned(), around.region.into());
    values.insert("AWS::Partition".to_owned(), "aws".into());
    Parameters(values)
}

fn has_api_event(function: &Node) -> bool {
    let properties = function.dict().and_then(|function| function.get("Properties")).and_then(Node::dict);
    let events = properties.and_then(|properties| properties.get("Events")).and_then(Node::dict);
    events.into_iter().flat_map(Dict::members).any(|(_, event)| type_of(event) == "Api")
}

fn mark_resource(kind: &str, resource: &mut Dict) {
    let own = |node: Option<&mut Node>| {
        if let Some(node) = node {
            *node = node.owned();
        }
    };
    match kind {
        "AWS::Serverless::Api" | "AWS::Serverless::HttpApi" => own(resource.get_mut("Properties")),
        "AWS::Serverless::Function" => {
            own(resource.get_mut("Condition"));
            if let Some(properties) = resource.get_mut("Properties").and_then(Node::dict_mut) {
                own(properties.get_mut("FunctionName"));
                own(properties.get_mut("Events"));
            }
        }
        _ => {}
    }
}
