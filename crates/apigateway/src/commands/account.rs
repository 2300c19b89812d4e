//! What belongs to the account: its settings, API keys, usage plans.

use std::collections::BTreeMap;

use ropeway_core::keys::Scope;
use ropeway_core::{Fault, Tx};
use ropeway_wire::Error;
use serde::{Deserialize, Serialize};

use super::{Moment, Usage, usage};
use crate::errors::{bad, conflict, missing, no_key, no_plan, unimplemented};
use crate::keys;
use crate::model::{Account, ApiKey, Plan, PlanStage, Quota, Texts, Throttle};
use crate::patch::Patch;

/// Rows that a list reads at once: the most that a page has.
const PAGE: usize = 500;
/// Plans that a key may belong to: <https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>.
const PLANS_OF_KEY: usize = 10;
/// Characters of a key's value.
const VALUE: std::ops::RangeInclusive<usize> = 20..=128;
/// Keys of a plan: what its row has room for.
const KEYS_OF_PLAN: usize = 1000;

/// A change of what belongs to an account, or what is read of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum AccountChange {
    /// Reads the settings.
    Read,
    /// Patches the settings.
    Patch(Vec<Patch>),
    /// Makes an API key; without a value it gets one.
    CreateKey(ApiKey),
    /// Reads an API key.
    Key(String),
    /// Reads API keys behind an id.
    Keys(Option<String>),
    /// Patches an API key.
    PatchKey(String, Vec<Patch>),
    /// Removes an API key, from its plans too.
    DeleteKey(String),
    /// Adds and removes tags of an API key.
    TagKey(String, Texts, Vec<String>),
    /// Makes a usage plan.
    CreatePlan(Plan),
    /// Reads a usage plan.
    Plan(String),
    /// Reads usage plans behind an id.
    Plans(Option<String>),
    /// Patches a usage plan.
    PatchPlan(String, Vec<Patch>),
    /// Removes a usage plan.
    DeletePlan(String),
    /// Adds and removes tags of a usage plan.
    TagPlan(String, Texts, Vec<String>),
    /// Adds an API key to a usage plan: the plan's id, the key's id.
    AddPlanKey(String, String),
    /// Takes an API key out of a usage plan: the plan's id, the key's id.
    RemovePlanKey(String, String),
    /// Finds the key of a value and its plan for a stage; counts a request against the quota, if asked to.
    Admit {
        /// the key's value
        value: String,
        /// the API's id
        api: String,
        /// the stage
        stage: String,
        /// count the request
        count: bool,
    },
    /// Reads what the keys of a usage plan used.
    Usage(String),
    /// Patches what a key of a usage plan has left: the plan's id, the key's id.
    PatchUsage(String, String, Vec<Patch>),
}

/// What the data plane learns of a key.
#[derive(Debug, Clone)]
pub struct Allowance {
    /// The key.
    pub key: ApiKey,
    /// The plan's id.
    pub plan: String,
    /// The plan's throttle.
    pub throttle: Option<Throttle>,
    /// What the plan says of the stage.
    pub stage: PlanStage,
    /// The plan has a quota.
    pub has_quota: bool,
    /// The quota allows the request that was counted.
    pub within_quota: bool,
}

/// What a command of the account answers.
#[derive(Debug, Clone)]
pub enum AccountOutput {
    /// nothing
    Nothing,
    /// the settings
    Account(Account),
    /// a key
    Key(Box<ApiKey>),
    /// keys, and whether there are more
    Keys(Vec<ApiKey>, bool),
    /// a plan
    Plan(Box<Plan>),
    /// plans, and whether there are more
    Plans(Vec<Plan>, bool),
    /// what a key may do; `None`: nothing
    Allowance(Option<Box<Allowance>>),
    /// a plan, and what its keys used
    Usage(Box<Plan>, BTreeMap<String, Usage>),
}

