//! What becomes of asynchronous invocations: `EventInvokeConfig`.

use super::digest;
use super::function::Surroundings;
use super::node::{Dict, Node, dict};
use super::problem::{Problem, Result};
use super::resource::{Resource, Source};
use super::role::inline_policy;

const DESTINATIONS: [&str; 5] = ["SQS", "SNS", "EventBridge", "Lambda", "S3Bucket"];

/// What the configuration generates, and the policies that the function's role needs for it.
#[derive(Default)]
pub struct Invoke {
    /// Destinations that are generated, then the configuration.
    pub resources: Vec<Resource>,
    /// The policies.
    pub policies: Vec<Node>,
}

/// The configuration of a function, or of its alias.
pub fn transform(
    source: &Source,
    config: &Node,
    alias: Option<&Resource>,
    around: &mut Surroundings<'_>,
) -> Result<Invoke> {
    let resolved = around.parameters.resolve(config)?;
    let Some(resolved) = resolved.dict() else { return Ok(Invoke::default()) };
    let id = format!("{}EventInvokeConfig", source.id.text);
    let mut invoke = Invoke::default();
    let mut destinations = Dict::new();
    if let Some(given) = resolved.truthy("DestinationConfig") {
        let given = source.map(given, "EventInvokeConfig.DestinationConfig")?;
        for name in ["OnSuccess", "OnFailure"] {
            let Some(destination) = given.some(name) else { continue };
            let path = format!("EventInvokeConfig.DestinationConfig.{name}");
            let destination = source.map(destination, &path)?;
            let value = one(source, destination, name, &id, &mut invoke, around)?;
            destinations.insert(name, dict([("Destination", value)]));
        }
    }
    let qualifier = alias.and_then(|alias| alias.properties.get("Name"));
    let mut config = Resource::new(id, "AWS::Lambda::EventInvokeConfig", source.attributes.clone())
        .with("FunctionName", super::node::reference(source.id.clone()))
        .with("Qualifier", qualifier.cloned().unwrap_or_else(|| "$LATEST".into()))
        .with("DestinationConfig", destinations);
    for name in ["MaximumEventAgeInSeconds", "MaximumRetryAttempts"] {
        config = config.with_some(name, resolved.get(name));
    }
    let depends_on = alias.map(|alias| Node::List(vec![alias.id.clone().into()]));
    invoke.resources.push(config.after(depends_on));
    Ok(invoke)
}

/// A destination: what is named, or a queue or topic that is generated.
fn one(
    source: &Source,
    config: &Dict,
    name: &str,
    id: &str,
    invoke: &mut Invoke,
    around: &mut Surroundings<'_>,
) -> Result<Node> {
    let kind = config.get("Type").and_then(Node::text).unwrap_or("None");
    if !DESTINATIONS.contains(&kind) {
        return source.problem(format!(
            "'Type: {kind}' must be one of ['SQS', 'SNS', 'EventBridge', 'Lambda', 'S3Bucket']"
        ));
    }
    let given = config.some("Destination");
    let optional = given.map(|given| optional(id, given, around)).transpose()?.flatten();
    let id = format!("{id}{name}");
    let destination = match (given, &optional) {
        (Some(given), None) => given.clone(),
        _ => {
            let resource = match kind {
                "SQS" => Resource::new(format!("{id}Queue"), "AWS::SQS::Queue", source.passed()),
                "SNS" => Resource::new(format!("{id}Topic"), "AWS::SNS::Topic", source.passed()),
                _ => return source.problem("Destination is required if Type is not ['SQS', 'SNS']"),
            };
            generate(source, resource, kind, optional, invoke, around)
        }
    };
    invoke.policies.push(policy(kind, &id, &destination));
    Ok(destination)
}

/// A destination that is there under a condition alone: the condition under which it is not, and what it is.
fn optional(id: &str, given: &Node, around: &mut Surroundings<'_>) -> Result<Option<(String, Node)>> {
    let Some(("Fn::If", argument)) = given.intrinsic() else { return Ok(None) };
    let Some([condition, yes, no]) = argument.list() else {
        return Err(Problem::resource(id, "Malformed 'Destination' property: Fn::If requires 3 arguments."));
    };
    let condition = condition.text().unwrap_or_default();
    match (yes.is_no_value(), no.is_no_value()) {
        (true, false) => Ok(Some((condition.to_owned(), no.clone()))),
        (false, true) => {
            let name = condition_name(&format!("NOT{condition}"), id);
            let not = dict([("Condition", condition.into())]);
            around.conditions.insert(name.as_str(), dict([("Fn::Not", vec![not].into())]));
            Ok(Some((name, yes.clone())))
        }
        _ => Ok(None),
    }
}

fn condition_name(name: &str, hashed: &str) -> String {
    digest::id(name, hashed)
}

fn generate(
    source: &Source,
    mut resource: Resource,
    kind: &str,
    optional: Option<(String, Node)>,
    invoke: &mut Invoke,
    around: &mut Surroundings<'_>,
) -> Node {
    let arn = if kind == "SQS" { resource.arn() } else { resource.reference() };
    let own = source.attributes.get("Condition").and_then(Node::text);
    let condition = match (own, optional.as_ref().map(|(condition, _)| condition.as_str())) {
        (Some(own), Some(condition)) => {
            let name = condition_name(&format!("{own}AND{condition}"), &source.id.text);
            let both = [own, condition].map(|condition| dict([("Condition", condition.into())]));
            around.conditions.insert(name.as_str(), dict([("Fn::And", both.to_vec().into())]));
            Some(name)
        }
        (own, condition) => own.or(condition).map(str::to_owned),
    };
    if let Some(condition) = condition {
        resource.attributes.insert("Condition", condition);
    }
    invoke.resources.push(resource);
    match optional {
        Some((condition, given)) => dict([("Fn::If", vec![condition.into(), arn, given].into())]),
        None => arn,
    }
}

fn policy(kind: &str, id: &str, arn: &Node) -> Node {
    let on = |suffix: &str, action: &'static str| {
        inline_policy(format!("{id}{suffix}"), vec![(action, arn.clone())])
    };
    match kind {
        "SQS" => on("SQSPolicy", "sqs:SendMessage"),
        "SNS" => on("SNSPolicy", "sns:publish"),
        "EventBridge" => on("EventBridgePolicy", "events:PutEvents"),
        "Lambda" => on("LambdaPolicy", "lambda:InvokeFunction"),
        _ => bucket_policy(id, arn),
    }
}

/// The policy for a bucket that takes events.
pub fn bucket_policy(id: &str, arn: &Node) -> Node {
    let objects = dict([("Fn::Join", vec!["/".into(), vec![arn.clone(), "*".into()].into()].into())]);
    inline_policy(format!("{id}S3Policy"), vec![("s3:PutObject", objects), ("s3:ListBucket", arn.clone())])
}
