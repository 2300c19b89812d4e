//! Websites of buckets: what is taken, and what is shown of it. [`crate::website`] serves them.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketWebsite.html>; the texts of the errors are those that
//! Amazon S3 answers.

use ropeway_api::s3::{
    self, Condition, DeleteBucketWebsiteInput, DeleteBucketWebsiteOutput, ErrorDocument,
    GetBucketWebsiteInput, GetBucketWebsiteOutput, IndexDocument, PutBucketWebsiteInput,
    PutBucketWebsiteOutput, RedirectAllRequestsTo, WebsiteConfiguration,
};
use ropeway_wire::{Cx, Error};

use super::settings::check_said;
use crate::commands::{Command, Output};
use crate::configuration::{Configuration, Kind, Redirect, RoutingRule, Website};
use crate::{S3Service, error, target};

/// Routing rules of a website at most.
const MAX_RULES: usize = 50;
/// The longest address that an object may redirect to, in bytes.
const MAX_LOCATION: usize = 2048;

pub(super) async fn put_bucket_website(
    service: &S3Service,
    cx: &Cx,
    input: PutBucketWebsiteInput,
) -> Result<PutBucketWebsiteOutput, Error> {
    check_said(input.content_md5.as_deref(), input.checksum_algorithm.as_deref())?;
    let website = Configuration::Website(website(input.website_configuration)?);
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let command = Command::SetConfiguration(target, Kind::Website, Some(website));
    service.submit(cx, &input.bucket, command).await?;
    Ok(PutBucketWebsiteOutput::default())
}

pub(super) async fn get_bucket_website(
    service: &S3Service,
    cx: &Cx,
    input: GetBucketWebsiteInput,
) -> Result<GetBucketWebsiteOutput, Error> {
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    let command = Command::GetConfiguration(target, Kind::Website);
    let found = answer!(service.submit(cx, &input.bucket, command), Output::Configuration(found) => found);
    let Some(Configuration::Website(website)) = found else { return Err(none(&input.bucket)) };
    let rules: Vec<_> = website.rules.into_iter().map(shown).collect();
    Ok(GetBucketWebsiteOutput {
        redirect_all_requests_to: website
            .elsewhere
            .map(|(host_name, protocol)| RedirectAllRequestsTo { host_name, protocol }),
        index_document: website.index.map(|suffix| IndexDocument { suffix }),
        error_document: website.error.map(|key| ErrorDocument { key }),
        routing_rules: Some(rules).filter(|rules| !rules.is_empty()),
    })
}

pub(super) async fn delete_bucket_website(
    service: &S3Service,
    cx: &Cx,
    input: DeleteBucketWebsiteInput,
) -> Result<DeleteBucketWebsiteOutput, Error> {
    let target = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
    service.submit(cx, &input.bucket, Command::SetConfiguration(target, Kind::Website, None)).await?;
    Ok(DeleteBucketWebsiteOutput::default())
}

/// Checks an object's `x-amz-website-redirect-location`.
///
/// # Errors
/// 400 `InvalidRedirectLocation`.
pub(super) fn check_redirect(location: Option<&str>) -> Result<(), Error> {
    let Some(location) = location else { return Ok(()) };
    if location.len() > MAX_LOCATION {
        let message = "The length of website redirect location cannot exceed 2,048 characters.";
        return Err(Error::new(400, "InvalidRedirectLocation", message));
    }
    if ["/", "http://", "https://"].iter().any(|start| location.starts_with(start)) {
        return Ok(());
    }
    let message = "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.";
    Err(Error::new(400, "InvalidRedirectLocation", message))
}

/// The bucket is no website.
pub(crate) fn none(bucket: &str) -> Error {
    let message = "The specified bucket does not have a website configuration";
    Error::new(404, "NoSuchWebsiteConfiguration", message).with_member("BucketName", bucket)
}

