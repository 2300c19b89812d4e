//! Destinations: what requests say of them, checked, and what is told of them.

use ropeway_api::firehose::{
    BufferingHints, CloudWatchLoggingOptions, DynamicPartitioningConfiguration, EncryptionConfiguration,
    ExtendedS3DestinationConfiguration, ExtendedS3DestinationDescription, ExtendedS3DestinationUpdate,
    ProcessingConfiguration, Processor, ProcessorParameter, S3DestinationConfiguration,
    S3DestinationDescription, S3DestinationUpdate, SERVICE, error,
};
use ropeway_core::Time;
use ropeway_wire::Error;

use crate::compression::Compression;
use crate::delimiter;
use crate::model::Destination;
use crate::prefix::Prefixes;

/// Buffer size where none is given, in MiB, and its interval in seconds:
/// <https://docs.aws.amazon.com/firehose/latest/APIReference/API_BufferingHints.html>.
const DEFAULT_HINTS: (u32, u32) = (5, 300);
/// The processor that ends each record with a delimiter.
const APPEND: &str = "AppendDelimiterToRecord";

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
                    processing: said.processing_configuration,
                    backup: said.s3_backup_mode,
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
extended!(ExtendedS3DestinationConfiguration, Some);
extended!(ExtendedS3DestinationUpdate, std::convert::identity);

/// The one destination that a request names, of two kinds.
pub fn one<A: Into<Said>, B: Into<Said>>(plain: Option<A>, extended: Option<B>) -> Result<Said, Error> {
    match (plain, extended) {
        (Some(plain), None) => Ok(plain.into()),
        (None, Some(extended)) => Ok(extended.into()),
        _ => Err(invalid("Exactly one destination configuration is supported for a Firehose")),
    }
}

impl Said {
    /// The role that is named.
    pub fn role(&self) -> Option<&str> {
        self.role.as_deref()
    }

    /// The destination of a new stream.
    pub fn create(self, now: Time) -> Result<Destination, Error> {
        let empty = Destination {
            role: String::new(),
            bucket: String::new(),
            prefix: None,
            error_prefix: None,
            mebibytes: DEFAULT_HINTS.0,
            seconds: DEFAULT_HINTS.1,
            compression: Compression::None,
            delimiter: None,
            processing_off: false,
            extension: String::new(),
            time_zone: "UTC".to_owned(),
        };
        self.update(empty, now)
    }

    /// The destination once it is changed; what isn't said stays.
    pub fn update(self, mut to: Destination, now: Time) -> Result<Destination, Error> {
        self.refuse()?;
        if let Some(hints) = self.hints {
            (to.mebibytes, to.seconds) = checked_hints(&hints)?;
        }
        if let Some(format) = self.compression {
            to.compression = compression(&format)?;
        }
        if let Some(processing) = self.processing {
            (to.delimiter, to.processing_off) = processors(processing)?;
        }
        to.role = self.role.unwrap_or(to.role);
        to.bucket = self.bucket.map_or(to.bucket, |arn| arn.trim_start_matches("arn:aws:s3:::").to_owned());
        to.prefix = self.prefix.or(to.prefix);
        to.error_prefix = self.error_prefix.or(to.error_prefix);
        to.extension = self.extension.unwrap_or(to.extension);
        to.time_zone = self.time_zone.filter(|zone| !zone.is_empty()).unwrap_or(to.time_zone);
        prefixes(&to).and_then(|prefixes| prefixes.check_lengths(now)).map_err(unsatisfied)?;
        Ok(to)
    }

    fn refuse(&self) -> Result<(), Error> {
        if self.logging.as_ref().is_some_and(|l| l.enabled == Some(true)) {
            return Err(refused("CloudWatchLoggingOptions: the logging of errors to CloudWatch Logs"));
        }
        if self.logging.as_ref().is_some_and(|l| l.log_group_name.is_some() || l.log_stream_name.is_some()) {
            return Err(refused("CloudWatchLoggingOptions: a log group or log stream"));
        }
        if self.backup.as_deref() == Some("Enabled") {
            return Err(refused("S3BackupMode Enabled"));
        }
        if self.partitioning.as_ref().is_some_and(|p| p.enabled == Some(true)) {
            return Err(refused("DynamicPartitioningConfiguration: dynamic partitioning"));
        }
        // NoEncryption is all that the enumeration has: objects are encrypted as their bucket says.
        match self.encryption.as_ref().map(|e| e.no_encryption_config.as_deref()) {
            None | Some(None | Some("NoEncryption")) => Ok(()),
            Some(Some(other)) => Err(refused(format_args!("EncryptionConfiguration {other}"))),
        }
    }
}

