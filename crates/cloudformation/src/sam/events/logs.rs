//! The event `CloudWatchLogs`: a subscription filter that gives a log group's lines to the function.

use super::super::node::{Node, sub};
use super::super::resource::Resource;
use super::Event;

/// The permission of the log group, and the filter, which is made after it.
pub fn transform(event: &Event<'_>) -> Vec<Resource> {
    let group = event.get("LogGroupName").cloned().unwrap_or(Node::Null);
    let arn = "arn:aws:logs:${AWS::Region}:${AWS::AccountId}:log-group:${__LogGroupName__}:*";
    let permission = event
        .permission("logs.amazonaws.com", "")
        .with("SourceArn", sub(arn, [("__LogGroupName__", group.clone())]));
    let filter =
        Resource::new(event.id.as_str(), "AWS::Logs::SubscriptionFilter", event.target.attributes.clone())
            .after(Some(vec![Node::from(permission.id.clone())].into()))
            .with("DestinationArn", event.target.arn.clone())
            .with_some("FilterPattern", event.get("FilterPattern"))
            .with("LogGroupName", group);
    vec![permission, filter]
}