fn website(given: WebsiteConfiguration) -> Result<Website, Error> {
    if let Some(all) = given.redirect_all_requests_to {
        let others =
            given.index_document.is_some() || given.error_document.is_some() || given.routing_rules.is_some();
        if others {
            let message = "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules.";
            return Err(error::invalid_argument("RedirectAllRequestsTo", "not null", message));
        }
        if all.host_name.is_empty() {
            return Err(error::malformed_xml());
        }
        check_protocol(all.protocol.as_deref())?;
        return Ok(Website { elsewhere: Some((all.host_name, all.protocol)), ..Website::default() });
    }
    let Some(index) = given.index_document else {
        let message = "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty";
        return Err(error::invalid_argument("IndexDocument", "null", message));
    };
    if index.suffix.is_empty() || index.suffix.contains('/') {
        let message = "The IndexDocument Suffix is not well formed";
        return Err(error::invalid_argument("IndexDocument", &index.suffix, message));
    }
    let error = given.error_document.map(|document| document.key);
    if error.as_ref().is_some_and(String::is_empty) {
        return Err(error::malformed_xml());
    }
    let rules = match given.routing_rules {
        Some(rules) if rules.is_empty() => return Err(error::malformed_xml()),
        Some(rules) if rules.len() > MAX_RULES => {
            let message = format!(
                "{} routing rules provided, the number of routing rules in a website configuration is limited to {MAX_RULES}.",
                rules.len()
            );
            return Err(error::invalid_request(message));
        }
        rules => rules.unwrap_or_default(),
    };
    let rules: Result<Vec<_>, Error> = rules.into_iter().map(rule).collect();
    Ok(Website { elsewhere: None, index: Some(index.suffix), error, rules: rules? })
}

fn check_protocol(protocol: Option<&str>) -> Result<(), Error> {
    match protocol {
        None | Some("http" | "https") => Ok(()),
        Some(_) => Err(error::invalid_request(
            "Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically.",
        )),
    }
}

fn rule(given: s3::RoutingRule) -> Result<RoutingRule, Error> {
    let to = given.redirect;
    check_protocol(to.protocol.as_deref())?;
    if to.replace_key_prefix_with.is_some() && to.replace_key_with.is_some() {
        let message = "You can only define ReplaceKeyPrefix or ReplaceKey but not both.";
        return Err(error::invalid_request(message));
    }
    let number = |text: Option<String>, from: u16, to: u16, wrong: &str| match text {
        None => Ok(None),
        Some(text) => match text.parse::<u16>().ok().filter(|number| (from..to).contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(error::invalid_request(wrong.replace("{}", &text))),
        },
    };
    let wrong = "The provided HTTP redirect code ({}) is not valid. Valid codes are 3XX except 300.";
    let status = number(to.http_redirect_code, 301, 400, wrong)?;
    let (mut prefix, mut error) = (None, None);
    if let Some(condition) = given.condition {
        if condition.key_prefix_equals.is_none() && condition.http_error_code_returned_equals.is_none() {
            return Err(error::invalid_request(
                "Condition cannot be empty. To redirect all requests without a condition, the condition element shouldn't be present.",
            ));
        }
        let wrong = "The provided HTTP error code ({}) is not valid. Valid codes are 4XX or 5XX.";
        error = number(condition.http_error_code_returned_equals, 400, 600, wrong)?;
        prefix = condition.key_prefix_equals;
    }
    let to = Redirect {
        host: to.host_name,
        protocol: to.protocol,
        status,
        key: to.replace_key_with,
        prefix: to.replace_key_prefix_with,
    };
    if to == Redirect::default() {
        // The API reference: it contains at least one of them.
        return Err(error::malformed_xml());
    }
    Ok(RoutingRule { prefix, status: error, to })
}

fn shown(rule: RoutingRule) -> s3::RoutingRule {
    let condition = Condition {
        http_error_code_returned_equals: rule.status.map(|status| status.to_string()),
        key_prefix_equals: rule.prefix,
    };
    let has_one =
        condition.http_error_code_returned_equals.is_some() || condition.key_prefix_equals.is_some();
    s3::RoutingRule {
        condition: has_one.then_some(condition),
        redirect: s3::Redirect {
            host_name: rule.to.host,
            http_redirect_code: rule.to.status.map(|status| status.to_string()),
            protocol: rule.to.protocol,
            replace_key_prefix_with: rule.to.prefix,
            replace_key_with: rule.to.key,
        },
    }
}
