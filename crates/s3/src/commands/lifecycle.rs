//! Lifecycle: once a day, at midnight (UTC), what the rules of the shard's buckets say is done, a few rows
//! in each commit.

use bytes::Bytes;
use ropeway_core::{Fault, Time, Tx, keys as core_keys};
use sha2::{Digest as _, Sha256};

use super::configuration::owner_of;
use super::multipart::drop_parts;
use super::object::free;
use super::{Output, S3Machine, Target, ToDelete, bucket, list, versions};
use crate::error::S3Error;
use crate::keys;
use crate::lifecycle::{DAY, Rule, midnight};
use crate::model::{Before, Bucket, Job, Object, Run, Stage, Version, Which};
use crate::notification::record::InEvent;
use crate::notification::{Cause, Event, PRINCIPAL};

/// Rules of a bucket at most.
pub const MAX_RULES: usize = 1000;
/// Rows that one step of a run looks at.
const STEP: usize = 50;
/// Buckets whose runs one step begins.
const BEGIN_STEP: usize = 100;

/// When a shard's rules are looked at.
#[derive(Default)]
pub(super) struct Schedule {
    /// Some bucket may have rules.
    any: bool,
    /// The midnight whose runs have begun.
    begun: Time,
    /// Where those of the next one go on.
    after: Option<Bytes>,
}

impl Schedule {
    pub async fn load(&mut self, tx: &Tx) -> Result<(), Fault> {
        let found = tx.scan_prefix(&keys::all_lifecycles(), None, 1).await?;
        let begun: Option<Time> = tx.read(&keys::lifecycle_run()).await?;
        *self = Schedule { any: !found.rows.is_empty(), begun: begun.unwrap_or_default(), after: None };
        Ok(())
    }

    pub fn next_due(&self) -> Option<Time> {
        self.any.then(|| self.begun.plus_millis(DAY))
    }

    pub fn is_due(&self, now: Time) -> bool {
        self.next_due().is_some_and(|due| due <= now)
    }

    /// Begins the runs of some buckets.
    pub async fn begin(&mut self, tx: &mut Tx) -> Result<(), Fault> {
        let at = midnight(tx.now());
        let prefix = keys::all_lifecycles();
        let mut begun = 0;
        while begun < BEGIN_STEP {
            let page = tx.scan_prefix(&prefix, self.after.as_ref(), 1).await?;
            let Some((row, _)) = page.rows.first() else {
                tx.write(keys::lifecycle_run(), &at)?;
                (self.begun, self.after) = (at, None);
                return Ok(());
            };
            let bucket = bucket_of(&prefix, row)?;
            self.after = core_keys::after_prefix(&keys::lifecycles(&bucket).build());
            let run = Run { bucket, stage: Stage::Objects, after: Vec::new(), key: None };
            tx.write(keys::job(at, id_of(&run.bucket), 2), &Job::Lifecycle(run))?;
            begun += 1;
        }
        Ok(())
    }

    /// There are rules now.
    fn set(&mut self, now: Time) {
        if !self.any {
            *self = Schedule { any: true, begun: self.begun.max(midnight(now)), after: None };
        }
    }
}

/// What stands in a run's key where other jobs have an upload's id.
fn id_of(bucket: &str) -> u128 {
    let digest: [u8; 32] = Sha256::digest(bucket).into();
    let (first, _) = digest.split_at(16);
    u128::from_be_bytes(first.try_into().unwrap_or_default())
}

/// The bucket of a rule's row.
fn bucket_of(prefix: &[u8], row: &[u8]) -> Result<String, Fault> {
    let rest = row.get(prefix.len()..).unwrap_or_default();
    let (bucket, _) = core_keys::read_text(rest).ok_or_else(|| Fault::Damaged("a rule's key".to_owned()))?;
    Ok(bucket)
}

async fn read(tx: &Tx, bucket: &str) -> Result<Vec<Rule>, Fault> {
    let page = tx.scan_prefix(&keys::lifecycles(bucket).build(), None, MAX_RULES).await?;
    page.rows.iter().map(|(_, row)| postcard::from_bytes(row).map_err(Fault::from)).collect()
}

