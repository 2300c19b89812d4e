//! Integrations of AWS services, called in the server as the integration's role:
//! <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-aws-services-reference.html>.

use ropeway_api::sqs::{MessageAttributeValue, SendMessageInput};
use ropeway_wire::{Answer, Error};
use serde_json::{Value as Json, json};

use super::hit::Hit;
use super::mapping;
use super::refusal::Refusal;
use crate::model::Texts;
use crate::plane::Plane;
use crate::v2::errors::{bad, unimplemented};
use crate::v2::model::Integration;

/// What is implemented: the subtype, the parameters it needs, and those it takes.
const SUBTYPES: [(&str, &[&str], &[&str]); 1] = [(
    "SQS-SendMessage",
    &["MessageBody", "QueueUrl"],
    &["DelaySeconds", "MessageAttributes", "MessageDeduplicationId", "MessageGroupId", "Region"],
)];
/// What AWS has beside them.
const OTHERS: [&str; 11] = [
    "AppConfig-GetConfiguration",
    "EventBridge-PutEvents",
    "Kinesis-PutRecord",
    "SQS-DeleteMessage",
    "SQS-PurgeQueue",
    "SQS-ReceiveMessage",
    "StepFunctions-DescribeExecution",
    "StepFunctions-StartExecution",
    "StepFunctions-StartSyncExecution",
    "StepFunctions-StopExecution",
    "StepFunctions-ListExecutions",
];

/// Checks a subtype and its parameters.
pub fn check(subtype: &str, parameters: &Texts) -> Result<(), Error> {
    let Some((_, needed, taken)) = SUBTYPES.iter().find(|(name, ..)| *name == subtype) else {
        return Err(match OTHERS.contains(&subtype) {
            true => unimplemented(&format!("The integration subtype {subtype}")),
            false => bad(format!("Invalid integration subtype {subtype}")),
        });
    };
    if let Some(missing) = needed.iter().find(|name| !parameters.contains_key(**name)) {
        return Err(bad(format!("Parameter: {missing} is required for the integration subtype {subtype}")));
    }
    let known = |name: &str| needed.contains(&name) || taken.contains(&name);
    match parameters.keys().find(|name| !known(name)) {
        Some(other) => Err(bad(format!("Parameter: {other} does not fit the integration subtype {subtype}"))),
        None => Ok(()),
    }
}

/// `{"name": {"DataType": "String", "StringValue": "…"}}`
fn attributes(text: &str) -> Option<Vec<(String, MessageAttributeValue)>> {
    let Json::Object(all) = serde_json::from_str(text).ok()? else { return None };
    let one = |(name, said): (String, Json)| {
        let member = |key: &str| said.get(key).and_then(Json::as_str).map(str::to_owned);
        let data_type = member("DataType")?;
        Some((
            name,
            MessageAttributeValue { data_type, string_value: member("StringValue"), ..Default::default() },
        ))
    };
    all.into_iter().map(one).collect()
}

impl Plane {
    /// Calls a service.
    pub async fn call_service(
        &self,
        hit: &Hit<'_>,
        integration: &Integration,
        subtype: &str,
    ) -> Result<Answer, Refusal> {
        let value = |name: &str| {
            let value = integration.request_parameters.get(name)?;
            mapping::evaluated(value, |variable| mapping::request_value(hit, variable))
        };
        let wrong = |why: &'static str| Refusal { why: why.into(), ..Refusal::new(400, "Bad Request") };
        if subtype != "SQS-SendMessage" {
            return Err(Refusal::integration("The subtype is not implemented"));
        }
        let delay =
            value("DelaySeconds").map(|text| text.parse().map_err(|_| wrong("DelaySeconds is no number")));
        let attributes = value("MessageAttributes")
            .map(|text| attributes(&text).ok_or_else(|| wrong("MessageAttributes are no such object")));
        let input = SendMessageInput {
            queue_url: value("QueueUrl").ok_or_else(|| wrong("There is no QueueUrl"))?,
            message_body: value("MessageBody").ok_or_else(|| wrong("There is no MessageBody"))?,
            delay_seconds: delay.transpose()?,
            message_attributes: attributes.transpose()?.map(|all| all.into_iter().collect()),
            message_deduplication_id: value("MessageDeduplicationId"),
            message_group_id: value("MessageGroupId"),
            ..SendMessageInput::default()
        };
        let origin = hit.origin();
        let role = integration.credentials.as_deref().unwrap_or_default();
        let principal =
            self.assume(&origin, role).map_err(|_| Refusal::integration("The role cannot be assumed"))?;
        let region = value("Region").unwrap_or_else(|| hit.api.name.scope.region.clone());
        let within = origin.within(principal, &hit.source_arn(), &region);
        match self.services.call(within, input).await {
            Ok(sent) => Ok(answer(
                hit,
                200,
                &json!({
                    "SendMessageResponse": {
                        "ResponseMetadata": { "RequestId": hit.request.cx.request_id },
                        "SendMessageResult": {
                            "MD5OfMessageAttributes": sent.md5_of_message_attributes,
                            "MD5OfMessageBody": sent.md5_of_message_body,
                            "MD5OfMessageSystemAttributes": sent.md5_of_message_system_attributes,
                            "MessageId": sent.message_id,
                            "SequenceNumber": sent.sequence_number,
                        },
                    },
                }),
            )),
            Err(error) => Ok(answer(
                hit,
                error.status,
                &json!({
                    "Error": { "Code": error.code, "Message": error.message, "Type": if error.status < 500 { "Sender" } else { "Receiver" } },
                    "RequestId": hit.request.cx.request_id,
                }),
            )),
        }
    }
}

/// The service's answer, in the JSON form of its query protocol.
fn answer(hit: &Hit<'_>, status: u16, body: &Json) -> Answer {
    let mut headers = http::HeaderMap::new();
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    if let Ok(id) = http::HeaderValue::from_str(&hit.request.cx.request_id) {
        headers.insert("x-amzn-requestid", id);
    }
    super::made(status, headers, body.to_string().into())
}
