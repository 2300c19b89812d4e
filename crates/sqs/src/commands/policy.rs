//! `AddPermission` and `RemovePermission`: the queue's policy, edited as SQS does.

use ropeway_api::sqs::error;
use ropeway_core::Tx;
use ropeway_wire::Error;
use serde_json::{Map, Value, json};

use super::queue::Queue;
use super::{Output, SqsError};
use crate::{Setup, limits};

impl Queue {
    /// Adds a statement.
    pub(super) fn add_permission(
        &mut self,
        tx: &mut Tx,
        setup: &Setup,
        label: &str,
        accounts: &[String],
        actions: &[String],
    ) -> Result<Output, SqsError> {
        let mut policy = self.policy()?;
        let statements = statements(&mut policy);
        if statements.iter().any(|statement| has_label(statement, label)) {
            return Err(limits::invalid_value(label, "Label", "Already exists.").into());
        }
        if statements.len() >= limits::POLICY_STATEMENTS {
            let most = limits::POLICY_STATEMENTS;
            return Err(error::over_limit(format!(
                "The policy has {most} statements, as many as it may have."
            ))
            .into());
        }
        let principals = accounts.iter().map(|account| format!("arn:aws:iam::{account}:root")).collect();
        let actions = actions.iter().map(|action| format!("SQS:{action}")).collect();
        statements.push(json!({
            "Sid": label,
            "Effect": "Allow",
            "Principal": { "AWS": one_or_many(principals) },
            "Action": one_or_many(actions),
            "Resource": &*self.arn,
        }));
        self.set_policy(tx, setup, Some(policy))
    }

    /// Removes a statement.
    pub(super) fn remove_permission(
        &mut self,
        tx: &mut Tx,
        setup: &Setup,
        label: &str,
    ) -> Result<Output, SqsError> {
        let mut policy = self.policy()?;
        let statements = statements(&mut policy);
        let before = statements.len();
        statements.retain(|statement| !has_label(statement, label));
        if statements.len() == before {
            let reason = "can't find label.";
            return Err(limits::invalid_value(label, "Label", reason).into());
        }
        let policy = (!statements.is_empty()).then_some(policy);
        self.set_policy(tx, setup, policy)
    }

    /// The policy as it is, or one without statements.
    fn policy(&self) -> Result<Map<String, Value>, Error> {
        let Some(text) = &self.row.settings.policy else {
            let id = format!("{}/SQSDefaultPolicy", self.arn);
            return Ok(Map::from_iter([
                ("Version".to_owned(), json!("2012-10-17")),
                ("Id".to_owned(), json!(id)),
                ("Statement".to_owned(), json!([])),
            ]));
        };
        serde_json::from_str(text).map_err(|_| Error::internal("the queue's policy is no JSON object"))
    }

    fn set_policy(
        &mut self,
        tx: &mut Tx,
        setup: &Setup,
        policy: Option<Map<String, Value>>,
    ) -> Result<Output, SqsError> {
        let mut settings = self.row.settings.clone();
        let text = policy.map(|policy| Value::Object(policy).to_string()).unwrap_or_default();
        settings.set("Policy", &text)?;
        self.change_settings(tx, setup, settings)
    }
}

/// The statements, as a list; a policy may have a single one.
fn statements(policy: &mut Map<String, Value>) -> &mut Vec<Value> {
    let entry = policy.entry("Statement").or_insert_with(|| json!([]));
    if !entry.is_array() {
        *entry = json!([entry.take()]);
    }
    match entry {
        Value::Array(statements) => statements,
        _ => unreachable!("it was made a list just now"),
    }
}

fn has_label(statement: &Value, label: &str) -> bool {
    statement.get("Sid").and_then(Value::as_str) == Some(label)
}

fn one_or_many(mut texts: Vec<String>) -> Value {
    match texts.len() {
        1 => json!(texts.pop()),
        _ => json!(texts),
    }
}
