//! What API documents of both kinds have in common: paths and methods, some of them conditional.

use super::node::{Dict, Node, Text};
use super::problem::{Problem, Result};

/// The integration of a method.
pub const INTEGRATION: &str = "x-amazon-apigateway-integration";
/// The method that stands for every method.
pub const ANY: &str = "x-amazon-apigateway-any-method";

/// The error that a document is wrong.
pub fn invalid<T>(what: impl Into<String>) -> Result<T> {
    Err(Problem::Template(what.into()))
}

/// What a path or method is: itself, or both branches of its condition.
pub fn contents(node: &Node) -> Vec<&Node> {
    match node.dict().and_then(|dict| dict.get("Fn::If")).and_then(Node::list) {
        Some(items) => items.iter().skip(1).filter(|item| !item.is_no_value()).collect(),
        None => vec![node],
    }
}

/// The same, to be changed.
pub fn contents_mut(node: &mut Node) -> Vec<&mut Node> {
    let is_conditional = node.dict().and_then(|dict| dict.get("Fn::If")).is_some_and(|a| a.list().is_some());
    if !is_conditional {
        return vec![node];
    }
    let items = node.dict_mut().and_then(|dict| dict.get_mut("Fn::If")).and_then(Node::list_mut);
    items.into_iter().flatten().skip(1).filter(|item| !item.is_no_value()).collect()
}

/// A method as documents name it.
pub fn method_name(method: &Text) -> Text {
    let lower = method.text.to_lowercase();
    if lower == "any" { ANY.into() } else { method.with(lower) }
}

/// The path without a slash at its end, as permissions name it, with stars for its parameters.
/// REST APIs have greedy parameters of any name, HTTP APIs of the name `proxy` alone.
pub fn permission_path(path: &str, any_greedy: bool) -> String {
    star_parameters(path.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(path), any_greedy)
}

