//! What a simulation is asked to decide.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ropeway_api::iam as api;
use ropeway_wire::{Cx, Error};

use super::named;
use crate::access::Known;
use crate::limits;
use crate::model::Kind;
use crate::ops::IamService;
use crate::policy::{AttachedPolicy, Context, Policy, PolicyKind, Principal};

/// Context entries of a simulation: Ropeway's own bound, as many as a request is likely to have keys.
const CONTEXT_ENTRIES: usize = 1000;

/// The parameters that the simulating operations have in common.
pub(super) struct Asked {
    pub boundary: Option<Vec<String>>,
    pub actions: Vec<String>,
    pub resources: Option<Vec<String>>,
    pub resource_policy: Option<String>,
    pub owner: Option<String>,
    pub caller: Option<String>,
    pub context: Option<Vec<api::ContextEntry>>,
    pub max_items: Option<i64>,
    pub marker: Option<String>,
}

/// What requests are simulated in.
pub(super) struct Scene {
    pub caller: Principal,
    pub boundary: Option<AttachedPolicy>,
    pub resource_policy: Option<AttachedPolicy>,
    /// Who owns resources whose ARN does not tell.
    pub owner: String,
    pub actions: Vec<String>,
    pub resources: Vec<String>,
    pub context: Context<'static>,
    /// The first action of the page, and how many it may have.
    pub page: (usize, usize),
}

impl Scene {
    /// Checks the parameters. `source` is the user, role or group whose policies are simulated.
    pub fn new(iam: &IamService, cx: &Cx, asked: Asked, source: Option<&Known>) -> Result<Self, Error> {
        let user = source.filter(|known| known.kind == Kind::User);
        if asked.resource_policy.is_some() && asked.caller.is_none() && user.is_none() {
            return Err(invalid("CallerArn is required when a ResourcePolicy is simulated without a user"));
        }
        let caller = match (&asked.caller, source) {
            (Some(arn), _) => caller(iam, arn)?,
            (None, Some(known)) => as_caller(known),
            (None, None) => Principal::user(&cx.account, "", ""),
        };
        let boundary = match asked.boundary.as_deref().unwrap_or_default() {
            [] => source.and_then(|known| iam.access.boundary(known)),
            [one] => parse_policies("PermissionsBoundaryPolicyInputList", std::slice::from_ref(one))?.pop(),
            _ => return Err(invalid("PermissionsBoundaryPolicyInputList can have one policy only")),
        };
        let resource_policy = asked.resource_policy.as_deref().map(|document| {
            let policy = Policy::parse(document, PolicyKind::Resource);
            let policy = policy.map_err(|error| invalid(format!("ResourcePolicy: {error}")))?;
            Ok::<_, Error>(AttachedPolicy { name: "ResourcePolicy".into(), policy: Arc::new(policy) })
        });
        asked.actions.iter().try_for_each(|action| check_action(action))?;
        let resources = asked.resources.filter(|all| !all.is_empty()).unwrap_or_else(|| vec!["*".to_owned()]);
        resources.iter().try_for_each(|resource| check_resource(resource))?;
        Ok(Scene {
            owner: match asked.owner.as_deref() {
                Some(owner) => account(owner)?.to_owned(),
                None => caller.account.clone(),
            },
            boundary,
            resource_policy: resource_policy.transpose()?,
            page: page(asked.marker.as_deref(), asked.max_items)?,
            context: context(asked.context.unwrap_or_default())?,
            actions: asked.actions,
            resources,
            caller,
        })
    }

    /// The account that owns a resource.
    pub fn owner_of<'a>(&'a self, resource: &'a str) -> &'a str {
        resource.split(':').nth(4).filter(|account| !account.is_empty()).unwrap_or(&self.owner)
    }
}

/// A request that makes no sense.
pub(super) fn invalid(message: impl Into<String>) -> Error {
    api::error::invalid_input_exception(message)
}

/// Identity-based policies of a request; each goes by its place.
pub(super) fn parse_policies(parameter: &str, documents: &[String]) -> Result<Vec<AttachedPolicy>, Error> {
    let parse = |(n, document): (usize, &String)| {
        let name = format!("{parameter}.{}", n + 1);
        let policy = Policy::parse(document, PolicyKind::Identity);
        let policy = policy.map_err(|error| invalid(format!("{name}: {error}")))?;
        Ok(AttachedPolicy { name: name.into(), policy: Arc::new(policy) })
    };
    documents.iter().enumerate().map(parse).collect()
}

