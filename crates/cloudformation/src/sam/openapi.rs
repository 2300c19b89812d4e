//! The OpenAPI document of an HTTP API.

use super::document::{self, ANY, INTEGRATION, check_paths, each_definition, invalid, items};
use super::node::{Dict, Node, Text, conditional, dict, ordered, reference};
use super::problem::Result;

/// The path of requests that no other path takes.
pub const DEFAULT_PATH: &str = "$default";
const TAG_VALUE: &str = "x-amazon-apigateway-tag-value";

/// A document without paths.
pub fn skeleton() -> Node {
    let info = ordered([("version", "1.0".into()), ("title", reference("AWS::StackName"))]);
    ordered([("openapi", "3.0.1".into()), ("info", info), ("paths", Dict::ordered().into())])
}

/// Whether this is a document.
pub fn is_valid(doc: Option<&Node>) -> bool {
    let Some(doc) = doc.and_then(Node::dict) else { return false };
    let has_paths = doc.get("paths").is_some_and(|paths| paths.dict().is_some());
    has_paths && doc.truthy("openapi").is_some_and(document::is_version_3)
}

/// Begins to change a document.
pub fn open(doc: Option<&Node>) -> Result<Dict> {
    let Some(Node::Dict(doc)) = doc.filter(|doc| is_valid(Some(doc))) else {
        return invalid(
            "Invalid OpenApi document. Invalid values or missing keys for 'openapi' or 'paths' in 'DefinitionBody'.",
        );
    };
    check_paths(doc)?;
    Ok(doc.clone())
}

/// Calls a function for path and method, unless they have an integration.
pub fn integrate(
    doc: &mut Dict,
    path: &Text,
    method: &Text,
    uri: &Node,
    condition: Option<&Node>,
) -> Result<()> {
    if document::has_integration(doc, path, method) {
        return Ok(());
    }
    document::add_path(doc, path, method)?;
    let method = document::method_name(method);
    let is_default = path.text == DEFAULT_PATH && method.text == ANY;
    for item in items(doc, &path.text)? {
        let Some(definition) = item.get_mut(&method.text) else { continue };
        if *definition == Node::Null {
            *definition = Dict::ordered().into();
        }
        let Node::Dict(members) = definition else {
            return invalid(format!(
                "Definition of method '{}' for path '{}' should be a map.",
                method.text, path.text
            ));
        };
        let uri =
            condition.map_or_else(|| uri.clone(), |condition| conditional(condition.clone(), uri.clone()));
        let integration = ordered([
            ("type", "aws_proxy".into()),
            ("httpMethod", "POST".into()),
            ("payloadFormatVersion", "2.0".into()),
            ("uri", uri),
        ]);
        members.insert(INTEGRATION, integration);
        if is_default {
            members.insert("isDefaultRoute", true);
        }
        members.entry("responses", || Dict::ordered().into());
        if let Some(condition) = condition {
            *definition = conditional(condition.clone(), definition.clone());
        }
    }
    Ok(())
}

/// Sets a member of the integration of a method.
pub fn set_integration(doc: &mut Dict, path: &str, method: &Text, name: &str, value: &Node) -> Result<()> {
    each_definition(doc, path, method, |definition| {
        if let Some(integration) = definition.get_mut(INTEGRATION).and_then(Node::dict_mut) {
            integration.insert(name, value.clone());
        }
        Ok(())
    })
}

/// Declares the parameters of a path.
pub fn add_path_parameters(doc: &mut Dict, path: &str, method: &Text, names: &[&str]) -> Result<()> {
    each_definition(doc, path, method, |definition| {
        let Some(Node::List(parameters)) = definition.entry("parameters", || Vec::new().into()) else {
            return invalid("Value of 'parameters' must be a list according to Swagger spec.");
        };
        for name in names {
            let is_it = |node: &&mut Node| {
                node.dict().and_then(|p| p.get("name")).and_then(Node::text) == Some(*name)
            };
            if let Some(Node::Dict(parameter)) = parameters.iter_mut().find(is_it) {
                parameter.insert("in", "path");
                parameter.insert("required", true);
            } else {
                let name = Node::Text(Text::own(*name));
                parameters.push(ordered([("name", name), ("in", "path".into()), ("required", true.into())]));
            }
        }
        Ok(())
    })
}

/// Authorises a method by an authorizer, with scopes.
pub fn authorize(doc: &mut Dict, path: &str, method: &Text, name: &Text, scopes: Node) -> Result<()> {
    each_definition(doc, path, method, |definition| {
        let mut security = document::security(definition, path, &method.text)?;
        let mut one = Dict::new();
        one.insert(name.clone(), scopes.clone());
        security.push(one.into());
        definition.insert("security", security);
        Ok(())
    })
}

