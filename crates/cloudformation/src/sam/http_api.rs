//! `AWS::Serverless::HttpApi`: an HTTP API and its stage.

use super::node::{Dict, Node, Text, dict, reference, sub};
use super::openapi;
use super::problem::{Problem, Result};
use super::resolve::Parameters;
use super::resource::{Resource, Source, is_alphanumeric};
use super::{code, digest, document, domain};

const DEFAULT_STAGE: &str = "$default";
const AUTHORIZER: &str = "x-amazon-apigateway-authorizer";
const STAGE: [&str; 4] = ["StageVariables", "AccessLogSettings", "DefaultRouteSettings", "RouteSettings"];

/// The resources that an API generates.
pub fn transform(source: &Source, parameters: &Parameters) -> Result<Vec<Resource>> {
    let mut source = source.clone();
    for name in ["CorsConfiguration", "Domain"] {
        if let Some(value) = source.get(name) {
            let resolved = parameters.resolve(value)?;
            source.properties.insert(name, resolved);
        }
    }
    if source.truthy("DefinitionUri").is_some() && source.truthy("DefinitionBody").is_some() {
        return source.problem("Specify either 'DefinitionUri' or 'DefinitionBody' property and not both.");
    }
    let schemes = schemes(&source)?;
    let tags = tags(&source);
    let body = source.truthy("DefinitionBody").cloned();
    let body = body.map(|body| document(&source, body, &schemes, &tags)).transpose()?;
    let mut api = Resource::new(source.id.clone(), "AWS::ApiGatewayV2::Api", source.attributes.clone())
        .after(source.depends_on.clone());
    let in_body = body.is_some();
    api = match (source.truthy("DefinitionUri"), body) {
        (Some(uri), _) => {
            without_body(&source)?;
            let pointer = code::pointer(uri, "DefinitionUri")
                .map_err(|what| Problem::resource(&source.id.text, what))?;
            api.with("BodyS3Location", pointer)
        }
        (None, Some(body)) => api.with("Body", body),
        (None, None) => {
            return source.problem(
                "'DefinitionUri' or 'DefinitionBody' are required properties of an 'AWS::Serverless::HttpApi'. Add a value for \
                 one of these properties or add a 'HttpApi' event to an 'AWS::Serverless::Function'.",
            );
        }
    };
    api = api.with_some("FailOnWarnings", source.truthy("FailOnWarnings"));
    let mut resources = vec![api];
    resources.extend(schemes.iter().filter_map(|scheme| scheme.permission(&source)));
    let stage = stage(&source, in_body.then_some(&tags));
    resources.extend(domain::of_http_api(&source, &stage, if in_body { tags } else { own_tags() })?);
    resources.push(stage);
    Ok(resources)
}

/// What goes into a document cannot be had without one.
fn without_body(source: &Source) -> Result<()> {
    const NEED: [(&str, &str); 6] = [
        ("CorsConfiguration", "Cors works only with inline OpenApi specified in 'DefinitionBody' property."),
        ("Auth", "Auth works only with inline OpenApi specified in the 'DefinitionBody' property."),
        ("Tags", "Tags works only with inline OpenApi specified in the 'DefinitionBody' property."),
        (
            "DisableExecuteApiEndpoint",
            "DisableExecuteApiEndpoint works only within 'DefinitionBody' property.",
        ),
        ("Name", "Name works only with inline OpenApi specified in the 'DefinitionBody' property."),
        (
            "Description",
            "Description works only with inline OpenApi specified in the 'DefinitionBody' property.",
        ),
    ];
    match NEED.into_iter().find(|(name, _)| source.truthy(name).is_some()) {
        Some((_, what)) => source.problem(what),
        None => Ok(()),
    }
}

/// The API's tags, and SAM's own.
fn tags(source: &Source) -> Dict {
    let mut tags = source.truthy("Tags").and_then(Node::dict).cloned().unwrap_or_default();
    tags.update(&own_tags());
    tags
}

/// SAM's own tags.
fn own_tags() -> Dict {
    let mut tags = Dict::new();
    tags.insert("httpapi:createdBy", "SAM");
    tags
}

