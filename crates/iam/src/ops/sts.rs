//! STS.

use std::sync::Arc;

use ropeway_api::sts::{self as api, Sts, error};
use ropeway_core::Core;
use ropeway_wire::{Cx, Error, PrincipalKind};

use crate::Access;
use crate::access::{KEY_PREFIX, Known, Token, session_arn};
use crate::limits;
use crate::policy::{Policy, PolicyKind};
use crate::root::new_key;

/// Seconds that a session lasts unless asked otherwise.
const SESSION: i64 = 3600;
/// Seconds that a session lasts at most when its maker is in a session of a role itself ("role chaining").
const CHAINED: i64 = 3600;

/// STS.
pub struct StsService {
    core: Core,
    access: Arc<Access>,
}

impl StsService {
    /// The service; sessions are kept nowhere but in their tokens.
    pub fn new(core: Core, access: Arc<Access>) -> Self {
        StsService { core, access }
    }

    /// The role to be assumed. The gate has decided by its trust policy already.
    fn role(&self, cx: &Cx, arn: &str) -> Result<Arc<Known>, Error> {
        if cx.principal.kind == PrincipalKind::Root {
            // "You cannot use AWS account root user credentials to call AssumeRole" (STS API reference).
            let (principal, action) = (cx.principal.arn.as_str(), "sts:AssumeRole");
            tracing::info!(principal, action, resource = arn, "denied: a root user assumes no role");
            return Err(denied("Roles may not be assumed by root accounts."));
        }
        self.access.role(arn).ok_or_else(|| {
            let caller = &cx.principal.arn;
            denied(format!("User: {caller} is not authorized to perform: sts:AssumeRole on resource: {arn}"))
        })
    }

    /// ARNs of the managed policies that narrow the session: of the role's account.
    fn session_policies(
        &self,
        role: &Known,
        given: Option<Vec<api::PolicyDescriptorType>>,
    ) -> Result<Vec<String>, Error> {
        let arns: Vec<String> =
            given.unwrap_or_default().into_iter().filter_map(|policy| policy.arn).collect();
        if arns.len() > limits::SESSION_POLICY_ARNS {
            let most = limits::SESSION_POLICY_ARNS;
            return Err(invalid(format!("A session takes at most {most} managed session policies.")));
        }
        let of_account = |arn: &&String| arn.split(':').nth(4) == Some(&role.account);
        for arn in &arns {
            if Some(arn).filter(of_account).and_then(|arn| self.access.policies.get(arn)).is_none() {
                return Err(invalid(format!("Policy {arn} does not exist or is not attachable.")));
            }
        }
        Ok(arns)
    }
}

fn denied(message: impl Into<String>) -> Error {
    Error::new(403, "AccessDenied", message)
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(400, "ValidationError", message)
}

/// Seconds that the session will last.
fn duration(cx: &Cx, role: &Known, asked: Option<i64>) -> Result<i64, Error> {
    let seconds = asked.unwrap_or(SESSION);
    if seconds > role.max_session() {
        return Err(invalid(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    let chained = matches!(cx.principal.kind, PrincipalKind::AssumedRole { .. });
    if chained && seconds > CHAINED {
        return Err(invalid(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining",
        ));
    }
    Ok(seconds)
}

fn check_session_policy(policy: Option<&str>) -> Result<(), Error> {
    let Some(policy) = policy else { return Ok(()) };
    if policy.chars().count() > limits::SESSION_POLICY {
        return Err(error::packed_policy_too_large_exception(format!(
            "The session policy is longer than {} characters.",
            limits::SESSION_POLICY
        )));
    }
    Policy::parse(policy, PolicyKind::Identity)
        .map(drop)
        .map_err(|error| error::malformed_policy_document_exception(error.to_string()))
}

/// Percent of the room for session policies that these take; `None` without any.
fn packed_size(policy: Option<&str>, arns: &[String]) -> Option<i64> {
    let held = policy.map_or(0, str::len) + arns.iter().map(String::len).sum::<usize>();
    let room = limits::SESSION_POLICY + limits::SESSION_POLICY_ARNS * 2048;
    (held > 0).then(|| i64::try_from((held * 100).div_ceil(room)).unwrap_or(100))
}

impl Sts for StsService {
    async fn get_caller_identity(
        &self,
        cx: &Cx,
        _input: api::GetCallerIdentityInput,
    ) -> Result<api::GetCallerIdentityOutput, Error> {
        if cx.principal.kind == PrincipalKind::Anonymous {
            let message = "Request is missing Authentication Token";
            return Err(Error::new(403, "MissingAuthenticationToken", message));
        }
        Ok(api::GetCallerIdentityOutput {
            user_id: Some(cx.principal.id.clone()),
            account: Some(cx.principal.account.clone()),
            arn: Some(cx.principal.arn.clone()),
        })
    }

    async fn assume_role(
        &self,
        cx: &Cx,
        input: api::AssumeRoleInput,
    ) -> Result<api::AssumeRoleOutput, Error> {
        let role = self.role(cx, &input.role_arn)?;
        let seconds = duration(cx, &role, input.duration_seconds)?;
        check_session_policy(input.policy.as_deref())?;
        let policy_arns = self.session_policies(&role, input.policy_arns)?;
        let packed_policy_size = packed_size(input.policy.as_deref(), &policy_arns);
        let (access_key, secret) = new_key(self.core.ids(), KEY_PREFIX);
        let assumed = api::AssumedRoleUser {
            assumed_role_id: format!("{}:{}", role.id, input.role_session_name),
            arn: session_arn(&role.account, &role.arn, &input.role_session_name),
        };
        let token = Token {
            secret: secret.clone(),
            account: role.account.clone(),
            role_arn: role.arn.clone(),
            role_id: role.id.clone(),
            session_name: input.role_session_name,
            issued: cx.now,
            expires: cx.now.plus_secs(seconds),
            policy: input.policy,
            policy_arns,
            access_key: access_key.clone(),
        };
        let credentials = api::Credentials {
            access_key_id: access_key,
            secret_access_key: secret,
            session_token: token.seal(&self.access.tokens, self.core.ids())?,
            expiration: token.expires,
        };
        Ok(api::AssumeRoleOutput {
            credentials: Some(credentials),
            assumed_role_user: Some(assumed),
            packed_policy_size,
            ..Default::default()
        })
    }
}
