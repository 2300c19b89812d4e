//! HTTP endpoints as destinations: what requests say of them, checked, and what is told of them.
//!
//! <https://docs.aws.amazon.com/firehose/latest/APIReference/API_HttpEndpointDestinationConfiguration.html>,
//! <https://docs.aws.amazon.com/firehose/latest/dev/httpdeliveryrequestresponse.html>

pub mod answer;
pub mod delivery;
pub mod request;

use ropeway_api::firehose::{
    BufferingHints, CloudWatchLoggingOptions, HttpEndpointBufferingHints, HttpEndpointCommonAttribute,
    HttpEndpointConfiguration, HttpEndpointDescription, HttpEndpointDestinationConfiguration,
    HttpEndpointDestinationDescription, HttpEndpointDestinationUpdate, HttpEndpointRequestConfiguration,
    HttpEndpointRetryOptions, ProcessingConfiguration,
};
use ropeway_core::Time;
use ropeway_wire::Error;

use crate::destination::{self, invalid};
use crate::model::{Destination, Endpoint, Logging, Processing};
use crate::process::Plan;

/// What an access key is sealed under.
pub const ACCESS_KEY: &[u8] = b"access key";
/// Buffer size where none is given, in MiB, and its interval in seconds:
/// <https://docs.aws.amazon.com/firehose/latest/APIReference/API_HttpEndpointBufferingHints.html>.
const DEFAULT_HINTS: (u32, u32) = (5, 300);
/// `RetryOptions` where none are given, in seconds:
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-kinesisfirehose-deliverystream-httpendpointdestinationconfiguration.html>.
const DEFAULT_RETRY: u32 = 300;
/// Most bytes of all that is said of an endpoint: what its row has room for.
const MAX_BYTES: usize = 60 * 1024;

/// What a request may say of an endpoint.
#[derive(Debug, Default)]
pub struct Said {
    endpoint: Option<HttpEndpointConfiguration>,
    hints: Option<HttpEndpointBufferingHints>,
    logging: Option<CloudWatchLoggingOptions>,
    request: Option<HttpEndpointRequestConfiguration>,
    processing: Option<ProcessingConfiguration>,
    role: Option<String>,
    retry: Option<HttpEndpointRetryOptions>,
    backup: Option<String>,
    s3: Option<destination::Said>,
}

impl From<HttpEndpointDestinationConfiguration> for Said {
    fn from(said: HttpEndpointDestinationConfiguration) -> Said {
        Said {
            endpoint: Some(said.endpoint_configuration),
            hints: said.buffering_hints,
            logging: said.cloud_watch_logging_options,
            request: said.request_configuration,
            processing: said.processing_configuration,
            role: said.role_arn,
            retry: said.retry_options,
            backup: said.s3_backup_mode,
            s3: Some(said.s3_configuration.into()),
        }
    }
}

impl From<HttpEndpointDestinationUpdate> for Said {
    fn from(said: HttpEndpointDestinationUpdate) -> Said {
        Said {
            endpoint: said.endpoint_configuration,
            hints: said.buffering_hints,
            logging: said.cloud_watch_logging_options,
            request: said.request_configuration,
            processing: said.processing_configuration,
            role: said.role_arn,
            retry: said.retry_options,
            backup: said.s3_backup_mode,
            s3: said.s3_update.map(Into::into),
        }
    }
}

impl Said {
    /// An endpoint, and the destination of what it doesn't take. `seal` seals its access key.
    pub fn create(
        mut self,
        seal: &dyn Fn(&str) -> Result<Vec<u8>, Error>,
        now: Time,
    ) -> Result<(Destination, Endpoint), Error> {
        let s3 = self.s3.take().filter(destination::Said::is_whole);
        let (Some(s3), Some(_)) = (s3, &self.endpoint) else {
            return Err(invalid(
                "An HTTP endpoint needs its EndpointConfiguration, and the RoleARN and the BucketARN of S3",
            ));
        };
        let endpoint = Endpoint {
            url: String::new(),
            name: None,
            access_key: None,
            mebibytes: DEFAULT_HINTS.0,
            seconds: DEFAULT_HINTS.1,
            gzip: false,
            attributes: Vec::new(),
            retry_seconds: DEFAULT_RETRY,
            all_data: false,
            processing: None,
            role: None,
            logging: Logging::default(),
        };
        Ok((s3.create(now)?, self.applied(endpoint, seal)?))
    }

