//! StartDeliveryStreamEncryption, StopDeliveryStreamEncryption.
//!
//! Encryption is there when they answer: `ENABLING` and `DISABLING` never show.

use ropeway_api::firehose::{
    DeliveryStreamEncryptionConfiguration, DeliveryStreamEncryptionConfigurationInput,
    StartDeliveryStreamEncryptionInput, StartDeliveryStreamEncryptionOutput,
    StopDeliveryStreamEncryptionInput, StopDeliveryStreamEncryptionOutput,
};
use ropeway_wire::{Cx, Error};

use super::{Firehose, named};
use crate::commands::Command;
use crate::destination::{invalid, refused};
use crate::model::Stream;

/// The one kind of key: Ropeway's own.
const OWNED: &str = "AWS_OWNED_CMK";

/// Checks what is said of the key: <https://docs.aws.amazon.com/firehose/latest/APIReference/API_DeliveryStreamEncryptionConfigurationInput.html>.
pub fn check(said: &DeliveryStreamEncryptionConfigurationInput) -> Result<(), Error> {
    if said.key_type != OWNED {
        return Err(refused(format_args!("KeyType {}", said.key_type)));
    }
    match &said.key_arn {
        Some(_) => Err(invalid(format!("KeyARN must not be specified with KeyType {OWNED}"))),
        None => Ok(()),
    }
}

/// What is told of a stream's encryption.
pub fn described(stream: &Stream) -> DeliveryStreamEncryptionConfiguration {
    DeliveryStreamEncryptionConfiguration {
        status: Some(if stream.sealed { "ENABLED" } else { "DISABLED" }.to_owned()),
        key_type: stream.sealed.then(|| OWNED.to_owned()),
        ..DeliveryStreamEncryptionConfiguration::default()
    }
}

pub async fn start_delivery_stream_encryption(
    firehose: &Firehose,
    cx: &Cx,
    input: StartDeliveryStreamEncryptionInput,
) -> Result<StartDeliveryStreamEncryptionOutput, Error> {
    input.delivery_stream_encryption_configuration_input.as_ref().map_or(Ok(()), check)?;
    let stream = named(cx, &input.delivery_stream_name);
    firehose.submit(cx, &stream, Command::Seal { stream: stream.clone(), sealed: true }).await?;
    Ok(StartDeliveryStreamEncryptionOutput {})
}

pub async fn stop_delivery_stream_encryption(
    firehose: &Firehose,
    cx: &Cx,
    input: StopDeliveryStreamEncryptionInput,
) -> Result<StopDeliveryStreamEncryptionOutput, Error> {
    let stream = named(cx, &input.delivery_stream_name);
    firehose.submit(cx, &stream, Command::Seal { stream: stream.clone(), sealed: false }).await?;
    Ok(StopDeliveryStreamEncryptionOutput {})
}
