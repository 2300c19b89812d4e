//! Creating, updating and deleting stacks.

use ropeway_api::cloudformation::*;
use ropeway_core::{Time, directory};
use ropeway_wire::{Cx, Error};

use super::nested_sets::discard_others;
use super::policies::policy;
use super::request::{Asked, check_name, define, on_failure, operation};
use super::{CloudFormation, scope, source};
use crate::commands::{Command, Output as Answered};
use crate::error;
use crate::keys::{self, StackKey};
use crate::model::{Definition, OnFailure, Operation, OperationKind, Stack as StackRow, Told};

/// A stack that is about to be made.
pub(crate) fn blank(service: &CloudFormation, cx: &Cx, name: &str) -> StackRow {
    StackRow {
        key: StackKey { scope: scope(cx), name: name.to_owned(), id: service.core.ids().uuid() },
        status: String::new(),
        reason: None,
        created: Time::default(),
        updated: None,
        deleted: None,
        disable_rollback: false,
        timeout_minutes: None,
        protected: false,
        role_arn: None,
        change_set: None,
        token: None,
        events: 0,
        parent: None,
        root: None,
        depth: 0,
        policy: None,
        told: Told::default(),
    }
}

/// Shows a stack in the list of stacks at once; the outbox does so too.
pub(crate) async fn enlist(service: &CloudFormation, cx: &Cx, key: &StackKey) -> Result<(), Error> {
    let found = service.on_stack(cx, key, Command::Describe(key.clone())).await?;
    let Answered::Stack(found) = found else { return Err(error::unexpected()) };
    let name = keys::stacks_entry(found.0.created, key);
    let list = keys::stacks_list(&key.scope);
    service.list(cx, directory::Command::Add { list, name, value: Vec::new() }).await?;
    Ok(())
}

fn started(answered: Answered) -> Result<StackKey, Error> {
    match answered {
        Answered::Started(key) => Ok(key),
        _ => Err(error::unexpected()),
    }
}

pub async fn create_stack(
    service: &CloudFormation,
    cx: &Cx,
    input: CreateStackInput,
) -> Result<CreateStackOutput, Error> {
    check_name(&input.stack_name)?;
    let disable_rollback = disables_rollback(input.disable_rollback, input.deployment_config.as_ref());
    if disable_rollback.is_some() && input.on_failure.is_some() {
        return Err(error::validation("You can specify either DisableRollback or OnFailure, but not both."));
    }
    let body =
        source::template(&service.services, cx, input.template_body, input.template_url.as_deref()).await?;
    let body = body.ok_or_else(no_template)?;
    let mut stack = blank(service, cx, &input.stack_name);
    let capabilities = input.capabilities.unwrap_or_default();
    let (parameters, tags) = (input.parameters, input.tags);
    let (notifications, types) = (input.notification_ar_ns, input.resource_types);
    let before = None;
    let (expands, foresees) = (true, false);
    let asked =
        Asked { body, parameters, tags, capabilities, notifications, types, before, expands, foresees };
    let definition = define(service, cx, &stack.key, asked).await?.whole()?;
    let id = service.core.ids().uuid();
    let role = input.role_arn.clone();
    let mut operation = operation(cx, id, OperationKind::Create, role, input.client_request_token)?;
    let disabled = disable_rollback.unwrap_or(false);
    let asked = on_failure(input.on_failure.as_deref());
    operation.on_failure = asked.unwrap_or(if disabled { OnFailure::DoNothing } else { OnFailure::Rollback });
    operation.deadline = deadline(cx, input.timeout_in_minutes)?;
    operation.retain_except_on_create = input.retain_except_on_create.unwrap_or(false);
    stack.policy = policy(service, cx, input.stack_policy_body, input.stack_policy_url.as_deref()).await?;
    stack.disable_rollback = operation.on_failure == OnFailure::DoNothing;
    stack.timeout_minutes = input.timeout_in_minutes;
    stack.protected = input.enable_termination_protection.unwrap_or(false);
    stack.role_arn = input.role_arn;
    let key = stack.key.clone();
    let command = Command::Create(Box::new(stack), Box::new(definition), Box::new(operation));
    let key = started(service.on_stack(cx, &key, command).await?)?;
    enlist(service, cx, &key).await?;
    Ok(CreateStackOutput { stack_id: Some(key.arn()), operation_id: None })
}

