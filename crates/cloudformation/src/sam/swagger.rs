//! The OpenAPI document of a REST API, as functions' events and the API's own properties change it.

use super::authorizers::Authorizer;
use super::document::{self, INTEGRATION, check_paths, each_definition, each_method, invalid, items};
use super::node::{Dict, Node, Text, conditional, dict, ordered, reference};
use super::problem::Result;
use super::resource_policy;

const SECURITY: &str = "securityDefinitions";
const RESPONSES: &str = "x-amazon-apigateway-gateway-responses";
const VALIDATORS: &str = "x-amazon-apigateway-request-validators";
const VALIDATOR: &str = "x-amazon-apigateway-request-validator";
const POLICY: &str = "x-amazon-apigateway-policy";
const BINARY: &str = "x-amazon-apigateway-binary-media-types";
const ENDPOINT: &str = "x-amazon-apigateway-endpoint-configuration";

/// A document that is being changed.
///
/// What SAM copies on the way is brought into a copy's order here ([`Dict::recopy`]), and what it adds at the end
/// is added by [`Swagger::finish`]: the digest of a deployment depends on it.
pub struct Swagger {
    doc: Dict,
    security: Dict,
    responses: Dict,
    models: Dict,
}

/// Whether this is a document.
pub fn is_valid(doc: Option<&Node>) -> bool {
    let Some(doc) = doc.and_then(Node::dict) else { return false };
    let version =
        doc.truthy("swagger").is_some() || doc.truthy("openapi").is_some_and(document::is_version_3);
    version && doc.get("paths").is_some_and(|paths| paths.dict().is_some())
}

/// A document without paths.
pub fn skeleton() -> Node {
    let info = ordered([("version", "1.0".into()), ("title", reference("AWS::StackName"))]);
    ordered([("swagger", "2.0".into()), ("info", info), ("paths", Dict::ordered().into())])
}

fn member(doc: &Dict, name: &str) -> Dict {
    doc.truthy(name).and_then(Node::dict).cloned().unwrap_or_else(Dict::ordered)
}

impl Swagger {
    /// Begins to change a document.
    pub fn open(doc: Option<&Node>) -> Result<Self> {
        let Some(Node::Dict(doc)) = doc.filter(|doc| is_valid(Some(doc))) else {
            return invalid(
                "Invalid Swagger document or the Swagger document is not explicitly defined in 'DefinitionBody'.",
            );
        };
        let mut doc = doc.clone();
        doc.recopy();
        check_paths(&doc)?;
        let (security, responses) = (member(&doc, SECURITY), member(&doc, RESPONSES));
        let models = member(&doc, "definitions");
        Ok(Self { doc, security, responses, models })
    }

    /// The document.
    pub fn finish(mut self) -> Node {
        for (name, value) in
            [(SECURITY, self.security), (RESPONSES, self.responses), ("definitions", self.models)]
        {
            if !value.is_empty() {
                self.doc.insert(name, value);
            }
        }
        self.doc.recopy();
        self.doc.into()
    }

    /// The document as it stands.
    pub fn doc(&mut self) -> &mut Dict {
        &mut self.doc
    }

    /// The paths, in order.
    pub fn paths(&self) -> Vec<String> {
        document::path_names(&self.doc)
    }

    /// Calls a function for path and method.
    pub fn integrate(&mut self, path: &Text, method: &Text, call: &Integration) -> Result<()> {
        document::add_path(&mut self.doc, path, method)?;
        let method = document::method_name(method);
        for item in items(&mut self.doc, &path.text)? {
            let Some(definition) = item.get_mut(&method.text) else { continue };
            let Node::Dict(methods) = definition else {
                return invalid(format!(
                    "Definition of method '{}' for path '{}' should be a map.",
                    method.text, path.text
                ));
            };
            let uri = match &call.condition {
                Some(condition) => conditional(condition.clone(), call.uri.clone()),
                None => call.uri.clone(),
            };
            let mut integration = Dict::ordered();
            integration.insert("type", "aws_proxy");
            integration.insert("httpMethod", "POST");
            integration.insert("uri", uri);
            if call.streams {
                integration.insert("responseTransferMode", "STREAM");
            }
            if let Some(credentials) = &call.credentials {
                integration.insert("credentials", credentials.clone());
            }
            methods.insert(INTEGRATION, integration);
            methods.entry("responses", || Dict::ordered().into());
            if let Some(condition) = &call.condition {
                *definition = conditional(condition.clone(), definition.clone());
            }
        }
        Ok(())
    }

