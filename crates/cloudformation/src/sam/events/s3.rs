//! The event `S3`: a notification of a bucket of the same template.

use super::super::function::Surroundings;
use super::super::node::{Dict, Node, Text, conditional, dict, reference};
use super::super::problem::{Problem, Result};
use super::super::resource::{Resource, tag_list};
use super::Event;

/// Lets the bucket call the function, and makes it do so.
pub fn transform(event: &Event<'_>, around: &mut Surroundings<'_>) -> Result<Vec<Resource>> {
    let id = match event.get("Bucket").and_then(Node::intrinsic) {
        Some(("Ref", Node::Text(id))) => id.clone(),
        Some(("Ref", _)) => return event.problem("'Ref' value in S3 events is not a valid string."),
        _ => return event.problem("S3 events must reference an S3 bucket in the same template."),
    };
    let Some(bucket) = around.resources.get_mut(&id.text).and_then(Node::dict_mut) else {
        return event.problem("S3 events must reference an S3 bucket in the same template.");
    };
    let permission =
        event.permission("s3.amazonaws.com", "").with("SourceAccount", reference("AWS::AccountId"));
    match &event.target.condition {
        Some(condition) => depend_by_tag(bucket, &id, &permission, condition)?,
        None => depend(event, bucket, &permission)?,
    }
    notify(event, bucket, &id)?;
    Ok(vec![permission])
}

/// The bucket comes after the permission: S3 tests it.
fn depend(event: &Event<'_>, bucket: &mut Dict, permission: &Resource) -> Result<()> {
    let mut ids: Vec<String> = match bucket.get("DependsOn") {
        None => Vec::new(),
        Some(Node::Text(id)) => vec![id.text.clone()],
        Some(Node::List(items)) => items.iter().filter_map(Node::text).map(str::to_owned).collect(),
        Some(_) => {
            return Err(Problem::resource(
                &event.id,
                "Invalid type for field 'DependsOn'. Expected a string or list of strings.",
            ));
        }
    };
    ids.push(permission.id.text.clone());
    ids.sort_unstable();
    ids.dedup();
    bucket.insert("DependsOn", Node::List(ids.into_iter().map(Node::from).collect()));
    Ok(())
}

/// What exists under a condition cannot be depended on by name; a tag that refers to it does the same.
fn depend_by_tag(bucket: &mut Dict, id: &Text, permission: &Resource, condition: &Node) -> Result<()> {
    let value = vec![condition.clone(), permission.reference(), "no dependency".into()];
    let mut tag = Dict::new();
    let name = format!("sam:ConditionalDependsOn:{}", permission.id.text);
    tag.insert(name, dict([("Fn::If", value.into())]));
    let properties = properties(bucket, id)?;
    let tags = properties.entry("Tags", || Node::List(Vec::new()));
    match (tags.and_then(Node::list_mut), tag_list(&tag)) {
        (Some(tags), Node::List(tag)) => {
            tags.extend(tag);
            Ok(())
        }
        _ => Err(Problem::resource(&id.text, "Property 'Tags' should be a list.")),
    }
}

fn properties<'b>(bucket: &'b mut Dict, id: &Text) -> Result<&'b mut Dict> {
    if bucket.some("Properties").is_none() {
        bucket.insert("Properties", Dict::new());
    }
    bucket
        .get_mut("Properties")
        .and_then(Node::dict_mut)
        .ok_or_else(|| Problem::resource(&id.text, "Properties should be a map."))
}

fn notify(event: &Event<'_>, bucket: &mut Dict, id: &Text) -> Result<()> {
    let wrong = |what: &str| Problem::resource(&id.text, what);
    let properties = properties(bucket, id)?;
    if properties.some("NotificationConfiguration").is_none() {
        properties.insert("NotificationConfiguration", Dict::new());
    }
    let config = properties.get_mut("NotificationConfiguration").and_then(Node::dict_mut);
    let config = config.ok_or_else(|| wrong("Property 'NotificationConfiguration' should be a map."))?;
    if config.some("LambdaConfigurations").is_none() {
        config.insert("LambdaConfigurations", Vec::new());
    }
    let list = config.get_mut("LambdaConfigurations").and_then(Node::list_mut);
    let list = list.ok_or_else(|| wrong("Invalid type for LambdaConfigurations. Must be a list."))?;
    let events = match event.get("Events") {
        Some(Node::List(events)) => events.clone(),
        other => other.into_iter().cloned().collect(),
    };
    for name in events {
        let mut one = Dict::new();
        one.insert("Function", event.target.arn.clone());
        if let Some(filter) = event.get("Filter") {
            one.insert("Filter", filter.clone());
        }
        one.insert("Event", name);
        let one = match &event.target.condition {
            Some(condition) => conditional(condition.clone(), one.into()),
            None => one.into(),
        };
        if !list.contains(&one) {
            list.push(one);
        }
    }
    Ok(())
}
