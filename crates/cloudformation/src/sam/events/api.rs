//! The event `Api`: a method of a REST API.

use super::super::document::{self, permission_path};
use super::super::function::Surroundings;
use super::super::implicit::{MANAGED, api_id};
use super::super::node::{Dict, Node, Text, ordered, sub};
use super::super::problem::{Problem, Result};
use super::super::resource::Resource;
use super::super::resource_policy;
use super::super::swagger::{Integration, Swagger};
use super::Event;

/// An event whose path and method are known.
pub struct Route<'e, 'a> {
    /// The event.
    pub event: &'e Event<'a>,
    /// The path.
    pub path: Text,
    /// The method, in lower case.
    pub method: Text,
}

impl<'e, 'a> Route<'e, 'a> {
    /// Reads path and method of an event.
    pub fn read(event: &'e Event<'a>) -> Result<Self> {
        let text = |name: &str| {
            let value = event.get(name).and_then(Node::as_text).cloned();
            let wrong = || Problem::event(&event.name.text, format!("Property '{name}' should be a string."));
            value.ok_or_else(wrong)
        };
        let method = text("Method")?;
        let method = method.with(method.text.to_lowercase());
        Ok(Self { event, path: text("Path")?, method })
    }

    /// The error that something cannot be set.
    pub fn unable<T>(&self, what: &str, why: &str) -> Result<T> {
        let (method, path) = (&self.method.text, &self.path.text);
        self.event.problem(format!("Unable to set {what} on API method [{method}] for path [{path}] {why}"))
    }
}

/// What the function is called as: the URI of an integration.
pub fn integration_uri(event: &Event<'_>, partition: &str, streams: bool) -> Node {
    let (version, call) = if streams {
        ("2021-11-15", "response-streaming-invocations")
    } else {
        ("2015-03-31", "invocations")
    };
    let (name, own) = match event.target.arn.intrinsic() {
        Some(("Ref", Node::Text(id))) => (id.text.clone(), false),
        Some((_, Node::List(items))) => {
            let parts: Vec<&str> = items.iter().filter_map(Node::text).collect();
            (parts.join("."), items.first().and_then(Node::as_text).is_some_and(|id| id.own))
        }
        _ => (event.target.id.clone(), false),
    };
    let text = format!(
        "arn:{partition}:apigateway:${{AWS::Region}}:lambda:path/{version}/functions/${{{name}}}/{call}"
    );
    ordered([("Fn::Sub", Node::Text(Text { text, own }))])
}

/// Lets the API call the function, and makes it do so if SAM manages its document.
pub fn transform(event: &Event<'_>, around: &mut Surroundings<'_>) -> Result<Vec<Resource>> {
    let route = Route::read(event)?;
    let missing = "RestApiId property of Api event must reference a valid resource in the same template.";
    let id = api_id(event.get("RestApiId")).and_then(Node::text);
    let Some(id) = id.map(str::to_owned) else { return event.problem(missing) };
    let resource = around.resources.get_mut(&id).and_then(Node::dict_mut);
    let Some(resource) = resource else { return event.problem(missing) };
    let properties = resource.entry("Properties", || Dict::new().into()).and_then(Node::dict_mut);
    let Some(properties) = properties else {
        return Err(Problem::resource(&id, "Attribute 'Properties' should be a map."));
    };
    let stage = match properties.get("StageName") {
        Some(Node::Text(stage)) if stage.text.is_empty() => {
            return Err(Problem::resource(&id, "StageName cannot be empty."));
        }
        Some(Node::Text(stage)) => stage.text.clone(),
        _ => "Stage".to_owned(),
    };
    let permission = permission(&route, &stage);
    if properties.truthy(MANAGED).is_some() && properties.some("DefinitionBody").is_some() {
        if let Some(auth) = properties.some("Auth") {
            let auth = around.parameters.resolve(auth)?;
            properties.insert("Auth", auth);
        }
        integrate(&route, &id, properties)?;
    }
    Ok(vec![permission])
}

fn permission(route: &Route<'_, '_>, stage: &str) -> Resource {
    let method = if route.method.text == "any" { "*".to_owned() } else { route.method.text.to_uppercase() };
    let path = permission_path(&route.path.text, true);
    let arn = format!(
        "arn:aws:execute-api:${{AWS::Region}}:${{AWS::AccountId}}:${{__ApiId__}}/${{__Stage__}}/{method}{path}"
    );
    let api = route.event.get("RestApiId").cloned().unwrap_or(Node::Null);
    route
        .event
        .permission("apigateway.amazonaws.com", stage)
        .with("SourceArn", sub(arn, [("__ApiId__", api), ("__Stage__", "*".into())]))
}

