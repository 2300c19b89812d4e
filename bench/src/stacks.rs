//! Stacks: how long one of 200 resources takes, an update that changes nothing, and the transform of 500 resources.

use std::time::{Duration, Instant};

use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::client::Connection;

/// Resources of the stack that is deployed, and how long that may take.
const RESOURCES: usize = 200;
const DEPLOY_FLOOR: Duration = Duration::from_secs(5);
/// How long an update that changes nothing may take.
const NOTHING_FLOOR: Duration = Duration::from_millis(300);
/// Functions of the serverless template: each becomes a function and its role.
const FUNCTIONS: usize = 250;
/// Pause between two looks at a stack.
const PAUSE: Duration = Duration::from_millis(10);

fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

struct Stacks {
    connection: Connection,
    prefix: String,
}

/// Measures, and prints a line for each.
pub async fn run(endpoint: &str) -> Result<(), String> {
    let mut stacks = Stacks {
        connection: Connection::open(endpoint).await?,
        prefix: format!("bench-{}", std::process::id()),
    };
    stacks.deploy().await?;
    stacks.transform(endpoint).await
}

fn print(what: &str, took: Duration, floor: Option<Duration>) {
    let floor = match floor {
        None => String::new(),
        Some(floor) if took <= floor => format!("  (floor {} ms)", floor.as_millis()),
        Some(floor) => format!("  (floor {} ms)  BELOW THE FLOOR", floor.as_millis()),
    };
    println!("{what:<44} {:>8.1} ms{floor}", took.as_secs_f64() * 1000.0);
}

impl Stacks {
    async fn call(&mut self, action: &str, more: &str) -> Result<Bytes, String> {
        let form = format!("Action={action}&Version=2010-05-15{more}");
        self.connection.query("cloudformation", form).await
    }

    /// Until the stack stands still; anything but `wanted` is an error.
    async fn settled(&mut self, stack: &str, wanted: &str) -> Result<(), String> {
        loop {
            let answer = self.call("DescribeStacks", &format!("&StackName={stack}")).await?;
            let text = String::from_utf8_lossy(&answer).into_owned();
            let status = text.split_once("<StackStatus>").and_then(|(_, rest)| rest.split_once('<'));
            let status = status.map(|(status, _)| status).unwrap_or_default();
            if status == wanted {
                return Ok(());
            }
            if !status.ends_with("_IN_PROGRESS") {
                return Err(format!("{stack} is {status}: {text}"));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn deploy(&mut self) -> Result<(), String> {
        let resources: serde_json::Map<String, Value> = (0..RESOURCES)
            .map(|n| {
                let properties = json!({ "DelaySeconds": n % 900 });
                (format!("Queue{n}"), json!({ "Type": "AWS::SQS::Queue", "Properties": properties }))
            })
            .collect();
        let stack = format!("{}-deploy", self.prefix);
        let body = encode(&json!({ "Resources": resources }).to_string());
        let form = format!("&StackName={stack}&TemplateBody={body}");
        let begun = Instant::now();
        self.call("CreateStack", &form).await?;
        self.settled(&stack, "CREATE_COMPLETE").await?;
        print(&format!("deploying {RESOURCES} resources"), begun.elapsed(), Some(DEPLOY_FLOOR));
        let begun = Instant::now();
        match self.call("UpdateStack", &form).await {
            Err(why) if why.contains("No updates are to be performed") => {}
            other => return Err(format!("an update that changes nothing: {other:?}")),
        }
        print("an update that changes nothing", begun.elapsed(), Some(NOTHING_FLOOR));
        let begun = Instant::now();
        self.call("DeleteStack", &format!("&StackName={stack}")).await?;
        while self.call("DescribeStacks", &format!("&StackName={stack}")).await.is_ok() {
            tokio::time::sleep(PAUSE).await;
        }
        print(&format!("deleting {RESOURCES} resources"), begun.elapsed(), None);
        Ok(())
    }

    async fn transform(&mut self, endpoint: &str) -> Result<(), String> {
        let functions: serde_json::Map<String, Value> = (0..FUNCTIONS)
            .map(|n| {
                let properties = json!({
                    "Runtime": "python3.12", "Handler": "index.handler", "InlineCode": "def handler(event, context): pass",
                    "Environment": { "Variables": { "NUMBER": n.to_string() } },
                });
                (format!("Function{n}"), json!({ "Type": "AWS::Serverless::Function", "Properties": properties }))
            })
            .collect();
        let template = json!({ "Transform": "AWS::Serverless-2016-10-31", "Resources": functions });
        let bucket = format!("{}-templates", self.prefix);
        for (path, body) in [
            (format!("/{bucket}"), Bytes::new()),
            (format!("/{bucket}/template.json"), Bytes::from(template.to_string())),
        ] {
            let (status, answer) = self.connection.send("s3", "PUT", &path, &[], body).await?;
            if status >= 300 {
                return Err(format!("{path}: {status} {}", String::from_utf8_lossy(&answer)));
            }
        }
        let url = encode(&format!("{endpoint}/{bucket}/template.json"));
        let stack = format!("{}-transform", self.prefix);
        let form = format!(
            "&StackName={stack}&ChangeSetName=c&ChangeSetType=CREATE&TemplateURL={url}&Capabilities.member.1=CAPABILITY_IAM\
             &Capabilities.member.2=CAPABILITY_AUTO_EXPAND"
        );
        let begun = Instant::now();
        self.call("CreateChangeSet", &form).await?;
        let answer = self.call("DescribeChangeSet", &format!("&StackName={stack}&ChangeSetName=c")).await?;
        let text = String::from_utf8_lossy(&answer);
        if !text.contains("<Status>CREATE_COMPLETE</Status>") {
            return Err(format!("a change set of {FUNCTIONS} functions: {text}"));
        }
        print(&format!("a change set of {} resources by SAM", 2 * FUNCTIONS), begun.elapsed(), None);
        Ok(())
    }
}
