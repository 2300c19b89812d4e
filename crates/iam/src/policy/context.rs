//! What a request brings to its evaluation.

use std::borrow::Cow;

use super::arn::{self, ArnParts};
use super::principal::{Principal, PrincipalKind};

/// A request to be decided.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// The IAM action, such as `sqs:SendMessage`; letter case is disregarded.
    pub action: &'a str,
    /// The resource's ARN, or `*` for an action that has none: only the pattern `*` matches that.
    pub resource: &'a str,
    /// The account that owns the resource (an S3 ARN does not tell); the caller's own where there is none.
    pub resource_account: &'a str,
    /// Condition keys and values.
    pub context: &'a Context<'a>,
}

/// The condition keys of a request and their values.
///
/// Keys that follow from the principal and the resource's account need not be set, and setting them has no
/// effect, save in a simulation: `aws:PrincipalArn`, `aws:PrincipalAccount`, `aws:PrincipalType`, `aws:PrincipalTag/...`,
/// `aws:userid`, `aws:username`, `aws:PrincipalIsAWSService`, `aws:PrincipalServiceName`,
/// `aws:ResourceAccount`.
#[derive(Debug, Clone, Default)]
pub struct Context<'a> {
    entries: Vec<(Cow<'a, str>, Held<'a>)>,
    over_principal: bool,
}

#[derive(Debug, Clone)]
enum Held<'a> {
    One(Cow<'a, str>),
    Many(Vec<Cow<'a, str>>),
}

impl<'a> Context<'a> {
    /// No keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// No keys yet, for a simulation: those set come before the ones that follow from the principal.
    pub fn simulated() -> Self {
        Context { over_principal: true, ..Self::default() }
    }

    /// Sets a key with one value, in place of what it had. Key names disregard letter case.
    pub fn set(&mut self, key: impl Into<Cow<'a, str>>, value: impl Into<Cow<'a, str>>) -> &mut Self {
        self.put(key.into(), Held::One(value.into()))
    }

    /// Sets a key with any number of values, in place of what it had. A key without values counts as absent.
    pub fn set_many<V: Into<Cow<'a, str>>>(
        &mut self,
        key: impl Into<Cow<'a, str>>,
        values: impl IntoIterator<Item = V>,
    ) -> &mut Self {
        let values: Vec<_> = values.into_iter().map(Into::into).collect();
        self.put(key.into(), Held::Many(values))
    }

    fn put(&mut self, key: Cow<'a, str>, held: Held<'a>) -> &mut Self {
        match self.entries.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&key)) {
            Some(entry) => entry.1 = held,
            None => self.entries.push((key, held)),
        }
        self
    }

    fn get(&self, key: &str) -> Option<Values<'_>> {
        let (_, held) = self.entries.iter().find(|(known, _)| known.eq_ignore_ascii_case(key))?;
        match held {
            Held::One(value) => Some(Values::One(value)),
            Held::Many(values) if values.is_empty() => None,
            Held::Many(values) => Some(Values::Many(values)),
        }
    }
}

/// The values of a key: at least one.
#[derive(Debug, Clone, Copy)]
pub(super) enum Values<'a> {
    One(&'a str),
    Many(&'a [Cow<'a, str>]),
}

impl Values<'_> {
    pub(super) fn any(&self, mut test: impl FnMut(&str) -> bool) -> bool {
        match self {
            Values::One(value) => test(value),
            Values::Many(values) => values.iter().any(|value| test(value)),
        }
    }

    pub(super) fn all(&self, mut test: impl FnMut(&str) -> bool) -> bool {
        !self.any(|value| !test(value))
    }
}

/// A condition key of a policy, resolved to where its values come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    PrincipalArn,
    PrincipalAccount,
    PrincipalType,
    PrincipalTag(Box<str>),
    PrincipalIsService,
    PrincipalServiceName,
    UserId,
    UserName,
    ResourceAccount,
    Context(Box<str>),
}

