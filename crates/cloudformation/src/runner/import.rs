//! Taking resources that are there into a stack.
//!
//! Source: the user guide, "Import AWS resources into a CloudFormation stack". What is imported stays as it is: its
//! properties are not made those of the template.

use super::forward::{Wanted, with};
use super::step::{event, turned};
use super::tags::without_system;
use super::{Failed, Run, Stop};
use crate::commands::Change;
use crate::model::{Baseline, Phase, Resource, State};
use crate::providers::name_of;

impl Run<'_> {
    /// Notes that a resource becomes one of the stack's; then looks whether it is there.
    pub(super) async fn import(&mut self, id: &str, wanted: Wanted, identity: &str) -> Result<(), Stop> {
        let name = name_of(&wanted.resource_type, identity).to_owned();
        let state = State { name, physical_id: Some(identity.to_owned()), ..wanted.state };
        let resource = Resource {
            // What it has already, as far as its making goes: only the system's own tags are new to it.
            in_effect: vec![without_system(&state.properties)],
            state,
            status: "IMPORT_IN_PROGRESS".to_owned(),
            operation: self.snapshot.operation.id.clone(),
            ..self.blank(id, &wanted.resource_type)
        };
        let begun = turned(resource.clone(), "IMPORT_IN_PROGRESS", Some("Resource import started."));
        self.record(begun).await?;
        self.finish_import(resource).await
    }

    /// Takes it, if it is there.
    pub(super) async fn finish_import(&mut self, resource: Resource) -> Result<(), Stop> {
        let made = match self.is_taken(&resource).await? {
            Ok(true) => self.call_update(&resource, &resource.state).await?,
            Ok(false) => {
                let identity = resource.state.physical_id.clone().unwrap_or_default();
                let why = format!(
                    "Resource of type '{}' with identifier '{identity}' was not found.",
                    resource.resource_type
                );
                return Err(self.break_off(resource, "IMPORT", &why).await?);
            }
            Err(broken) => Err(broken),
        };
        match made {
            Ok(made) => {
                let changes =
                    turned(with(resource, made), "IMPORT_COMPLETE", Some("Resource import completed."));
                self.record(changes).await
            }
            Err(broken) => Err(self.break_off(resource, "IMPORT", &broken.reason).await?),
        }
    }

    /// An import that fails lets go of what it has taken.
    pub(super) async fn fail_import(&mut self, failed: &Failed) -> Result<bool, Stop> {
        let what = match failed.resources.join(", ") {
            resources if resources.is_empty() => failed.reason.clone(),
            resources => format!("The following resource(s) failed to import: [{resources}]. "),
        };
        let status = Change::Status("IMPORT_ROLLBACK_IN_PROGRESS".to_owned(), Some(what));
        self.record(vec![status, Change::Phase(Phase::RollbackCleanup)]).await?;
        Ok(false)
    }

    /// Takes the system's own tags from what was imported. What cannot be changed (any more) is let go of as it is.
    async fn untag(&mut self, resource: &Resource) -> Result<(), Stop> {
        let properties = without_system(&resource.state.properties);
        if resource.state.exists && properties != resource.state.properties {
            let before = State { properties, ..resource.state.clone() };
            if let Err(broken) = self.call_update(resource, &before).await? {
                tracing::warn!(
                    reason = broken.reason,
                    resource = resource.logical_id,
                    "tags of an import stay"
                );
            }
        }
        Ok(())
    }

    /// Lets go of what an import has taken.
    pub(super) async fn let_go(&mut self) -> Result<bool, Stop> {
        for id in self.order() {
            let Some(resource) = self.resource(&id).cloned() else { continue };
            if resource.baseline == Baseline::Absent {
                self.untag(&resource).await?;
                let physical_id = resource.state.physical_id.clone().unwrap_or_default();
                let gone = event(&resource, &physical_id, "IMPORT_ROLLBACK_COMPLETE", None);
                self.record(vec![gone, Change::Remove(id)]).await?;
            }
        }
        let status = Change::Status("IMPORT_ROLLBACK_COMPLETE".to_owned(), None);
        self.record(vec![status, Change::Finish(false)]).await?;
        Ok(true)
    }
}
