//! How deliveries ended, for CloudWatch Logs: a topic's attributes that ask for it, and what is written.
//!
//! Source: <https://docs.aws.amazon.com/sns/latest/dg/sns-topic-attributes.html>, "Amazon SNS message delivery status".

use std::collections::BTreeMap;

use md5::{Digest as _, Md5};
use ropeway_core::Time;
use ropeway_core::keys::Scope;
use ropeway_wire::Error;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::keys::TopicName;
use crate::model::{Protocol, Publication};
use crate::settings::{invalid, refused};

const SUCCESS: &str = "SuccessFeedbackRoleArn";
const FAILURE: &str = "FailureFeedbackRoleArn";
const RATE: &str = "SuccessFeedbackSampleRate";
/// What the names of attributes begin with.
const PREFIXES: &[&str] = &["HTTP", "SQS", "Lambda", "Firehose"];

fn prefix(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http | Protocol::Https => "HTTP",
        Protocol::Sqs => "SQS",
        Protocol::Lambda => "Lambda",
        Protocol::Firehose => "Firehose",
    }
}

/// Whether a topic's attribute is one of these, and its value sound.
///
/// # Errors
/// `InvalidParameter`; the refusal of what mobile applications would have.
pub fn check(name: &str, value: &str) -> Result<bool, Error> {
    let Some(prefix) = [SUCCESS, FAILURE, RATE].iter().find_map(|suffix| name.strip_suffix(suffix)) else {
        return Ok(false);
    };
    if prefix == "Application" {
        return Err(refused(format_args!("{name}: deliveries to mobile applications")));
    }
    if !PREFIXES.contains(&prefix) {
        return Ok(false);
    }
    let is_sound = match name.ends_with(RATE) {
        true => value.parse::<u8>().is_ok_and(|rate| rate <= 100),
        false => value.starts_with("arn:aws:iam::") && value.contains(":role/"),
    };
    if is_sound || value.is_empty() { Ok(true) } else { Err(invalid(name)) }
}

/// The role of an attribute, if it names one.
pub fn role<'a>(name: &str, value: &'a str) -> Option<&'a str> {
    Some(value).filter(|value| name.ends_with("RoleArn") && !value.is_empty())
}

/// Whether a topic asks how its deliveries by a protocol end.
pub fn is_wanted(attributes: &BTreeMap<String, String>, protocol: Protocol) -> bool {
    if attributes.is_empty() {
        return false;
    }
    let prefix = prefix(protocol);
    [SUCCESS, FAILURE].iter().any(|suffix| attributes.contains_key(&format!("{prefix}{suffix}")))
}

/// The role as which an end is written. Of successes only the sample is; `chance` is one of 0 to 99. Where no rate was
/// set, which the documentation does not tell of, all of them are.
pub fn role_for(
    attributes: &BTreeMap<String, String>,
    protocol: Protocol,
    taken: bool,
    chance: u64,
) -> Option<&String> {
    let prefix = prefix(protocol);
    if !taken {
        return attributes.get(&format!("{prefix}{FAILURE}"));
    }
    let rate = attributes.get(&format!("{prefix}{RATE}")).and_then(|rate| rate.parse().ok()).unwrap_or(100);
    attributes.get(&format!("{prefix}{SUCCESS}")).filter(|_| chance < rate)
}

/// What is known of a message at the end of its delivery: it travels behind the order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The message's id.
    pub id: String,
    /// When it was published.
    pub at: Time,
    /// Sum of what its receiver gets.
    pub md5: String,
}

impl Note {
    /// Of a message on its way by a protocol.
    pub fn new(id: &str, at: Time, publication: &Publication, protocol: Protocol) -> Self {
        Note { id: id.to_owned(), at, md5: md5(publication.message_for(protocol)) }
    }
}

/// The MD5 of a message, as hexadecimal digits.
pub fn md5(message: &str) -> String {
    hex::encode(Md5::digest(message.as_bytes()))
}

/// How a delivery ended.
pub struct End<'a> {
    /// The topic.
    pub topic: &'a TopicName,
    /// What it went to.
    pub protocol: Protocol,
    /// Where it went.
    pub destination: &'a str,
    /// The message.
    pub note: &'a Note,
    /// Tries.
    pub attempts: u32,
    /// Whether it was taken.
    pub taken: bool,
    /// The HTTP status of the receiver's answer; `None`: there was no answer.
    pub status: Option<u16>,
    /// What the receiver said.
    pub response: String,
}

