//! APIs that functions' events ask for, and the paths that their events add to APIs that SAM manages.

use std::collections::{BTreeMap, BTreeSet};

use super::node::{Dict, Node, Text, dict};
use super::problem::{Problem, Result};
use super::{document, openapi, swagger};

/// A kind of API.
pub struct Kind {
    /// The property of an event that names its API.
    property: &'static str,
    /// The API that is made if an event names none.
    implicit: &'static str,
    event: &'static str,
    resource: &'static str,
    is_rest: bool,
}

/// REST APIs.
pub const REST: Kind = Kind {
    property: "RestApiId",
    implicit: "ServerlessRestApi",
    event: "Api",
    resource: "AWS::Serverless::Api",
    is_rest: true,
};

/// HTTP APIs.
pub const HTTP: Kind = Kind {
    property: "ApiId",
    implicit: "ServerlessHttpApi",
    event: "HttpApi",
    resource: "AWS::Serverless::HttpApi",
    is_rest: false,
};

/// That SAM writes the API's document itself.
pub const MANAGED: &str = "__MANAGE_SWAGGER";

/// The policies of functions that have any.
#[derive(Default)]
struct Policies {
    deletion: Vec<String>,
    replacement: Vec<String>,
}

/// Under which conditions APIs have their methods, and what becomes of them.
#[derive(Default)]
struct Found {
    /// API → path → method → condition.
    conditions: BTreeMap<String, BTreeMap<String, BTreeMap<String, Option<Text>>>>,
    /// API → deletion and replacement policies of its functions.
    policies: BTreeMap<String, Policies>,
}

/// Gives every API without a document an empty one, which SAM manages.
pub fn default_documents(resources: &mut Dict) {
    for resource in resources.values_mut().filter_map(Node::dict_mut) {
        let is_rest = match resource.get("Type").and_then(Node::text) {
            Some("AWS::Serverless::Api") => true,
            Some("AWS::Serverless::HttpApi") => false,
            _ => continue,
        };
        let properties = resource.entry("Properties", || Dict::new().into()).and_then(Node::dict_mut);
        let Some(properties) = properties else { continue };
        let given = ["DefinitionBody", "DefinitionUri"].iter().any(|name| properties.truthy(name).is_some());
        if !given {
            let body = if is_rest { swagger::skeleton() } else { openapi::skeleton() };
            properties.insert("DefinitionBody", body);
            properties.insert(MANAGED, true);
        }
    }
}

