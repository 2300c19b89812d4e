//! The event `HttpApi`: a route of an HTTP API.

use super::super::document::{self, ANY, permission_path};
use super::super::function::Surroundings;
use super::super::implicit::{MANAGED, api_id};
use super::super::node::{Dict, Node, sub};
use super::super::openapi::{self, DEFAULT_PATH};
use super::super::problem::{Problem, Result};
use super::super::resource::Resource;
use super::Event;
use super::api::{Route, integration_uri};

/// Lets the API call the function, and makes it do so.
pub fn transform(event: &Event<'_>, around: &mut Surroundings<'_>) -> Result<Vec<Resource>> {
    let route = Route::read(event)?;
    let missing =
        "ApiId must be a valid reference to an 'AWS::Serverless::HttpApi' resource in same template.";
    let id = api_id(event.get("ApiId")).and_then(Node::text);
    let Some(id) = id.map(str::to_owned) else { return event.problem(missing) };
    let resource = around.resources.get_mut(&id).and_then(Node::dict_mut);
    let properties = resource.and_then(|r| r.entry("Properties", || Dict::new().into()));
    let Some(api) = properties.and_then(Node::dict_mut) else { return event.problem(missing) };
    let permission = permission(&route, api);
    if api.some("DefinitionBody").is_some() {
        integrate(&route, &id, api)?;
    }
    Ok(permission.into_iter().collect())
}

/// What lets the API call the function, unless its default route does that already.
fn permission(route: &Route<'_, '_>, api: &Dict) -> Option<Resource> {
    let mut path = route.path.text.as_str();
    if path == DEFAULT_PATH {
        path = "";
    } else if api.get("DefinitionBody").and_then(Node::dict).is_some_and(|doc| calls_by_default(doc, route)) {
        return None;
    }
    let path = permission_path(path, false);
    let method = match route.method.text.as_str() {
        "any" | ANY => "*".to_owned(),
        method => method.to_uppercase(),
    };
    let place =
        if route.method.text == "any" && path == "/$default" { path } else { format!("/{method}{path}") };
    let arn = format!(
        "arn:${{AWS::Partition}}:execute-api:${{AWS::Region}}:${{AWS::AccountId}}:${{__ApiId__}}/${{__Stage__}}{place}"
    );
    let api = route.event.get("ApiId").cloned().unwrap_or(Node::Null);
    Some(
        route
            .event
            .permission("apigateway.amazonaws.com", "")
            .with("SourceArn", sub(arn, [("__ApiId__", api), ("__Stage__", "*".into())])),
    )
}

fn calls_by_default(doc: &Dict, route: &Route<'_, '_>) -> bool {
    let path = doc.get("paths").and_then(Node::dict).and_then(|paths| paths.get(DEFAULT_PATH));
    let name = format!("${{{}.Arn}}", route.event.target.id);
    let calls = |definition: &Node| {
        let integration = definition.dict().and_then(|d| d.get(document::INTEGRATION)).and_then(Node::dict);
        let uri = integration.and_then(|integration| integration.get("uri"));
        uri.is_some_and(|uri| {
            document::contents(uri).into_iter().all(|uri| {
                let text = uri.dict().and_then(|uri| uri.get("Fn::Sub")).and_then(Node::text);
                text.is_some_and(|text| text.contains(&name))
            })
        })
    };
    path.is_some_and(|path| {
        let definitions: Vec<&Node> = document::contents(path)
            .into_iter()
            .filter_map(|item| item.dict().and_then(|item| item.get(ANY)))
            .flat_map(document::contents)
            .collect();
        !definitions.is_empty() && definitions.into_iter().all(calls)
    })
}

