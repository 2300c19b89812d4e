//! `AWS::Serverless::Api`: a REST API, its deployment and its stage.

use super::authorizers::{self, Authorizer};
use super::code;
use super::digest;
use super::document;
use super::domain;
use super::implicit::MANAGED;
use super::node::{Dict, Node, Text, dict, reference};
use super::problem::{Problem, Result};
use super::resolve::Parameters;
use super::resource::{Resource, Source, is_alphanumeric, propagate_tags, tag_list};
use super::resource_policy;
use super::swagger::{self, Cors, DefaultAuthorizer, Swagger};
use super::usage_plan;

/// Properties that go into the stage as they are.
const STAGE: [&str; 7] = [
    "CacheClusterEnabled",
    "CacheClusterSize",
    "Variables",
    "MethodSettings",
    "AccessLogSetting",
    "CanarySetting",
    "TracingEnabled",
];
const AUTH: [&str; 8] = [
    "Authorizers",
    "DefaultAuthorizer",
    "InvokeRole",
    "AddDefaultAuthorizerToCorsPreflight",
    "AddApiKeyRequiredToCorsPreflight",
    "ApiKeyRequired",
    "ResourcePolicy",
    "UsagePlan",
];

/// Writes the version that an API asks for into the document that SAM manages.
pub fn fix_version(properties: &mut Dict) {
    let Some(version) = properties.get("OpenApiVersion").filter(|v| document::is_version_3(v)) else {
        return;
    };
    if !properties.contains(MANAGED) {
        return;
    }
    let version = match version {
        Node::Text(text) => text.clone(),
        other => digest::python(other).into(),
    };
    properties.insert("OpenApiVersion", version.clone());
    if let Some(Node::Dict(body)) = properties.get_mut("DefinitionBody") {
        body.insert("openapi", version);
        if body.truthy("swagger").is_some() {
            body.remove("swagger");
        }
    }
}

/// The resources that an API generates; `callers` are the names of functions that call it, one after another.
pub fn transform(source: &Source, parameters: &Parameters, callers: &str) -> Result<Vec<Resource>> {
    let mut source = source.clone();
    for name in ["BinaryMediaTypes", "Auth", "Domain"] {
        if let Some(value) = source.get(name) {
            let resolved = parameters.resolve(value)?;
            source.properties.insert(name, resolved);
        }
    }
    check(&source)?;
    let auth = auth(&source)?;
    let body = document(&source, &auth)?;
    let mut api = rest_api(&source)?;
    let deployed = match (source.truthy("DefinitionUri"), body) {
        (Some(uri), _) => {
            let pointer = body_location(&source, uri)?;
            api.properties.insert("BodyS3Location", pointer.clone());
            Some(pointer)
        }
        (None, Some(body)) => {
            api.properties.insert("Body", body.clone());
            Some(body)
        }
        (None, None) => None,
    };
    let deployment = deployment(&source, deployed.as_ref(), callers);
    let stage = stage(&source, &deployment);
    let mut resources = vec![api, deployment, stage];
    let authorizers = authorizers::read(&source, &auth, false)?;
    resources.extend(authorizers.iter().filter_map(|authorizer| authorizer.permission(&source)));
    if let Some(stage) = resources.get(2) {
        let domain = domain::of_rest_api(&source, stage)?;
        resources.extend(domain);
    }
    if let (Some(plan), Some(stage)) = (auth.some("UsagePlan"), resources.get(2)) {
        let plan = usage_plan::resources(&source, plan, stage)?;
        resources.extend(plan);
    }
    propagate_tags(&mut resources, &source, source.get("PropagateTags").is_some_and(Node::is_truthy));
    Ok(resources)
}

fn check(source: &Source) -> Result<()> {
    if source.truthy("DefinitionUri").is_some() && source.truthy("DefinitionBody").is_some() {
        return source.problem("Specify either 'DefinitionUri' or 'DefinitionBody' property and not both.");
    }
    if let Some(version) = source.truthy("OpenApiVersion") {
        let is_2 = matches!(version.text(), Some("2.0"));
        if !is_2 && !document::is_version_3(version) {
            return source.problem("The OpenApiVersion value must be of the format '3.0.0'.");
        }
    }
    Ok(())
}

