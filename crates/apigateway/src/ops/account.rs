//! GetAccount, UpdateAccount.

use ropeway_api::apigateway as api;
use ropeway_wire::{Cx, Error};

use super::{ApiGateway, checked, pass_role, scope, unexpected};
use crate::commands::{AccountChange, AccountOutput};
use crate::model::Account;

/// Requests a second, and at once, of an account in a region:
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>.
const RATE: f64 = 10_000.0;
const BURST: i64 = 5_000;

fn shown(account: Account) -> api::Account {
    api::Account {
        cloudwatch_role_arn: account.role,
        throttle_settings: Some(api::ThrottleSettings { burst_limit: Some(BURST), rate_limit: Some(RATE) }),
        features: Some(vec!["UsagePlans".to_owned()]),
        api_key_version: Some("4".to_owned()),
    }
}

async fn run(gateway: &ApiGateway, cx: &Cx, change: AccountChange) -> Result<api::Account, Error> {
    match gateway.account(&cx.trace, &scope(cx), change).await? {
        AccountOutput::Account(account) => Ok(shown(account)),
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
