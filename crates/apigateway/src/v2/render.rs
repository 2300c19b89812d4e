//! Rows as the API shows them. Every operation's output is a type of its own with the same members.

use ropeway_api::apigatewayv2 as api;

use super::model::{Cors, Jwt};
use crate::model::{Texts, Throttle};

/// A map, unless it is empty.
pub fn some(map: Texts) -> Option<Texts> {
    Some(map).filter(|map| !map.is_empty())
}

/// A flag, where it is set.
pub fn flag(set: bool) -> Option<bool> {
    set.then_some(true)
}

/// The address of an API: `http://<id>.execute-api.<region>.localhost:4566`.
pub fn endpoint(server: &str, id: &str, region: &str) -> String {
    let (scheme, rest) = server.split_once("://").unwrap_or(("http", ""));
    let port = rest.rsplit_once(':').map(|(_, port)| format!(":{port}")).unwrap_or_default();
    format!("{scheme}://{id}.execute-api.{region}.localhost{port}")
}

pub fn cors(of: Cors) -> api::Cors {
    api::Cors {
        allow_credentials: of.credentials,
        allow_headers: of.headers,
        allow_methods: of.methods,
        allow_origins: of.origins,
        expose_headers: of.expose,
        max_age: of.max_age,
    }
}

pub fn jwt(of: Jwt) -> api::JWTConfiguration {
    api::JWTConfiguration { audience: Some(of.audience), issuer: of.issuer }
}

pub fn route_settings(of: Throttle) -> api::RouteSettings {
    api::RouteSettings {
        // HTTP APIs without detailed metrics are the only ones that there are.
        detailed_metrics_enabled: Some(false),
        throttling_burst_limit: of.burst.map(i64::from),
        throttling_rate_limit: of.rate,
        ..api::RouteSettings::default()
    }
}

/// An API as an output of some type.
macro_rules! api_output {
    ($type:ident, $cx:expr, $api:expr) => {{
        let of: $crate::v2::HttpApi = $api;
        ropeway_api::apigatewayv2::$type {
            api_endpoint: Some($crate::v2::render::endpoint(
                &$cx.endpoint,
                &of.name.id,
                &of.name.scope.region,
            )),
            api_id: Some(of.name.id),
            api_key_selection_expression: Some(of.settings.key_selection),
            cors_configuration: of.definition.cors.map($crate::v2::render::cors),
            created_date: Some(of.created),
            description: of.settings.description,
            disable_execute_api_endpoint: Some(of.definition.disable_endpoint),
            ip_address_type: Some(of.settings.ip_address_type),
            name: of.settings.name.into(),
            protocol_type: "HTTP".to_owned().into(),
            route_selection_expression: $crate::v2::model::SELECTION.to_owned().into(),
            tags: Some(of.settings.tags),
            version: of.settings.version,
            ..Default::default()
        }
    }};
}

/// A route as an output of some type.
macro_rules! route_output {
    ($type:ident, $id:expr, $route:expr) => {{
        let of: $crate::v2::model::Route = $route;
        ropeway_api::apigatewayv2::$type {
            api_gateway_managed: $crate::v2::render::flag(of.managed),
            api_key_required: Some(false),
            authorization_scopes: Some(of.scopes).filter(|scopes| !scopes.is_empty()),
            authorization_type: Some(of.authorization),
            authorizer_id: of.authorizer,
            operation_name: of.operation_name,
            route_id: Some($id),
            route_key: of.key.into(),
            target: of.integration.map(|id| format!("integrations/{id}")),
            ..Default::default()
        }
    }};
}

/// An integration as an output of some type.
macro_rules! integration_output {
    ($type:ident, $id:expr, $integration:expr) => {{
        let of: $crate::v2::model::Integration = $integration;
        ropeway_api::apigatewayv2::$type {
            api_gateway_managed: $crate::v2::render::flag(of.managed),
            connection_type: Some("INTERNET".to_owned()),
            credentials_arn: of.credentials,
            description: of.description,
            integration_id: Some($id),
            integration_method: of.method,
            integration_subtype: of.subtype,
            integration_type: Some(of.kind),
            integration_uri: of.uri,
            payload_format_version: Some(of.payload),
            request_parameters: $crate::v2::render::some(of.request_parameters),
            response_parameters: Some(of.response_parameters).filter(|map| !map.is_empty()),
            timeout_in_millis: Some(i64::from(of.timeout_millis)),
            ..Default::default()
        }
    }};
}

/// An authorizer as an output of some type.
macro_rules! authorizer_output {
    ($type:ident, $id:expr, $authorizer:expr) => {{
        let of: $crate::v2::model::Authorizer = $authorizer;
        ropeway_api::apigatewayv2::$type {
            authorizer_credentials_arn: of.credentials,
            authorizer_id: Some($id),
            authorizer_payload_format_version: of.payload,
            authorizer_result_ttl_in_seconds: of.ttl_secs.map(i64::from),
            authorizer_type: Some(of.kind),
            authorizer_uri: of.uri,
            enable_simple_responses: of.simple,
            identity_source: Some(of.identity),
            jwt_configuration: of.jwt.map($crate::v2::render::jwt),
            name: of.name.into(),
            ..Default::default()
        }
    }};
}

/// A stage as an output of some type.
macro_rules! stage_output {
    ($type:ident, $name:expr, $stage:expr) => {{
        let of: $crate::v2::model::Stage = $stage;
        let log = ropeway_api::apigatewayv2::AccessLogSettings {
            destination_arn: of.log_destination,
            format: of.log_format,
        };
        let routes = of.route_throttles.into_iter();
        ropeway_api::apigatewayv2::$type {
            access_log_settings: Some(log).filter(|log| log.destination_arn.is_some()),
            api_gateway_managed: $crate::v2::render::flag(of.managed),
            auto_deploy: Some(of.auto_deploy),
            created_date: Some(of.created),
            default_route_settings: Some($crate::v2::render::route_settings(of.default_throttle)),
            deployment_id: of.deployment,
            description: of.description,
            last_deployment_status_message: of.last_deployment,
            last_updated_date: Some(of.updated),
            route_settings: Some(
                routes.map(|(key, one)| (key, $crate::v2::render::route_settings(one))).collect(),
            ),
            stage_name: String::from($name).into(),
            stage_variables: Some(of.variables),
            tags: Some(of.tags),
            ..Default::default()
        }
    }};
}

/// A deployment as an output of some type.
macro_rules! deployment_output {
    ($type:ident, $id:expr, $deployment:expr) => {{
        let (of, automatic): (crate::model::Deployment, bool) = $deployment;
        ropeway_api::apigatewayv2::$type {
            auto_deployed: Some(automatic),
            created_date: Some(of.created),
            deployment_id: Some($id),
            deployment_status: Some("DEPLOYED".to_owned()),
            description: of.description,
            ..Default::default()
        }
    }};
}

pub(crate) use {
    api_output, authorizer_output, deployment_output, integration_output, route_output, stage_output,
};
