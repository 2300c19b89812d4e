//! `CloudWatchLoggingOptions`: errors of delivery and transformation, as log events.
//!
//! The events' form and codes: <https://docs.aws.amazon.com/firehose/latest/dev/monitoring-with-cloudwatch-logs.html>.

use ropeway_api::logs::{InputLogEvent, PutLogEventsInput};
use ropeway_wire::Error;
use serde::Serialize;

use crate::model::{Destination, Endpoint, Flush, Logging};
use crate::process::transform::Failure;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(rename = "deliveryStreamARN")]
    stream: String,
    destination: String,
    delivery_stream_version_id: u64,
    message: &'a str,
    error_code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    processor: Option<&'a str>,
}

/// What is logged where, and who logs it.
pub struct Told<'a> {
    /// The role that logs, and invokes functions.
    pub role: &'a str,
    logging: &'a Logging,
    destination: String,
}

impl<'a> Told<'a> {
    /// Of deliveries to a bucket.
    pub fn of_s3(to: &'a Destination) -> Self {
        Told { role: &to.role, logging: &to.logging, destination: format!("arn:aws:s3:::{}", to.bucket) }
    }

    /// Of deliveries to an endpoint, whose objects go to a bucket.
    pub fn of_endpoint(endpoint: &'a Endpoint, to: &'a Destination) -> Self {
        let role = endpoint.role.as_ref().unwrap_or(&to.role);
        Told { role, logging: &endpoint.logging, destination: endpoint.url.clone() }
    }
}

/// What is to be put into the log; `None`: nothing is logged. `processor` is the function that failed.
pub fn event(
    flush: &Flush,
    to: &Told<'_>,
    failure: &Failure,
    processor: Option<&str>,
    now: i64,
) -> Option<PutLogEventsInput> {
    let (Some(group), Some(stream)) = (&to.logging.group, &to.logging.stream) else { return None };
    let event = Event {
        stream: flush.stream.arn(),
        destination: to.destination.clone(),
        delivery_stream_version_id: flush.version,
        message: &failure.message,
        error_code: &failure.code,
        processor,
    };
    let message = serde_json::to_string(&event).ok().filter(|_| to.logging.enabled)?;
    Some(PutLogEventsInput {
        log_group_name: group.clone(),
        log_stream_name: stream.clone(),
        log_events: vec![InputLogEvent { timestamp: now, message }],
        ..PutLogEventsInput::default()
    })
}

/// What S3's refusal is called.
pub fn of_s3(error: &Error) -> Failure {
    let known = match (&*error.code, error.status) {
        ("NoSuchBucket", _) => {
            "The specified S3 bucket does not exist. Create the bucket or use a different bucket that does exist."
        }
        (_, 403) => {
            "Access was denied. Ensure that the trust policy for the provided IAM role allows Firehose to assume \
             the role, and the access policy allows access to the S3 bucket."
        }
        _ => &*error.message,
    };
    let code = if error.status == 403 { "AccessDenied" } else { &*error.code };
    Failure::new(&format!("S3.{code}"), known)
}

/// What Lambda's refusal is called.
pub fn of_lambda(error: &Error) -> Failure {
    let (code, message) = match error.status {
        403 => (
            "Lambda.InvokeAccessDenied",
            "Access was denied. Ensure that the access policy allows access to the Lambda function.",
        ),
        404 => (
            "Lambda.ResourceNotFound",
            "The specified Lambda function does not exist. Use a different function that does exist.",
        ),
        429 => (
            "Lambda.InvokeLimitExceeded",
            "The Lambda concurrent execution limit is exceeded. Increase the concurrent execution limit.",
        ),
        _ => return Failure::new(&format!("Lambda.{}", error.code), error.message.clone()),
    };
    Failure::new(code, message)
}
