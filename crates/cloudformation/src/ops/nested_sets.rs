//! Change sets of nested stacks, made and dropped with that of their root.
//!
//! Source: the user guide, "Change sets for nested stacks"; the API reference, `CreateChangeSet`, `DeleteChangeSet` and
//! `ExecuteChangeSet`. How nested change sets are named, and why one fails whose nested one fails: reports of users
//! (aws-sam-cli issue 2406).
//!
//! The row of a change set names its nested ones before the first of them is made; the actor makes them, as the caller of
//! `CreateChangeSet`, and after a crash again. The keys of what it has made before are the row's.

use std::collections::{BTreeMap, BTreeSet};

use ropeway_api::cloudformation::{Change, Parameter, SERVICE, Tag};
use ropeway_wire::tags::is_system;
use ropeway_wire::{BoxFuture, Cx, Error, Keys};

use super::change_sets::{Base, Drawn, draw, enlist_set, named, no_changes};
use super::changes::{read_changes, write_changes};
use super::request::{Asked, Defined, define, operation};
use super::stacks::{blank, enlist};
use super::{CloudFormation, source};
use crate::commands::{Command, Output as Answered, is_updatable};
use crate::error;
use crate::keys::StackKey;
use crate::model::{ChangeSet, Child, Definition, Nesting, OperationKind, Resource, Stack as StackRow};
use crate::providers::{self, MAX_DEPTH};
use crate::template::{KNOWN_AFTER_APPLY, Map, RANDOM_LENGTH, Value};

const STACK: &str = "AWS::CloudFormation::Stack";
const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
/// The longest name of a change set, in characters.
const MAX_NAME: usize = 128;

/// A change set whose nested ones are being made.
struct Level<'a> {
    service: &'a CloudFormation,
    cx: &'a Cx,
    row: StackRow,
    set: ChangeSet,
    planned: Definition,
    /// The resources that the stack has.
    resources: BTreeMap<String, Resource>,
    changes: Vec<Change>,
}

/// Makes the nested change sets of a change set, and those of theirs; then the set is complete, or has failed. None: one
/// that is nested would change nothing, and is dropped.
pub(crate) fn nest<'a>(
    service: &'a CloudFormation,
    cx: &'a Cx,
    key: &'a StackKey,
    name: &'a str,
) -> BoxFuture<'a, Result<Option<ChangeSet>, Error>> {
    Box::pin(async move {
        let set = named(service, cx, key, name).await?;
        if set.status != "CREATE_IN_PROGRESS" {
            return Ok(Some(set));
        }
        let mut level = Level::open(service, cx, key, set).await?;
        level.choose().await?;
        let failed = match level.make().await {
            Err(error) if error.status < 500 => Some(error.message),
            failed => failed?,
        };
        level.settle(failed).await
    })
}

/// Whether a change is one of a nested stack that is to be.
pub(super) fn is_nested(change: &Change) -> bool {
    change.resource_change.as_ref().is_some_and(|change| {
        change.resource_type.as_deref() == Some(STACK)
            && matches!(change.action.as_deref(), Some("Add" | "Modify"))
    })
}

fn logical_id(change: &Change) -> &str {
    change
        .resource_change
        .as_ref()
        .and_then(|change| change.logical_resource_id.as_deref())
        .unwrap_or_default()
}

/// Whether a nested stack is shown for no other reason than that its template may have changed.
fn is_automatic(change: &Change) -> bool {
    let details = change.resource_change.as_ref().and_then(|change| change.details.as_ref());
    details.is_some_and(|details| {
        !details.is_empty() && details.iter().all(|d| d.change_source.as_deref() == Some("Automatic"))
    })
}

impl<'a> Level<'a> {
    async fn open(
        service: &'a CloudFormation,
        cx: &'a Cx,
        key: &'a StackKey,
        set: ChangeSet,
    ) -> Result<Self, Error> {
        let (row, _) = service.stack_of(cx, &key.arn(), error::stack_missing).await?;
        let planned = service.on_stack(cx, key, Command::Planned(key.clone(), set.id.clone())).await?;
        let Answered::Planned(planned) = planned else { return Err(error::unexpected()) };
        let found = service.on_stack(cx, key, Command::Resources(key.clone())).await?;
        let Answered::Resources(resources) = found else { return Err(error::unexpected()) };
        let changes = read_changes(&set.changes, true)?;
        Ok(Self { service, cx, row, set, planned: *planned, resources, changes })
    }

