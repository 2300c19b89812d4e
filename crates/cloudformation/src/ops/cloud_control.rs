//! Cloud Control: the resources of a few types, read by the operations of their services as the caller.
//!
//! Source: the Cloud Control API's reference and user guide, "Reading a resource's current state".

use std::sync::Arc;

use ropeway_api::cloudcontrol::*;
use ropeway_api::lambda::{Cors, GetFunctionUrlConfigInput};
use ropeway_wire::{Cx, Error, Services};
use serde_json::{Value as Json, json};

use crate::providers::{Registry, object};
use crate::template::Types;

/// The type that is read; its identifier is `FunctionArn`, for which a function's name does, too.
const URL: &str = "AWS::Lambda::Url";

/// The service.
pub struct CloudControl {
    services: Arc<Services>,
}

impl CloudControl {
    /// The service; the others are those that resources are read by.
    pub fn new(services: Arc<Services>) -> Self {
        Self { services }
    }

    async fn url(&self, cx: &Cx, identifier: &str) -> Result<ResourceDescription, Error> {
        let name = named(identifier, "FunctionArn")?;
        let input = GetFunctionUrlConfigInput { function_name: name, ..Default::default() };
        let found = self.services.call(cx.clone(), input).await.map_err(|error| match error.status {
            404 => error::resource_not_found_exception(format!(
                "Resource of type '{URL}' with identifier '{identifier}' was not found."
            )),
            status if status < 500 => error::general_service_exception(error.message),
            _ => error,
        })?;
        let properties = object([
            ("TargetFunctionArn", json!(found.function_arn)),
            ("FunctionArn", json!(found.function_arn)),
            ("FunctionUrl", json!(found.function_url)),
            ("AuthType", json!(found.auth_type)),
            ("InvokeMode", json!(found.invoke_mode)),
            ("Cors", found.cors.map(cors).unwrap_or_default()),
        ]);
        Ok(ResourceDescription {
            identifier: Some(found.function_arn),
            properties: Some(properties.to_string()),
        })
    }
}

fn cors(cors: Cors) -> Json {
    object([
        ("AllowCredentials", json!(cors.allow_credentials)),
        ("AllowHeaders", json!(cors.allow_headers)),
        ("AllowMethods", json!(cors.allow_methods)),
        ("AllowOrigins", json!(cors.allow_origins)),
        ("ExposeHeaders", json!(cors.expose_headers)),
        ("MaxAge", json!(cors.max_age)),
    ])
}

/// The primary identifier, which is text or a JSON object with its only property.
fn named(identifier: &str, property: &str) -> Result<String, Error> {
    if !identifier.starts_with('{') {
        return Ok(identifier.to_owned());
    }
    let read: Option<Json> = serde_json::from_str(identifier).ok();
    let name = read.as_ref().and_then(|read| read.get(property)).and_then(Json::as_str);
    let wrong = || {
        error::invalid_request_exception(format!(
            "Identifier {identifier} is not valid for identifier [/properties/{property}]"
        ))
    };
    name.map(str::to_owned).ok_or_else(wrong)
}

impl Cloudcontrol for CloudControl {
    async fn get_resource(&self, cx: &Cx, input: GetResourceInput) -> Result<GetResourceOutput, Error> {
        let refused = |what: &str| Err(error::invalid_request_exception(what));
        if input.role_arn.is_some() {
            return refused("Ropeway does not implement the parameter RoleArn of GetResource");
        }
        if input.type_version_id.is_some() {
            return refused("Ropeway does not implement the parameter TypeVersionId of GetResource");
        }
        let type_name = input.type_name;
        if type_name != URL {
            return Err(match Registry.resource_type(&type_name) {
                Some(_) => error::unsupported_action_exception(format!(
                    "Resource type {type_name} does not support READ action"
                )),
                None => error::type_not_found_exception(format!("The type '{type_name}' cannot be found.")),
            });
        }
        let description = self.url(cx, &input.identifier).await?;
        Ok(GetResourceOutput { type_name: Some(type_name), resource_description: Some(description) })
    }
}
