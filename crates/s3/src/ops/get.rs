//! GetObject and HeadObject.

use std::ops::Range;

use ropeway_api::s3::{GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput};
use ropeway_wire::{ByteStream, Cx, Error, PrincipalKind};

use super::listed::Asking;
use super::lock::shown_hold;
use super::put::DEFAULT_TYPE;
use super::{authorize, object_arn};
use crate::acl::Permission;
use crate::bodies::Reader;
use crate::checksum::{Checksum, Span, show_checksum};
use crate::commands::{Command, Output, Target, bucket_arn};
use crate::conditions::{ReadIf, http_date, is_unchanged, range};
use crate::customer::{CustomerKey, check_read};
use crate::model::{Body, Bucket, Object, Which};
use crate::names::{check_key, quoted, which};
use crate::vault::ReadFailure;
use crate::{S3Service, error, target};

/// How often an object is looked up that is replaced just when its body is opened.
const TRIES: usize = 4;

/// What is asked for.
pub(super) struct Wanted {
    pub target: Target,
    pub key: String,
    pub which: Which,
    pub conditions: ReadIf,
    pub range: Option<String>,
    /// `If-Range`
    pub if_range: Option<String>,
    pub part: Option<i64>,
    /// The customer's key that was brought.
    pub customer: Option<CustomerKey>,
    /// Whether the caller may.
    pub asking: Asking,
}

/// An object and the part of it that is asked for.
pub(super) struct Found {
    pub object: Object,
    /// Its version, where objects have versions.
    pub version: Option<String>,
    /// Its bucket.
    pub bucket: Bucket,
    pub range: Range<u64>,
    /// Less than the whole is asked for.
    pub partial: bool,
    /// The checksum of what is asked for, if it is kept.
    pub checksum: Option<Checksum>,
    /// Parts of an object of which one is asked for.
    pub parts: Option<u32>,
    /// What is to be said of its expiry.
    pub expiration: Option<String>,
    pub body: ByteStream,
}

impl S3Service {
    pub(super) fn reader(&self, cx: &Cx, bucket: &str, customer: Option<CustomerKey>) -> Reader {
        Reader {
            core: self.core.clone(),
            vault: self.vault.clone(),
            shard: self.shard(bucket),
            trace: cx.trace.clone(),
            customer,
        }
    }

    /// Looks an object up, and opens its body if asked to.
    pub(super) async fn read(&self, cx: &Cx, wanted: &Wanted, with_body: bool) -> Result<Found, Error> {
        for _ in 0..TRIES {
            match self.try_read(cx, wanted, with_body).await? {
                Ok(found) => return Ok(found),
                Err(ReadFailure::Gone) => continue,
                Err(ReadFailure::Failed(why)) => return Err(error::internal(&why)),
            }
        }
        Err(error::internal("an object whose body is not there"))
    }

    async fn try_read(
        &self,
        cx: &Cx,
        wanted: &Wanted,
        with_body: bool,
    ) -> Result<Result<Found, ReadFailure>, Error> {
        let name = &wanted.target.bucket;
        let (target, key, which) = (wanted.target.clone(), wanted.key.clone(), wanted.which);
        let command = Command::Get { target, key, with_body, which };
        let submitted = async {
            let answer = self.submit(cx, name, command).await;
            answer.map_err(|error| wanted.asking.otherwise(hide(cx, name, error)))
        };
        let (object, inline, bucket) =
            answer!(submitted, Output::Object(object, inline, bucket) => (*object, inline, bucket));
        wanted.asking.decide(cx, &bucket, &object)?;
        bucket.check_key(object.sse, &cx.principal.account, "kms:Decrypt")?;
        check_read(object.sse.customer.as_ref(), wanted.customer.as_ref())?;
        wanted.conditions.check(&object)?;
        let reader = self.reader(cx, name, wanted.customer.clone());
        let mut found = match select(&reader, wanted, object, bucket).await? {
            Ok(found) => found,
            Err(failure) => return Ok(Err(failure)),
        };
        // Rules of expiry are about current versions.
        if wanted.which == Which::Current {
            found.expiration = self.expiration(name, &wanted.key, &found.object);
        }
        if with_body {
            match reader.open(&found.object, inline, found.range.clone()).await {
                Ok(body) => found.body = body,
                Err(failure) => return Ok(Err(failure)),
            }
        }
        Ok(Ok(found))
    }
}

