//! Making and updating resources, in the order of their dependencies.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::step::{Broken, event, properties, provider, turned};
use super::{Failed, Run, Stop};
use crate::commands::{Change, Command};
use crate::model::{Baseline, OnFailure, OperationKind, Output, Phase, Resource, State};
use crate::ops::nested_sets::discard;
use crate::ops::request::reserved_tag;
use crate::policy::{Action, StackPolicy};
use crate::providers::Made;
use crate::template::{Awaited, Evaluation, RANDOM_LENGTH, Recreation, Template, Value, coerce, recreation};

const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
/// The longest generated name of a type that has no names of its own.
const MAX_NAME: usize = 255;
const REPLACING: &str =
    "Requested update requires the creation of a new physical resource; hence creating one.";

/// Why an update that is given up is rolled back.
const CANCELLED: &str = "User Initiated Cancel";
const PROVIDER_REPLACES: &str = "Requested update required the provider to create a new physical resource";

/// What a resource shall be.
pub(super) struct Wanted {
    pub resource_type: String,
    pub state: State,
    /// The template gives it its name.
    named: bool,
    /// What its creation waits for.
    awaits: Option<Awaited>,
}

impl Wanted {
    /// Whether it shall have another name than what is there.
    fn renames(&self, found: &Resource) -> bool {
        self.named && self.state.name != found.state.name
    }
}