impl Key {
    pub(super) fn new(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "aws:principalarn" => Key::PrincipalArn,
            "aws:principalaccount" => Key::PrincipalAccount,
            "aws:principaltype" => Key::PrincipalType,
            "aws:principalisawsservice" => Key::PrincipalIsService,
            "aws:principalservicename" => Key::PrincipalServiceName,
            "aws:userid" => Key::UserId,
            "aws:username" => Key::UserName,
            "aws:resourceaccount" => Key::ResourceAccount,
            lower => match lower.strip_prefix("aws:principaltag/") {
                // The letters that it was written in.
                Some(tag) => Key::PrincipalTag(name.get(name.len() - tag.len()..).unwrap_or(tag).into()),
                None => Key::Context(name.into()),
            },
        }
    }
}

impl Key {
    /// Its name, as AWS writes it.
    pub(super) fn name(&self) -> Cow<'_, str> {
        Cow::Borrowed(match self {
            Key::PrincipalArn => "aws:PrincipalArn",
            Key::PrincipalAccount => "aws:PrincipalAccount",
            Key::PrincipalType => "aws:PrincipalType",
            Key::PrincipalIsService => "aws:PrincipalIsAWSService",
            Key::PrincipalServiceName => "aws:PrincipalServiceName",
            Key::UserId => "aws:userid",
            Key::UserName => "aws:username",
            Key::ResourceAccount => "aws:ResourceAccount",
            Key::Context(name) => name,
            Key::PrincipalTag(tag) => return Cow::Owned(format!("aws:PrincipalTag/{tag}")),
        })
    }
}

/// A request under evaluation, with what is worth working out once.
#[derive(Debug)]
pub(super) struct Evaluation<'a> {
    pub(super) request: Request<'a>,
    pub(super) resource_parts: Option<ArnParts<'a>>,
    /// The principal has a permissions boundary.
    pub(super) bounded: bool,
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(request: &Request<'a>, bounded: bool) -> Self {
        Evaluation { request: *request, resource_parts: arn::split(request.resource), bounded }
    }

    /// The key's values; `None` when the request has none.
    pub(super) fn values(&self, key: &Key) -> Option<Values<'_>> {
        match key {
            Key::Context(name) => self.request.context.get(name),
            _ => self.simulated(key).or_else(|| self.derived(key).map(Values::One)),
        }
    }

    /// What a simulation says that the principal has.
    fn simulated(&self, key: &Key) -> Option<Values<'_>> {
        let context = self.request.context;
        if context.over_principal { context.get(&key.name()) } else { None }
    }

    /// The key's value, if it has exactly one.
    pub(super) fn single(&self, key: &Key) -> Option<&str> {
        match self.values(key)? {
            Values::One(value) => Some(value),
            Values::Many([value]) => Some(value),
            Values::Many(_) => None,
        }
    }

    /// Keys that follow from who asks; see "Principal key values" in the IAM User Guide.
    fn derived(&self, key: &Key) -> Option<&str> {
        let principal = self.request.principal;
        match (key, &principal.kind) {
            (Key::ResourceAccount, _) => filled(self.request.resource_account),
            (Key::PrincipalTag(tag), _) => {
                let found = principal.tags.iter().find(|(name, _)| name.eq_ignore_ascii_case(tag));
                found.map(|(_, value)| value.as_str())
            }
            (Key::PrincipalAccount, _) => filled(&principal.account),
            (Key::PrincipalArn, PrincipalKind::AssumedRole { role_arn, .. }) => Some(role_arn),
            (Key::PrincipalArn, PrincipalKind::Root | PrincipalKind::User { .. }) => filled(&principal.arn),
            (Key::PrincipalType, kind) => principal_type(kind),
            (Key::UserId, _) => filled(&principal.unique_id),
            (Key::UserName, PrincipalKind::User { name }) => filled(name),
            (Key::PrincipalIsService, PrincipalKind::Service { .. }) => Some("true"),
            (Key::PrincipalIsService, PrincipalKind::Anonymous) => None,
            (Key::PrincipalIsService, _) => Some("false"),
            (Key::PrincipalServiceName, PrincipalKind::Service { name }) => Some(name),
            _ => None,
        }
    }
}

fn filled(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn principal_type(kind: &PrincipalKind) -> Option<&'static str> {
    match kind {
        PrincipalKind::Root => Some("Account"),
        PrincipalKind::User { .. } => Some("User"),
        PrincipalKind::AssumedRole { .. } => Some("AssumedRole"),
        PrincipalKind::Federated { .. } => Some("FederatedUser"),
        PrincipalKind::Anonymous => Some("Anonymous"),
        PrincipalKind::Service { .. } => None,
    }
}
