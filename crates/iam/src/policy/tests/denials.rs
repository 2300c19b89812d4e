//! What callers and operators are told: `troubleshoot_access-denied`.

use super::*;

/// A denied request of a user for the queue.
fn told(policies: &PolicySet<'_>, principal: &Principal, action: &str, resource: &str) -> (String, String) {
    let context = Context::new();
    let request = Request { principal, action, resource, resource_account: ACCOUNT, context: &context };
    let decision = evaluate(&request, policies);
    (decision.denied_message(&request).expect("denied"), decision.to_string())
}

#[test]
fn implicit() {
    let user = user();
    let all = identity(json!({"Effect": "Allow", "Action": "*", "Resource": "*"}));
    let none =
        attached(PolicyKind::Managed, "none", json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"}));
    let session = [none.clone()];
    let base = "User: arn:aws:iam::111122223333:user/team/ana is not authorized to perform: sqs:SendMessage on \
                resource: arn:aws:sqs:us-east-1:111122223333:orders because no";
    let table = [
        (PolicySet::default(), "identity-based policy"),
        (PolicySet { identity: &all, boundary: Some(&none), ..PolicySet::default() }, "permissions boundary"),
        (PolicySet { identity: &all, session: Some(&session), ..PolicySet::default() }, "session policy"),
    ];
    for (policies, source) in table {
        let (message, log) = told(&policies, &user, "sqs:SendMessage", QUEUE);
        assert_eq!(message, format!("{base} {source} allows the sqs:SendMessage action"));
        assert_eq!(log, format!("implicitly denied: no {source} allows it"));
    }
    let (message, _) = told(&PolicySet::default(), &Principal::anonymous(), "sqs:SendMessage", QUEUE);
    assert_eq!(
        message,
        "User: anonymous is not authorized to perform: sqs:SendMessage on resource: \
         arn:aws:sqs:us-east-1:111122223333:orders because no resource-based policy allows the sqs:SendMessage action"
    );
    let (message, _) = told(&PolicySet::default(), &user, "codecommit:ListRepositories", "*");
    assert_eq!(
        message,
        "User: arn:aws:iam::111122223333:user/team/ana is not authorized to perform: codecommit:ListRepositories \
         because no identity-based policy allows the codecommit:ListRepositories action"
    );
}

#[test]
fn explicit() {
    let user = user();
    let all = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
    let denies = json!([all, {"Sid": "No", "Effect": "Deny", "Action": "sqs:*", "Resource": "*"}]);
    let allow = identity(all);
    let deny = identity(denies.clone());
    let boundary = attached(PolicyKind::Managed, "arn:aws:iam::111122223333:policy/b", denies);
    let session = deny.clone();
    let resource = resource(send_by("Deny", json!("*")));
    let table = [
        (
            PolicySet { identity: &deny, ..PolicySet::default() },
            "an identity-based policy",
            "statement 1 (No) of identity-based policy identity",
        ),
        (
            PolicySet { identity: &allow, boundary: Some(&boundary), ..PolicySet::default() },
            "a permissions boundary",
            "statement 1 (No) of permissions boundary arn:aws:iam::111122223333:policy/b",
        ),
        (
            PolicySet { identity: &allow, session: Some(&session), ..PolicySet::default() },
            "a session policy",
            "statement 1 (No) of session policy identity",
        ),
        (
            PolicySet { identity: &allow, resource: Some(&resource), ..PolicySet::default() },
            "a resource-based policy",
            "statement 0 of resource-based policy resource",
        ),
    ];
    for (policies, source, statement) in table {
        let (message, log) = told(&policies, &user, "sqs:SendMessage", QUEUE);
        let base = "User: arn:aws:iam::111122223333:user/team/ana is not authorized to perform: sqs:SendMessage on \
                    resource: arn:aws:sqs:us-east-1:111122223333:orders with an explicit deny in";
        assert_eq!(message, format!("{base} {source}"));
        assert_eq!(log, format!("explicitly denied: {statement}"));
    }
}

#[test]
fn trust() {
    let user = user();
    let role = "arn:aws:iam::111122223333:role/r";
    let all = identity(json!({"Effect": "Allow", "Action": "*", "Resource": "*"}));
    let base = "User: arn:aws:iam::111122223333:user/team/ana is not authorized to perform: sts:AssumeRole";
    for (effect, principal, expected) in [
        ("Allow", OTHER, "because no role trust policy allows the sts:AssumeRole action"),
        ("Deny", ACCOUNT, "with an explicit deny in the role trust policy"),
    ] {
        let statement =
            json!({"Effect": effect, "Action": "sts:AssumeRole", "Principal": {"AWS": principal}});
        let trust = attached(PolicyKind::Trust, "r", statement);
        let policies = PolicySet { identity: &all, resource: Some(&trust), ..PolicySet::default() };
        assert_eq!(told(&policies, &user, "sts:AssumeRole", role).0, format!("{base} {expected}"));
    }
}

#[test]
fn nothing_is_told_of_what_was_allowed() {
    let (root, context) = (Principal::root(ACCOUNT), Context::new());
    let request = sending(&root, &context);
    let decision = evaluate(&request, &PolicySet::default());
    assert_eq!(decision.denied_message(&request), None);
    assert_eq!(decision.to_string(), "allowed: root user in its own account");
}