impl Run<'_> {
    /// Makes the stack what was planned; true: the operation is over.
    pub(super) async fn forward(&mut self) -> Result<bool, Stop> {
        match self.deploy().await {
            Ok(over) => Ok(over),
            Err(Stop::Failed(failed)) => self.fail(failed).await,
            Err(stop) => Err(stop),
        }
    }

    async fn deploy(&mut self) -> Result<bool, Stop> {
        let template = Template::parse(&self.snapshot.planned.template)?;
        let values = self.snapshot.planned.values();
        let evaluation = Evaluation::new(&template, self.environment(), &values)?;
        // What is under way comes first: what ends the operation ends that, too.
        for id in evaluation.creation_order() {
            if let Some(found) = self.under_way(id) {
                self.resume(found).await?;
            }
        }
        for id in evaluation.creation_order() {
            self.place(&evaluation, id).await?;
        }
        self.obey_removals(&evaluation).await?;
        self.complete(&evaluation).await
    }

    fn creates(&self) -> bool {
        self.snapshot.operation.kind == OperationKind::Create
    }

    /// Makes one resource what it shall be, unless it is.
    async fn place(&mut self, evaluation: &Evaluation<'_>, id: &str) -> Result<(), Stop> {
        if let Some(found) = self.resource(id).cloned()
            && found.operation == self.snapshot.operation.id
            && found.status.ends_with("_COMPLETE")
        {
            return Ok(());
        }
        self.check_limits()?;
        let wanted = self.wanted(evaluation, id).await?;
        if let (None, Some(identity)) = (self.resource(id), self.snapshot.operation.imports.get(id)) {
            let identity = identity.clone();
            return self.import(id, wanted, &identity).await;
        }
        match self.resource(id).cloned() {
            Some(found)
                if found.status == "CREATE_FAILED" && found.state.exists && !wanted.renames(&found) =>
            {
                self.complete_creation(found, wanted).await
            }
            Some(found) if found.state.exists => self.change(found, wanted).await,
            found => self.add(id, wanted, found.map(|found| found.baseline)).await,
        }
    }

    /// Goes on with a creation of which a failed update has left a part.
    async fn complete_creation(&mut self, found: Resource, wanted: Wanted) -> Result<(), Stop> {
        let state = State { name: found.state.name.clone(), ..wanted.state };
        let resource = Resource {
            state,
            awaits: wanted.awaits,
            status: "CREATE_IN_PROGRESS".to_owned(),
            operation: self.snapshot.operation.id.clone(),
            attempts: 0,
            ..found
        };
        self.begin_creation(resource, false, None).await
    }

    /// A resource with which the last run of the operation had begun.
    fn under_way(&self, id: &str) -> Option<Resource> {
        let found = self.resource(id).filter(|found| found.operation == self.snapshot.operation.id);
        found.filter(|found| found.status.ends_with("_IN_PROGRESS")).cloned()
    }

    /// Goes on with what was under way when the last run ended.
    async fn resume(&mut self, found: Resource) -> Result<(), Stop> {
        match found.state.physical_id {
            _ if found.status == "IMPORT_IN_PROGRESS" => self.finish_import(found).await,
            None => self.finish_creation(found).await,
            Some(_) => self.finish_update(found).await,
        }
    }

    fn check_limits(&self) -> Result<(), Stop> {
        if let Some(why) = &self.refused {
            return Err(Stop::Failed(Failed::because(why)));
        }
        if self.snapshot.operation.cancelled {
            return Err(Stop::Failed(Failed::because(CANCELLED)));
        }
        let now = self.deployer.core.clock().now();
        if self.snapshot.operation.deadline.is_some_and(|deadline| now >= deadline) {
            return Err(Stop::Failed(Failed::because("Stack creation time exceeded the specified timeout")));
        }
        Ok(())
    }

    /// Evaluates what a resource shall be.
    async fn wanted(&mut self, evaluation: &Evaluation<'_>, id: &str) -> Result<Wanted, Stop> {
        let Some(resource) = evaluation.resource(id) else {
            return Err(Stop::Failed(Failed::because(format!("resource {id} is not in the template"))));
        };
        let provider = provider(&resource.resource_type)?;
        let evaluated = self.evaluate(|lookup| evaluation.properties(id, lookup)).await;
        let metadata = self.evaluate(|lookup| evaluation.metadata(id, lookup)).await?;
        let awaits = self.evaluate(|lookup| evaluation.awaited(id, lookup)).await;
        let described = resource.described(provider.resource_type());
        let coerced = evaluated.and_then(|map| Ok((coerce(&described, id, &map)?, awaits?)));
        let (mut properties, awaits) = match coerced {
            Ok((map, awaits)) => (Value::Map(map).to_json(), awaits),
            Err(Stop::Failed(failed)) => {
                return Err(self.invalid(id, &resource.resource_type, failed).await?);
            }
            Err(stop) => return Err(stop),
        };
        if let Some(key) = self.add_tags(provider.resource_type(), id, &mut properties) {
            let failed = Failed::because(reserved_tag(&key));
            return Err(self.invalid(id, &resource.resource_type, failed).await?);
        }
        let given = provider.name_property().and_then(|name| properties.get(name)?.as_str());
        let named = given.is_some();
        let reviewed = self.snapshot.operation.nested.get(id).map(|child| child.stack.name.clone());
        let name = given.map(str::to_owned).or(reviewed);
        let name = name.unwrap_or_else(|| self.make_name(id, provider, &properties));
        let dependencies = evaluation.dependencies(id)?;
        let state = State {
            name,
            properties: properties.to_string(),
            deletion_policy: resource.deletion_policy,
            replace_policy: resource.update_replace_policy,
            depends_on: dependencies.into_iter().map(str::to_owned).collect(),
            metadata: metadata.map(|metadata| metadata.to_json().to_string()),
            ..State::default()
        };
        Ok(Wanted { resource_type: resource.resource_type.clone(), state, named, awaits })
    }

    fn make_name(&self, id: &str, provider: &dyn crate::providers::Provider, properties: &Json) -> String {
        let random = self.deployer.core.ids().text(ALPHABET, RANDOM_LENGTH);
        let naming = provider.resource_type().naming.unwrap_or(crate::template::Naming::new(MAX_NAME));
        naming.physical_id(&self.key.name, id, &random, provider.suffix(properties))
    }

    /// Notes that a resource's properties turned out to be wrong.
    async fn invalid(&mut self, id: &str, resource_type: &str, failed: Failed) -> Result<Stop, Stop> {
        let found = self.resource(id).cloned();
        let verb = if found.as_ref().is_some_and(|found| found.state.exists) { "UPDATE" } else { "CREATE" };
        let resource = found.unwrap_or_else(|| self.blank(id, resource_type));
        self.break_off(resource, verb, &failed.reason).await
    }

    pub(super) fn blank(&self, id: &str, resource_type: &str) -> Resource {
        Resource {
            logical_id: id.to_owned(),
            resource_type: resource_type.to_owned(),
            status: String::new(),
            reason: None,
            updated: ropeway_core::Time::default(),
            state: State::default(),
            baseline: if self.creates() { Baseline::Same } else { Baseline::Absent },
            leftovers: Vec::new(),
            operation: String::new(),
            attempts: 0,
            in_effect: Vec::new(),
            awaits: None,
        }
    }

    /// Makes a resource that is not there.
    async fn add(&mut self, id: &str, wanted: Wanted, before: Option<Baseline>) -> Result<(), Stop> {
        let blank = self.blank(id, &wanted.resource_type);
        let baseline = before.filter(|before| *before != Baseline::Same).unwrap_or(blank.baseline.clone());
        let resource = Resource {
            state: wanted.state,
            awaits: wanted.awaits,
            baseline,
            status: "CREATE_IN_PROGRESS".to_owned(),
            operation: self.snapshot.operation.id.clone(),
            ..blank
        };
        self.begin_creation(resource, wanted.named, None).await
    }

    /// Commits that a creation begins, and under which name; then makes it.
    async fn begin_creation(
        &mut self,
        resource: Resource,
        named: bool,
        reason: Option<&str>,
    ) -> Result<(), Stop> {
        if named {
            let refusal = match self.is_taken(&resource).await? {
                Ok(false) => None,
                Ok(true) => Some(format!("{} already exists", resource.state.name)),
                Err(broken) => Some(broken.reason),
            };
            if let Some(refusal) = refusal {
                return Err(self.undo_begin(resource, &refusal).await?);
            }
        }
        let status = resource.status.clone();
        self.record(turned(resource.clone(), &status, reason)).await?;
        self.finish_creation(resource).await
    }

    /// A creation that never began: what the resource was before is what it is.
    async fn undo_begin(&mut self, resource: Resource, reason: &str) -> Result<Stop, Stop> {
        let verb = if resource.status.starts_with("CREATE") { "CREATE" } else { "UPDATE" };
        let before = self.resource(&resource.logical_id).cloned();
        let status = resource.status.clone();
        let begun = event(&resource, "", &status, None);
        let resource =
            before.unwrap_or(Resource { state: State { exists: false, ..resource.state }, ..resource });
        self.record(vec![begun]).await?;
        self.break_off(resource, verb, reason).await
    }

    async fn finish_creation(&mut self, resource: Resource) -> Result<(), Stop> {
        let verb = if resource.status.starts_with("CREATE") { "CREATE" } else { "UPDATE" };
        match self.call_create(&resource).await? {
            Ok(made) => {
                let begun = (format!("{verb}_IN_PROGRESS"), Some("Resource creation Initiated"));
                let begun = event(&resource, &made.physical_id, &begun.0, begun.1);
                let mut changes = vec![begun];
                changes.extend(turned(with(resource, made), &format!("{verb}_COMPLETE"), None));
                self.record(changes).await
            }
            Err(Broken { reason, physical_id }) => {
                let state = State { exists: physical_id.is_some(), physical_id, ..resource.state.clone() };
                Err(self.break_off(Resource { state, ..resource }, verb, &reason).await?)
            }
        }
    }

    /// Notes that a resource has failed.
    pub(super) async fn break_off(
        &mut self,
        resource: Resource,
        verb: &str,
        reason: &str,
    ) -> Result<Stop, Stop> {
        let id = resource.logical_id.clone();
        let resource = Resource { operation: self.snapshot.operation.id.clone(), ..resource };
        self.record(turned(resource, &format!("{verb}_FAILED"), Some(reason))).await?;
        Ok(Stop::Failed(Failed { resources: vec![id], reason: String::new() }))
    }

    /// Updates or replaces a resource, if it shall be another.
    async fn change(&mut self, found: Resource, wanted: Wanted) -> Result<(), Stop> {
        let (old, new) = (properties(&found.state), properties(&wanted.state));
        match recreated(&found.resource_type, &old, &new)? {
            None if !found.status.ends_with("_FAILED") && !is_revisited(&found)? => {
                self.keep(found, wanted.state).await
            }
            Some(true) => {
                self.obey_policy(&found, Action::Replace).await?;
                self.replace(found, wanted).await
            }
            None | Some(false) => {
                self.obey_policy(&found, Action::Modify).await?;
                let old = found.state.clone();
                let state = State {
                    name: old.name.clone(),
                    physical_id: old.physical_id.clone(),
                    attributes: old.attributes.clone(),
                    exists: true,
                    ..wanted.state
                };
                let in_effect = in_effect(&found);
                let resource = self.begun(Resource { state, in_effect, ..found }, old);
                self.record(turned(resource.clone(), "UPDATE_IN_PROGRESS", None)).await?;
                self.finish_update(resource).await
            }
        }
    }

    /// Fails a resource to which the stack's policy does not let an update do this.
    async fn obey_policy(&mut self, found: &Resource, action: Action) -> Result<(), Stop> {
        let Some(policy) = &self.snapshot.operation.policy else { return Ok(()) };
        let checked = StackPolicy::parse(policy)
            .and_then(|policy| policy.check(action, &found.logical_id, &found.resource_type));
        match checked {
            Ok(()) => Ok(()),
            Err(why) => Err(self.break_off(found.clone(), "UPDATE", &why).await?),
        }
    }

    /// What the template no longer has must be what the policy lets go.
    async fn obey_removals(&mut self, evaluation: &Evaluation<'_>) -> Result<(), Stop> {
        let kept: BTreeSet<&String> = evaluation.creation_order().iter().collect();
        let gone = self.snapshot.resources.values().filter(|resource| !kept.contains(&resource.logical_id));
        for resource in gone.cloned().collect::<Vec<_>>() {
            self.obey_policy(&resource, Action::Delete).await?;
        }
        Ok(())
    }

    /// The resource as an update of it begins: what it was is kept, unless a failed update before has kept more.
    fn begun(&self, resource: Resource, old: State) -> Resource {
        let baseline = match resource.baseline {
            Baseline::Same => Baseline::Was(Box::new(old)),
            kept => kept,
        };
        let status = "UPDATE_IN_PROGRESS".to_owned();
        let operation = self.snapshot.operation.id.clone();
        Resource { baseline, status, operation, attempts: 0, ..resource }
    }

    /// Nothing of it changes but what the template says for later.
    async fn keep(&mut self, found: Resource, wanted: State) -> Result<(), Stop> {
        let State { deletion_policy, replace_policy, depends_on, metadata, .. } = wanted;
        let state = State { deletion_policy, replace_policy, depends_on, metadata, ..found.state.clone() };
        if state == found.state {
            return Ok(());
        }
        let kept = self.begun(found.clone(), found.state.clone());
        let kept = Resource { state, status: found.status, ..kept };
        self.record(vec![Change::Put(Box::new(kept))]).await
    }

    async fn finish_update(&mut self, resource: Resource) -> Result<(), Stop> {
        let new = resource.state.clone();
        match self.call_update(&resource, &new).await? {
            Ok(made) => {
                let mut changes = Vec::new();
                let resource = moved(resource, &made, &mut changes);
                changes.extend(turned(with(resource, made), "UPDATE_COMPLETE", None));
                self.record(changes).await
            }
            Err(broken) => {
                let in_effect = in_effect(&resource);
                let resource = Resource { in_effect, ..resource };
                Err(self.break_off(resource, "UPDATE", &broken.reason).await?)
            }
        }
    }

    /// Makes a new one beside the old one, which the clean-up deletes.
    async fn replace(&mut self, found: Resource, wanted: Wanted) -> Result<(), Stop> {
        if wanted.named && wanted.state.name == found.state.name {
            let name = &wanted.state.name;
            let reason = format!(
                "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename {name} and \
                 update the stack again."
            );
            return Err(self.break_off(found, "UPDATE", &reason).await?);
        }
        let old = found.state.clone();
        let (state, awaits) = (wanted.state, wanted.awaits);
        let replaced = Resource { state, awaits, in_effect: Vec::new(), ..found.clone() };
        let mut resource = self.begun(replaced, old.clone());
        if found.baseline != Baseline::Same {
            // Made by an update that failed: nothing goes back to it.
            resource.leftovers.push(old);
        }
        self.begin_creation(resource, wanted.named, Some(REPLACING)).await
    }

    /// Everything is there: outputs, exports, and what was planned is what is deployed.
    async fn complete(&mut self, evaluation: &Evaluation<'_>) -> Result<bool, Stop> {
        // Resources that an earlier run made import too.
        for id in evaluation.creation_order() {
            self.evaluate(|lookup| evaluation.properties(id, lookup)).await?;
        }
        let outputs = self.evaluate(|lookup| evaluation.outputs(lookup)).await?;
        let exports: BTreeMap<String, String> =
            outputs.iter().filter_map(|o| Some((o.export_name.clone()?, o.value.clone()))).collect();
        self.submit_exports(Command::SetExports(self.key.clone(), exports)).await?;
        let imports: BTreeSet<String> = self.imports.keys().cloned().collect();
        self.submit_exports(Command::SetImports(self.key.clone(), imports.clone())).await?;
        let outputs = outputs.into_iter().map(|o| Output {
            key: o.key,
            value: o.value,
            description: o.description,
            export_name: o.export_name,
        });
        let deploy = Change::Deploy(outputs.collect(), imports);
        if self.creates() {
            let status = Change::Status("CREATE_COMPLETE".to_owned(), None);
            self.record(vec![deploy, status, Change::Finish(false)]).await?;
            return Ok(true);
        }
        if self.imports_resources() {
            self.record(vec![deploy, Change::Phase(Phase::Cleanup)]).await?;
            return Ok(false);
        }
        let status = Change::Status("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS".to_owned(), None);
        if self.snapshot.operation.held {
            self.record(vec![Change::Hold, deploy, status, Change::Phase(Phase::Held)]).await?;
            return Ok(true);
        }
        self.record(vec![deploy, status, Change::Phase(Phase::Cleanup)]).await?;
        Ok(false)
    }

    /// Nested stacks that have been reviewed and are not begun with go with the change set that made them.
    async fn discard_reviews(&mut self) -> Result<(), Stop> {
        let nested = self.snapshot.operation.nested.iter();
        let begun = |id: &str| self.resource(id).is_some_and(|resource| resource.state.exists);
        let left = nested.filter(|(id, _)| !begun(id)).map(|(_, child)| child.clone()).collect();
        let service = self.deployer.service();
        discard(&service, &self.cx, left).await.map_err(|error| {
            tracing::warn!(%error, stack = self.key.name, "dropping the stacks that were only reviewed is tried again");
            Stop::Later(super::PAUSE)
        })
    }

    /// What becomes of a failure; true: the operation is over.
    async fn fail(&mut self, failed: Failed) -> Result<bool, Stop> {
        if self.imports_resources() {
            return self.fail_import(&failed).await;
        }
        self.discard_reviews().await?;
        let verb = if self.creates() { "create" } else { "update" };
        let what = match failed.resources.join(", ") {
            _ if self.snapshot.operation.cancelled => format!("{CANCELLED}. "),
            resources if resources.is_empty() => format!("{}. ", failed.reason.trim_end_matches('.')),
            resources => format!("The following resource(s) failed to {verb}: [{resources}]. "),
        };
        let asked = format!("{what}Rollback requested by user.");
        let (status, reason, phase) = match (self.creates(), self.snapshot.operation.on_failure) {
            (true, OnFailure::DoNothing) => ("CREATE_FAILED", what, None),
            (false, OnFailure::DoNothing) => ("UPDATE_FAILED", what, None),
            (true, OnFailure::Rollback) => ("ROLLBACK_IN_PROGRESS", asked, Some(Phase::Delete)),
            (true, OnFailure::Delete) => {
                ("DELETE_IN_PROGRESS", format!("{what}Delete requested by user."), Some(Phase::Delete))
            }
            (false, _) => ("UPDATE_ROLLBACK_IN_PROGRESS", what, Some(Phase::Rollback)),
        };
        let next = phase.map_or(Change::Finish(false), Change::Phase);
        self.record(vec![Change::Status(status.to_owned(), Some(reason)), next]).await?;
        Ok(phase.is_none())
    }
}