    /// Limits the time of a method's integration.
    pub fn time_out(&mut self, path: &str, method: &Text, millis: &Node) -> Result<()> {
        each_definition(&mut self.doc, path, method, |definition| {
            if let Some(integration) = definition.get_mut(INTEGRATION).and_then(Node::dict_mut) {
                integration.insert("timeoutInMillis", millis.clone());
            }
            Ok(())
        })
    }

    /// Answers the preflight requests of a path, unless it does so itself.
    pub fn add_cors(&mut self, path: &str, cors: &Cors) -> Result<()> {
        for item in items(&mut self.doc, path)? {
            if item.contains("options") {
                continue;
            }
            let methods = cors.methods.clone().unwrap_or_else(|| allowed_methods(item).into());
            item.insert("options", cors.options(&methods));
        }
        Ok(())
    }

    /// Says who may call the methods of a path.
    pub fn restrict(&mut self, config: &Dict, path: &str, stage: &Node) -> Result<()> {
        let mut policy = member(&self.doc, POLICY);
        let paths = self.doc.get("paths").and_then(Node::dict);
        let found = paths.and_then(|paths| paths.members().find(|(name, _)| name.text == path));
        if let Some((name, item)) = found {
            resource_policy::add(&mut policy, config, &name, item, stage)?;
        }
        self.doc.insert(POLICY, policy);
        Ok(())
    }

    /// Adds statements to the policy of who may call.
    pub fn add_statements(&mut self, config: &Dict) {
        if let Some(statements) = config.truthy("CustomStatements") {
            let mut policy = member(&self.doc, POLICY);
            resource_policy::add_custom(&mut policy, statements);
            self.doc.insert(POLICY, policy);
        }
    }

    /// Names types of bodies that are binary.
    pub fn add_binary_types(&mut self, types: &Node) {
        self.doc.insert(BINARY, unescaped(types));
    }

    /// Answers errors of the gateway in other words.
    pub fn add_response(&mut self, name: Text, response: Dict) {
        self.responses.insert(name, response);
    }

    /// Adds models, by their names in lower case.
    pub fn add_models(&mut self, models: &Dict) -> Result<()> {
        for (name, schema) in models.members() {
            if schema.dict().and_then(|schema| schema.truthy("type")).is_none() {
                return invalid("'Models' schema is missing 'type'.");
            }
            self.models.insert(name.with(name.text.to_lowercase()), schema.clone());
        }
        Ok(())
    }

    /// Says what a method's body must be.
    pub fn require_model(
        &mut self,
        path: &str,
        method: &Text,
        model: &Text,
        required: Option<&Node>,
    ) -> Result<()> {
        let name = model.with(model.text.to_lowercase());
        let is_2 = self.doc.some("swagger").is_some();
        each_definition(&mut self.doc, path, method, |definition| {
            if is_2 {
                let schema = dict([("$ref", format!("#/definitions/{}", name.text).into())]);
                let mut parameter = Dict::ordered();
                parameter.insert("in", "body");
                parameter.insert("name", name.clone());
                parameter.insert("schema", schema);
                if let Some(required) = required {
                    parameter.insert("required", required.clone());
                }
                push(definition, "parameters", parameter.into())
            } else {
                let schema = dict([("$ref", format!("#/components/schemas/{}", name.text).into())]);
                let mut body = Dict::new();
                body.insert("content", dict([("application/json", dict([("schema", schema)]))]));
                if let Some(required) = required {
                    body.insert("required", required.clone());
                }
                definition.insert("requestBody", body);
                Ok(())
            }
        })
    }