/// Without `s3:ListBucket`, nobody learns that an object is not there.
fn hide(cx: &Cx, bucket: &str, error: Error) -> Error {
    if error.code == "NoSuchKey" && authorize(cx, "s3:ListBucket", &bucket_arn(bucket)).is_err() {
        return error::access_denied();
    }
    error
}

async fn select(
    reader: &Reader,
    wanted: &Wanted,
    object: Object,
    bucket: Bucket,
) -> Result<Result<Found, ReadFailure>, Error> {
    let whole = 0..object.size;
    let mut found = Found {
        range: whole.clone(),
        partial: false,
        checksum: object.checksum.clone(),
        parts: None,
        expiration: None,
        body: ByteStream::default(),
        version: bucket.shown_version(object.version),
        object,
        bucket,
    };
    let Some(number) = wanted.part else {
        if let Some(header) = &wanted.range
            && is_unchanged(wanted.if_range.as_deref(), &found.object)
            && let Some(range) = range(header, found.object.size)?
        {
            found.partial = true;
            found.checksum = None;
            found.range = range;
        }
        return Ok(Ok(found));
    };
    let Ok(number @ 1..=10_000) = u32::try_from(number) else {
        let message = "Part number must be an integer between 1 and 10000, inclusive";
        return Err(error::invalid_argument("partNumber", &number.to_string(), message));
    };
    found.partial = found.object.size > 0;
    let Body::Parts(parts) = &found.object.body else {
        return if number == 1 { Ok(Ok(found)) } else { Err(no_such_part(number, 1)) };
    };
    found.parts = Some(parts.count);
    match reader.part(parts, number).await {
        Err(failure) => return Ok(Err(failure)),
        Ok(None) => return Err(no_such_part(number, parts.count)),
        Ok(Some((part, range))) => {
            found.range = range;
            let kept = found.object.checksum.as_ref().zip(part.checksum);
            found.checksum = kept.map(|(whole, value)| Checksum {
                algorithm: whole.algorithm,
                value,
                span: Span::FullObject,
            });
        }
    }
    Ok(Ok(found))
}

fn no_such_part(number: u32, parts: u32) -> Error {
    Error::new(416, "InvalidPartNumber", "The requested partnumber is not satisfiable")
        .with_member("PartNumberRequested", number.to_string())
        .with_member("ActualPartCount", parts.to_string())
}

/// What both operations read of their input.
macro_rules! wanted {
    ($service:expr, $cx:expr, $input:expr, $if_range:expr) => {{
        let asking = Asking::of($cx, &$input, Permission::Read);
        check_key(&$input.key)?;
        if $input.range.is_some() && $input.part_number.is_some() {
            return Err(error::invalid_request(
                "Cannot specify both Range header and partNumber query parameter",
            ));
        }
        check_overrides(
            $cx,
            $input.response_cache_control.is_some()
                || $input.response_content_disposition.is_some()
                || $input.response_content_encoding.is_some()
                || $input.response_content_language.is_some()
                || $input.response_content_type.is_some()
                || $input.response_expires.is_some(),
        )?;
        Wanted {
            target: target($cx, &$input.bucket, $input.expected_bucket_owner.as_ref()),
            key: $input.key.clone(),
            which: which($input.version_id.as_deref())?,
            conditions: read_if!($input),
            range: $input.range.take(),
            if_range: $if_range,
            part: $input.part_number,
            customer: $service.customer_key($cx, &customer_headers!($input))?,
            asking,
        }
    }};
}

