//! Change sets that take existing resources into a stack.

use std::collections::{BTreeMap, BTreeSet};

use ropeway_api::cloudformation::{CreateChangeSetInput, ResourceToImport};
use ropeway_wire::{Cx, Error};

use super::CloudFormation;
use crate::error::validation;
use crate::keys::StackKey;
use crate::model::Definition;
use crate::providers::identifier;
use crate::template::{Action, ResourceChange, Template};

/// Resources of one import at most. Source: the API reference, `CreateChangeSet`.
const MAX_IMPORTS: usize = 200;

/// A resource that is imported.
pub struct Identity {
    resource_type: String,
    logical_id: String,
    /// What identifies it.
    value: String,
}

/// Logical ids, with what identifies each.
pub fn values(identities: &[Identity]) -> BTreeMap<String, String> {
    identities.iter().map(|one| (one.logical_id.clone(), one.value.clone())).collect()
}

/// What a request imports.
///
/// # Errors
/// `ValidationError` for types that cannot be imported, identifiers that are not the type's, and a request that is
/// none of an import or names nothing.
pub fn identities(input: &CreateChangeSetInput) -> Result<Vec<Identity>, Error> {
    let given = input.resources_to_import.as_deref().unwrap_or_default();
    match (input.change_set_type.as_deref() == Some("IMPORT"), given.is_empty()) {
        (true, true) => {
            return Err(validation("You must specify ResourcesToImport for change sets of type IMPORT."));
        }
        (false, false) => {
            return Err(validation(
                "ResourcesToImport can only be specified for change sets of type IMPORT.",
            ));
        }
        _ => {}
    }
    if given.len() > MAX_IMPORTS {
        return Err(validation(format!("At most {MAX_IMPORTS} resources can be imported at once.")));
    }
    let types: BTreeSet<&str> = given.iter().map(|one| one.resource_type.as_str()).collect();
    let unknown: Vec<&str> = types.into_iter().filter(|name| identifier(name).is_none()).collect();
    if !unknown.is_empty() {
        return Err(validation(format!(
            "ResourceTypes [{}] are not supported for Import",
            unknown.join(", ")
        )));
    }
    given.iter().map(identity).collect()
}

fn identity(one: &ResourceToImport) -> Result<Identity, Error> {
    let property = identifier(&one.resource_type).unwrap_or_default();
    match one.resource_identifier.get(property).filter(|_| one.resource_identifier.len() == 1) {
        Some(value) if !value.is_empty() => Ok(Identity {
            resource_type: one.resource_type.clone(),
            logical_id: one.logical_resource_id.clone(),
            value: value.clone(),
        }),
        _ => Err(validation(format!(
            "Resource {} is identified by its {property}, and nothing else",
            one.logical_resource_id
        ))),
    }
}

/// The changes of an import, which adds what it imports and changes nothing.
///
/// # Errors
/// `ValidationError` if it would change anything, and for resources that are not the template's or may not be imported.
pub async fn changes(
    service: &CloudFormation,
    cx: &Cx,
    key: &StackKey,
    before: Option<&Definition>,
    after: &Definition,
    imported: &[Identity],
) -> Result<Vec<ResourceChange>, Error> {
    let template = Template::parse(&after.template)?;
    let mut unguarded = Vec::new();
    for one in imported {
        let found = template.resources.get(&one.logical_id);
        let Some(found) = found.filter(|found| found.resource_type == one.resource_type) else {
            return Err(validation(format!(
                "Resources [{}] to import are not of the template, or not of the type {}",
                one.logical_id, one.resource_type
            )));
        };
        if !found.says_deletion_policy {
            unguarded.push(one.logical_id.as_str());
        }
    }
    if !unguarded.is_empty() {
        return Err(validation(format!(
            "Following resources [{}] to import must have DeletionPolicy attribute specified in the template.",
            unguarded.join(", ")
        )));
    }
    let ids: BTreeSet<&str> = imported.iter().map(|one| one.logical_id.as_str()).collect();
    let others: Vec<String> = match before {
        None => template.resources.keys().filter(|id| !ids.contains(id.as_str())).cloned().collect(),
        Some(before) => {
            let plan = service.plan(cx, key, before, after).await?;
            let adds = |change: &ResourceChange| {
                change.action == Action::Add && ids.contains(change.logical_id.as_str())
            };
            let mut others: Vec<String> =
                plan.changes.iter().filter(|c| !adds(c)).map(|c| c.logical_id.clone()).collect();
            let there = ids.iter().filter(|id| plan.resources.contains_key(**id));
            others.extend(there.map(|id| (*id).to_owned()));
            others
        }
    };
    if !others.is_empty() {
        return Err(validation(format!(
            "As part of the import operation, you cannot modify or add [{}]",
            others.join(", ")
        )));
    }
    let change = |one: &Identity| ResourceChange {
        action: Action::Import,
        logical_id: one.logical_id.clone(),
        resource_type: one.resource_type.clone(),
        replacement: None,
        policy: None,
        details: Vec::new(),
    };
    Ok(imported.iter().map(change).collect())
}
