//! Rows as the API shows them.

use ropeway_api::apigateway as api;

use crate::commands::TYPES;
use crate::model::{
    Api, ApiKey, Authorizer, Definition, Deployment, GatewayResponse, Integration, IntegrationResponse,
    Logging, Method, MethodResponse, MethodSettings, Model, Plan, Resource, Stage, Texts, Throttle,
    Validator,
};

/// A map, unless it is empty.
fn some<K, V>(map: std::collections::BTreeMap<K, V>) -> Option<std::collections::BTreeMap<K, V>> {
    Some(map).filter(|map| !map.is_empty())
}

/// An API; what changes it shows tags that are not there too.
pub fn rest_api(of: &Api, changed: bool) -> api::RestApi {
    let (settings, definition) = (of.settings.clone(), &of.definition);
    api::RestApi {
        id: Some(of.name.id.clone()),
        name: Some(settings.name),
        description: settings.description,
        created_date: Some(of.created),
        version: settings.version,
        binary_media_types: Some(definition.binary_media_types.clone()).filter(|types| !types.is_empty()),
        minimum_compression_size: definition.minimum_compression.map(i64::from),
        api_key_source: Some(definition.api_key_source.clone()),
        endpoint_configuration: Some(api::EndpointConfiguration {
            types: Some(vec![settings.endpoint_type]),
            ip_address_type: Some(settings.ip_address_type),
        }),
        policy: definition.policy.clone(),
        tags: if changed { Some(settings.tags) } else { some(settings.tags) },
        disable_execute_api_endpoint: Some(settings.disable_endpoint),
        root_resource_id: Some(of.root.clone()),
        ..api::RestApi::default()
    }
}

/// A resource; its methods as they are, or their verbs alone.
pub fn resource(definition: &Definition, id: &str, resource: &Resource, embed: bool) -> api::Resource {
    let one = |(verb, of): (&String, &Method)| {
        let shown = if embed { method(verb, of) } else { api::Method::default() };
        (verb.clone(), shown)
    };
    api::Resource {
        id: Some(id.to_owned()),
        parent_id: resource.parent.clone(),
        path_part: Some(resource.part.clone()).filter(|part| !part.is_empty()),
        path: Some(definition.path(id)),
        resource_methods: some(resource.methods.iter().map(one).collect()),
    }
}

/// A method.
pub fn method(verb: &str, of: &Method) -> api::Method {
    let responses = of.responses.iter().map(|(status, r)| (status.clone(), method_response(status, r)));
    api::Method {
        http_method: Some(verb.to_owned()),
        authorization_type: Some(of.authorization_type.clone()),
        authorizer_id: of.authorizer_id.clone(),
        api_key_required: Some(of.api_key_required),
        request_validator_id: of.request_validator_id.clone(),
        operation_name: of.operation_name.clone(),
        request_parameters: some(of.request_parameters.clone()),
        request_models: some(of.request_models.clone()),
        method_responses: some(responses.collect()),
        method_integration: of.integration.as_ref().map(integration),
        authorization_scopes: Some(of.authorization_scopes.clone()).filter(|scopes| !scopes.is_empty()),
    }
}

/// A method's response.
pub fn method_response(status: &str, of: &MethodResponse) -> api::MethodResponse {
    api::MethodResponse {
        status_code: Some(status.to_owned()),
        response_parameters: some(of.parameters.clone()),
        response_models: some(of.models.clone()),
    }
}

