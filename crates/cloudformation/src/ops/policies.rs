//! Stack policies.

use ropeway_api::cloudformation::*;
use ropeway_wire::{Cx, Error};

use super::{CloudFormation, source};
use crate::commands::Command;
use crate::error;
use crate::policy::{MAX_BYTES, StackPolicy};

/// The policy of a request: checked; none if it names none.
///
/// # Errors
/// `ValidationError` for both a body and a URL, for what cannot be read, and for what is no policy.
pub(super) async fn policy(
    service: &CloudFormation,
    cx: &Cx,
    body: Option<String>,
    url: Option<&str>,
) -> Result<Option<String>, Error> {
    let body = match (body, url) {
        (Some(_), Some(_)) => {
            return Err(error::validation("Specify only one of StackPolicyURL and StackPolicyBody."));
        }
        (None, Some(url)) => source::download(&service.services, cx, url).await?,
        (Some(body), None) => body,
        (None, None) => return Ok(None),
    };
    if body.len() > MAX_BYTES {
        return Err(error::validation(format!("Stack policy may not exceed {MAX_BYTES} bytes")));
    }
    StackPolicy::parse(&body)
        .map_err(|why| error::validation(format!("Error validating stack policy: {why}")))?;
    Ok(Some(body))
}

pub async fn set_stack_policy(
    service: &CloudFormation,
    cx: &Cx,
    input: SetStackPolicyInput,
) -> Result<SetStackPolicyOutput, Error> {
    let (stack, _) = service.stack_of(cx, &input.stack_name, error::stack_missing).await?;
    let given = policy(service, cx, input.stack_policy_body, input.stack_policy_url.as_deref()).await?;
    let given = given
        .ok_or_else(|| error::validation("You must specify either StackPolicyURL or StackPolicyBody."))?;
    service.on_stack(cx, &stack.key, Command::SetPolicy(stack.key.clone(), given)).await?;
    Ok(SetStackPolicyOutput {})
}

pub async fn get_stack_policy(
    service: &CloudFormation,
    cx: &Cx,
    input: GetStackPolicyInput,
) -> Result<GetStackPolicyOutput, Error> {
    let (stack, _) = service.stack_of(cx, &input.stack_name, error::stack_missing).await?;
    Ok(GetStackPolicyOutput { stack_policy_body: stack.policy })
}
