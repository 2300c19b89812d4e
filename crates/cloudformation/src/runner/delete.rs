//! Deleting: whole stacks, and what updates leave behind.

use std::collections::{BTreeMap, BTreeSet};

use super::step::{Broken, event, turned};
use super::{Failed, Run, Stop};
use crate::commands::{Change, Command};
use crate::model::{Baseline, OnFailure, OperationKind, Phase, Resource, State};
use crate::template::{DeletionPolicy, Evaluation, Template, is_custom};

impl Run<'_> {
    /// Deletes every resource, in the reverse order of their dependencies; true: the operation is over.
    pub(super) async fn delete(&mut self) -> Result<bool, Stop> {
        if let Some(why) = self.refused.clone() {
            return self.undeletable(why).await;
        }
        let released = self.release_exports().await;
        match released {
            Err(Stop::Failed(failed)) => return self.undeletable(failed.reason).await,
            released => released?,
        }
        let mut failed = Vec::new();
        let mut held: BTreeSet<String> = BTreeSet::new();
        for id in self.order().into_iter().rev() {
            let Some(resource) = self.resource(&id).cloned() else { continue };
            let depends_on = resource.state.depends_on.clone();
            if held.contains(&id) {
                // Something that is still there depends on it.
                held.extend(depends_on);
            } else if !self.remove(resource).await? {
                failed.push(id);
                held.extend(depends_on);
            }
        }
        if !failed.is_empty() {
            failed.sort();
            let reason = format!("The following resource(s) failed to delete: [{}]. ", failed.join(", "));
            return self.undeletable(reason).await;
        }
        self.submit_exports(Command::SetImports(self.key.clone(), BTreeSet::new())).await?;
        let (status, deleted) =
            if self.rolls_back() { ("ROLLBACK_COMPLETE", false) } else { ("DELETE_COMPLETE", true) };
        self.record(vec![Change::Status(status.to_owned(), None), Change::Finish(deleted)]).await?;
        Ok(true)
    }

    /// Whether this deletion is what a failed creation ends with, and leaves the stack itself.
    fn rolls_back(&self) -> bool {
        let operation = &self.snapshot.operation;
        operation.kind == OperationKind::Create && operation.on_failure == OnFailure::Rollback
    }

    async fn release_exports(&mut self) -> Result<(), Stop> {
        self.submit_exports(Command::SetExports(self.key.clone(), BTreeMap::new())).await?;
        Ok(())
    }

    async fn undeletable(&mut self, reason: String) -> Result<bool, Stop> {
        let status = if self.rolls_back() { "ROLLBACK_FAILED" } else { "DELETE_FAILED" };
        self.record(vec![Change::Status(status.to_owned(), Some(reason)), Change::Finish(false)]).await?;
        Ok(true)
    }

    /// Whether a resource stays when its stack goes.
    fn is_retained(&self, resource: &Resource) -> bool {
        let rolls_back = self.snapshot.operation.kind == OperationKind::Create;
        let by_policy = match resource.state.deletion_policy {
            DeletionPolicy::Delete => false,
            DeletionPolicy::Retain => !(rolls_back && self.snapshot.operation.retain_except_on_create),
            DeletionPolicy::RetainExceptOnCreate => !rolls_back,
        };
        by_policy || self.snapshot.operation.retain.contains(&resource.logical_id)
    }

    /// Deletes a resource with all that is left of it; false: it failed.
    async fn remove(&mut self, resource: Resource) -> Result<bool, Stop> {
        if matches!(resource.status.as_str(), "DELETE_COMPLETE" | "DELETE_SKIPPED") {
            return Ok(true);
        }
        if self.is_retained(&resource) {
            self.record(turned(resource, "DELETE_SKIPPED", None)).await?;
            return Ok(true);
        }
        let resource = match self.recover(resource).await? {
            Ok(resource) => resource,
            Err(resource) => {
                self.record(turned(*resource, "DELETE_COMPLETE", None)).await?;
                return Ok(true);
            }
        };
        let resource = Resource { attempts: 0, operation: self.snapshot.operation.id.clone(), ..resource };
        if resource.status != "DELETE_IN_PROGRESS" {
            self.record(turned(resource.clone(), "DELETE_IN_PROGRESS", None)).await?;
        }
        for state in everything(&resource) {
            if let Err(broken) = self.call_delete(&resource, &state).await? {
                if self.snapshot.operation.forces {
                    self.record(turned(resource, "DELETE_SKIPPED", Some(&broken.reason))).await?;
                    return Ok(true);
                }
                self.record(turned(resource, "DELETE_FAILED", Some(&broken.reason))).await?;
                return Ok(false);
            }
        }
        self.record(turned(resource, "DELETE_COMPLETE", None)).await?;
        Ok(true)
    }

    /// A creation that this deletion has interrupted may have made something, whose id nobody has noted:
    /// made again under the same name, it tells. `Err`: there is nothing to delete.
    async fn recover(&mut self, resource: Resource) -> Result<Result<Resource, Box<Resource>>, Stop> {
        let interrupted = resource.state.physical_id.is_none()
            && matches!(resource.status.as_str(), "CREATE_IN_PROGRESS" | "UPDATE_IN_PROGRESS");
        if interrupted {
            return Ok(match self.call_create(&resource).await? {
                Ok(made) => Ok(super::forward::with(resource, made)),
                Err(Broken { physical_id: Some(id), .. }) => {
                    let state = State { physical_id: Some(id), exists: true, ..resource.state };
                    Ok(Resource { state, ..resource })
                }
                Err(_) if everything(&resource).is_empty() => Err(Box::new(resource)),
                Err(_) => Ok(resource),
            });
        }
        if everything(&resource).is_empty() { Ok(Err(Box::new(resource))) } else { Ok(Ok(resource)) }
    }

    /// Deletes what an update has replaced or removed; true: the operation is over.
    pub(super) async fn cleanup(&mut self) -> Result<bool, Stop> {
        let kept = match self.kept() {
            Ok(kept) => kept,
            Err(Stop::Failed(Failed { reason, .. })) => {
                tracing::error!(reason, stack = self.key.name, "a deployed template cannot be read");
                return Err(Stop::Later(super::PAUSE));
            }
            Err(stop) => return Err(stop),
        };
        let mut clean = true;
        for id in self.order().into_iter().rev() {
            let Some(resource) = self.resource(&id).cloned() else { continue };
            clean &= if kept.contains(&id) {
                self.clean(resource).await?
            } else {
                self.drop_out(resource).await?
            };
        }
        let reason = (!clean).then(|| "One or more resources could not be deleted.".to_owned());
        let status = if self.imports_resources() { "IMPORT_COMPLETE" } else { "UPDATE_COMPLETE" };
        let status = Change::Status(status.to_owned(), reason);
        self.record(vec![status, Change::Finish(false)]).await?;
        Ok(true)
    }

    /// The logical ids that the stack has now.
    fn kept(&self) -> Result<BTreeSet<String>, Stop> {
        let template = Template::parse(&self.snapshot.planned.template)?;
        let evaluation = Evaluation::new(&template, self.environment(), &self.snapshot.planned.values())?;
        Ok(evaluation.creation_order().iter().cloned().collect())
    }

    /// Deletes what a resource has replaced, and makes what it is its baseline.
    async fn clean(&mut self, resource: Resource) -> Result<bool, Stop> {
        if resource.baseline == Baseline::Same && resource.leftovers.is_empty() {
            return Ok(true);
        }
        let committed = self.call_commit(&resource).await?.is_ok();
        let mut old = resource.leftovers.clone();
        old.extend(replaced(&resource));
        let retains = resource.state.replace_policy != DeletionPolicy::Delete;
        let clean = self.discard(&resource, &old, retains).await?;
        let settled =
            Resource { baseline: Baseline::Same, leftovers: Vec::new(), attempts: 0, ..self.noted(resource) };
        self.record(vec![Change::Put(Box::new(settled))]).await?;
        Ok(clean && committed)
    }

    /// Deletes a resource that the template no longer has.
    async fn drop_out(&mut self, resource: Resource) -> Result<bool, Stop> {
        let retains = resource.state.deletion_policy != DeletionPolicy::Delete;
        let clean = self.discard(&resource, &everything(&resource), retains).await?;
        self.record(vec![Change::Remove(resource.logical_id)]).await?;
        Ok(clean)
    }

    /// The resource as it was noted last.
    pub(super) fn noted(&self, resource: Resource) -> Resource {
        self.resource(&resource.logical_id).cloned().unwrap_or(resource)
    }

    /// Deletes states of a resource, or leaves them where its policy says so; false: one could not be deleted.
    pub(super) async fn discard(
        &mut self,
        resource: &Resource,
        states: &[State],
        retains: bool,
    ) -> Result<bool, Stop> {
        let mut clean = true;
        for state in states {
            let id = state.physical_id.clone().unwrap_or_default();
            if retains || self.is_anothers(resource, state) {
                self.record(vec![event(resource, &id, "DELETE_SKIPPED", None)]).await?;
                continue;
            }
            let begun = event(resource, &id, "DELETE_IN_PROGRESS", None);
            if resource.attempts == 0 {
                self.record(vec![begun]).await?;
            }
            let ended = match self.call_delete(resource, state).await? {
                Ok(()) => event(resource, &id, "DELETE_COMPLETE", None),
                Err(broken) => {
                    clean = false;
                    event(resource, &id, "DELETE_FAILED", Some(&broken.reason))
                }
            };
            self.record(vec![ended]).await?;
        }
        Ok(clean)
    }

    /// Whether another resource of the stack stands for the same thing: a subscription that has moved to another logical
    /// id is made under both, and is one.
    fn is_anothers(&self, resource: &Resource, state: &State) -> bool {
        !is_custom(&resource.resource_type)
            && self.snapshot.resources.values().any(|other| {
                other.logical_id != resource.logical_id
                    && other.resource_type == resource.resource_type
                    && other.state.exists
                    && other.state.physical_id == state.physical_id
            })
    }

    /// Deletes what a failed update made; true: the operation is over.
    pub(super) async fn rollback_cleanup(&mut self) -> Result<bool, Stop> {
        let mut clean = true;
        for id in self.order().into_iter().rev() {
            let Some(resource) = self.resource(&id).cloned() else { continue };
            if resource.baseline == Baseline::Absent {
                let retains = resource.state.deletion_policy == DeletionPolicy::Retain
                    && !self.snapshot.operation.retain_except_on_create;
                clean &= self.discard(&resource, &everything(&resource), retains).await?;
                self.record(vec![Change::Remove(id)]).await?;
            } else if !resource.leftovers.is_empty() {
                clean &= self.discard(&resource, &resource.leftovers, false).await?;
                let settled = Resource { leftovers: Vec::new(), attempts: 0, ..self.noted(resource) };
                self.record(vec![Change::Put(Box::new(settled))]).await?;
            }
        }
        let reason = (!clean).then(|| "One or more resources could not be deleted.".to_owned());
        let imports = self.snapshot.deployed.imports.clone();
        self.submit_exports(Command::SetImports(self.key.clone(), imports)).await?;
        let status = Change::Status("UPDATE_ROLLBACK_COMPLETE".to_owned(), reason);
        self.record(vec![status, Change::Finish(false)]).await?;
        Ok(true)
    }

    /// The phase after a rollback.
    pub(super) async fn begin_rollback_cleanup(&mut self) -> Result<bool, Stop> {
        let status = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS".to_owned();
        self.record(vec![Change::Status(status, None), Change::Phase(Phase::RollbackCleanup)]).await?;
        Ok(false)
    }
}

/// What a resource has replaced, if it is another than it was.
pub(super) fn replaced(resource: &Resource) -> Option<State> {
    match &resource.baseline {
        Baseline::Was(old) if old.physical_id != resource.state.physical_id => Some(State::clone(old)),
        _ => None,
    }
}

/// Every state of a resource that is there: the newest first.
fn everything(resource: &Resource) -> Vec<State> {
    let now = resource.state.exists.then(|| resource.state.clone());
    let mut all: Vec<State> = now.into_iter().collect();
    all.extend(resource.leftovers.iter().filter(|state| state.exists).cloned());
    all.extend(replaced(resource));
    all
}
