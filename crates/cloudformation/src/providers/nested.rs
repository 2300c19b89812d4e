//! `AWS::CloudFormation::Stack`: stacks as resources of others.
//!
//! Source: the template reference, `AWS::CloudFormation::Stack`; the user guide, "Split a template into reusable
//! pieces using nested stacks".
//!
//! A nested stack is a stack like any other. An update of it waits, with everything in place, until its outermost stack
//! has succeeded or failed, so that it can be taken back; only then is what it has replaced deleted.

use std::collections::BTreeMap;

use ropeway_api::cloudformation::{Parameter, SERVICE, Tag};
use ropeway_core::Time;
use ropeway_wire::tags::is_system;
use ropeway_wire::{BoxFuture, Error, Keys};
use serde_json::Value as Json;

use super::{CREATION_CANCELLED, Failure, Made, Provider, Subject, TAGS, UPDATE_CANCELLED, tags, text};
use crate::commands::{Command, Output, is_updatable};
use crate::error;
use crate::keys::StackKey;
use crate::model::{ChangeSet, Definition, OnFailure, Operation, OperationKind, Phase, Stack as StackRow};
use crate::ops::nested_sets::discard_others;
use crate::ops::request::{Asked, define};
use crate::ops::{CloudFormation, source, stacks};
use crate::template::{Kind, Naming, Property, ResourceType};

/// Seconds after which a nested stack is looked at, should no word of it have come.
const LOOK_AGAIN: i64 = 30;
/// How deep stacks may be nested: a template that names itself comes to an end.
pub const MAX_DEPTH: u32 = 16;
/// The longest name of a stack, in characters.
const MAX_NAME: usize = 128;

static STACK: ResourceType = ResourceType::new(
    "AWS::CloudFormation::Stack",
    &[
        Property::new("NotificationARNs", Kind::List(&Kind::String)),
        Property::new("Parameters", Kind::Map(&Kind::String)),
        TAGS,
        Property::new("TemplateURL", Kind::String).required(),
        Property::new("TimeoutInMinutes", Kind::Integer),
    ],
)
.attributes(&["Outputs.*"])
.naming(Naming::new(MAX_NAME))
.revisited()
.system_tags();

/// `AWS::CloudFormation::Stack`
pub struct Stack;

/// A nested stack as it is.
struct Nested {
    row: StackRow,
    definition: Definition,
}

impl Nested {
    /// Whether its last operation is the one that this call has begun.
    fn is_begun(&self, subject: &Subject<'_>, kind: OperationKind) -> bool {
        let token = token(subject, kind);
        self.row.token.as_ref().is_some_and(|(found, of)| *found == token && *of == kind)
    }

    fn is_settled(&self) -> bool {
        !self.row.status.ends_with("_IN_PROGRESS")
    }

    fn made(&self) -> Made {
        let outputs = self.definition.outputs.iter();
        let attributes: BTreeMap<String, String> =
            outputs.map(|o| (format!("Outputs.{}", o.key), o.value.clone())).collect();
        Made { physical_id: self.row.key.arn(), attributes }
    }

    fn failed(&self, verb: &str) -> Failure {
        let (arn, status) = (self.row.key.arn(), &self.row.status);
        let why = self.row.reason.as_deref().unwrap_or_default();
        let reason = match verb {
            "created" => format!("Embedded stack {arn} was not successfully created: {why}"),
            _ => format!(
                "Embedded stack {arn} was not successfully {verb}. Currently in {status} with reason: {why}"
            ),
        };
        Failure::Said(Some(arn), reason)
    }
}

fn later(subject: &Subject<'_>) -> Failure {
    let now: Time = subject.core.clock().now();
    Failure::Waiting(now.plus_secs(LOOK_AGAIN))
}

/// The client's token of the nested stack's operation: one for each of the parent's calls.
fn token(subject: &Subject<'_>, kind: OperationKind) -> String {
    format!("{}-{}-{kind:?}", subject.operation.replace('/', "-"), subject.logical_id)
}

fn service(subject: &Subject<'_>) -> CloudFormation {
    CloudFormation::new(subject.core.clone(), subject.services.clone())
}

async fn submit(subject: &Subject<'_>, key: &StackKey, command: Command) -> Result<Output, Error> {
    service(subject).on_stack(subject.cx, key, command).await
}