/// Where the page begins and its length. A marker is the number of the next action.
fn page(marker: Option<&str>, max_items: Option<i64>) -> Result<(usize, usize), Error> {
    let first = match marker {
        None => 0,
        Some(marker) => {
            let text = URL_SAFE_NO_PAD.decode(marker).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            text.and_then(|text| text.parse().ok()).ok_or_else(|| invalid("Invalid Marker."))?
        }
    };
    let most = max_items.and_then(|most| usize::try_from(most).ok()).unwrap_or(limits::PAGE as usize);
    Ok((first, most))
}

/// The marker of the page that begins with an action.
pub(super) fn marker(first: usize) -> String {
    URL_SAFE_NO_PAD.encode(first.to_string())
}

/// The user of `CallerArn`, who need not exist.
fn caller(iam: &IamService, arn: &str) -> Result<Principal, Error> {
    let no_user = || invalid(format!("CallerArn must be the ARN of an IAM user, not {arn}"));
    let account = arn.split(':').nth(4).filter(|account| is_account(account)).ok_or_else(no_user)?;
    let (_, name) = named(arn).filter(|(kind, _)| *kind == Kind::User).ok_or_else(no_user)?;
    let known = iam.access.named(account, Kind::User, name).filter(|known| known.arn == arn);
    Ok(known.map_or_else(|| Principal::user(account, arn, ""), |known| as_caller(&known)))
}

/// The user itself, a session of the role, or someone in the group.
fn as_caller(known: &Known) -> Principal {
    if let Some(user) = &known.user {
        return user.clone();
    }
    let mut principal = match known.kind {
        Kind::Role => Principal::assumed_role(&known.account, &known.arn, &known.id, "simulation"),
        Kind::User | Kind::Group => Principal::user(&known.account, "", ""),
    };
    principal.tags = known.tags.clone();
    principal
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// The account of `ResourceOwner`: its id, or its ARN.
fn account(owner: &str) -> Result<&str, Error> {
    let inner = owner.strip_prefix("arn:aws:iam::").and_then(|rest| rest.strip_suffix(":root"));
    let id = inner.unwrap_or(owner);
    if is_account(id) { Ok(id) } else { Err(invalid(format!("ResourceOwner {owner} is no account"))) }
}

/// `service:Name`, without wildcards.
fn check_action(action: &str) -> Result<(), Error> {
    let part = |text: &str| {
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    match action.split_once(':') {
        Some((service, name)) if part(service) && part(name) => Ok(()),
        _ => Err(invalid(format!("Invalid Action: {action}"))),
    }
}

fn check_resource(resource: &str) -> Result<(), Error> {
    let is_arn = resource.starts_with("arn:") && resource.splitn(6, ':').count() == 6;
    match is_arn || resource == "*" {
        true => Ok(()),
        false => Err(invalid(format!("Resource {resource} must be in ARN format or \"*\"."))),
    }
}

/// The condition keys of a request. Values must be of the type that the entry names.
fn context(entries: Vec<api::ContextEntry>) -> Result<Context<'static>, Error> {
    if entries.len() > CONTEXT_ENTRIES {
        return Err(invalid(format!("ContextEntries can have {CONTEXT_ENTRIES} entries at most")));
    }
    let mut context = Context::simulated();
    for entry in entries {
        let name = entry.context_key_name.ok_or_else(|| invalid("A context entry needs a ContextKeyName"))?;
        let values = entry.context_key_values.unwrap_or_default();
        let kind = entry.context_key_type.unwrap_or_else(|| "string".to_owned());
        let one = kind.strip_suffix("List").unwrap_or(&kind);
        if kind == one && values.len() > 1 {
            return Err(invalid(format!("The context key {name} is of type {kind} and has several values")));
        }
        if let Some(wrong) = values.iter().find(|value| !fits(one, value)) {
            return Err(invalid(format!("The value {wrong} of the context key {name} is no {one}")));
        }
        context.set_many(name, values);
    }
    Ok(context)
}

fn fits(kind: &str, value: &str) -> bool {
    match kind {
        "numeric" => value.parse::<f64>().is_ok_and(f64::is_finite),
        "boolean" => value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false"),
        "ip" => value.split('/').next().is_some_and(|address| address.parse::<std::net::IpAddr>().is_ok()),
        "binary" => STANDARD.decode(value).is_ok(),
        "date" => crate::policy::is_date(value),
        _ => true,
    }
}