fn integrate(route: &Route<'_, '_>, id: &str, api: &mut Dict) -> Result<()> {
    let (event, path, method) = (route.event, &route.path, &route.method);
    let mut doc = openapi::open(api.get("DefinitionBody"))?;
    if api.truthy(MANAGED).is_some() && document::has_integration(&doc, path, method) {
        return event.problem(format!(
            "API method '{}' defined multiple times for path '{}'.",
            method.text, path.text
        ));
    }
    let uri = integration_uri(event, "${AWS::Partition}", false);
    openapi::integrate(&mut doc, path, method, &uri, event.target.condition.as_ref())?;
    if let Some(own) = event.truthy("Auth").and_then(Node::dict) {
        authorize(route, own, id, api, &mut doc)?;
    }
    if let Some(millis) = event.truthy("TimeoutInMillis") {
        openapi::set_integration(&mut doc, &path.text, method, "timeoutInMillis", millis)?;
    }
    let names = path_parameters(&path.text);
    if !names.is_empty() {
        openapi::add_path_parameters(&mut doc, &path.text, method, &names)?;
    }
    if let Some(version) = event.truthy("PayloadFormatVersion") {
        openapi::set_integration(&mut doc, &path.text, method, "payloadFormatVersion", version)?;
    }
    api.insert("DefinitionBody", doc);
    Ok(())
}

/// What stands in braces.
fn path_parameters(path: &str) -> Vec<&str> {
    path.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name)).collect()
}

fn authorize(route: &Route<'_, '_>, own: &Dict, id: &str, api: &Dict, doc: &mut Dict) -> Result<()> {
    const KNOWN: [&str; 2] = ["Authorizer", "AuthorizationScopes"];
    let event = route.event;
    if let Some(unknown) = own.keys().into_iter().find(|key| !KNOWN.contains(key)) {
        return event.problem(format!("Property 'Auth.{unknown}' is not supported."));
    }
    let empty = Dict::new();
    let auth = match api.some("Auth") {
        None => &empty,
        Some(auth) => auth.dict().ok_or_else(|| Problem::resource(id, "Property 'Auth' should be a map."))?,
    };
    let Some(name) = own.truthy("Authorizer").or(auth.truthy("DefaultAuthorizer")) else {
        return event.problem(
            "'Auth' section requires either an explicit 'Authorizer' set or a 'DefaultAuthorizer' configured on the HttpApi.",
        );
    };
    let name = check(route, name, auth)?;
    let scopes = match own.truthy("AuthorizationScopes") {
        Some(scopes) if scopes.list().is_none() => {
            let (method, path) = (&route.method.text, &route.path.text);
            return event.problem(format!(
                "Unable to set Authorizer on API method [{method}] for path [{path}] because 'AuthorizationScopes' must be a \
                 list of strings."
            ));
        }
        scopes => scopes,
    };
    let config = auth.get("Authorizers").and_then(Node::dict).and_then(|all| all.get(&name.text));
    let config = config.and_then(Node::dict).filter(|_| !["NONE", "AWS_IAM"].contains(&name.text.as_str()));
    let scopes = config.and_then(|config| scopes.or(config.truthy("AuthorizationScopes")));
    let scopes = scopes.cloned().unwrap_or_else(|| Vec::new().into());
    openapi::authorize(doc, &route.path.text, &route.method, &name, scopes)
}

fn check(route: &Route<'_, '_>, name: &Node, auth: &Dict) -> Result<super::Text> {
    let what = format!("Authorizer [{}]", super::super::digest::python(name));
    let iam = auth.get("EnableIamAuthorizer").is_some_and(Node::is_true);
    let authorizers = auth.truthy("Authorizers").and_then(Node::dict);
    match name.as_text() {
        Some(name) if name.text == "NONE" && auth.truthy("DefaultAuthorizer").is_some() => Ok(name.clone()),
        Some(name) if name.text == "NONE" => route.unable(
            "Authorizer",
            "because 'NONE' is only a valid value when a DefaultAuthorizer on the API is specified.",
        ),
        Some(name) if name.text == "AWS_IAM" && iam => Ok(name.clone()),
        Some(name) => match authorizers {
            Some(all) if all.truthy(&name.text).is_some() => Ok(name.clone()),
            Some(_) => route.unable(&what, "because it wasn't defined in the API's Authorizers."),
            None => route.unable(&what, "because the related API does not define any Authorizers."),
        },
        None => route.unable(&what, "because it must be a string."),
    }
}
