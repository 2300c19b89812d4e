//! What a caller asks for, checked: templates, parameters, tags, capabilities.

use std::collections::{BTreeMap, BTreeSet};

use ropeway_api::cloudformation::{Parameter, SERVICE, Tag};
use ropeway_api::sns;
use ropeway_wire::tags::is_system;
use ropeway_wire::{Cx, Error, Keys};

use super::CloudFormation;
use super::macros::Transforms;
use crate::error;
use crate::keys::StackKey;
use crate::model::{Caller, Definition, OnFailure, Operation, OperationKind, ParameterValue, Phase};
use crate::providers::Registry;
use crate::runner::{HOST, environment};
use crate::template::{Evaluation, KNOWN_AFTER_APPLY, Resource, Template, Types, check};
use crate::transforms::{AUTO_EXPAND, is_transformed, unexpanded};

/// Tags of a stack at most. Source: CloudFormation's quotas.
const MAX_TAGS: usize = 50;
/// Topics that are told of a stack's events at most (the API's constraint).
const MAX_TOPICS: usize = 5;
/// The longest stack name, in characters.
const MAX_NAME: usize = 128;

/// A stack's name as the service takes it.
pub fn check_name(name: &str) -> Result<(), Error> {
    let rest = name.strip_prefix(|first: char| first.is_ascii_alphabetic());
    let valid = rest.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'));
    let constraint = if !valid {
        "Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*".to_owned()
    } else if name.len() > MAX_NAME {
        format!("Member must have length less than or equal to {MAX_NAME}")
    } else {
        return Ok(());
    };
    Err(error::validation(format!(
        "1 validation error detected: Value '{name}' at 'stackName' failed to satisfy constraint: {constraint}"
    )))
}

/// What a request makes of a stack.
pub struct Asked<'a> {
    /// The template's text.
    pub body: String,
    /// The parameters.
    pub parameters: Option<Vec<Parameter>>,
    /// The tags; none: those from before.
    pub tags: Option<Vec<Tag>>,
    /// What the caller acknowledges.
    pub capabilities: Vec<String>,
    /// ARNs of topics that are told of its events; none: those from before.
    pub notifications: Option<Vec<String>>,
    /// The types that its resources may be of; none: any.
    pub types: Option<Vec<String>>,
    /// What the stack is made of now.
    pub before: Option<&'a Definition>,
    /// Whether the caller must acknowledge that transforms expand the template. A change set shows what they make of
    /// it, and asks for nothing.
    pub expands: bool,
    /// Whether values may be unknown until something has been made: a change set shows what it would come to.
    pub foresees: bool,
}

/// What a request comes to.
pub enum Defined {
    /// What the stack shall be made of.
    Whole(Box<Definition>),
    /// The transforms of the template failed, or what they made of it is wrong: what there is, and why.
    Failed(Box<Definition>, String),
}

impl Defined {
    /// The definition; a failure is the caller's error.
    pub fn whole(self) -> Result<Definition, Error> {
        match self {
            Self::Whole(definition) => Ok(*definition),
            Self::Failed(_, reason) => Err(error::validation(reason)),
        }
    }
}

/// Checks all that can be checked before anything is made.
///
/// # Errors
/// `ValidationError` with everything that is wrong with the template, or with parameters and tags;
/// `InsufficientCapabilitiesException`.
pub async fn define(
    service: &CloudFormation,
    cx: &Cx,
    key: &StackKey,
    asked: Asked<'_>,
) -> Result<Defined, Error> {
    let values = values(asked.parameters.unwrap_or_default(), asked.before)?;
    let unknown = values.iter().find(|(_, value)| value.contains(KNOWN_AFTER_APPLY)).map(|(name, _)| name);
    if let Some(name) = unknown.filter(|_| !asked.foresees) {
        let why = format!("Invalid input for parameter key {name}. {KNOWN_AFTER_APPLY} is reserved");
        return Err(error::validation(why));
    }
    let is_expanded = is_transformed(&asked.body)?;
    let acknowledged = asked.capabilities.iter().any(|given| given == AUTO_EXPAND);
    if is_expanded && asked.expands && !acknowledged {
        return Err(error::insufficient_capabilities(AUTO_EXPAND));
    }
    let notifications = match asked.notifications {
        Some(topics) => checked_topics(cx, topics)?,
        None => asked.before.map(|before| before.notifications.clone()).unwrap_or_default(),
    };
    let environment =
        environment(key, &Definition { notifications: notifications.clone(), ..Definition::default() });
    let transforms = Transforms {
        core: &service.core,
        services: &service.services,
        cx,
        key,
        environment: environment.clone(),
        values: &values,
    };
    let template = match transforms.expand(&asked.body).await {
        Ok(template) => template,
        Err(error) if is_expanded && error.status < 500 => {
            return Ok(failed(asked.body, String::new(), &error.message));
        }
        Err(error) => return Err(error),
    };
    match check(&template, &Registry) {
        Err(error) if is_expanded => return Ok(failed(asked.body, template.body, error.message())),
        checked => checked?,
    }
    let evaluation = Evaluation::new(&template, environment, &values)?;
    if unknown.is_none() {
        evaluation.check_rules()?;
    }
    check_types(&template, asked.types.as_deref())?;
    check_capabilities(&template, &asked.capabilities)?;
    let parameters = template.parameters.iter().filter_map(|(name, declared)| {
        let value = values.get(name).or(declared.default.as_ref())?.clone();
        Some(ParameterValue { key: name.clone(), value, no_echo: declared.no_echo })
    });
    let tags = next_tags(asked.tags, asked.before)?;
    Ok(Defined::Whole(Box::new(Definition {
        parameters: parameters.collect(),
        description: template.description.clone(),
        template: template.body.clone(),
        tags,
        capabilities: asked.capabilities,
        outputs: Vec::new(),
        imports: BTreeSet::new(),
        original: is_expanded.then_some(asked.body),
        notifications,
    })))
}

