//! `reference_policies_elements_notprincipal` and `reference_policies_elements_principal`.

use super::*;

fn denied(principal: &Principal, not_principal: Value, boundary: bool) -> bool {
    let all = json!({"Effect": "Allow", "Action": "*", "Resource": "*"});
    let identity = identity(all.clone());
    let bound = attached(PolicyKind::Managed, "boundary", all);
    let mut statement = send("Deny");
    statement["NotPrincipal"] = not_principal;
    let resource = resource(statement);
    let context = Context::new();
    let request = sending(principal, &context);
    let policies = PolicySet {
        identity: &identity,
        boundary: boundary.then_some(&bound),
        session: None,
        resource: Some(&resource),
        list: List::default(),
    };
    evaluate(&request, &policies).kind == DecisionKind::ExplicitDeny
}

#[test]
fn not_principal_spares_whom_it_lists_with_account() {
    let root = "arn:aws:iam::111122223333:root";
    let ana = "arn:aws:iam::111122223333:user/team/ana";
    let role = "arn:aws:iam::111122223333:role/app/worker";
    let s1 = "arn:aws:sts::111122223333:assumed-role/worker/s1";
    let sns = Principal::service("sns.amazonaws.com");
    let table = [
        (user(), json!({"AWS": [ana, root]}), false),
        (user(), json!({"AWS": [ana, ACCOUNT]}), false),
        (user(), json!({"AWS": ana}), true),
        (user(), json!({"AWS": root}), true),
        (user(), json!({"AWS": [role, root]}), true),
        (session(), json!({"AWS": [role, root]}), false),
        (session(), json!({"AWS": [s1, role, root]}), false),
        (session(), json!({"AWS": [s1, root]}), true),
        (session(), json!({"AWS": role}), true),
        (Principal::root(ACCOUNT), json!({"AWS": root}), false),
        (Principal::root(OTHER), json!({"AWS": root}), true),
        (Principal::anonymous(), json!({"AWS": root}), true),
        (Principal::anonymous(), json!("*"), false),
        (sns.clone(), json!({"Service": "sns.amazonaws.com"}), false),
        (sns, json!({"AWS": root}), true),
    ];
    for (principal, not_principal, expected) in table {
        assert_eq!(
            denied(&principal, not_principal.clone(), false),
            expected,
            "{principal:?} {not_principal}"
        );
    }
}

/// "The NotPrincipal element with a Deny effect will always deny any IAM principal that has a permissions
/// boundary policy attached, regardless of the values specified in the NotPrincipal element."
#[test]
fn not_principal_denies_whoever_has_a_boundary() {
    let listed = json!({"AWS": ["arn:aws:iam::111122223333:user/team/ana", ACCOUNT]});
    assert!(denied(&user(), listed.clone(), true));
    assert!(!denied(&user(), listed, false));
}

#[test]
fn canonical_users_stand_for_their_account() {
    let id = ropeway_wire::canonical_id(OTHER);
    let mut statement = send("Allow");
    statement["Principal"] = json!({"CanonicalUser": id});
    let resource = resource(statement);
    let policies = PolicySet { resource: Some(&resource), ..PolicySet::default() };
    let context = Context::new();
    let decide = |principal: &Principal| {
        let request = sending(principal, &context);
        evaluate(&request, &policies).allowed()
    };
    assert!(decide(&Principal::root(OTHER)));
    assert!(!decide(&Principal::root("777788889999")) && !decide(&Principal::anonymous()));
}

#[test]
fn sessions_are_built_from_the_role() {
    let session = session();
    assert_eq!(session.arn, "arn:aws:sts::111122223333:assumed-role/worker/s1");
    assert_eq!(session.unique_id, "AROAWORKERWORKERWOR1:s1");
}

/// `reference_policies_condition-keys#condition-keys-principalarn`: for a session it is the role's.
#[test]
fn tags_and_arn_of_a_session() {
    let mut principal = session();
    principal.tags.insert("Team".to_owned(), "blue".to_owned());
    let identity = identity(json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {
        "StringEquals": {"aws:PrincipalTag/team": "blue", "aws:PrincipalType": "AssumedRole"},
        "ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/app/worker"},
        "Null": {"aws:username": "true"},
    }}));
    let context = Context::new();
    let request = sending(&principal, &context);
    assert!(evaluate(&request, &PolicySet { identity: &identity, ..PolicySet::default() }).allowed());
}