    /// Checks a method's requests before its integration is called.
    pub fn validate(&mut self, path: &str, method: &Text, body: bool, parameters: bool) -> Result<()> {
        let name = match (body, parameters) {
            (true, true) => "body-and-params",
            (true, false) => "body-only",
            (false, true) => "params-only",
            (false, false) => "no-validation",
        };
        if self.doc.truthy(VALIDATORS).is_none() {
            self.doc.insert(VALIDATORS, Dict::ordered());
        }
        if let Some(validators) = self.doc.get_mut(VALIDATORS).and_then(Node::dict_mut)
            && validators.truthy(name).is_none()
        {
            let validator = ordered([
                ("validateRequestBody", body.into()),
                ("validateRequestParameters", parameters.into()),
            ]);
            if let Node::Dict(one) = ordered([(name, validator)]) {
                validators.update(&one);
            }
        }
        each_definition(&mut self.doc, path, method, |definition| {
            if let Node::Dict(one) = ordered([(VALIDATOR, name.into())]) {
                definition.update(&one);
            }
            Ok(())
        })
    }

    /// Declares parameters of a method's requests: name, whether required, whether part of the cache's key.
    pub fn add_parameters(
        &mut self,
        path: &str,
        method: &Text,
        parameters: &[(Text, Node, bool)],
    ) -> Result<()> {
        each_definition(&mut self.doc, path, method, |definition| {
            for (full, required, caches) in parameters {
                let short = full.text.replace("method.request.", "");
                let (place, name) = short.split_once('.').unwrap_or((&short, ""));
                let place = if place == "querystring" { "query".into() } else { full.with(place) };
                let mut parameter = Dict::ordered();
                parameter.insert("in", place);
                parameter.insert("name", full.with(name));
                parameter.insert("required", required.clone());
                parameter.insert("type", "string");
                push(definition, "parameters", parameter.into())?;
                if let Some(integration) = definition.get_mut(INTEGRATION).and_then(Node::dict_mut)
                    && *caches
                {
                    push(integration, "cacheKeyParameters", full.clone().into())?;
                }
            }
            Ok(())
        })
    }

    /// Lets the API be reached by its own domains alone, or not.
    pub fn disable_endpoint(&mut self, disable: &Node) -> Result<()> {
        if self.doc.truthy("openapi").is_some_and(document::is_version_3) {
            let servers =
                self.doc.entry("servers", || vec![Dict::ordered().into()].into()).and_then(Node::list_mut);
            for server in servers.into_iter().flatten() {
                let Node::Dict(server) = server else {
                    return invalid("Invalid OpenAPI definition of 'servers': it must be a list of maps.");
                };
                set_endpoint(server, disable)?;
            }
            return Ok(());
        }
        set_endpoint(&mut self.doc, disable)
    }

    /// Declares the authorizers of the API.
    pub fn add_authorizers(&mut self, authorizers: &[Authorizer]) -> Result<()> {
        for authorizer in authorizers {
            self.security.insert(authorizer.name.clone(), authorizer.swagger()?);
        }
        Ok(())
    }

    /// Declares signatures as a way to be authorised.
    fn add_iam(&mut self) {
        let definition = ordered([
            ("x-amazon-apigateway-authtype", "awsSigv4".into()),
            ("type", "apiKey".into()),
            ("name", "Authorization".into()),
            ("in", "header".into()),
        ]);
        self.declare("AWS_IAM", definition);
    }

    /// Declares API keys as a way to be authorised.
    pub fn add_api_keys(&mut self) {
        let definition =
            ordered([("type", "apiKey".into()), ("name", "x-api-key".into()), ("in", "header".into())]);
        self.declare("api_key", definition);
    }

    fn declare(&mut self, name: &str, definition: Node) {
        if let Node::Dict(one) = ordered([(name, definition)])
            && !self.security.contains(name)
        {
            self.security.update(&one);
        }
    }

