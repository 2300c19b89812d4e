//! Server access logging: what is taken, and what is shown of it. [`crate::front::log`] writes the logs.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html>

use ropeway_api::s3::{
    GetBucketLoggingInput, GetBucketLoggingOutput, LoggingEnabled, PartitionedPrefix, PutBucketLoggingInput,
    PutBucketLoggingOutput, SimplePrefix, TargetObjectKeyFormat,
};
use ropeway_wire::{Cx, Error};

use super::settings::check_said;
use crate::commands::{Command, Output, Target};
use crate::configuration::{Configuration, DateSource, KeyFormat, Kind, Logging};
use crate::{S3Service, error, target};

/// The longest prefix, in bytes: what follows it must fit a key.
const MAX_PREFIX: usize = 800;

pub(super) async fn put_bucket_logging(
    service: &S3Service,
    cx: &Cx,
    input: PutBucketLoggingInput,
) -> Result<PutBucketLoggingOutput, Error> {
    check_said(input.content_md5.as_deref(), input.checksum_algorithm.as_deref())?;
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let logging = match input.bucket_logging_status.logging_enabled {
        Some(given) => Some(wanted(given)?),
        None => None,
    };
    if let Some(logging) = &logging {
        check_target(service, cx, &target, &logging.target).await?;
    }
    let logging = logging.map(Configuration::Logging);
    service.submit(cx, &input.bucket, Command::SetConfiguration(target, Kind::Logging, logging)).await?;
    Ok(PutBucketLoggingOutput::default())
}

pub(super) async fn get_bucket_logging(
    service: &S3Service,
    cx: &Cx,
    input: GetBucketLoggingInput,
) -> Result<GetBucketLoggingOutput, Error> {
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let command = Command::GetConfiguration(target, Kind::Logging);
    let found = answer!(service.submit(cx, &input.bucket, command), Output::Configuration(found) => found);
    let Some(Configuration::Logging(logging)) = found else { return Ok(GetBucketLoggingOutput::default()) };
    let said = |source| match source {
        DateSource::Unsaid => None,
        DateSource::Event => Some("EventTime".to_owned()),
        DateSource::Delivery => Some("DeliveryTime".to_owned()),
    };
    let format = match logging.format {
        KeyFormat::Unsaid => None,
        KeyFormat::Simple => {
            Some(TargetObjectKeyFormat { simple_prefix: Some(SimplePrefix {}), partitioned_prefix: None })
        }
        KeyFormat::Partitioned(source) => Some(TargetObjectKeyFormat {
            simple_prefix: None,
            partitioned_prefix: Some(PartitionedPrefix { partition_date_source: said(source) }),
        }),
    };
    let shown = LoggingEnabled {
        target_bucket: logging.target,
        target_prefix: logging.prefix,
        target_object_key_format: format,
    };
    Ok(GetBucketLoggingOutput { logging_enabled: Some(shown) })
}

fn wanted(given: LoggingEnabled) -> Result<Logging, Error> {
    if given.target_prefix.len() > MAX_PREFIX {
        let message = "The specified target prefix is too long";
        return Err(error::invalid_argument("TargetPrefix", &given.target_prefix, message));
    }
    let format = match given.target_object_key_format {
        None => KeyFormat::Unsaid,
        Some(TargetObjectKeyFormat { simple_prefix: Some(_), partitioned_prefix: None }) => KeyFormat::Simple,
        Some(TargetObjectKeyFormat { simple_prefix: None, partitioned_prefix: Some(partitioned) }) => {
            KeyFormat::Partitioned(match partitioned.partition_date_source.as_deref() {
                None => DateSource::Unsaid,
                Some("EventTime") => DateSource::Event,
                Some("DeliveryTime") => DateSource::Delivery,
                Some(_) => return Err(error::malformed_xml()),
            })
        }
        Some(_) => return Err(error::malformed_xml()),
    };
    Ok(Logging { target: given.target_bucket, prefix: given.target_prefix, format })
}

/// The log's bucket must be there, of the same account and in the same region. Whether its policy lets the log in
/// shows when the log is delivered, as on AWS: templates name the source in that policy, which is made after it.
async fn check_target(service: &S3Service, cx: &Cx, source: &Target, name: &str) -> Result<(), Error> {
    let head = |target: Target| async move {
        let bucket = target.bucket.clone();
        match service.submit(cx, &bucket, Command::HeadBucket(target)).await? {
            Output::Bucket(bucket) => Ok(bucket),
            _ => Err(error::internal("a command with another one's answer")),
        }
    };
    let source = head(source.clone()).await?;
    let invalid = || {
        let message = "The target bucket for logging does not exist, is not owned by you, or does not have the appropriate grants for the log-delivery group.";
        Error::new(400, "InvalidTargetBucketForLogging", message).with_member("TargetBucket", name)
    };
    let anywhere = Target { bucket: name.to_owned(), owner: None, region: None };
    let target = head(anywhere)
        .await
        .map_err(|failure| if failure.code == "NoSuchBucket" { invalid() } else { failure })?;
    // "Requester Pays buckets", user guide: not as the target of access logs.
    let pays = service.live.get(name).is_some_and(|found| found.requester_pays());
    if target.account != source.account || pays {
        return Err(invalid());
    }
    if target.region != source.region {
        let error =
            Error::new(403, "CrossLocationLoggingProhibited", "Cross S3 location logging not allowed. ");
        return Err(error
            .with_member("SourceBucketLocation", source.region)
            .with_member("TargetBucketLocation", target.region));
    }
    Ok(())
}