/// Whether a failure leaves what there is, which a request may say in two places; none: it says nothing.
pub(super) fn disables_rollback(own: Option<bool>, config: Option<&DeploymentConfig>) -> Option<bool> {
    own.or_else(|| config.and_then(|config| config.disable_rollback))
}

fn no_template() -> Error {
    error::validation("Either Template URL or Template Body must be specified.")
}

pub(crate) fn deadline(cx: &Cx, minutes: Option<i64>) -> Result<Option<Time>, Error> {
    match minutes {
        None => Ok(None),
        Some(minutes) if minutes >= 1 => Ok(Some(cx.now.plus_secs(minutes.saturating_mul(60)))),
        Some(minutes) => Err(error::validation(format!(
            "1 validation error detected: Value '{minutes}' at 'timeoutInMinutes' failed to satisfy constraint: Member must \
             have value greater than or equal to 1"
        ))),
    }
}

/// The template of an update: a new one, or the one from before.
pub(super) async fn next_template(
    service: &CloudFormation,
    cx: &Cx,
    body: Option<String>,
    url: Option<&str>,
    previous: bool,
    before: &Definition,
) -> Result<String, Error> {
    match (source::template(&service.services, cx, body, url).await?, previous) {
        (Some(_), true) => Err(error::validation(
            "You cannot specify both usePreviousTemplate and Template Body/Template URL.",
        )),
        (Some(body), false) => Ok(body),
        (None, true) if !before.given().is_empty() => Ok(before.given().to_owned()),
        (None, _) => Err(no_template()),
    }
}

pub async fn update_stack(
    service: &CloudFormation,
    cx: &Cx,
    input: UpdateStackInput,
) -> Result<UpdateStackOutput, Error> {
    let (stack, before) = service.stack_of(cx, &input.stack_name, error::stack_missing).await?;
    let key = stack.key.clone();
    let previous = input.use_previous_template.unwrap_or(false);
    let url = input.template_url.as_deref();
    let body = next_template(service, cx, input.template_body, url, previous, &before).await?;
    let asked = Asked {
        body,
        parameters: input.parameters,
        tags: input.tags,
        capabilities: input.capabilities.unwrap_or_default(),
        notifications: input.notification_ar_ns,
        types: input.resource_types,
        before: Some(&before),
        expands: true,
        foresees: false,
    };
    let definition = define(service, cx, &key, asked).await?.whole()?;
    let id = service.core.ids().uuid();
    let role = input.role_arn.clone().or(stack.role_arn.clone());
    let mut operation = operation(cx, id, OperationKind::Update, role, input.client_request_token)?;
    if disables_rollback(input.disable_rollback, input.deployment_config.as_ref()).unwrap_or(false) {
        operation.on_failure = OnFailure::DoNothing;
    }
    operation.retain_except_on_create = input.retain_except_on_create.unwrap_or(false);
    let (body, url) = (input.stack_policy_during_update_body, input.stack_policy_during_update_url);
    operation.policy = policy(service, cx, body, url.as_deref()).await?;
    operation.new_policy =
        policy(service, cx, input.stack_policy_body, input.stack_policy_url.as_deref()).await?;
    let repeated =
        operation.token.is_some() && stack.token == operation.token.clone().map(|t| (t, operation.kind));
    let whole = crate::commands::is_updatable(&stack.status) && stack.status != "UPDATE_FAILED";
    if !repeated && whole && service.plan(cx, &key, &before, &definition).await?.is_empty() {
        return Err(error::validation("No updates are to be performed."));
    }
    let command =
        Command::Update(key.clone(), stack.events, Box::new(definition), Box::new(operation), input.role_arn);
    let key = started(service.on_stack(cx, &key, command).await?)?;
    Ok(UpdateStackOutput { stack_id: Some(key.arn()), operation_id: None })
}