pub async fn apply(tx: &mut Tx, scope: &Scope, change: AccountChange) -> Result<AccountOutput, Error> {
    use AccountChange as C;
    match change {
        C::Read | C::Patch(_) => settings(tx, scope, change).await,
        C::CreateKey(_) | C::Key(_) | C::Keys(_) | C::PatchKey(..) | C::DeleteKey(_) | C::TagKey(..) => {
            api_keys(tx, scope, change).await
        }
        C::Admit { value, api, stage, count } => {
            let found = admit(tx, scope, &value, (&api, &stage), count).await?;
            Ok(AccountOutput::Allowance(found.map(Box::new)))
        }
        C::Usage(id) => {
            let found = plan(tx, scope, &id).await?;
            usage::read(tx, scope, found).await
        }
        C::PatchUsage(id, key, patches) => {
            let found = plan(tx, scope, &id).await?;
            usage::patch(tx, scope, found, &key, &patches).await
        }
        _ => plans(tx, scope, change).await,
    }
}

async fn settings(tx: &mut Tx, scope: &Scope, change: AccountChange) -> Result<AccountOutput, Error> {
    let mut account: Account = tx.read(&keys::account(scope)).await?.unwrap_or_default();
    if let AccountChange::Patch(patches) = change {
        for patch in patches {
            match patch.path.as_str() {
                "/cloudwatchRoleArn" => {
                    patch.only(&["add", "replace", "remove"])?;
                    account.role = patch.optional().filter(|_| patch.op != "remove");
                }
                path => {
                    return Err(bad(format!(
                        "Invalid patch path  '{path}' specified for op '{}'. Must be one of: \
                         [/cloudwatchRoleArn, /throttle/burstLimit, /throttle/rateLimit]",
                        patch.op
                    )));
                }
            }
        }
        tx.write(keys::account(scope), &account)?;
    }
    Ok(AccountOutput::Account(account))
}

async fn key(tx: &Tx, scope: &Scope, id: &str) -> Result<ApiKey, Error> {
    tx.read(&keys::api_key(scope, id)).await?.ok_or_else(no_key)
}

async fn api_keys(tx: &mut Tx, scope: &Scope, change: AccountChange) -> Result<AccountOutput, Error> {
    use AccountChange as C;
    match change {
        C::CreateKey(new) => create_key(tx, scope, new).await,
        C::Key(id) => Ok(AccountOutput::Key(Box::new(key(tx, scope, &id).await?))),
        C::Keys(after) => {
            let after = after.map(|id| keys::api_key(scope, &id));
            let page = tx.scan_prefix(&keys::api_keys(scope), after.as_ref(), PAGE).await?;
            let found: Result<_, _> = page.rows.iter().map(|(_, row)| postcard::from_bytes(row)).collect();
            Ok(AccountOutput::Keys(found.map_err(Fault::from)?, page.more))
        }
        C::PatchKey(id, patches) => {
            let mut found = key(tx, scope, &id).await?;
            patches.iter().try_for_each(|patch| patch_key(&mut found, patch))?;
            found.updated = tx.now();
            tx.write(keys::api_key(scope, &id), &found)?;
            Ok(AccountOutput::Key(Box::new(found)))
        }
        C::TagKey(id, add, gone) => {
            let mut found = key(tx, scope, &id).await?;
            found.tags.extend(add);
            found.tags.retain(|key, _| !gone.contains(key));
            tx.write(keys::api_key(scope, &id), &found)?;
            Ok(AccountOutput::Nothing)
        }
        C::DeleteKey(id) => {
            let found = key(tx, scope, &id).await?;
            for id in plans_of(tx, scope, &found.id).await? {
                leave(tx, scope, &id, &found.id).await?;
            }
            tx.delete(keys::key_value(scope, &found.value));
            tx.delete(keys::api_key(scope, &id));
            Ok(AccountOutput::Nothing)
        }
        _ => Ok(AccountOutput::Nothing),
    }
}