    /// Authorises a method by an authorizer, with scopes.
    pub fn authorize(&mut self, path: &str, method: &Text, name: &Text, scopes: Option<&Node>) -> Result<()> {
        let mut iam = false;
        each_definition(&mut self.doc, path, method, |definition| {
            let mut security = document::security(definition, path, &method.text)?;
            let mut one = Dict::ordered();
            one.insert(name.clone(), scopes.cloned().unwrap_or_else(|| Vec::new().into()));
            security.push(one.into());
            iam |= begins_with_iam(&security);
            definition.insert("security", security);
            Ok(())
        })?;
        if iam {
            self.add_iam();
        }
        Ok(())
    }

    /// Asks for an API key, or says that the API's own wish for one does not hold here.
    pub fn require_key(&mut self, path: &str, method: &Text, required: bool) -> Result<()> {
        if required {
            self.add_api_keys();
        }
        let name = if required { "api_key" } else { "api_key_false" };
        each_definition(&mut self.doc, path, method, |definition| {
            let mut security = document::security(definition, path, &method.text)?;
            security.push(ordered([(name, Vec::new().into())]));
            definition.insert("security", security);
            Ok(())
        })
    }

    /// Authorises every method of a path that says nothing else by the API's authorizer.
    pub fn authorize_path(&mut self, path: &str, default: &Text, of: &DefaultAuthorizer<'_>) -> Result<()> {
        let mut iam = false;
        each_method(&mut self.doc, path, |method, definition| {
            if method == "options" && !of.preflight {
                return Ok(());
            }
            let existing = document::security(definition, path, method)?;
            let is_authorizer = |item: &Node| {
                let keys = item.dict().map(Dict::keys).unwrap_or_default();
                keys.into_iter().any(|key| key == "AWS_IAM" || of.names.contains(&key))
            };
            let (own, mut others): (Vec<Node>, Vec<Node>) = existing.into_iter().partition(is_authorizer);
            let none = others.iter().position(|item| item.dict().is_some_and(|item| item.contains("NONE")));
            match none {
                Some(position) => {
                    others.remove(position);
                }
                None if !own.is_empty() => others.extend(own),
                None => {
                    let mut one = Dict::ordered();
                    one.insert(default.clone(), of.scopes.clone());
                    others.push(one.into());
                }
            }
            if !others.is_empty() {
                iam |= begins_with_iam(&others);
                definition.insert("security", others);
            }
            Ok(())
        })?;
        if iam {
            self.add_iam();
        }
        Ok(())
    }

    /// Asks for an API key on every method of a path that says nothing else.
    pub fn require_key_on_path(&mut self, path: &str, preflight: bool) -> Result<()> {
        each_method(&mut self.doc, path, |method, definition| {
            let existing = document::security(definition, path, method)?;
            let has = |item: &Node, key: &str| item.dict().is_some_and(|item| item.contains(key));
            let refused = existing.iter().any(|item| has(item, "api_key_false"));
            let mut security: Vec<Node> = existing
                .iter()
                .filter(|item| !has(item, "api_key") && !has(item, "api_key_false"))
                .cloned()
                .collect();
            if !refused && (method != "options" || preflight) {
                security.push(ordered([("api_key", Vec::new().into())]));
            }
            if security != existing {
                definition.insert("security", security);
            }
            Ok(())
        })
    }
}

/// What methods that say nothing of their own are authorised by.
pub struct DefaultAuthorizer<'a> {
    /// The names of all authorizers.
    pub names: Vec<&'a str>,
    /// The scopes of the one.
    pub scopes: Node,
    /// Whether preflight requests are authorised too.
    pub preflight: bool,
}

/// How a method calls a function.
pub struct Integration {
    /// What is called.
    pub uri: Node,
    /// Whether the answer is streamed.
    pub streams: bool,
    /// As whom it is called.
    pub credentials: Option<Node>,
    /// The condition of the function.
    pub condition: Option<Node>,
}

