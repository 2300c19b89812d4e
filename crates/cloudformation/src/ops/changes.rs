//! The changes of a change set, between the template engine's form, the API's and the row's.

use std::collections::{BTreeMap, BTreeSet};

use ropeway_api::cloudformation::*;
use ropeway_wire::schema::{Member, Operation};
use ropeway_wire::{Error, protocol};

use crate::model::Resource;
use crate::template::{
    self, Action, ChangedAttribute, Detail, EvaluationKind, Recreation, Replacement, Value,
};

/// The root of the API's answer, which is also the form of the row.
fn root() -> Result<&'static Member, Error> {
    let found =
        SERVICE.operations.iter().find(|operation: &&Operation| operation.name == "DescribeChangeSet");
    found.map(|operation| &operation.output).ok_or_else(crate::error::unexpected)
}

/// Changes as the API shows them.
pub fn shown_changes(
    changes: &[template::ResourceChange],
    resources: &BTreeMap<String, Resource>,
) -> Vec<Change> {
    let changes = changes.iter().map(|change| Change {
        type_: Some("Resource".to_owned()),
        resource_change: Some(shape(change, resources.get(&change.logical_id))),
        ..Change::default()
    });
    changes.collect()
}

/// Changes as a row holds them.
pub fn write_changes(changes: Vec<Change>) -> String {
    let output = DescribeChangeSetOutput { changes: Some(changes), ..Default::default() };
    let bytes = root().map(|root| protocol::to_json(&output, root)).unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_default()
}

/// The changes of a row, with the values of properties if they are wanted.
pub fn read_changes(row: &str, with_values: bool) -> Result<Vec<Change>, Error> {
    let output: DescribeChangeSetOutput = protocol::from_json(row.as_bytes(), root()?)?;
    let mut changes = output.changes.unwrap_or_default();
    if !with_values {
        let details =
            changes.iter_mut().filter_map(|change| change.resource_change.as_mut()?.details.as_mut());
        for target in details.flatten().filter_map(|detail| detail.target.as_mut()) {
            target.before_value = None;
            target.after_value = None;
        }
    }
    Ok(changes)
}

fn shape(change: &template::ResourceChange, resource: Option<&Resource>) -> ResourceChange {
    let retains = change.policy.is_some_and(|policy| policy != template::DeletionPolicy::Delete);
    let replaces = change.replacement.is_some_and(|replacement| replacement != Replacement::False);
    let policy_action = match (change.action, replaces, retains) {
        (Action::Remove, _, true) => Some("Retain"),
        (Action::Remove, _, false) => Some("Delete"),
        (Action::Modify, true, true) => Some("ReplaceAndRetain"),
        (Action::Modify, true, false) => Some("ReplaceAndDelete"),
        _ => None,
    };
    let action = match change.action {
        Action::Add => "Add",
        Action::Import => "Import",
        Action::Modify => "Modify",
        Action::Remove => "Remove",
    };
    let replacement = change.replacement.map(|replacement| match replacement {
        Replacement::False => "False",
        Replacement::Conditional => "Conditional",
        Replacement::True => "True",
    });
    let scope: BTreeSet<&str> = change.details.iter().map(|detail| attribute(detail.attribute)).collect();
    ResourceChange {
        policy_action: policy_action.map(str::to_owned),
        action: Some(action.to_owned()),
        logical_resource_id: Some(change.logical_id.clone()),
        physical_resource_id: resource.and_then(|resource| resource.state.physical_id.clone()),
        resource_type: Some(change.resource_type.clone()),
        replacement: replacement.map(str::to_owned),
        scope: Some(scope.into_iter().map(str::to_owned).collect()),
        details: Some(change.details.iter().map(shape_detail).collect()),
        ..ResourceChange::default()
    }
}

fn attribute(attribute: ChangedAttribute) -> &'static str {
    match attribute {
        ChangedAttribute::Properties => "Properties",
        ChangedAttribute::Metadata => "Metadata",
        ChangedAttribute::DeletionPolicy => "DeletionPolicy",
        ChangedAttribute::UpdateReplacePolicy => "UpdateReplacePolicy",
    }
}

fn shape_detail(detail: &Detail) -> ResourceChangeDetail {
    let recreation = match detail.requires_recreation {
        Recreation::Never => "Never",
        Recreation::Conditionally => "Conditionally",
        Recreation::Always => "Always",
    };
    let evaluation = match detail.evaluation {
        EvaluationKind::Static => "Static",
        EvaluationKind::Dynamic => "Dynamic",
    };
    let source = match detail.source {
        template::ChangeSource::ResourceReference => "ResourceReference",
        template::ChangeSource::ResourceAttribute => "ResourceAttribute",
        template::ChangeSource::ParameterReference => "ParameterReference",
        template::ChangeSource::DirectModification => "DirectModification",
        template::ChangeSource::Automatic => "Automatic",
    };
    let kind = match (&detail.before, &detail.after) {
        (None, _) => "Add",
        (_, None) => "Remove",
        _ => "Modify",
    };
    let text = |value: &Value| match value.text() {
        Some(text) => text.into_owned(),
        None => value.to_json().to_string(),
    };
    let target = ResourceTargetDefinition {
        attribute: Some(attribute(detail.attribute).to_owned()),
        name: detail.name.clone(),
        requires_recreation: Some(recreation.to_owned()),
        path: detail.name.as_ref().map(|name| format!("/Properties/{name}")),
        before_value: detail.before.as_ref().map(text),
        after_value: detail.after.as_ref().map(text),
        attribute_change_type: Some(kind.to_owned()),
        ..ResourceTargetDefinition::default()
    };
    ResourceChangeDetail {
        target: Some(target),
        evaluation: Some(evaluation.to_owned()),
        change_source: Some(source.to_owned()),
        causing_entity: detail.causing_entity.clone(),
    }
}
