//! Destinations: what requests say of them, checked, and what is told of them.

use std::collections::BTreeSet;

use ropeway_api::firehose::{
    self as api, BufferingHints, CloudWatchLoggingOptions, DynamicPartitioningConfiguration,
    EncryptionConfiguration, ExtendedS3DestinationConfiguration, ExtendedS3DestinationDescription,
    ExtendedS3DestinationUpdate, ProcessingConfiguration, ProcessorParameter, RetryOptions,
    S3DestinationConfiguration, S3DestinationDescription, S3DestinationUpdate, SERVICE, error,
};
use ropeway_core::Time;
use ropeway_wire::Error;

use crate::compression::Compression;
use crate::endpoint;
use crate::model::{Destination, Logging, Partitioning, Processing, Processor};
use crate::prefix::{Prefixes, Source};
use crate::process::Plan;

/// Buffer size where none is given, in MiB, and its interval in seconds:
/// <https://docs.aws.amazon.com/firehose/latest/APIReference/API_BufferingHints.html>.
const DEFAULT_HINTS: (u32, u32) = (5, 300);
/// The same with dynamic partitioning, and the least size then:
/// <https://docs.aws.amazon.com/firehose/latest/dev/limits.html>.
const PARTITIONED_HINTS: (u32, u32) = (128, 300);
const MIN_PARTITIONED: u32 = 64;
/// `RetryOptions` where none are given, in seconds:
/// <https://docs.aws.amazon.com/firehose/latest/APIReference/API_RetryOptions.html>.
const DEFAULT_RETRY: u32 = 300;
/// Most bytes of all that is said of a destination: what its row has room for.
const MAX_BYTES: usize = 20 * 1024;

/// `InvalidArgumentException`.
pub fn invalid(why: impl Into<String>) -> Error {
    error::invalid_argument_exception(why)
}

/// The error for what is not implemented.
pub fn refused(what: impl std::fmt::Display) -> Error {
    Error::new(SERVICE.refusal.1, SERVICE.refusal.0, format!("{what} is not implemented."))
}

/// What a request may say of a destination, whichever its kind.
#[derive(Debug, Default)]
pub struct Said {
    role: Option<String>,
    bucket: Option<String>,
    prefix: Option<String>,
    error_prefix: Option<String>,
    hints: Option<BufferingHints>,
    compression: Option<String>,
    encryption: Option<EncryptionConfiguration>,
    logging: Option<CloudWatchLoggingOptions>,
    processing: Option<ProcessingConfiguration>,
    backup: Option<String>,
    backup_to: Option<Box<Said>>,
    partitioning: Option<DynamicPartitioningConfiguration>,
    extension: Option<String>,
    time_zone: Option<String>,
}

macro_rules! plain {
    ($from:ty, $wrap:expr) => {
        impl From<$from> for Said {
            fn from(said: $from) -> Said {
                Said {
                    role: $wrap(said.role_arn),
                    bucket: $wrap(said.bucket_arn),
                    prefix: said.prefix,
                    error_prefix: said.error_output_prefix,
                    hints: said.buffering_hints,
                    compression: said.compression_format,
                    encryption: said.encryption_configuration,
                    logging: said.cloud_watch_logging_options,
                    ..Said::default()
                }
            }
        }
    };
}

macro_rules! extended {
    ($from:ty, $wrap:expr, $backup:ident) => {
        impl From<$from> for Said {
            fn from(said: $from) -> Said {
                Said {
                    role: $wrap(said.role_arn),
                    bucket: $wrap(said.bucket_arn),
                    prefix: said.prefix,
                    error_prefix: said.error_output_prefix,
                    hints: said.buffering_hints,
                    compression: said.compression_format,
                    encryption: said.encryption_configuration,
                    logging: said.cloud_watch_logging_options,
                    processing: said.processing_configuration,
                    backup: said.s3_backup_mode,
                    backup_to: said.$backup.map(|to| Box::new(to.into())),
                    partitioning: said.dynamic_partitioning_configuration,
                    extension: said.file_extension,
                    time_zone: said.custom_time_zone,
                }
            }
        }
    };
}

plain!(S3DestinationConfiguration, Some);
plain!(S3DestinationUpdate, std::convert::identity);
extended!(ExtendedS3DestinationConfiguration, Some, s3_backup_configuration);
extended!(ExtendedS3DestinationUpdate, std::convert::identity, s3_backup_update);

/// The one destination that a request names.
#[derive(Debug)]
pub enum Asked {
    /// of one of S3's two kinds
    S3(Box<Said>),
    /// an HTTP endpoint
    Endpoint(Box<endpoint::Said>),
}

