//! Cross-origin resource sharing: what is taken, and what is shown of it. [`crate::front`] acts by it.
//!
//! The texts of the errors are those that Amazon S3 answers; its API reference has only the limits:
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketCors.html>.

use ropeway_api::s3::{
    CORSRule, DeleteBucketCorsInput, DeleteBucketCorsOutput, GetBucketCorsInput, GetBucketCorsOutput,
    PutBucketCorsInput, PutBucketCorsOutput,
};
use ropeway_wire::{Cx, Error};

use super::settings::check_said;
use crate::commands::{Command, Output};
use crate::configuration::{Configuration, CorsRule, Kind};
use crate::{S3Service, error, target};

/// Rules of a bucket at most.
const MAX_RULES: usize = 100;
/// The longest id of a rule, in characters.
const MAX_ID: usize = 255;
/// What a rule may allow.
const METHODS: [&str; 5] = ["GET", "PUT", "HEAD", "POST", "DELETE"];

pub(super) async fn put_bucket_cors(
    service: &S3Service,
    cx: &Cx,
    input: PutBucketCorsInput,
) -> Result<PutBucketCorsOutput, Error> {
    check_said(input.content_md5.as_deref(), input.checksum_algorithm.as_deref())?;
    let given = input.cors_configuration.cors_rules.unwrap_or_default();
    if given.is_empty() {
        return Err(error::malformed_xml());
    }
    if given.len() > MAX_RULES {
        let message = "The number of CORS rules should not exceed allowed limit of 100 rules.";
        return Err(error::invalid_request(message));
    }
    let rules: Result<Vec<CorsRule>, Error> = given.into_iter().map(rule).collect();
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let command = Command::SetConfiguration(target, Kind::Cors, Some(Configuration::Cors(rules?)));
    service.submit(cx, &input.bucket, command).await?;
    Ok(PutBucketCorsOutput::default())
}

pub(super) async fn get_bucket_cors(
    service: &S3Service,
    cx: &Cx,
    input: GetBucketCorsInput,
) -> Result<GetBucketCorsOutput, Error> {
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let command = Command::GetConfiguration(target, Kind::Cors);
    let found = answer!(service.submit(cx, &input.bucket, command), Output::Configuration(found) => found);
    let Some(Configuration::Cors(rules)) = found else {
        let message = "The CORS configuration does not exist";
        let error = Error::new(404, "NoSuchCORSConfiguration", message);
        return Err(error.with_member("BucketName", &input.bucket));
    };
    Ok(GetBucketCorsOutput { cors_rules: Some(rules.into_iter().map(shown).collect()) })
}

pub(super) async fn delete_bucket_cors(
    service: &S3Service,
    cx: &Cx,
    input: DeleteBucketCorsInput,
) -> Result<DeleteBucketCorsOutput, Error> {
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    service.submit(cx, &input.bucket, Command::SetConfiguration(target, Kind::Cors, None)).await?;
    Ok(DeleteBucketCorsOutput::default())
}

fn rule(given: CORSRule) -> Result<CorsRule, Error> {
    let methods = given.allowed_methods.unwrap_or_default();
    let origins = given.allowed_origins.unwrap_or_default();
    if methods.is_empty() || origins.is_empty() {
        return Err(error::malformed_xml());
    }
    if let Some(other) = methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
        let message = format!("Found unsupported HTTP method in CORS config. Unsupported method is {other}");
        return Err(error::invalid_request(message));
    }
    if given.id.as_ref().is_some_and(|id| id.chars().count() > MAX_ID) {
        return Err(error::malformed_xml());
    }
    if given.max_age_seconds.is_some_and(|age| i32::try_from(age).is_err()) {
        return Err(error::malformed_xml());
    }
    let rule = CorsRule {
        id: given.id,
        headers: given.allowed_headers.unwrap_or_default(),
        methods,
        origins,
        expose: given.expose_headers.unwrap_or_default(),
        max_age: given.max_age_seconds,
    };
    check_wildcards("AllowedOrigin", &rule.origins)?;
    check_wildcards("AllowedHeader", &rule.headers)?;
    if let Some(wild) = rule.expose.iter().find(|name| name.contains('*')) {
        let message = format!(
            "ExposeHeader \"{wild}\" contains wildcard. We currently do not support wildcard for ExposeHeader."
        );
        return Err(error::invalid_request(message));
    }
    Ok(rule)
}

fn check_wildcards(element: &str, values: &[String]) -> Result<(), Error> {
    match values.iter().find(|value| value.matches('*').count() > 1) {
        Some(wild) => {
            let message = format!("{element} \"{wild}\" can not have more than one wildcard.");
            Err(error::invalid_request(message))
        }
        None => Ok(()),
    }
}

fn shown(rule: CorsRule) -> CORSRule {
    let unless_empty = |list: Vec<String>| Some(list).filter(|list| !list.is_empty());
    CORSRule {
        id: rule.id,
        allowed_headers: unless_empty(rule.headers),
        allowed_methods: Some(rule.methods),
        allowed_origins: Some(rule.origins),
        expose_headers: unless_empty(rule.expose),
        max_age_seconds: rule.max_age,
    }
}
