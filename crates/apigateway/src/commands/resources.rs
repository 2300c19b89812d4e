//! Resources: the tree of paths.

use ropeway_wire::Error;

use super::Moment;
use crate::errors::{bad, conflict, limit, no_resource};
use crate::model::{Api, Definition, Resource};
use crate::patch::Patch;

/// Resources of an API: <https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>.
pub const MOST: usize = 300;

/// The resource of an id.
pub fn at<'a>(api: &'a mut Api, id: &str) -> Result<&'a mut Resource, Error> {
    api.definition.resources.get_mut(id).ok_or_else(no_resource)
}

/// Whether a part of a path may be one: letters, digits and `._-:`, or a variable in braces, which may be
/// greedy.
fn sound(part: &str) -> bool {
    let inner = part.strip_prefix('{').and_then(|inner| inner.strip_suffix('}'));
    let text = match inner {
        Some(inner) => inner.strip_suffix('+').unwrap_or(inner),
        None => part,
    };
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-:".contains(&byte))
}

fn is_variable(part: &str) -> bool {
    part.starts_with('{')
}

fn is_greedy(part: &str) -> bool {
    part.ends_with("+}")
}

/// Whether a resource with this part may stand under `parent`.
pub fn check(definition: &Definition, parent: &str, own: Option<&str>, part: &str) -> Result<(), Error> {
    let above = definition.resources.get(parent).ok_or_else(no_resource)?;
    if !sound(part) {
        return Err(bad(
            "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and \
                        curly braces at the beginning and the end.",
        ));
    }
    if is_greedy(&above.part) {
        let greedy = &above.part;
        return Err(bad(format!(
            "Cannot create a child of a resource with a greedy path variable: {greedy}"
        )));
    }
    for (id, sibling) in definition.children(parent) {
        if Some(id.as_str()) == own {
            continue;
        }
        if sibling.part == part {
            return Err(conflict(format!(
                "Another resource with the same parent already has this name: {part}"
            )));
        }
        if is_variable(&sibling.part) && is_variable(part) {
            let other = &sibling.part;
            return Err(bad(format!(
                "A sibling ({other}) of this resource already has a variable path part -- only one is allowed"
            )));
        }
    }
    Ok(())
}

pub fn create(api: &mut Api, parent: &str, part: String, moment: &Moment<'_>) -> Result<String, Error> {
    check(&api.definition, parent, None, &part)?;
    if api.definition.resources.len() >= MOST {
        return Err(limit(
            "Maximum number of resources for this API has been reached. Please contact AWS if \
                          you need additional resources.",
        ));
    }
    let id = moment.id(6);
    let resource = Resource { parent: Some(parent.to_owned()), part, ..Resource::default() };
    api.definition.resources.insert(id.clone(), resource);
    Ok(id)
}

pub fn patch(api: &mut Api, id: &str, patch: &Patch) -> Result<(), Error> {
    let resource = at(api, id)?.clone();
    patch.replaces(&["/parentId", "/pathPart"])?;
    let Some(parent) = resource.parent else {
        return Err(bad("Root resource cannot be updated"));
    };
    let (parent, part) = match patch.path.as_str() {
        "/parentId" => (patch.text(), resource.part),
        _ => (parent, patch.text()),
    };
    if !api.definition.resources.contains_key(&parent) {
        return Err(no_resource());
    }
    check(&api.definition, &parent, Some(id), &part)?;
    if below(&api.definition, id).contains(&parent) {
        return Err(bad("Resources cannot be cyclical."));
    }
    if is_greedy(&part) && api.definition.children(id).next().is_some() {
        return Err(bad(format!("Cannot create a child of a resource with a greedy path variable: {part}")));
    }
    let resource = at(api, id)?;
    resource.parent = Some(parent);
    resource.part = part;
    Ok(())
}

/// A resource and all under it.
fn below(definition: &Definition, id: &str) -> Vec<String> {
    let mut found = vec![id.to_owned()];
    let mut at = 0;
    while let Some(one) = found.get(at).cloned() {
        found.extend(definition.children(&one).map(|(child, _)| child.clone()));
        at += 1;
    }
    found
}

pub fn remove(api: &mut Api, id: &str) -> Result<(), Error> {
    let resource = at(api, id)?;
    if resource.parent.is_none() {
        return Err(bad("Root resource cannot be removed"));
    }
    for one in below(&api.definition, id) {
        api.definition.resources.remove(&one);
    }
    Ok(())
}