/// The one destination that a request names, of three kinds.
pub fn one<A: Into<Said>, B: Into<Said>, C: Into<endpoint::Said>>(
    plain: Option<A>,
    extended: Option<B>,
    endpoint: Option<C>,
) -> Result<Asked, Error> {
    match (plain, extended, endpoint) {
        (Some(plain), None, None) => Ok(Asked::S3(Box::new(plain.into()))),
        (None, Some(extended), None) => Ok(Asked::S3(Box::new(extended.into()))),
        (None, None, Some(endpoint)) => Ok(Asked::Endpoint(Box::new(endpoint.into()))),
        _ => Err(invalid("Exactly one destination configuration is supported for a Firehose")),
    }
}

impl Said {
    /// Whether it says what a destination cannot be without.
    pub fn is_whole(&self) -> bool {
        self.role.is_some() && self.bucket.is_some()
    }

    /// The destination of a new stream.
    pub fn create(self, now: Time) -> Result<Destination, Error> {
        let partitioned = self.partitioning.as_ref().is_some_and(|said| said.enabled == Some(true));
        let hints = if partitioned { PARTITIONED_HINTS } else { DEFAULT_HINTS };
        let mut to = Destination {
            role: String::new(),
            bucket: String::new(),
            prefix: None,
            error_prefix: None,
            mebibytes: hints.0,
            seconds: hints.1,
            compression: Compression::None,
            processing: None,
            extension: String::new(),
            time_zone: "UTC".to_owned(),
            partitioning: self.partitioning.as_ref().map(partitioning).transpose()?,
            logging: Logging::default(),
            backup: None,
        };
        self.apply(&mut to, now)?;
        check(&to, now)?;
        Ok(to)
    }

    /// The destination once it is changed; what isn't said stays.
    pub fn update(self, mut to: Destination, now: Time) -> Result<Destination, Error> {
        if let Some(said) = &self.partitioning {
            let new = partitioning(said)?;
            // <https://docs.aws.amazon.com/firehose/latest/dev/dynamic-partitioning-enable.html>
            if new.enabled != to.partitioning.as_ref().is_some_and(|old| old.enabled) {
                return Err(invalid("Dynamic partitioning cannot be switched on or off by an update"));
            }
            to.partitioning = Some(new);
        }
        self.apply(&mut to, now)?;
        check(&to, now)?;
        Ok(to)
    }

    fn apply(self, to: &mut Destination, now: Time) -> Result<(), Error> {
        // NoEncryption is all that the enumeration has: objects are encrypted as their bucket says.
        if let Some(Some(other)) = self.encryption.map(|said| said.no_encryption_config)
            && other != "NoEncryption"
        {
            return Err(refused(format_args!("EncryptionConfiguration {other}")));
        }
        if let Some(hints) = self.hints {
            (to.mebibytes, to.seconds) = checked_hints(&hints)?;
        }
        if let Some(format) = self.compression {
            to.compression = compression(&format)?;
        }
        if let Some(logging) = self.logging {
            to.logging = checked_logging(logging)?;
        }
        if let Some(said) = self.processing {
            to.processing = Some(processing(said));
        }
        let bucket = self.bucket.map(|arn| arn.trim_start_matches("arn:aws:s3:::").to_owned());
        to.role = self.role.unwrap_or_else(|| std::mem::take(&mut to.role));
        to.bucket = bucket.unwrap_or_else(|| std::mem::take(&mut to.bucket));
        to.prefix = self.prefix.or(to.prefix.take());
        to.error_prefix = self.error_prefix.or(to.error_prefix.take());
        to.extension = self.extension.unwrap_or_else(|| std::mem::take(&mut to.extension));
        if let Some(zone) = self.time_zone.filter(|zone| !zone.is_empty()) {
            to.time_zone = zone;
        }
        let backup = to.backup.take();
        to.backup = backed_up(self.backup.as_deref(), self.backup_to, backup, now)?;
        Ok(())
    }
}

/// The backup once a mode and a configuration are said of it.
/// <https://docs.aws.amazon.com/firehose/latest/APIReference/API_ExtendedS3DestinationUpdate.html>: it can be
/// enabled, not disabled.
fn backed_up(
    mode: Option<&str>,
    said: Option<Box<Said>>,
    now_to: Option<Box<Destination>>,
    now: Time,
) -> Result<Option<Box<Destination>>, Error> {
    match (mode, said, now_to) {
        (Some("Disabled"), _, Some(_)) => Err(invalid("S3 backup cannot be disabled once it is enabled")),
        (None | Some("Enabled"), Some(said), Some(to)) => said.update(*to, now).map(|to| Some(Box::new(to))),
        (None | Some("Enabled"), None, Some(to)) => Ok(Some(to)),
        (Some("Enabled"), Some(said), None) if said.is_whole() => {
            said.create(now).map(|to| Some(Box::new(to)))
        }
        (Some("Enabled"), _, None) => {
            Err(invalid("S3BackupMode Enabled needs the RoleARN and the BucketARN of a backup"))
        }
        (_, Some(_), None) => Err(invalid("A configuration of the backup needs S3BackupMode Enabled")),
        (_, None, None) => Ok(None),
        (Some(other), _, Some(_)) => Err(refused(format_args!("S3BackupMode {other}"))),
    }
}

