//! Who calls, from where, and whether they may.

use std::any::Any;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use ropeway_core::{Time, Trace};
use sha2::{Digest as _, Sha256};

use crate::Error;
use crate::schema::Service;

/// Who makes a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// What they are.
    pub kind: PrincipalKind,
    /// Their 12-digit account id; empty for anonymous callers.
    pub account: String,
    /// Their ARN (`arn:aws:iam::000000000000:user/alice`); for a service its host name.
    pub arn: String,
    /// Their unique id (`AIDA…`, `AROA…:session`, the account id for root).
    pub id: String,
    /// The access key that signed the request.
    pub access_key: Option<String>,
    /// What narrows a role session; `None` for those who are not in one.
    pub session: Option<Arc<Session>>,
}

/// What a role session was given when it began.
#[derive(Default)]
pub struct Session {
    /// When it began: `aws:TokenIssueTime`.
    pub issued: Time,
    /// The session policy that was passed, as JSON.
    pub policy: Option<String>,
    /// ARNs of managed policies that were passed as further session policies.
    pub policy_arns: Vec<String>,
    compiled: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl Session {
    /// A session.
    pub fn new(issued: Time, policy: Option<String>, policy_arns: Vec<String>) -> Self {
        Session { issued, policy, policy_arns, compiled: OnceLock::new() }
    }

    /// The gate's own form of the session, made once. One gate looks at a session, so one type does.
    pub fn compiled<T: Any + Send + Sync>(&self, make: impl FnOnce(&Session) -> T) -> Option<&T> {
        self.compiled.get_or_init(|| Box::new(make(self))).downcast_ref()
    }
}

impl PartialEq for Session {
    fn eq(&self, other: &Self) -> bool {
        self.issued == other.issued && self.policy == other.policy && self.policy_arns == other.policy_arns
    }
}

impl Eq for Session {}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("issued", &self.issued)
            .field("policy", &self.policy)
            .field("policy_arns", &self.policy_arns)
            .finish_non_exhaustive()
    }
}

/// The kinds of principals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrincipalKind {
    /// The account's root.
    Root,
    /// An IAM user.
    User,
    /// A session of a role.
    AssumedRole {
        /// The role's ARN.
        role: String,
    },
    /// A service of Ropeway's own (`sns.amazonaws.com`).
    Service,
    /// Nobody: an unsigned request.
    Anonymous,
}

impl Principal {
    /// The root of an account.
    pub fn root(account: &str) -> Self {
        Principal {
            kind: PrincipalKind::Root,
            account: account.to_owned(),
            arn: format!("arn:aws:iam::{account}:root"),
            id: account.to_owned(),
            access_key: None,
            session: None,
        }
    }

    /// A service, acting for a resource of `account`.
    pub fn service(host: &str, account: &str) -> Self {
        Principal {
            kind: PrincipalKind::Service,
            account: account.to_owned(),
            arn: host.to_owned(),
            id: host.to_owned(),
            access_key: None,
            session: None,
        }
    }

    /// An unsigned request's.
    pub fn anonymous() -> Self {
        Principal {
            kind: PrincipalKind::Anonymous,
            account: String::new(),
            arn: "*".to_owned(),
            id: "*".to_owned(),
            access_key: None,
            session: None,
        }
    }
}

/// The canonical user id of an account, by which Amazon S3 names it: 64 hexadecimal digits. That of nobody,
/// who does not sign, is S3's own for all.
pub fn canonical_id(account: &str) -> String {
    if account.is_empty() {
        return "65a011a29cdf8ec533ec3d1ccaae921c".to_owned();
    }
    hex::encode(Sha256::digest(format!("canonical/{account}")))
}

/// Condition keys and their values.
#[derive(Debug, Clone, Default)]
pub struct Keys(Vec<(String, Vec<String>)>);

impl Keys {
    /// Adds a key's value; an empty one counts as absent.
    pub fn add(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            self.add_all(key, vec![value.to_owned()]);
        }
    }

    /// Adds a key with many values.
    pub fn add_all(&mut self, key: &str, values: Vec<String>) {
        self.0.push((key.to_owned(), values));
    }

    /// The keys and their values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0.iter().map(|(key, values)| (key.as_str(), values.as_slice()))
    }
}

/// A question to the [`Gate`].
#[derive(Debug)]
pub struct AccessRequest<'a> {
    /// Who asks.
    pub cx: &'a Cx,
    /// The action (`sqs:SendMessage`).
    pub action: &'a str,
    /// The resource's ARN, or `*`.
    pub resource: &'a str,
    /// The operation's own condition keys.
    pub keys: &'a Keys,
    /// What an access control list says, where one has a say.
    pub listed: Listed<'a>,
}

/// What the access control list of a resource says of a request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Listed<'a> {
    /// It lets the caller do it.
    pub granted: bool,
    /// The account that owns the resource, if it is another one than owns what holds the resource: then
    /// the policy of what holds it can only deny.
    pub owner: Option<&'a str>,
}

