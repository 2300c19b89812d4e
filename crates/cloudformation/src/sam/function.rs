//! `AWS::Serverless::Function`.

use super::node::{Dict, Node, dict};
use super::problem::{Problem, Result};
use super::resolve::Parameters;
use super::resource::{Resource, Source, propagate_tags, tag_list};
use super::{code, events, invoke_config, role, url, version};

/// Properties that go into the function as they are.
const PASSED: [&str; 21] = [
    "FunctionName",
    "Handler",
    "Runtime",
    "Description",
    "MemorySize",
    "Timeout",
    "VpcConfig",
    "Role",
    "Environment",
    "KmsKeyArn",
    "ReservedConcurrentExecutions",
    "Layers",
    "FileSystemConfigs",
    "PackageType",
    "Architectures",
    "SnapStart",
    "EphemeralStorage",
    "CodeSigningConfigArn",
    "RuntimeManagementConfig",
    "LoggingConfig",
    "RecursiveLoop",
];
/// Tags that are SAM's own.
const RESERVED_TAGS: [&str; 3] =
    ["lambda:createdBy", "serverlessrepo:applicationId", "serverlessrepo:semanticVersion"];

/// What a function is transformed among.
pub struct Surroundings<'a> {
    /// The template's resources, some of which events change.
    pub resources: &'a mut Dict,
    /// The template's conditions, which grow.
    pub conditions: &'a mut Dict,
    /// The template's parameters.
    pub parameters: &'a Parameters,
}

/// What events and configurations of a function are made for: the function or its alias.
pub struct Target {
    /// How permissions and mappings name it.
    pub name: Node,
    /// Its ARN.
    pub arn: Node,
    /// The attributes of what is made for it.
    pub attributes: Dict,
    /// The condition under which it exists.
    pub condition: Option<Node>,
    /// The function's logical id, or the alias's.
    pub id: String,
}

/// The resources that a function generates.
pub fn transform(source: &Source, around: &mut Surroundings<'_>) -> Result<Vec<Resource>> {
    if let Some(queue) = source.truthy("DeadLetterQueue") {
        check_dead_letter_queue(source, queue)?;
    }
    let mut function = function(source, around.parameters)?;
    if source.truthy("ProvisionedConcurrencyConfig").is_some() && source.truthy("AutoPublishAlias").is_none()
    {
        return source
            .problem("To set ProvisionedConcurrencyConfig AutoPublishALias must be defined on the function");
    }
    let published = version::publish(source, &mut function, around)?;
    let target = target(source, &function, published.as_ref());
    let mut after: Vec<Resource> = Vec::new();
    if let Some(config) = source.truthy("FunctionUrlConfig") {
        after.extend(url::resources(source, config, &target)?);
    }
    let mut policies = Vec::new();
    if let Some(config) = source.truthy("EventInvokeConfig") {
        let alias = published.as_ref().map(|published| &published.alias);
        let invoke = invoke_config::transform(source, config, alias, around)?;
        after.extend(invoke.resources);
        policies = invoke.policies;
    }
    let mut role = role::role(source, policies, around.parameters)?;
    let has_role = role::attach(source, &mut function, &mut role, around)?;
    let generated = events::transform(source, &target, &mut role, around)?;
    let mut resources = vec![function];
    resources.extend(published.map(|published| [published.version, published.alias]).into_iter().flatten());
    resources.extend(after);
    resources.extend(has_role.then_some(role));
    resources.extend(generated);
    propagate_tags(&mut resources, source, source.get("PropagateTags").is_some_and(Node::is_truthy));
    Ok(resources)
}

fn target(source: &Source, function: &Resource, published: Option<&version::Published>) -> Target {
    match published {
        None => Target {
            name: function.reference(),
            arn: function.arn(),
            attributes: source.passed(),
            condition: source.attributes.get("Condition").cloned(),
            id: function.id.text.clone(),
        },
        Some(published) => Target {
            name: published.alias.reference(),
            arn: published.alias.reference(),
            attributes: source.passed(),
            condition: source.attributes.get("Condition").cloned(),
            id: published.alias.id.text.clone(),
        },
    }
}