    fn nesting(&self) -> Nesting {
        self.set.nesting.clone().unwrap_or_default()
    }

    /// Notes which stacks and change sets there will be, unless an earlier run has.
    async fn choose(&mut self) -> Result<(), Error> {
        let mut nesting = self.nesting();
        if nesting.chosen {
            return Ok(());
        }
        nesting.chosen = true;
        for change in self.changes.iter().filter(|change| is_nested(change)) {
            let id = logical_id(change);
            nesting.children.insert(id.to_owned(), self.child(id));
        }
        self.set.nesting = Some(nesting.clone());
        let command = Command::NestChangeSet(self.row.key.clone(), self.set.name.clone(), Box::new(nesting));
        self.service.on_stack(self.cx, &self.row.key, command).await.map(drop)
    }

    fn child(&self, id: &str) -> Child {
        let ids = self.service.core.ids();
        let there = self.resources.get(id).filter(|resource| resource.state.exists);
        let there = there.and_then(|found| StackKey::parse(found.state.physical_id.as_deref()?));
        let naming = crate::template::Naming::new(MAX_NAME);
        let named = |owner: &str| naming.physical_id(owner, id, &ids.text(ALPHABET, RANDOM_LENGTH), "");
        let key = there.unwrap_or_else(|| blank(self.service, self.cx, &named(&self.row.key.name)).key);
        Child { stack: key, set: named(&self.set.name), id: ids.uuid() }
    }

    /// Makes the nested change sets; why the whole fails, if one does.
    async fn make(&mut self) -> Result<Option<String>, Error> {
        let mut failed = None;
        let mut nesting = self.nesting();
        for (id, child) in nesting.children.clone() {
            let is_made = self.make_child(&id, &child).await?;
            let made = match is_made {
                true => nest(self.service, self.cx, &child.stack, &child.set).await?,
                false => None,
            };
            let Some(made) = made else {
                nesting.children.remove(&id);
                continue;
            };
            let arn = made.arn(&child.stack);
            if made.status == "FAILED" {
                failed.get_or_insert_with(|| {
                    format!("Nested change set {arn} was not successfully created: Currently in FAILED.")
                });
            }
            let own = self.changes.iter_mut().filter(|change| logical_id(change) == id);
            own.filter_map(|change| change.resource_change.as_mut())
                .for_each(|change| change.change_set_id = Some(arn.clone()));
        }
        self.set.nesting = Some(nesting);
        Ok(failed)
    }

    /// Makes a nested change set without those of its own nested stacks; false: it would change nothing.
    async fn make_child(&mut self, id: &str, child: &Child) -> Result<bool, Error> {
        let found = self.service.stack_of(self.cx, &child.stack.arn(), error::stack_missing).await;
        let base = match found {
            Ok((stack, _)) if stack.status == "REVIEW_IN_PROGRESS" => Base::new(stack),
            Ok((stack, before)) => Base::of(stack, before),
            Err(error) if error.status < 500 => Base::new(self.new_stack(child)),
            Err(error) => return Err(error),
        };
        let drawn = match self.draw_child(id, &base).await {
            Ok(drawn) => drawn,
            Err(error) if error.status < 500 => Drawn::failed(Definition::default(), error.message),
            Err(error) => return Err(error),
        };
        if drawn.is_empty() {
            return Ok(false);
        }
        let (root, parent) = (self.nesting(), self.set.arn(&self.row.key));
        let set = ChangeSet {
            name: child.set.clone(),
            id: child.id.clone(),
            creates: base.creates,
            description: None,
            status: if drawn.reason.is_some() { "FAILED" } else { "CREATE_IN_PROGRESS" }.to_owned(),
            execution: "UNAVAILABLE".to_owned(),
            reason: drawn.reason,
            changes: write_changes(drawn.changes),
            // A nested change set is executed with its root: once.
            token: Some(child.id.clone()),
            imports: BTreeMap::new(),
            nesting: Some(Nesting {
                root: root.root.clone().or_else(|| Some(parent.clone())),
                parent: Some(parent),
                chosen: false,
                same: drawn.same,
                children: BTreeMap::new(),
                ..root
            }),
            ..self.set.clone()
        };
        let command = Command::AddChangeSet(
            child.stack.clone(),
            base.new.map(Box::new),
            Box::new(set.clone()),
            Box::new(drawn.definition),
        );
        self.service.on_stack(self.cx, &child.stack, command).await?;
        enlist(self.service, self.cx, &child.stack).await?;
        enlist_set(self.service, self.cx, &child.stack, &set).await?;
        Ok(true)
    }