/// Decides who may do what. Reads snapshots only: no lock, no wait.
pub trait Gate: Send + Sync {
    /// `Err`: why not, in the words that the caller may read.
    fn authorize(&self, request: &AccessRequest<'_>) -> Result<(), String>;

    /// Makes a resource's policy known (JSON), or forgets it. Called after the commit that changed
    /// it, and at start.
    fn set_resource_policy(&self, resource: &str, policy: Option<&str>);

    /// Makes known which account owns a resource whose ARN does not tell (a bucket's), or forgets it.
    /// Called as [`Gate::set_resource_policy`] is.
    fn set_resource_owner(&self, resource: &str, account: Option<&str>);
}

/// Hands roles to services. Reads snapshots only: no lock, no wait.
pub trait Roles: Send + Sync {
    /// The session in which `service` (`firehose.amazonaws.com`) acts as a role, for calls from
    /// within. The role's trust policy must let the service assume it; `keys` carry `aws:SourceArn`
    /// and `aws:SourceAccount` of the resource it acts for. `session` names the session: 2 to 64 of
    /// `A-Z a-z 0-9 _ + = , . @ -`.
    ///
    /// # Errors
    /// Why not, in the words that the role's owner may read.
    fn assume_for_service(
        &self,
        role_arn: &str,
        service: &str,
        session: &str,
        keys: &Keys,
    ) -> Result<Principal, String>;
}

/// What an operation knows of its request.
#[derive(Clone)]
pub struct Cx {
    /// The caller's account.
    pub account: String,
    /// The region that the request is for.
    pub region: String,
    /// Who calls.
    pub principal: Arc<Principal>,
    /// The request's id.
    pub request_id: String,
    /// The trace it belongs to.
    pub trace: Trace,
    /// The address that the client used (`http://localhost:4566`).
    pub endpoint: String,
    /// Where the client is; `None` for calls from within.
    pub source_ip: Option<IpAddr>,
    /// The request came over TLS, or from within.
    pub secure: bool,
    /// The client's `User-Agent`.
    pub user_agent: String,
    /// When the request came.
    pub now: Time,
    /// Decides what is allowed.
    pub gate: Arc<dyn Gate>,
    /// Of a service's call: ARN of the resource that it acts for, `aws:SourceArn`.
    pub source: Option<Arc<str>>,
    /// The caller may set and remove tags whose keys begin with `aws:`: CloudFormation does so for its users.
    pub system_tags: bool,
}

impl Cx {
    /// Asks for one more permission than the operation's own.
    pub fn authorize(
        &self,
        service: &Service,
        action: &str,
        resource: &str,
        keys: &Keys,
    ) -> Result<(), Error> {
        self.authorize_listed(service, action, resource, keys, Listed::default())
    }

    /// The same, of what has an access control list.
    pub fn authorize_listed(
        &self,
        service: &Service,
        action: &str,
        resource: &str,
        keys: &Keys,
        listed: Listed<'_>,
    ) -> Result<(), Error> {
        let request = AccessRequest { cx: self, action, resource, keys, listed };
        self.gate.authorize(&request).map_err(|why| Error::new(service.denial.1, service.denial.0, why))
    }

    /// Asks whether the caller may hand a role to a service (`lambda.amazonaws.com`): `iam:PassRole`
    /// on the role, with `iam:PassedToService`. To be asked whenever a request names a role that a
    /// service will act as. A role of another account is refused.
    pub fn pass_role(&self, service: &Service, role_arn: &str, service_host: &str) -> Result<(), Error> {
        if role_arn.split(':').nth(4) != Some(self.account.as_str()) {
            let why = "Cross-account pass role is not allowed.";
            return Err(Error::new(service.denial.1, service.denial.0, why));
        }
        let mut keys = Keys::default();
        keys.add("iam:PassedToService", service_host);
        self.authorize(service, "iam:PassRole", role_arn, &keys)
    }

    /// The same request, made by a service for a resource of `account`: what `aws:SourceArn` and
    /// `aws:SourceAccount` say is in `keys` when it asks.
    pub fn from_within(
        gate: Arc<dyn Gate>,
        principal: Principal,
        region: &str,
        trace: &Trace,
        now: Time,
    ) -> Self {
        Cx {
            account: principal.account.clone(),
            region: region.to_owned(),
            principal: Arc::new(principal),
            request_id: trace.to_string(),
            trace: Arc::clone(trace),
            endpoint: String::new(),
            source_ip: None,
            secure: true,
            user_agent: "ropeway".to_owned(),
            now,
            gate,
            source: None,
            system_tags: false,
        }
    }
}

impl std::fmt::Debug for Cx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cx")
            .field("principal", &self.principal.arn)
            .field("request_id", &self.request_id)
            .finish_non_exhaustive()
    }
}

/// Whose an access key is.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The secret access key.
    pub secret: Arc<str>,
    /// The principal that signs with it.
    pub principal: Arc<Principal>,
}

/// Why an access key is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyError {
    /// No such key, or one that is not active.
    Unknown,
    /// Its session token is missing, or not the one that belongs to it.
    InvalidToken,
    /// Its session has ended.
    ExpiredToken,
}

/// Knows the access keys. Reads snapshots only: no lock, no wait.
pub trait Credentials: Send + Sync {
    /// Whose a key is, at the given moment.
    fn find(&self, access_key: &str, session_token: Option<&str>, now: Time) -> Result<Identity, KeyError>;
}