/// What both operations answer.
macro_rules! describe {
    ($cx:expr, $output:ident, $input:expr, $found:expr, $customer:expr) => {{
        let attributes = $found.object.attributes;
        let mut output = $output {
            accept_ranges: Some("bytes".to_owned()),
            last_modified: Some($found.object.modified),
            content_length: Some(($found.range.end - $found.range.start) as i64),
            e_tag: Some(quoted(&$found.object.etag)),
            content_range: $found.partial.then(|| {
                format!("bytes {}-{}/{}", $found.range.start, $found.range.end - 1, $found.object.size)
            }),
            content_type: $input
                .response_content_type
                .or(attributes.content_type)
                .or_else(|| Some(DEFAULT_TYPE.to_owned())),
            cache_control: $input.response_cache_control.or(attributes.cache_control),
            content_disposition: $input.response_content_disposition.or(attributes.content_disposition),
            content_encoding: $input.response_content_encoding.or(attributes.content_encoding),
            content_language: $input.response_content_language.or(attributes.content_language),
            expires: $input.response_expires.map(http_date).or(attributes.expires),
            metadata: Some(attributes.metadata),
            website_redirect_location: attributes.redirect,
            version_id: $found.version,
            expiration: $found.expiration,
            parts_count: $found.parts.map(i64::from),
            tag_count: Some($found.object.tags.len() as i64).filter(|count| *count > 0),
            ..$output::default()
        };
        show_encryption!(output, $found.object.sse, &$found.bucket, $customer);
        let lock = $found.object.lock;
        let arn = || object_arn(&$input.bucket, &$input.key);
        if let Some(retention) = lock.retention
            && authorize($cx, "s3:GetObjectRetention", &arn()).is_ok()
        {
            output.object_lock_mode = Some(retention.mode.name().to_owned());
            output.object_lock_retain_until_date = Some(retention.until);
        }
        if let Some(on) = lock.hold
            && authorize($cx, "s3:GetObjectLegalHold", &arn()).is_ok()
        {
            output.object_lock_legal_hold_status = Some(shown_hold(on));
        }
        if let (Some(mode), Some(checksum)) = ($input.checksum_mode, $found.checksum) {
            check_mode(&mode)?;
            output.checksum_type = Some(checksum.span.name().to_owned());
            show_checksum!(output, checksum.algorithm, checksum.value);
        }
        output
    }};
}

fn check_mode(mode: &str) -> Result<(), Error> {
    if mode.eq_ignore_ascii_case("ENABLED") {
        return Ok(());
    }
    Err(error::invalid_argument(
        "x-amz-checksum-mode",
        mode,
        "Value for x-amz-checksum-mode header is invalid.",
    ))
}

fn check_overrides(cx: &Cx, any: bool) -> Result<(), Error> {
    if any && cx.principal.kind == PrincipalKind::Anonymous {
        let message = "Request specific response headers cannot be used for anonymous GET requests.";
        return Err(error::invalid_request(message));
    }
    Ok(())
}

pub(super) async fn get_object(
    service: &S3Service,
    cx: &Cx,
    mut input: GetObjectInput,
) -> Result<GetObjectOutput, Error> {
    let wanted = wanted!(service, cx, input, input.if_range.take());
    let found = service.read(cx, &wanted, true).await?;
    let body = found.body;
    let mut output = describe!(cx, GetObjectOutput, input, found, wanted.customer.as_ref());
    output.body = Some(body);
    Ok(output)
}

pub(super) async fn head_object(
    service: &S3Service,
    cx: &Cx,
    mut input: HeadObjectInput,
) -> Result<HeadObjectOutput, Error> {
    let wanted = wanted!(service, cx, input, None);
    let found = service.read(cx, &wanted, false).await?;
    Ok(describe!(cx, HeadObjectOutput, input, found, wanted.customer.as_ref()))
}
