//! Putting back what a failed update has changed.

use super::forward::in_effect;
use super::step::{provider, turned};
use super::{Run, Stop};
use crate::commands::{Change, Command};
use crate::model::{Baseline, Resource, State};

impl Run<'_> {
    /// Gives every changed resource back what it was; true: the operation is over.
    pub(super) async fn rollback(&mut self) -> Result<bool, Stop> {
        let mut failed = Vec::new();
        if let Err(stop) = self.restore_exports().await {
            let Stop::Failed(why) = stop else { return Err(stop) };
            let status = Change::Status("UPDATE_ROLLBACK_FAILED".to_owned(), Some(why.reason));
            self.record(vec![status, Change::Finish(false)]).await?;
            return Ok(true);
        }
        for id in self.order() {
            let Some(resource) = self.resource(&id).cloned() else { continue };
            if let Baseline::Was(old) = &resource.baseline {
                let old = State::clone(old);
                if !self.put_back(resource, old).await? {
                    failed.push(id);
                }
            } else if resource.status == "UPDATE_FAILED" {
                // Nothing of it had begun.
                self.record(turned(resource, "UPDATE_COMPLETE", None)).await?;
            }
        }
        if failed.is_empty() {
            return self.begin_rollback_cleanup().await;
        }
        failed.sort();
        let reason = format!("The following resource(s) failed to update: [{}]. ", failed.join(", "));
        let status = Change::Status("UPDATE_ROLLBACK_FAILED".to_owned(), Some(reason));
        self.record(vec![status, Change::Finish(false)]).await?;
        Ok(true)
    }

    /// An update that its parent takes back has already changed the exports.
    async fn restore_exports(&mut self) -> Result<(), Stop> {
        if self.snapshot.operation.held {
            let outputs = &self.snapshot.deployed.outputs;
            let exports = outputs.iter().filter_map(|o| Some((o.export_name.clone()?, o.value.clone())));
            let command = Command::SetExports(self.key.clone(), exports.collect());
            self.submit_exports(command).await?;
        }
        Ok(())
    }

    /// Makes one resource what it was; false: it failed.
    async fn put_back(&mut self, resource: Resource, old: State) -> Result<bool, Stop> {
        let settled = |resource: Resource, state: State| Resource {
            state,
            baseline: Baseline::Same,
            operation: String::new(),
            attempts: 0,
            in_effect: Vec::new(),
            ..resource
        };
        if self.snapshot.operation.skip.contains(&resource.logical_id) {
            let skipped = settled(resource, old);
            self.record(turned(skipped, "UPDATE_COMPLETE", None)).await?;
            return Ok(true);
        }
        if old.physical_id != resource.state.physical_id {
            let mut back = settled(resource.clone(), old);
            if resource.state.exists {
                back.leftovers.push(resource.state);
            }
            self.record(turned(back, "UPDATE_COMPLETE", None)).await?;
            return Ok(true);
        }
        let revisited = provider(&resource.resource_type)?.resource_type().revisited;
        if !revisited && in_effect(&resource).iter().all(|properties| *properties == old.properties) {
            let back = settled(resource, old);
            self.record(vec![Change::Put(Box::new(back))]).await?;
            return Ok(true);
        }
        if resource.operation != self.rolling() {
            let begun = Resource { operation: self.rolling(), attempts: 0, ..resource.clone() };
            self.record(turned(begun, "UPDATE_IN_PROGRESS", None)).await?;
        }
        let resource = self.noted(resource);
        match self.call_restore(&resource, &old).await? {
            Ok(made) => {
                let noted = self.noted(resource);
                let left = noted.state.clone();
                let mut back = super::forward::with(settled(noted, old), made);
                if back.state.physical_id != left.physical_id {
                    back.leftovers.push(left);
                }
                self.record(turned(back, "UPDATE_COMPLETE", None)).await?;
                Ok(true)
            }
            Err(broken) => {
                let noted = self.noted(resource);
                self.record(turned(noted, "UPDATE_FAILED", Some(&broken.reason))).await?;
                Ok(false)
            }
        }
    }

    /// What a resource's row names as its operation while it is put back.
    fn rolling(&self) -> String {
        format!("{}/rollback", self.snapshot.operation.id)
    }
}