fn document(source: &Source, body: Node, schemes: &[Scheme], tags: &Dict) -> Result<Node> {
    if !openapi::is_valid(Some(&body)) {
        let what = ["CorsConfiguration", "Auth", "Tags", "Name", "Description"]
            .into_iter()
            .find(|name| source.truthy(name).is_some());
        return match what {
            None => Ok(body),
            Some(name) => source.problem(format!(
                "Unable to add {name} configuration because 'DefinitionBody' does not contain a valid OpenApi definition."
            )),
        };
    }
    let mut doc = openapi::open(Some(&body))?;
    if let Some(cors) = source.truthy("CorsConfiguration") {
        openapi::add_cors(&mut doc, &cors_rules(source, cors)?)?;
    }
    add_auth(source, schemes, &mut doc)?;
    openapi::add_tags(&mut doc, tags)?;
    if let Some(disable) = source.get("DisableExecuteApiEndpoint") {
        openapi::disable_endpoint(&mut doc, disable)?;
    }
    for (property, name) in [("Name", "title"), ("Description", "description")] {
        let Some(value) = source.truthy(property) else { continue };
        if !openapi::set_info(&mut doc, name, value) {
            return source.problem(format!(
                "Unable to set {property} because it is already defined within inline OpenAPI specified in the \
                 'DefinitionBody' property."
            ));
        }
    }
    if source.truthy("FailOnWarnings").is_some()
        && let Some(Node::Dict(paths)) = doc.get_mut("paths")
        && let Some(path) = paths.remove(openapi::DEFAULT_PATH)
    {
        paths.insert(format!("/{}", openapi::DEFAULT_PATH), path);
    }
    Ok(doc.into())
}

fn cors_rules(source: &Source, cors: &Node) -> Result<Dict> {
    const KNOWN: [&str; 6] =
        ["AllowMethods", "AllowHeaders", "AllowOrigins", "MaxAge", "ExposeHeaders", "AllowCredentials"];
    let rules = match cors {
        Node::Bool(_) => {
            let mut all = Dict::new();
            all.insert("AllowOrigins", vec![Node::from("*")]);
            all
        }
        Node::Dict(rules) if cors.intrinsic().is_none() => rules.clone(),
        _ => return source.problem("Invalid value for 'Cors' property."),
    };
    if let Some(unknown) = rules.keys().into_iter().find(|key| !KNOWN.contains(key)) {
        return source.problem(format!("Invalid key '{unknown}' for 'Cors' property."));
    }
    let any = rules.get("AllowOrigins") == Some(&vec![Node::from("*")].into());
    if any && rules.get("AllowCredentials").is_some_and(Node::is_true) {
        return source.problem(
            "Unable to add Cors configuration because 'AllowCredentials' can not be true when 'AllowOrigin' is \"'*'\" or not \
             set.",
        );
    }
    Ok(rules)
}

/// An authorizer.
struct Scheme {
    name: Text,
    config: Dict,
    iam: bool,
}

fn schemes(source: &Source) -> Result<Vec<Scheme>> {
    const KNOWN: [&str; 3] = ["Authorizers", "DefaultAuthorizer", "EnableIamAuthorizer"];
    let Some(auth) = source.truthy("Auth").and_then(Node::dict) else { return Ok(Vec::new()) };
    if auth.keys().into_iter().any(|key| !KNOWN.contains(&key)) {
        return source.problem("Invalid value for 'Auth' property");
    }
    let mut all = Vec::new();
    if auth.get("EnableIamAuthorizer").is_some_and(Node::is_true) {
        all.push(Scheme { name: "AWS_IAM".into(), config: Dict::new(), iam: true });
    }
    let Some(configured) = auth.truthy("Authorizers") else { return Ok(all) };
    for (name, config) in source.map(configured, "Auth.Authorizers")?.members() {
        let config = source.map(config, &format!("Auth.Authorizers.{}", name.text))?;
        check_scheme(source, &name.text, config)?;
        all.push(Scheme { name, config: config.clone(), iam: false });
    }
    Ok(all)
}

