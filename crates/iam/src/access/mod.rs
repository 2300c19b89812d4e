//! The snapshots that requests are decided by, and the gate, the keys and the roles that read them.

mod explain;
mod gate;
mod map;
mod resources;
mod roles;
mod token;

use std::sync::Arc;

use ropeway_core::seal::{MasterKey, SealKey};
use ropeway_core::{Clock, ShardId, Time};
use ropeway_wire::{Credentials, Identity, KeyError, Principal};

pub use explain::{Explained, Question};
pub(crate) use map::Map;
pub(crate) use roles::session_arn;
pub(crate) use token::{KEY_PREFIX, Token};

use crate::IamMachine;
use crate::aws_managed::POLICIES;
use crate::model::{Kind, Tags};
use crate::policy::{self, AttachedPolicy, Policy, PolicyKind};

/// A user, role or group, as requests are decided by it.
#[derive(Debug)]
pub(crate) struct Known {
    pub kind: Kind,
    pub account: String,
    pub name: String,
    pub path: String,
    pub arn: String,
    pub id: String,
    pub tags: Tags,
    /// ARN of the permissions boundary.
    pub boundary: Option<String>,
    pub inline: Vec<AttachedPolicy>,
    /// ARNs of attached managed policies.
    pub attached: Vec<String>,
    /// Ids of a user's groups.
    pub groups: Vec<String>,
    /// A user, as policies see it.
    pub user: Option<policy::Principal>,
    /// What a role has besides.
    pub role: Option<KnownRole>,
}

/// What a role has besides.
#[derive(Debug)]
pub(crate) struct KnownRole {
    pub trust: AttachedPolicy,
    /// Longest session, in seconds.
    pub max_session: i64,
}

/// A managed policy: its default version.
#[derive(Debug)]
pub(crate) struct KnownPolicy {
    pub policy: AttachedPolicy,
    pub tags: Tags,
}

/// A session whose token was opened.
#[derive(Debug)]
struct OpenSession {
    token: String,
    role_id: String,
    expires: Time,
    identity: Identity,
}

/// Sessions whose opened tokens are kept, for each bucket of the map.
const SESSIONS_PER_BUCKET: usize = 64;

/// Knows every access key and policy: the server's [`ropeway_wire::Gate`], [`Credentials`] and
/// [`ropeway_wire::Roles`]. Filled by [`IamMachine`] at start and after each commit.
pub struct Access {
    pub(crate) keys: Map<Arc<Identity>>,
    pub(crate) by_id: Map<Arc<Known>>,
    pub(crate) by_name: Map<Arc<Known>>,
    pub(crate) policies: Map<Arc<KnownPolicy>>,
    resources: Map<AttachedPolicy>,
    owners: Map<Arc<str>>,
    sessions: Map<Arc<OpenSession>>,
    pub(crate) secrets: SealKey,
    pub(crate) tokens: SealKey,
    clock: Clock,
    development: Option<Development>,
}

/// The credentials that `--dev` takes.
struct Development {
    account: String,
}

/// The access key id and the secret of the root of the default account, with `--dev`.
const DEVELOPMENT_KEY: &str = "test";

impl Access {
    /// Without any key or policy yet.
    pub fn new(master: &MasterKey, clock: Clock) -> Self {
        Access {
            keys: Map::new(),
            by_id: Map::new(),
            by_name: Map::new(),
            policies: aws_managed(),
            resources: Map::new(),
            owners: Map::new(),
            sessions: Map::new(),
            secrets: master.derive("iam/access-keys"),
            tokens: master.derive("sts/session-tokens"),
            clock,
            development: None,
        }
    }

    /// Takes the access key `test` as the root of `account`, and any 12-digit access key id as the root of
    /// that account; the secret is `test`. For `--dev`, on loopback alone.
    #[must_use]
    pub fn with_development_keys(mut self, account: &str) -> Self {
        self.development = Some(Development { account: account.to_owned() });
        self
    }

