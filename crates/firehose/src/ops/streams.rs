//! CreateDeliveryStream, DeleteDeliveryStream, DescribeDeliveryStream, ListDeliveryStreams,
//! UpdateDestination.

use std::collections::BTreeSet;

use ropeway_api::firehose::{
    CreateDeliveryStreamInput, CreateDeliveryStreamOutput, DeleteDeliveryStreamInput,
    DeleteDeliveryStreamOutput, DeliveryStreamDescription, DescribeDeliveryStreamInput,
    DescribeDeliveryStreamOutput, DestinationDescription, ListDeliveryStreamsInput,
    ListDeliveryStreamsOutput, SERVICE, UpdateDestinationInput, UpdateDestinationOutput,
};
use ropeway_core::directory;
use ropeway_wire::{Cx, Error, Keys};

use super::{Firehose, encryption, named, tags};
use crate::actor::PRINCIPAL;
use crate::commands::Command;
use crate::destination::{self, Asked, invalid, refused};
use crate::endpoint::{self, ACCESS_KEY};
use crate::keys::{self, StreamName};
use crate::model::{DESTINATION_ID, Destination, Endpoint, Stream};
use crate::process::Plan;

/// Names that `ListDeliveryStreams` gives where no limit is asked for:
/// <https://docs.aws.amazon.com/firehose/latest/APIReference/API_ListDeliveryStreams.html>.
const PAGE: i64 = 10;
/// The one type of stream.
const DIRECT_PUT: &str = "DirectPut";

pub async fn create_delivery_stream(
    firehose: &Firehose,
    cx: &Cx,
    input: CreateDeliveryStreamInput,
) -> Result<CreateDeliveryStreamOutput, Error> {
    if let Some(other) = input.delivery_stream_type.filter(|kind| kind != DIRECT_PUT) {
        return Err(refused(format_args!("DeliveryStreamType {other}")));
    }
    let asked = destination::one(
        input.s3_destination_configuration,
        input.extended_s3_destination_configuration,
        input.http_endpoint_destination_configuration,
    )?;
    let name = named(cx, &input.delivery_stream_name);
    let (destination, endpoint) = match asked {
        Asked::S3(said) => (said.create(cx.now)?, None),
        Asked::Endpoint(said) => boxed(said.create(&sealed_by(firehose, &name), cx.now)?),
    };
    for role in roles(&destination, endpoint.as_deref())? {
        check_role(firehose, cx, &name, &role)?;
    }
    let encrypted = &input.delivery_stream_encryption_configuration_input;
    encrypted.as_ref().map_or(Ok(()), encryption::check)?;
    let sealed = encrypted.is_some();
    let tags = tags::unique(input.tags.unwrap_or_default())?;
    let command = Command::Create { stream: name.clone(), destination, tags, sealed, endpoint };
    firehose.submit(cx, &name, command).await?;
    let list = keys::list(&cx.account, &cx.region);
    let line = directory::Command::Add { list, name: name.name.clone(), value: Vec::new() };
    directory::apply(&firehose.core, &cx.trace, line).await?;
    Ok(CreateDeliveryStreamOutput { delivery_stream_arn: Some(name.arn()) })
}

fn boxed((destination, endpoint): (Destination, Endpoint)) -> (Destination, Option<Box<Endpoint>>) {
    (destination, Some(Box::new(endpoint)))
}

/// What seals a stream's access key.
fn sealed_by(firehose: &Firehose, name: &StreamName) -> impl Fn(&str) -> Result<Vec<u8>, Error> {
    let (key, ids) = (name.seal_key(&firehose.master), firehose.core.ids().clone());
    move |access_key| Ok(key.seal(&ids, ACCESS_KEY, access_key.as_bytes())?)
}

/// The roles that a destination names.
fn roles(of: &Destination, endpoint: Option<&Endpoint>) -> Result<BTreeSet<String>, Error> {
    let mut roles = BTreeSet::from([of.role.clone()]);
    roles.extend(of.backup.as_ref().map(|backup| backup.role.clone()));
    roles.extend(endpoint.and_then(|endpoint| endpoint.role.clone()));
    for processing in [of.processing.as_ref(), endpoint.and_then(|endpoint| endpoint.processing.as_ref())] {
        let plan = Plan::parse(processing)?;
        roles.extend(plan.transformation.and_then(|transformation| transformation.role));
    }
    Ok(roles)
}

/// The caller must be allowed to hand the role to Firehose, and the role must trust Firehose.
fn check_role(firehose: &Firehose, cx: &Cx, name: &StreamName, role: &str) -> Result<(), Error> {
    cx.pass_role(&SERVICE, role, PRINCIPAL)?;
    let mut source = Keys::default();
    source.add("aws:SourceArn", &name.arn());
    source.add("aws:SourceAccount", &name.scope.account);
    let assumed = firehose.roles.assume_for_service(role, PRINCIPAL, "firehose", &source);
    assumed.map(drop).map_err(|why| {
        tracing::debug!(role, why, "a role cannot be assumed");
        invalid(format!("Firehose is unable to assume role {role}. Please check the role provided."))
    })
}

