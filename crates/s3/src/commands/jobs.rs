//! Work that is larger than one commit: one step in each, until it is done.

use std::ops::Bound;

use bytes::Bytes;
use ropeway_core::{Fault, Time, Tx, keys as core_keys};
use ropeway_store::Range;

use super::object::{drop_body, free};
use crate::keys;
use crate::model::{Job, ManifestPart, Part};

/// Parts in one step.
const STEP: usize = 200;
/// Pause after a step that failed, in milliseconds.
const PAUSE: i64 = 1000;

/// The jobs of a shard.
#[derive(Default)]
pub(super) struct Jobs {
    /// Every job's key is at or behind this one; `None`: there are no jobs.
    from: Option<Bytes>,
    /// Not before then.
    not_before: Time,
}

impl Jobs {
    pub async fn load(&mut self, tx: &Tx) -> Result<(), Fault> {
        let first = tx.scan_prefix(&keys::jobs(), None, 1).await?;
        self.from = first.rows.first().map(|(key, _)| key.clone());
        Ok(())
    }

    pub fn next_due(&self) -> Option<Time> {
        self.from.as_ref().map(|_| self.not_before)
    }

    pub fn add(&mut self, tx: &mut Tx, upload: u128, job: &Job) -> Result<(), Fault> {
        let kind = match job {
            Job::Parts { .. } => 0,
            Job::Manifest { .. } => 1,
            Job::Lifecycle(_) => 2,
        };
        let key = keys::job(tx.now(), upload, kind);
        tx.write(key.clone(), job)?;
        // Should the command fail, a bound that is too low does no harm.
        self.from = Some(self.from.take().map_or(key.clone(), |from| from.min(key)));
        Ok(())
    }

    /// This moment, or the later one before which nothing is tried again.
    pub fn not_before(&self, due: Time) -> Time {
        due.max(self.not_before)
    }

    /// Waits a little: something failed.
    pub fn pause(&mut self, now: Time) {
        self.not_before = now.plus_millis(PAUSE);
    }

    /// The first job, and its key.
    pub async fn first(&mut self, tx: &Tx) -> Result<Option<(Bytes, Job)>, Fault> {
        let Some(from) = self.from.clone().filter(|_| self.not_before <= tx.now()) else { return Ok(None) };
        let to = core_keys::after_prefix(&keys::jobs()).map_or(Bound::Unbounded, Bound::Excluded);
        let range = Range { from: Bound::Included(from), to, reverse: false };
        let found = tx.scan(range, 1).await?;
        let Some((key, value)) = found.rows.first() else {
            self.from = None;
            return Ok(None);
        };
        self.from = Some(key.clone());
        Ok(Some((key.clone(), postcard::from_bytes(value)?)))
    }
}

/// What is left of a job after a step.
pub(super) async fn advance(tx: &mut Tx, job: Job) -> Result<Option<Job>, Fault> {
    match job {
        Job::Parts { upload, taken, after } => drop_parts(tx, upload, taken, after).await,
        Job::Manifest { upload, next } => drop_manifest(tx, upload, next).await,
        Job::Lifecycle(_) => {
            Err(Fault::Damaged("a run of lifecycle rules among the jobs of uploads".to_owned()))
        }
    }
}

async fn drop_parts(tx: &mut Tx, upload: u128, taken: Vec<u8>, after: u32) -> Result<Option<Job>, Fault> {
    let page = tx.scan_prefix(&keys::parts(upload), Some(&keys::part(upload, after)), STEP).await?;
    let mut freed = Vec::new();
    let mut last = after;
    for (key, value) in page.rows {
        let number = keys::part_number(&key).ok_or_else(|| Fault::Damaged("a part's key".to_owned()))?;
        if !is_taken(&taken, number) {
            let part: Part = postcard::from_bytes(&value)?;
            drop_body(tx, &part.body, &mut freed);
        }
        tx.delete(key);
        last = number;
    }
    free(tx, &freed)?;
    Ok(page.more.then_some(Job::Parts { upload, taken, after: last }))
}

async fn drop_manifest(tx: &mut Tx, upload: u128, next: u32) -> Result<Option<Job>, Fault> {
    let key = keys::manifest(upload, next);
    let Some(parts) = tx.read::<Vec<ManifestPart>>(&key).await? else { return Ok(None) };
    let mut freed = Vec::new();
    for part in &parts {
        drop_body(tx, &part.body, &mut freed);
    }
    tx.delete(key);
    free(tx, &freed)?;
    Ok(Some(Job::Manifest { upload, next: next + 1 }))
}

/// Marks a part number.
pub(super) fn take(taken: &mut Vec<u8>, number: u32) {
    let (byte, bit) = (number as usize / 8, number % 8);
    if taken.len() <= byte {
        taken.resize(byte + 1, 0);
    }
    if let Some(byte) = taken.get_mut(byte) {
        *byte |= 1 << bit;
    }
}

fn is_taken(taken: &[u8], number: u32) -> bool {
    taken.get(number as usize / 8).is_some_and(|byte| byte >> (number % 8) & 1 == 1)
}