    /// Makes the machine of a shard: for [`ropeway_core::Builder::machine`].
    pub fn machines(self: &Arc<Self>) -> impl Fn(ShardId) -> IamMachine + Send + Sync + 'static {
        let access = Arc::clone(self);
        move |_| IamMachine::new(Arc::clone(&access))
    }

    /// A user, role or group by its name.
    pub(crate) fn named(&self, account: &str, kind: Kind, name: &str) -> Option<Arc<Known>> {
        self.by_name.get(&name_key(account, kind, name))
    }

    /// A role by its ARN.
    pub(crate) fn role(&self, arn: &str) -> Option<Arc<Known>> {
        let account = arn.split(':').nth(4)?;
        let name = arn.rsplit('/').next()?;
        self.named(account, Kind::Role, name).filter(|role| role.arn == arn)
    }

    /// Makes a user, role or group known, in place of what `old_name` named.
    pub(crate) fn know(&self, known: Arc<Known>, old_name: Option<&str>) {
        if let Some(old) = old_name {
            self.by_name.remove(&name_key(&known.account, known.kind, old));
        }
        self.by_id.set(&known.id, Arc::clone(&known));
        self.by_name.set(&name_key(&known.account, known.kind, &known.name), known);
    }

    /// Forgets a user, role or group.
    pub(crate) fn forget(&self, account: &str, kind: Kind, name: &str, id: &str) {
        self.by_name.remove(&name_key(account, kind, name));
        self.by_id.remove(id);
    }

    fn development_key(&self, access_key: &str) -> Option<Identity> {
        let development = self.development.as_ref()?;
        let account = match access_key {
            DEVELOPMENT_KEY => development.account.as_str(),
            id if id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit()) => id,
            _ => return None,
        };
        let mut principal = Principal::root(account);
        principal.access_key = Some(access_key.to_owned());
        Some(Identity { secret: Arc::from(DEVELOPMENT_KEY), principal: Arc::new(principal) })
    }

    fn session(&self, access_key: &str, token: &str, now: Time) -> Result<Identity, KeyError> {
        let known = self.sessions.get(access_key).filter(|session| session.token == token);
        let session = match known {
            Some(session) => session,
            None => {
                let opened = Token::open(&self.tokens, access_key, token).ok_or(KeyError::InvalidToken)?;
                let session = Arc::new(OpenSession {
                    token: token.to_owned(),
                    role_id: opened.role_id.clone(),
                    expires: opened.expires,
                    identity: opened.identity(),
                });
                if session.expires > now {
                    self.sessions.set_bounded(access_key, Arc::clone(&session), SESSIONS_PER_BUCKET, |old| {
                        old.expires <= now
                    });
                }
                session
            }
        };
        if session.expires <= now {
            return Err(KeyError::ExpiredToken);
        }
        match self.by_id.get(&session.role_id) {
            Some(_) => Ok(session.identity.clone()),
            None => Err(KeyError::Unknown),
        }
    }
}

fn name_key(account: &str, kind: Kind, name: &str) -> String {
    format!("{account}/{}/{}", kind.word(), crate::keys::fold(name))
}

impl Credentials for Access {
    fn find(&self, access_key: &str, session_token: Option<&str>, now: Time) -> Result<Identity, KeyError> {
        if access_key.starts_with(KEY_PREFIX) {
            return self.session(access_key, session_token.ok_or(KeyError::InvalidToken)?, now);
        }
        let found = self.development_key(access_key);
        let found = found.or_else(|| self.keys.get(access_key).map(|key| key.as_ref().clone()));
        let identity = found.ok_or(KeyError::Unknown)?;
        match session_token {
            // A long-term key has no token.
            Some(_) => Err(KeyError::InvalidToken),
            None => Ok(identity),
        }
    }
}

const DENY_ALL: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;
const DENY_ALL_CALLERS: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}}"#;
const DENY_ALL_TRUST: &str =
    r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"sts:*"}}"#;

/// The policies that AWS provides.
fn aws_managed() -> Map<Arc<KnownPolicy>> {
    let map = Map::new();
    for provided in POLICIES {
        let policy = compile(&provided.arn(), provided.document, PolicyKind::Managed);
        map.set(&provided.arn(), Arc::new(KnownPolicy { policy, tags: Tags::default() }));
    }
    map
}

/// A stored policy, compiled. It was valid when it was stored; should it not be read any more, then what
/// it denied must stay denied, so it denies everything, and the operator is told.
pub(crate) fn compile(name: &str, document: &str, kind: PolicyKind) -> AttachedPolicy {
    let parsed = Policy::parse(document, kind).or_else(|error| {
        tracing::error!(policy = name, %error, "a stored policy cannot be read; it denies everything");
        let instead = match kind {
            PolicyKind::Identity | PolicyKind::Managed => DENY_ALL,
            PolicyKind::Resource => DENY_ALL_CALLERS,
            PolicyKind::Trust => DENY_ALL_TRUST,
        };
        Policy::parse(instead, kind)
    });
    let Ok(policy) = parsed else { unreachable!("the policies written above are valid") };
    AttachedPolicy { name: Arc::from(name), policy: Arc::new(policy) }
}
