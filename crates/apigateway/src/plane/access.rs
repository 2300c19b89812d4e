//! Who may call a method: IAM, Lambda authorisers, API keys, throttles.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use ropeway_core::Time;
use ropeway_core::keys::Scope;
use ropeway_wire::{AccessRequest, Cx, Keys, Listed, Principal};

use super::Plane;
use super::hit::Hit;
use super::refusal::Refusal;
use crate::commands::{AccountChange, AccountOutput};
use crate::keys::ApiName;
use crate::model::{Method, Throttle};

/// What a signature must be for.
const SERVICE: &str = "execute-api";
/// Buckets that are remembered; beyond, all are full again.
const MOST_BUCKETS: usize = 20_000;

/// Token buckets, by what they are for.
#[derive(Default)]
pub struct Buckets(Mutex<BTreeMap<String, (f64, Time)>>);

impl Buckets {
    /// Takes a token; false if there is none.
    pub fn take(&self, name: String, (rate, burst): (f64, u32), now: Time) -> bool {
        let burst = f64::from(burst);
        let mut buckets = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if buckets.len() >= MOST_BUCKETS && !buckets.contains_key(&name) {
            buckets.clear();
        }
        let (tokens, since) = buckets.get(&name).copied().unwrap_or((burst, now));
        let millis = now.millis().saturating_sub(since.millis()).max(0) as f64;
        let tokens = (tokens + rate * millis / 1000.0).min(burst);
        let taken = tokens >= 1.0;
        buckets.insert(name, (if taken { tokens - 1.0 } else { tokens }, now));
        taken
    }
}

fn throttled() -> Refusal {
    Refusal::new("THROTTLED", "TooManyRequestsException", "Too Many Requests")
}

/// The account's number in an ARN as API Gateway shows it: its last four digits.
fn masked(text: &str, account: &str) -> String {
    let shown = account.get(account.len().saturating_sub(4)..).unwrap_or_default();
    text.split(" on resource: ")
        .enumerate()
        .map(|(index, part)| match index {
            0 => part.to_owned(),
            _ => part.replacen(&format!(":{account}:"), &format!(":********{shown}:"), 1),
        })
        .collect::<Vec<_>>()
        .join(" on resource: ")
}

/// Makes a stage's resource policy known. `execute-api:/…` in it is short for the API's own ARN
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-resource-policies-create-attach.html>).
pub fn know_policy(cx: &Cx, api: &ApiName, stage: &str, policy: Option<&str>) {
    let arn = api.execute_arn();
    let whole = policy.map(|policy| policy.replace("\"execute-api:/", &format!("\"{arn}/")));
    cx.gate.set_resource_policy(&format!("{arn}/{stage}"), whole.as_deref());
}

/// Asks the policies whether a caller may call the method.
fn ask(hit: &Hit<'_>, cx: &Cx) -> Result<(), Refusal> {
    let (resource, keys) = (hit.method_arn(), Keys::default());
    let (resource, keys, listed) = (&resource, &keys, Listed::default());
    let asked = AccessRequest { cx, action: "execute-api:Invoke", resource, keys, listed };
    cx.gate.authorize(&asked).map_err(|why| {
        let why = masked(&why, &hit.served.name.scope.account);
        Refusal::new("ACCESS_DENIED", "AccessDeniedException", why)
    })
}

/// What the API's resource policy says of those who do not sign: without authorisation it must let everybody;
/// with an authoriser it must not deny
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-authorization-flow.html>).
fn let_in(hit: &Hit<'_>, principal: Principal) -> Result<(), Refusal> {
    if hit.served.definition.policy.is_none() {
        return Ok(());
    }
    let mut cx = hit.request.cx.clone();
    cx.principal = Arc::new(principal);
    ask(hit, &cx)
}

/// A method with IAM authorisation: a good signature, and policies that allow.
fn signed(hit: &mut Hit<'_>) -> Result<(), Refusal> {
    let request = hit.request;
    match &request.signed {
        None => return Err(Refusal::missing_token()),
        Some(Err(error)) => {
            let expired = error.code.contains("ExpiredToken") || error.message.contains("expired");
            let kind = if expired { "EXPIRED_TOKEN" } else { "INVALID_SIGNATURE" };
            return Err(Refusal::new(kind, error.code.to_string(), error.message.clone()));
        }
        Some(Ok(service)) if service != SERVICE => {
            let message = "Credential should be scoped to correct service: 'execute-api'.";
            return Err(Refusal::new("INVALID_SIGNATURE", "InvalidSignatureException", message));
        }
        Some(Ok(_)) => {}
    }
    hit.caller = Some(request.cx.principal.as_ref());
    ask(hit, &request.cx)
}

impl Plane {
    /// Whether the method may be called.
    pub async fn admit(&self, hit: &mut Hit<'_>, method: &Method) -> Result<(), Refusal> {
        let mut usage_key = None;
        match method.authorization_type.as_str() {
            "AWS_IAM" => signed(hit)?,
            "CUSTOM" => {
                let_in(hit, Principal::root(&hit.served.name.scope.account))?;
                usage_key = self.authorized(hit, method).await?;
            }
            _ => let_in(hit, Principal::anonymous())?,
        }
        if method.api_key_required {
            let by_header = hit.served.definition.api_key_source != "AUTHORIZER";
            let value = if by_header { hit.header("x-api-key").map(str::to_owned) } else { usage_key };
            self.keyed(hit, value).await?;
        }
        self.throttle_method(hit)?;
        self.throttle_account(hit)
    }