fn partitioning(said: &DynamicPartitioningConfiguration) -> Result<Partitioning, Error> {
    let seconds = said.retry_options.as_ref().and_then(|options| options.duration_in_seconds);
    let retry_seconds = seconds.map_or(Ok(DEFAULT_RETRY), u32::try_from);
    let retry_seconds = retry_seconds.map_err(|_| invalid("RetryOptions.DurationInSeconds"))?;
    Ok(Partitioning { enabled: said.enabled == Some(true), retry_seconds })
}

/// What is said of logging, checked.
pub fn checked_logging(said: CloudWatchLoggingOptions) -> Result<Logging, Error> {
    let enabled = said.enabled == Some(true);
    let logging = Logging { enabled, group: said.log_group_name, stream: said.log_stream_name };
    let named = |name: &Option<String>| name.as_ref().is_some_and(|name| !name.is_empty());
    if enabled && !(named(&logging.group) && named(&logging.stream)) {
        return Err(invalid(
            "LogGroupName and LogStreamName must be specified when CloudWatchLoggingOptions is enabled",
        ));
    }
    Ok(logging)
}

/// What is said of processors.
pub fn processing(said: ProcessingConfiguration) -> Processing {
    let parameter = |said: ProcessorParameter| (said.parameter_name, said.parameter_value);
    let processor = |said: api::Processor| Processor {
        kind: said.type_,
        parameters: said.parameters.map(|parameters| parameters.into_iter().map(parameter).collect()),
    };
    let processors = said.processors.unwrap_or_default().into_iter().map(processor).collect();
    Processing { enabled: said.enabled == Some(true), processors }
}

/// A destination's prefixes, parsed.
pub fn prefixes(of: &Destination) -> Result<Prefixes, String> {
    let text = |prefix: &Option<String>| prefix.clone().unwrap_or_default();
    Prefixes::parse(&text(&of.prefix), &text(&of.error_prefix), &of.time_zone)
}

/// Checks a destination as a whole.
fn check(of: &Destination, now: Time) -> Result<(), Error> {
    let bytes = postcard::to_stdvec(of).map_err(|why| Error::internal(why.to_string()))?.len();
    if bytes > MAX_BYTES {
        return Err(invalid(format!("A destination is larger than {MAX_BYTES} bytes")));
    }
    let plan = Plan::parse(of.processing.as_ref())?;
    let prefixes = prefixes(of).map_err(unsatisfied)?;
    if of.partitioning.as_ref().is_some_and(|partitioning| partitioning.enabled) {
        check_partitions(of, &plan, &prefixes)?;
    } else if !prefixes.keys(Source::Query).is_empty() || !prefixes.keys(Source::Lambda).is_empty() {
        let why = "Dynamic Partitioning Namespaces can only be part of a prefix expression when Dynamic \
                   Partitioning is enabled";
        return Err(unsatisfied(why.to_owned()));
    } else if plan.query.is_some() {
        return Err(invalid(
            "MetadataExtraction processor can only be present when Dynamic Partitioning is enabled",
        ));
    }
    prefixes.check_lengths(now).map_err(unsatisfied)
}

/// <https://docs.aws.amazon.com/firehose/latest/dev/dynamic-partitioning-s3bucketprefix.html>
fn check_partitions(of: &Destination, plan: &Plan, prefixes: &Prefixes) -> Result<(), Error> {
    if of.mebibytes < MIN_PARTITIONED {
        return Err(invalid(format!(
            "BufferingHints.SizeInMBs must be at least {MIN_PARTITIONED} when Dynamic Partitioning is enabled"
        )));
    }
    if of.error_prefix.as_deref().unwrap_or_default().is_empty() {
        return Err(unsatisfied(
            "ErrorOutputPrefix cannot be null or empty when Dynamic Partitioning is enabled".to_owned(),
        ));
    }
    let (query, lambda) = (prefixes.keys(Source::Query), prefixes.keys(Source::Lambda));
    if query.is_empty() && lambda.is_empty() {
        let why = "Prefix must contain Dynamic Partitioning Namespaces when Dynamic Partitioning is enabled";
        return Err(unsatisfied(why.to_owned()));
    }
    if !lambda.is_empty() && plan.transformation.is_none() {
        return Err(invalid(
            "Lambda processor should be present when S3 Prefix has partitionKeyFromLambda namespace.",
        ));
    }
    let Some(extraction) = &plan.query else {
        return if query.is_empty() {
            Ok(())
        } else {
            Err(invalid(
                "MetadataExtraction processor should be present when S3 Prefix has partitionKeyFromQuery \
                 namespace.",
            ))
        };
    };
    let given: Option<BTreeSet<&str>> =
        extraction.keys.as_ref().map(|keys| keys.iter().map(String::as_str).collect());
    match given {
        Some(given) if given != query => Err(unsatisfied(format!(
            "Prefix must name each key of MetadataExtractionQuery, and no other: the query gives {given:?}"
        ))),
        _ => Ok(()),
    }
}