async fn look(subject: &Subject<'_>, key: &StackKey) -> Result<Nested, Error> {
    match submit(subject, key, Command::Describe(key.clone())).await? {
        Output::Stack(found) => Ok(Nested { row: found.0, definition: found.1 }),
        _ => Err(error::unexpected()),
    }
}

/// The stack of the resource's physical id.
async fn there(subject: &Subject<'_>) -> Result<Nested, Error> {
    let key = StackKey::parse(subject.physical_id);
    let key = key.ok_or_else(|| error::stack_id_missing(subject.physical_id))?;
    look(subject, &key).await
}

/// The stack that an earlier call has made under the resource's name.
async fn made_before(subject: &Subject<'_>) -> Result<Option<Nested>, Error> {
    let scope = subject.stack.scope.clone();
    let key = StackKey { scope: scope.clone(), name: subject.name.to_owned(), id: String::new() };
    let found = submit(subject, &key, Command::Find(scope, subject.name.to_owned())).await?;
    let Output::Found(Some(key)) = found else { return Ok(None) };
    let nested = look(subject, &key).await?;
    Ok(Some(nested).filter(|nested| nested.row.parent.as_ref() == Some(subject.stack)))
}

/// Asks whether the stack's principal may do this to a nested stack.
fn authorize(subject: &Subject<'_>, action: &str, key: &StackKey) -> Result<(), Error> {
    let action = format!("cloudformation:{action}");
    subject.cx.authorize(&SERVICE, &action, &key.arn(), &Keys::default())
}

/// What the properties make of a nested stack.
async fn defined(
    subject: &Subject<'_>,
    key: &StackKey,
    before: Option<&Definition>,
    reviewed: Option<&Reviewed>,
) -> Result<Definition, Error> {
    let url = text(subject.property("TemplateURL"));
    let body = match reviewed {
        Some(reviewed) => reviewed.template.clone(),
        None => source::template(subject.services, subject.cx, None, Some(&url)).await?.unwrap_or_default(),
    };
    let parameters = subject.property("Parameters").as_object().into_iter().flatten();
    let parameters = parameters.map(|(name, value)| Parameter {
        parameter_key: Some(name.clone()),
        parameter_value: Some(text(value)),
        ..Parameter::default()
    });
    let (system, own): (Vec<_>, Vec<_>) =
        tags(subject.properties).into_iter().partition(|(key, _)| is_system(key));
    let own = own.into_iter().map(|(key, value)| Tag { key, value });
    let asked = Asked {
        body,
        parameters: Some(parameters.collect()),
        tags: Some(own.collect()),
        // What was acknowledged for the outermost stack is for its parts, too.
        capabilities: subject.whole.planned.capabilities.clone(),
        before,
        notifications: Some(super::texts(subject.property("NotificationARNs"))),
        types: None,
        expands: true,
        foresees: false,
    };
    let mut definition = define(&service(subject), subject.cx, key, asked).await?.whole()?;
    definition.tags.retain(|(key, _)| !is_system(key));
    definition.tags.extend(system);
    Ok(definition)
}

/// The operation of a nested stack, in the name of its parent's.
fn operation(subject: &Subject<'_>, kind: OperationKind) -> Operation {
    let parent = &subject.whole.operation;
    Operation {
        id: subject.core.ids().uuid(),
        kind,
        phase: match kind {
            OperationKind::Create | OperationKind::Update | OperationKind::Import => Phase::Forward,
            OperationKind::Delete => Phase::Delete,
            OperationKind::ContinueRollback => Phase::Rollback,
        },
        // A nested stack that was not created stays for its parent to delete.
        on_failure: match kind {
            OperationKind::Create => OnFailure::DoNothing,
            _ => parent.on_failure,
        },
        deadline: None,
        token: Some(token(subject, kind)),
        retain: Vec::new(),
        skip: Vec::new(),
        cancelled: false,
        held: kind == OperationKind::Update,
        policy: None,
        new_policy: None,
        imports: BTreeMap::new(),
        nested: BTreeMap::new(),
        ..parent.clone()
    }
}

