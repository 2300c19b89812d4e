//! Documentation parts and versions.

use ropeway_core::{Time, Tx};
use ropeway_wire::Error;
use serde::{Deserialize, Serialize};

use super::{Moment, read as read_api};
use crate::documentation::{Documentation, Location, Part, Parts, Version, check_properties};
use crate::errors::{bad, conflict, limit, no_part, no_stage, no_version};
use crate::keys::ApiName;
use crate::model::Api;
use crate::patch::Patch;
use crate::rows;

/// Parts of an API, and versions: what its row has room for.
const MOST_PARTS: usize = 2000;
const MOST_VERSIONS: usize = 500;

/// A change of an API's documentation, or what is read of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum DocumentationChange {
    /// Reads parts and versions.
    Read,
    /// Makes a part.
    Create(Part),
    /// Patches a part, by its id.
    Patch(String, Vec<Patch>),
    /// Removes a part, by its id.
    Delete(String),
    /// Takes parts in; those of a place that has one take its place. Whether the others go.
    Import(Vec<Part>, bool),
    /// Freezes the parts as a version, and has a stage show it.
    CreateVersion {
        /// the name
        version: String,
        /// `description`
        description: Option<String>,
        /// the stage
        stage: Option<String>,
    },
    /// Reads what a version froze.
    ReadVersion(String),
    /// Patches a version.
    PatchVersion(String, Vec<Patch>),
    /// Removes a version.
    DeleteVersion(String),
}

/// What a command of the documentation answers.
#[derive(Debug, Clone)]
pub struct Documented {
    /// Parts as they are edited and which versions there are; of a version that was read, its parts.
    pub all: Documentation,
    /// Ids of what was made.
    pub made: Vec<String>,
}

/// Applies a change; the stages that it changed are in the API.
pub async fn apply(tx: &mut Tx, name: &ApiName, change: DocumentationChange) -> Result<Documented, Error> {
    use DocumentationChange as C;
    let mut api: Api = read_api(tx, name).await?;
    let mut all: Documentation = rows::read(tx, &name.documentation()).await?.unwrap_or_default();
    let mut made = Vec::new();
    match change {
        C::Read => return Ok(Documented { all, made }),
        C::ReadVersion(version) => {
            let found = rows::read(tx, &name.documentation_version(&version)).await?;
            all.parts = found.ok_or_else(no_version)?;
            return Ok(Documented { all, made });
        }
        C::CreateVersion { version, description, stage } => {
            check_new_version(&all, &version)?;
            if let Some(stage) = stage {
                let found = api.stages.get_mut(&stage).ok_or_else(no_stage)?;
                (found.documentation_version, found.updated) = (Some(version.clone()), tx.now());
                rows::write(tx, &name.key(), &api).await?;
            }
            rows::write(tx, &name.documentation_version(&version), &all.parts).await?;
            all.versions.insert(version, Version { description, created: tx.now() });
        }
        C::DeleteVersion(version) => {
            all.versions.remove(&version).ok_or_else(no_version)?;
            if api.stages.values().any(|stage| stage.documentation_version.as_ref() == Some(&version)) {
                return Err(bad(
                    "Active stages pointing to this documentation version must be moved or deleted",
                ));
            }
            rows::remove(tx, &name.documentation_version(&version), super::CLEANED_AT_ONCE).await?;
        }
        change => edit(&mut all, &mut made, change, &Moment { now: tx.now(), ids: tx.ids() })?,
    }
    rows::write(tx, &name.documentation(), &all).await?;
    Ok(Documented { all, made })
}

/// A stage shows a version that is there.
pub async fn check_shown(tx: &Tx, name: &ApiName, version: &str) -> Result<(), Error> {
    let all: Documentation = rows::read(tx, &name.documentation()).await?.unwrap_or_default();
    if all.versions.contains_key(version) { Ok(()) } else { Err(no_version()) }
}

fn check_new_version(all: &Documentation, version: &str) -> Result<(), Error> {
    if version.is_empty() || version.len() > 64 {
        return Err(bad("A documentation version is 1 to 64 characters long"));
    }
    if all.versions.contains_key(version) {
        return Err(conflict("The documentation version already exists"));
    }
    match all.versions.len() >= MOST_VERSIONS {
        true => Err(limit("Maximum number of documentation versions for this API has been reached")),
        false => Ok(()),
    }
}

/// Changes parts, or a version's description.
fn edit(
    all: &mut Documentation,
    made: &mut Vec<String>,
    change: DocumentationChange,
    moment: &Moment<'_>,
) -> Result<(), Error> {
    use DocumentationChange as C;
    match change {
        C::Create(part) => {
            if of_place(&all.parts, &part.location).is_some() {
                let place = part.location.shown();
                return Err(conflict(format!(
                    "Documentation part already exists for the specified location: {place}."
                )));
            }
            made.push(insert(&mut all.parts, part, moment)?);
        }
        C::Patch(id, patches) => {
            let part = all.parts.get_mut(&id).ok_or_else(no_part)?;
            for patch in patches {
                patch.replaces(&["/properties"])?;
                check_properties(&patch.text())?;
                part.properties = patch.text();
            }
        }
        C::Delete(id) => drop(all.parts.remove(&id).ok_or_else(no_part)?),
        C::Import(parts, overwrites) => {
            if overwrites {
                all.parts.clear();
            }
            for part in parts {
                match of_place(&all.parts, &part.location) {
                    Some(id) => {
                        all.parts.insert(id.clone(), part);
                        made.push(id);
                    }
                    None => made.push(insert(&mut all.parts, part, moment)?),
                }
            }
        }
        C::PatchVersion(version, patches) => {
            let version = all.versions.get_mut(&version).ok_or_else(no_version)?;
            for patch in patches {
                patch.replaces(&["/description"])?;
                version.description = patch.optional();
            }
        }
        C::Read | C::ReadVersion(_) | C::CreateVersion { .. } | C::DeleteVersion(_) => {}
    }
    Ok(())
}

fn of_place(parts: &Parts, location: &Location) -> Option<String> {
    parts.iter().find(|(_, part)| part.location == *location).map(|(id, _)| id.clone())
}

fn insert(parts: &mut Parts, part: Part, moment: &Moment<'_>) -> Result<String, Error> {
    if parts.len() >= MOST_PARTS {
        return Err(limit("Maximum number of documentation parts for this API has been reached"));
    }
    let id = moment.id(6);
    parts.insert(id.clone(), part);
    Ok(id)
}

impl Documented {
    /// A version's name, description and moment.
    pub fn version(&self, name: &str) -> Result<(Option<String>, Time), Error> {
        let found = self.all.versions.get(name).ok_or_else(no_version)?;
        Ok((found.description.clone(), found.created))
    }
}