fn auth(source: &Source) -> Result<Dict> {
    let Some(auth) = source.truthy("Auth").and_then(Node::dict) else { return Ok(Dict::new()) };
    if auth.keys().into_iter().any(|key| !AUTH.contains(&key)) {
        return source.problem("Invalid value for 'Auth' property");
    }
    Ok(auth.clone())
}

fn rest_api(source: &Source) -> Result<Resource> {
    let mut api = Resource::new(source.id.clone(), "AWS::ApiGateway::RestApi", source.attributes.clone())
        .after(source.depends_on.clone());
    for name in ["BinaryMediaTypes", "MinimumCompressionSize"] {
        api = api.with_some(name, source.get(name));
    }
    for name in [
        "FailOnWarnings",
        "Name",
        "Description",
        "Mode",
        "ApiKeySourceType",
        "Policy",
        "SecurityPolicy",
        "EndpointAccessMode",
    ] {
        api = api.with_some(name, source.truthy(name));
    }
    if let Some(endpoint) = source.truthy("EndpointConfiguration") {
        let (config, kind) = endpoint_configuration(source, endpoint)?;
        api = api
            .with("EndpointConfiguration", config)
            .with("Parameters", dict([("endpointConfigurationTypes", kind)]));
    }
    Ok(api)
}

fn endpoint_configuration(source: &Source, given: &Node) -> Result<(Node, Node)> {
    let Some((given, kind)) = given.dict().and_then(|given| Some((given, given.truthy("Type")?))) else {
        return Ok((dict([("Types", vec![given.clone()].into())]), given.clone()));
    };
    let mut config = Dict::new();
    config.insert("Types", vec![kind.clone()]);
    if given.contains("VPCEndpointIds") && given.contains("VpcEndpointIds") {
        return source.problem(
            "'VPCEndpointIds' and 'VpcEndpointIds' cannot be used together in EndpointConfiguration.",
        );
    }
    if let Some(ids) = given.get("VPCEndpointIds").or(given.get("VpcEndpointIds")) {
        config.insert("VpcEndpointIds", ids.clone());
    }
    if let Some(kind) = given.get("IpAddressType") {
        config.insert("IpAddressType", kind.clone());
    }
    Ok((config.into(), kind.clone()))
}

fn body_location(source: &Source, uri: &Node) -> Result<Node> {
    let pointer =
        code::pointer(uri, "DefinitionUri").map_err(|what| Problem::resource(&source.id.text, what))?;
    let mut location = Dict::ordered();
    for name in ["Bucket", "Key", "Version"] {
        if let Some(value) = pointer.get(name) {
            location.insert(name, value.clone());
        }
    }
    Ok(location.into())
}

/// The document with all that the API's properties add to it.
fn document(source: &Source, auth: &Dict) -> Result<Option<Node>> {
    let mut body = source.truthy("DefinitionBody").cloned();
    let version = source.get("OpenApiVersion");
    let steps: [(&str, &str); 6] = [
        ("Cors", "Cors works only with inline Swagger specified in 'DefinitionBody' property."),
        ("Auth", "Auth works only with inline Swagger specified in 'DefinitionBody' property."),
        (
            "GatewayResponses",
            "GatewayResponses works only with inline Swagger specified in 'DefinitionBody' property.",
        ),
        ("BinaryMediaTypes", ""),
        ("Models", "Models works only with inline Swagger specified in 'DefinitionBody' property."),
        (
            "DisableExecuteApiEndpoint",
            "DisableExecuteApiEndpoint works only within 'DefinitionBody' property.",
        ),
    ];
    for (name, without) in steps {
        let value = if name.starts_with("Disable") { source.get(name) } else { source.truthy(name) };
        let Some(value) = value else { continue };
        if body.is_none() {
            if without.is_empty() {
                continue;
            }
            return source.problem(without);
        }
        if ["Cors", "Auth", "GatewayResponses", "Models"].contains(&name) && !swagger::is_valid(body.as_ref())
        {
            let what = match name {
                "Cors" => "Cors configuration",
                "Models" => "Models definitions",
                _ => "Auth configuration",
            };
            return source.problem(format!(
                "Unable to add {what} because 'DefinitionBody' does not contain a valid Swagger definition."
            ));
        }
        let mut swagger = Swagger::open(body.as_ref())?;
        step(source, name, value, auth, &mut swagger)?;
        body = Some(swagger.finish());
        if ["Auth", "Models"].contains(&name) {
            body = body.map(|body| as_version_3(body, version)).transpose()?;
        }
    }
    if source.truthy("DefinitionUri").is_some() {
        return Ok(body);
    }
    body.map(|body| as_version_3(body, version)).transpose()
}

