//! Object lock: configuration, retention, legal hold.

use ropeway_api::s3::{
    DefaultRetention, GetObjectLegalHoldInput, GetObjectLegalHoldOutput, GetObjectLockConfigurationInput,
    GetObjectLockConfigurationOutput, GetObjectRetentionInput, GetObjectRetentionOutput,
    ObjectLockConfiguration, ObjectLockLegalHold, ObjectLockRetention, ObjectLockRule,
    PutObjectLegalHoldInput, PutObjectLegalHoldOutput, PutObjectLockConfigurationInput,
    PutObjectLockConfigurationOutput, PutObjectRetentionInput, PutObjectRetentionOutput,
};
use ropeway_core::Time;
use ropeway_wire::{Cx, Error};

use super::settings::check_said;
use super::{authorize, object_arn};
use crate::commands::{Command, LockChange, Output, Setting, Target};
use crate::lock::{ByDefault, Lock, Mode, Period, Retention};
use crate::names::which;
use crate::{S3Service, error, target};

const ON: &str = "ON";
const OFF: &str = "OFF";
/// The header of a retention's end.
const UNTIL: &str = "x-amz-object-lock-retain-until-date";

/// Whether a legal hold is to be on.
fn hold(status: &str) -> Result<bool, Error> {
    match status {
        ON => Ok(true),
        OFF => Ok(false),
        _ => Err(error::malformed_xml()),
    }
}

/// How a legal hold is told.
pub(super) fn shown_hold(on: bool) -> String {
    if on { ON } else { OFF }.to_owned()
}

fn in_future(name: &str, until: Time, now: Time) -> Result<Time, Error> {
    if until > now {
        return Ok(until);
    }
    let message = "The retain until date must be in the future!";
    Err(error::invalid_argument(name, &until.secs().to_string(), message))
}

/// What the headers of a write ask a new version to be locked by; whoever asks must be allowed to lock.
pub(super) fn asked(
    cx: &Cx,
    (bucket, key): (&str, &str),
    mode: Option<&str>,
    until: Option<Time>,
    status: Option<&str>,
) -> Result<Lock, Error> {
    let mut lock = Lock::default();
    match (mode, until) {
        (None, None) => {}
        (Some(mode), Some(until)) => {
            let mode = Mode::parse(mode).ok_or_else(|| {
                error::invalid_argument("x-amz-object-lock-mode", mode, "Unknown wormMode directive.")
            })?;
            authorize(cx, "s3:PutObjectRetention", &object_arn(bucket, key))?;
            lock.retention = Some(Retention { mode, until: in_future(UNTIL, until, cx.now)? });
        }
        _ => {
            let message =
                "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied";
            let missing = if mode.is_none() { "x-amz-object-lock-mode" } else { UNTIL };
            return Err(error::invalid_argument(missing, "null", message));
        }
    }
    if let Some(status) = status {
        let on = hold(status).map_err(|_| {
            let message = "Legal Hold must be either of 'ON' or 'OFF'";
            error::invalid_argument("x-amz-object-lock-legal-hold", status, message)
        })?;
        authorize(cx, "s3:PutObjectLegalHold", &object_arn(bucket, key))?;
        lock.hold = Some(on);
    }
    Ok(lock)
}

/// Whether a caller asks to pass over governance, and may.
pub(super) fn bypass(cx: &Cx, asked: Option<bool>, bucket: &str, key: &str) -> bool {
    asked == Some(true) && authorize(cx, "s3:BypassGovernanceRetention", &object_arn(bucket, key)).is_ok()
}

pub(super) async fn get_object_lock_configuration(
    service: &S3Service,
    cx: &Cx,
    input: GetObjectLockConfigurationInput,
) -> Result<GetObjectLockConfigurationOutput, Error> {
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let found = service.bucket(cx, target).await?.lock.ok_or_else(|| {
        let message = "Object Lock configuration does not exist for this bucket";
        Error::new(404, "ObjectLockConfigurationNotFoundError", message)
            .with_member("BucketName", &input.bucket)
    })?;
    let rule = found.map(|by_default| {
        let (days, years) = match by_default.period {
            Period::Days(days) => (Some(days), None),
            Period::Years(years) => (None, Some(years)),
        };
        let mode = Some(by_default.mode.name().to_owned());
        let retention = DefaultRetention { mode, days, years };
        ObjectLockRule { default_retention: Some(retention) }
    });
    let configuration = ObjectLockConfiguration { object_lock_enabled: Some("Enabled".to_owned()), rule };
    Ok(GetObjectLockConfigurationOutput { object_lock_configuration: Some(configuration) })
}

