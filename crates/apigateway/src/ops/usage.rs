//! GetUsage, UpdateUsage.

use std::collections::BTreeMap;

use jiff::civil::Date;
use ropeway_api::apigateway as api;
use ropeway_wire::{Cx, Error};

use super::{ApiGateway, checked, page, scope, unexpected};
use crate::commands::{AccountChange, AccountOutput, Usage, day_of};
use crate::errors::bad;
use crate::model::Plan;

/// Days that are told of: "usage data for the last 90 days"
/// (<https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-usage-plans-with-rest-api.html>).
pub const DAYS: i64 = 90;

/// A date's day since 1970-01-01.
fn day(text: &str) -> Result<i64, Error> {
    let date: Date =
        text.parse().map_err(|_| bad(format!("Invalid date {text}: it must be like 2016-01-01")))?;
    Ok(i64::from(date.since(Date::constant(1970, 1, 1)).map(|span| span.get_days()).unwrap_or_default()))
}

/// Requests used and left of each day.
fn days(plan: &Plan, usage: &Usage, days: std::ops::RangeInclusive<i64>) -> Vec<Vec<i64>> {
    let Some(quota) = &plan.quota else { return Vec::new() };
    let mut left = None;
    let of_day = |day: i64| {
        let known = usage.days.get(&day);
        // Before what is known of a period, all of it is left; after, what the last day left.
        if day == usage.period_of(quota, day) {
            left = None;
        }
        left = known.map(|known| known.left).or(left);
        let used = known.map_or(0, |known| i64::from(known.used));
        vec![used, left.unwrap_or(i64::from(quota.limit))]
    };
    days.map(of_day).collect()
}

async fn usage(
    gateway: &ApiGateway,
    cx: &Cx,
    change: AccountChange,
) -> Result<(Plan, BTreeMap<String, Usage>), Error> {
    match gateway.account(&cx.trace, &scope(cx), change).await? {
        AccountOutput::Usage(plan, usage) => Ok((*plan, usage)),
        _ => Err(unexpected()),
    }
}

pub async fn get_usage(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetUsageInput,
) -> Result<api::GetUsageOutput, Error> {
    let (first, last) = (day(&input.start_date)?, day(&input.end_date)?);
    if last < first {
        return Err(bad("The end date must not be before the start date"));
    }
    if last - first >= DAYS {
        return Err(bad(format!("Usage can be asked for of at most {DAYS} days")));
    }
    let (plan, all) = usage(gateway, cx, AccountChange::Usage(input.usage_plan_id.clone())).await?;
    let is_meant = |key: &String| input.key_id.as_ref().is_none_or(|wanted| wanted == key);
    let found = all.iter().filter(|(key, _)| is_meant(key));
    let found = found.map(|(key, usage)| (key.clone(), (key.clone(), days(&plan, usage, first..=last))));
    let (items, position) = page(found, input.position.as_deref(), input.limit)?;
    Ok(api::GetUsageOutput {
        usage_plan_id: Some(input.usage_plan_id),
        start_date: Some(input.start_date),
        end_date: Some(input.end_date),
        position,
        items: Some(items.into_iter().collect()),
    })
}

/// A number of requests that are left from now on, in this period.
pub async fn update_usage(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::UpdateUsageInput,
) -> Result<api::UpdateUsageOutput, Error> {
    let change = AccountChange::PatchUsage(
        input.usage_plan_id.clone(),
        input.key_id.clone(),
        checked(input.patch_operations)?,
    );
    let (plan, all) = usage(gateway, cx, change).await?;
    let today = day_of(cx.now);
    let date = Date::constant(1970, 1, 1)
        .checked_add(jiff::Span::new().days(today))
        .map_err(|_| bad("The date is out of range"))?
        .to_string();
    let items = all.into_iter().map(|(key, usage)| (key, days(&plan, &usage, today..=today))).collect();
    Ok(api::UpdateUsageOutput {
        usage_plan_id: Some(input.usage_plan_id),
        start_date: Some(date.clone()),
        end_date: Some(date),
        position: None,
        items: Some(items),
    })
}
