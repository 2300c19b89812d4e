//! Delivery policies: how often, and after which pauses, what an endpoint did not take is posted again.
//!
//! Source: <https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html>.

use ropeway_wire::Error;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::settings::invalid;

/// Most retries.
const MAX_RETRIES: u32 = 100;
/// Longest pause, and most of all pauses together, in seconds.
const MAX_SECS: f64 = 3600.0;

/// How pauses grow in the third phase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backoff {
    /// By equal steps.
    #[default]
    Linear,
    /// By steps that grow by equal steps.
    Arithmetic,
    /// By an equal factor.
    Geometric,
    /// By steps that double.
    Exponential,
}

/// `healthyRetryPolicy`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Retries {
    /// Shortest pause, in seconds.
    min_delay_target: u32,
    /// Longest pause, in seconds.
    max_delay_target: u32,
    /// All retries.
    num_retries: u32,
    /// Of them after the longest pause: the last phase.
    num_max_delay_retries: u32,
    /// Of them at once: the first phase.
    num_no_delay_retries: u32,
    /// Of them after the shortest pause: the second phase.
    num_min_delay_retries: u32,
    backoff_function: Backoff,
}

impl Default for Retries {
    fn default() -> Self {
        Retries {
            min_delay_target: 20,
            max_delay_target: 20,
            num_retries: 3,
            num_max_delay_retries: 0,
            num_no_delay_retries: 0,
            num_min_delay_retries: 0,
            backoff_function: Backoff::Linear,
        }
    }
}

impl Retries {
    /// The pause before a retry (the first is 1), in milliseconds; `None`: there are no more.
    pub fn pause(&self, retry: u32) -> Option<i64> {
        let (min, max) = (f64::from(self.min_delay_target), f64::from(self.max_delay_target));
        let second = self.num_no_delay_retries + self.num_min_delay_retries;
        let last = self.num_retries.saturating_sub(self.num_max_delay_retries);
        let secs = match retry {
            0 => return None,
            retry if retry > self.num_retries => return None,
            retry if retry <= self.num_no_delay_retries => 0.0,
            retry if retry <= second => min,
            retry if retry > last => max,
            retry => self.grown(min, max, f64::from(retry - second - 1), f64::from(last - second - 1)),
        };
        Some((secs * 1000.0) as i64)
    }

    /// A pause of the third phase: the `step`th of those from 0 to `steps`.
    fn grown(&self, min: f64, max: f64, step: f64, steps: f64) -> f64 {
        if steps <= 0.0 {
            return min;
        }
        let part = match self.backoff_function {
            Backoff::Linear => step / steps,
            Backoff::Arithmetic => step * (step + 1.0) / (steps * (steps + 1.0)),
            Backoff::Geometric => return min * (max / min).powf(step / steps),
            Backoff::Exponential => (step.exp2() - 1.0) / (steps.exp2() - 1.0),
        };
        min + (max - min) * part
    }

    fn check(&self) -> Result<(), Error> {
        let bad = |why: &str| Err(invalid(format_args!("DeliveryPolicy: {why}")));
        let phases = self.num_no_delay_retries + self.num_min_delay_retries + self.num_max_delay_retries;
        if !(1..=3600).contains(&self.min_delay_target) {
            return bad("minDelayTarget must be between 1 and maxDelayTarget");
        }
        if !(self.min_delay_target..=3600).contains(&self.max_delay_target) {
            return bad("maxDelayTarget must be greater than or equal to minDelayTarget and at most 3600");
        }
        if self.num_retries > MAX_RETRIES {
            return bad("numRetries must be less than or equal to 100");
        }
        if phases > self.num_retries {
            return bad("numRetries must be greater than or equal to the sum of the retries of the phases");
        }
        let all: i64 = (1..=self.num_retries).filter_map(|retry| self.pause(retry)).sum();
        if all as f64 > MAX_SECS * 1000.0 {
            return bad("the total delay of all retries must be at most 3600 seconds");
        }
        Ok(())
    }
}

