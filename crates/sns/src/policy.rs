//! Topic policies: the one a topic begins with, checks, and the statements of `AddPermission`.

use serde_json::{Map, Value as Json, json};

/// Largest policy, in bytes: <https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-language-api-permissions-reference.html>.
const MAX_BYTES: usize = 30 * 1024;
/// What a topic's policy may allow; `*` and other patterns aside.
const ACTIONS: &[&str] = &[
    "addpermission",
    "deletetopic",
    "getdataprotectionpolicy",
    "gettopicattributes",
    "listsubscriptionsbytopic",
    "listtagsforresource",
    "publish",
    "putdataprotectionpolicy",
    "removepermission",
    "settopicattributes",
    "subscribe",
];

/// The policy that a topic has when none was given: its owner's account may use it.
pub fn default_policy(arn: &str, account: &str) -> String {
    let actions = [
        "SNS:GetTopicAttributes",
        "SNS:SetTopicAttributes",
        "SNS:AddPermission",
        "SNS:RemovePermission",
        "SNS:DeleteTopic",
        "SNS:Subscribe",
        "SNS:ListSubscriptionsByTopic",
        "SNS:Publish",
    ];
    json!({
        "Version": "2008-10-17",
        "Id": "__default_policy_ID",
        "Statement": [{
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": { "AWS": "*" },
            "Action": actions,
            "Resource": arn,
            "Condition": { "StringEquals": { "AWS:SourceOwner": account } },
        }],
    })
    .to_string()
}

/// Checks the form of a policy. `Err`: what is wrong with it.
pub fn check(text: &str) -> Result<(), &'static str> {
    if text.len() > MAX_BYTES {
        return Err("Policy Error: policy is too large");
    }
    let policy: Map<String, Json> = serde_json::from_str(text).map_err(|_| "Policy Error: null")?;
    let version = policy.get("Version").map_or(Some("2008-10-17"), Json::as_str);
    if !matches!(version, Some("2008-10-17" | "2012-10-17")) {
        return Err("Policy Error: Invalid policy version");
    }
    let statements = match policy.get("Statement") {
        Some(Json::Array(statements)) if !statements.is_empty() => statements.as_slice(),
        Some(one @ Json::Object(_)) => std::slice::from_ref(one),
        _ => return Err("Policy Error: Policy statement must not be empty"),
    };
    statements.iter().try_for_each(check_statement)
}

fn check_statement(statement: &Json) -> Result<(), &'static str> {
    let has = |a: &str, b: &str| statement.get(a).is_some() != statement.get(b).is_some();
    if !matches!(statement.get("Effect").and_then(Json::as_str), Some("Allow" | "Deny")) {
        return Err("Policy Error: Policy statement effect must be Allow or Deny");
    }
    if !has("Principal", "NotPrincipal") || !has("Action", "NotAction") || !has("Resource", "NotResource") {
        return Err("Policy Error: Policy statement must have a principal, an action and a resource");
    }
    let action = statement.get("Action").or(statement.get("NotAction"));
    let in_scope = |action: &Json| action.as_str().is_some_and(is_action);
    let sound = match action {
        Some(Json::Array(actions)) => !actions.is_empty() && actions.iter().all(in_scope),
        Some(one) => in_scope(one),
        None => false,
    };
    if sound { Ok(()) } else { Err("Policy statement action out of service scope!") }
}

fn is_action(action: &str) -> bool {
    if action == "*" {
        return true;
    }
    let lower = action.to_ascii_lowercase();
    let Some(name) = lower.strip_prefix("sns:") else { return false };
    name.contains(['*', '?']) || ACTIONS.contains(&name)
}

/// Adds a statement that lets accounts call actions. `Err`: what is wrong with it.
pub fn add(
    policy: &str,
    arn: &str,
    label: &str,
    accounts: &[String],
    actions: &[String],
) -> Result<String, String> {
    let mut policy = parse(policy);
    let statements = statements(&mut policy);
    if statements.iter().any(|s| s.get("Sid").and_then(Json::as_str) == Some(label)) {
        return Err("Statement already exists".to_owned());
    }
    if !actions.iter().all(|action| is_action(&format!("SNS:{action}"))) || actions.is_empty() {
        return Err("Policy statement action out of service scope!".to_owned());
    }
    let principals = accounts.iter().map(|a| Json::String(format!("arn:aws:iam::{a}:root"))).collect();
    let actions = actions.iter().map(|a| Json::String(format!("SNS:{a}"))).collect();
    statements.push(json!({
        "Sid": label,
        "Effect": "Allow",
        "Principal": { "AWS": one_or_all(principals) },
        "Action": one_or_all(actions),
        "Resource": arn,
    }));
    let policy = Json::Object(policy).to_string();
    if policy.len() > MAX_BYTES { Err("Policy Error: policy is too large".to_owned()) } else { Ok(policy) }
}

/// Removes the statement of a label, where there is one.
pub fn remove(policy: &str, label: &str) -> String {
    let mut policy = parse(policy);
    statements(&mut policy).retain(|s| s.get("Sid").and_then(Json::as_str) != Some(label));
    Json::Object(policy).to_string()
}

/// Whether two texts say the same in JSON.
pub fn same(a: &str, b: &str) -> bool {
    let parse = |text: &str| serde_json::from_str::<Json>(text).ok();
    a == b || parse(a).is_some_and(|a| Some(a) == parse(b))
}

fn parse(policy: &str) -> Map<String, Json> {
    serde_json::from_str(policy).unwrap_or_default()
}

/// The statements of a policy, as an array even where it had but one.
fn statements(policy: &mut Map<String, Json>) -> &mut Vec<Json> {
    let entry = policy.entry("Statement").or_insert_with(|| Json::Array(Vec::new()));
    if !entry.is_array() {
        *entry = Json::Array(vec![entry.take()]);
    }
    match entry {
        Json::Array(statements) => statements,
        _ => unreachable!("it has just been made an array"),
    }
}

fn one_or_all(mut values: Vec<Json>) -> Json {
    match values.len() {
        1 => values.remove(0),
        _ => Json::Array(values),
    }
}
