//! Change sets.

use std::collections::BTreeMap;

use ropeway_api::cloudformation::*;
use ropeway_core::{Time, directory};
use ropeway_wire::{Cx, Error};

use super::changes::{read_changes, shown_changes, write_changes};
use super::describe::{shown, shown_tags};
use super::imports;
use super::nested_sets::{discard, discard_others, is_nested};
use super::page::cut;
use super::plan::additions;
use super::request::{Asked, Defined, check_name, define, on_failure, operation};
use super::stacks::{blank, disables_rollback, enlist, next_template};
use super::{CloudFormation, scope};
use crate::commands::{Command, Output as Answered, is_updatable};
use crate::keys::{self, StackKey};
use crate::model::{Caller, ChangeSet, Definition, Nesting, OnFailure, OperationKind, Stack as StackRow};
use crate::{error, template};

const NO_CHANGES: &str =
    "The submitted information didn't contain changes. Submit different information to create a change set.";

/// The same of a template with transforms. Source: users' reports of both (aws/copilot-cli issue 2376).
const NO_UPDATES: &str = "No updates are to be performed.";

/// What a change set starts from.
pub(super) struct Base {
    pub key: StackKey,
    /// The stack.
    pub stack: StackRow,
    /// The stack that it would make.
    pub new: Option<StackRow>,
    pub before: Definition,
    pub creates: bool,
}

impl Base {
    /// A stack that the change set makes.
    pub fn new(stack: StackRow) -> Self {
        let (key, new) = (stack.key.clone(), Some(stack.clone()));
        Self { key, stack, new, before: Definition::default(), creates: true }
    }

    /// A stack that there is.
    pub fn of(stack: StackRow, before: Definition) -> Self {
        Self { key: stack.key.clone(), stack, new: None, before, creates: false }
    }
}

/// What a change set would make of a stack.
pub(super) struct Drawn {
    pub definition: Definition,
    pub changes: Vec<Change>,
    /// Nothing changes but resources.
    pub same: bool,
    /// Why the change set fails.
    pub reason: Option<String>,
}

impl Drawn {
    pub fn failed(definition: Definition, reason: String) -> Self {
        Self { definition, changes: Vec::new(), same: false, reason: Some(reason) }
    }

    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.same
    }
}

/// Why a change set fails that would change nothing.
pub(super) fn no_changes(definition: &Definition) -> &'static str {
    if definition.original.is_some() { NO_UPDATES } else { NO_CHANGES }
}

async fn base(service: &CloudFormation, cx: &Cx, input: &CreateChangeSetInput) -> Result<Base, Error> {
    let imports = input.change_set_type.as_deref() == Some("IMPORT");
    let mut creates = input.change_set_type.as_deref() == Some("CREATE");
    let found = match service.find(cx, &input.stack_name).await? {
        Some(key) => Some(service.stack_of(cx, &key.arn(), error::stack_missing).await?),
        None => None,
    };
    if imports {
        // An import makes the stack, if there is none.
        creates = found.as_ref().is_none_or(|(stack, _)| stack.status == "REVIEW_IN_PROGRESS");
    }
    match found {
        Some((stack, _)) if creates && stack.status != "REVIEW_IN_PROGRESS" => {
            Err(error::stack_exists_with_status(&stack))
        }
        Some((stack, _)) if !creates && !is_updatable(&stack.status) => Err(error::not_updatable(&stack)),
        Some((stack, _)) if creates => Ok(Base::new(stack)),
        Some((stack, before)) => Ok(Base::of(stack, before)),
        None if creates => {
            check_name(&input.stack_name)?;
            Ok(Base::new(blank(service, cx, &input.stack_name)))
        }
        None => Err(error::stack_missing(&input.stack_name)),
    }
}