async fn create_key(tx: &mut Tx, scope: &Scope, mut new: ApiKey) -> Result<AccountOutput, Error> {
    let moment = Moment { now: tx.now(), ids: tx.ids() };
    new.id = moment.id(10);
    if new.value.is_empty() {
        new.value = moment.ids.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 40);
    }
    if new.value.len() < *VALUE.start() {
        return Err(bad("API Key value should be at least 20 characters"));
    }
    if new.value.len() > *VALUE.end() {
        return Err(bad("API Key value should be at most 128 characters"));
    }
    if tx.get(&keys::key_value(scope, &new.value)).await?.is_some() {
        return Err(conflict("API Key already exists"));
    }
    (new.created, new.updated) = (tx.now(), tx.now());
    tx.write(keys::key_value(scope, &new.value), &new.id)?;
    tx.write(keys::api_key(scope, &new.id), &new)?;
    Ok(AccountOutput::Key(Box::new(new)))
}

fn patch_key(key: &mut ApiKey, patch: &Patch) -> Result<(), Error> {
    if patch.path.starts_with("/stages") || patch.path.starts_with("/labels") {
        return Err(unimplemented(&patch.path));
    }
    patch.replaces(&["/description", "/enabled", "/name", "/customerId"])?;
    match patch.path.as_str() {
        "/description" => key.description = patch.optional(),
        "/enabled" => key.enabled = patch.flag(),
        "/name" => key.name = patch.optional(),
        _ => key.customer = patch.optional(),
    }
    Ok(())
}

async fn plan(tx: &Tx, scope: &Scope, id: &str) -> Result<Plan, Error> {
    tx.read(&keys::plan(scope, id)).await?.ok_or_else(no_plan)
}

/// Ids of a key's plans.
async fn plans_of(tx: &Tx, scope: &Scope, key: &str) -> Result<Vec<String>, Error> {
    let page = tx.scan_prefix(&keys::plans_of_key(scope, key), None, PLANS_OF_KEY).await?;
    let ids: Result<_, _> = page.rows.iter().map(|(_, row)| postcard::from_bytes(row)).collect();
    Ok(ids.map_err(Fault::from)?)
}

async fn leave(tx: &mut Tx, scope: &Scope, plan_id: &str, key: &str) -> Result<(), Error> {
    let mut found = plan(tx, scope, plan_id).await?;
    let before = found.keys.len();
    found.keys.retain(|one| one != key);
    if found.keys.len() == before {
        return Err(missing("Invalid Usage Plan Key specified"));
    }
    tx.delete(keys::plan_key(scope, key, plan_id));
    tx.delete(keys::usage(scope, plan_id, key));
    Ok(tx.write(keys::plan(scope, plan_id), &found)?)
}

async fn plans(tx: &mut Tx, scope: &Scope, change: AccountChange) -> Result<AccountOutput, Error> {
    use AccountChange as C;
    match change {
        C::CreatePlan(mut new) => {
            check_plan(&new)?;
            new.id = Moment { now: tx.now(), ids: tx.ids() }.id(6);
            tx.write(keys::plan(scope, &new.id), &new)?;
            Ok(AccountOutput::Plan(Box::new(new)))
        }
        C::Plan(id) => Ok(AccountOutput::Plan(Box::new(plan(tx, scope, &id).await?))),
        C::Plans(after) => {
            let after = after.map(|id| keys::plan(scope, &id));
            let page = tx.scan_prefix(&keys::plans(scope), after.as_ref(), PAGE).await?;
            let found: Result<_, _> = page.rows.iter().map(|(_, row)| postcard::from_bytes(row)).collect();
            Ok(AccountOutput::Plans(found.map_err(Fault::from)?, page.more))
        }
        C::PatchPlan(id, patches) => {
            let mut found = plan(tx, scope, &id).await?;
            patches.iter().try_for_each(|patch| patch_plan(&mut found, patch))?;
            check_plan(&found)?;
            tx.write(keys::plan(scope, &id), &found)?;
            Ok(AccountOutput::Plan(Box::new(found)))
        }
        C::TagPlan(id, add, gone) => {
            let mut found = plan(tx, scope, &id).await?;
            found.tags.extend(add);
            found.tags.retain(|key, _| !gone.contains(key));
            tx.write(keys::plan(scope, &id), &found)?;
            Ok(AccountOutput::Nothing)
        }
        C::DeletePlan(id) => delete_plan(tx, scope, &id).await,
        C::AddPlanKey(id, key) => add_plan_key(tx, scope, &id, &key).await,
        C::RemovePlanKey(id, key) => {
            leave(tx, scope, &id, &key).await?;
            Ok(AccountOutput::Nothing)
        }
        _ => Ok(AccountOutput::Nothing),
    }
}