impl End<'_> {
    /// The log group.
    pub fn group(&self) -> String {
        let TopicName { scope: Scope { region, account, .. }, name } = self.topic;
        format!("sns/{region}/{account}/{name}{}", if self.taken { "" } else { "/Failure" })
    }

    /// The line.
    pub fn line(&self, delivery: &str, now: Time) -> String {
        let mut told = json!({
            "deliveryId": delivery,
            "destination": self.destination,
            "providerResponse": self.response,
            "dwellTimeMs": now.millis().saturating_sub(self.note.at.millis()),
        });
        // Of functions there is none, as AWS's lines were recorded by LocalStack's `test_delivery_lambda`.
        if let (true, Json::Object(told)) = (self.protocol != Protocol::Lambda, &mut told) {
            told.insert("attempts".to_owned(), json!(self.attempts));
        }
        if let (Some(status), Json::Object(told)) = (self.status, &mut told) {
            told.insert("statusCode".to_owned(), json!(status));
        }
        json!({
            "notification": {
                "messageMD5Sum": self.note.md5,
                "messageId": self.note.id,
                "topicArn": self.topic.arn(),
                "timestamp": timestamp(self.note.at),
            },
            "delivery": told,
            "status": if self.taken { "SUCCESS" } else { "FAILURE" },
        })
        .to_string()
    }
}

fn timestamp(at: Time) -> String {
    let at = jiff::Timestamp::from_millisecond(at.millis()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%d %H:%M:%S.%3f").to_string()
}

/// What a receiver within said when it refused a delivery, as AWS's services say it, and its status.
pub fn refusal(why: &str) -> (String, u16) {
    let (code, message) = why.split_once(": ").unwrap_or(("", why));
    let status = match code {
        _ if code.contains("AccessDenied") => 403,
        _ if code.contains("NotFound") => 404,
        _ => 400,
    };
    (json!({ "ErrorCode": code, "ErrorMessage": message }).to_string(), status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn successes_are_sampled_and_failures_are_not() {
        let of = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let all = of(&[
            ("SQSSuccessFeedbackRoleArn", "s"),
            ("SQSSuccessFeedbackSampleRate", "30"),
            ("SQSFailureFeedbackRoleArn", "f"),
            ("LambdaSuccessFeedbackRoleArn", "l"),
        ]);
        let role = |protocol, taken, chance| role_for(&all, protocol, taken, chance).map(String::as_str);
        assert_eq!(role(Protocol::Sqs, true, 29), Some("s"));
        assert_eq!(role(Protocol::Sqs, true, 30), None);
        assert_eq!(role(Protocol::Sqs, false, 99), Some("f"));
        assert_eq!(role(Protocol::Lambda, true, 99), Some("l"));
        assert_eq!(role(Protocol::Lambda, false, 0), None);
        assert_eq!(role(Protocol::Http, true, 0), None);
        assert!(is_wanted(&all, Protocol::Lambda) && !is_wanted(&all, Protocol::Firehose));
    }

    #[test]
    fn attributes_are_checked() {
        let role = "arn:aws:iam::000000000000:role/r";
        assert!(check("HTTPSuccessFeedbackRoleArn", role).unwrap());
        assert!(check("SQSSuccessFeedbackSampleRate", "100").unwrap());
        assert!(check("SQSFailureFeedbackRoleArn", "").unwrap());
        assert!(!check("SMSSuccessFeedbackRoleArn", role).unwrap());
        assert!(!check("DisplayName", "x").unwrap());
        for (name, value) in [
            ("SQSSuccessFeedbackSampleRate", "101"),
            ("SQSSuccessFeedbackSampleRate", "x"),
            ("SQSSuccessFeedbackRoleArn", "x"),
        ] {
            assert_eq!(check(name, value).unwrap_err().code, "InvalidParameter");
        }
        assert_eq!(check("ApplicationSuccessFeedbackRoleArn", role).unwrap_err().code, "NotImplemented");
    }
}