/// The path with stars for its parameters.
pub fn star_parameters(path: &str, any_greedy: bool) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        match after.split_once('}').filter(|(name, _)| is_parameter(name, any_greedy)) {
            Some((_, tail)) => {
                out.push('*');
                rest = tail;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

fn is_parameter(name: &str, any_greedy: bool) -> bool {
    let plain = match name.strip_suffix('+') {
        Some(greedy) if any_greedy || greedy == "proxy" => greedy,
        Some(_) => return false,
        None => name,
    };
    !plain.is_empty() && plain.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

/// Whether this is a version of OpenAPI 3.
pub fn is_version_3(version: &Node) -> bool {
    let version = super::digest::python(version);
    let Some(rest) = version.strip_prefix('3') else { return false };
    let parts: Vec<&str> = rest.trim_end_matches('\n').split('.').collect();
    let digit = |part: &&str| part.len() == 1 && part.chars().all(|c| c.is_ascii_digit());
    matches!(parts.as_slice(), ["", first] if digit(first))
        || matches!(parts.as_slice(), ["", first, second] if digit(first) && digit(second))
}

fn paths_mut(doc: &mut Dict) -> Result<&mut Dict> {
    match doc.get_mut("paths").and_then(Node::dict_mut) {
        Some(paths) => Ok(paths),
        None => invalid("Value of paths must be a dictionary according to Swagger spec."),
    }
}

/// The paths of a document, in order.
pub fn path_names(doc: &Dict) -> Vec<String> {
    let paths = doc.get("paths").and_then(Node::dict);
    paths.map(|paths| paths.keys().into_iter().map(str::to_owned).collect()).unwrap_or_default()
}

/// The error that a path is not a mapping.
fn path_problem(path: &str) -> Problem {
    Problem::Template(format!("Value of '{path}' path must be a dictionary according to Swagger spec."))
}

/// Every path must be a mapping.
pub fn check_paths(doc: &Dict) -> Result<()> {
    let Some(paths) = doc.get("paths").and_then(Node::dict) else { return Ok(()) };
    for (path, item) in paths.members() {
        if contents(item).into_iter().any(|item| item.dict().is_none()) {
            return Err(path_problem(&path.text));
        }
    }
    Ok(())
}

/// The items of a path, to be changed.
pub fn items<'d>(doc: &'d mut Dict, path: &str) -> Result<Vec<&'d mut Dict>> {
    let Some(item) = paths_mut(doc)?.get_mut(path) else { return Ok(Vec::new()) };
    contents_mut(item).into_iter().map(|item| item.dict_mut().ok_or_else(|| path_problem(path))).collect()
}

/// Adds path and method, unless they are there.
pub fn add_path(doc: &mut Dict, path: &Text, method: &Text) -> Result<()> {
    let method = method_name(method);
    paths_mut(doc)?.entry(path.clone(), || Dict::ordered().into());
    for item in items(doc, &path.text)? {
        item.entry(method.clone(), || Dict::ordered().into());
    }
    Ok(())
}

/// Makes a path exist under a condition alone.
pub fn make_conditional(doc: &mut Dict, path: &str, condition: Node) -> Result<()> {
    if let Some(item) = paths_mut(doc)?.get_mut(path) {
        *item = super::node::conditional(condition, item.clone());
    }
    Ok(())
}

/// Whether a method definition has an integration.
pub fn is_integrated(definition: &Node) -> bool {
    definition.dict().is_some_and(|dict| dict.truthy(INTEGRATION).is_some())
}

/// Whether path and method have an integration, under every condition.
pub fn has_integration(doc: &Dict, path: &Text, method: &Text) -> bool {
    let method = method_name(method).text;
    let Some(item) = doc.get("paths").and_then(Node::dict).and_then(|paths| paths.get(&path.text)) else {
        return false;
    };
    contents(item).into_iter().all(|item| {
        let definition = item.dict().and_then(|item| item.get(&method));
        definition.is_some_and(|definition| contents(definition).into_iter().any(is_integrated))
    })
}

/// Changes the definitions of a method that have an integration.
pub fn each_definition(
    doc: &mut Dict,
    path: &str,
    method: &Text,
    mut change: impl FnMut(&mut Dict) -> Result<()>,
) -> Result<()> {
    let method = method_name(method).text;
    for item in items(doc, path)? {
        for definition in item.get_mut(&method).map(contents_mut).unwrap_or_default() {
            let Node::Dict(definition) = definition else {
                return invalid(format!(
                    "Definition of method '{method}' for path '{path}' should be a map."
                ));
            };
            if definition.truthy(INTEGRATION).is_some() {
                change(definition)?;
            }
        }
    }
    Ok(())
}

/// Changes the definitions of every method of a path that have an integration.
pub fn each_method(
    doc: &mut Dict,
    path: &str,
    mut change: impl FnMut(&str, &mut Dict) -> Result<()>,
) -> Result<()> {
    const OTHERS: [&str; 3] = ["summary", "description", "parameters"];
    for item in items(doc, path)? {
        let names: Vec<String> = item.keys().into_iter().map(str::to_owned).collect();
        for name in names.iter().filter(|name| !OTHERS.contains(&name.as_str())) {
            for definition in item.get_mut(name).map(contents_mut).unwrap_or_default() {
                let Node::Dict(definition) = definition else {
                    return invalid(format!(
                        "Definition of method '{name}' for path '{path}' should be a map."
                    ));
                };
                if definition.truthy(INTEGRATION).is_some() {
                    change(&method_name(&name.as_str().into()).text, definition)?;
                }
            }
        }
    }
    Ok(())
}

/// The `security` of a method definition.
pub fn security(definition: &Dict, path: &str, method: &str) -> Result<Vec<Node>> {
    match definition.get("security") {
        None => Ok(Vec::new()),
        Some(Node::List(items)) if items.iter().all(|item| item.dict().is_some()) => Ok(items.clone()),
        Some(Node::List(items)) => {
            let wrong = items.iter().find(|item| item.dict().is_none()).map(super::digest::python);
            invalid(format!(
                "{} in Security for path {path} method {method} is not a valid dictionary.",
                wrong.unwrap_or_default()
            ))
        }
        Some(_) => invalid(format!("Type of security for path {path} method {method} must be a list")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_have_stars_for_parameters() {
        assert_eq!(permission_path("/a/{id}/", true), "/a/*");
        assert_eq!(permission_path("/{any+}", true), "/*");
        assert_eq!(permission_path("/{any+}", false), "/{any+}");
        assert_eq!(permission_path("/{proxy+}", false), "/*");
        assert_eq!(permission_path("/", true), "/");
        assert_eq!(permission_path("/{a b}{", true), "/{a b}{");
    }

    #[test]
    fn versions_of_openapi() {
        for (version, is_3) in [("3.0", true), ("3.0.1", true), ("3", false), ("2.0", false), ("3.10", false)]
        {
            assert_eq!(is_version_3(&version.into()), is_3, "{version}");
        }
    }
}
