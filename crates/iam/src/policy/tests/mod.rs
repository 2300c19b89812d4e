//! Tests of parsing and evaluation. Cases name the page of the IAM User Guide that they come from, by the
//! last part of its address.

mod conditions;
mod denials;
mod documents;
mod evaluation;
mod principals;
mod properties;
mod simulations;

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;

pub(super) const ACCOUNT: &str = "111122223333";
pub(super) const OTHER: &str = "444455556666";
pub(super) const QUEUE: &str = "arn:aws:sqs:us-east-1:111122223333:orders";

pub(super) fn user() -> Principal {
    Principal::user(ACCOUNT, "arn:aws:iam::111122223333:user/team/ana", "AIDAANAANAANAANAANA1")
}

pub(super) fn session() -> Principal {
    let role = "arn:aws:iam::111122223333:role/app/worker";
    Principal::assumed_role(ACCOUNT, role, "AROAWORKERWORKERWOR1", "s1")
}

/// Identity policies for `Identity`, and so on, from statements alone.
pub(super) fn attached(kind: PolicyKind, name: &str, statements: Value) -> AttachedPolicy {
    let document = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    let policy =
        Policy::parse(&document, kind).unwrap_or_else(|e| panic!("{e}: {:?}: {document}", e.detail()));
    AttachedPolicy { name: name.into(), policy: Arc::new(policy) }
}

pub(super) fn identity(statements: Value) -> Vec<AttachedPolicy> {
    vec![attached(PolicyKind::Identity, "identity", statements)]
}

pub(super) fn resource(statements: Value) -> AttachedPolicy {
    attached(PolicyKind::Resource, "resource", statements)
}

/// A statement for `sqs:SendMessage` on the queue.
pub(super) fn send(effect: &str) -> Value {
    json!({"Effect": effect, "Action": "sqs:SendMessage", "Resource": QUEUE})
}

/// The same of a resource's policy, for these AWS principals.
pub(super) fn send_by(effect: &str, principal: Value) -> Value {
    let mut statement = send(effect);
    statement["Principal"] = principal;
    statement
}

/// A request to send to the queue.
pub(super) fn sending<'a>(principal: &'a Principal, context: &'a Context<'a>) -> Request<'a> {
    Request { principal, action: "sqs:SendMessage", resource: QUEUE, resource_account: ACCOUNT, context }
}

/// Whether one identity policy allows a user an action on a resource.
pub(super) fn allows(statements: Value, action: &str, resource: &str, context: &Context<'_>) -> bool {
    let (principal, identity) = (user(), identity(statements));
    let request = Request { principal: &principal, action, resource, resource_account: ACCOUNT, context };
    evaluate(&request, &PolicySet { identity: &identity, ..PolicySet::default() }).allowed()
}