fn step(source: &Source, name: &str, value: &Node, auth: &Dict, swagger: &mut Swagger) -> Result<()> {
    match name {
        "Cors" => add_cors(source, value, swagger),
        "Auth" => add_auth(source, auth, swagger),
        "GatewayResponses" => add_responses(source, value, swagger),
        "BinaryMediaTypes" => {
            swagger.add_binary_types(value);
            Ok(())
        }
        "Models" => match value.dict() {
            Some(models) if models.members().all(|(_, model)| model.dict().is_some()) => {
                swagger.add_models(models)
            }
            _ => source.problem("Invalid value for 'Models' property"),
        },
        _ => swagger.disable_endpoint(value),
    }
}

fn add_cors(source: &Source, value: &Node, swagger: &mut Swagger) -> Result<()> {
    const KNOWN: [&str; 5] = ["AllowMethods", "AllowHeaders", "AllowOrigin", "MaxAge", "AllowCredentials"];
    let cors = match value {
        Node::Dict(given) if value.intrinsic().is_none() => {
            if let Some(unknown) = given.keys().into_iter().find(|key| !KNOWN.contains(key)) {
                return source.problem(format!("Invalid key '{unknown}' for 'Cors' property."));
            }
            Cors {
                origin: given.get("AllowOrigin").cloned().unwrap_or_else(|| "'*'".into()),
                headers: given.truthy("AllowHeaders").cloned(),
                methods: given.truthy("AllowMethods").cloned(),
                max_age: given.some("MaxAge").cloned(),
                credentials: given.get("AllowCredentials").is_some_and(Node::is_true),
            }
        }
        origin => {
            Cors { origin: origin.clone(), headers: None, methods: None, max_age: None, credentials: false }
        }
    };
    if cors.credentials && cors.origin.text() == Some("'*'") {
        return source.problem(
            "Unable to add Cors configuration because 'AllowCredentials' can not be true when 'AllowOrigin' is \"'*'\" or not \
             set",
        );
    }
    let paths = swagger.paths();
    if !cors.origin.is_truthy() && !paths.is_empty() {
        return source.problem("Invalid input. Value for AllowedOrigins is required");
    }
    let mut done: Vec<&str> = Vec::new();
    for path in &paths {
        // With and without a slash at its end, it is the same path.
        let bare = if path == "/" { path } else { path.trim_end_matches('/') };
        if !done.contains(&bare) {
            done.push(bare);
            swagger.add_cors(path, &cors)?;
        }
    }
    Ok(())
}

fn add_auth(source: &Source, auth: &Dict, swagger: &mut Swagger) -> Result<()> {
    let all = authorizers::read(source, auth, true)?;
    let flag = |name: &str| auth.get(name).is_none_or(Node::is_truthy);
    if !all.is_empty() {
        swagger.add_authorizers(&all)?;
        if let Some(default) = auth.truthy("DefaultAuthorizer") {
            let preflight = flag("AddDefaultAuthorizerToCorsPreflight");
            set_default(source, default, &all, preflight, swagger)?;
        }
    }
    if auth.truthy("ApiKeyRequired").is_some() {
        swagger.add_api_keys();
        for path in swagger.paths() {
            swagger.require_key_on_path(&path, flag("AddApiKeyRequiredToCorsPreflight"))?;
        }
    }
    if let Some(policy) = auth.truthy("ResourcePolicy") {
        let policy =
            resource_policy::read(policy).map_err(|what| Problem::resource(&source.id.text, what))?;
        let stage = source.get("StageName").cloned().unwrap_or(Node::Null);
        for path in swagger.paths() {
            swagger.restrict(policy, &path, &stage)?;
        }
        swagger.add_statements(policy);
    }
    Ok(())
}