pub async fn create_change_set(
    service: &CloudFormation,
    cx: &Cx,
    input: CreateChangeSetInput,
) -> Result<CreateChangeSetOutput, Error> {
    let base = base(service, cx, &input).await?;
    if let Some(role) = &input.role_arn {
        cx.pass_role(&SERVICE, role, crate::runner::HOST)?;
    }
    let nesting = nesting(cx, &input)?;
    let imports = imports::identities(&input)?;
    let previous = input.use_previous_template.unwrap_or(false);
    let (body, url) = (input.template_body, input.template_url.as_deref());
    let body = next_template(service, cx, body, url, previous, &base.before).await?;
    let asked = Asked {
        body,
        parameters: input.parameters,
        tags: input.tags,
        capabilities: input.capabilities.unwrap_or_default(),
        notifications: input.notification_ar_ns,
        types: input.resource_types,
        before: (!base.creates).then_some(&base.before),
        expands: false,
        foresees: false,
    };
    let drawn = match define(service, cx, &base.key, asked).await? {
        Defined::Whole(definition) => draw(service, cx, &base, *definition, &imports).await?,
        Defined::Failed(definition, reason) => Drawn::failed(*definition, reason),
    };
    let Drawn { definition, changes, same, reason } = drawn;
    let nests = nesting.is_some() && reason.is_none() && changes.iter().any(is_nested);
    let (status, execution) = match (&reason, nests) {
        (Some(_), _) => ("FAILED", "UNAVAILABLE"),
        (None, true) => ("CREATE_IN_PROGRESS", "UNAVAILABLE"),
        (None, false) => ("CREATE_COMPLETE", "AVAILABLE"),
    };
    let set = ChangeSet {
        name: input.change_set_name,
        id: service.core.ids().uuid(),
        creates: base.creates,
        description: input.description,
        created: Time::default(),
        status: status.to_owned(),
        execution: execution.to_owned(),
        reason,
        changes: write_changes(changes),
        role_arn: input.role_arn,
        on_failure: on_failure(input.on_stack_failure.as_deref()).or_else(|| {
            let disabled = disables_rollback(None, input.deployment_config.as_ref()).unwrap_or(false);
            disabled.then_some(OnFailure::DoNothing)
        }),
        token: input.client_token,
        imports: imports::values(&imports),
        nesting: nesting.map(|nesting| Nesting { same, ..nesting }),
    };
    let name = set.name.clone();
    let command =
        Command::AddChangeSet(base.key.clone(), base.new.map(Box::new), Box::new(set), Box::new(definition));
    let Answered::Started(key) = service.on_stack(cx, &base.key, command).await? else {
        return Err(error::unexpected());
    };
    enlist(service, cx, &key).await?;
    let set = named(service, cx, &key, &name).await?;
    enlist_set(service, cx, &key, &set).await?;
    Ok(CreateChangeSetOutput { id: Some(set.arn(&key)), stack_id: Some(key.arn()) })
}

/// Makes a change set known by its ARN at once; the outbox does so too.
pub(super) async fn enlist_set(
    service: &CloudFormation,
    cx: &Cx,
    key: &StackKey,
    set: &ChangeSet,
) -> Result<(), Error> {
    let list = keys::change_sets_list(&key.scope);
    let value = format!("{}/{}/{}", key.name, key.id, set.name).into_bytes();
    service.list(cx, directory::Command::Add { list, name: set.id.clone(), value }).await.map(drop)
}

/// The root of the change sets of nested stacks, if the request includes them.
fn nesting(cx: &Cx, input: &CreateChangeSetInput) -> Result<Option<Nesting>, Error> {
    if !input.include_nested_stacks.unwrap_or(false) {
        return Ok(None);
    }
    if input.change_set_type.as_deref() == Some("IMPORT") {
        return Err(error::validation("IncludeNestedStacks is not supported for change sets of type IMPORT"));
    }
    let (caller, endpoint) = (Some(Caller::from(&*cx.principal)), cx.endpoint.clone());
    Ok(Some(Nesting { caller, endpoint, ..Nesting::default() }))
}

/// What a change set would make of a stack.
pub(super) async fn draw(
    service: &CloudFormation,
    cx: &Cx,
    base: &Base,
    definition: Definition,
    imported: &[imports::Identity],
) -> Result<Drawn, Error> {
    let drawn = |definition, changes| Drawn { definition, changes, same: false, reason: None };
    if !imported.is_empty() {
        let before = if base.creates { None } else { Some(&base.before) };
        let changes = imports::changes(service, cx, &base.key, before, &definition, imported).await?;
        return Ok(drawn(definition, shown_changes(&changes, &BTreeMap::new())));
    }
    if base.creates {
        let parsed = template::Template::parse(&definition.template)?;
        let environment = crate::runner::environment(&base.key, &definition);
        let evaluation = template::Evaluation::new(&parsed, environment, &definition.values())?;
        let changes = shown_changes(&additions(&evaluation), &BTreeMap::new());
        return Ok(drawn(definition, changes));
    }
    let plan = service.plan(cx, &base.key, &base.before, &definition).await?;
    let reason = plan.is_empty().then(|| no_changes(&definition).to_owned());
    let changes = shown_changes(&plan.changes, &plan.resources);
    Ok(Drawn { definition, changes, same: plan.same, reason })
}

