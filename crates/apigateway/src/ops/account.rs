//! GetAccount, UpdateAccount.

use ropeway_api::apigateway as api;
use ropeway_wire::{Cx, Error};

use super::{ApiGateway, Limits, checked, pass_role, scope, unexpected};
use crate::commands::{AccountChange, AccountOutput};
use crate::model::Account;

fn shown(account: Account, limits: Limits) -> api::Account {
    let throttle =
        api::ThrottleSettings { burst_limit: Some(i64::from(limits.burst)), rate_limit: Some(limits.rate) };
    api::Account {
        cloudwatch_role_arn: account.role,
        throttle_settings: Some(throttle),
        features: Some(vec!["UsagePlans".to_owned()]),
        api_key_version: Some("4".to_owned()),
    }
}

async fn run(gateway: &ApiGateway, cx: &Cx, change: AccountChange) -> Result<api::Account, Error> {
    match gateway.account(&cx.trace, &scope(cx), change).await? {
        AccountOutput::Account(account) => Ok(shown(account, gateway.limits)),
        _ => Err(unexpected()),
    }
}

pub async fn get_account(
    gateway: &ApiGateway,
    cx: &Cx,
    _input: api::GetAccountInput,
) -> Result<api::GetAccountOutput, Error> {
    run(gateway, cx, AccountChange::Read).await
}

pub async fn update_account(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::UpdateAccountInput,
) -> Result<api::UpdateAccountOutput, Error> {
    let patches = checked(input.patch_operations)?;
    for patch in patches.iter().filter(|patch| patch.path == "/cloudwatchRoleArn") {
        if let Some(role) = patch.optional().filter(|_| patch.op != "remove") {
            pass_role(cx, &role)?;
        }
    }
    run(gateway, cx, AccountChange::Patch(patches)).await
}
