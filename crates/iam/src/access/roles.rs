//! Roles that services act as.

use std::sync::Arc;

use ropeway_wire::{Keys, Principal, PrincipalKind, Roles, Session};

use super::gate::{add_keys, add_time};
use super::{Access, Known};
use crate::policy::{self, Context, PolicySet, Request};

impl Roles for Access {
    fn assume_for_service(
        &self,
        role_arn: &str,
        service: &str,
        session: &str,
        keys: &Keys,
    ) -> Result<Principal, String> {
        let refusal =
            || format!("{service} cannot assume the role {role_arn}: its trust policy does not allow it");
        if !is_session_name(session) {
            return Err(format!("{session:?} cannot name a session of the role {role_arn}"));
        }
        let role = self.role(role_arn).ok_or_else(|| {
            let (principal, action) = (service, "sts:AssumeRole");
            tracing::info!(principal, action, resource = role_arn, "denied: there is no such role");
            format!("The role {role_arn} does not exist")
        })?;
        let parts = role.role.as_ref().ok_or_else(refusal)?;
        let now = self.clock.now();
        let mut context = Context::new();
        context.set("aws:SecureTransport", "true");
        context.set("sts:RoleSessionName", session);
        add_time(&mut context, now);
        add_keys(&mut context, keys);
        let principal = policy::Principal::service(service);
        let request = Request {
            principal: &principal,
            action: "sts:AssumeRole",
            resource: role_arn,
            resource_account: &role.account,
            context: &context,
        };
        let policies = PolicySet { resource: Some(&parts.trust), ..PolicySet::default() };
        let decision = policy::evaluate(&request, &policies);
        if !decision.allowed() {
            tracing::info!(principal = service, action = request.action, resource = role_arn, %decision, "denied");
            return Err(refusal());
        }
        let given = Session::new(now, None, Vec::new());
        Ok(role_principal(&role.account, role_arn, &role.id, session, given))
    }
}

/// A session of a role, as a caller.
pub(super) fn role_principal(
    account: &str,
    role: &str,
    role_id: &str,
    name: &str,
    session: Session,
) -> Principal {
    Principal {
        kind: PrincipalKind::AssumedRole { role: role.to_owned() },
        account: account.to_owned(),
        arn: session_arn(account, role, name),
        id: format!("{role_id}:{name}"),
        access_key: None,
        session: Some(Arc::new(session)),
    }
}

/// `arn:aws:sts::000000000000:assumed-role/Role/session`: a role's path is no part of it.
pub(crate) fn session_arn(account: &str, role: &str, session: &str) -> String {
    let name = role.rsplit('/').next().unwrap_or_default();
    format!("arn:aws:sts::{account}:assumed-role/{name}/{session}")
}

fn is_session_name(name: &str) -> bool {
    (2..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b))
}

impl Known {
    /// Longest session of a role, in seconds.
    pub(crate) fn max_session(&self) -> i64 {
        self.role.as_ref().map_or(0, |role| role.max_session)
    }
}