pub(super) async fn get(tx: &Tx, target: &Target) -> Result<Output, S3Error> {
    bucket::find(tx, target).await?;
    Ok(Output::Lifecycle(read(tx, &target.bucket).await?))
}

/// Removes a bucket's rules.
pub(super) async fn clear(tx: &mut Tx, bucket: &str) -> Result<(), Fault> {
    let page = tx.scan_prefix(&keys::lifecycles(bucket).build(), None, MAX_RULES).await?;
    page.rows.into_iter().for_each(|(key, _)| tx.delete(key));
    Ok(())
}

fn cause() -> Cause {
    Cause { principal: PRINCIPAL.to_owned(), ..Cause::default() }
}

fn text(row: &[u8]) -> Result<String, Fault> {
    String::from_utf8(row.to_vec()).map_err(|e| Fault::Damaged(e.to_string()))
}

impl S3Machine {
    /// Makes all buckets' rules known.
    pub(super) async fn show_lifecycles(&self, tx: &Tx) -> Result<(), Fault> {
        let (prefix, mut after) = (keys::all_lifecycles(), None);
        loop {
            let page = tx.scan_prefix(&prefix, after.as_ref(), 1).await?;
            let Some((row, _)) = page.rows.first() else { return Ok(()) };
            let bucket = bucket_of(&prefix, row)?;
            let found = owner_of(tx, &bucket).await?;
            self.live.set_lifecycle(&bucket, &found, read(tx, &bucket).await?);
            after = core_keys::after_prefix(&keys::lifecycles(&bucket).build());
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Sets all of a bucket's rules; none removes them.
    pub(super) async fn set_lifecycle(
        &mut self,
        tx: &mut Tx,
        target: &Target,
        rules: &[Rule],
    ) -> Result<Output, S3Error> {
        let found = bucket::find(tx, target).await?;
        clear(tx, &target.bucket).await?;
        for (number, rule) in (0..).zip(rules) {
            tx.write(keys::lifecycle(&target.bucket, number), rule)?;
        }
        if !rules.is_empty() {
            self.schedule.set(tx.now());
        }
        let (live, name, rules) = (self.live.clone(), target.bucket.clone(), rules.to_vec());
        tx.after_commit(move || live.set_lifecycle(&name, &found, rules));
        Ok(Output::Done)
    }

    /// One step of a run; what is left of it.
    pub(super) async fn run_lifecycle(&mut self, tx: &mut Tx, run: Run) -> Result<Option<Run>, Fault> {
        let Some(bucket) = tx.read::<Bucket>(&keys::bucket(&run.bucket)).await? else { return Ok(None) };
        let rules = read(tx, &run.bucket).await?;
        if rules.is_empty() {
            return Ok(None);
        }
        match run.stage {
            Stage::Objects => self.expire(tx, &bucket, &rules, run).await,
            Stage::Versions => self.remove_versions(tx, &bucket, &rules, run).await,
            Stage::Uploads => self.abort_uploads(tx, &rules, run).await,
        }
    }

    async fn expire(
        &mut self,
        tx: &mut Tx,
        bucket: &Bucket,
        rules: &[Rule],
        run: Run,
    ) -> Result<Option<Run>, Fault> {
        let base = keys::objects(&run.bucket).build();
        let (rows, next) = page(tx, &base, &run).await?;
        let now = tx.now();
        for (row, value) in rows {
            let key = text(row.get(base.len()..).unwrap_or_default())?;
            let object: Object = postcard::from_bytes(&value)?;
            if rules.iter().any(|rule| rule.expires(&key, &object, now)) {
                let doomed = ToDelete { key, matches: None, which: Which::Current, bypass: false };
                let how = (Event::Expired, Event::ExpiredByMarker);
                let done = self.delete_current(tx, (&run.bucket, bucket), &doomed, how, &cause()).await;
                done.map_err(|error| Fault::Store(error.to_string()))?;
            }
        }
        let stage = if bucket.versioning.is_some() { Stage::Versions } else { Stage::Uploads };
        Ok(Some(continued(run, next, stage)))
    }

    async fn remove_versions(
        &mut self,
        tx: &mut Tx,
        bucket: &Bucket,
        rules: &[Rule],
        mut run: Run,
    ) -> Result<Option<Run>, Fault> {
        let base = keys::all_versions(&run.bucket).build();
        let (rows, next) = page(tx, &base, &run).await?;
        for (row, value) in rows {
            let rest = row.get(base.len()..).unwrap_or_default();
            let (key, _) = core_keys::read_text(rest).ok_or_else(|| Fault::Damaged("a key".to_owned()))?;
            let sequence = keys::version_sequence(&row);
            let sequence = sequence.ok_or_else(|| Fault::Damaged("a version's key".to_owned()))?;
            let version: Version = postcard::from_bytes(&value)?;
            self.remove_if_due(tx, bucket, rules, &mut run, (key, sequence, version)).await?;
        }
        Ok(Some(continued(run, next, Stage::Uploads)))
    }

    /// Removes a version if a rule says so; remembers in the run what the next one is compared with.
    async fn remove_if_due(
        &mut self,
        tx: &mut Tx,
        bucket: &Bucket,
        rules: &[Rule],
        run: &mut Run,
        (key, sequence, version): (String, u64, Version),
    ) -> Result<(), Fault> {
        let (name, now) = (run.bucket.clone(), tx.now());
        let before = match run.key.take().filter(|before| before.key == key) {
            Some(before) => Some((before.since, before.newer)),
            None => tx.read::<Object>(&keys::object(&name, &key)).await?.map(|current| (current.modified, 0)),
        };
        let (modified, object) = match &version {
            Version::Object(object) => (object.modified, Some(&**object)),
            Version::Marker(marker) => (marker.modified, None),
        };
        let due = match before {
            Some((since, newer)) => rules.iter().any(|rule| rule.removes(&key, object, since, newer, now)),
            // A delete marker that is current: it may hide nothing.
            None => {
                rules.iter().any(|rule| rule.clears(&key, modified, now))
                    && tx.scan_prefix(&keys::versions(&name, &key).build(), None, 2).await?.rows.len() == 1
            }
        };
        let newer = before.map_or(0, |(_, newer)| newer + 1);
        if due && !object.is_some_and(|object| object.lock.holds(now, false)) {
            let mut freed = Vec::new();
            let doomed = (sequence, &version);
            versions::remove(&mut self.jobs, tx, (&name, &key), doomed, &mut freed)?;
            free(tx, &freed)?;
            let gone = InEvent { object: None, version: bucket.shown_version(version.id()) };
            self.notify(tx, (&name, bucket), &key, Event::Expired, &gone, &cause()).await?;
        }
        run.key = Some(Before { key, since: modified, newer });
        Ok(())
    }

    async fn abort_uploads(&mut self, tx: &mut Tx, rules: &[Rule], run: Run) -> Result<Option<Run>, Fault> {
        let base = keys::uploads(&run.bucket).build();
        let (rows, next) = page(tx, &base, &run).await?;
        let now = tx.now();
        for (row, _) in rows {
            let id = list::upload_id(&row).ok_or_else(|| Fault::Damaged("an upload's key".to_owned()))?;
            let end = row.len().saturating_sub(keys::UPLOAD_SUFFIX);
            let key = text(row.get(base.len()..end).unwrap_or_default())?;
            if rules.iter().any(|rule| rule.aborts(&key, id.initiated, now)) {
                tx.delete(row);
                drop_parts(&mut self.jobs, tx, id.id, Vec::new())?;
            }
        }
        Ok(next.map(|after| Run { after, ..run }))
    }
}

type Rows = Vec<(Bytes, Bytes)>;

/// The rows of a step, and where the next one goes on.
async fn page(tx: &Tx, base: &Bytes, run: &Run) -> Result<(Rows, Option<Vec<u8>>), Fault> {
    let after = (!run.after.is_empty()).then(|| Bytes::copy_from_slice(&run.after));
    let page = tx.scan_prefix(base, after.as_ref(), STEP).await?;
    let next = page.rows.last().filter(|_| page.more).map(|(row, _)| row.to_vec());
    Ok((page.rows, next))
}

/// The run behind a step: on in its stage, or in the next one.
fn continued(run: Run, next: Option<Vec<u8>>, stage: Stage) -> Run {
    match next {
        Some(after) => Run { after, ..run },
        None => Run { stage, after: Vec::new(), key: None, ..run },
    }
}