    fn new_stack(&self, child: &Child) -> StackRow {
        let root = self.row.root.clone().unwrap_or_else(|| self.row.key.clone());
        StackRow {
            key: child.stack.clone(),
            parent: Some(self.row.key.clone()),
            root: Some(root),
            depth: self.row.depth + 1,
            ..blank(self.service, self.cx, &child.stack.name)
        }
    }

    /// What a nested stack would become.
    async fn draw_child(&self, id: &str, base: &Base) -> Result<Drawn, Error> {
        if base.stack.depth > MAX_DEPTH {
            return Err(error::validation(format!("Stacks may be nested {MAX_DEPTH} deep at most.")));
        }
        if !base.creates && !is_updatable(&base.stack.status) {
            return Err(error::not_updatable(&base.stack));
        }
        self.cx.authorize(&SERVICE, "cloudformation:CreateChangeSet", &base.key.arn(), &Keys::default())?;
        let properties = self.properties(id).await?;
        let url = properties.get("TemplateURL").and_then(Value::text).unwrap_or_default();
        let body = source::template(&self.service.services, self.cx, None, Some(&url)).await?;
        let before = (!base.creates).then_some(&base.before);
        let asked = Asked {
            body: body.unwrap_or_default(),
            parameters: Some(parameters(&properties, before)),
            tags: Some(tags(&properties, &self.planned)),
            capabilities: self.planned.capabilities.clone(),
            notifications: properties.get("NotificationARNs").map(texts),
            types: None,
            before,
            expands: false,
            foresees: true,
        };
        match define(self.service, self.cx, &base.key, asked).await? {
            Defined::Whole(mut definition) => {
                let own = |(key, _): &&(String, String)| is_system(key);
                let system: Vec<_> = base.before.tags.iter().filter(own).cloned().collect();
                definition.tags.retain(|(key, _)| !is_system(key));
                definition.tags.extend(system);
                draw(self.service, self.cx, base, *definition, &[]).await
            }
            Defined::Failed(definition, reason) => Ok(Drawn::failed(*definition, reason)),
        }
    }

    /// The properties of a nested stack, as far as they are known.
    async fn properties(&self, id: &str) -> Result<Map, Error> {
        let unknown: BTreeSet<String> = self.changes.iter().filter_map(is_unknown).collect();
        self.service.forecast(self.cx, &self.row.key, &self.resources, &self.planned, id, &unknown).await
    }

    /// The set is complete, or has failed: its changes name the nested ones.
    async fn settle(mut self, failed: Option<String>) -> Result<Option<ChangeSet>, Error> {
        self.changes.retain(|change| {
            let nested = change.resource_change.as_ref().is_some_and(|change| change.change_set_id.is_some());
            nested || !is_nested(change) || !is_automatic(change)
        });
        let (key, mut set, nesting) = (&self.row.key, self.set.clone(), self.nesting());
        let is_empty = self.changes.is_empty() && nesting.same;
        if is_empty && failed.is_none() && nesting.parent.is_some() {
            let command = Command::RemoveChangeSet(key.clone(), set.name);
            self.service.on_stack(self.cx, key, command).await?;
            return Ok(None);
        }
        set.reason = failed.or_else(|| is_empty.then(|| no_changes(&self.planned).to_owned()));
        set.status = if set.reason.is_some() { "FAILED" } else { "CREATE_COMPLETE" }.to_owned();
        set.execution = if set.reason.is_some() { "UNAVAILABLE" } else { "AVAILABLE" }.to_owned();
        set.changes = write_changes(self.changes);
        let command = Command::SettleChangeSet(key.clone(), Box::new(set.clone()));
        match self.service.on_stack(self.cx, key, command).await {
            // It is gone, with its stack.
            Err(error) if error.status < 500 => {
                discard(self.service, self.cx, nesting.children.into_values().collect()).await?;
                Err(error)
            }
            settled => settled.map(|_| Some(set)),
        }
    }
}

