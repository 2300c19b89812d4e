//! Authorizers of REST APIs.

use super::node::{Dict, Node, Text, ordered, sub};
use super::problem::{Problem, Result};
use super::resource::{Resource, Source};

const AUTHORIZER: &str = "x-amazon-apigateway-authorizer";
const KNOWN: [&str; 7] = [
    "UserPoolArn",
    "FunctionArn",
    "Identity",
    "FunctionPayloadType",
    "FunctionInvokeRole",
    "AuthorizationScopes",
    "DisableFunctionDefaultPermissions",
];

/// An authorizer, its configuration checked.
pub struct Authorizer {
    /// Its name.
    pub name: Text,
    api: String,
    kind: Kind,
    config: Dict,
    identity: Dict,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Iam,
    Token,
    Request,
}

/// The authorizers of an API, with the one for signatures if that is the default.
pub fn read(source: &Source, auth: &Dict, with_default: bool) -> Result<Vec<Authorizer>> {
    let mut all = Vec::new();
    let default = auth.get("DefaultAuthorizer").and_then(Node::as_text);
    if let Some(name) = default.filter(|name| with_default && name.text == "AWS_IAM") {
        let api = source.id.text.clone();
        let (config, identity) = (Dict::new(), Dict::new());
        all.push(Authorizer { name: name.clone(), api, kind: Kind::Iam, config, identity });
    }
    let Some(configured) = auth.truthy("Authorizers") else { return Ok(all) };
    for (name, config) in source.map(configured, "Auth.Authorizers")?.members() {
        let config = source.map(config, &format!("Auth.Authorizers.{}", name.text))?;
        let read = one(source, &name, config)?;
        all.retain(|there| there.name != name);
        all.push(read);
    }
    Ok(all)
}

fn one(source: &Source, name: &Text, config: &Dict) -> Result<Authorizer> {
    let text = &name.text;
    if let Some(unknown) = config.keys().into_iter().find(|key| !KNOWN.contains(key)) {
        return source.problem(format!("Property 'Auth.Authorizers.{text}.{unknown}' is not supported."));
    }
    if config.truthy("UserPoolArn").is_some() {
        return source.problem(format!("Property 'Auth.Authorizers.{text}.UserPoolArn' is not supported."));
    }
    let kind = match config.some("FunctionPayloadType").map(|kind| (kind.text(), kind)) {
        None | Some((Some("TOKEN"), _)) => Kind::Token,
        Some((Some("REQUEST"), _)) => Kind::Request,
        Some((_, other)) => {
            let other = super::digest::python(other);
            return source.problem(format!("{text} Authorizer has invalid 'FunctionPayloadType': {other}."));
        }
    };
    let identity = match config.truthy("Identity") {
        None => Dict::new(),
        Some(Node::Dict(identity)) => identity.clone(),
        Some(_) => return source.problem(format!("Property 'Authorizer.{text}.Identity' should be a map.")),
    };
    if kind == Kind::Request && lacks_source(&identity) {
        return source.problem(format!(
            "{text} Authorizer must specify Identity with at least one of Headers, QueryStrings, StageVariables, or Context."
        ));
    }
    if config.some("AuthorizationScopes").is_some_and(|scopes| scopes.list().is_none()) {
        return source
            .problem(format!("Property 'Authorizers.{text}.AuthorizationScopes' should be a list."));
    }
    let permissions = config.some("DisableFunctionDefaultPermissions");
    if permissions.is_some_and(|flag| !matches!(flag, Node::Bool(_))) {
        return source.problem(format!(
            "Property 'Authorizers.{text}.DisableFunctionDefaultPermissions' should be a boolean."
        ));
    }
    Ok(Authorizer { name: name.clone(), api: source.id.text.clone(), kind, config: config.clone(), identity })
}

fn lacks_source(identity: &Dict) -> bool {
    let none = ["Headers", "QueryStrings", "StageVariables", "Context"]
        .iter()
        .all(|name| identity.truthy(name).is_none());
    let ttl = identity.some("ReauthorizeEvery").map(super::digest::python);
    none && ttl.and_then(|ttl| ttl.parse::<i64>().ok()).is_none_or(|ttl| ttl > 0)
}