async fn begin_creation(subject: &Subject<'_>) -> Result<(), Error> {
    let service = service(subject);
    let mut row = stacks::blank(&service, subject.cx, subject.name);
    authorize(subject, "CreateStack", &row.key)?;
    let definition = defined(subject, &row.key, None, None).await?;
    let mut operation = operation(subject, OperationKind::Create);
    row.timeout_minutes = subject.property("TimeoutInMinutes").as_i64();
    operation.deadline = stacks::deadline(subject.cx, row.timeout_minutes)?;
    row.parent = Some(subject.stack.clone());
    row.depth = subject.whole.stack.depth + 1;
    if row.depth > MAX_DEPTH {
        return Err(error::validation(format!("Stacks may be nested {MAX_DEPTH} deep at most.")));
    }
    row.root = subject.whole.stack.root.clone().or_else(|| Some(subject.stack.clone()));
    row.role_arn = operation.role_arn.clone();
    let key = row.key.clone();
    let command = Command::Create(Box::new(row), Box::new(definition), Box::new(operation));
    let Output::Started(key) = submit(subject, &key, command).await? else {
        return Err(error::unexpected());
    };
    stacks::enlist(&service, subject.cx, &key).await
}

/// The change set of a nested stack, made with that of its parent, by which it is made or updated.
struct Reviewed {
    set: ChangeSet,
    template: String,
}

async fn reviewed(subject: &Subject<'_>) -> Result<Option<Reviewed>, Error> {
    let Some(child) = subject.whole.operation.nested.get(subject.logical_id) else { return Ok(None) };
    let key = &child.stack;
    let Output::ChangeSets(mut sets) = submit(subject, key, Command::ChangeSets(key.clone())).await? else {
        return Err(error::unexpected());
    };
    let set = sets.remove(&child.set).ok_or_else(|| error::change_set_missing(&child.set))?;
    let planned = submit(subject, key, Command::Planned(key.clone(), set.id.clone())).await?;
    let Output::Planned(planned) = planned else { return Err(error::unexpected()) };
    Ok(Some(Reviewed { set, template: planned.given().to_owned() }))
}

async fn execute(
    subject: &Subject<'_>,
    key: &StackKey,
    reviewed: Reviewed,
    definition: Definition,
    operation: Operation,
) -> Result<(), Error> {
    let (definition, operation) = (Box::new(definition), Box::new(operation));
    let command = Command::ExecuteNested(key.clone(), reviewed.set.name, definition, operation);
    submit(subject, key, command).await.map(drop)
}

/// Begins the creation of a nested stack that is there for its change set.
async fn begin_reviewed(subject: &Subject<'_>, nested: &Nested) -> Result<(), Error> {
    let key = &nested.row.key;
    authorize(subject, "CreateStack", key)?;
    let reviewed = reviewed(subject).await?.ok_or_else(|| error::change_set_missing(&key.name))?;
    let definition = defined(subject, key, None, Some(&reviewed)).await?;
    let mut operation = operation(subject, OperationKind::Create);
    operation.deadline = stacks::deadline(subject.cx, subject.property("TimeoutInMinutes").as_i64())?;
    execute(subject, key, reviewed, definition, operation).await
}

/// Begins the update of a nested stack; false: there is nothing to update.
async fn begin_update(subject: &Subject<'_>, nested: &Nested) -> Result<bool, Failure> {
    let key = &nested.row.key;
    authorize(subject, "UpdateStack", key)?;
    if !is_updatable(&nested.row.status) {
        return Err(nested.failed("updated"));
    }
    let reviewed = reviewed(subject).await?;
    let definition = defined(subject, key, Some(&nested.definition), reviewed.as_ref()).await?;
    let whole = nested.row.status != "UPDATE_FAILED";
    if whole {
        let plan = service(subject).plan(subject.cx, key, &nested.definition, &definition).await?;
        if plan.is_empty() {
            return Ok(false);
        }
    }
    let operation = operation(subject, OperationKind::Update);
    if let Some(reviewed) = reviewed {
        execute(subject, key, reviewed, definition, operation).await?;
        return Ok(true);
    }
    let role = operation.role_arn.clone();
    let seen = nested.row.events;
    let command = Command::Update(key.clone(), seen, Box::new(definition), Box::new(operation), role);
    submit(subject, key, command).await?;
    Ok(true)
}