pub(super) async fn put_object_lock_configuration(
    service: &S3Service,
    cx: &Cx,
    input: PutObjectLockConfigurationInput,
) -> Result<PutObjectLockConfigurationOutput, Error> {
    check_said(input.content_md5.as_deref(), input.checksum_algorithm.as_deref())?;
    let given = input.object_lock_configuration.ok_or_else(error::malformed_xml)?;
    if given.object_lock_enabled.as_deref() != Some("Enabled") {
        return Err(error::malformed_xml());
    }
    let by_default = match given.rule {
        None => None,
        Some(rule) => {
            let given = rule.default_retention.ok_or_else(error::malformed_xml)?;
            Some(ByDefault::new(given.mode.as_deref(), given.days, given.years)?)
        }
    };
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    service.configure(cx, target, Setting::Lock(by_default)).await?;
    Ok(PutObjectLockConfigurationOutput::default())
}

impl S3Service {
    /// What a version is locked by.
    async fn lock_of(
        &self,
        cx: &Cx,
        target: Target,
        key: String,
        version: Option<&str>,
    ) -> Result<Lock, Error> {
        let name = target.bucket.clone();
        let command = Command::Get { target, key, with_body: false, which: which(version)? };
        let submitted = self.submit(cx, &name, command);
        let (object, bucket) = answer!(submitted, Output::Object(object, _, bucket) => (object, bucket));
        bucket.lock.map(|_| object.lock).ok_or_else(error::no_lock)
    }

    async fn change_lock(
        &self,
        cx: &Cx,
        target: Target,
        (key, version): (String, Option<&str>),
        change: LockChange,
    ) -> Result<(), Error> {
        let name = target.bucket.clone();
        let command = Command::LockObject { target, key, which: which(version)?, change };
        self.submit(cx, &name, command).await.map(drop)
    }
}

fn unlocked() -> Error {
    let message = "The specified object does not have a ObjectLock configuration";
    Error::new(404, "NoSuchObjectLockConfiguration", message)
}

pub(super) async fn get_object_retention(
    service: &S3Service,
    cx: &Cx,
    input: GetObjectRetentionInput,
) -> Result<GetObjectRetentionOutput, Error> {
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let lock = service.lock_of(cx, target, input.key, input.version_id.as_deref()).await?;
    let retention = lock.retention.ok_or_else(unlocked)?;
    let shown = ObjectLockRetention {
        mode: Some(retention.mode.name().to_owned()),
        retain_until_date: Some(retention.until),
    };
    Ok(GetObjectRetentionOutput { retention: Some(shown) })
}

pub(super) async fn put_object_retention(
    service: &S3Service,
    cx: &Cx,
    input: PutObjectRetentionInput,
) -> Result<PutObjectRetentionOutput, Error> {
    check_said(input.content_md5.as_deref(), input.checksum_algorithm.as_deref())?;
    let given = input.retention.unwrap_or_default();
    let retention = match (given.mode.as_deref(), given.retain_until_date) {
        (None, None) => None,
        (Some(mode), Some(until)) => {
            let mode = Mode::parse(mode).ok_or_else(error::malformed_xml)?;
            Some(Retention { mode, until: in_future("RetainUntilDate", until, cx.now)? })
        }
        _ => return Err(error::malformed_xml()),
    };
    let bypass = bypass(cx, input.bypass_governance_retention, &input.bucket, &input.key);
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let version = (input.key, input.version_id.as_deref());
    service.change_lock(cx, target, version, LockChange::Retention(retention, bypass)).await?;
    Ok(PutObjectRetentionOutput::default())
}

pub(super) async fn get_object_legal_hold(
    service: &S3Service,
    cx: &Cx,
    input: GetObjectLegalHoldInput,
) -> Result<GetObjectLegalHoldOutput, Error> {
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let lock = service.lock_of(cx, target, input.key, input.version_id.as_deref()).await?;
    let status = Some(shown_hold(lock.hold.ok_or_else(unlocked)?));
    Ok(GetObjectLegalHoldOutput { legal_hold: Some(ObjectLockLegalHold { status }) })
}

pub(super) async fn put_object_legal_hold(
    service: &S3Service,
    cx: &Cx,
    input: PutObjectLegalHoldInput,
) -> Result<PutObjectLegalHoldOutput, Error> {
    check_said(input.content_md5.as_deref(), input.checksum_algorithm.as_deref())?;
    let status = input.legal_hold.and_then(|hold| hold.status).ok_or_else(error::malformed_xml)?;
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let version = (input.key, input.version_id.as_deref());
    service.change_lock(cx, target, version, LockChange::Hold(hold(&status)?)).await?;
    Ok(PutObjectLegalHoldOutput::default())
}
