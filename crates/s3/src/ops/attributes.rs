//! GetObjectAttributes.

use ropeway_api::s3::{
    Checksum, GetObjectAttributesInput, GetObjectAttributesOutput, GetObjectAttributesParts, ObjectPart,
};
use ropeway_wire::{Cx, Error};

use super::copy::reading;
use super::get::Wanted;
use super::list::STANDARD;
use crate::checksum::show_checksum;
use crate::conditions::ReadIf;
use crate::model::{Body, Object, Parts};
use crate::names::{check_key, which};
use crate::vault::ReadFailure;
use crate::{S3Service, error, target};

/// Parts on a page at most.
const MAX_PARTS: i64 = 1000;
const NAMES: [&str; 5] = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"];

/// Which attributes are asked for, as places in [`NAMES`].
fn asked(names: &[String]) -> Result<[bool; 5], Error> {
    let mut asked = [false; 5];
    for name in names {
        let found = NAMES.iter().zip(&mut asked).find(|(known, _)| **known == name.trim());
        match found {
            Some((_, wanted)) => *wanted = true,
            None => {
                let message = "Invalid attribute name specified.";
                return Err(error::invalid_argument("x-amz-object-attributes", name, message));
            }
        }
    }
    Ok(asked)
}

fn number(name: &str, given: Option<i64>, otherwise: i64) -> Result<i64, Error> {
    match given {
        None => Ok(otherwise),
        Some(given) if (0..=i64::from(i32::MAX)).contains(&given) => Ok(given),
        Some(given) => {
            let message = format!("Argument {name} must be an integer between 0 and {}", i32::MAX);
            Err(error::invalid_argument(name, &given.to_string(), message))
        }
    }
}

pub(super) async fn get_object_attributes(
    service: &S3Service,
    cx: &Cx,
    input: GetObjectAttributesInput,
) -> Result<GetObjectAttributesOutput, Error> {
    check_key(&input.key)?;
    let [etag, checksum, parts, class, size] = asked(&input.object_attributes)?;
    let after = number("part-number-marker", input.part_number_marker, 0)?;
    let limit = number("max-parts", input.max_parts, MAX_PARTS)?.min(MAX_PARTS);
    let which = which(input.version_id.as_deref())?;
    let asking = reading(cx, &input.bucket, &input.key, which);
    let customer = service.customer_key(cx, &customer_headers!(input))?;
    let wanted = Wanted {
        target: target(cx, &input.bucket, input.expected_bucket_owner.as_ref()),
        key: input.key,
        which,
        conditions: ReadIf::default(),
        range: None,
        if_range: None,
        part: None,
        customer,
        asking,
    };
    let found = service.read(cx, &wanted, false).await?;
    let object = found.object;
    let mut output = GetObjectAttributesOutput {
        last_modified: Some(object.modified),
        version_id: found.version,
        e_tag: etag.then(|| object.etag.clone()),
        checksum: checksum.then(|| whole(&object)).flatten(),
        storage_class: class.then(|| STANDARD.to_owned()),
        object_size: size.then_some(object.size as i64),
        ..GetObjectAttributesOutput::default()
    };
    if let (true, Body::Parts(of)) = (parts, &object.body) {
        output.object_parts = Some(page(service, cx, &input.bucket, (&object, of), after, limit).await?);
    }
    Ok(output)
}

fn whole(object: &Object) -> Option<Checksum> {
    let kept = object.checksum.clone()?;
    let mut shown = Checksum { checksum_type: Some(kept.span.name().to_owned()), ..Checksum::default() };
    show_checksum!(shown, kept.algorithm, kept.value);
    Some(shown)
}

/// A page of an object's parts.
async fn page(
    service: &S3Service,
    cx: &Cx,
    bucket: &str,
    (object, parts): (&Object, &Parts),
    after: i64,
    limit: i64,
) -> Result<GetObjectAttributesParts, Error> {
    let (first, most) = (after as u32, limit as usize);
    let found = service.reader(cx, bucket, None).parts(parts, first, most + 1).await;
    let mut found = found.map_err(|failure| match failure {
        ReadFailure::Gone => error::internal("an object's parts are gone"),
        ReadFailure::Failed(why) => error::internal(&why),
    })?;
    let more = found.len() > most;
    found.truncate(most);
    let last = found.last().map(|part| i64::from(part.number));
    let shown = found.into_iter().map(|part| {
        let (number, size) = (Some(i64::from(part.number)), Some(part.body.size as i64));
        let mut shown = ObjectPart { part_number: number, size, ..ObjectPart::default() };
        if let (Some(kept), Some(value)) = (&object.checksum, part.checksum) {
            show_checksum!(shown, kept.algorithm, value);
        }
        shown
    });
    Ok(GetObjectAttributesParts {
        total_parts_count: Some(i64::from(parts.count)),
        part_number_marker: Some(after),
        next_part_number_marker: Some(last.unwrap_or(after)),
        max_parts: Some(limit),
        is_truncated: Some(more),
        parts: Some(shown.collect()),
    })
}