async fn restore(subject: &Subject<'_>) -> Result<Made, Failure> {
    let nested = there(subject).await?;
    let key = &nested.row.key;
    match nested.row.status.as_str() {
        // It waits for word of the update that fails.
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" => {
            submit(subject, key, Command::Release(key.clone(), false)).await?;
            Err(later(subject))
        }
        "UPDATE_ROLLBACK_FAILED"
            if !nested.is_begun(subject, OperationKind::ContinueRollback) && is_continued(subject) =>
        {
            let operation = Box::new(operation(subject, OperationKind::ContinueRollback));
            submit(subject, key, Command::ContinueRollback(key.clone(), operation)).await?;
            Err(later(subject))
        }
        "UPDATE_ROLLBACK_FAILED" => Err(nested.failed("rolled back")),
        _ if !nested.is_settled() => Err(later(subject)),
        _ => Ok(nested.made()),
    }
}

/// Gives the update of a nested stack up, unless it has just ended.
async fn cancel(subject: &Subject<'_>, nested: &Nested) -> Result<(), Error> {
    let key = &nested.row.key;
    match submit(subject, key, Command::CancelUpdate(key.clone(), None)).await {
        Err(error) if error.status >= 500 => Err(error),
        _ => Ok(()),
    }
}

/// Whether the parent goes on with a rollback that has failed before.
fn is_continued(subject: &Subject<'_>) -> bool {
    subject.whole.operation.kind == OperationKind::ContinueRollback
}

async fn delete(subject: &Subject<'_>) -> Result<(), Failure> {
    let nested = match there(subject).await {
        Ok(nested) => nested,
        Err(error) if error.status < 500 => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if nested.row.deleted.is_some() {
        return Ok(());
    }
    if nested.is_begun(subject, OperationKind::Delete) {
        return Err(if nested.is_settled() { nested.failed("deleted") } else { later(subject) });
    }
    let key = &nested.row.key;
    authorize(subject, "DeleteStack", key)?;
    discard_others(&service(subject), subject.cx, key, None).await?;
    let operation = Box::new(operation(subject, OperationKind::Delete));
    submit(subject, key, Command::Delete(key.clone(), operation)).await?;
    Err(later(subject))
}

impl Provider for Stack {
    fn resource_type(&self) -> &'static ResourceType {
        &STACK
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let Some(nested) = made_before(subject).await? else {
                begin_creation(subject).await.map_err(|error| Failure::Said(None, error.message))?;
                return Err(later(subject));
            };
            match nested.row.status.as_str() {
                "CREATE_COMPLETE" => Ok(nested.made()),
                "REVIEW_IN_PROGRESS" if subject.whole.operation.phase == Phase::Forward => {
                    let begun = begin_reviewed(subject, &nested).await;
                    begun.map_err(|error| Failure::Said(None, error.message))?;
                    Err(later(subject))
                }
                // A deletion does not wait for it to be made.
                _ if subject.whole.operation.phase == Phase::Delete => Err(nested.failed("created")),
                _ if nested.is_settled() => Err(nested.failed("created")),
                // What there is of it is deleted.
                _ if subject.is_cancelled() => {
                    Err(Failure::Said(Some(nested.row.key.arn()), CREATION_CANCELLED.to_owned()))
                }
                _ => Err(later(subject)),
            }
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, _: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let nested = there(subject).await?;
            if !nested.is_begun(subject, OperationKind::Update) {
                if subject.is_cancelled() {
                    return Err(Failure::Said(None, UPDATE_CANCELLED.to_owned()));
                }
                let begun = begin_update(subject, &nested).await;
                return match begun {
                    Ok(true) => Err(later(subject)),
                    Ok(false) => Ok(nested.made()),
                    Err(Failure::Refused(error)) if error.status < 500 => {
                        Err(Failure::Said(None, error.message))
                    }
                    Err(failure) => Err(failure),
                };
            }
            match nested.row.status.as_str() {
                "UPDATE_COMPLETE" | "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" => Ok(nested.made()),
                _ if nested.is_settled() => Err(nested.failed("updated")),
                "UPDATE_IN_PROGRESS" if subject.is_cancelled() => {
                    cancel(subject, &nested).await?;
                    Err(later(subject))
                }
                _ => Err(later(subject)),
            }
        })
    }

    fn restore<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(restore(subject))
    }

    fn commit<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let nested = there(subject).await?;
            let key = nested.row.key.clone();
            if nested.is_settled() {
                return Ok(());
            }
            submit(subject, &key, Command::Release(key.clone(), true)).await?;
            Err(later(subject))
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(delete(subject))
    }
}