fn set_default(
    source: &Source,
    default: &Node,
    all: &[Authorizer],
    preflight: bool,
    swagger: &mut Swagger,
) -> Result<()> {
    let Some(default) = default.as_text() else {
        return source.problem("DefaultAuthorizer is not a string.");
    };
    let Some(found) = all.iter().find(|authorizer| authorizer.name == *default) else {
        return source.problem(format!(
            "Unable to set DefaultAuthorizer because '{}' was not defined in 'Authorizers'.",
            default.text
        ));
    };
    let names = all.iter().map(|authorizer| authorizer.name.text.as_str()).collect();
    let of = DefaultAuthorizer { names, scopes: found.scopes(), preflight };
    for path in swagger.paths() {
        swagger.authorize_path(&path, default, &of)?;
    }
    Ok(())
}

fn add_responses(source: &Source, value: &Node, swagger: &mut Swagger) -> Result<()> {
    const KNOWN: [&str; 3] = ["ResponseParameters", "ResponseTemplates", "StatusCode"];
    let Some(responses) = value.dict() else { return Ok(()) };
    for (name, response) in responses.members() {
        if response.intrinsic().is_some_and(|(function, _)| function != "Condition") {
            return source.problem(
                "Unable to set GatewayResponses attribute because intrinsic functions are not supported for this field.",
            );
        }
        let response = source.map(response, &format!("GatewayResponses.{}", name.text))?;
        if let Some(unknown) = response.keys().into_iter().find(|key| !KNOWN.contains(key)) {
            return source.problem(format!(
                "Invalid property '{unknown}' in 'GatewayResponses' property '{}'.",
                name.text
            ));
        }
        swagger.add_response(name, gateway_response(source, response)?);
    }
    Ok(())
}

fn gateway_response(source: &Source, response: &Dict) -> Result<Dict> {
    const PLACES: [(&str, &str); 3] =
        [("Headers", "header."), ("Paths", "path."), ("QueryStrings", "querystring.")];
    let mut parameters = Dict::ordered();
    if let Some(given) = response.truthy("ResponseParameters") {
        let given = source.map(given, "GatewayResponses.ResponseParameters")?;
        if let Some(unknown) =
            given.keys().into_iter().find(|key| !PLACES.iter().any(|(name, _)| name == key))
        {
            return source.problem(format!("Invalid gateway response parameter '{unknown}'"));
        }
        for (name, prefix) in PLACES {
            let Some(values) = given.get(name) else { continue };
            for (key, value) in source.map(values, &format!("ResponseParameters.{name}"))?.members() {
                parameters.insert(key.with(format!("gatewayresponse.{prefix}{}", key.text)), value.clone());
            }
        }
    }
    let status = response.some("StatusCode").map(digest::python).filter(|status| !status.is_empty());
    let is_code = |code: &String| code.len() <= 3 && code.chars().all(|c| c.is_ascii_digit());
    if status.as_ref().is_some_and(|status| !is_code(status)) {
        return source.problem("Property 'StatusCode' must be numeric");
    }
    let templates = response.truthy("ResponseTemplates").cloned().unwrap_or_else(|| Dict::ordered().into());
    let mut swagger = Dict::ordered();
    swagger.insert("responseParameters", parameters);
    swagger.insert("responseTemplates", templates);
    if let Some(status) = status {
        let own = response.get("StatusCode").and_then(Node::as_text).is_some_and(|text| text.own);
        swagger.insert("statusCode", Node::Text(Text { text: status, own }));
    }
    Ok(swagger)
}

