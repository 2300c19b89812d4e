//! Events as they come: a tree, what happens in nested stacks below the stack that has them; and what failed first.

use std::collections::BTreeSet;

use ropeway_api::cloudformation::{self as cfn, Stack, StackEvent};
use serde_json::json;

use super::{PAUSE, describe};
use crate::client::{Client, ServiceError};
use crate::{Failure, output};

/// The type of stacks, nested ones among them.
const STACK: &str = "AWS::CloudFormation::Stack";
/// Stacks that are followed at most: as deep as they nest, one that many have is told of by its own events alone.
const MOST_STACKS: usize = 100;

/// Every event of a stack, the newest first.
pub(super) async fn events(client: &Client, stack: &str) -> Result<Vec<StackEvent>, ServiceError> {
    let mut all = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let mut parameters = vec![("StackName".to_owned(), stack.to_owned())];
        parameters.extend(token.map(|token| ("NextToken".to_owned(), token)));
        let page = client.call::<cfn::DescribeStackEventsInput>(&parameters).await?;
        all.extend(page.stack_events.unwrap_or_default());
        token = page.next_token;
        if token.is_none() {
            return Ok(all);
        }
    }
}

/// A stack that is followed: itself, or one nested in it.
struct Followed {
    stack: String,
    /// What stands before its resources' names.
    prefix: String,
    depth: usize,
}

/// What has been seen of a stack and of those nested in it.
pub(super) struct Progress {
    stacks: Vec<Followed>,
    seen: BTreeSet<String>,
    json: bool,
    /// The resource that failed first, and why.
    failed: Option<String>,
}

impl Progress {
    /// Of a stack's events, only what comes from now on. What is nested in it has had its events too.
    pub async fn from_now(client: &Client, stack: &str, json: bool) -> Self {
        let first = Followed { stack: stack.to_owned(), prefix: String::new(), depth: 0 };
        let mut progress = Progress { stacks: vec![first], seen: BTreeSet::new(), json, failed: None };
        // A stack that is not there yet has no events.
        progress.look(client, false).await.unwrap_or_default();
        progress
    }

    /// What failed first.
    pub fn failed(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// Prints events as they come, until the stack stands still.
    pub async fn follow(&mut self, client: &Client, stack: &str) -> Result<Stack, Failure> {
        if let Some(first) = self.stacks.first_mut() {
            stack.clone_into(&mut first.stack);
        }
        loop {
            let found = describe(client, stack).await?;
            self.look(client, true).await?;
            match found {
                Some(found) if !found.stack_status.ends_with("_IN_PROGRESS") => return Ok(found),
                Some(_) => client.clock().sleep_until(client.clock().now().plus_millis(PAUSE)).await,
                None => return Err(Failure::Failed(format!("the stack {stack} is gone"))),
            }
        }
    }

    /// Looks at every stack once; those that come to be known meanwhile, too.
    async fn look(&mut self, client: &Client, shows: bool) -> Result<(), ServiceError> {
        let mut number = 0;
        while let Some(Followed { stack, prefix, depth }) = self.stacks.get(number) {
            let (stack, prefix, depth) = (stack.clone(), prefix.clone(), *depth);
            let mut events = match events(client, &stack).await {
                // A nested stack that is gone has had its last event in the stack that had it.
                Err(error) if depth > 0 && error.message.contains("does not exist") => Vec::new(),
                events => events?,
            };
            events.reverse();
            for event in events {
                if self.seen.insert(event.event_id.clone()) {
                    self.know_nested(&event, &prefix, depth);
                    if shows {
                        self.note(&event, &prefix);
                        print(&event, &prefix, depth, self.json);
                    }
                }
            }
            number += 1;
        }
        Ok(())
    }

    fn know_nested(&mut self, event: &StackEvent, prefix: &str, depth: usize) {
        let (Some(id), Some(name)) = (&event.physical_resource_id, &event.logical_resource_id) else {
            return;
        };
        let is_nested = event.resource_type.as_deref() == Some(STACK)
            && id.starts_with("arn:")
            && *id != event.stack_id
            && self.stacks.len() < MOST_STACKS
            && self.stacks.iter().all(|known| known.stack != *id);
        if is_nested {
            let prefix = format!("{prefix}{name}/");
            self.stacks.push(Followed { stack: id.clone(), prefix, depth: depth + 1 });
        }
    }

    /// The first failure is the cause: what comes after it was cancelled, or is a stack that has it.
    fn note(&mut self, event: &StackEvent, prefix: &str) {
        let (status, kind) = (event.resource_status.as_deref(), event.resource_type.as_deref());
        let reason = event.resource_status_reason.as_deref().unwrap_or_default();
        let is_cause = status.is_some_and(|status| status.ends_with("_FAILED"))
            && kind != Some(STACK)
            && !reason.ends_with("cancelled");
        if is_cause && self.failed.is_none() {
            let name = event.logical_resource_id.as_deref().unwrap_or_default();
            self.failed = Some(format!("{prefix}{name} ({}): {reason}", kind.unwrap_or_default()));
        }
    }
}

fn print(event: &StackEvent, prefix: &str, depth: usize, json: bool) {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let (id, kind, status, reason) = (
        text(&event.logical_resource_id),
        text(&event.resource_type),
        text(&event.resource_status),
        text(&event.resource_status_reason),
    );
    output::line(&if json {
        let resource = format!("{prefix}{id}");
        json!({ "resource": resource, "type": kind, "status": status, "reason": reason }).to_string()
    } else {
        let indent = "    ".repeat(depth);
        format!("  {indent}{status:<28} {kind:<36} {id} {reason}").trim_end().to_owned()
    });
}