/// The resource with what its provider made of it.
pub(super) fn with(resource: Resource, made: Made) -> Resource {
    let state = State {
        physical_id: Some(made.physical_id),
        attributes: made.attributes,
        exists: true,
        ..resource.state
    };
    Resource { state, attempts: 0, in_effect: Vec::new(), ..resource }
}

/// Whether an update looks at a resource whose properties do not change.
fn is_revisited(resource: &Resource) -> Result<bool, Stop> {
    Ok(provider(&resource.resource_type)?.resource_type().revisited)
}

/// The resource before an update is noted that has given it another physical id: what it was is deleted in the end.
fn moved(mut resource: Resource, made: &Made, changes: &mut Vec<Change>) -> Resource {
    if resource.state.physical_id.as_ref() == Some(&made.physical_id) {
        return resource;
    }
    changes.push(event(&resource, &made.physical_id, "UPDATE_IN_PROGRESS", Some(PROVIDER_REPLACES)));
    let is_baseline = match &resource.baseline {
        Baseline::Was(old) => old.physical_id == resource.state.physical_id,
        Baseline::Same | Baseline::Absent => false,
    };
    if !is_baseline {
        // Made by an update that failed: nothing goes back to it.
        resource.leftovers.push(resource.state.clone());
    }
    resource
}

