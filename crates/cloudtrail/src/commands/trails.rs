//! Trails: made, changed, removed.

use std::sync::Arc;

use ropeway_api::cloudtrail::error;
use ropeway_core::Tx;
use ropeway_wire::Error;
use ropeway_wire::tags::counted;

use super::{Change, CloudTrailMachine, Output};
use crate::keys;
use crate::model::Trail;

/// Most trails of an account in a region:
/// <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/WhatIsCloudTrail-Limits.html>.
const MAX_TRAILS: usize = 5;
/// Most tags of a trail:
/// <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_AddTags.html>.
const MAX_TAGS: usize = 50;

/// The error for a trail that isn't there.
pub fn not_found(arn: &str) -> Error {
    let account = arn.split(':').nth(4).unwrap_or_default();
    error::trail_not_found_exception(format!("Unknown trail: {arn} for the user: {account}"))
}

impl CloudTrailMachine {
    /// Writes a trail, and makes it known once that is durable.
    fn set_trail(&mut self, tx: &mut Tx, trail: Trail) -> Result<Output, Error> {
        let arn = trail.arn();
        tx.write(keys::trail(&trail.home, &trail.name), &trail)?;
        let (registry, known, named) = (Arc::clone(&self.registry), trail.clone(), arn.clone());
        tx.after_commit(move || registry.set(&named, Some(&known)));
        self.trails.insert(arn, trail.clone());
        Ok(Output::Trail(Box::new(trail)))
    }

    pub(super) fn create(&mut self, tx: &mut Tx, mut trail: Trail) -> Result<Output, Error> {
        let (home, name) = (&trail.home, &trail.name);
        if self.trails.contains_key(&trail.arn()) {
            let why = format!("Trail {name} already exists for customer: {}", home.account);
            return Err(error::trail_already_exists_exception(why));
        }
        if self.trails.values().filter(|other| other.home == *home).count() >= MAX_TRAILS {
            let why = format!("User: {} already has {MAX_TRAILS} trails in {}.", home.account, home.region);
            return Err(error::maximum_number_of_trails_exceeded_exception(why));
        }
        check_tags(&trail)?;
        trail.id = tx.ids().number();
        self.set_trail(tx, trail)
    }

    pub(super) fn change(&mut self, tx: &mut Tx, arn: &str, change: Change) -> Result<Output, Error> {
        let mut trail = self.trails.get(arn).cloned().ok_or_else(|| not_found(arn))?;
        match change {
            Change::Settings(settings) => trail.settings = settings,
            Change::Selectors(selectors) => trail.selectors = selectors,
            Change::Logging(logging) if logging == trail.logging => {}
            Change::Logging(logging) => {
                trail.logging = logging;
                *(if logging { &mut trail.started } else { &mut trail.stopped }) = Some(tx.now());
            }
            Change::Tag(tags) => trail.tags.extend(tags),
            Change::Untag(keys) => trail.tags.retain(|key, _| !keys.contains(key)),
        }
        check_tags(&trail)?;
        let output = self.set_trail(tx, trail.clone())?;
        if trail.logging && trail.settings.validation {
            self.begin_digests(tx, &trail)?;
        }
        Ok(output)
    }

    /// Removes a trail. What waits for it is dropped when its turn comes.
    pub(super) fn delete(&mut self, tx: &mut Tx, arn: &str) -> Result<Output, Error> {
        let trail = self.trails.get(arn).cloned().ok_or_else(|| not_found(arn))?;
        tx.delete(keys::trail(&trail.home, &trail.name));
        let (registry, named) = (Arc::clone(&self.registry), arn.to_owned());
        tx.after_commit(move || registry.set(&named, None));
        let place = (trail.home, trail.id);
        if self.buffers.get(&place).is_some_and(|live| live.buffer.waiting == 0) {
            tx.delete(keys::buffer(&place.0, place.1));
            self.buffers.remove(&place);
        }
        self.trails.remove(arn);
        Ok(Output::Nothing)
    }
}

fn check_tags(trail: &Trail) -> Result<(), Error> {
    if counted(trail.tags.keys()) > MAX_TAGS {
        let why = format!("A trail has {MAX_TAGS} tags at most.");
        return Err(error::tags_limit_exceeded_exception(why));
    }
    Ok(())
}
