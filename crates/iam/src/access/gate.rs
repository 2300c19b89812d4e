//! Decides requests.

use std::borrow::Cow;
use std::sync::Arc;

use ropeway_core::Time;
use ropeway_wire::{AccessRequest, Cx, Gate, Keys, Principal, PrincipalKind, Session};

use super::{Access, Known, compile};
use crate::policy::{self, AttachedPolicy, Context, List, PolicyKind, PolicySet, Request};

impl Gate for Access {
    fn authorize(&self, request: &AccessRequest<'_>) -> Result<(), String> {
        let caller = &request.cx.principal;
        let known = self.known(caller);
        let principal = as_policies_see(caller, known.as_deref());
        let makes = makes_its_resource(request.action);
        let resource = match trusts(request.action, request.resource) {
            true => Some(self.trust_of(request, &principal)?),
            false if makes => None,
            false => self.policy_of(request.resource),
        };
        let owner = self.owner_of(request.resource).filter(|_| !makes);
        let owner = request.listed.owner.or(owner.as_deref());
        let context = context(request.cx, request.keys);
        let asked = Request {
            principal: &principal,
            action: request.action,
            resource: request.resource,
            resource_account: owner.unwrap_or(&caller.account),
            context: &context,
        };
        let identity = known.as_ref().map_or(Cow::Borrowed(&[][..]), |known| self.identity_policies(known));
        let boundary = known.as_ref().and_then(|known| self.boundary(known));
        let session = caller.session.as_ref().and_then(|session| self.session_policies(session));
        let policies = PolicySet {
            identity: &identity,
            boundary: boundary.as_ref(),
            session: session.as_deref(),
            resource: resource.as_ref(),
            list: List { allows: request.listed.granted, foreign: request.listed.owner.is_some() },
        };
        let decision = policy::evaluate(&asked, &policies);
        let Some(message) = decision.denied_message(&asked) else { return Ok(()) };
        tracing::info!(
            principal = %principal.arn,
            action = request.action,
            resource = request.resource,
            request = %request.cx.request_id,
            %decision,
            "denied"
        );
        Err(message)
    }

    fn set_resource_policy(&self, resource: &str, policy: Option<&str>) {
        self.put_policy(resource, policy);
    }

    fn set_resource_owner(&self, resource: &str, account: Option<&str>) {
        self.put_owner(resource, account);
    }
}

/// A bucket is its maker's: whoever has one of that name already is not asked, and S3 answers that the
/// name is taken.
pub(super) fn makes_its_resource(action: &str) -> bool {
    action == "s3:CreateBucket"
}

impl Access {
    /// The user, or the role of a session.
    pub(super) fn known(&self, caller: &Principal) -> Option<Arc<Known>> {
        match caller.kind {
            PrincipalKind::User | PrincipalKind::AssumedRole { .. } => {
                self.by_id.get(caller.id.split(':').next().unwrap_or_default())
            }
            PrincipalKind::Root | PrincipalKind::Service | PrincipalKind::Anonymous => None,
        }
    }

    /// The trust policy of a role.
    pub(super) fn trust(&self, role: &str) -> Option<AttachedPolicy> {
        self.role(role).and_then(|known| known.role.as_ref().map(|role| role.trust.clone()))
    }

    /// The trust policy of the role that a request wants to assume. A role that is not there answers as one
    /// that trusts nobody, so that names cannot be tried out.
    fn trust_of(
        &self,
        request: &AccessRequest<'_>,
        principal: &policy::Principal,
    ) -> Result<AttachedPolicy, String> {
        self.trust(request.resource).ok_or_else(|| {
            let AccessRequest { action, resource, .. } = request;
            tracing::info!(principal = %principal.arn, action, resource, "denied: there is no such role");
            format!("User: {} is not authorized to perform: {action} on resource: {resource}", principal.arn)
        })
    }

