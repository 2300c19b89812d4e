//! CreateDomainName, GetDomainName, GetDomainNames, UpdateDomainName, DeleteDomainName.
//!
//! A domain name routes: requests whose `Host` it is reach the APIs that it maps. Its certificate is a reference
//! only, of the form that AWS takes: which certificate is shown is the server's own TLS setting.
//!
//! API Gateway v2 has the same names (`v2::ops::domains`): what both do is here.

use ropeway_api::apigateway as api;
use ropeway_core::directory;
use ropeway_wire::{Cx, Error};

use super::{ApiGateway, check_tags, checked, named, page, place, said, scope, unexpected};
use crate::commands::{Command, DomainChange, GatewayMachine, Output, domains};
use crate::errors::{bad, limit, unimplemented};
use crate::keys;
use crate::model::Domain;
use crate::patch::Patch;

/// Custom domain names of an account in a region:
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html>.
const MOST: usize = 120;

/// Changes or reads a custom domain name.
pub(crate) async fn run(
    gateway: &ApiGateway,
    cx: &Cx,
    name: &str,
    change: DomainChange,
) -> Result<Domain, Error> {
    let name = name.to_ascii_lowercase();
    let shard = gateway.core.shard_of(&keys::domain_place(&name));
    let command = Command::Domain { scope: scope(cx), name, change: Box::new(change) };
    match gateway.core.submit::<GatewayMachine>(shard, &cx.trace, command).await.map_err(said)? {
        Output::Domain(domain) => Ok(*domain),
        _ => Err(unexpected()),
    }
}

/// What API Gateway itself calls a domain name.
pub(crate) fn target(domain: &Domain) -> String {
    match domain.endpoint_type.as_str() {
        "EDGE" => format!("{}.cloudfront.localhost", domain.id),
        _ => format!("d-{}.execute-api.{}.localhost", domain.id, domain.scope.region),
    }
}

/// A domain name as the API shows it. There are no hosted zones: where a name leads is for the DNS to say that
/// clients ask.
fn shown(domain: Domain) -> api::DomainName {
    let (edge, target) = (domain.endpoint_type == "EDGE", target(&domain));
    let (arn, name) = (Some(domain.certificate), domain.certificate_name);
    let none = (None, None, None);
    let (certificate_arn, certificate_name, distribution) = match edge {
        true => (arn.clone(), name.clone(), Some(target.clone())),
        false => none.clone(),
    };
    let (regional_arn, regional_name, regional) = match edge {
        true => none,
        false => (arn, name, Some(target)),
    };
    api::DomainName {
        domain_name: Some(domain.name),
        certificate_arn,
        certificate_name,
        certificate_upload_date: Some(domain.certified),
        regional_certificate_arn: regional_arn,
        regional_certificate_name: regional_name,
        regional_domain_name: regional,
        distribution_domain_name: distribution,
        endpoint_configuration: Some(api::EndpointConfiguration {
            types: Some(vec![domain.endpoint_type]),
            ip_address_type: Some(domain.ip_address_type),
        }),
        domain_name_status: Some("AVAILABLE".to_owned()),
        security_policy: Some("TLS_1_2".to_owned()),
        tags: Some(domain.tags).filter(|tags| !tags.is_empty()),
        routing_mode: Some("BASE_PATH_MAPPING_ONLY".to_owned()),
        ..api::DomainName::default()
    }
}

/// Checks a name: of two parts at least, and none that the server answers by itself.
fn check_name(cx: &Cx, name: &str) -> Result<(), Error> {
    let sound = |part: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&part.len())
            && part.bytes().all(inner)
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    let parts: Vec<&str> = name.strip_prefix("*.").unwrap_or(name).split('.').collect();
    let numbers = parts.last().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    if name.len() > 253 || parts.len() < 2 || !parts.iter().all(|part| sound(part)) || numbers {
        return Err(bad(format!("Invalid domain name: {name}")));
    }
    let own = cx.endpoint.split_once("://").map_or("", |(_, own)| own);
    let own = own.rsplit_once(':').map_or(own, |(host, _)| host);
    let taken = [".localhost", ".amazonaws.com"].iter().any(|end| format!(".{name}").ends_with(end));
    if taken || name == own {
        return Err(bad(format!("The domain name {name} is the server's own")));
    }
    Ok(())
}

/// The endpoint's type and kind of addresses.
fn endpoint(given: Option<api::EndpointConfiguration>) -> Result<(String, String), Error> {
    let given = given.unwrap_or_default();
    let kind = match given.types.as_deref() {
        None => "EDGE",
        Some([one]) => one,
        Some(_) => return Err(unimplemented("A custom domain name with several endpoint types")),
    };
    let address = given.ip_address_type.unwrap_or_else(|| "ipv4".to_owned());
    Ok((domains::endpoint_type(kind)?, address))
}

/// Names of the caller's domain names behind another one, in their order.
pub(crate) async fn names(
    gateway: &ApiGateway,
    cx: &Cx,
    after: Option<String>,
    limit: usize,
) -> Result<Vec<String>, Error> {
    let command = directory::Command::Read {
        list: keys::domain_list(&cx.account, &cx.region),
        prefix: String::new(),
        after,
        limit: u32::try_from(limit).unwrap_or(u32::MAX),
    };
    let found = directory::apply(&gateway.core, &cx.trace, command).await?;
    Ok(found.names.into_iter().map(|(name, _)| name).collect())
}

