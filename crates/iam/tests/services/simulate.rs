//! The policy simulator's operations, and explanations for the operator.

use std::collections::BTreeMap;

use ropeway_api::iam::{self as api, Iam};
use ropeway_iam::Question;

use crate::world::{ACCOUNT, OTHER, World, allow, statement, trust};

const QUEUE: &str = "arn:aws:sqs:us-east-1:111122223333:q";

fn custom(policies: &[String], actions: &[&str], resources: &[&str]) -> api::SimulateCustomPolicyInput {
    api::SimulateCustomPolicyInput {
        policy_input_list: policies.to_vec(),
        action_names: actions.iter().map(|action| (*action).to_owned()).collect(),
        resource_arns: Some(resources.iter().map(|arn| (*arn).to_owned()).collect()),
        ..Default::default()
    }
}

fn entry(key: &str, kind: &str, values: &[&str]) -> api::ContextEntry {
    api::ContextEntry {
        context_key_name: Some(key.to_owned()),
        context_key_type: Some(kind.to_owned()),
        context_key_values: Some(values.iter().map(|value| (*value).to_owned()).collect()),
    }
}

fn sources(statements: &Option<Vec<api::Statement>>) -> Vec<String> {
    let names = statements.iter().flatten().map(|one| one.source_policy_id.clone().unwrap());
    names.collect()
}

#[tokio::test]
async fn results_of_several_resources() {
    let world = World::new().await;
    let root = world.root();
    let policies = [allow("s3:GetObject", "*"), statement("Deny", "s3:*", "arn:aws:s3:::bad/*")];
    let input = custom(&policies, &["s3:GetObject"], &["arn:aws:s3:::good/x", "arn:aws:s3:::bad/x"]);
    let answer = world.iam.simulate_custom_policy(&root, input).await.unwrap();
    let [result] = &answer.evaluation_results.unwrap()[..] else { panic!() };
    // "In the top-level result, this field contains the union of matched statements ... Only statements that
    // contributed to the reported decision are included" (EvaluationResult).
    assert_eq!(result.eval_decision, "explicitDeny");
    assert_eq!(result.eval_resource_name.as_deref(), Some("arn:${Partition}:s3:::${BucketName}/${KeyName}"));
    assert_eq!(sources(&result.matched_statements), ["PolicyInputList.2"]);
    assert_eq!(result.eval_decision_details, Some(BTreeMap::new()));
    let specific: Vec<_> = result.resource_specific_results.iter().flatten().collect();
    let told =
        |n: usize| (specific[n].eval_resource_decision.as_str(), sources(&specific[n].matched_statements));
    assert_eq!(told(0), ("allowed", vec!["PolicyInputList.1".to_owned()]));
    assert_eq!(told(1), ("explicitDeny", vec!["PolicyInputList.2".to_owned()]));
    assert!(specific.iter().all(|one| one.eval_decision_details.is_none()));

    let mut everything = custom(&policies, &["s3:ListAllMyBuckets"], &[]);
    everything.resource_arns = None;
    let answer = world.iam.simulate_custom_policy(&root, everything).await.unwrap();
    let result = &answer.evaluation_results.unwrap()[0];
    assert_eq!(
        (result.eval_resource_name.as_deref(), result.eval_decision.as_str()),
        (Some("*"), "implicitDeny")
    );
    assert!(result.resource_specific_results.is_none() && result.eval_decision_details.is_none());
}

#[tokio::test]
async fn pages_go_by_actions() {
    let world = World::new().await;
    let actions: Vec<String> = (0..25).map(|n| format!("sqs:Action{n}")).collect();
    let names: Vec<&str> = actions.iter().map(String::as_str).collect();
    let mut marker = None;
    let mut seen = Vec::new();
    let mut pages = 0;
    loop {
        let mut input = custom(&[allow("sqs:*", "*")], &names, &[QUEUE]);
        (input.max_items, input.marker) = (Some(10), marker);
        let answer = world.iam.simulate_custom_policy(&world.root(), input).await.unwrap();
        seen.extend(answer.evaluation_results.unwrap().into_iter().map(|one| one.eval_action_name));
        pages += 1;
        assert_eq!(answer.is_truncated, Some(answer.marker.is_some()));
        marker = answer.marker;
        if marker.is_none() {
            break;
        }
    }
    assert_eq!((seen, pages), (actions, 3));
}

#[tokio::test]
async fn a_page_is_bounded_whatever_it_asks_for() {
    let world = World::new().await;
    let resources: Vec<String> = (0..6000).map(|n| format!("{QUEUE}{n}")).collect();
    let names: Vec<&str> = resources.iter().map(String::as_str).collect();
    let input = custom(&[allow("sqs:*", "*")], &["sqs:A", "sqs:B"], &names);
    let answer = world.iam.simulate_custom_policy(&world.root(), input).await.unwrap();
    assert_eq!((answer.evaluation_results.unwrap().len(), answer.is_truncated), (1, Some(true)));
}