/// What is kept of a template whose transforms failed, or whose transformed form is wrong.
fn failed(given: String, template: String, why: &str) -> Defined {
    let mut reason = why.to_owned();
    if template.is_empty() {
        reason.push_str(&unrecognized(&given));
    }
    let definition = Definition { original: Some(given), template, ..Definition::default() };
    Defined::Failed(Box::new(definition), reason)
}

/// The types that would not be recognised either, had the transforms not failed.
fn unrecognized(given: &str) -> String {
    let Ok((template, _)) = unexpanded(given) else { return String::new() };
    let types = template.resources.values().map(|resource| resource.resource_type.as_str());
    let unknown: BTreeSet<&str> = types
        .filter(|name| !name.starts_with("AWS::Serverless::") && Registry.resource_type(name).is_none())
        .collect();
    if unknown.is_empty() {
        return String::new();
    }
    let names = unknown.into_iter().collect::<Vec<_>>().join(", ");
    format!("\nTemplate format error: Unrecognized resource types: [{names}]")
}

fn values(given: Vec<Parameter>, before: Option<&Definition>) -> Result<BTreeMap<String, String>, Error> {
    let mut values = BTreeMap::new();
    for parameter in given {
        let key = parameter.parameter_key.unwrap_or_default();
        let refuse =
            |why: &str| Err(error::validation(format!("Invalid input for parameter key {key}. {why}")));
        let value = match (parameter.parameter_value, parameter.use_previous_value.unwrap_or(false)) {
            (Some(value), false) => value,
            (None, false) => return refuse("Value must be specified or usePreviousValue must be true"),
            (Some(_), true) => {
                return refuse("Cannot specify usePreviousValue as true and non empty value for a parameter");
            }
            (None, true) => match before.and_then(|before| before.parameters.iter().find(|p| p.key == key)) {
                Some(previous) => previous.value.clone(),
                None => {
                    return refuse(
                        "Cannot specify usePreviousValue as true for a parameter key not in the previous template",
                    );
                }
            },
        };
        if values.insert(key.clone(), value).is_some() {
            return Err(error::validation(format!("Duplicate parameter keys: [{key}]")));
        }
    }
    Ok(values)
}

/// The tags that a stack shall have: those asked for, or those from before. A nested stack keeps the system's own.
fn next_tags(asked: Option<Vec<Tag>>, before: Option<&Definition>) -> Result<Vec<(String, String)>, Error> {
    let before = before.map(|before| before.tags.clone()).unwrap_or_default();
    let Some(asked) = asked else { return Ok(before) };
    let mut tags = tags_of(asked)?;
    tags.extend(before.into_iter().filter(|(key, _)| is_system(key)));
    Ok(tags)
}

/// Why a tag of this key is refused.
pub fn reserved_tag(key: &str) -> String {
    format!("Tag key {key} begins with aws:, which is reserved")
}

fn tags_of(tags: Vec<Tag>) -> Result<Vec<(String, String)>, Error> {
    if tags.len() > MAX_TAGS {
        return Err(error::validation(format!(
            "Number of tags, {}, exceeds the limit of {MAX_TAGS}",
            tags.len()
        )));
    }
    let mut seen = BTreeSet::new();
    for tag in &tags {
        if is_system(&tag.key) {
            return Err(error::validation(reserved_tag(&tag.key)));
        }
        if !seen.insert(tag.key.clone()) {
            return Err(error::validation(format!("Duplicate tag keys found: {}", tag.key)));
        }
    }
    Ok(tags.into_iter().map(|tag| (tag.key, tag.value)).collect())
}