async fn delete_plan(tx: &mut Tx, scope: &Scope, id: &str) -> Result<AccountOutput, Error> {
    let found = plan(tx, scope, id).await?;
    if let Some(stage) = found.stages.first() {
        let PlanStage { api, stage, .. } = stage;
        return Err(bad(format!(
            "Cannot delete Usage Plan {id} because it has associated API stages ({api}:{stage}). Remove \
             them first."
        )));
    }
    for key in found.keys.iter().take(KEYS_OF_PLAN) {
        tx.delete(keys::plan_key(scope, key, id));
        tx.delete(keys::usage(scope, id, key));
    }
    tx.delete(keys::plan(scope, id));
    Ok(AccountOutput::Nothing)
}

async fn add_plan_key(tx: &mut Tx, scope: &Scope, id: &str, key_id: &str) -> Result<AccountOutput, Error> {
    let mut found = plan(tx, scope, id).await?;
    let found_key = key(tx, scope, key_id).await?;
    if found.keys.iter().any(|one| one == key_id) {
        return Err(conflict("Usage Plan Key already exists"));
    }
    let of_key = plans_of(tx, scope, key_id).await?;
    for other in &of_key {
        let other = plan(tx, scope, other).await?;
        let same = |a: &PlanStage, b: &PlanStage| a.api == b.api && a.stage == b.stage;
        if let Some(stage) = found.stages.iter().find(|a| other.stages.iter().any(|b| same(a, b))) {
            return Err(conflict(format!(
                "Usage Plan {id} cannot be added because API Key {key_id} cannot reference multiple Usage \
                 Plans with the same api stage: {}:{}",
                stage.api, stage.stage
            )));
        }
    }
    if of_key.len() >= PLANS_OF_KEY || found.keys.len() >= KEYS_OF_PLAN {
        return Err(crate::errors::limit("Maximum number of Usage Plan Keys has been reached"));
    }
    found.keys.push(key_id.to_owned());
    tx.write(keys::plan(scope, id), &found)?;
    tx.write(keys::plan_key(scope, key_id, id), &id.to_owned())?;
    Ok(AccountOutput::Key(Box::new(found_key)))
}

/// What must hold of a plan.
fn check_plan(plan: &Plan) -> Result<(), Error> {
    if plan.name.is_empty() {
        return Err(bad("Usage Plan name cannot be blank"));
    }
    let Some(quota) = &plan.quota else { return Ok(()) };
    let period = match quota.period.as_str() {
        "DAY" => 0,
        "WEEK" => 6,
        "MONTH" => 27,
        _ => return Err(bad("Usage Plan quota period must be one of: [DAY, WEEK, MONTH]")),
    };
    if quota.offset > period {
        return Err(bad(format!(
            "Usage Plan quota offset must be between 0 and {period} for {}",
            quota.period
        )));
    }
    Ok(())
}

/// `<api>:<stage>`
fn stage_of(text: &str) -> Result<(String, String), Error> {
    let found = text.split_once(':').filter(|(api, stage)| !api.is_empty() && !stage.is_empty());
    let (api, stage) = found.ok_or_else(|| bad("Invalid API Stage specified"))?;
    Ok((api.to_owned(), stage.to_owned()))
}