fn begins_with_iam(security: &[Node]) -> bool {
    security.first().and_then(Node::dict).is_some_and(|first| first.contains("AWS_IAM"))
}

fn push(dict: &mut Dict, name: &str, item: Node) -> Result<()> {
    let mut items = match dict.get(name) {
        None => Vec::new(),
        Some(Node::List(items)) => items.clone(),
        Some(_) => return invalid(format!("Value of '{name}' must be a list according to Swagger spec.")),
    };
    items.push(item);
    dict.insert(name, items);
    Ok(())
}

fn set_endpoint(holder: &mut Dict, disable: &Node) -> Result<()> {
    match holder.entry(ENDPOINT, || Dict::new().into()) {
        Some(Node::Dict(config)) => {
            config.insert("disableExecuteApiEndpoint", disable.clone());
            Ok(())
        }
        _ => invalid(format!("Invalid OpenAPI definition: The value of '{ENDPOINT}' should be a map.")),
    }
}

/// Types as templates wrote them when `/` had to be written `~1`.
fn unescaped(node: &Node) -> Node {
    match node {
        Node::Text(text) => Node::Text(Text::own(text.text.replace("~1", "/"))),
        Node::List(items) => Node::List(items.iter().map(unescaped).collect()),
        Node::Dict(dict) => {
            let mut all = Dict::ordered();
            for (key, value) in dict.members() {
                all.insert(Text::own(key.text.replace("~1", "/")), unescaped(value));
            }
            all.into()
        }
        other => other.clone(),
    }
}

fn allowed_methods(item: &Dict) -> String {
    const ALL: [&str; 7] = ["DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];
    let mut methods: Vec<String> = if item.contains(document::ANY) {
        ALL.map(str::to_owned).to_vec()
    } else {
        item.keys().into_iter().chain(["options"]).map(str::to_uppercase).collect()
    };
    methods.sort_unstable();
    methods.dedup();
    format!("'{}'", methods.join(","))
}

/// What answers to preflight requests say.
pub struct Cors {
    /// Who may call.
    pub origin: Node,
    /// With which headers.
    pub headers: Option<Node>,
    /// With which methods; none: those that there are.
    pub methods: Option<Node>,
    /// For how long this holds.
    pub max_age: Option<Node>,
    /// Whether with cookies.
    pub credentials: bool,
}

impl Cors {
    fn options(&self, methods: &Node) -> Node {
        let name = |header: &str| format!("method.response.header.{header}");
        let kind = |kind: &str| dict([("type", kind.into())]);
        let (mut values, mut headers) = (Dict::ordered(), Dict::ordered());
        let mut add = |header: &str, value: Node, of: &str| {
            values.insert(name(header), value);
            headers.insert(header, kind(of));
        };
        add("Access-Control-Allow-Origin", self.origin.clone(), "string");
        if let Some(allowed) = self.headers.clone().filter(Node::is_truthy) {
            add("Access-Control-Allow-Headers", allowed, "string");
        }
        add("Access-Control-Allow-Methods", methods.clone(), "string");
        if let Some(age) = self.max_age.clone() {
            add("Access-Control-Max-Age", age, "integer");
        }
        if self.credentials {
            add("Access-Control-Allow-Credentials", "'true'".into(), "string");
        }
        let json = |text: &str| dict([("application/json", text.into())]);
        let answer = ordered([
            ("statusCode", "200".into()),
            ("responseParameters", values.into()),
            ("responseTemplates", json("{}\n")),
        ]);
        let integration = ordered([
            ("type", "mock".into()),
            ("requestTemplates", json("{\n  \"statusCode\" : 200\n}\n")),
            ("responses", ordered([("default", answer)])),
        ]);
        let response = ordered([
            ("description", "Default response for CORS method".into()),
            ("headers", headers.into()),
        ]);
        ordered([
            ("summary", "CORS support".into()),
            ("consumes", vec!["application/json".into()].into()),
            ("produces", vec!["application/json".into()].into()),
            (INTEGRATION, integration),
            ("responses", ordered([("200", response)])),
        ])
    }
}