fn function(source: &Source, parameters: &Parameters) -> Result<Resource> {
    check_package(source)?;
    let mut function = Resource::new(source.id.clone(), "AWS::Lambda::Function", source.attributes.clone())
        .after(source.depends_on.clone());
    for name in PASSED {
        function = function.with_some(name, source.get(name));
    }
    if source.truthy("FunctionName").is_none() {
        function.properties.remove("FunctionName");
    }
    function = function.with("Code", code_of(source)?).with("Tags", tags(source)?);
    if is_traced(source, parameters)? {
        let mode = source.get("Tracing").cloned().unwrap_or(Node::Null);
        function = function.with("TracingConfig", dict([("Mode", mode)]));
    }
    if let Some(arn) = source.truthy("DeadLetterQueue").and_then(Node::dict).and_then(|d| d.get("TargetArn"))
    {
        function = function.with("DeadLetterConfig", dict([("TargetArn", arn.clone())]));
    }
    Ok(function)
}

/// Whether calls of the function are traced.
pub fn is_traced(source: &Source, parameters: &Parameters) -> Result<bool> {
    match source.truthy("Tracing") {
        None => Ok(false),
        Some(mode) => Ok(parameters.resolve(mode)?.text() != Some("Disabled")),
    }
}

fn check_package(source: &Source) -> Result<()> {
    match source.truthy("PackageType").map(|kind| kind.text()) {
        None | Some(Some("Zip")) => {}
        Some(Some("Image")) => return source.problem("PackageType `Image` is not supported."),
        Some(_) => return source.problem("PackageType needs to be `Zip` or `Image`"),
    }
    if source.truthy("Runtime").is_none() || source.truthy("Handler").is_none() {
        return source.problem("Runtime and Handler needs to be present when PackageType is of type `Zip`");
    }
    Ok(())
}

fn code_of(source: &Source) -> Result<Node> {
    let mut code = match (source.get("InlineCode"), source.get("CodeUri")) {
        (None, None) => return source.problem("Only one of 'InlineCode' or 'CodeUri' can be set."),
        (Some(inline), _) => {
            let mut code = Dict::new();
            code.insert("ZipFile", inline.clone());
            code
        }
        (None, Some(uri)) => {
            code::location(uri, "CodeUri").map_err(|what| Problem::resource(&source.id.text, what))?
        }
    };
    if let Some(key) = source.truthy("SourceKMSKeyArn") {
        code.insert("SourceKMSKeyArn", key.clone());
    }
    Ok(code.into())
}

/// The tags of a function and its role: SAM's own, and the function's.
pub fn tags(source: &Source) -> Result<Node> {
    let own = source.get("Tags").and_then(Node::dict);
    if let Some(taken) = RESERVED_TAGS.iter().find(|tag| own.is_some_and(|own| own.contains(tag))) {
        return source.problem(format!(
            "{taken} is a reserved Tag key name and cannot be set on your resource. Please change the tag key in the input."
        ));
    }
    let mut tags = vec![dict([("Key", "lambda:createdBy".into()), ("Value", "SAM".into())])];
    if let Some(Node::List(rest)) = own.map(tag_list) {
        tags.extend(rest);
    }
    Ok(tags.into())
}

fn check_dead_letter_queue(source: &Source, queue: &Node) -> Result<()> {
    let queue = queue.dict();
    let member = |name: &str| queue.and_then(|queue| queue.truthy(name));
    let (Some(kind), Some(_)) = (member("Type"), member("TargetArn")) else {
        return source.problem("'DeadLetterQueue' requires Type and TargetArn properties to be specified.");
    };
    match kind.text() {
        Some("SQS" | "SNS") => Ok(()),
        Some(_) => source.problem("'DeadLetterQueue' requires Type of ['SQS', 'SNS']"),
        None => source.problem("Property 'DeadLetterQueue.Type' should be a string."),
    }
}
