//! Who asks, and the `Principal` and `NotPrincipal` elements that name who may.
//!
//! Sources: IAM User Guide, "AWS JSON policy elements: Principal" and "... NotPrincipal".

use std::collections::BTreeMap;

use ropeway_wire::canonical_id;

use super::document::{OneOrMany, RawPrincipal};
use super::error::PolicyError;

/// Who makes a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// What it is.
    pub kind: PrincipalKind,
    /// Its account: twelve digits; empty for services and anonymous callers.
    pub account: String,
    /// Its ARN: `arn:aws:iam::A:root`, `arn:aws:iam::A:user/N` or `arn:aws:sts::A:assumed-role/R/S`. For a
    /// service its name, for anonymous callers `anonymous`.
    pub arn: String,
    /// What `sts:GetCallerIdentity` answers as `UserId`: the account, `AIDA...` or `AROA...:session`.
    pub unique_id: String,
    /// Tags of the user, or of the role and session together.
    pub tags: BTreeMap<String, String>,
}

/// The kinds of principals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrincipalKind {
    /// The root user of an account.
    Root,
    /// An IAM user.
    User {
        /// Without its path.
        name: String,
    },
    /// A session of a role.
    AssumedRole {
        /// `arn:aws:iam::A:role/path/R`.
        role_arn: String,
        /// The name the session was given.
        session_name: String,
    },
    /// Someone an identity provider vouches for, who assumes a role with its token.
    Federated {
        /// The provider's ARN or host name.
        provider: String,
    },
    /// A service, acting for itself, by its name such as `s3.amazonaws.com`.
    Service {
        /// The service principal's name.
        name: String,
    },
    /// Nobody in particular.
    Anonymous,
}

impl Principal {
    /// The root user of an account of the `aws` partition.
    pub fn root(account: &str) -> Self {
        let arn = format!("arn:aws:iam::{account}:root");
        Self::of(PrincipalKind::Root, account, arn, account)
    }

    /// An IAM user, by its whole ARN.
    pub fn user(account: &str, arn: &str, unique_id: &str) -> Self {
        let name = arn.rsplit('/').next().unwrap_or_default().to_owned();
        Self::of(PrincipalKind::User { name }, account, arn.to_owned(), unique_id)
    }

    /// A session of a role, by the role's whole ARN and its unique id (`AROA...`).
    pub fn assumed_role(account: &str, role_arn: &str, role_id: &str, session_name: &str) -> Self {
        let role = role_arn.rsplit('/').next().unwrap_or_default();
        let partition = role_arn.split(':').nth(1).unwrap_or("aws");
        let arn = format!("arn:{partition}:sts::{account}:assumed-role/{role}/{session_name}");
        let unique_id = format!("{role_id}:{session_name}");
        let kind = PrincipalKind::AssumedRole {
            role_arn: role_arn.to_owned(),
            session_name: session_name.to_owned(),
        };
        Self::of(kind, account, arn, &unique_id)
    }

    /// A service, by its principal's name.
    pub fn service(name: &str) -> Self {
        Self::of(PrincipalKind::Service { name: name.to_owned() }, "", name.to_owned(), "")
    }

    /// The bearer of an identity provider's token, by the provider.
    pub fn federated(provider: &str) -> Self {
        Self::of(PrincipalKind::Federated { provider: provider.to_owned() }, "", provider.to_owned(), "")
    }

    /// A caller who gave no credentials.
    pub fn anonymous() -> Self {
        Self::of(PrincipalKind::Anonymous, "", "anonymous".to_owned(), "anonymous")
    }

    fn of(kind: PrincipalKind, account: &str, arn: String, unique_id: &str) -> Self {
        Principal {
            kind,
            account: account.to_owned(),
            arn,
            unique_id: unique_id.to_owned(),
            tags: BTreeMap::new(),
        }
    }

    /// The id of the role (`AROA...`) of a session, or the unique id itself.
    fn entity_id(&self) -> &str {
        self.unique_id.split(':').next().unwrap_or_default()
    }
}

/// How closely a `Principal` element names who asks. Within an account the difference decides which other
/// policies still count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Naming {
    /// It names the account, which may then let its identities act.
    Account,
    /// It names the role, of which this is a session.
    Role,
    /// It names the user, the session, the service or everyone.
    Direct,
}