pub async fn delete_delivery_stream(
    firehose: &Firehose,
    cx: &Cx,
    input: DeleteDeliveryStreamInput,
) -> Result<DeleteDeliveryStreamOutput, Error> {
    let name = named(cx, &input.delivery_stream_name);
    firehose.submit(cx, &name, Command::Delete { stream: name.clone() }).await?;
    let list = keys::list(&cx.account, &cx.region);
    let line = directory::Command::Remove { list, name: name.name };
    directory::apply(&firehose.core, &cx.trace, line).await?;
    Ok(DeleteDeliveryStreamOutput {})
}

pub async fn describe_delivery_stream(
    firehose: &Firehose,
    cx: &Cx,
    input: DescribeDeliveryStreamInput,
) -> Result<DescribeDeliveryStreamOutput, Error> {
    let name = named(cx, &input.delivery_stream_name);
    let stream = firehose.read(cx, &name).await?;
    // A stream has one destination: it is there, unless the caller has it already.
    let seen = input.exclusive_start_destination_id.is_some_and(|seen| *seen >= *DESTINATION_ID);
    let mut description = described(&stream);
    if seen {
        description.destinations.clear();
    }
    Ok(DescribeDeliveryStreamOutput { delivery_stream_description: description })
}

fn described(stream: &Stream) -> DeliveryStreamDescription {
    let id = DESTINATION_ID.to_owned();
    let destination = match &stream.endpoint {
        Some(endpoint) => DestinationDescription {
            destination_id: id,
            http_endpoint_destination_description: Some(endpoint::described(endpoint, &stream.destination)),
            ..DestinationDescription::default()
        },
        None => DestinationDescription {
            destination_id: id,
            s3_destination_description: Some(destination::described(&stream.destination)),
            extended_s3_destination_description: Some(destination::described_extended(&stream.destination)),
            ..DestinationDescription::default()
        },
    };
    DeliveryStreamDescription {
        delivery_stream_name: stream.name.name.clone(),
        delivery_stream_arn: stream.name.arn(),
        delivery_stream_status: "ACTIVE".to_owned(),
        failure_description: None,
        delivery_stream_encryption_configuration: Some(encryption::described(stream)),
        delivery_stream_type: DIRECT_PUT.to_owned(),
        version_id: stream.version.to_string(),
        create_timestamp: Some(stream.created),
        last_update_timestamp: stream.updated,
        source: None,
        destinations: vec![destination],
        has_more_destinations: false,
    }
}

pub async fn list_delivery_streams(
    firehose: &Firehose,
    cx: &Cx,
    input: ListDeliveryStreamsInput,
) -> Result<ListDeliveryStreamsOutput, Error> {
    if input.delivery_stream_type.is_some_and(|kind| kind != DIRECT_PUT) {
        return Ok(ListDeliveryStreamsOutput::default());
    }
    let command = directory::Command::Read {
        list: keys::list(&cx.account, &cx.region),
        prefix: String::new(),
        after: input.exclusive_start_delivery_stream_name,
        limit: u32::try_from(input.limit.unwrap_or(PAGE)).unwrap_or(1),
    };
    let page = directory::apply(&firehose.core, &cx.trace, command).await?;
    Ok(ListDeliveryStreamsOutput {
        delivery_stream_names: page.names.into_iter().map(|(name, _)| name).collect(),
        has_more_delivery_streams: page.more,
    })
}

pub async fn update_destination(
    firehose: &Firehose,
    cx: &Cx,
    input: UpdateDestinationInput,
) -> Result<UpdateDestinationOutput, Error> {
    let name = named(cx, &input.delivery_stream_name);
    let stream = firehose.read(cx, &name).await?;
    if input.destination_id != DESTINATION_ID {
        return Err(invalid(format!("Destination Id {} not found", input.destination_id)));
    }
    let asked = destination::one(
        input.s3_destination_update,
        input.extended_s3_destination_update,
        input.http_endpoint_destination_update,
    )?;
    let before = roles(&stream.destination, stream.endpoint.as_deref())?;
    let seal = sealed_by(firehose, &name);
    // A destination of another kind keeps nothing of the former one.
    let (destination, endpoint) = match (asked, stream.endpoint) {
        (Asked::S3(said), None) => (said.update(stream.destination, cx.now)?, None),
        (Asked::S3(said), Some(_)) if said.is_whole() => (said.create(cx.now)?, None),
        (Asked::S3(_), Some(_)) => {
            return Err(invalid("A destination of another kind needs RoleARN and BucketARN"));
        }
        (Asked::Endpoint(said), None) => boxed(said.create(&seal, cx.now)?),
        (Asked::Endpoint(said), Some(endpoint)) => {
            boxed(said.update((stream.destination, *endpoint), &seal, cx.now)?)
        }
    };
    for role in roles(&destination, endpoint.as_deref())?.difference(&before) {
        check_role(firehose, cx, &name, role)?;
    }
    let version = input.current_delivery_stream_version_id.parse().unwrap_or(u64::MAX);
    let command = Command::Update { stream: name.clone(), version, destination, endpoint };
    firehose.submit(cx, &name, command).await?;
    Ok(UpdateDestinationOutput {})
}
