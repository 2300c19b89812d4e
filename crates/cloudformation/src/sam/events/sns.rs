//! The event `SNS`: a subscription of the function, or of a queue that it polls.

use super::super::function::Surroundings;
use super::super::node::{Dict, Node, dict};
use super::super::problem::Result;
use super::super::resource::Resource;
use super::{Event, queue};

/// The subscription, and what the way to the function needs.
pub fn transform(
    event: &Event<'_>,
    role: &mut Resource,
    around: &mut Surroundings<'_>,
) -> Result<Vec<Resource>> {
    let topic = event.get("Topic").cloned().unwrap_or(Node::Null);
    match event.truthy("SqsSubscription") {
        None => {
            let permission = event.permission("sns.amazonaws.com", "").with("SourceArn", topic);
            Ok(vec![permission, subscription(event, "lambda", event.target.arn.clone())])
        }
        Some(Node::Dict(given)) => through_queue(event, given, &topic, role),
        Some(_) => through_own_queue(event, &topic, role, around),
    }
}

fn subscription(event: &Event<'_>, protocol: &str, endpoint: Node) -> Resource {
    let mut subscription =
        Resource::new(event.id.as_str(), "AWS::SNS::Subscription", event.target.attributes.clone())
            .with("Endpoint", endpoint)
            .with("Protocol", protocol)
            .with_some("TopicArn", event.get("Topic"));
    for name in ["Region", "FilterPolicy", "FilterPolicyScope", "RedrivePolicy"] {
        subscription = subscription.with_some(name, event.get(name));
    }
    subscription
}

/// The mapping of the queue between topic and function.
fn mapping(event: &Event<'_>, arn: Node, batch: Option<&Node>, role: &mut Resource) -> Result<Vec<Resource>> {
    let mut properties = Dict::new();
    properties.insert("Queue", arn);
    properties.insert("BatchSize", batch.cloned().unwrap_or_else(|| Node::Number("10".to_owned())));
    properties.insert("Enabled", true);
    let id = format!("{}EventSourceMapping", event.id);
    queue::transform(&Event { name: event.name.clone(), id, properties, target: event.target }, role)
}

/// What lets the topic, and it alone, send to the queue.
fn policy(event: &Event<'_>, id: Option<&Node>, topic: &Node, arn: Node, url: Node) -> Resource {
    let condition = dict([("ArnEquals", dict([("aws:SourceArn", topic.clone())]))]);
    let statement = dict([
        ("Action", "sqs:SendMessage".into()),
        ("Effect", "Allow".into()),
        ("Principal", "*".into()),
        ("Resource", arn),
        ("Condition", condition),
    ]);
    let document = dict([("Version", "2012-10-17".into()), ("Statement", vec![statement].into())]);
    let id = id.and_then(Node::text).map_or_else(|| format!("{}QueuePolicy", event.id), str::to_owned);
    Resource::new(id, "AWS::SQS::QueuePolicy", event.target.attributes.clone())
        .with("PolicyDocument", document)
        .with("Queues", vec![url])
}

fn through_queue(
    event: &Event<'_>,
    given: &Dict,
    topic: &Node,
    role: &mut Resource,
) -> Result<Vec<Resource>> {
    const KNOWN: [&str; 5] = ["QueueArn", "QueueUrl", "QueuePolicyLogicalId", "BatchSize", "Enabled"];
    if let Some(unknown) = given.keys().into_iter().find(|key| !KNOWN.contains(key)) {
        return event.problem(format!("Property 'SqsSubscription.{unknown}' is not supported."));
    }
    if given.get("Enabled").is_some_and(|enabled| !enabled.is_true()) {
        return event.problem("Property 'SqsSubscription.Enabled' must be true.");
    }
    let (Some(arn), Some(url)) = (given.truthy("QueueArn"), given.truthy("QueueUrl")) else {
        return event.problem("No QueueARN or QueueURL provided.");
    };
    let id = given.truthy("QueuePolicyLogicalId");
    let mut resources = mapping(event, arn.clone(), given.truthy("BatchSize"), role)?;
    resources.push(policy(event, id, topic, arn.clone(), url.clone()));
    resources.push(subscription(event, "sqs", arn.clone()));
    Ok(resources)
}

fn through_own_queue(
    event: &Event<'_>,
    topic: &Node,
    role: &mut Resource,
    around: &mut Surroundings<'_>,
) -> Result<Vec<Resource>> {
    let id = format!("{}Queue", event.id);
    let mut own = Resource::new(id, "AWS::SQS::Queue", event.target.attributes.clone());
    if let Some(fifo) = fifo(topic, around)? {
        own = own.with("FifoQueue", fifo);
    }
    let mut resources = mapping(event, own.arn(), None, role)?;
    let policy = policy(event, None, topic, own.arn(), own.reference());
    let subscription = subscription(event, "sqs", own.arn());
    resources.extend([own, policy, subscription]);
    Ok(resources)
}

/// What the topic says of its order, if it is of the same template: its queue is alike.
fn fifo(topic: &Node, around: &Surroundings<'_>) -> Result<Option<Node>> {
    let Some(("Ref", Node::Text(id))) = topic.intrinsic() else { return Ok(None) };
    let found = around.resources.get(&id.text).and_then(Node::dict).and_then(|r| r.get("Properties"));
    match found.and_then(Node::dict).and_then(|properties| properties.get("FifoTopic")) {
        Some(fifo) => Ok(Some(around.parameters.resolve(fifo)?).filter(Node::is_truthy)),
        None => Ok(None),
    }
}