fn integrate(route: &Route<'_, '_>, id: &str, api: &mut Dict) -> Result<()> {
    let (event, path, method) = (route.event, &route.path, &route.method);
    let mut swagger = Swagger::open(api.get("DefinitionBody"))?;
    if document::has_integration(swagger.doc(), path, method) {
        return event.problem(format!(
            "API method \"{}\" defined multiple times for path \"{}\".",
            method.text, path.text
        ));
    }
    let own = event.truthy("Auth").and_then(Node::dict);
    let stage = match api.get("StageName") {
        Some(stage @ Node::Text(_)) => stage.clone(),
        _ => "Stage".into(),
    };
    let auth = match api.truthy("Auth") {
        None => Dict::ordered(),
        Some(Node::Dict(auth)) => auth.clone(),
        Some(_) => return Err(Problem::resource(id, "Property 'Auth' should be a map.")),
    };
    let streams = event.get("ResponseTransferMode").and_then(Node::text) == Some("RESPONSE_STREAM");
    let call = Integration {
        uri: integration_uri(event, "aws", streams),
        streams,
        credentials: credentials(own, &auth),
        condition: event.target.condition.clone(),
    };
    swagger.integrate(path, method, &call)?;
    if let Some(own) = own {
        authorize(route, own, &auth, &stage, &mut swagger)?;
    }
    if let Some(millis) = event.truthy("TimeoutInMillis") {
        swagger.time_out(&path.text, method, millis)?;
    }
    if let Some(model) = event.truthy("RequestModel").and_then(Node::dict) {
        set_model(route, model, api.get("Models"), &mut swagger)?;
    }
    if let Some(parameters) = event.truthy("RequestParameters").and_then(Node::list) {
        swagger.add_parameters(&path.text, method, &request_parameters(event, parameters)?)?;
    }
    api.insert("DefinitionBody", swagger.finish());
    Ok(())
}

/// As whom a method that asks for signatures calls the function: its caller, or a role.
fn credentials(own: Option<&Dict>, api: &Dict) -> Option<Node> {
    let is_iam = |auth: &Dict, name: &str| auth.get(name).and_then(Node::text) == Some("AWS_IAM");
    let applies = match own {
        Some(own) => is_iam(own, "Authorizer"),
        None => is_iam(api, "DefaultAuthorizer"),
    };
    if !applies {
        return None;
    }
    let role = |auth: &Dict| match (auth.truthy("InvokeRole"), auth.contains("InvokeRole")) {
        (Some(role), _) => Some(role.clone()),
        (None, true) => Some("NONE".into()),
        (None, false) => None,
    };
    let role = own.and_then(role).or_else(|| role(api));
    match role.as_ref().map(|role| (role, role.text())) {
        None | Some((_, Some("CALLER_CREDENTIALS"))) => Some("arn:aws:iam::*:user/*".into()),
        Some((_, Some("NONE"))) => None,
        Some((role, _)) => Some(role.clone()),
    }
}

fn authorize(
    route: &Route<'_, '_>,
    own: &Dict,
    api: &Dict,
    stage: &Node,
    swagger: &mut Swagger,
) -> Result<()> {
    const KNOWN: [&str; 5] =
        ["Authorizer", "AuthorizationScopes", "ApiKeyRequired", "InvokeRole", "ResourcePolicy"];
    if let Some(unknown) = own.keys().into_iter().find(|key| !KNOWN.contains(key)) {
        return route.event.problem(format!("Property 'Auth.{unknown}' is not supported."));
    }
    let authorizers = api.truthy("Authorizers");
    let scopes = own.truthy("AuthorizationScopes");
    if scopes.is_some_and(|scopes| scopes.list().is_none()) {
        return route.event.problem("Property 'Auth.AuthorizationScopes' should be a list.");
    }
    let key = own.some("ApiKeyRequired");
    if let Some(name) = own.truthy("Authorizer") {
        let name = check_authorizer(route, name, authorizers, api)?;
        let found = authorizers.and_then(Node::dict).and_then(|all| all.get(&name.text)).and_then(Node::dict);
        let scopes =
            found.and_then(|found| own.some("AuthorizationScopes").or(found.some("AuthorizationScopes")));
        swagger.authorize(&route.path.text, &route.method, &name, scopes)?;
    } else if scopes.is_some() {
        return route.event.problem("AuthorizationScopes works only when Authorizer is set");
    }
    if let Some(key) = key {
        if !key.is_truthy() && api.truthy("ApiKeyRequired").is_none() {
            return route.unable(
                "ApiKeyRequired [False]",
                "because the related API does not specify any ApiKeyRequired.",
            );
        }
        swagger.require_key(&route.path.text, &route.method, key.is_truthy())?;
    }
    if let Some(policy) = own.truthy("ResourcePolicy") {
        let wrong = |what| Problem::event(&route.event.name.text, what);
        let policy = resource_policy::read(policy).map_err(wrong)?;
        swagger.restrict(policy, &route.path.text, stage)?;
        swagger.add_statements(policy);
    }
    Ok(())
}