/// Authorises every method of a path that says nothing else by the API's authorizer.
pub fn authorize_path(doc: &mut Dict, path: &str, name: &Text, scopes: &Node) -> Result<()> {
    document::each_method(doc, path, |method, definition| {
        if method == "options" || definition.truthy("security").is_some() {
            return Ok(());
        }
        let mut one = Dict::new();
        one.insert(name.clone(), scopes.clone());
        definition.insert("security", vec![Node::Dict(one)]);
        Ok(())
    })
}

/// Tags the API.
pub fn add_tags(doc: &mut Dict, tags: &Dict) -> Result<()> {
    let Some(Node::List(all)) = doc.entry("tags", || Vec::new().into()) else {
        return invalid("Tags in OpenApi DefinitionBody needs to be a list.");
    };
    for (name, value) in tags.members() {
        let is_it = |node: &&mut Node| {
            node.dict().and_then(|tag| tag.get("name")).and_then(Node::text) == Some(name.text.as_str())
        };
        if let Some(Node::Dict(tag)) = all.iter_mut().find(is_it) {
            tag.insert(TAG_VALUE, value.clone());
        } else {
            all.push(ordered([("name", name.into()), (TAG_VALUE, value.clone())]));
        }
    }
    Ok(())
}

/// Lets the API be reached by its own domains alone, or not.
pub fn disable_endpoint(doc: &mut Dict, disable: &Node) -> Result<()> {
    let servers = doc.entry("servers", || vec![Dict::ordered().into()].into()).and_then(Node::list_mut);
    for server in servers.into_iter().flatten() {
        let config = server.dict_mut().and_then(|server| {
            server.entry("x-amazon-apigateway-endpoint-configuration", || Dict::new().into())
        });
        let Some(Node::Dict(config)) = config else {
            return invalid("Value of 'servers' item must be a dictionary according to Swagger spec.");
        };
        config.insert("disableExecuteApiEndpoint", disable.clone());
    }
    Ok(())
}

/// The rules of CORS, as documents have them; one rule for what an intrinsic function gives.
pub fn add_cors(doc: &mut Dict, cors: &Dict) -> Result<()> {
    const NAMES: [(&str, &str); 6] = [
        ("AllowOrigins", "allowOrigins"),
        ("AllowHeaders", "allowHeaders"),
        ("AllowMethods", "allowMethods"),
        ("ExposeHeaders", "exposeHeaders"),
        ("MaxAge", "maxAge"),
        ("AllowCredentials", "allowCredentials"),
    ];
    let Some(Node::Dict(all)) = doc.entry("x-amazon-apigateway-cors", || Dict::new().into()) else {
        return invalid(
            "Value of 'x-amazon-apigateway-cors' must be a dictionary according to Swagger spec.",
        );
    };
    for (theirs, ours) in NAMES {
        let value = match theirs {
            "MaxAge" => cors.some(theirs),
            "AllowCredentials" => cors.get(theirs).filter(|value| value.is_true()),
            _ => cors.truthy(theirs),
        };
        if let Some(value) = value {
            all.insert(ours, value.clone());
        }
    }
    Ok(())
}

/// A mapping of HTTP API authorizers, from the API's configuration, into the document.
pub fn add_schemes(doc: &mut Dict, schemes: Vec<(Text, Node)>) -> Result<()> {
    if schemes.is_empty() {
        return Ok(());
    }
    if doc.truthy("components").is_none() {
        doc.insert("components", Dict::ordered());
    }
    let components = doc.get_mut("components").and_then(Node::dict_mut);
    let all = components.and_then(|c| c.entry("securitySchemes", || Dict::ordered().into()));
    let Some(Node::Dict(all)) = all else {
        return invalid("Invalid OpenApi document: The value of 'components' should be a map.");
    };
    schemes.into_iter().for_each(|(name, scheme)| all.insert(name, scheme));
    Ok(())
}

/// A member of the document's `info`, if it is what it was made with.
pub fn set_info(doc: &mut Dict, name: &str, value: &Node) -> bool {
    let Some(Node::Dict(info)) = doc.entry("info", || Dict::ordered().into()) else { return false };
    let may = match info.get(name) {
        None => name == "description",
        Some(there) if name == "description" => !there.is_truthy(),
        Some(there) => *there == dict([("Ref", "AWS::StackName".into())]),
    };
    if may {
        info.insert(name, value.clone());
    }
    may
}
