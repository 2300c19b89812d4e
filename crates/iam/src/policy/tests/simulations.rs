//! What a simulation says beside its decision: positions, matched statements, missing context.

use super::*;

fn span_of(document: &str, kind: PolicyKind, statement: usize) -> [u32; 4] {
    let policy = Policy::parse(document, kind).unwrap_or_else(|e| panic!("{e}: {document}"));
    let Span { start, end } = policy.span(statement).unwrap();
    [start.line, start.column, end.line, end.column]
}

/// The examples of the AWS CLI reference, `simulate-custom-policy`, and what `simulate-principal-policy` answers of
/// `AdministratorAccess` as AWS publishes it.
#[test]
fn positions_are_those_of_the_policy_simulator() {
    let custom = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"dynamodb:*","Resource":"*","Condition":{"DateGreaterThan":{"aws:CurrentTime":"2015-08-16T12:00:00Z"}}}}"#;
    assert_eq!(span_of(custom, PolicyKind::Identity, 0), [1, 38, 1, 167]);
    let administrator = "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {\n      \"Effect\": \"Allow\",\n      \"Action\": \"*\",\n      \"Resource\": \"*\"\n    }\n  ]\n}";
    assert_eq!(span_of(administrator, PolicyKind::Managed, 0), [3, 17, 8, 6]);
}

#[test]
fn positions_are_found_in_any_writing() {
    let statement = r#"{"Sid":"é]}\"{[","Effect":"Allow","Action":"*","Resource":"*"}"#;
    let length = u32::try_from(statement.chars().count()).unwrap();
    for (before, after) in [
        (r#"{"Statement":"#, "}"),
        (r#"{"Id":"Statement","Statement":"#, "}"),
        (r#"{"\u0053tatement":"#, r#","Version":"2012-10-17"}"#),
    ] {
        // Sids of resource's policies may have any letters.
        let statement = statement.replacen('{', r#"{"Principal":"*","#, 1);
        let length = length + 16;
        let start = u32::try_from(before.chars().count()).unwrap() + 1;
        let alone = format!("{before}{statement}{after}");
        assert_eq!(span_of(&alone, PolicyKind::Resource, 0), [1, start + 1, 1, start + length], "{alone}");
        let second = statement.replacen("é", "e", 1);
        let list = format!("{before}[{statement}, {second}]{after}");
        let first_end = start + 1 + length;
        assert_eq!(span_of(&list, PolicyKind::Resource, 0), [1, start + 1, 1, first_end], "{list}");
        assert_eq!(
            span_of(&list, PolicyKind::Resource, 1),
            [1, first_end, 1, first_end + 2 + length],
            "{list}"
        );
    }
}

#[test]
fn what_matched_and_what_is_missing() {
    let named = |sid: &str, effect: &str, condition: Value| {
        let mut statement = send(effect);
        statement["Sid"] = json!(sid);
        statement["Condition"] = condition;
        statement
    };
    let policies = [
        attached(
            PolicyKind::Identity,
            "a",
            json!([
                named("Plain", "Allow", json!({})),
                named("Ip", "Allow", json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})),
                {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::${aws:PrincipalTag/Team}",
                 "Condition": {"Bool": {"aws:SecureTransport": true}}},
            ]),
        ),
        attached(
            PolicyKind::Identity,
            "b",
            json!([named("No", "Deny", json!({"StringEquals": {"x:y": "${x:z}"}}))]),
        ),
    ];
    let set = PolicySet { identity: &policies, ..PolicySet::default() };
    let principal = user();
    let run = |context: &Context<'_>| {
        let told = simulate(&sending(&principal, context), &set);
        let matched: Vec<_> = told.matched.iter().map(|m| (m.identity.unwrap(), m.statement)).collect();
        (told.decision.kind, matched, told.missing.into_iter().collect::<Vec<_>>())
    };
    let kinds = |kind, matched: &[(usize, usize)], missing: &[&str]| {
        (kind, matched.to_vec(), missing.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>())
    };
    let mut context = Context::simulated();
    // What another action's statements name is not missed.
    assert_eq!(run(&context), kinds(DecisionKind::Allow, &[(0, 0)], &["aws:SourceIp", "x:y", "x:z"]));
    context.set("aws:SourceIp", "10.1.1.1").set("x:y", "1");
    assert_eq!(run(&context), kinds(DecisionKind::Allow, &[(0, 0), (0, 1)], &["x:z"]));
    context.set("x:z", "1");
    assert_eq!(run(&context), kinds(DecisionKind::ExplicitDeny, &[(1, 0)], &[]));
    let keys: Vec<_> = policies[0].policy.context_keys().into_iter().collect();
    assert_eq!(keys, ["aws:PrincipalTag/Team", "aws:SecureTransport", "aws:SourceIp"]);
}

/// A simulation's context may say what a request's may not.
#[test]
fn a_simulation_says_who_asks() {
    let own = json!({"Effect": "Allow", "Action": "*", "Resource": "*",
        "Condition": {"StringEquals": {"aws:username": "joe", "aws:PrincipalTag/team": "a"}}});
    let policies = identity(own);
    let set = PolicySet { identity: &policies, ..PolicySet::default() };
    let nobody = Principal::user(ACCOUNT, "", "");
    let told = simulate(&sending(&nobody, &Context::simulated()), &set);
    assert!(!told.decision.allowed());
    assert_eq!(told.missing.into_iter().collect::<Vec<_>>(), ["aws:PrincipalTag/team", "aws:username"]);
    for (mut context, expected) in [(Context::simulated(), true), (Context::new(), false)] {
        context.set("aws:username", "joe").set("aws:PrincipalTag/team", "a");
        assert_eq!(simulate(&sending(&nobody, &context), &set).decision.allowed(), expected);
    }
}

#[test]
fn what_each_kind_of_policy_decides() {
    let stranger = Principal::user(OTHER, "arn:aws:iam::444455556666:user/eve", "AIDAEVEEVEEVEEVEEVE1");
    let identity = identity(send("Allow"));
    let (context, bound) = (Context::simulated(), attached(PolicyKind::Managed, "b", send("Deny")));
    for (resource_statement, by_resource, whole) in [
        (send_by("Allow", json!({"AWS": OTHER})), DecisionKind::Allow, DecisionKind::Allow),
        (send_by("Allow", json!({"AWS": ACCOUNT})), DecisionKind::ImplicitDeny, DecisionKind::ImplicitDeny),
        (send_by("Deny", json!("*")), DecisionKind::ExplicitDeny, DecisionKind::ExplicitDeny),
    ] {
        let resource = resource(resource_statement);
        let set = PolicySet { identity: &identity, resource: Some(&resource), ..PolicySet::default() };
        let told = simulate(&sending(&stranger, &context), &set);
        assert_eq!(
            (told.by_identity, told.by_resource, told.decision.kind, told.within_boundary),
            (DecisionKind::Allow, Some(by_resource), whole, None)
        );
        let bounded = PolicySet { boundary: Some(&bound), ..set };
        let told = simulate(&sending(&stranger, &context), &bounded);
        assert_eq!((told.decision.kind, told.within_boundary), (DecisionKind::ExplicitDeny, Some(false)));
    }
}