/// Every set of properties that may be in effect once an update of the resource has begun.
pub(super) fn in_effect(resource: &Resource) -> Vec<String> {
    let mut all = resource.in_effect.clone();
    if !all.contains(&resource.state.properties) {
        all.push(resource.state.properties.clone());
    }
    all
}

/// Whether a change of properties makes a new resource; none: nothing changes.
fn recreated(resource_type: &str, old: &Json, new: &Json) -> Result<Option<bool>, Stop> {
    let provider = provider(resource_type)?;
    let (before, after) = (Value::from(old.clone()), Value::from(new.clone()));
    let empty = crate::template::Map::new();
    let (before, after) = (before.as_map().unwrap_or(&empty), after.as_map().unwrap_or(&empty));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut hardest = None;
    for name in names {
        let (a, b) = (before.get(name), after.get(name));
        let same = match (a, b) {
            (Some(a), Some(b)) => a.same(b),
            _ => false,
        };
        if !same {
            let property = provider.resource_type().property(name);
            hardest = hardest.max(Some(property.map_or(Recreation::Never, |p| recreation(p, a, b))));
        }
    }
    Ok(hardest.map(|hardest| match hardest {
        Recreation::Never => false,
        Recreation::Conditionally => provider.replaces(old, new),
        Recreation::Always => true,
    }))
}
