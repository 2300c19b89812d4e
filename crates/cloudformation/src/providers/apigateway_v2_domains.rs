//! `AWS::ApiGatewayV2`: custom domain names and what they serve.
//!
//! Source of the tables: the CloudFormation template reference, Amazon API Gateway V2. There are no hosted zones, and so
//! no attribute that names one.

use ropeway_api::apigatewayv2::{
    CreateApiMappingInput, CreateDomainNameInput, DeleteApiMappingInput, DeleteDomainNameInput,
    DomainNameConfiguration, GetApiMappingsInput, GetDomainNameInput, UpdateApiMappingInput,
    UpdateDomainNameInput,
};
use ropeway_wire::{BoxFuture, Error};
use serde_json::{Value as Json, json};

use super::apigateway::{MISSING, THERE, is_own};
use super::apigateway_v2::{all_tags, call, retag, settled};
use super::{Failure, Made, Provider, Subject, object, text, unless};
use crate::template::{Kind, Property, ResourceType};

const STRING: Kind = Kind::String;

static DOMAIN: ResourceType = ResourceType::new(
    "AWS::ApiGatewayV2::DomainName",
    &[
        Property::new("DomainName", STRING).required().replacement(),
        Property::new(
            "DomainNameConfigurations",
            Kind::List(&Kind::Structure(&[
                Property::new("CertificateArn", STRING),
                Property::new("CertificateName", STRING),
                Property::new("EndpointType", STRING),
                Property::new("IpAddressType", STRING),
                Property::new("SecurityPolicy", STRING),
            ])),
        ),
        Property::new("RoutingMode", STRING),
        Property::new("Tags", Kind::Map(&STRING)),
    ],
)
.attributes(&["DomainNameArn", "RegionalDomainName"])
.system_tags();

static MAPPING: ResourceType = ResourceType::new(
    "AWS::ApiGatewayV2::ApiMapping",
    &[
        Property::new("ApiId", STRING).required(),
        Property::new("ApiMappingKey", STRING),
        Property::new("DomainName", STRING).required().replacement(),
        Property::new("Stage", STRING).required(),
    ],
)
.attributes(&["ApiMappingId"]);

/// `AWS::ApiGatewayV2::DomainName`
pub struct DomainName;

fn made(name: &str, arn: Option<String>, configurations: Option<Vec<DomainNameConfiguration>>) -> Made {
    let first = configurations.unwrap_or_default().into_iter().next().unwrap_or_default();
    let target = first.api_gateway_domain_name.unwrap_or_default();
    Made::new(name, &[("DomainNameArn", &arn.unwrap_or_default()), ("RegionalDomainName", &target)])
}

impl Provider for DomainName {
    fn resource_type(&self) -> &'static ResourceType {
        &DOMAIN
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            // Names are of lower case, whatever a template writes.
            let name = text(subject.property("DomainName")).to_ascii_lowercase();
            let there = call::<GetDomainNameInput>(subject, json!({ "DomainName": name })).await;
            if let Some(found) = unless(there, MISSING)?.filter(|found| is_own(subject, found.tags.as_ref()))
            {
                return Ok(made(&name, found.domain_name_arn, found.domain_name_configurations));
            }
            let input = settled(subject, &Json::Null, vec![("Tags", all_tags(subject))]);
            let found = call::<CreateDomainNameInput>(subject, input).await?;
            Ok(made(&name, found.domain_name_arn, found.domain_name_configurations))
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let name = subject.physical_id;
            let input = object([
                ("DomainName", json!(name)),
                ("DomainNameConfigurations", subject.property("DomainNameConfigurations").clone()),
                ("RoutingMode", subject.property("RoutingMode").clone()),
            ]);
            let found = call::<UpdateDomainNameInput>(subject, input).await?;
            retag(subject, &format!("domainnames/{name}"), old).await?;
            Ok(made(name, found.domain_name_arn, found.domain_name_configurations))
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let input = json!({ "DomainName": subject.physical_id });
            unless(call::<DeleteDomainNameInput>(subject, input).await, MISSING)?;
            Ok(())
        })
    }
}

/// `AWS::ApiGatewayV2::ApiMapping`
pub struct ApiMapping;

impl ApiMapping {
    /// A mapping that is there is this one if it leads to the same stage: it was made before the server ended.
    async fn find(subject: &Subject<'_>) -> Result<String, Error> {
        let mut token = Json::Null;
        loop {
            let input =
                object([("DomainName", subject.property("DomainName").clone()), ("NextToken", token)]);
            let page = call::<GetApiMappingsInput>(subject, input).await?;
            let of_key = |name: &str| subject.property(name).as_str().unwrap_or_default();
            let mut all = page.items.unwrap_or_default().into_iter();
            let found = all.find(|one| {
                one.api_mapping_key.clone().unwrap_or_default() == of_key("ApiMappingKey")
                    && one.api_id == of_key("ApiId")
                    && one.stage == of_key("Stage")
            });
            match (found, page.next_token) {
                (Some(found), _) => return Ok(found.api_mapping_id.unwrap_or_default()),
                (None, Some(next)) => token = json!(next),
                (None, None) => {
                    let message = "ApiMapping key already exists for this domain name";
                    return Err(Error::new(409, "ConflictException", message));
                }
            }
        }
    }
}

fn mapping(id: &str) -> Made {
    Made::new(id, &[("ApiMappingId", id)])
}

impl Provider for ApiMapping {
    fn resource_type(&self) -> &'static ResourceType {
        &MAPPING
    }

    fn create<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let input = settled(subject, &Json::Null, Vec::new());
            let id = match unless(call::<CreateApiMappingInput>(subject, input).await, THERE)? {
                Some(made) => made.api_mapping_id.unwrap_or_default(),
                None => Self::find(subject).await?,
            };
            Ok(mapping(&id))
        })
    }

    fn update<'a>(&'a self, subject: &'a Subject<'a>, old: &'a Json) -> BoxFuture<'a, Result<Made, Failure>> {
        Box::pin(async move {
            let id = subject.physical_id;
            let input = settled(subject, old, vec![("ApiMappingId", json!(id))]);
            call::<UpdateApiMappingInput>(subject, input).await?;
            Ok(mapping(id))
        })
    }

    fn delete<'a>(&'a self, subject: &'a Subject<'a>) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let domain = subject.property("DomainName");
            let input = json!({ "DomainName": domain, "ApiMappingId": subject.physical_id });
            unless(call::<DeleteApiMappingInput>(subject, input).await, MISSING)?;
            Ok(())
        })
    }
}
