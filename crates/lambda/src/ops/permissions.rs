//! AddPermission, RemovePermission, GetPolicy.

use ropeway_api::lambda as api;
use ropeway_wire::{Cx, Error};
use serde_json::{Map, Value as Json, json};

use super::{Lambda, named};
use crate::commands::{Command, Output};
use crate::engine::unexpected;
use crate::errors::{self, invalid};
use crate::model::{LATEST, Policy};

/// The principal of a statement: a service's host, an account, an ARN, or everybody.
pub fn principal(given: &str) -> Result<Json, Error> {
    let is_account = given.len() == 12 && given.bytes().all(|b| b.is_ascii_digit());
    if given == "*" {
        Ok(json!("*"))
    } else if is_account {
        Ok(json!({ "AWS": format!("arn:aws:iam::{given}:root") }))
    } else if given.starts_with("arn:") {
        Ok(json!({ "AWS": given }))
    } else if given.contains('.') {
        Ok(json!({ "Service": given }))
    } else {
        Err(invalid("The provided principal was invalid. Please check the principal and try again."))
    }
}

/// The conditions of a statement.
fn conditions(input: &api::AddPermissionInput) -> Map<String, Json> {
    let mut out = Map::new();
    let mut add = |operator: &str, key: &str, value: &str| {
        let entry = out.entry(operator.to_owned()).or_insert_with(|| json!({}));
        if let Json::Object(entry) = entry {
            entry.insert(key.to_owned(), json!(value));
        }
    };
    if let Some(account) = &input.source_account {
        add("StringEquals", "AWS:SourceAccount", account);
    }
    if let Some(auth) = &input.function_url_auth_type {
        add("StringEquals", "lambda:FunctionUrlAuthType", auth);
    }
    if let Some(via_url) = input.invoked_via_function_url {
        add("Bool", "lambda:InvokedViaFunctionUrl", if via_url { "true" } else { "false" });
    }
    if let Some(arn) = &input.source_arn {
        add("ArnLike", "AWS:SourceArn", arn);
    }
    out
}

pub async fn add_permission(
    lambda: &Lambda,
    cx: &Cx,
    input: api::AddPermissionInput,
) -> Result<api::AddPermissionOutput, Error> {
    let (name, qualifier) = named(cx, &input.function_name, input.qualifier.clone())?;
    if qualifier.as_deref() == Some(LATEST) {
        return Err(invalid("We currently do not support adding policies for $LATEST."));
    }
    if input.function_url_auth_type.is_some()
        && !matches!(input.action.as_str(), "lambda:InvokeFunctionUrl" | "lambda:*" | "*")
    {
        return Err(invalid("FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action"));
    }
    let conditions = conditions(&input);
    let mut statement = json!({
        "Sid": input.statement_id,
        "Effect": "Allow",
        "Principal": principal(&input.principal)?,
        "Action": input.action,
        "Resource": name.qualified(qualifier.as_deref()),
    });
    if let (false, Json::Object(statement)) = (conditions.is_empty(), &mut statement) {
        statement.insert("Condition".to_owned(), Json::Object(conditions));
    }
    let statement = statement.to_string();
    let command = Command::AddPermission {
        function: name.clone(),
        qualifier,
        id: input.statement_id,
        statement: statement.clone(),
        revision: input.revision_id,
    };
    lambda.submit(cx, &name, command).await?;
    Ok(api::AddPermissionOutput { statement: Some(statement) })
}

pub async fn remove_permission(
    lambda: &Lambda,
    cx: &Cx,
    input: api::RemovePermissionInput,
) -> Result<api::RemovePermissionOutput, Error> {
    let (name, qualifier) = named(cx, &input.function_name, input.qualifier)?;
    let command = Command::RemovePermission {
        function: name.clone(),
        qualifier,
        id: input.statement_id,
        revision: input.revision_id,
    };
    lambda.submit(cx, &name, command).await?;
    Ok(api::RemovePermissionOutput {})
}

pub async fn get_policy(
    lambda: &Lambda,
    cx: &Cx,
    input: api::GetPolicyInput,
) -> Result<api::GetPolicyOutput, Error> {
    let (name, qualifier) = named(cx, &input.function_name, input.qualifier)?;
    let command = Command::ReadPolicy { function: name.clone(), qualifier };
    match lambda.submit(cx, &name, command).await? {
        Output::Policy(policy) => {
            let (policy, revision_id) = shown(&policy)?;
            Ok(api::GetPolicyOutput { policy: Some(policy), revision_id: Some(revision_id) })
        }
        _ => Err(unexpected()),
    }
}

/// A policy and its revision; one without statements is none.
pub fn shown(policy: &Policy) -> Result<(String, String), Error> {
    if policy.statements.is_empty() {
        return Err(errors::no_resource());
    }
    Ok((policy.document(), policy.revision.clone()))
}