/// `requestPolicy`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Requests {
    header_content_type: Option<String>,
}

/// `throttlePolicy`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Throttle {
    max_receives_per_second: Option<u32>,
}

/// A subscription's `DeliveryPolicy`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct OfSubscription {
    healthy_retry_policy: Option<Retries>,
    throttle_policy: Option<Throttle>,
    request_policy: Option<Requests>,
}

/// A topic's `DeliveryPolicy`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct OfTopic {
    http: OfHttp,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct OfHttp {
    default_healthy_retry_policy: Option<Retries>,
    disable_subscription_overrides: bool,
    default_throttle_policy: Option<Throttle>,
    default_request_policy: Option<Requests>,
}

/// Content types that endpoints may be given:
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html>, `headerContentType`.
const CONTENT_TYPES: &[&str] = &[
    "application/atom+xml",
    "application/json",
    "application/octet-stream",
    "application/soap+xml",
    "application/x-www-form-urlencoded",
    "application/xhtml+xml",
    "application/xml",
    "text/css",
    "text/csv",
    "text/html",
    "text/plain",
    "text/xml",
];

fn read<T: serde::de::DeserializeOwned + Default>(text: Option<&str>) -> Result<T, Error> {
    let Some(text) = text else { return Ok(T::default()) };
    // A list would be read as the members in their order.
    if !text.trim_start().starts_with('{') {
        return Err(invalid("DeliveryPolicy: failed to parse JSON."));
    }
    serde_json::from_str(text).map_err(|error| invalid(format_args!("DeliveryPolicy: {error}")))
}

fn check(
    retries: Option<&Retries>,
    throttle: Option<&Throttle>,
    requests: Option<&Requests>,
) -> Result<(), Error> {
    if throttle.is_some_and(|throttle| throttle.max_receives_per_second == Some(0)) {
        return Err(invalid("DeliveryPolicy: maxReceivesPerSecond must be greater than or equal to 1"));
    }
    let content_type = requests.and_then(|requests| requests.header_content_type.as_deref());
    let known = |kind: &str| {
        let plain = kind.split(';').next().unwrap_or_default().trim();
        CONTENT_TYPES.contains(&plain) && kind.chars().all(|c| c == ' ' || c.is_ascii_graphic())
    };
    if content_type.is_some_and(|kind| !known(kind)) {
        return Err(invalid("DeliveryPolicy: headerContentType"));
    }
    retries.map_or(Ok(()), Retries::check)
}

/// Checks a subscription's policy.
///
/// # Errors
/// `InvalidParameter`; the refusal of what is not implemented.
pub fn check_subscription(text: &str) -> Result<(), Error> {
    let OfSubscription { healthy_retry_policy, throttle_policy, request_policy } = read(Some(text))?;
    check(healthy_retry_policy.as_ref(), throttle_policy.as_ref(), request_policy.as_ref())
}

/// Checks a topic's policy.
///
/// # Errors
/// As of [`check_subscription`].
pub fn check_topic(text: &str) -> Result<(), Error> {
    let http = read::<OfTopic>(Some(text))?.http;
    let (throttle, requests) = (http.default_throttle_policy, http.default_request_policy);
    check(http.default_healthy_retry_policy.as_ref(), throttle.as_ref(), requests.as_ref())
}

/// What counts for a subscription, of its policy and its topic's.
pub struct Effective {
    /// When to try again.
    pub retries: Retries,
    /// `Content-Type`
    pub content_type: Option<String>,
    /// `maxReceivesPerSecond`
    pub per_second: Option<u32>,
}

/// What counts for a subscription. The policies were checked when they were set: one that cannot be read any more counts
/// as none.
pub fn effective(topic: Option<&str>, subscription: Option<&str>) -> Effective {
    let http = read::<OfTopic>(topic).unwrap_or_default().http;
    let own = match http.disable_subscription_overrides {
        true => OfSubscription::default(),
        false => read(subscription).unwrap_or_default(),
    };
    let requests = own.request_policy.or(http.default_request_policy).unwrap_or_default();
    let throttle = own.throttle_policy.or(http.default_throttle_policy).unwrap_or_default();
    Effective {
        retries: own.healthy_retry_policy.or(http.default_healthy_retry_policy).unwrap_or_default(),
        content_type: requests.header_content_type,
        per_second: throttle.max_receives_per_second,
    }
}

