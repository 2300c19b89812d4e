//! Who pays for requests. Nobody is charged, but who asks for something in a Requester Pays bucket must say that they
//! would pay: user guide, "Using Requester Pays general purpose buckets".

use ropeway_api::s3::{
    GetBucketRequestPaymentInput, GetBucketRequestPaymentOutput, PutBucketRequestPaymentInput,
    PutBucketRequestPaymentOutput,
};
use ropeway_wire::{Cx, Error, PrincipalKind};

use super::settings::check_said;
use crate::commands::{Command, Output};
use crate::configuration::{Configuration, Kind};
use crate::{S3Service, error, target};

/// The owner of the bucket.
const OWNER: &str = "BucketOwner";
/// Who asks.
const REQUESTER: &str = "Requester";
/// What they say who would pay, and are told if they do.
const CHARGED: &str = "requester";

impl S3Service {
    /// What who asks is told of a charge: nothing, where the bucket's owner pays or asks. Services act for owners.
    ///
    /// # Errors
    /// 403 `AccessDenied` for another account that does not say that it would pay, and for nobody, who cannot.
    pub(super) fn charge(&self, cx: &Cx, bucket: &str, payer: Option<&str>) -> Result<Option<String>, Error> {
        let Some(configured) = self.live.get(bucket).filter(|found| found.requester_pays()) else {
            return Ok(None);
        };
        match cx.principal.kind {
            PrincipalKind::Anonymous => Err(error::access_denied()),
            PrincipalKind::Service => Ok(None),
            _ if cx.principal.account == configured.account => Ok(None),
            _ if payer == Some(CHARGED) => Ok(payer.map(str::to_owned)),
            _ => Err(error::access_denied()),
        }
    }
}

pub(super) async fn get_bucket_request_payment(
    service: &S3Service,
    cx: &Cx,
    input: GetBucketRequestPaymentInput,
) -> Result<GetBucketRequestPaymentOutput, Error> {
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let command = Command::GetConfiguration(target, Kind::Payment);
    let found = answer!(service.submit(cx, &input.bucket, command), Output::Configuration(found) => found);
    let payer = if found.is_some() { REQUESTER } else { OWNER }.to_owned();
    Ok(GetBucketRequestPaymentOutput { payer: Some(payer) })
}

pub(super) async fn put_bucket_request_payment(
    service: &S3Service,
    cx: &Cx,
    input: PutBucketRequestPaymentInput,
) -> Result<PutBucketRequestPaymentOutput, Error> {
    check_said(input.content_md5.as_deref(), input.checksum_algorithm.as_deref())?;
    let configuration = match input.request_payment_configuration.payer.as_str() {
        OWNER => None,
        REQUESTER => Some(Configuration::RequesterPays),
        _ => return Err(error::malformed_xml()),
    };
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let command = Command::SetConfiguration(target, Kind::Payment, configuration);
    service.submit(cx, &input.bucket, command).await?;
    Ok(PutBucketRequestPaymentOutput::default())
}
