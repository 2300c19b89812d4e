//! The property `Domain` of APIs: a custom domain name and what it serves.
//!
//! Records of Route 53 are of a service that does not exist; what else custom domain names do not have here is refused by
//! name too.

use super::digest;
use super::node::{Dict, Node, Text, reference};
use super::problem::{Problem, Result};
use super::resource::{Resource, Source};

/// Members that SAM has and this transform does not.
const REFUSED: [&str; 6] = [
    "AccessAssociation",
    "EndpointAccessMode",
    "MutualTlsAuthentication",
    "OwnershipVerificationCertificateArn",
    "Policy",
    "Route53",
];

/// The members, if there are any to honour.
fn members<'s>(source: &'s Source, kind: &str) -> Result<Option<&'s Dict>> {
    let Some(given) = source.get("Domain") else { return Ok(None) };
    let domain = source.map(given, "Domain")?;
    let refused = REFUSED.into_iter().find(|name| domain.truthy(name).is_some());
    match refused {
        Some(name) => source.problem(format!("Property 'Domain.{name}' of {kind} is not supported.")),
        None => Ok(Some(domain)),
    }
}

/// The logical id of a domain name: two APIs of one name have one.
fn id(prefix: &str, name: &Node) -> String {
    match name.text() {
        Some(text) => digest::id(prefix, text),
        None => digest::id(prefix, &digest::json(name)),
    }
}

/// `BasePath`: a text or a list; anything else is as none.
fn base_paths(domain: &Dict) -> Option<Node> {
    match domain.truthy("BasePath")? {
        text @ Node::Text(_) => Some(vec![text.clone()].into()),
        list @ Node::List(_) => Some(list.clone()),
        _ => None,
    }
}

/// What of a REST API's domain makes a new deployment of it: SAM's mapping, with what the translator writes into it.
pub fn deployed(source: &Source) -> Option<String> {
    let domain = source.get("Domain")?.dict()?;
    let mut domain = domain.clone();
    let name = domain.some("DomainName").cloned()?;
    domain.insert("ApiDomainName", id("ApiGatewayDomainName", &name));
    if domain.some("EndpointConfiguration").is_none() {
        domain.insert("EndpointConfiguration", "REGIONAL");
    }
    Some(digest::dumped(&domain.into()))
}

/// The resources of a REST API's domain.
pub fn of_rest_api(source: &Source, stage: &Resource) -> Result<Vec<Resource>> {
    let kind = "AWS::Serverless::Api";
    let Some(domain) = members(source, kind)? else { return Ok(Vec::new()) };
    let needed = |name: &str| {
        let missing = || Problem::resource(&source.id.text, format!("Property 'Domain.{name}' is required."));
        domain.some(name).ok_or_else(missing)
    };
    let (name, certificate) = (needed("DomainName")?, needed("CertificateArn")?);
    let endpoint = domain.some("EndpointConfiguration").cloned().unwrap_or_else(|| "REGIONAL".into());
    let certificate_property = match endpoint.text() {
        Some("REGIONAL") => "RegionalCertificateArn",
        Some("EDGE") => "CertificateArn",
        Some("PRIVATE") => {
            return source
                .problem(format!("Property 'Domain.EndpointConfiguration' of {kind} cannot be PRIVATE."));
        }
        _ => {
            return source.problem(
                "EndpointConfiguration for Custom Domains must be one of ['EDGE', 'REGIONAL', 'PRIVATE'].",
            );
        }
    };
    let mut configuration = Dict::new();
    configuration.insert("Types", vec![endpoint]);
    if let Some(kind) = domain.truthy("IpAddressType") {
        configuration.insert("IpAddressType", kind.clone());
    }
    let id = id("ApiGatewayDomainName", name);
    let made = Resource::new(id.clone(), "AWS::ApiGateway::DomainName", source.passed())
        .with("DomainName", name.clone())
        .with(certificate_property, certificate.clone())
        .with("EndpointConfiguration", configuration)
        .with_some("SecurityPolicy", domain.truthy("SecurityPolicy"));
    let mapping = |path: &str, base: Option<Node>| {
        let own = format!("{}{path}BasePathMapping", source.id.text);
        Resource::new(own, "AWS::ApiGateway::BasePathMapping", source.passed())
            .with("DomainName", reference(id.clone()))
            .with("RestApiId", reference(source.id.clone()))
            .with("Stage", stage.reference())
            .with_some("BasePath", base.as_ref())
    };
    let mut resources = vec![made];
    let Some(paths) = base_paths(domain) else {
        resources.push(mapping("", None));
        return Ok(resources);
    };
    let normal = domain.get("NormalizeBasePath").is_none_or(Node::is_truthy);
    for base in source.texts(&paths, "Domain.BasePath")? {
        let path: String = base.text.chars().filter(|c| c.is_alphanumeric()).collect();
        let value = if normal { path.as_str().into() } else { Node::Text(base.clone()) };
        resources.push(mapping(&path, Some(value)));
    }
    Ok(resources)
}