/// `EffectiveDeliveryPolicy` of a topic.
pub fn told_of_topic(topic: Option<&str>) -> String {
    let http = read::<OfTopic>(topic).unwrap_or_default().http;
    let Effective { retries, content_type, per_second } = effective(topic, None);
    let content_type = content_type.unwrap_or_else(|| "text/plain; charset=UTF-8".to_owned());
    let mut told = json!({
        "defaultHealthyRetryPolicy": retries,
        "disableSubscriptionOverrides": http.disable_subscription_overrides,
        "defaultRequestPolicy": { "headerContentType": content_type },
    });
    if let (Some(most), Some(told)) = (per_second, told.as_object_mut()) {
        told.insert("defaultThrottlePolicy".to_owned(), json!({ "maxReceivesPerSecond": most }));
    }
    json!({ "http": told }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(text: &str) -> Vec<i64> {
        let retries = effective(None, Some(&format!("{{\"healthyRetryPolicy\":{text}}}"))).retries;
        (1..).map_while(|retry| retries.pause(retry)).map(|millis| millis / 1000).collect()
    }

    #[test]
    fn retries_have_four_phases() {
        assert_eq!(pauses("{}"), [20, 20, 20]);
        let phases = "\"numNoDelayRetries\":2,\"numMinDelayRetries\":1,\"numMaxDelayRetries\":2,\"numRetries\":10,\"minDelayTarget\":10,\"maxDelayTarget\":50";
        let of = |function: &str| pauses(&format!("{{{phases},\"backoffFunction\":\"{function}\"}}"));
        assert_eq!(of("linear"), [0, 0, 10, 10, 20, 30, 40, 50, 50, 50]);
        assert_eq!(of("arithmetic"), [0, 0, 10, 10, 14, 22, 34, 50, 50, 50]);
        assert_eq!(of("geometric"), [0, 0, 10, 10, 14, 22, 33, 50, 50, 50]);
        assert_eq!(of("exponential"), [0, 0, 10, 10, 12, 18, 28, 50, 50, 50]);
    }

    #[test]
    fn policies_are_checked() {
        for wrong in [
            "[]",
            "{\"healthyRetryPolicy\":{\"numRetries\":101}}",
            "{\"healthyRetryPolicy\":{\"minDelayTarget\":0}}",
            "{\"healthyRetryPolicy\":{\"minDelayTarget\":30}}",
            "{\"healthyRetryPolicy\":{\"numNoDelayRetries\":4}}",
            "{\"healthyRetryPolicy\":{\"numRetries\":100,\"minDelayTarget\":60,\"maxDelayTarget\":60}}",
            "{\"healthyRetryPolicy\":{\"backoffFunction\":\"wild\"}}",
            "{\"throttlePolicy\":{\"maxReceivesPerSecond\":0}}",
            "{\"requestPolicy\":{\"headerContentType\":\"image/png\"}}",
            "{\"unknown\":1}",
        ] {
            assert!(check_subscription(wrong).is_err(), "{wrong}");
        }
        check_subscription("{\"requestPolicy\":{\"headerContentType\":\"application/json; charset=UTF-8\"}}")
            .unwrap();
        check_topic("{\"http\":{\"disableSubscriptionOverrides\":true}}").unwrap();
        let topic = "{\"http\":{\"disableSubscriptionOverrides\":true,\"defaultHealthyRetryPolicy\":{\"numRetries\":1}}}";
        let own = "{\"healthyRetryPolicy\":{\"numRetries\":5}}";
        assert_eq!(effective(Some(topic), Some(own)).retries.num_retries, 1);
        assert_eq!(effective(None, Some(own)).retries.num_retries, 5);
    }
}