pub(super) async fn named(
    service: &CloudFormation,
    cx: &Cx,
    key: &StackKey,
    name: &str,
) -> Result<ChangeSet, Error> {
    let found = service.on_stack(cx, key, Command::ChangeSets(key.clone())).await?;
    let Answered::ChangeSets(mut sets) = found else { return Err(error::unexpected()) };
    sets.remove(name).ok_or_else(|| error::change_set_missing(name))
}

/// The change set of an ARN, or of a stack and a name.
pub(super) async fn find_set(
    service: &CloudFormation,
    cx: &Cx,
    name: &str,
    stack: Option<&str>,
) -> Result<(StackKey, ChangeSet), Error> {
    if name.starts_with("arn:") {
        let found = by_arn(service, cx, name).await?;
        let found = found.filter(|(key, _)| stack.is_none_or(|s| s == key.name || s == key.arn()));
        return found.ok_or_else(|| error::change_set_missing(name));
    }
    let missing = "StackName must be specified if ChangeSetName is not specified as an ARN.";
    let stack = stack.ok_or_else(|| error::validation(missing))?;
    let (row, _) = service.stack_of(cx, stack, error::stack_missing).await?;
    let set = named(service, cx, &row.key, name).await?;
    Ok((row.key, set))
}

async fn by_arn(
    service: &CloudFormation,
    cx: &Cx,
    arn: &str,
) -> Result<Option<(StackKey, ChangeSet)>, Error> {
    let scope = scope(cx);
    let Some((_, id)) = arn.rsplit_once('/') else { return Ok(None) };
    let list = keys::change_sets_list(&scope);
    let read = directory::Command::Read { list, prefix: id.to_owned(), after: None, limit: 1 };
    let names = service.list(cx, read).await?;
    let place = names.names.into_iter().find(|(found, _)| found == id).map(|(_, place)| place);
    let place = place.and_then(|place| String::from_utf8(place).ok()).unwrap_or_default();
    let mut parts = place.splitn(3, '/').map(str::to_owned);
    let (Some(name), Some(id), Some(set)) = (parts.next(), parts.next(), parts.next()) else {
        return Ok(None);
    };
    let key = StackKey { scope, name, id };
    match named(service, cx, &key, &set).await {
        Ok(set) if set.arn(&key) == arn => Ok(Some((key, set))),
        Ok(_) => Ok(None),
        Err(error) if error.status < 500 => Ok(None),
        Err(error) => Err(error),
    }
}

pub async fn describe_change_set(
    service: &CloudFormation,
    cx: &Cx,
    input: DescribeChangeSetInput,
) -> Result<DescribeChangeSetOutput, Error> {
    let (key, set) = find_set(service, cx, &input.change_set_name, input.stack_name.as_deref()).await?;
    let planned = service.on_stack(cx, &key, Command::Planned(key.clone(), set.id.clone())).await?;
    let Answered::Planned(definition) = planned else { return Err(error::unexpected()) };
    let changes = read_changes(&set.changes, input.include_property_values.unwrap_or(false))?;
    let (changes, next_token) = cut(changes, input.next_token.as_deref())?;
    Ok(DescribeChangeSetOutput {
        change_set_id: Some(set.arn(&key)),
        change_set_name: Some(set.name),
        stack_id: Some(key.arn()),
        stack_name: Some(key.name),
        description: set.description,
        parameters: Some(definition.parameters.iter().map(shown).collect()),
        creation_time: Some(set.created),
        execution_status: Some(set.execution),
        status: Some(set.status),
        status_reason: set.reason,
        notification_ar_ns: Some(definition.notifications.clone()),
        capabilities: Some(definition.capabilities.clone()),
        tags: Some(shown_tags(&definition.tags)),
        changes: Some(changes),
        next_token,
        include_nested_stacks: Some(set.nesting.is_some()),
        parent_change_set_id: set.nesting.as_ref().and_then(|nesting| nesting.parent.clone()),
        root_change_set_id: set.nesting.and_then(|nesting| nesting.root),
        on_stack_failure: set.on_failure.map(|on_failure| word(on_failure).to_owned()),
        ..DescribeChangeSetOutput::default()
    })
}

fn word(on_failure: OnFailure) -> &'static str {
    match on_failure {
        OnFailure::DoNothing => "DO_NOTHING",
        OnFailure::Rollback => "ROLLBACK",
        OnFailure::Delete => "DELETE",
    }
}

