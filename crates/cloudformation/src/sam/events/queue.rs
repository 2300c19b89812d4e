//! The event `SQS`.

use super::super::node::{Dict, Node};
use super::super::problem::Result;
use super::super::resource::Resource;
use super::super::role::{add_inline, add_managed, inline_policy, service_role};
use super::Event;

/// Properties that go into the mapping as they are.
const PASSED: [&str; 20] = [
    "StartingPosition",
    "StartingPositionTimestamp",
    "BatchSize",
    "Enabled",
    "MaximumBatchingWindowInSeconds",
    "MaximumRetryAttempts",
    "BisectBatchOnFunctionError",
    "MaximumRecordAgeInSeconds",
    "ParallelizationFactor",
    "Topics",
    "Queues",
    "SourceAccessConfigurations",
    "TumblingWindowInSeconds",
    "FunctionResponseTypes",
    "FilterCriteria",
    "KmsKeyArn",
    "ScalingConfig",
    "ProvisionedPollerConfig",
    "MetricsConfig",
    "LoggingConfig",
];

/// The mapping of a queue to the function, whose role gets what polling needs.
pub fn transform(event: &Event<'_>, role: &mut Resource) -> Result<Vec<Resource>> {
    let mut mapping =
        Resource::new(event.id.as_str(), "AWS::Lambda::EventSourceMapping", event.target.attributes.clone())
            .with("FunctionName", event.target.name.clone())
            .with_some("EventSourceArn", event.get("Queue"));
    for name in PASSED {
        mapping = mapping.with_some(name, event.get(name));
    }
    let mut policy = None;
    if let Some(config) = event.truthy("DestinationConfig").and_then(Node::dict) {
        let mut config = config.clone();
        policy = destination(event, &mut config)?;
        mapping = mapping.with("DestinationConfig", config);
    }
    add_managed(role, service_role("AWSLambdaSQSQueueExecutionRole"));
    if let Some(policy) = policy {
        add_inline(role, policy);
    }
    Ok(vec![mapping])
}

/// The policy for a destination whose type is told; the type goes no further.
fn destination(event: &Event<'_>, config: &mut Dict) -> Result<Option<Node>> {
    let Some(failure) = config.get_mut("OnFailure").and_then(Node::dict_mut) else {
        return event.problem("Property 'DestinationConfig.OnFailure' should be a map.");
    };
    let Some(kind) = failure.remove("Type").filter(Node::is_truthy) else { return Ok(None) };
    let arn = failure.get("Destination").cloned().unwrap_or(Node::Null);
    let id = &event.id;
    match kind.text() {
        Some("SQS") => Ok(Some(inline_policy(format!("{id}SQSPolicy"), vec![("sqs:SendMessage", arn)]))),
        Some("SNS") => Ok(Some(inline_policy(format!("{id}SNSPolicy"), vec![("sns:publish", arn)]))),
        Some("S3") => Ok(Some(super::super::invoke_config::bucket_policy(id, &arn))),
        _ => event.problem("The only valid values for 'Type' are 'SQS', 'SNS' and 'S3'"),
    }
}
