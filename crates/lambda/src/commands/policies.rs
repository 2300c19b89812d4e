//! Resource policies: of functions, of their versions and aliases.

use ropeway_core::{Fault, Tx};
use ropeway_wire::Error;

use super::functions::version;
use super::{Command, LambdaMachine, Output, check_revision, function};
use crate::keys::{FunctionName, is_number};
use crate::model::{Alias, Function, Policy};
use crate::{errors, limits};

/// Adds a statement to a policy.
pub fn add_statement(
    policy: &mut Policy,
    id: String,
    statement: String,
    revision: String,
) -> Result<(), Error> {
    if policy.statements.iter().any(|(known, _)| *known == id) {
        return Err(errors::conflict(format!(
            "The statement id ({id}) provided already exists. Please provide a new statement id, or remove the existing statement."
        )));
    }
    policy.statements.push((id, statement));
    policy.revision = revision;
    let bytes = policy.document().len();
    if bytes > limits::POLICY {
        let most = limits::POLICY;
        return Err(ropeway_api::lambda::error::policy_length_exceeded_exception(format!(
            "The final policy size ({bytes}) is bigger than the limit ({most})."
        ))
        .with_member("Type", "User"));
    }
    Ok(())
}

/// Removes a statement from a policy.
pub fn remove_statement(policy: &mut Policy, id: &str, revision: String) -> Result<(), Error> {
    let before = policy.statements.len();
    policy.statements.retain(|(known, _)| known != id);
    if policy.statements.len() == before {
        return Err(errors::not_found(format!("Statement {id} is not found in resource policy.")));
    }
    policy.revision = revision;
    Ok(())
}

impl LambdaMachine {
    pub(super) async fn apply_policy(&mut self, tx: &mut Tx, command: Command) -> Result<Output, Error> {
        match command {
            Command::AddPermission { function: name, qualifier, id, statement, revision } => {
                let (of, mut policy) = read(tx, &name, qualifier.as_deref()).await?;
                check_revision(revision.as_deref(), &policy.revision)?;
                add_statement(&mut policy, id, statement, tx.ids().uuid())?;
                self.set_policy(tx, &name, &of, qualifier.as_deref(), policy)
            }
            Command::RemovePermission { function: name, qualifier, id, revision } => {
                let (of, mut policy) = read(tx, &name, qualifier.as_deref()).await?;
                if policy.statements.is_empty() {
                    return Err(errors::not_found("No policy is associated with the given resource."));
                }
                check_revision(revision.as_deref(), &policy.revision)?;
                remove_statement(&mut policy, &id, tx.ids().uuid())?;
                self.set_policy(tx, &name, &of, qualifier.as_deref(), policy)
            }
            Command::ReadPolicy { function: name, qualifier } => {
                let (_, policy) = read(tx, &name, qualifier.as_deref()).await?;
                Ok(Output::Policy(policy))
            }
            _ => Err(Error::internal("a command of another kind")),
        }
    }

    /// Writes a policy, and makes it known to the gate once that is durable.
    fn set_policy(
        &mut self,
        tx: &mut Tx,
        name: &FunctionName,
        of: &Function,
        qualifier: Option<&str>,
        policy: Policy,
    ) -> Result<Output, Error> {
        let key = name.policy(of.generation, qualifier.unwrap_or_default());
        let document = (!policy.statements.is_empty()).then(|| policy.document());
        match document {
            Some(_) => tx.write(key, &policy)?,
            None => tx.delete(key),
        }
        self.tell_gate(tx, name.qualified(qualifier), document);
        Ok(Output::Policy(policy))
    }

    pub(super) fn tell_gate(&self, tx: &mut Tx, arn: String, document: Option<String>) {
        let gate = std::sync::Arc::clone(&self.gate);
        tx.after_commit(move || gate.set_resource_policy(&arn, document.as_deref()));
    }

    /// Removes the policy of a version or an alias that goes.
    pub(super) async fn remove_policy(
        &mut self,
        tx: &mut Tx,
        name: &FunctionName,
        of: &Function,
        qualifier: &str,
    ) -> Result<(), Fault> {
        let key = name.policy(of.generation, qualifier);
        if tx.get(&key).await?.is_some() {
            tx.delete(key);
            self.tell_gate(tx, name.qualified(Some(qualifier)), None);
        }
        Ok(())
    }

    /// The policy of a function that is gone is known no more, unless a new one of its name has its own.
    pub(super) async fn forget_policy(
        &mut self,
        tx: &mut Tx,
        name: &FunctionName,
        now: Option<&Function>,
        qualifier: &str,
    ) -> Result<(), Fault> {
        if let Some(now) = now
            && tx.get(&name.policy(now.generation, qualifier)).await?.is_some()
        {
            return Ok(());
        }
        let arn = name.qualified(Some(qualifier).filter(|qualifier| !qualifier.is_empty()));
        self.tell_gate(tx, arn, None);
        Ok(())
    }
}

/// The policy of a qualifier that must be there; an empty one where there is none.
async fn read(tx: &Tx, name: &FunctionName, qualifier: Option<&str>) -> Result<(Function, Policy), Error> {
    let of = function(tx, name).await?;
    check_qualifier(tx, name, &of, qualifier).await?;
    let key = name.policy(of.generation, qualifier.unwrap_or_default());
    let policy = tx.read(&key).await?.unwrap_or_default();
    Ok((of, policy))
}

/// A qualifier names a version or an alias that is there.
pub async fn check_qualifier(
    tx: &Tx,
    name: &FunctionName,
    of: &Function,
    qualifier: Option<&str>,
) -> Result<(), Error> {
    let Some(qualifier) = qualifier else { return Ok(()) };
    if qualifier == crate::model::LATEST || is_number(qualifier) {
        let found = version(tx, name, of, qualifier).await?;
        return found.map(drop).ok_or_else(|| errors::no_function(&name.qualified(Some(qualifier))));
    }
    let alias: Option<Alias> = tx.read(&name.alias(of.generation, qualifier)).await?;
    alias.map(drop).ok_or_else(|| errors::no_alias(name, qualifier))
}