pub async fn delete_stack(
    service: &CloudFormation,
    cx: &Cx,
    input: DeleteStackInput,
) -> Result<DeleteStackOutput, Error> {
    // What is not there is deleted.
    let Some(key) = service.find(cx, &input.stack_name).await? else { return Ok(DeleteStackOutput {}) };
    let (stack, _) = service.stack_of(cx, &key.arn(), error::stack_id_missing).await?;
    let retain = input.retain_resources.unwrap_or_default();
    check_retained(service, cx, &key, &retain).await?;
    let role = input.role_arn.or(stack.role_arn);
    let id = service.core.ids().uuid();
    let operation = operation(cx, id, OperationKind::Delete, role, input.client_request_token)?;
    let forces = input.deletion_mode.as_deref() == Some("FORCE_DELETE_STACK");
    if forces && stack.status != "DELETE_FAILED" {
        return Err(error::validation(format!(
            "Invalid operation on stack [{}]. FORCE_DELETE_STACK can only be used on a stack in DELETE_FAILED state",
            stack.key.arn()
        )));
    }
    if stack.deleted.is_none() && !stack.protected {
        discard_others(service, cx, &key, None).await?;
    }
    let operation = Operation { retain, forces, ..operation };
    started(service.on_stack(cx, &key, Command::Delete(key.clone(), Box::new(operation))).await?)?;
    Ok(DeleteStackOutput {})
}

async fn check_retained(
    service: &CloudFormation,
    cx: &Cx,
    key: &StackKey,
    retain: &[String],
) -> Result<(), Error> {
    if retain.is_empty() {
        return Ok(());
    }
    let found = service.on_stack(cx, key, Command::Resources(key.clone())).await?;
    let Answered::Resources(resources) = found else { return Err(error::unexpected()) };
    let unknown: Vec<&str> =
        retain.iter().filter(|id| !resources.contains_key(*id)).map(String::as_str).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(error::validation(format!(
        "Resources [{}] in RetainResources do not exist in stack",
        unknown.join(", ")
    )))
}

pub async fn cancel_update_stack(
    service: &CloudFormation,
    cx: &Cx,
    input: CancelUpdateStackInput,
) -> Result<CancelUpdateStackOutput, Error> {
    let (stack, _) = service.stack_of(cx, &input.stack_name, error::stack_missing).await?;
    let command = Command::CancelUpdate(stack.key.clone(), input.client_request_token);
    service.on_stack(cx, &stack.key, command).await?;
    Ok(CancelUpdateStackOutput {})
}

pub async fn continue_update_rollback(
    service: &CloudFormation,
    cx: &Cx,
    input: ContinueUpdateRollbackInput,
) -> Result<ContinueUpdateRollbackOutput, Error> {
    let (stack, _) = service.stack_of(cx, &input.stack_name, error::stack_missing).await?;
    let role = input.role_arn.or(stack.role_arn);
    let id = service.core.ids().uuid();
    let operation = operation(cx, id, OperationKind::ContinueRollback, role, input.client_request_token)?;
    let operation = Operation { skip: input.resources_to_skip.unwrap_or_default(), ..operation };
    let command = Command::ContinueRollback(stack.key.clone(), Box::new(operation));
    started(service.on_stack(cx, &stack.key, command).await?)?;
    Ok(ContinueUpdateRollbackOutput {})
}

pub async fn update_termination_protection(
    service: &CloudFormation,
    cx: &Cx,
    input: UpdateTerminationProtectionInput,
) -> Result<UpdateTerminationProtectionOutput, Error> {
    let (stack, _) = service.stack_of(cx, &input.stack_name, error::stack_missing).await?;
    if stack.root.is_some() {
        return Err(error::validation("Termination protection cannot be updated on a nested stack"));
    }
    let command = Command::Protect(stack.key.clone(), input.enable_termination_protection);
    let key = started(service.on_stack(cx, &stack.key, command).await?)?;
    Ok(UpdateTerminationProtectionOutput { stack_id: Some(key.arn()) })
}