/// An integration.
pub fn integration(of: &Integration) -> api::Integration {
    let responses = of.responses.iter().map(|(status, r)| (status.clone(), integration_response(status, r)));
    let http = of.kind.starts_with("HTTP");
    api::Integration {
        type_: Some(of.kind.clone()),
        http_method: of.http_method.clone(),
        uri: of.uri.clone(),
        connection_type: http.then(|| "INTERNET".to_owned()),
        credentials: of.credentials.clone(),
        request_parameters: some(of.request_parameters.clone()),
        request_templates: some(of.request_templates.clone()),
        passthrough_behavior: Some(of.passthrough.clone()),
        content_handling: of.content_handling.clone(),
        timeout_in_millis: Some(i64::from(of.timeout_millis)),
        cache_namespace: Some(of.namespace.clone()),
        cache_key_parameters: Some(Vec::new()),
        integration_responses: some(responses.collect()),
        ..api::Integration::default()
    }
}

/// An integration's response.
pub fn integration_response(status: &str, of: &IntegrationResponse) -> api::IntegrationResponse {
    api::IntegrationResponse {
        status_code: Some(status.to_owned()),
        selection_pattern: of.selection_pattern.clone(),
        response_parameters: some(of.parameters.clone()),
        response_templates: some(of.templates.clone()),
        content_handling: of.content_handling.clone(),
    }
}

/// A deployment.
pub fn deployment(id: &str, of: &Deployment) -> api::Deployment {
    api::Deployment {
        id: Some(id.to_owned()),
        description: of.description.clone(),
        created_date: Some(of.created),
        api_summary: None,
    }
}

/// What a deployment froze, in short: paths, verbs, who may call.
pub fn summary(definition: &Definition) -> api::Deployment {
    let mut paths = std::collections::BTreeMap::new();
    for (id, resource) in definition.resources.iter().filter(|(_, r)| !r.methods.is_empty()) {
        let methods = resource.methods.iter().map(|(verb, method)| {
            let snapshot = api::MethodSnapshot {
                authorization_type: Some(method.authorization_type.clone()),
                api_key_required: Some(method.api_key_required),
            };
            (verb.clone(), snapshot)
        });
        paths.insert(definition.path(id), methods.collect());
    }
    api::Deployment { api_summary: Some(paths), ..api::Deployment::default() }
}

/// A stage; what changes it shows tags that are not there too.
pub fn stage(name: &str, of: &Stage) -> api::Stage {
    let logged = of.log_destination.is_some() || of.log_format.is_some();
    let settings = of.method_settings.iter().map(|(key, settings)| (key.clone(), setting(settings)));
    api::Stage {
        deployment_id: Some(of.deployment.clone()),
        stage_name: Some(name.to_owned()),
        description: of.description.clone(),
        cache_cluster_enabled: Some(false),
        cache_cluster_status: Some("NOT_AVAILABLE".to_owned()),
        method_settings: Some(settings.collect()),
        variables: some(of.variables.clone()),
        access_log_settings: logged.then(|| api::AccessLogSettings {
            format: of.log_format.clone(),
            destination_arn: of.log_destination.clone(),
        }),
        tracing_enabled: Some(false),
        documentation_version: of.documentation_version.clone(),
        tags: some(of.tags.clone()),
        created_date: Some(of.created),
        last_updated_date: Some(of.updated),
        ..api::Stage::default()
    }
}

fn setting(of: &MethodSettings) -> api::MethodSetting {
    let level = match of.logging {
        Logging::Off => "OFF",
        Logging::Error => "ERROR",
        Logging::Info => "INFO",
    };
    api::MethodSetting {
        metrics_enabled: Some(false),
        logging_level: Some(level.to_owned()),
        data_trace_enabled: Some(of.data_trace),
        throttling_burst_limit: of.burst.map(i64::from),
        throttling_rate_limit: of.rate,
        caching_enabled: Some(false),
        ..api::MethodSetting::default()
    }
}

/// A model.
pub fn model(name: &str, of: &Model) -> api::Model {
    api::Model {
        id: Some(of.id.clone()),
        name: Some(name.to_owned()),
        description: of.description.clone(),
        schema: of.schema.clone(),
        content_type: Some(of.content_type.clone()),
    }
}

