//! The operations: wire input to command, and what it answers to wire output.

mod encryption;
mod records;
mod streams;
mod tags;

use std::sync::Arc;

use ropeway_api::firehose as api;
use ropeway_core::seal::MasterKey;
use ropeway_core::{Core, Fault};
use ropeway_wire::{Cx, Error, Roles};

use crate::commands::{Command, FirehoseMachine, Output};
use crate::keys::StreamName;
use crate::model::Stream;
use crate::quota::{Quota, Quotas};

/// The service.
pub struct Firehose {
    core: Core,
    roles: Arc<dyn Roles>,
    master: MasterKey,
    quotas: Quotas,
}

impl Firehose {
    pub(crate) fn new(core: Core, roles: Arc<dyn Roles>, master: MasterKey, quota: Quota) -> Self {
        Firehose { core, roles, master, quotas: Quotas::new(quota) }
    }

    /// Applies a command in the shard of its stream.
    async fn submit(&self, cx: &Cx, stream: &StreamName, command: Command) -> Result<Output, Error> {
        let shard = self.core.shard_of(&stream.arn());
        self.core.submit::<FirehoseMachine>(shard, &cx.trace, command).await
    }

    /// Reads a stream.
    pub(crate) async fn read(&self, cx: &Cx, name: &StreamName) -> Result<Stream, Error> {
        match self.submit(cx, name, Command::Read { stream: name.clone() }).await? {
            Output::Stream(stream) => Ok(*stream),
            _ => Err(unexpected()),
        }
    }
}

/// A command's answer is not of the kind that it gives.
fn unexpected() -> Error {
    Fault::Damaged("another command's answer".to_owned()).into()
}

/// The caller's stream of a name.
fn named(cx: &Cx, name: &str) -> StreamName {
    StreamName::new(&cx.account, &cx.region, name)
}

macro_rules! operations {
    ($($module:ident::$name:ident($input:ident) -> $output:ident;)*) => {
        impl api::Firehose for Firehose {
            $(async fn $name(&self, cx: &Cx, input: api::$input) -> Result<api::$output, Error> {
                $module::$name(self, cx, input).await
            })*
        }
    };
}

operations! {
    streams::create_delivery_stream(CreateDeliveryStreamInput) -> CreateDeliveryStreamOutput;
    streams::delete_delivery_stream(DeleteDeliveryStreamInput) -> DeleteDeliveryStreamOutput;
    streams::describe_delivery_stream(DescribeDeliveryStreamInput) -> DescribeDeliveryStreamOutput;
    streams::list_delivery_streams(ListDeliveryStreamsInput) -> ListDeliveryStreamsOutput;
    streams::update_destination(UpdateDestinationInput) -> UpdateDestinationOutput;
    encryption::start_delivery_stream_encryption(StartDeliveryStreamEncryptionInput) -> StartDeliveryStreamEncryptionOutput;
    encryption::stop_delivery_stream_encryption(StopDeliveryStreamEncryptionInput) -> StopDeliveryStreamEncryptionOutput;
    tags::list_tags_for_delivery_stream(ListTagsForDeliveryStreamInput) -> ListTagsForDeliveryStreamOutput;
    tags::tag_delivery_stream(TagDeliveryStreamInput) -> TagDeliveryStreamOutput;
    tags::untag_delivery_stream(UntagDeliveryStreamInput) -> UntagDeliveryStreamOutput;
    records::put_record(PutRecordInput) -> PutRecordOutput;
    records::put_record_batch(PutRecordBatchInput) -> PutRecordBatchOutput;
}