fn patch_plan(plan: &mut Plan, patch: &Patch) -> Result<(), Error> {
    let parts = patch.parts();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let removes = patch.op == "remove";
    match parts.as_slice() {
        ["name"] => plan.name = patch.text(),
        ["description"] => plan.description = patch.optional().filter(|_| !removes),
        ["productCode"] => plan.product = patch.optional().filter(|_| !removes),
        ["throttle"] if removes => plan.throttle = None,
        ["throttle", setting] => throttle(plan.throttle.get_or_insert_default(), setting, patch)?,
        ["quota"] if removes => plan.quota = None,
        ["quota", setting] => quota(plan.quota.get_or_insert_default(), setting, patch)?,
        ["apiStages"] => {
            patch.only(&["add", "remove"])?;
            let (api, stage) = stage_of(&patch.text())?;
            let at = plan.stages.iter().position(|one| one.api == api && one.stage == stage);
            match (removes, at) {
                (false, None) => plan.stages.push(PlanStage { api, stage, ..PlanStage::default() }),
                (true, Some(at)) => drop(plan.stages.remove(at)),
                (false, Some(_)) => {}
                (true, None) => return Err(missing("Invalid API Stage specified")),
            }
        }
        ["apiStages", place, "throttle", rest @ ..] => {
            let (api, stage) = stage_of(place)?;
            let mut stages = plan.stages.iter_mut();
            let found = stages.find(|one| one.api == api && one.stage == stage);
            let found = found.ok_or_else(|| missing("Invalid API Stage specified"))?;
            match rest {
                [] if removes => found.throttle.clear(),
                [path, verb] if removes => drop(found.throttle.remove(&format!("{path}/{verb}"))),
                [path, verb, setting] => {
                    throttle(found.throttle.entry(format!("{path}/{verb}")).or_default(), setting, patch)?;
                }
                _ => return Err(patch.invalid()),
            }
        }
        _ => return Err(patch.invalid()),
    }
    Ok(())
}

fn throttle(throttle: &mut Throttle, setting: &str, patch: &Patch) -> Result<(), Error> {
    patch.only(&["add", "replace"])?;
    let invalid = |_| bad(format!("Invalid value for {}: {}", patch.path, patch.text()));
    match setting {
        "rateLimit" => {
            let rate: f64 = patch.text().parse().map_err(|_| invalid(()))?;
            throttle.rate = Some(rate).filter(|rate| rate.is_finite() && *rate >= 0.0);
        }
        "burstLimit" => throttle.burst = Some(patch.text().parse().map_err(|_| invalid(()))?),
        _ => return Err(patch.invalid()),
    }
    Ok(())
}

fn quota(quota: &mut Quota, setting: &str, patch: &Patch) -> Result<(), Error> {
    patch.only(&["add", "replace"])?;
    let number = || {
        patch.text().parse().map_err(|_| bad(format!("Invalid value for {}: {}", patch.path, patch.text())))
    };
    match setting {
        "limit" => quota.limit = number()?,
        "offset" => quota.offset = number()?,
        "period" => quota.period = patch.text(),
        _ => return Err(patch.invalid()),
    }
    Ok(())
}

/// Finds a key by its value, and the plan that lets it call a stage; counts the request.
async fn admit(
    tx: &mut Tx,
    scope: &Scope,
    value: &str,
    (api, stage): (&str, &str),
    counts: bool,
) -> Result<Option<Allowance>, Error> {
    let Some(id) = tx.read::<String>(&keys::key_value(scope, value)).await? else { return Ok(None) };
    let key = key(tx, scope, &id).await?;
    if !key.enabled {
        return Ok(None);
    }
    for id in plans_of(tx, scope, &key.id).await? {
        let plan = plan(tx, scope, &id).await?;
        let Some(at) = plan.stages.iter().find(|one| one.api == api && one.stage == stage) else { continue };
        let at = at.clone();
        let within_quota = match &plan.quota {
            Some(quota) if counts => usage::count(tx, scope, quota, &plan.id, &key.id).await?,
            _ => true,
        };
        let has_quota = plan.quota.is_some();
        let (plan, throttle) = (plan.id, plan.throttle);
        return Ok(Some(Allowance { key, plan, throttle, stage: at, has_quota, within_quota }));
    }
    Ok(None)
}