/// A request validator.
pub fn validator(id: &str, of: &Validator) -> api::RequestValidator {
    api::RequestValidator {
        id: Some(id.to_owned()),
        name: of.name.clone(),
        validate_request_body: Some(of.body),
        validate_request_parameters: Some(of.parameters),
    }
}

/// An authoriser.
pub fn authorizer(id: &str, of: &Authorizer) -> api::Authorizer {
    api::Authorizer {
        id: Some(id.to_owned()),
        name: Some(of.name.clone()),
        type_: Some(of.kind.clone()),
        auth_type: Some(of.auth_type.clone().unwrap_or_else(|| "custom".to_owned())),
        authorizer_uri: Some(of.uri.clone()),
        authorizer_credentials: of.credentials.clone(),
        identity_source: of.identity_source.clone(),
        identity_validation_expression: of.validation.clone(),
        authorizer_result_ttl_in_seconds: Some(i64::from(of.ttl_secs)),
        ..api::Authorizer::default()
    }
}

/// A gateway response: what is set for it, for its family, or the default.
pub fn gateway_response(definition: &Definition, kind: &str) -> api::GatewayResponse {
    let own = definition.gateway_responses.get(kind);
    let status = TYPES.iter().find(|(name, _)| *name == kind).and_then(|(_, status)| *status);
    let family = match status {
        Some(500..) => definition.gateway_responses.get("DEFAULT_5XX"),
        Some(_) => definition.gateway_responses.get("DEFAULT_4XX"),
        None => None,
    };
    let none = GatewayResponse::default();
    let shown = own.or(family).unwrap_or(&none);
    let templates = match shown.templates.is_empty() {
        true => Texts::from([("application/json".to_owned(), crate::commands::TEMPLATE.to_owned())]),
        false => shown.templates.clone(),
    };
    api::GatewayResponse {
        response_type: Some(kind.to_owned()),
        status_code: shown.status.clone().or(status.map(|status| status.to_string())),
        response_parameters: Some(shown.parameters.clone()),
        response_templates: Some(templates),
        default_response: Some(own.is_none()),
    }
}

/// An API key, with its value or without.
pub fn api_key(of: ApiKey, value: bool, changed: bool) -> api::ApiKey {
    api::ApiKey {
        id: Some(of.id),
        value: Some(of.value).filter(|_| value),
        name: of.name,
        customer_id: of.customer,
        description: of.description,
        enabled: Some(of.enabled),
        created_date: Some(of.created),
        last_updated_date: Some(of.updated),
        stage_keys: Some(Vec::new()),
        tags: if changed { Some(of.tags) } else { some(of.tags) },
    }
}

/// A key as a member of a plan.
pub fn plan_key(of: ApiKey) -> api::UsagePlanKey {
    api::UsagePlanKey {
        id: Some(of.id),
        type_: Some("API_KEY".to_owned()),
        value: Some(of.value),
        name: of.name,
    }
}

fn throttle(of: Throttle) -> api::ThrottleSettings {
    api::ThrottleSettings { burst_limit: of.burst.map(i64::from), rate_limit: of.rate }
}

/// A usage plan.
pub fn plan(of: Plan, changed: bool) -> api::UsagePlan {
    let stages = of.stages.into_iter().map(|stage| api::ApiStage {
        api_id: Some(stage.api),
        stage: Some(stage.stage),
        throttle: some(stage.throttle.into_iter().map(|(at, limit)| (at, throttle(limit))).collect()),
    });
    api::UsagePlan {
        id: Some(of.id),
        name: Some(of.name),
        description: of.description,
        api_stages: Some(stages.collect()),
        throttle: of.throttle.map(throttle),
        quota: of.quota.map(|quota| api::QuotaSettings {
            limit: Some(i64::from(quota.limit)),
            offset: Some(i64::from(quota.offset)),
            period: Some(quota.period),
        }),
        product_code: of.product,
        tags: if changed { Some(of.tags) } else { some(of.tags) },
    }
}