    /// The policies of a user and its groups, or of a role.
    pub(super) fn identity_policies<'k>(&self, known: &'k Known) -> Cow<'k, [AttachedPolicy]> {
        if known.attached.is_empty() && known.groups.is_empty() {
            return Cow::Borrowed(&known.inline);
        }
        let mut all = known.inline.clone();
        self.add_managed(&mut all, &known.attached);
        for group in known.groups.iter().filter_map(|group| self.by_id.get(group)) {
            all.extend(group.inline.iter().cloned());
            self.add_managed(&mut all, &group.attached);
        }
        Cow::Owned(all)
    }

    fn add_managed(&self, all: &mut Vec<AttachedPolicy>, arns: &[String]) {
        all.extend(arns.iter().filter_map(|arn| self.policies.get(arn)).map(|known| known.policy.clone()));
    }

    pub(crate) fn boundary(&self, known: &Known) -> Option<AttachedPolicy> {
        let arn = known.boundary.as_ref()?;
        // A boundary cannot be deleted while it is one.
        let policy = self.policies.get(arn).map(|known| known.policy.clone());
        Some(policy.unwrap_or_else(|| compile(arn, "", PolicyKind::Managed)))
    }

    /// The policies that were passed for a session, if any were.
    fn session_policies(&self, session: &Session) -> Option<Vec<AttachedPolicy>> {
        if session.policy.is_none() && session.policy_arns.is_empty() {
            return None;
        }
        let inline = session.compiled(|session| {
            session.policy.as_deref().map(|text| compile("session policy", text, PolicyKind::Identity))
        });
        let mut all: Vec<_> = inline.and_then(Option::as_ref).into_iter().cloned().collect();
        self.add_managed(&mut all, &session.policy_arns);
        Some(all)
    }
}

/// A request that assumes a role is decided with the role's trust policy.
pub(super) fn trusts(action: &str, resource: &str) -> bool {
    action.starts_with("sts:") && resource.contains(":role/")
}

pub(super) fn as_policies_see<'k>(
    caller: &Principal,
    known: Option<&'k Known>,
) -> Cow<'k, policy::Principal> {
    if let Some(user) = known.and_then(|known| known.user.as_ref()) {
        return Cow::Borrowed(user);
    }
    Cow::Owned(match &caller.kind {
        PrincipalKind::Root => policy::Principal::root(&caller.account),
        PrincipalKind::User => policy::Principal::user(&caller.account, &caller.arn, &caller.id),
        PrincipalKind::AssumedRole { role } => {
            let (role_id, session) = caller.id.split_once(':').unwrap_or((&caller.id, ""));
            let mut principal = policy::Principal::assumed_role(&caller.account, role, role_id, session);
            principal.tags = known.map(|known| known.tags.clone()).unwrap_or_default();
            principal
        }
        PrincipalKind::Service => policy::Principal::service(&caller.arn),
        PrincipalKind::Anonymous => policy::Principal::anonymous(),
    })
}

/// The condition keys of a request: those of every request, then the operation's own.
fn context<'a>(cx: &'a Cx, keys: &'a Keys) -> Context<'a> {
    let mut context = Context::new();
    if let Some(address) = cx.source_ip {
        context.set("aws:SourceIp", address.to_string());
    }
    context.set("aws:SecureTransport", if cx.secure { "true" } else { "false" });
    add_time(&mut context, cx.now);
    if !cx.user_agent.is_empty() {
        context.set("aws:UserAgent", cx.user_agent.as_str());
    }
    if !cx.region.is_empty() {
        context.set("aws:RequestedRegion", cx.region.as_str());
    }
    if let Some(session) = &cx.principal.session {
        context.set("aws:TokenIssueTime", iso(session.issued));
    }
    add_keys(&mut context, keys);
    context
}

/// `aws:CurrentTime` and `aws:EpochTime`.
pub(super) fn add_time(context: &mut Context<'_>, now: Time) {
    context.set("aws:CurrentTime", iso(now));
    context.set("aws:EpochTime", now.secs().to_string());
}

/// The keys that an operation or a service gives.
pub(super) fn add_keys<'a>(context: &mut Context<'a>, keys: &'a Keys) {
    for (key, values) in keys.iter() {
        context.set_many(key, values.iter().map(String::as_str));
    }
}

/// `2026-11-21T12:00:00Z`.
fn iso(time: Time) -> String {
    jiff::Timestamp::from_second(time.secs()).map(|t| t.to_string()).unwrap_or_default()
}