fn check_authorizer(
    route: &Route<'_, '_>,
    name: &Node,
    authorizers: Option<&Node>,
    api: &Dict,
) -> Result<Text> {
    let printed = super::super::digest::python(name);
    let Some(name) = name.as_text() else {
        let why =
            ". The method authorizer must be a string with a corresponding dict entry in the api authorizer.";
        let (method, path) = (&route.method.text, &route.path.text);
        return route.event.problem(format!(
            "Unable to set Authorizer [{printed}] on API method [{method}] for path [{path}]{why}"
        ));
    };
    match name.text.as_str() {
        "AWS_IAM" => {}
        "NONE" if api.truthy("DefaultAuthorizer").is_some() => {}
        "NONE" => {
            return route.unable(
                "Authorizer",
                "because 'NONE' is only a valid value when a DefaultAuthorizer on the API is specified.",
            );
        }
        _ => {
            let what = format!("Authorizer [{printed}]");
            let Some(all) = authorizers else {
                return route.unable(&what, "because the related API does not define any Authorizers.");
            };
            if all.dict().and_then(|all| all.truthy(&name.text)).is_none() {
                return route.unable(&what, "because it wasn't defined in the API's Authorizers.");
            }
        }
    }
    Ok(name.clone())
}

fn set_model(
    route: &Route<'_, '_>,
    request: &Dict,
    models: Option<&Node>,
    swagger: &mut Swagger,
) -> Result<()> {
    let Some(model) = request.truthy("Model") else { return Ok(()) };
    let what = format!("RequestModel [{}]", super::super::digest::python(model));
    let Some(models) = models.filter(|models| models.is_truthy()) else {
        return route.unable(&what, "because the related API does not define any Models.");
    };
    let (Some(model), Some(models)) = (model.as_text(), models.dict()) else {
        return route.unable(&what, "because the related API does not contain valid Models.");
    };
    if models.truthy(&model.text).is_none() {
        return route.unable(&what, "because it wasn't defined in the API's Models.");
    }
    let path = &route.path.text;
    swagger.require_model(path, &route.method, model, request.some("Required"))?;
    let flag = |name: &str| match request.some(name) {
        None => Some(None),
        Some(Node::Bool(flag)) => Some(Some(*flag)),
        Some(_) => None,
    };
    match (flag("ValidateBody"), flag("ValidateParameters")) {
        (Some(None), Some(None)) => Ok(()),
        (Some(body), Some(parameters)) => {
            let (body, parameters) = (body.unwrap_or(false), parameters.unwrap_or(false));
            swagger.validate(path, &route.method, body, parameters)
        }
        _ => {
            let (method, model) = (&route.method.text, &model.text);
            route.event.problem(format!(
                "Unable to set Validator to RequestModel [{model}] on API method [{method}] for path [{path}] ValidateBody and \
                 ValidateParameters must be a boolean type, strings or intrinsics are not supported."
            ))
        }
    }
}

fn request_parameters(event: &Event<'_>, given: &[Node]) -> Result<Vec<(Text, Node, bool)>> {
    const PLACES: [&str; 3] =
        ["method.request.querystring.", "method.request.path.", "method.request.header."];
    let wrong = |why: &str| {
        Problem::event(&event.name.text, format!("Invalid value for 'RequestParameters' property. {why}"))
    };
    let mut parameters = Vec::new();
    for parameter in given {
        let (name, settings) = match parameter {
            Node::Text(name) => (name.clone(), Dict::new()),
            Node::Dict(one) => match one.members().next() {
                Some((name, Node::Dict(settings))) => (name, settings.clone()),
                _ => {
                    return Err(wrong("Values must be an object, e.g { Required: true, Caching: false }"));
                }
            },
            _ => return Err(wrong("Property must be either a string or an object")),
        };
        if !PLACES.iter().any(|place| name.text.starts_with(place)) {
            return Err(wrong(
                "Keys must be in the format 'method.request.[querystring|path|header].{value}', e.g \
                 'method.request.header.Authorization'.",
            ));
        }
        if settings.keys().into_iter().any(|key| !["Required", "Caching"].contains(&key)) {
            return Err(wrong("Values must be an object, e.g { Required: true, Caching: false }"));
        }
        let required = settings.get("Required").cloned().unwrap_or(Node::Bool(false));
        parameters.push((name, required, settings.truthy("Caching").is_some()));
    }
    Ok(parameters)
}