    /// What a throttle says, and where it says nothing, what holds of the whole account.
    pub fn limits(&self, given: &Throttle) -> (f64, u32) {
        let own = self.gateway.limits;
        (given.rate.unwrap_or(own.rate), given.burst.unwrap_or(own.burst))
    }

    /// What all requests of an account in a region share: whether there is some of it left.
    pub fn account_admits(&self, scope: &Scope, now: Time) -> bool {
        let name = format!("account/{}/{}", scope.account, scope.region);
        self.buckets.take(name, self.limits(&Throttle::default()), now)
    }

    fn throttle_account(&self, hit: &Hit<'_>) -> Result<(), Refusal> {
        match self.account_admits(&hit.served.name.scope, hit.request.cx.now) {
            true => Ok(()),
            false => Err(throttled()),
        }
    }

    /// What the stage says of the method, or of all.
    fn throttle_method(&self, hit: &Hit<'_>) -> Result<(), Refusal> {
        let key = hit.setting_key();
        let Some(found) = hit.settings() else { return Ok(()) };
        if found.rate.is_none() && found.burst.is_none() {
            return Ok(());
        }
        let limit = Throttle { burst: found.burst, rate: found.rate };
        let name = format!("stage/{}/{}/{key}", hit.served.name.id, hit.served.stage_name);
        match self.buckets.take(name, self.limits(&limit), hit.request.cx.now) {
            true => Ok(()),
            false => Err(throttled()),
        }
    }

    /// A key of a plan for this stage, within its throttles and its quota.
    async fn keyed(&self, hit: &mut Hit<'_>, value: Option<String>) -> Result<(), Refusal> {
        let value = value.filter(|value| !value.is_empty()).ok_or_else(Refusal::forbidden)?;
        let found = self.allowance(hit, &value, false).await?.ok_or_else(Refusal::forbidden)?;
        let now = hit.request.cx.now;
        let key = hit.setting_key();
        let of_method = found.stage.throttle.get(&key).cloned();
        let base = format!("plan/{}/{}", found.plan, found.key.id);
        let limits = [
            (
                format!("{base}/{}", hit.served.name.id),
                of_method.is_none().then_some(found.throttle).flatten(),
            ),
            (format!("{base}/{}/{key}", hit.served.name.id), of_method),
        ];
        for (name, limit) in limits {
            if limit.is_some_and(|limit| !self.buckets.take(name, self.limits(&limit), now)) {
                return Err(throttled());
            }
        }
        if found.has_quota {
            let counted = self.allowance(hit, &value, true).await?.ok_or_else(Refusal::forbidden)?;
            if !counted.within_quota {
                return Err(Refusal::new("QUOTA_EXCEEDED", "LimitExceededException", "Limit Exceeded"));
            }
        }
        hit.api_key = Some(found.key);
        Ok(())
    }

    async fn allowance(
        &self,
        hit: &Hit<'_>,
        value: &str,
        count: bool,
    ) -> Result<Option<Box<crate::commands::Allowance>>, Refusal> {
        let change = AccountChange::Admit {
            value: value.to_owned(),
            api: hit.served.name.id.clone(),
            stage: hit.served.stage_name.clone(),
            count,
        };
        let asked = self.gateway.account(&hit.request.cx.trace, &hit.served.name.scope, change).await;
        match asked {
            Ok(AccountOutput::Allowance(found)) => Ok(found),
            Ok(_) => Err(Refusal::configuration()),
            Err(error) => {
                tracing::warn!(api = hit.served.name.id, why = error.message, "a key could not be looked up");
                Err(Refusal::integration("Internal server error", 500))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_fill_with_time() {
        let buckets = Buckets::default();
        let take = |millis| buckets.take("a".to_owned(), (1.0, 2), Time(millis));
        assert_eq!(
            [take(0), take(0), take(0), take(999), take(1000), take(1001)],
            [true, true, false, false, true, false]
        );
        assert_eq!([take(10_000), take(10_000), take(10_000)], [true, true, false]);
        assert!(!buckets.take("b".to_owned(), (0.0, 0), Time(0)));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// Of requests that never cease, just as many pass as the rate says, and the burst once.
        #[test]
        fn throttles_let_pass_what_they_say(
            rate in 1.0..2_000.0f64, burst in 1u32..500, gaps in prop::collection::vec(1i64..50, 1..40),
        ) {
            let buckets = Buckets::default();
            let (mut now, mut passed) = (0, 0u32);
            for gap in gaps.iter().chain([&0]) {
                // More at every moment than could ever pass.
                while buckets.take("a".to_owned(), (rate, burst), Time(now)) {
                    passed += 1;
                }
                now += gap;
            }
            // What there was at the beginning, and what came since: each gap fills at most to the burst.
            let most = f64::from(burst) + rate * now as f64 / 1000.0;
            let filled = |gap: &i64| (rate * *gap as f64 / 1000.0).min(f64::from(burst) - 1.0);
            let least = f64::from(burst) + gaps.iter().map(filled).sum::<f64>() - 1.0;
            prop_assert!(f64::from(passed) <= most + 1e-6, "{} of {}", passed, most);
            prop_assert!(f64::from(passed) >= least.floor() - 1e-6, "{} of {}", passed, least);
        }
    }

    #[test]
    fn accounts_are_masked() {
        let text = "User: arn:aws:iam::123456789012:user/a is not authorized to perform: execute-api:Invoke on \
                    resource: arn:aws:execute-api:us-east-1:123456789012:x/dev/GET/";
        let shown = masked(text, "123456789012");
        assert!(
            shown.contains("iam::123456789012:user/a")
                && shown.ends_with("us-east-1:********9012:x/dev/GET/")
        );
    }
}
