//! `AWS::ApiGateway`: custom domain names and what they serve.
//!
//! Source of the tables: the CloudFormation template reference, Amazon API Gateway. There are no hosted zones, and so
//! no attributes that name one.

use ropeway_api::apigateway::{
    CreateBasePathMappingInput, CreateDomainNameInput, DeleteBasePathMappingInput, DeleteDomainNameInput,
    DomainName as Found, GetBasePathMappingInput, GetDomainNameInput, UpdateBasePathMappingInput,
    UpdateDomainNameInput,
};
use ropeway_wire::{BoxFuture, Error};
use serde_json::{Value as Json, json};

use super::apigateway::{MISSING, THERE, all_tags, is_own, patch, retag};
use super::{Failure, Made, Provider, Subject, TAGS, object, property, text, unless};
use crate::template::{Kind, Property, ResourceType};

const STRING: Kind = Kind::String;
/// What an empty base path is called.
const NONE: &str = "(none)";

static DOMAIN: ResourceType = ResourceType::new(
    "AWS::ApiGateway::DomainName",
    &[
        Property::new("CertificateArn", STRING),
        Property::new("DomainName", STRING).required().replacement(),
        Property::new(
            "EndpointConfiguration",
            Kind::Structure(&[
                Property::new("IpAddressType", STRING),
                Property::new("Types", Kind::List(&STRING)),
            ]),
        ),
        Property::new("RegionalCertificateArn", STRING),
        Property::new("RoutingMode", STRING),
        Property::new("SecurityPolicy", STRING),
        TAGS,
    ],
)
.attributes(&["DistributionDomainName", "RegionalDomainName"])
.system_tags();

static MAPPING: ResourceType = ResourceType::new(
    "AWS::ApiGateway::BasePathMapping",
    &[
        Property::new("BasePath", STRING).replacement(),
        Property::new("DomainName", STRING).required().replacement(),
        Property::new("RestApiId", STRING),
        Property::new("Stage", STRING),
    ],
);

/// `AWS::ApiGateway::DomainName`
pub struct DomainName;

fn made(found: Found) -> Made {
    let attributes = [
        ("DistributionDomainName", found.distribution_domain_name),
        ("RegionalDomainName", found.regional_domain_name),
    ];
    let attributes: Vec<(&str, String)> =
        attributes.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let attributes: Vec<(&str, &str)> =
        attributes.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Made::new(found.domain_name.unwrap_or_default(), &attributes)
}

impl Provider for DomainName {
    fn resource_type(&self) -> &'static ResourceType {
        &DOMAIN
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let name = subject.property("DomainName");
            let there = subject.call::<GetDomainNameInput>(json!({ "domainName": name })).await;
            if let Some(found) = unless(there, MISSING)?.filter(|found| is_own(subject, found.tags.as_ref()))
            {
                return Ok(made(found));
            }
            let endpoint = subject.property("EndpointConfiguration");
            let types = object([
                ("types", property(endpoint, "Types").clone()),
                ("ipAddressType", property(endpoint, "IpAddressType").clone()),
            ]);
            let input = object([
                ("domainName", name.clone()),
                ("certificateArn", subject.property("CertificateArn").clone()),
                ("regionalCertificateArn", subject.property("RegionalCertificateArn").clone()),
                ("endpointConfiguration", if endpoint.is_null() { Json::Null } else { types }),
                ("securityPolicy", subject.property("SecurityPolicy").clone()),
                ("routingMode", subject.property("RoutingMode").clone()),
                ("tags", json!(all_tags(subject))),
            ]);
            Ok(made(subject.call::<CreateDomainNameInput>(input).await?))
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let name = subject.physical_id;
            let endpoint = |properties| {
                property(property(properties, "EndpointConfiguration"), "Types").get(0).map(text)
            };
            let edge = || "EDGE".to_owned();
            let was = endpoint(old).unwrap_or_else(edge);
            let types = json!(endpoint(subject.properties).unwrap_or_else(edge));
            let mut patches = vec![patch("replace", &format!("/endpointConfiguration/types/{was}"), &types)];
            for (property, path) in [
                ("CertificateArn", "/certificateArn"),
                ("RegionalCertificateArn", "/regionalCertificateArn"),
                ("SecurityPolicy", "/securityPolicy"),
                ("RoutingMode", "/routingMode"),
            ] {
                let value = subject.property(property);
                if !value.is_null() {
                    patches.push(patch("replace", path, value));
                }
            }
            let input = json!({ "domainName": name, "patchOperations": patches });
            let found = subject.call::<UpdateDomainNameInput>(input).await?;
            retag(subject, &format!("domainnames/{name}"), old).await?;
            Ok(made(found))
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let input = json!({ "domainName": subject.physical_id });
            unless(subject.call::<DeleteDomainNameInput>(input).await, MISSING)?;
            Ok(())
        })
    }
}

/// `AWS::ApiGateway::BasePathMapping`
pub struct BasePathMapping;

impl BasePathMapping {
    /// The base path of properties, as operations name it.
    fn path(properties: &Json) -> String {
        match property(properties, "BasePath").as_str() {
            None | Some("") => NONE.to_owned(),
            Some(path) => path.to_owned(),
        }
    }

    /// A mapping that is there is this one if it leads to the same stage: it was made before the server ended.
    async fn check(&self, subject: &Subject<'_>) -> Result<(), Error> {
        let path = Self::path(subject.properties);
        let input = json!({ "domainName": subject.property("DomainName"), "basePath": path });
        let found = subject.call::<GetBasePathMappingInput>(input).await?;
        let stage = found.stage.map_or(Json::Null, Json::from);
        let same =
            json!(found.rest_api_id) == *subject.property("RestApiId") && stage == *subject.property("Stage");
        match same {
            true => Ok(()),
            false => {
                Err(Error::new(409, "ConflictException", "Base path already exists for this domain name"))
            }
        }
    }

    /// `<domain name>|<base path>`
    fn id(subject: &Subject<'_>) -> String {
        format!("{}|{}", text(subject.property("DomainName")), Self::path(subject.properties))
    }
}

impl Provider for BasePathMapping {
    fn resource_type(&self) -> &'static ResourceType {
        &MAPPING
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let input = object([
                ("domainName", subject.property("DomainName").clone()),
                ("basePath", json!(Self::path(subject.properties))),
                ("restApiId", subject.property("RestApiId").clone()),
                ("stage", subject.property("Stage").clone()),
            ]);
            if unless(subject.call::<CreateBasePathMappingInput>(input).await, THERE)?.is_none() {
                self.check(subject).await?;
            }
            Ok(Made::new(Self::id(subject), &[]))
        })
    }

    fn update<'a>(
        &'a self,
        subject: &'a Subject<'a>,
        _old: &'a Json,
    ) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let stage = subject.property("Stage");
            let patches = [
                patch("replace", "/restapiId", subject.property("RestApiId")),
                patch(if stage.is_null() { "remove" } else { "replace" }, "/stage", stage),
            ];
            let input = json!({
                "domainName": subject.property("DomainName"),
                "basePath": Self::path(subject.properties),
                "patchOperations": patches,
            });
            subject.call::<UpdateBasePathMappingInput>(input).await?;
            Ok(Made::new(Self::id(subject), &[]))
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let (domain, path) = subject.physical_id.split_once('|').unwrap_or((subject.physical_id, NONE));
            let input = json!({ "domainName": domain, "basePath": path });
            unless(subject.call::<DeleteBasePathMappingInput>(input).await, MISSING)?;
            Ok(())
        })
    }
}