#[tokio::test]
async fn what_cannot_be_simulated() {
    let world = World::new().await;
    let policies = [allow("sqs:*", "*")];
    let base = || custom(&policies, &["sqs:SendMessage"], &[QUEUE]);
    let resource_policy = || Some(trust(r#""AWS":"*""#).replace(r#""Action""#, r#""Resource":"*","Action""#));
    let bad: [(&str, api::SimulateCustomPolicyInput); 12] = [
        ("Invalid Action", custom(&policies, &["SendMessage"], &[QUEUE])),
        ("Invalid Action", custom(&policies, &["sqs:Send*"], &[QUEUE])),
        ("ARN format", custom(&policies, &["sqs:SendMessage"], &["q"])),
        ("PolicyInputList.2", custom(&[allow("a:b", "*"), "{}".to_owned()], &["sqs:SendMessage"], &[QUEUE])),
        ("Marker", api::SimulateCustomPolicyInput { marker: Some("?".into()), ..base() }),
        ("CallerArn", api::SimulateCustomPolicyInput { resource_policy: resource_policy(), ..base() }),
        (
            "CallerArn",
            api::SimulateCustomPolicyInput {
                caller_arn: Some("arn:aws:iam::111122223333:role/r".into()),
                ..base()
            },
        ),
        (
            "one policy",
            api::SimulateCustomPolicyInput {
                permissions_boundary_policy_input_list: Some(vec![policies[0].clone(), policies[0].clone()]),
                ..base()
            },
        ),
        ("ResourceOwner", api::SimulateCustomPolicyInput { resource_owner: Some("me".into()), ..base() }),
        (
            "several values",
            api::SimulateCustomPolicyInput {
                context_entries: Some(vec![entry("a:bcd", "string", &["1", "2"])]),
                ..base()
            },
        ),
        (
            "no numeric",
            api::SimulateCustomPolicyInput {
                context_entries: Some(vec![entry("a:bcd", "numericList", &["1", "x"])]),
                ..base()
            },
        ),
        (
            "ResourcePolicy",
            api::SimulateCustomPolicyInput {
                resource_policy: Some("{}".into()),
                caller_arn: Some("arn:aws:iam::111122223333:user/u".into()),
                ..base()
            },
        ),
    ];
    for (said, input) in bad {
        let error = world.iam.simulate_custom_policy(&world.root(), input).await.unwrap_err();
        assert_eq!(error.code, "InvalidInput");
        assert!(error.message.contains(said), "{said}: {}", error.message);
    }
}

#[tokio::test]
async fn policies_of_a_principal() {
    let world = World::new().await;
    world.user("ana").await;
    world
        .put_user_policy(
            "ana",
            "send",
            &allow("sqs:SendMessage", "${aws:PrincipalTag/q}*").replace("${aws:PrincipalTag/q}*", "*"),
        )
        .await;
    let root = world.root();
    let arn = format!("arn:aws:iam::{ACCOUNT}:user/ana");
    let simulate = |action: &str, boundary: Option<String>, caller: Option<&str>, policy: Option<String>| {
        api::SimulatePrincipalPolicyInput {
            policy_source_arn: arn.clone(),
            action_names: vec![action.to_owned()],
            resource_arns: Some(vec![QUEUE.to_owned()]),
            permissions_boundary_policy_input_list: boundary.map(|one| vec![one]),
            caller_arn: caller.map(str::to_owned),
            resource_policy: policy,
            ..Default::default()
        }
    };
    let run = async |input| {
        let answer = world.iam.simulate_principal_policy(&root, input).await.unwrap();
        answer.evaluation_results.unwrap().remove(0)
    };
    let allowed = run(simulate("sqs:SendMessage", None, None, None)).await;
    assert_eq!(
        (allowed.eval_decision.as_str(), sources(&allowed.matched_statements)),
        ("allowed", vec!["user_ana_send".to_owned()])
    );
    assert!(allowed.permissions_boundary_decision_detail.is_none());
    let bounded = run(simulate("sqs:SendMessage", Some(allow("s3:*", "*")), None, None)).await;
    let detail = bounded.permissions_boundary_decision_detail.unwrap();
    assert_eq!(
        (bounded.eval_decision.as_str(), detail.allowed_by_permissions_boundary),
        ("implicitDeny", Some(false))
    );
    // "As if Bob had David's policies", across accounts.
    let eve = format!("arn:aws:iam::{OTHER}:user/eve");
    let grant = trust(&format!(r#""AWS":"{eve}""#)).replace("sts:AssumeRole", "sqs:SendMessage");
    let grant = grant.replace(r#""Action""#, r#""Resource":"*","Action""#);
    let across = run(simulate("sqs:SendMessage", None, Some(&eve), Some(grant))).await;
    assert_eq!(across.eval_decision, "allowed");
    let details = across.eval_decision_details.unwrap();
    assert_eq!(
        details.into_iter().collect::<Vec<_>>(),
        [
            ("IAM Policy".to_owned(), "allowed".to_owned()),
            ("Resource Policy".to_owned(), "allowed".to_owned())
        ]
    );
    let alone = run(simulate("sqs:SendMessage", None, Some(&eve), None)).await;
    assert_eq!(
        (alone.eval_decision.as_str(), alone.eval_decision_details.unwrap()["Resource Policy"].as_str()),
        ("implicitDeny", "implicitDeny")
    );

    for (arn, code) in [
        (format!("arn:aws:iam::{ACCOUNT}:user/none"), "NoSuchEntity"),
        (format!("arn:aws:iam::{ACCOUNT}:root"), "InvalidInput"),
        (format!("arn:aws:sts::{ACCOUNT}:assumed-role/r/s"), "InvalidInput"),
    ] {
        let input = api::SimulatePrincipalPolicyInput {
            policy_source_arn: arn,
            ..simulate("sqs:X", None, None, None)
        };
        assert_eq!(world.iam.simulate_principal_policy(&root, input).await.unwrap_err().code, code);
    }
}

#[tokio::test]
async fn decisions_are_explained() {
    let world = World::new().await;
    world.user("ana").await;
    let document = format!(
        "{{\"Version\":\"2012-10-17\",\"Statement\":[\n{},\n{}]}}",
        r#"{"Effect":"Allow","Action":"sqs:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":true}}}"#,
        r#"{"Sid":"NoPurge","Effect":"Deny","Action":"sqs:PurgeQueue","Resource":"*"}"#
    );
    world.put_user_policy("ana", "mixed", &document).await;
    world.role("worker", &trust(r#""Service":"lambda.amazonaws.com""#)).await;
    let ask = |principal: &str, action: &str, resource: &str, context: &[(&str, &str)]| {
        let context = context.iter().map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()]));
        let question = Question {
            principal: principal.into(),
            action: action.into(),
            resource: resource.into(),
            context: context.collect(),
        };
        world.access.explain(ACCOUNT, &question)
    };
    let told = ask("ana", "sqs:PurgeQueue", QUEUE, &[]).unwrap();
    assert_eq!(told.decision, "explicitDeny");
    assert_eq!(
        (told.sid.as_deref(), told.statement, told.line, told.kind.as_deref()),
        (Some("NoPurge"), Some(1), Some(2), Some("identity-based policy"))
    );
    assert_eq!(told.policy.as_deref(), Some("mixed of arn:aws:iam::111122223333:user/ana"));
    let told = ask("arn:aws:iam::111122223333:user/ana", "sqs:SendMessage", QUEUE, &[]).unwrap();
    assert_eq!(
        (told.decision.as_str(), told.missing.as_slice()),
        ("implicitDeny", &["aws:SecureTransport".to_owned()][..])
    );
    let told = ask("ana", "sqs:SendMessage", QUEUE, &[("aws:SecureTransport", "true")]).unwrap();
    assert_eq!((told.decision.as_str(), told.statement, told.missing.len()), ("allowed", Some(0), 0));
    let role = format!("arn:aws:iam::{ACCOUNT}:role/worker");
    for (principal, expected) in [
        ("lambda.amazonaws.com", "allowed"),
        ("sqs.amazonaws.com", "implicitDeny"),
        ("anonymous", "implicitDeny"),
    ] {
        assert_eq!(ask(principal, "sts:AssumeRole", &role, &[]).unwrap().decision, expected, "{principal}");
    }
    assert_eq!(
        ask(ACCOUNT, "sqs:SendMessage", QUEUE, &[]).unwrap().because,
        "allowed: root user in its own account"
    );
    assert_eq!(
        ask("worker", "sqs:SendMessage", QUEUE, &[]).unwrap().principal,
        format!("arn:aws:sts::{ACCOUNT}:assumed-role/worker/explained")
    );
    for nobody in
        ["joe", "arn:aws:iam::111122223333:user/joe", "arn:aws:iam::111122223333:user/team/ana", "arn:aws:x"]
    {
        assert!(ask(nobody, "sqs:SendMessage", QUEUE, &[]).unwrap_err().contains(nobody));
    }
    world.user("worker").await;
    assert!(ask("worker", "sqs:SendMessage", QUEUE, &[]).unwrap_err().contains("a user and a role"));
}