impl Kind {
    /// Adds the paths of every event; the implicit API stays if it has any.
    pub fn apply(
        &self,
        resources: &mut Dict,
        conditions: &mut Dict,
        globals: &Dict,
    ) -> std::result::Result<(), Vec<Problem>> {
        let existing = resources.get(self.implicit).cloned();
        resources.insert(self.implicit, self.implicit_api());
        let mut found = Found::default();
        let mut problems = Vec::new();
        let functions: Vec<String> = resources
            .members()
            .filter(|(_, r)| {
                r.dict().and_then(|r| r.get("Type")).and_then(Node::text) == Some("AWS::Serverless::Function")
            })
            .map(|(id, _)| id.text)
            .collect();
        for id in functions {
            if let Err(problem) = self.function(&id, resources, globals, &mut found) {
                problems.push(problem.of_function(&id));
            }
        }
        let settled = self.settle(resources, conditions, &found);
        problems.extend(settled.err());
        if self.is_empty(resources) {
            match existing {
                Some(existing) => resources.insert(self.implicit, existing),
                None => {
                    resources.remove(self.implicit);
                }
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn implicit_api(&self) -> Node {
        let mut properties = Dict::new();
        if self.is_rest {
            properties.insert("StageName", "Prod");
            properties.insert("DefinitionBody", swagger::skeleton());
        } else {
            properties.insert("DefinitionBody", openapi::skeleton());
        }
        properties.insert(MANAGED, true);
        dict([("Type", self.resource.into()), ("Properties", properties.into())])
    }

    fn is_empty(&self, resources: &Dict) -> bool {
        let api = resources.get(self.implicit).and_then(Node::dict).and_then(|r| r.get("Properties"));
        let body = api.and_then(Node::dict).and_then(|p| p.get("DefinitionBody")).and_then(Node::dict);
        body.is_some_and(|body| document::path_names(body).is_empty())
    }

    fn function(&self, id: &str, resources: &mut Dict, globals: &Dict, found: &mut Found) -> Result<()> {
        let Some(function) = resources.get(id).and_then(Node::dict).cloned() else { return Ok(()) };
        let properties = function.get("Properties").and_then(Node::dict);
        let Some(events) = properties.and_then(|p| p.get("Events")).and_then(Node::dict) else {
            return Ok(());
        };
        let mut changed = Dict::ordered();
        for (name, event) in events.members() {
            let is_mine = event.dict().and_then(|e| e.get("Type")).and_then(Node::text) == Some(self.event);
            let Some(event) = event.dict().filter(|_| is_mine) else { continue };
            if let Some(event) = self.event(&name, event, &function, resources, globals, found)? {
                changed.insert(name, event);
            } else {
                changed.insert(name, event.clone());
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        let own = resources.get_mut(id).and_then(Node::dict_mut).and_then(|r| r.get_mut("Properties"));
        let own = own.and_then(Node::dict_mut).and_then(|p| p.get_mut("Events")).and_then(Node::dict_mut);
        if let Some(own) = own {
            own.update(&changed);
        }
        Ok(())
    }

    /// Completes an event and adds its path to its API.
    fn event(
        &self,
        name: &Text,
        event: &Dict,
        function: &Dict,
        resources: &mut Dict,
        globals: &Dict,
        found: &mut Found,
    ) -> Result<Option<Dict>> {
        let wrong = |what: &str| Problem::event(&name.text, what);
        let mut properties = match event.get("Properties") {
            None => Dict::new(),
            Some(Node::Dict(properties)) => properties.clone(),
            Some(_) => return Err(wrong("Properties should be a map.")),
        };
        if properties.is_empty() && self.is_rest {
            return Ok(None);
        }
        if !properties.contains(self.property) {
            self.tag(function, resources, globals);
            properties.insert(self.property, super::node::reference(self.implicit));
        }
        if !self.is_rest && properties.truthy("Path").is_none() && properties.truthy("Method").is_none() {
            properties.insert("Path", openapi::DEFAULT_PATH);
            properties.insert("Method", document::ANY);
        }
        let api = api_id(properties.get(self.property));
        let text = |what: &str, value: Option<&Node>| match value {
            None | Some(Node::Null) => Err(wrong(&format!("Property '{what}' is required."))),
            Some(value) => value
                .as_text()
                .cloned()
                .ok_or_else(|| wrong(&format!("Property '{what}' should be a string."))),
        };
        for what in ["Path", "Method"] {
            if properties.some(what).is_none() {
                return Err(wrong(&format!("Property '{what}' is required.")));
            }
        }
        let api = text(self.property, api)?.text;
        let path = text("Path", properties.get("Path"))?;
        let method = text("Method", properties.get("Method"))?;
        self.note(found, &api, &path.text, &method.text, function);
        self.add_path(name, &api, &path, &method, resources)?;
        if let Some(settings) = properties.get("RouteSettings").filter(|_| !self.is_rest) {
            add_route_settings(name, &api, (&path, &method), settings, function, resources)?;
        }
        let mut event = event.clone();
        event.insert("Properties", properties);
        Ok(Some(event))
    }

    /// The implicit API has the tags of functions that propagate them.
    fn tag(&self, function: &Dict, resources: &mut Dict, globals: &Dict) {
        let own = function.get("Properties").and_then(Node::dict);
        let defaults = globals.get("Function").and_then(Node::dict);
        let find = |name: &str| {
            let own = own.and_then(|own| own.truthy(name));
            own.or_else(|| defaults.and_then(|defaults| defaults.truthy(name)))
        };
        let (Some(Node::Dict(tags)), Some(_)) = (find("Tags"), find("PropagateTags")) else { return };
        let tags = tags.clone();
        let api = resources.get_mut(self.implicit).and_then(Node::dict_mut);
        let Some(api) = api.and_then(|api| api.get_mut("Properties")).and_then(Node::dict_mut) else {
            return;
        };
        if let Some(Node::Dict(all)) = api.entry("Tags", || Dict::new().into()) {
            all.update(&tags);
        }
        api.insert("PropagateTags", true);
    }

    fn note(&self, found: &mut Found, api: &str, path: &str, method: &str, function: &Dict) {
        let paths = found.conditions.entry(api.to_owned()).or_default();
        let condition = function.some("Condition").and_then(Node::as_text).cloned();
        paths.entry(path.to_owned()).or_default().insert(method.to_owned(), condition);
        let text = |name: &str| function.get(name).and_then(Node::text).map(str::to_owned);
        let policies = found.policies.entry(api.to_owned()).or_default();
        policies.deletion.extend(text("DeletionPolicy"));
        policies.replacement.extend(text("UpdateReplacePolicy"));
    }

    fn add_path(
        &self,
        name: &Text,
        api: &str,
        path: &Text,
        method: &Text,
        resources: &mut Dict,
    ) -> Result<()> {
        let other = if self.is_rest { "AWS::Serverless::HttpApi" } else { "" };
        let resource = resources.get_mut(api).and_then(Node::dict_mut);
        let is_other = |r: &&mut Dict| r.get("Type").and_then(Node::text) == Some(other);
        let Some(resource) = resource.filter(|resource| !is_other(resource)) else {
            let (property, kind) = (self.property, self.resource);
            let what =
                format!("{property} must be a valid reference to an '{kind}' resource in same template.");
            return Err(Problem::event(&name.text, what));
        };
        let Some(properties) = resource.get_mut("Properties").and_then(Node::dict_mut) else { return Ok(()) };
        if properties.truthy(MANAGED).is_none() {
            return Ok(());
        }
        let body = properties.get("DefinitionBody");
        let body = if self.is_rest {
            let mut swagger = swagger::Swagger::open(body)?;
            document::add_path(swagger.doc(), path, method)?;
            swagger.finish()
        } else {
            let mut doc = openapi::open(body)?;
            document::add_path(&mut doc, path, method)?;
            doc.into()
        };
        properties.insert("DefinitionBody", body);
        Ok(())
    }

    /// Sets conditions and policies of the implicit API, and conditions of paths.
    fn settle(&self, resources: &mut Dict, conditions: &mut Dict, found: &Found) -> Result<()> {
        if let Some(paths) = found.conditions.get(self.implicit) {
            let methods = paths.values().flat_map(BTreeMap::values);
            if let Some(condition) = combined(methods, &format!("{}Condition", self.implicit), conditions)
                && let Some(Node::Dict(api)) = resources.get_mut(self.implicit)
            {
                api.insert("Condition", condition);
            }
        }
        if let (Some(policies), Some(Node::Dict(api))) =
            (found.policies.get(self.implicit), resources.get_mut(self.implicit))
        {
            let strongest = |order: &[&'static str], all: &[String]| {
                order.iter().find(|policy| all.iter().any(|there| there == *policy)).copied()
            };
            if let Some(policy) = strongest(&["Retain", "Delete"], &policies.deletion) {
                api.insert("DeletionPolicy", policy);
            }
            if let Some(policy) = strongest(&["Retain", "Snapshot", "Delete"], &policies.replacement) {
                api.insert("UpdateReplacePolicy", policy);
            }
        }
        for (api, paths) in &found.conditions {
            self.make_conditional(api, paths, resources, conditions)?;
        }
        self.recopy_others(resources, found);
        Ok(())
    }

    fn make_conditional(
        &self,
        api: &str,
        paths: &BTreeMap<String, BTreeMap<String, Option<Text>>>,
        resources: &mut Dict,
        conditions: &mut Dict,
    ) -> Result<()> {
        let Some(properties) = self.managed(api, resources) else { return Ok(()) };
        let mut body = properties.get("DefinitionBody").cloned().unwrap_or(Node::Null);
        body.recopy();
        if let Node::Dict(doc) = &mut body {
            for path in document::path_names(doc) {
                let name = path.replace('/', "SLASH").replace('{', "OB").replace('}', "CB");
                let methods = paths.get(&path).into_iter().flat_map(BTreeMap::values);
                if let Some(condition) = combined(methods, &format!("{api}{name}PathCondition"), conditions) {
                    document::make_conditional(doc, &path, condition)?;
                }
            }
        }
        body.recopy();
        properties.insert("DefinitionBody", body);
        Ok(())
    }

    /// The documents of managed APIs without events are copied like the others.
    fn recopy_others(&self, resources: &mut Dict, found: &Found) {
        let ids: Vec<String> = resources.keys().into_iter().map(str::to_owned).collect();
        for id in ids.iter().filter(|id| !found.conditions.contains_key(*id)) {
            if let Some(body) = self.managed(id, resources).and_then(|p| p.get_mut("DefinitionBody")) {
                body.recopy();
                body.recopy();
            }
        }
    }

    fn managed<'r>(&self, api: &str, resources: &'r mut Dict) -> Option<&'r mut Dict> {
        let resource = resources.get_mut(api)?.dict_mut()?;
        if resource.get("Type").and_then(Node::text) != Some(self.resource) {
            return None;
        }
        let properties = resource.get_mut("Properties")?.dict_mut()?;
        properties.truthy(MANAGED).is_some().then_some(properties)
    }
}

/// The logical id of an API that an event names.
pub fn api_id(value: Option<&Node>) -> Option<&Node> {
    match value.and_then(Node::dict).and_then(|dict| dict.get("Ref")) {
        Some(id) => Some(id),
        None => value,
    }
}

/// The condition under which at least one method is there; none: one always is.
fn combined<'m>(
    methods: impl Iterator<Item = &'m Option<Text>>,
    name: &str,
    conditions: &mut Dict,
) -> Option<Node> {
    let all: Vec<Text> = methods.cloned().collect::<Option<_>>()?;
    let names: BTreeSet<&str> = all.iter().map(|condition| condition.text.as_str()).collect();
    match (names.len(), all.first()) {
        (0, _) | (_, None) => None,
        (1, Some(only)) => Some(only.clone().into()),
        _ => {
            combine(names.into_iter().map(str::to_owned).collect(), name, conditions);
            Some(name.into())
        }
    }
}

/// A condition that holds if one of several does, in steps: `Fn::Or` takes ten at most.
fn combine(mut names: Vec<String>, name: &str, conditions: &mut Dict) {
    const MOST: usize = 10;
    let mut more = 0;
    let mut left = names.len();
    while left > MOST {
        more += 1;
        left -= MOST - 1;
    }
    while names.len() > 1 {
        let new = if more > 0 { format!("{name}{more}") } else { name.to_owned() };
        more -= i32::from(more > 0);
        let rest = names.split_off(names.len().min(MOST));
        let any = names.iter().map(|name| dict([("Condition", name.as_str().into())])).collect();
        conditions.insert(new.as_str(), dict([("Fn::Or", Node::List(any))]));
        names = rest;
        names.push(new);
    }
}

fn add_route_settings(
    name: &Text,
    api: &str,
    (path, method): (&Text, &Text),
    settings: &Node,
    function: &Dict,
    resources: &mut Dict,
) -> Result<()> {
    let route = match method.text.as_str() {
        document::ANY => path.text.clone(),
        method => format!("{} {}", method.to_uppercase(), path.text),
    };
    let Some(settings) = settings.dict() else {
        return Err(Problem::event(&name.text, "Property 'RouteSettings' should be a map."));
    };
    let conditional = function
        .some("Condition")
        .map(|condition| super::node::conditional(condition.clone(), settings.clone().into()));
    let settings = conditional.as_ref().and_then(Node::dict).unwrap_or(settings);
    let resource = resources.get_mut(api).and_then(Node::dict_mut);
    let Some(properties) = resource.and_then(|r| r.get_mut("Properties")).and_then(Node::dict_mut) else {
        return Ok(());
    };
    match properties.entry("RouteSettings", || Dict::new().into()) {
        Some(Node::Dict(all)) => {
            if let Some(Node::Dict(one)) = all.entry(route, || Dict::new().into()) {
                one.update(settings);
            }
            Ok(())
        }
        _ => Err(Problem::resource(api, "Property 'RouteSettings' should be a map.")),
    }
}