/// Whether a configuration is that of a JWT authorizer, or of a function that authorises.
fn check_scheme(source: &Source, name: &str, config: &Dict) -> Result<()> {
    const JWT: [&str; 3] = ["AuthorizationScopes", "JwtConfiguration", "IdentitySource"];
    const REQUEST: [&str; 6] = [
        "FunctionArn",
        "FunctionInvokeRole",
        "Identity",
        "AuthorizerPayloadFormatVersion",
        "EnableSimpleResponses",
        "EnableFunctionDefaultPermissions",
    ];
    let is_jwt = config.truthy("JwtConfiguration").is_some();
    let allowed: &[&str] = if is_jwt { &JWT } else { &REQUEST };
    if let Some(other) = config.keys().into_iter().find(|key| !allowed.contains(key)) {
        let what = match other {
            "OpenIdConnectUrl" => format!(
                "'OpenIdConnectUrl' is no longer a supported property for authorizer '{name}'. Please refer to the AWS SAM \
                 documentation."
            ),
            "IdentitySource" => {
                "IdentitySource is only supported for OAuth2 Authorizer. For Lambda Authorizer, use the \
                 'Identity' property instead."
                    .to_owned()
            }
            other if JWT.contains(&other) => format!("{other} is only supported for OAuth2 Authorizer."),
            other if REQUEST.contains(&other) => format!("{other} is only supported for Lambda Authorizer."),
            other => format!("Property 'Auth.Authorizers.{name}.{other}' is not supported."),
        };
        return source.problem(what);
    }
    let needed: &[&str] =
        if is_jwt { &["IdentitySource"] } else { &["FunctionArn", "AuthorizerPayloadFormatVersion"] };
    let kind = if is_jwt { "OAuth2" } else { "Lambda" };
    match needed.iter().find(|needed| config.truthy(needed).is_none()) {
        Some(missing) => source.problem(format!("{name} {kind} Authorizer must define '{missing}'.")),
        None => Ok(()),
    }
}

impl Scheme {
    fn openapi(&self, source: &Source) -> Result<Node> {
        if self.iam {
            return Ok(dict([
                ("type", "apiKey".into()),
                ("name", "Authorization".into()),
                ("in", "header".into()),
                ("x-amazon-apigateway-authtype", "awsSigv4".into()),
            ]));
        }
        let Some(jwt) = self.config.truthy("JwtConfiguration") else {
            return Ok(dict([
                ("type", "apiKey".into()),
                ("name", "Unused".into()),
                ("in", "header".into()),
                (AUTHORIZER, self.function(source)?.into()),
            ]));
        };
        let mut lower = Dict::new();
        for (name, value) in source.map(jwt, "JwtConfiguration")?.members() {
            lower.insert(name.text.to_lowercase(), value.clone());
        }
        let authorizer = dict([
            ("jwtConfiguration", lower.into()),
            ("identitySource", self.config.get("IdentitySource").cloned().unwrap_or(Node::Null)),
            ("type", "jwt".into()),
        ]);
        Ok(dict([("type", "oauth2".into()), (AUTHORIZER, authorizer)]))
    }

    fn function(&self, source: &Source) -> Result<Dict> {
        let arn = self.config.get("FunctionArn").cloned().unwrap_or(Node::Null);
        let uri = "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${__FunctionArn__}/invocations";
        let mut function = Dict::new();
        function.insert("type", "request");
        function.insert("authorizerUri", sub(uri, [("__FunctionArn__", arn)]));
        if let Some(role) = self.config.truthy("FunctionInvokeRole").filter(|r| r.text() != Some("NONE")) {
            function.insert("authorizerCredentials", role.clone());
        }
        if let Some(identity) = self.config.truthy("Identity") {
            let path = format!("Auth.Authorizers.{}.Identity", self.name.text);
            let identity = source.map(identity, &path)?;
            if let Some(seconds) = identity.some("ReauthorizeEvery") {
                function.insert("authorizerResultTtlInSeconds", seconds.clone());
            }
            function.insert("identitySource", identity_source(source, &path, identity)?);
        }
        let version = self.config.get("AuthorizerPayloadFormatVersion").cloned().unwrap_or(Node::Null);
        function.insert("authorizerPayloadFormatVersion", version);
        if let Some(simple) = self.config.truthy("EnableSimpleResponses") {
            function.insert("enableSimpleResponses", simple.clone());
        }
        Ok(function)
    }