/// Tells the list of a name at once: the outbox does so too, a moment later.
async fn list(gateway: &ApiGateway, cx: &Cx, name: String, there: bool) -> Result<(), Error> {
    let list = keys::domain_list(&cx.account, &cx.region);
    let line = match there {
        true => directory::Command::Add { list, name, value: Vec::new() },
        false => directory::Command::Remove { list, name },
    };
    directory::apply(&gateway.core, &cx.trace, line).await?;
    Ok(())
}

/// Makes a custom domain name of the caller's, once what it says of itself is checked.
pub(crate) async fn make(gateway: &ApiGateway, cx: &Cx, mut domain: Domain) -> Result<Domain, Error> {
    let name = domain.name.to_ascii_lowercase();
    check_name(cx, &name)?;
    check_tags(cx, &domain.tags)?;
    domains::check_certificate(&domain.certificate)?;
    if names(gateway, cx, None, MOST).await?.len() >= MOST {
        return Err(limit("Maximum number of domain names for this account has been reached"));
    }
    domain.name.clone_from(&name);
    let made = run(gateway, cx, &name, DomainChange::Create(Box::new(domain))).await?;
    list(gateway, cx, name, true).await?;
    Ok(made)
}

/// A page of the caller's domain names behind another one, and where the next begins.
pub(crate) async fn listed(
    gateway: &ApiGateway,
    cx: &Cx,
    after: Option<String>,
    limit: Option<i64>,
) -> Result<(Vec<Domain>, Option<String>), Error> {
    // All there are: one more page than there can be tells no more.
    let names = names(gateway, cx, after, MOST + 1).await?;
    let (names, position) = page(names.into_iter().map(|name| (name.clone(), name)), None, limit)?;
    let mut found = Vec::new();
    for name in names {
        match run(gateway, cx, &name, DomainChange::Read).await {
            Ok(domain) => found.push(domain),
            // Deleted in between.
            Err(error) if error.code == "NotFoundException" => {}
            Err(error) => return Err(error),
        }
    }
    Ok((found, position))
}

/// Patches a custom domain name. One that serves an HTTP API stays regional: see [`domains::REGIONAL`].
pub(crate) async fn update(
    gateway: &ApiGateway,
    cx: &Cx,
    name: &str,
    patches: Vec<Patch>,
) -> Result<Domain, Error> {
    let of_type = |patch: &&Patch| patch.path.starts_with("/endpointConfiguration/types/");
    if patches.iter().rfind(of_type).is_some_and(|patch| patch.text() == "EDGE") {
        for mapping in run(gateway, cx, name, DomainChange::Read).await?.mappings.into_values() {
            if gateway.is_http(&cx.trace, &named(cx, &mapping.api)).await? {
                return Err(bad(domains::REGIONAL));
            }
        }
    }
    run(gateway, cx, name, DomainChange::Patch(patches)).await
}

/// Removes a custom domain name.
pub(crate) async fn remove(gateway: &ApiGateway, cx: &Cx, name: &str) -> Result<(), Error> {
    let gone = run(gateway, cx, name, DomainChange::Delete).await?;
    list(gateway, cx, gone.name, false).await
}

pub async fn create_domain_name(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::CreateDomainNameInput,
) -> Result<api::CreateDomainNameOutput, Error> {
    domains::check_security(input.security_policy.as_deref())?;
    domains::check_routing(input.routing_mode.as_deref())?;
    let (endpoint_type, ip_address_type) = endpoint(input.endpoint_configuration)?;
    let (arn, wrong, certificate_name) = match endpoint_type.as_str() {
        "EDGE" => (input.certificate_arn, input.regional_certificate_arn, input.certificate_name),
        _ => (input.regional_certificate_arn, input.certificate_arn, input.regional_certificate_name),
    };
    if wrong.is_some() {
        return Err(bad(format!("The certificate is not for an endpoint of the type {endpoint_type}")));
    }
    let certificate = arn.ok_or_else(|| bad("A certificate ARN is required"))?;
    let domain = Domain {
        name: input.domain_name,
        scope: scope(cx),
        id: String::new(),
        endpoint_type,
        ip_address_type,
        certificate,
        certificate_name,
        certified: cx.now,
        tags: input.tags.unwrap_or_default(),
        mappings: Default::default(),
    };
    Ok(shown(make(gateway, cx, domain).await?))
}

pub async fn get_domain_name(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetDomainNameInput,
) -> Result<api::GetDomainNameOutput, Error> {
    Ok(shown(run(gateway, cx, &input.domain_name, DomainChange::Read).await?))
}

pub async fn get_domain_names(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetDomainNamesInput,
) -> Result<api::GetDomainNamesOutput, Error> {
    let after = input.position.as_deref().map(place).transpose()?;
    let (found, position) = listed(gateway, cx, after, input.limit).await?;
    Ok(api::GetDomainNamesOutput { position, items: Some(found.into_iter().map(shown).collect()) })
}

pub async fn update_domain_name(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::UpdateDomainNameInput,
) -> Result<api::UpdateDomainNameOutput, Error> {
    let patches = checked(input.patch_operations)?;
    Ok(shown(update(gateway, cx, &input.domain_name, patches).await?))
}

pub async fn delete_domain_name(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::DeleteDomainNameInput,
) -> Result<api::DeleteDomainNameOutput, Error> {
    remove(gateway, cx, &input.domain_name).await?;
    Ok(api::DeleteDomainNameOutput {})
}
