//! Documents of APIs, which templates give in themselves or in S3.

use ropeway_api::s3::GetObjectInput;
use ropeway_wire::Error;

use super::{Subject, property, text};

/// The document of an API: what `Body` says, or what `BodyS3Location` leads to; none: there is neither.
///
/// # Errors
/// Those of `GetObject`; `BadRequestException` for what is not UTF-8. An `ETag` must be the object's.
pub async fn document(subject: &Subject<'_>) -> Result<Option<String>, Error> {
    let body = subject.property("Body");
    if !body.is_null() {
        return Ok(Some(text(body)));
    }
    let place = subject.property("BodyS3Location");
    if place.is_null() {
        return Ok(None);
    }
    let member = |name: &str| property(place, name).as_str().map(str::to_owned);
    let input = GetObjectInput {
        bucket: member("Bucket").unwrap_or_default(),
        key: member("Key").unwrap_or_default(),
        version_id: member("Version"),
        if_match: member("ETag"),
        ..GetObjectInput::default()
    };
    let found = subject.services.call(subject.cx.clone(), input).await?;
    let bytes = crate::ops::source::read(found.body.unwrap_or_default()).await?;
    let document = String::from_utf8(bytes);
    document.map(Some).map_err(|_| Error::new(400, "BadRequestException", "The document is not UTF-8"))
}