/// The logical id of a change after which nothing is known of its resource before it is made.
fn is_unknown(change: &Change) -> Option<String> {
    let change = change.resource_change.as_ref()?;
    let kind = change.resource_type.as_deref()?;
    let open = providers::of(kind).is_some_and(|p| p.resource_type().open || p.resource_type().revisited);
    let replaced = change.replacement.as_deref().is_some_and(|replacement| replacement != "False");
    let unknown = change.action.as_deref() == Some("Add") || replaced || open;
    unknown.then(|| change.logical_resource_id.clone()).flatten()
}

/// The parameters of a nested stack. One that is not known yet is what it was, if it was.
fn parameters(properties: &Map, before: Option<&Definition>) -> Vec<Parameter> {
    let given = properties.get("Parameters").and_then(Value::as_map);
    let one = |(name, value): (&String, &Value)| {
        let value = match value.text() {
            Some(text) => text.into_owned(),
            None => KNOWN_AFTER_APPLY.to_owned(),
        };
        let was = before.and_then(|before| before.parameters.iter().find(|p| p.key == *name));
        let value = match was {
            Some(was) if value.contains(KNOWN_AFTER_APPLY) => was.value.clone(),
            _ => value,
        };
        Parameter { parameter_key: Some(name.clone()), parameter_value: Some(value), ..Parameter::default() }
    };
    given.into_iter().flatten().map(one).collect()
}

/// The tags of a nested stack: its own, and those of the stack that it is a part of.
fn tags(properties: &Map, planned: &Definition) -> Vec<Tag> {
    let own = properties.get("Tags").map(Value::to_json).unwrap_or_default();
    let own = providers::tags(&serde_json::json!({ "Tags": own }));
    let mut all: BTreeMap<String, String> =
        planned.tags.iter().filter(|(key, _)| !is_system(key)).cloned().collect();
    all.extend(own);
    all.into_iter().map(|(key, value)| Tag { key, value }).collect()
}

fn texts(list: &Value) -> Vec<String> {
    providers::texts(&list.to_json())
}

/// Drops the change sets that are nested in one, with the stacks that are there for them alone. Those that an operation
/// has begun with are its own.
pub(crate) fn discard<'a>(
    service: &'a CloudFormation,
    cx: &'a Cx,
    children: Vec<Child>,
) -> BoxFuture<'a, Result<(), Error>> {
    Box::pin(async move {
        for Child { stack, set, .. } in children {
            match named(service, cx, &stack, &set).await {
                Ok(found) => {
                    let below = found.nesting.unwrap_or_default().children.into_values().collect();
                    discard(service, cx, below).await?;
                    service.on_stack(cx, &stack, Command::RemoveChangeSet(stack.clone(), set)).await?;
                }
                Err(error) if error.status < 500 => {}
                Err(error) => return Err(error),
            }
            drop_review(service, cx, &stack).await?;
        }
        Ok(())
    })
}

/// Deletes a nested stack that has never been more than its change set.
async fn drop_review(service: &CloudFormation, cx: &Cx, key: &StackKey) -> Result<(), Error> {
    let found = match service.stack_of(cx, &key.arn(), error::stack_missing).await {
        Err(error) if error.status < 500 => return Ok(()),
        found => found?.0,
    };
    if found.status != "REVIEW_IN_PROGRESS" || found.parent.is_none() {
        return Ok(());
    }
    let id = service.core.ids().uuid();
    let operation = operation(cx, id, OperationKind::Delete, None, None)?;
    let command = Command::Delete(key.clone(), Box::new(operation));
    service.on_stack(cx, key, command).await.map(drop)
}

/// Drops what is nested in a stack's change sets, except for one of them: they are about to go.
pub(crate) async fn discard_others(
    service: &CloudFormation,
    cx: &Cx,
    key: &StackKey,
    kept: Option<&str>,
) -> Result<(), Error> {
    let found = service.on_stack(cx, key, Command::ChangeSets(key.clone())).await?;
    let Answered::ChangeSets(sets) = found else { return Err(error::unexpected()) };
    let others = sets.into_values().filter(|set| kept != Some(set.name.as_str()));
    let children = others.filter_map(|set| set.nesting).flat_map(|nesting| nesting.children.into_values());
    discard(service, cx, children.collect()).await
}
