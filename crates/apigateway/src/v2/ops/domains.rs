//! CreateDomainName, GetDomainName, GetDomainNames, UpdateDomainName, DeleteDomainName: the names that REST APIs have
//! too, as this service shows them.

use ropeway_api::apigatewayv2 as api;
use ropeway_core::keys::Scope;
use ropeway_wire::{Cx, Error};

use super::{ApiGateway, page_size, said};
use crate::commands::{DomainChange, domains};
use crate::model::Domain;
use crate::ops::{domains as names, place};
use crate::patch::Patch;
use crate::v2::errors::{bad, unimplemented};

/// The one `routingMode` that there is.
const ROUTING: &str = "API_MAPPING_ONLY";

/// A domain name as an output of some type.
macro_rules! domain_output {
    ($type:ident, $domain:expr) => {{
        let of: Domain = $domain;
        api::$type {
            api_mapping_selection_expression: Some("$request.basepath".to_owned()),
            domain_name_arn: Some(format!(
                "arn:aws:apigateway:{}::/domainnames/{}",
                of.scope.region, of.name
            )),
            domain_name: of.name.clone().into(),
            domain_name_configurations: Some(vec![shown(&of)]),
            mutual_tls_authentication: None,
            routing_mode: Some(ROUTING.to_owned()),
            tags: Some(of.tags),
        }
    }};
}

/// What is set for a name's endpoint. There are no hosted zones, as for REST APIs.
fn shown(domain: &Domain) -> api::DomainNameConfiguration {
    api::DomainNameConfiguration {
        api_gateway_domain_name: Some(names::target(domain)),
        certificate_arn: Some(domain.certificate.clone()),
        certificate_name: domain.certificate_name.clone(),
        certificate_upload_date: Some(domain.certified),
        domain_name_status: Some("AVAILABLE".to_owned()),
        endpoint_type: Some(domain.endpoint_type.clone()),
        ip_address_type: Some(domain.ip_address_type.clone()),
        security_policy: Some("TLS_1_2".to_owned()),
        ..api::DomainNameConfiguration::default()
    }
}

/// The configuration: there is one, <https://github.com/hashicorp/terraform-provider-awscc/issues/1667>.
fn one(given: Option<Vec<api::DomainNameConfiguration>>) -> Result<api::DomainNameConfiguration, Error> {
    let mut given = given.unwrap_or_default().into_iter();
    match (given.next(), given.next()) {
        (Some(one), None) => Ok(one),
        _ => Err(bad("Expected one domain name configuration")),
    }
}

fn check_routing(mode: Option<&str>) -> Result<(), Error> {
    match mode {
        None | Some(ROUTING) => Ok(()),
        Some(other) => Err(unimplemented(&format!("The routing mode {other}"))),
    }
}

pub async fn create_domain_name(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::CreateDomainNameInput,
) -> Result<api::CreateDomainNameOutput, Error> {
    check_routing(input.routing_mode.as_deref())?;
    let said_of = one(input.domain_name_configurations)?;
    domains::check_security(said_of.security_policy.as_deref())?;
    let domain = Domain {
        name: input.domain_name,
        scope: Scope::new(&cx.account, &cx.region),
        id: String::new(),
        endpoint_type: domains::endpoint_type(said_of.endpoint_type.as_deref().unwrap_or("REGIONAL"))?,
        ip_address_type: said_of.ip_address_type.unwrap_or_else(|| "ipv4".to_owned()),
        certificate: said_of.certificate_arn.ok_or_else(|| bad("A certificate ARN is required"))?,
        certificate_name: said_of.certificate_name,
        certified: cx.now,
        tags: input.tags.unwrap_or_default(),
        mappings: Default::default(),
    };
    let made = names::make(gateway, cx, domain).await.map_err(said)?;
    Ok(domain_output!(CreateDomainNameOutput, made))
}

/// Reads a domain name of the caller's.
pub(super) async fn read(gateway: &ApiGateway, cx: &Cx, name: &str) -> Result<Domain, Error> {
    names::run(gateway, cx, name, DomainChange::Read).await.map_err(said)
}

pub async fn get_domain_name(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetDomainNameInput,
) -> Result<api::GetDomainNameOutput, Error> {
    Ok(domain_output!(GetDomainNameOutput, read(gateway, cx, &input.domain_name).await?))
}

pub async fn get_domain_names(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::GetDomainNamesInput,
) -> Result<api::GetDomainNamesOutput, Error> {
    let size = page_size(input.max_results.as_deref())?;
    let after = input.next_token.as_deref().map(place).transpose()?;
    let (found, next_token) = names::listed(gateway, cx, after, Some(size)).await.map_err(said)?;
    let items = found.into_iter().map(|domain| domain_output!(DomainName, domain)).collect();
    Ok(api::GetDomainNamesOutput { items: Some(items), next_token })
}

pub async fn update_domain_name(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::UpdateDomainNameInput,
) -> Result<api::UpdateDomainNameOutput, Error> {
    check_routing(input.routing_mode.as_deref())?;
    let mut patches = Vec::new();
    if input.domain_name_configurations.is_some() {
        let said_of = one(input.domain_name_configurations)?;
        let all = [
            ("/certificateArn", said_of.certificate_arn),
            ("/certificateName", said_of.certificate_name),
            ("/endpointConfiguration/types/0", said_of.endpoint_type),
            ("/endpointConfiguration/ipAddressType", said_of.ip_address_type),
            ("/securityPolicy", said_of.security_policy),
        ];
        let given = all.into_iter().filter(|(_, value)| value.is_some());
        patches.extend(given.map(|(path, value)| Patch {
            op: "replace".to_owned(),
            path: path.to_owned(),
            value,
            from: None,
        }));
    }
    let changed = names::update(gateway, cx, &input.domain_name, patches).await.map_err(said)?;
    Ok(domain_output!(UpdateDomainNameOutput, changed))
}

pub async fn delete_domain_name(
    gateway: &ApiGateway,
    cx: &Cx,
    input: api::DeleteDomainNameInput,
) -> Result<api::DeleteDomainNameOutput, Error> {
    names::remove(gateway, cx, &input.domain_name).await.map_err(said)?;
    Ok(api::DeleteDomainNameOutput {})
}