    fn scopes(&self) -> Node {
        self.config.some("AuthorizationScopes").cloned().unwrap_or_else(|| Vec::new().into())
    }

    /// What lets the API call the authorizer's function, if it shall be generated.
    fn permission(&self, source: &Source) -> Option<Resource> {
        let function = self.config.truthy("FunctionArn")?;
        self.config.truthy("EnableFunctionDefaultPermissions")?;
        let arn =
            "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${__ApiId__}/authorizers/*";
        let id = format!("{}{}AuthorizerPermission", source.id.text, self.name.text);
        Some(
            Resource::new(id, "AWS::Lambda::Permission", source.passed())
                .with("Action", "lambda:InvokeFunction")
                .with("FunctionName", function.clone())
                .with("Principal", "apigateway.amazonaws.com")
                .with("SourceArn", sub(arn, [("__ApiId__", reference(source.id.clone()))])),
        )
    }
}

fn identity_source(source: &Source, path: &str, identity: &Dict) -> Result<Node> {
    const PLACES: [(&str, &str); 4] = [
        ("Headers", "$request.header."),
        ("QueryStrings", "$request.querystring."),
        ("StageVariables", "$stageVariables."),
        ("Context", "$context."),
    ];
    let mut sources = Vec::new();
    for (name, prefix) in PLACES {
        if let Some(values) = identity.truthy(name) {
            let values = source.texts(values, &format!("{path}.{name}"))?;
            sources.extend(values.into_iter().map(|value| format!("{prefix}{}", value.text).into()));
        }
    }
    Ok(Node::List(sources))
}

fn add_auth(source: &Source, schemes: &[Scheme], doc: &mut Dict) -> Result<()> {
    let all = schemes.iter().map(|scheme| Ok((scheme.name.clone(), scheme.openapi(source)?)));
    openapi::add_schemes(doc, all.collect::<Result<_>>()?)?;
    let auth = source.truthy("Auth").and_then(Node::dict);
    let default = auth.and_then(|auth| auth.truthy("DefaultAuthorizer")).filter(|name| !name.is_no_value());
    let Some(default) = default else { return Ok(()) };
    let Some(default) = default.as_text() else {
        return source.problem("Property 'Auth.DefaultAuthorizer' should be a string.");
    };
    let Some(found) = schemes.iter().find(|scheme| scheme.name == *default) else {
        return source.problem(format!(
            "Unable to set DefaultAuthorizer because '{}' was not defined in 'Authorizers'.",
            default.text
        ));
    };
    for path in document::path_names(doc) {
        openapi::authorize_path(doc, &path, default, &found.scopes())?;
    }
    Ok(())
}

fn stage(source: &Source, tags: Option<&Dict>) -> Resource {
    let name = source.truthy("StageName").cloned().unwrap_or_else(|| DEFAULT_STAGE.into());
    let text = name.text().unwrap_or_default();
    let id = &source.id.text;
    let id = if is_alphanumeric(text) {
        format!("{id}{text}Stage")
    } else if text == DEFAULT_STAGE {
        format!("{id}ApiGatewayDefaultStage")
    } else {
        digest::id(&format!("{id}Stage"), text)
    };
    let mut stage = Resource::new(id, "AWS::ApiGatewayV2::Stage", source.passed())
        .with("ApiId", reference(source.id.clone()))
        .with("StageName", name)
        .with("AutoDeploy", true);
    for name in STAGE {
        stage = stage.with_some(name, source.get(name));
    }
    match tags {
        Some(tags) => stage.with("Tags", tags.clone()),
        None => stage,
    }
}