pub async fn execute_change_set(
    service: &CloudFormation,
    cx: &Cx,
    input: ExecuteChangeSetInput,
) -> Result<ExecuteChangeSetOutput, Error> {
    let (key, set) = find_set(service, cx, &input.change_set_name, input.stack_name.as_deref()).await?;
    let (stack, _) = service.stack_of(cx, &key.arn(), error::stack_missing).await?;
    let again = input.client_request_token.is_some()
        && stack.token.as_ref().map(|(token, _)| token) == input.client_request_token.as_ref();
    if again && set.execution == "EXECUTE_COMPLETE" {
        return Ok(ExecuteChangeSetOutput {});
    }
    refuse_nested(&key, &set)?;
    let disable = input.disable_rollback.unwrap_or(false);
    if disable && set.on_failure.is_some() {
        return Err(error::validation(
            "You can specify either DisableRollback or OnStackFailure of the change set, but not both.",
        ));
    }
    let id = service.core.ids().uuid();
    let kind = if set.creates { OperationKind::Create } else { OperationKind::Update };
    // The role was passed when the change set was made.
    let mut operation = operation(cx, id, kind, None, input.client_request_token)?;
    operation.role_arn = set.role_arn;
    operation.retain_except_on_create = input.retain_except_on_create.unwrap_or(false);
    if disable {
        operation.on_failure = OnFailure::DoNothing;
    }
    if set.execution == "AVAILABLE" {
        discard_others(service, cx, &key, Some(&set.name)).await?;
    }
    let command = Command::Execute(key.clone(), set.name, Box::new(operation), disable);
    service.on_stack(cx, &key, command).await?;
    Ok(ExecuteChangeSetOutput {})
}

/// Those of nested stacks are executed and deleted with their root. Source: the user guide, "Change sets for nested
/// stacks".
fn refuse_nested(key: &StackKey, set: &ChangeSet) -> Result<(), Error> {
    match set.nesting.as_ref().and_then(|nesting| nesting.root.as_ref()) {
        Some(root) => Err(error::change_set_nested(&set.arn(key), root)),
        None => Ok(()),
    }
}

pub async fn delete_change_set(
    service: &CloudFormation,
    cx: &Cx,
    input: DeleteChangeSetInput,
) -> Result<DeleteChangeSetOutput, Error> {
    match find_set(service, cx, &input.change_set_name, input.stack_name.as_deref()).await {
        Ok((key, set)) => {
            refuse_nested(&key, &set)?;
            if set.status == "CREATE_IN_PROGRESS" {
                return Err(error::change_set_in_progress(&set.arn(&key)));
            }
            let children = set.nesting.unwrap_or_default().children.into_values();
            discard(service, cx, children.collect()).await?;
            service.on_stack(cx, &key, Command::RemoveChangeSet(key.clone(), set.name)).await?;
            Ok(DeleteChangeSetOutput {})
        }
        // What is not there is deleted.
        Err(error) if error.code == "ChangeSetNotFound" => Ok(DeleteChangeSetOutput {}),
        Err(error) => Err(error),
    }
}

pub async fn list_change_sets(
    service: &CloudFormation,
    cx: &Cx,
    input: ListChangeSetsInput,
) -> Result<ListChangeSetsOutput, Error> {
    let (row, _) = service.stack_of(cx, &input.stack_name, error::stack_missing).await?;
    let found = service.on_stack(cx, &row.key, Command::ChangeSets(row.key.clone())).await?;
    let Answered::ChangeSets(sets) = found else { return Err(error::unexpected()) };
    let (page, next_token) = cut(sets.into_values().collect(), input.next_token.as_deref())?;
    let summary = |set: ChangeSet| ChangeSetSummary {
        stack_id: Some(row.key.arn()),
        stack_name: Some(row.key.name.clone()),
        change_set_id: Some(set.arn(&row.key)),
        change_set_name: Some(set.name),
        execution_status: Some(set.execution),
        status: Some(set.status),
        status_reason: set.reason,
        creation_time: Some(set.created),
        description: set.description,
        include_nested_stacks: Some(set.nesting.is_some()),
        parent_change_set_id: set.nesting.as_ref().and_then(|nesting| nesting.parent.clone()),
        root_change_set_id: set.nesting.and_then(|nesting| nesting.root),
        ..ChangeSetSummary::default()
    };
    Ok(ListChangeSetsOutput { summaries: Some(page.into_iter().map(summary).collect()), next_token })
}