/// A destination's prefixes, parsed.
pub fn prefixes(of: &Destination) -> Result<Prefixes, String> {
    let text = |prefix: &Option<String>| prefix.clone().unwrap_or_default();
    Prefixes::parse(&text(&of.prefix), &text(&of.error_prefix), &of.time_zone)
}

/// The words, and the slip in them, are AWS's:
/// <https://github.com/hashicorp/terraform-provider-aws/pull/13416>.
fn unsatisfied(why: String) -> Error {
    invalid(format!("Ths supplied prefix(es) do not satisfy the following constraint: {why}"))
}

fn checked_hints(hints: &BufferingHints) -> Result<(u32, u32), Error> {
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

/// The delimiter's parameters, if its processor is there and enabled; and whether processing is off.
#[allow(clippy::type_complexity, reason = "two fields of a destination")]
fn processors(said: ProcessingConfiguration) -> Result<(Option<Vec<(String, String)>>, bool), Error> {
    let processors = said.processors.unwrap_or_default();
    if let Some(other) = processors.iter().find(|p| p.type_ != APPEND) {
        return Err(refused(format_args!("The processor {}", other.type_)));
    }
    if processors.len() > 1 {
        return Err(invalid(format!("The processor {APPEND} may be given once")));
    }
    if said.enabled != Some(true) {
        return Ok((None, true));
    }
    let Some(processor) = processors.into_iter().next() else { return Ok((None, false)) };
    let mut parameters = Vec::new();
    for ProcessorParameter { parameter_name, parameter_value } in processor.parameters.unwrap_or_default() {
        if parameter_name != "Delimiter" || !parameters.is_empty() {
            return Err(refused(format_args!("The parameter {parameter_name} of {APPEND}")));
        }
        if parameter_value != delimiter::NAME {
            return Err(refused(format_args!("The delimiter {parameter_value}; {} alone", delimiter::NAME)));
        }
        parameters.push((parameter_name, parameter_value));
    }
    Ok((Some(parameters), false))
}

fn described_hints(of: &Destination) -> BufferingHints {
    BufferingHints {
        size_in_m_bs: Some(i64::from(of.mebibytes)),
        interval_in_seconds: Some(i64::from(of.seconds)),
    }
}

fn described_processing(of: &Destination) -> ProcessingConfiguration {
    let parameter = |(name, value): &(String, String)| ProcessorParameter {
        parameter_name: name.clone(),
        parameter_value: value.clone(),
    };
    let processor = |parameters: &Vec<(String, String)>| Processor {
        type_: APPEND.to_owned(),
        parameters: Some(parameters.iter().map(parameter).collect()),
    };
    ProcessingConfiguration {
        enabled: Some(of.delimiter.is_some()),
        processors: Some(of.delimiter.iter().map(processor).collect()),
    }
}

fn no_encryption() -> EncryptionConfiguration {
    EncryptionConfiguration { no_encryption_config: Some("NoEncryption".to_owned()) }
}

fn no_logging() -> CloudWatchLoggingOptions {
    CloudWatchLoggingOptions { enabled: Some(false), ..Default::default() }
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
        cloud_watch_logging_options: Some(no_logging()),
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
        cloud_watch_logging_options: Some(no_logging()),
        processing_configuration: (of.delimiter.is_some() || of.processing_off)
            .then(|| described_processing(of)),
        s3_backup_mode: Some("Disabled".to_owned()),
        dynamic_partitioning_configuration: None,
        file_extension: Some(of.extension.clone()).filter(|extension| !extension.is_empty()),
        custom_time_zone: Some(of.time_zone.clone()),
    }
}