impl Authorizer {
    /// The scopes that a caller needs.
    pub fn scopes(&self) -> Node {
        self.config.some("AuthorizationScopes").cloned().unwrap_or_else(|| Vec::new().into())
    }

    /// The authorizer as a document declares it.
    pub fn swagger(&self) -> Result<Dict> {
        let header = match self.kind {
            Kind::Request => "Unused".into(),
            _ => self.identity.truthy("Header").cloned().unwrap_or_else(|| "Authorization".into()),
        };
        let way = if self.kind == Kind::Iam { "awsSigv4" } else { "custom" };
        let mut swagger = Dict::ordered();
        swagger.insert("type", "apiKey");
        swagger.insert("name", header);
        swagger.insert("in", "header");
        swagger.insert("x-amazon-apigateway-authtype", way);
        if self.kind != Kind::Iam {
            swagger.insert(AUTHORIZER, self.function()?);
        }
        Ok(swagger)
    }

    fn function(&self) -> Result<Dict> {
        let kind = if self.kind == Kind::Request { "request" } else { "token" };
        let Node::Dict(mut function) = ordered([("type", kind.into())]) else { return Ok(Dict::new()) };
        let arn = self.config.get("FunctionArn").cloned().unwrap_or(Node::Null);
        let uri = "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${__FunctionArn__}/invocations";
        function.insert("authorizerUri", sub(uri, [("__FunctionArn__", arn)]));
        if let Some(seconds) = self.identity.some("ReauthorizeEvery") {
            function.insert("authorizerResultTtlInSeconds", seconds.clone());
        }
        if let Some(role) = self.config.truthy("FunctionInvokeRole").filter(|r| r.text() != Some("NONE")) {
            function.insert("authorizerCredentials", role.clone());
        }
        if self.kind == Kind::Request {
            let source = self.identity_source()?;
            if !source.text.is_empty() {
                function.insert("identitySource", source);
            }
        } else if let Some(expression) = self.identity.truthy("ValidationExpression") {
            function.insert("identityValidationExpression", expression.clone());
        }
        Ok(function)
    }

    fn identity_source(&self) -> Result<Text> {
        const PLACES: [(&str, &str); 4] = [
            ("Headers", "method.request.header."),
            ("QueryStrings", "method.request.querystring."),
            ("StageVariables", "stageVariables."),
            ("Context", "context."),
        ];
        let (mut sources, mut own) = (Vec::new(), false);
        for (name, prefix) in PLACES {
            let Some(values) = self.identity.truthy(name) else { continue };
            let path = format!("Auth.Authorizers.{}.Identity.{name}", self.name.text);
            let wrong =
                |what: &str| Problem::resource(&self.api, format!("Property '{path}' should be {what}."));
            for value in values.list().ok_or_else(|| wrong("a list"))? {
                let value = value.as_text().ok_or_else(|| wrong("a list of strings"))?;
                own |= value.own;
                sources.push(format!("{prefix}{}", value.text));
            }
        }
        Ok(Text { text: sources.join(", "), own })
    }

    /// What lets the API call the authorizer's function.
    pub fn permission(&self, source: &Source) -> Option<Resource> {
        let function = self.config.truthy("FunctionArn")?;
        if self.config.truthy("DisableFunctionDefaultPermissions").is_some() {
            return None;
        }
        let arn = "arn:aws:execute-api:${AWS::Region}:${AWS::AccountId}:${__ApiId__}/authorizers/*";
        let id = format!("{}{}AuthorizerPermission", self.api, self.name.text);
        Some(
            Resource::new(id, "AWS::Lambda::Permission", source.passed())
                .with("Action", "lambda:InvokeFunction")
                .with("FunctionName", function.clone())
                .with("Principal", "apigateway.amazonaws.com")
                .with("SourceArn", sub(arn, [("__ApiId__", super::node::reference(self.api.as_str()))])),
        )
    }
}