/// The resources of an HTTP API's domain.
pub fn of_http_api(source: &Source, stage: &Resource, tags: Dict) -> Result<Vec<Resource>> {
    let Some(domain) = members(source, "AWS::Serverless::HttpApi")? else { return Ok(Vec::new()) };
    let (Some(name), Some(certificate)) = (domain.some("DomainName"), domain.some("CertificateArn")) else {
        return source
            .problem("Custom Domains only works if both DomainName and CertificateArn are provided.");
    };
    if domain.some("EndpointConfiguration").is_some_and(|kind| kind.text() != Some("REGIONAL")) {
        return source.problem("EndpointConfiguration for Custom Domains must be one of ['REGIONAL'].");
    }
    let mut configuration = Dict::new();
    configuration.insert("CertificateArn", certificate.clone());
    configuration.insert("EndpointType", "REGIONAL");
    if let Some(policy) = domain.truthy("SecurityPolicy") {
        configuration.insert("SecurityPolicy", policy.clone());
    }
    let id = id("ApiGatewayDomainNameV2", name);
    let made = Resource::new(id.clone(), "AWS::ApiGatewayV2::DomainName", source.passed())
        .with("DomainName", name.clone())
        .with("DomainNameConfigurations", vec![Node::from(configuration)])
        .with("Tags", tags);
    let mapping = |path: &str| {
        let own = format!("{}{path}ApiMapping", source.id.text);
        Resource::new(own, "AWS::ApiGatewayV2::ApiMapping", source.passed())
            .with("DomainName", reference(id.clone()))
            .with("ApiId", reference(source.id.clone()))
            .with("Stage", stage.reference())
    };
    let mut resources = vec![made];
    match base_paths(domain) {
        None => resources.push(mapping("")),
        Some(paths) => {
            for path in paths.list().unwrap_or_default() {
                let path = key(source, path)?;
                let short: String = path.chars().filter(|c| !"-_/".contains(*c)).collect();
                resources.push(mapping(&short).with("ApiMappingKey", path.trim_matches('/')));
            }
        }
    }
    Ok(resources)
}

/// A base path of an HTTP API.
fn key<'n>(source: &Source, path: &'n Node) -> Result<&'n str> {
    let Some(Text { text, .. }) = path.as_text() else {
        return source.problem("Basepath must be a string.");
    };
    match text.chars().all(|c| c.is_ascii_alphanumeric() || "/-_".contains(c)) {
        true => Ok(text),
        false => source.problem("Invalid Basepath name provided."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sam::node::dict;

    #[test]
    fn ids_go_by_the_name() {
        assert_eq!(id("D", &"a.example.com".into()), id("D", &"a.example.com".into()));
        assert_ne!(id("D", &"a.example.com".into()), id("D", &dict([("Ref", "Name".into())])));
    }
}