/// The topics that are told of a stack's events: whoever asks for it may publish to them.
fn checked_topics(cx: &Cx, topics: Vec<String>) -> Result<Vec<String>, Error> {
    if topics.len() > MAX_TOPICS {
        return Err(error::validation(format!(
            "1 validation error detected: Value '[{}]' at 'notificationARNs' failed to satisfy constraint: Member must \
             have length less than or equal to {MAX_TOPICS}",
            topics.join(", ")
        )));
    }
    let own = format!("arn:aws:sns:{}:{}:", cx.region, cx.account);
    for topic in &topics {
        if !topic.starts_with(&own) {
            return Err(error::validation(format!("Invalid notification ARN: {topic}")));
        }
        cx.authorize(&sns::SERVICE, "sns:Publish", topic, &Keys::default())?;
    }
    Ok(topics)
}

/// The resources are of types that the request lets them be of: `AWS::*`, `AWS::S3::*`, `Custom::*`, or one by its name.
fn check_types(template: &Template, allowed: Option<&[String]>) -> Result<(), Error> {
    let Some(allowed) = allowed.filter(|allowed| !allowed.is_empty()) else { return Ok(()) };
    let fits = |kind: &str, pattern: &String| match pattern.strip_suffix('*') {
        Some(start) => kind.starts_with(start),
        None => kind == pattern,
    };
    let kinds = template.resources.values().map(|resource| resource.resource_type.as_str());
    let refused: BTreeSet<&str> =
        kinds.filter(|kind| !allowed.iter().any(|pattern| fits(kind, pattern))).collect();
    match refused.is_empty() {
        true => Ok(()),
        false => Err(error::validation(format!(
            "Resource type {} is not allowed by parameter ResourceTypes [{}]",
            refused.into_iter().collect::<Vec<_>>().join(", "),
            allowed.join(", ")
        ))),
    }
}

/// The capability that a template needs, and the types that need it.
pub fn required_capability(template: &Template) -> Option<(&'static str, Vec<String>)> {
    const NAMES: [&str; 4] = ["RoleName", "UserName", "GroupName", "ManagedPolicyName"];
    // A policy's `RoleName` says whose it is, not what it is called.
    const NAMED: [&str; 4] =
        ["AWS::IAM::Role", "AWS::IAM::User", "AWS::IAM::Group", "AWS::IAM::ManagedPolicy"];
    let iam = |resource: &&Resource| resource.resource_type.starts_with("AWS::IAM::");
    let types: BTreeSet<String> =
        template.resources.values().filter(iam).map(|resource| resource.resource_type.clone()).collect();
    let named = template.resources.values().filter(iam).any(|resource| {
        NAMED.contains(&resource.resource_type.as_str())
            && NAMES.iter().any(|name| resource.properties.contains_key(*name))
    });
    let capability = if named { "CAPABILITY_NAMED_IAM" } else { "CAPABILITY_IAM" };
    (!types.is_empty()).then(|| (capability, types.into_iter().collect()))
}

fn check_capabilities(template: &Template, given: &[String]) -> Result<(), Error> {
    let Some((required, _)) = required_capability(template) else { return Ok(()) };
    let has = |name: &str| given.iter().any(|given| given == name);
    if has("CAPABILITY_NAMED_IAM") || has(required) {
        return Ok(());
    }
    Err(error::insufficient_capabilities(required))
}

/// The operation of a request.
pub fn operation(
    cx: &Cx,
    id: String,
    kind: OperationKind,
    role_arn: Option<String>,
    token: Option<String>,
) -> Result<Operation, Error> {
    if let Some(role) = &role_arn {
        cx.pass_role(&SERVICE, role, HOST)?;
    }
    Ok(Operation {
        id,
        kind,
        phase: match kind {
            OperationKind::Create | OperationKind::Update | OperationKind::Import => Phase::Forward,
            OperationKind::Delete => Phase::Delete,
            OperationKind::ContinueRollback => Phase::Rollback,
        },
        on_failure: OnFailure::Rollback,
        deadline: None,
        caller: Caller::from(&*cx.principal),
        role_arn,
        token,
        retain: Vec::new(),
        skip: Vec::new(),
        cancelled: false,
        endpoint: cx.endpoint.clone(),
        trace: cx.trace.to_string(),
        held: false,
        policy: None,
        new_policy: None,
        imports: BTreeMap::new(),
        retain_except_on_create: false,
        forces: false,
        nested: BTreeMap::new(),
    })
}

/// What a request says about failures.
pub fn on_failure(text: Option<&str>) -> Option<OnFailure> {
    Some(match text? {
        "DO_NOTHING" => OnFailure::DoNothing,
        "DELETE" => OnFailure::Delete,
        _ => OnFailure::Rollback,
    })
}