/// The words, and the slip in them, are AWS's:
/// <https://github.com/hashicorp/terraform-provider-aws/pull/13416>.
fn unsatisfied(why: String) -> Error {
    invalid(format!("Ths supplied prefix(es) do not satisfy the following constraint: {why}"))
}

/// MiB and seconds of hints, of which there must be both or neither.
pub fn checked_hints(hints: &BufferingHints) -> Result<(u32, u32), Error> {
    match (hints.size_in_m_bs, hints.interval_in_seconds) {
        (Some(size), Some(interval)) => {
            let within = |value: i64| u32::try_from(value).map_err(|_| invalid("BufferingHints"));
            Ok((within(size)?, within(interval)?))
        }
        (None, None) => Ok(DEFAULT_HINTS),
        _ => Err(invalid("Both SizeInMBs and IntervalInSeconds must be specified when one of them is")),
    }
}

fn compression(format: &str) -> Result<Compression, Error> {
    Compression::parse(format).ok_or_else(|| refused(format_args!("CompressionFormat {format}")))
}

fn described_hints(of: &Destination) -> BufferingHints {
    BufferingHints {
        size_in_m_bs: Some(i64::from(of.mebibytes)),
        interval_in_seconds: Some(i64::from(of.seconds)),
    }
}

/// What is told of processors.
pub fn described_processing(of: &Processing) -> ProcessingConfiguration {
    let parameter = |(name, value): &(String, String)| ProcessorParameter {
        parameter_name: name.clone(),
        parameter_value: value.clone(),
    };
    let processor = |of: &Processor| api::Processor {
        type_: of.kind.clone(),
        parameters: of.parameters.as_ref().map(|parameters| parameters.iter().map(parameter).collect()),
    };
    ProcessingConfiguration {
        enabled: Some(of.enabled),
        processors: Some(of.processors.iter().map(processor).collect()),
    }
}

fn described_partitioning(of: &Partitioning) -> DynamicPartitioningConfiguration {
    let options = RetryOptions { duration_in_seconds: Some(i64::from(of.retry_seconds)) };
    DynamicPartitioningConfiguration { enabled: Some(of.enabled), retry_options: Some(options) }
}

fn no_encryption() -> EncryptionConfiguration {
    EncryptionConfiguration { no_encryption_config: Some("NoEncryption".to_owned()) }
}

/// What is told of logging.
pub fn described_logging(of: &Logging) -> CloudWatchLoggingOptions {
    CloudWatchLoggingOptions {
        enabled: Some(of.enabled),
        log_group_name: of.group.clone(),
        log_stream_name: of.stream.clone(),
    }
}

/// What is told of a destination, as one of the plain kind.
pub fn described(of: &Destination) -> S3DestinationDescription {
    S3DestinationDescription {
        role_arn: of.role.clone(),
        bucket_arn: format!("arn:aws:s3:::{}", of.bucket),
        prefix: of.prefix.clone(),
        error_output_prefix: of.error_prefix.clone(),
        buffering_hints: described_hints(of),
        compression_format: of.compression.name().to_owned(),
        encryption_configuration: no_encryption(),
        cloud_watch_logging_options: Some(described_logging(&of.logging)),
    }
}

/// What is told of a destination, as one of the extended kind.
pub fn described_extended(of: &Destination) -> ExtendedS3DestinationDescription {
    ExtendedS3DestinationDescription {
        role_arn: of.role.clone(),
        bucket_arn: format!("arn:aws:s3:::{}", of.bucket),
        prefix: of.prefix.clone(),
        error_output_prefix: of.error_prefix.clone(),
        buffering_hints: described_hints(of),
        compression_format: of.compression.name().to_owned(),
        encryption_configuration: no_encryption(),
        cloud_watch_logging_options: Some(described_logging(&of.logging)),
        processing_configuration: of.processing.as_ref().map(described_processing),
        s3_backup_mode: Some(if of.backup.is_some() { "Enabled" } else { "Disabled" }.to_owned()),
        s3_backup_description: of.backup.as_deref().map(described),
        dynamic_partitioning_configuration: of.partitioning.as_ref().map(described_partitioning),
        file_extension: Some(of.extension.clone()).filter(|extension| !extension.is_empty()),
        custom_time_zone: Some(of.time_zone.clone()),
    }
}