    /// The two once they are changed; what isn't said stays.
    pub fn update(
        mut self,
        (destination, endpoint): (Destination, Endpoint),
        seal: &dyn Fn(&str) -> Result<Vec<u8>, Error>,
        now: Time,
    ) -> Result<(Destination, Endpoint), Error> {
        let destination = match self.s3.take() {
            Some(s3) => s3.update(destination, now)?,
            None => destination,
        };
        Ok((destination, self.applied(endpoint, seal)?))
    }

    fn applied(
        self,
        mut to: Endpoint,
        seal: &dyn Fn(&str) -> Result<Vec<u8>, Error>,
    ) -> Result<Endpoint, Error> {
        if let Some(said) = self.endpoint {
            request::check_url(&said.url)?;
            to.url = said.url;
            to.name = said.name.or(to.name);
            if let Some(key) = said.access_key {
                request::check_key(&key)?;
                to.access_key = Some(key).filter(|key| !key.is_empty()).map(|key| seal(&key)).transpose()?;
            }
        }
        if let Some(said) = self.hints {
            let HttpEndpointBufferingHints { size_in_m_bs, interval_in_seconds } = said;
            (to.mebibytes, to.seconds) =
                destination::checked_hints(&BufferingHints { size_in_m_bs, interval_in_seconds })?;
        }
        if let Some(said) = self.request {
            to.gzip = said.content_encoding.map_or(to.gzip, |encoding| encoding == "GZIP");
            if let Some(attributes) = said.common_attributes {
                to.attributes = unique(attributes)?;
            }
        }
        if let Some(seconds) = self.retry.and_then(|said| said.duration_in_seconds) {
            to.retry_seconds =
                u32::try_from(seconds).map_err(|_| invalid("RetryOptions.DurationInSeconds"))?;
        }
        to.logging = self.logging.map_or(Ok(to.logging), destination::checked_logging)?;
        to.processing = self.processing.map(destination::processing).or(to.processing);
        to.role = self.role.or(to.role);
        to.all_data = self.backup.map_or(to.all_data, |mode| mode == "AllData");
        check(&to)?;
        Ok(to)
    }
}

fn unique(said: Vec<HttpEndpointCommonAttribute>) -> Result<Vec<(String, String)>, Error> {
    let mut out: Vec<(String, String)> = Vec::new();
    for HttpEndpointCommonAttribute { attribute_name, attribute_value } in said {
        if out.iter().any(|(name, _)| *name == attribute_name) {
            return Err(invalid("CommonAttributes must have different names"));
        }
        out.push((attribute_name, attribute_value));
    }
    Ok(out)
}

fn check(of: &Endpoint) -> Result<(), Error> {
    let bytes = postcard::to_stdvec(of).map_err(|why| Error::internal(why.to_string()))?.len();
    if bytes > MAX_BYTES {
        return Err(invalid(format!("An HTTP endpoint's configuration is larger than {MAX_BYTES} bytes")));
    }
    match Plan::parse(of.processing.as_ref())?.query {
        None => Ok(()),
        Some(_) => Err(invalid(
            "MetadataExtraction processor can only be present when Dynamic Partitioning is enabled",
        )),
    }
}

/// What is told of an endpoint, and of the destination of what it doesn't take.
pub fn described(of: &Endpoint, s3: &Destination) -> HttpEndpointDestinationDescription {
    let attribute = |(name, value): &(String, String)| HttpEndpointCommonAttribute {
        attribute_name: name.clone(),
        attribute_value: value.clone(),
    };
    let none = Processing { enabled: false, processors: Vec::new() };
    HttpEndpointDestinationDescription {
        endpoint_configuration: Some(HttpEndpointDescription {
            url: Some(of.url.clone()),
            name: of.name.clone(),
        }),
        buffering_hints: Some(HttpEndpointBufferingHints {
            size_in_m_bs: Some(i64::from(of.mebibytes)),
            interval_in_seconds: Some(i64::from(of.seconds)),
        }),
        cloud_watch_logging_options: Some(destination::described_logging(&of.logging)),
        request_configuration: Some(HttpEndpointRequestConfiguration {
            content_encoding: Some(if of.gzip { "GZIP" } else { "NONE" }.to_owned()),
            common_attributes: Some(of.attributes.iter().map(attribute).collect()),
        }),
        processing_configuration: Some(destination::described_processing(
            of.processing.as_ref().unwrap_or(&none),
        )),
        role_arn: of.role.clone(),
        retry_options: Some(HttpEndpointRetryOptions {
            duration_in_seconds: Some(i64::from(of.retry_seconds)),
        }),
        s3_backup_mode: Some(if of.all_data { "AllData" } else { "FailedDataOnly" }.to_owned()),
        s3_destination_description: Some(destination::described(s3)),
    }
}