/// Whom a statement is for.
#[derive(Debug, Clone)]
pub(super) enum PrincipalElement {
    /// An identity-based policy: for whom it is attached to.
    Attached,
    Is(Box<[PrincipalEntry]>),
    Not(Box<[PrincipalEntry]>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PrincipalEntry {
    Everyone,
    Account(Box<str>),
    Arn(Box<str>),
    UniqueId(Box<str>),
    Service(Box<str>),
    Federated(Box<str>),
    CanonicalUser(Box<str>),
}

impl PrincipalElement {
    /// How the element names the principal; `None` when it does not apply to it. `bounded` says that a
    /// permissions boundary is set on the principal.
    pub(super) fn names(&self, principal: &Principal, bounded: bool) -> Option<Naming> {
        match self {
            PrincipalElement::Attached => Some(Naming::Direct),
            PrincipalElement::Is(entries) => entries.iter().filter_map(|e| e.names(principal)).max(),
            PrincipalElement::Not(entries) => {
                (!exempts(entries, principal, bounded)).then_some(Naming::Direct)
            }
        }
    }
}

/// Whether a `NotPrincipal` list spares the principal from the denial. A user or a session is spared when
/// its account is listed and the user or role too; nobody who has a permissions boundary is ever spared.
/// Both are documented in "AWS JSON policy elements: NotPrincipal".
fn exempts(entries: &[PrincipalEntry], principal: &Principal, bounded: bool) -> bool {
    let listed = |naming: Naming| entries.iter().any(|e| e.names(principal) == Some(naming));
    if entries.contains(&PrincipalEntry::Everyone) {
        return true;
    }
    match principal.kind {
        PrincipalKind::User { .. } => !bounded && listed(Naming::Account) && listed(Naming::Direct),
        PrincipalKind::AssumedRole { .. } => !bounded && listed(Naming::Account) && listed(Naming::Role),
        _ => listed(Naming::Direct),
    }
}

impl PrincipalEntry {
    fn names(&self, principal: &Principal) -> Option<Naming> {
        let account_wide = || match principal.kind {
            PrincipalKind::Root => Some(Naming::Direct),
            PrincipalKind::User { .. } | PrincipalKind::AssumedRole { .. } => Some(Naming::Account),
            _ => None,
        };
        let when = |matched: bool, naming: Naming| matched.then_some(naming);
        match (self, &principal.kind) {
            (PrincipalEntry::Everyone, _) => Some(Naming::Direct),
            (PrincipalEntry::Account(account), _) if **account == *principal.account => account_wide(),
            (PrincipalEntry::CanonicalUser(id), _) if **id == *canonical_id(&principal.account) => {
                account_wide()
            }
            (PrincipalEntry::Arn(arn), PrincipalKind::AssumedRole { role_arn, .. }) => {
                when(**arn == *principal.arn, Naming::Direct).or(when(**arn == **role_arn, Naming::Role))
            }
            (PrincipalEntry::Arn(arn), PrincipalKind::User { .. }) => {
                when(**arn == *principal.arn, Naming::Direct)
            }
            (PrincipalEntry::UniqueId(id), PrincipalKind::AssumedRole { .. }) => {
                when(**id == *principal.entity_id(), Naming::Role)
            }
            (PrincipalEntry::UniqueId(id), PrincipalKind::User { .. }) => {
                when(**id == *principal.unique_id, Naming::Direct)
            }
            (PrincipalEntry::Service(service), PrincipalKind::Service { name }) => {
                when(**service == **name, Naming::Direct)
            }
            (PrincipalEntry::Federated(wanted), PrincipalKind::Federated { provider }) => {
                when(**wanted == **provider, Naming::Direct)
            }
            _ => None,
        }
    }
}

/// Reads a `Principal` or `NotPrincipal` element.
pub(super) fn parse(raw: RawPrincipal) -> Result<Box<[PrincipalEntry]>, PolicyError> {
    let map = match raw {
        RawPrincipal::Text(text) if text == "*" => return Ok(Box::new([PrincipalEntry::Everyone])),
        RawPrincipal::Text(text) => return Err(invalid("AWS", &text)),
        RawPrincipal::Map(map) => map.0,
    };
    let mut entries = Vec::new();
    for (kind, OneOrMany(values)) in map {
        for value in &values {
            entries.push(parse_entry(&kind, value)?);
        }
    }
    if entries.is_empty() {
        return Err(PolicyError::syntax("a principal element names nobody"));
    }
    Ok(entries.into_boxed_slice())
}

fn parse_entry(kind: &str, value: &str) -> Result<PrincipalEntry, PolicyError> {
    match kind {
        "AWS" => parse_aws(value),
        "Service" if is_host_name(value) => Ok(PrincipalEntry::Service(value.into())),
        "Service" => Err(invalid("SERVICE", value)),
        "Federated" if is_provider(value) => Ok(PrincipalEntry::Federated(value.into())),
        "Federated" => Err(invalid("FEDERATED", value)),
        "CanonicalUser" if value.len() == 64 && value.bytes().all(|b| b.is_ascii_hexdigit()) => {
            Ok(PrincipalEntry::CanonicalUser(value.into()))
        }
        "CanonicalUser" => Err(invalid("CANONICALUSER", value)),
        _ => Err(PolicyError::syntax(format!("unknown kind of principal {kind:?}"))),
    }
}

fn parse_aws(value: &str) -> Result<PrincipalEntry, PolicyError> {
    if value == "*" {
        return Ok(PrincipalEntry::Everyone);
    }
    if is_account(value) {
        return Ok(PrincipalEntry::Account(value.into()));
    }
    if value.starts_with("arn:") {
        return parse_arn(value).ok_or_else(|| invalid("AWS", value));
    }
    let is_id = (16..=128).contains(&value.len())
        && value.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    if is_id { Ok(PrincipalEntry::UniqueId(value.into())) } else { Err(invalid("AWS", value)) }
}

/// An account's root, a user, a role or a session. No wildcards: only `*` alone is one.
fn parse_arn(value: &str) -> Option<PrincipalEntry> {
    let [_, partition, service, region, account, resource] = super::arn::split(value)?;
    if !partition.starts_with("aws")
        || !region.is_empty()
        || !is_account(account)
        || value.contains(['*', '?'])
    {
        return None;
    }
    let (kind, name) = resource.split_once('/').unwrap_or((resource, ""));
    match (service, kind) {
        ("iam", "root") if resource == "root" => Some(PrincipalEntry::Account(account.into())),
        ("iam", "user" | "role") | ("sts", "assumed-role" | "federated-user") if !name.is_empty() => {
            Some(PrincipalEntry::Arn(value.into()))
        }
        _ => None,
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_host_name(text: &str) -> bool {
    text.contains('.') && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

/// A provider's ARN, or the host name (and path) of a web identity provider.
fn is_provider(text: &str) -> bool {
    !text.is_empty() && !text.contains(['*', '?']) && text.contains(['.', ':'])
}

fn invalid(kind: &'static str, value: &str) -> PolicyError {
    PolicyError::InvalidPrincipal { kind, value: value.to_owned() }
}