/// Moves what OpenAPI 3 has elsewhere, if the document is of that version.
fn as_version_3(body: Node, version: Option<&Node>) -> Result<Node> {
    let Node::Dict(mut doc) = body else { return Ok(body) };
    if doc.some("swagger").is_some() {
        return Ok(doc.into());
    }
    let version = version.cloned().or_else(|| doc.some("openapi").cloned());
    if !version.as_ref().is_some_and(|version| version.is_truthy() && document::is_version_3(version)) {
        return Ok(doc.into());
    }
    for (old, new) in [("securityDefinitions", "securitySchemes"), ("definitions", "schemas")] {
        let Some(moved) = doc.truthy(old).cloned() else { continue };
        let mut components = doc.truthy("components").cloned().unwrap_or_else(|| Dict::ordered().into());
        let Some(members) = components.dict_mut() else {
            return document::invalid("Value of components must be a dictionary according to Swagger spec.");
        };
        members.insert(new, moved);
        doc.insert("components", components);
        doc.remove(old);
    }
    for path in document::path_names(&doc) {
        preflight_as_version_3(&mut doc, &path);
    }
    Ok(doc.into())
}

/// Preflight answers say no media types, and give their headers schemas.
fn preflight_as_version_3(doc: &mut Dict, path: &str) {
    let item = doc.get_mut("paths").and_then(Node::dict_mut).and_then(|paths| paths.get_mut(path));
    let options = item.and_then(Node::dict_mut).and_then(|item| item.get_mut("options"));
    let Some(options) = options.and_then(Node::dict_mut) else { return };
    for name in ["produces", "consumes"] {
        if options.contains(name) {
            options.remove(name);
        }
    }
    let response = options.get_mut("responses").and_then(Node::dict_mut).and_then(|all| all.get_mut("200"));
    let headers = response.and_then(Node::dict_mut).and_then(|response| response.get_mut("headers"));
    for header in headers.and_then(Node::dict_mut).into_iter().flat_map(Dict::values_mut) {
        let schema = std::mem::replace(header, Node::Null);
        *header = super::node::ordered([("schema", schema)]);
    }
}

fn deployment(source: &Source, deployed: Option<&Node>, callers: &str) -> Resource {
    let version = source.truthy("OpenApiVersion");
    let mut id = format!("{}Deployment", source.id.text);
    let mut description = None;
    if let Some(deployed) = deployed.filter(|deployed| deployed.is_truthy()) {
        let mut parts = vec![digest::python(deployed)];
        parts.extend(version.map(digest::python));
        parts.extend(domain::deployed(source));
        parts.extend((!callers.is_empty()).then(|| callers.to_owned()));
        let data = parts.join("||");
        description = Some(format!("RestApi deployment id: {}", digest::sha1(&data)));
        id = digest::id(&id, &data);
    }
    let mut deployment = Resource::new(id, "AWS::ApiGateway::Deployment", source.passed())
        .with("RestApiId", reference(source.id.clone()));
    if version.is_none() {
        deployment = deployment.with("StageName", "Stage");
    }
    deployment.with_some("Description", description.map(Node::from).as_ref())
}

fn stage(source: &Source, deployment: &Resource) -> Resource {
    let name = source.get("StageName").cloned().unwrap_or(Node::Null);
    let text = name.text().unwrap_or_default();
    let id = match is_alphanumeric(text) {
        true => format!("{}{text}Stage", source.id.text),
        false => digest::id(&format!("{}Stage", source.id.text), text),
    };
    let mut stage = Resource::new(id, "AWS::ApiGateway::Stage", source.passed())
        .with("RestApiId", reference(source.id.clone()))
        .with("DeploymentId", deployment.reference())
        .with("StageName", name);
    for name in STAGE {
        stage = stage.with_some(name, source.get(name));
    }
    match source.get("Tags").and_then(Node::dict) {
        Some(tags) => stage.with("Tags", tag_list(tags)),
        None => stage,
    }
}
