//! Explains decisions to the operator.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::gate::{add_time, as_policies_see, makes_its_resource, trusts};
use super::{Access, Known};
use crate::model::Kind;
use crate::policy::{self, AttachedPolicy, Context, DecisionKind, Explanation, List, PolicySet, Request};

/// What the operator asks: would this be allowed?
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// An ARN (root, user, role or session of a role), an account, an access key id, a service's principal, the
    /// name of a user or role, or `anonymous`.
    pub principal: String,
    /// The IAM action, such as `sqs:SendMessage`.
    pub action: String,
    /// The resource's ARN, or `*` for an action that has none.
    pub resource: String,
    /// Condition keys and their values. The time is known, and so are keys that follow from the principal.
    #[serde(default)]
    pub context: BTreeMap<String, Vec<String>>,
}

/// A decision, and what made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// The principal's ARN, or its name if it has none.
    pub principal: String,
    /// The action.
    pub action: String,
    /// The resource.
    pub resource: String,
    /// `allowed`, `explicitDeny` or `implicitDeny`.
    pub decision: String,
    /// The explanation, as the server's log has it.
    pub because: String,
    /// The kind of the policy that decided, or of the one that would have had to allow it.
    pub kind: Option<String>,
    /// The policy whose statement decided.
    pub policy: Option<String>,
    /// The statement's `Sid`.
    pub sid: Option<String>,
    /// The statement's place in its policy, from 0.
    pub statement: Option<usize>,
    /// The line of the policy's document that the statement begins in, from 1.
    pub line: Option<u32>,
    /// Condition keys that policies name for this action, and that the question gave no value for.
    pub missing: Vec<String>,
}

/// A principal, and what IAM knows of it.
struct Who {
    principal: policy::Principal,
    known: Option<Arc<Known>>,
}

impl Access {
    /// Decides a request that nobody makes, by the policies that are in force. `account` is that of names, and
    /// of resources whose owner is not known.
    ///
    /// # Errors
    /// No such principal, or a name that both a user and a role have.
    pub fn explain(&self, account: &str, question: &Question) -> Result<Explained, String> {
        let Question { action, resource, .. } = question;
        let who = self.who(account, &question.principal)?;
        let of_resource = match (trusts(action, resource), makes_its_resource(action)) {
            (true, _) => Some(self.trust(resource).ok_or_else(|| format!("there is no role {resource}"))?),
            (false, true) => None,
            (false, false) => self.policy_of(resource),
        };
        let known = who.known.as_deref();
        let identity = known.map_or(Cow::Borrowed(&[][..]), |known| self.identity_policies(known));
        let boundary = known.and_then(|known| self.boundary(known));
        let policies = PolicySet {
            identity: &identity,
            boundary: boundary.as_ref(),
            session: None,
            resource: of_resource.as_ref(),
            list: List::default(),
        };
        let mut context = Context::new();
        add_time(&mut context, self.clock.now());
        for (key, values) in &question.context {
            context.set_many(key.as_str(), values.iter().map(String::as_str));
        }
        let owner = self.owner_of(resource).filter(|_| !makes_its_resource(action));
        let asker = Some(who.principal.account.as_str()).filter(|account| !account.is_empty());
        let request = Request {
            principal: &who.principal,
            action,
            resource,
            resource_account: owner.as_deref().or(asker).unwrap_or(account),
            context: &context,
        };
        Ok(explained(&request, &policies))
    }

    fn who(&self, account: &str, text: &str) -> Result<Who, String> {
        let none = || format!("there is no principal {text}");
        let root = |account: &str| Who { principal: policy::Principal::root(account), known: None };
        if let Some(identity) = self.keys.get(text) {
            let caller = &identity.principal;
            let known = self.known(caller);
            let principal = as_policies_see(caller, known.as_deref()).into_owned();
            return Ok(Who { principal, known });
        }
        if text == "anonymous" {
            return Ok(Who { principal: policy::Principal::anonymous(), known: None });
        }
        if text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(root(text));
        }
        if text.ends_with(".amazonaws.com") && !text.starts_with("arn:") {
            return Ok(Who { principal: policy::Principal::service(text), known: None });
        }
        let Some(rest) = text.strip_prefix("arn:aws:") else {
            return self.by_bare_name(account, text).ok_or_else(none)?;
        };
        let (service, rest) = rest.split_once("::").ok_or_else(none)?;
        let (owner, path) = rest.split_once(':').ok_or_else(none)?;
        match (service, path.split_once('/')) {
            ("iam", None) if path == "root" => Ok(root(owner)),
            ("iam", Some((kind @ ("user" | "role"), names))) => {
                let kind = if kind == "user" { Kind::User } else { Kind::Role };
                let name = names.rsplit('/').next().unwrap_or_default();
                let known = self.named(owner, kind, name).filter(|known| known.arn == text);
                known.map(|known| as_who(known, "explained")).ok_or_else(none)
            }
            ("sts", Some(("assumed-role", names))) => {
                let (role, session) = names.split_once('/').ok_or_else(none)?;
                self.named(owner, Kind::Role, role).map(|known| as_who(known, session)).ok_or_else(none)
            }
            _ => Err(none()),
        }
    }

    /// The user or the role of this name; an error where both have it.
    fn by_bare_name(&self, account: &str, name: &str) -> Option<Result<Who, String>> {
        let found = [Kind::User, Kind::Role].map(|kind| self.named(account, kind, name));
        match found {
            [Some(user), Some(role)] => {
                Some(Err(format!("{name} is a user and a role: say {} or {}", user.arn, role.arn)))
            }
            [one, other] => one.or(other).map(|known| Ok(as_who(known, "explained"))),
        }
    }
}

/// The user, or a session of the role.
fn as_who(known: Arc<Known>, session: &str) -> Who {
    let principal = known.user.clone().unwrap_or_else(|| {
        let mut principal = policy::Principal::assumed_role(&known.account, &known.arn, &known.id, session);
        principal.tags = known.tags.clone();
        principal
    });
    Who { principal, known: Some(known) }
}

fn explained(request: &Request<'_>, policies: &PolicySet<'_>) -> Explained {
    let decision = policy::evaluate(request, policies);
    let mut told = Explained {
        principal: request.principal.arn.clone(),
        action: request.action.to_owned(),
        resource: request.resource.to_owned(),
        decision: match decision.kind {
            DecisionKind::Allow => "allowed",
            DecisionKind::ExplicitDeny => "explicitDeny",
            DecisionKind::ImplicitDeny => "implicitDeny",
        }
        .to_owned(),
        because: decision.to_string(),
        kind: None,
        policy: None,
        sid: None,
        statement: None,
        line: None,
        missing: policy::missing_keys(request, policies).into_iter().collect(),
    };
    match decision.by {
        Explanation::Root | Explanation::List => {}
        Explanation::NoAllow(source) => told.kind = Some(source.name().to_owned()),
        Explanation::Statement { source, policy, sid, index } => {
            let document = find(policies, policy);
            told.kind = Some(source.name().to_owned());
            told.policy = Some(policy.to_owned());
            told.sid = sid.map(str::to_owned);
            told.statement = Some(index);
            told.line = document.and_then(|found| found.policy.span(index)).map(|span| span.start.line);
        }
    }
    told
}

fn find<'p>(policies: &PolicySet<'p>, name: &str) -> Option<&'p AttachedPolicy> {
    let all = policies.identity.iter().chain(policies.boundary).chain(policies.resource);
    all.into_iter().find(|attached| &*attached.name == name)
}
