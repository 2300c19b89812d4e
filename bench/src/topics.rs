//! Topics to publish to, with queues that are subscribed to them.

use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::client::Connection;
use crate::scenario::make_queue;

/// What is subscribed to a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fan {
    /// One queue, raw.
    One,
    /// Two queues, raw, as `systems/order-events` has them.
    Raw,
    /// Two queues that get the signed envelope.
    Enveloped,
    /// 100 queues, raw, with filters of which one matches.
    Filtered,
}

impl Fan {
    fn queues(self) -> usize {
        match self {
            Fan::One => 1,
            Fan::Raw | Fan::Enveloped => 2,
            Fan::Filtered => 100,
        }
    }

    fn attributes(self, number: usize) -> Vec<(&'static str, String)> {
        let raw = ("RawMessageDelivery", "true".to_owned());
        match self {
            Fan::Enveloped => Vec::new(),
            Fan::One | Fan::Raw => vec![raw],
            Fan::Filtered => {
                vec![raw, ("FilterPolicy", json!({ "kind": [format!("kind-{number}")] }).to_string())]
            }
        }
    }

    /// The form of a Publish of 256 bytes.
    pub fn form(self, topic: &str, number: usize) -> String {
        let message = format!("{number:0256}");
        let form = format!("Action=Publish&Version=2010-03-31&TopicArn={}&Message={message}", encode(topic));
        if self != Fan::Filtered {
            return form;
        }
        let attribute = "MessageAttributes.entry.1";
        format!(
            "{form}&{attribute}.Name=kind&{attribute}.Value.DataType=String&{attribute}.Value.StringValue=kind-7"
        )
    }
}

/// Makes a topic; gives its ARN.
pub async fn make(connection: &mut Connection, name: &str, fan: Fan) -> Result<String, String> {
    let form = format!("Action=CreateTopic&Version=2010-03-31&Name={name}");
    let topic = text(&connection.query("sns", form).await?, "TopicArn");
    for number in 0..fan.queues() {
        let queue_name = format!("{name}-{number}");
        let url = make_queue(connection, &queue_name, json!({})).await?;
        let arn = format!("arn:aws:sqs:us-east-1:000000000000:{queue_name}");
        let policy = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow",
            "Principal": { "Service": "sns.amazonaws.com" }, "Action": "sqs:SendMessage", "Resource": arn,
            "Condition": { "ArnEquals": { "aws:SourceArn": topic } } }] });
        let body = json!({ "QueueUrl": url, "Attributes": { "Policy": policy.to_string() } }).to_string();
        connection.json("AmazonSQS.SetQueueAttributes", "sqs", body.into()).await?;
        let mut form = format!(
            "Action=Subscribe&Version=2010-03-31&Protocol=sqs&TopicArn={}&Endpoint={}",
            encode(&topic),
            encode(&arn)
        );
        for (nth, (name, value)) in fan.attributes(number).into_iter().enumerate() {
            let entry = format!("Attributes.entry.{}", nth + 1);
            form += &format!("&{entry}.key={name}&{entry}.value={}", encode(&value));
        }
        connection.query("sns", form).await?;
    }
    Ok(topic)
}

fn text(body: &Bytes, tag: &str) -> String {
    let body = String::from_utf8_lossy(body).into_owned();
    let inner = body.split_once(&format!("<{tag}>")).and_then(|(_, rest)| rest.split_once('<'));
    inner.map(|(inner, _)| inner.to_owned()).unwrap_or_default()
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}
