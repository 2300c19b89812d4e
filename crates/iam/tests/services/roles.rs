//! Roles, their sessions, and the services that act as them.

use ropeway_api::iam::{self as api, Iam};
use ropeway_api::sts::{AssumeRoleInput, PolicyDescriptorType, Sts};
use ropeway_wire::{Cx, KeyError, Keys, Principal, Roles};

use crate::world::{ACCOUNT, OTHER, World, allow, ask, trust};

const ROLE: &str = "arn:aws:iam::111122223333:role/worker";

fn input() -> AssumeRoleInput {
    AssumeRoleInput { role_arn: ROLE.into(), role_session_name: "job".into(), ..Default::default() }
}

/// A role that ana may assume, and ana.
async fn set_up(world: &World) -> Cx {
    let ana = world.user("ana").await;
    world.role("worker", &trust(r#""AWS":"arn:aws:iam::111122223333:user/ana""#)).await;
    world.put_role_policy("worker", &allow("s3:*", "*")).await;
    ana
}

#[tokio::test]
async fn a_session_acts_as_its_role_until_it_ends() {
    let world = World::new().await;
    let ana = set_up(&world).await;
    let output =
        world.assume(&ana, AssumeRoleInput { duration_seconds: Some(900), ..input() }).await.unwrap();
    let user = output.assumed_role_user.clone().unwrap();
    assert_eq!(user.arn, "arn:aws:sts::111122223333:assumed-role/worker/job");
    assert!(user.assumed_role_id.starts_with("AROA") && user.assumed_role_id.ends_with(":job"));
    assert_eq!(output.packed_policy_size, None);
    let given = output.credentials.clone().unwrap();
    assert!(given.access_key_id.starts_with("ASIA"));
    assert_eq!(given.expiration, world.clock.now().plus_secs(900));
    let session = world.session(&output).unwrap();
    ask(&session, "s3:GetObject", "arn:aws:s3:::b/k").unwrap();
    ask(&session, "sqs:SendMessage", "*").unwrap_err();
    let told = world.sts.get_caller_identity(&session, Default::default()).await.unwrap();
    assert_eq!((told.arn, told.user_id), (Some(user.arn), Some(user.assumed_role_id)));
    let world = world.reopen().await;
    let session = world.session(&output).unwrap();
    ask(&session, "s3:GetObject", "arn:aws:s3:::b/k").unwrap();
    assert_eq!(world.find(&given.access_key_id, None).err(), Some(KeyError::InvalidToken));
    world.advance(899);
    world.session(&output).unwrap();
    world.advance(1);
    assert_eq!(world.session(&output).err(), Some(KeyError::ExpiredToken));
}

#[tokio::test]
async fn a_token_that_was_changed_or_belongs_to_another_key_is_refused() {
    let world = World::new().await;
    let ana = set_up(&world).await;
    let one = world.assume(&ana, input()).await.unwrap().credentials.unwrap();
    let two = world.assume(&ana, input()).await.unwrap().credentials.unwrap();
    let find = |key: &str, token: &str| world.find(key, Some(token)).err();
    assert_eq!(find(&one.access_key_id, &two.session_token), Some(KeyError::InvalidToken));
    for at in [0, 5, 40, one.session_token.len() - 5] {
        let mut token = one.session_token.clone().into_bytes();
        token[at] = if token[at] == b'A' { b'B' } else { b'A' };
        let token = String::from_utf8(token).unwrap();
        assert_eq!(find(&one.access_key_id, &token), Some(KeyError::InvalidToken), "at {at}");
    }
    assert_eq!(find(&one.access_key_id, ""), Some(KeyError::InvalidToken));
    assert_eq!(find(&one.access_key_id, &one.session_token), None);
}

#[tokio::test]
async fn session_policies_narrow_the_role() {
    let world = World::new().await;
    let ana = set_up(&world).await;
    let policy = Some(allow("s3:GetObject", "*"));
    let output = world.assume(&ana, AssumeRoleInput { policy, ..input() }).await.unwrap();
    assert_eq!(output.packed_policy_size, Some(1));
    let session = world.session(&output).unwrap();
    ask(&session, "s3:GetObject", "arn:aws:s3:::b/k").unwrap();
    let why = ask(&session, "s3:PutObject", "arn:aws:s3:::b/k").unwrap_err();
    assert!(why.ends_with("because no session policy allows the s3:PutObject action"), "{why}");
    let arn = world.policy("put", &allow("s3:PutObject", "*")).await;
    let arns = |arn: &str| Some(vec![PolicyDescriptorType { arn: Some(arn.to_owned()) }]);
    let output = world.assume(&ana, AssumeRoleInput { policy_arns: arns(&arn), ..input() }).await.unwrap();
    let session = world.session(&output).unwrap();
    ask(&session, "s3:PutObject", "arn:aws:s3:::b/k").unwrap();
    ask(&session, "s3:GetObject", "arn:aws:s3:::b/k").unwrap_err();
    let unknown = arns("arn:aws:iam::111122223333:policy/none");
    let error = world.assume(&ana, AssumeRoleInput { policy_arns: unknown, ..input() }).await.unwrap_err();
    assert_eq!(error.code, "ValidationError");
    let error =
        world.assume(&ana, AssumeRoleInput { policy: Some("{}".into()), ..input() }).await.unwrap_err();
    assert_eq!((error.code.as_ref(), error.status), ("MalformedPolicyDocument", 400));
    let long = format!("{}{}", allow("s3:*", "*"), " ".repeat(2048));
    let error = world.assume(&ana, AssumeRoleInput { policy: Some(long), ..input() }).await.unwrap_err();
    assert_eq!(error.code, "PackedPolicyTooLarge");
}

#[tokio::test]
async fn durations_are_bounded() {
    let world = World::new().await;
    let ana = set_up(&world).await;
    let long = || AssumeRoleInput { duration_seconds: Some(3601), ..input() };
    let error = world.assume(&ana, long()).await.unwrap_err();
    assert_eq!(error.code, "ValidationError");
    assert_eq!(
        error.message,
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    );
    let update = api::UpdateRoleInput {
        role_name: "worker".into(),
        max_session_duration: Some(43_200),
        ..Default::default()
    };
    world.iam.update_role(&world.root(), update).await.unwrap();
    world.assume(&ana, long()).await.unwrap();
    let chained = world.session(&world.assume(&ana, input()).await.unwrap()).unwrap();
    let error = world.assume(&chained, long()).await.unwrap_err();
    assert_eq!(error.code, "AccessDenied");
    let update = api::UpdateAssumeRolePolicyInput {
        role_name: "worker".into(),
        policy_document: trust(&format!(r#""AWS":"{ROLE}""#)),
    };
    world.iam.update_assume_role_policy(&world.root(), update).await.unwrap();
    world.put_role_policy("worker", &allow("sts:AssumeRole", "*")).await;
    let error = world.assume(&chained, long()).await.unwrap_err();
    assert!(error.message.contains("1 hour session limit"), "{error}");
    world.assume(&chained, input()).await.unwrap();
    assert_eq!(world.assume(&ana, input()).await.unwrap_err().code, "AccessDenied");
}

#[tokio::test]
async fn only_the_trusted_assume_a_role() {
    let world = World::new().await;
    set_up(&world).await;
    let eve = world.user("eve").await;
    world.put_user_policy("eve", "all", &allow("*", "*")).await;
    let error = world.assume(&eve, input()).await.unwrap_err();
    assert_eq!((error.code.as_ref(), error.status), ("AccessDenied", 403));
    let missing = "arn:aws:iam::111122223333:role/none";
    let error =
        world.assume(&eve, AssumeRoleInput { role_arn: missing.into(), ..input() }).await.unwrap_err();
    assert_eq!(error.code, "AccessDenied");
    // An account's trust leaves the choice to the account: its users need a policy of their own.
    let update = |principal: &str| api::UpdateAssumeRolePolicyInput {
        role_name: "worker".into(),
        policy_document: trust(principal),
    };
    let own = update(&format!(r#""AWS":"{ACCOUNT}""#));
    world.iam.update_assume_role_policy(&world.root(), own).await.unwrap();
    world.assume(&eve, input()).await.unwrap();
    let joe = world.user("joe").await;
    assert_eq!(world.assume(&joe, input()).await.unwrap_err().code, "AccessDenied");
    let error = world.assume(&world.root(), input()).await.unwrap_err();
    assert_eq!(error.message, "Roles may not be assumed by root accounts.");
    assert_eq!(
        world.assume(&world.cx(Principal::root(OTHER)), input()).await.unwrap_err().code,
        "AccessDenied"
    );
}

#[tokio::test]
async fn an_external_id_is_a_condition() {
    let world = World::new().await;
    let ana = world.user("ana").await;
    let document = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole",
        "Principal":{"AWS":"arn:aws:iam::111122223333:user/ana"},
        "Condition":{"StringEquals":{"sts:ExternalId":"secret-7"}}}}"#;
    world.role("worker", document).await;
    assert_eq!(world.assume(&ana, input()).await.unwrap_err().code, "AccessDenied");
    let with = |id: &str| AssumeRoleInput { external_id: Some(id.into()), ..input() };
    assert_eq!(world.assume(&ana, with("secret-8")).await.unwrap_err().code, "AccessDenied");
    world.assume(&ana, with("secret-7")).await.unwrap();
}

#[tokio::test]
async fn sessions_end_with_their_role_and_a_new_one_revives_none() {
    let world = World::new().await;
    let ana = set_up(&world).await;
    let output = world.assume(&ana, input()).await.unwrap();
    let session = world.session(&output).unwrap();
    let input = api::DeleteRolePolicyInput { role_name: "worker".into(), policy_name: "inline".into() };
    world.iam.delete_role_policy(&world.root(), input).await.unwrap();
    world.iam.delete_role(&world.root(), api::DeleteRoleInput { role_name: "worker".into() }).await.unwrap();
    assert_eq!(world.session(&output).err(), Some(KeyError::Unknown));
    world.role("worker", &trust(r#""AWS":"*""#)).await;
    world.put_role_policy("worker", &allow("s3:*", "*")).await;
    assert_eq!(world.session(&output).err(), Some(KeyError::Unknown));
    ask(&session, "s3:GetObject", "arn:aws:s3:::b/k").unwrap_err();
}

#[tokio::test]
async fn services_act_as_roles_that_trust_them() {
    let world = World::new().await;
    let document = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole",
        "Principal":{"Service":"firehose.amazonaws.com"},
        "Condition":{"StringEquals":{"aws:SourceAccount":"111122223333"}}}}"#;
    world.role("worker", document).await;
    world.put_role_policy("worker", &allow("s3:PutObject", "arn:aws:s3:::archive/*")).await;
    let mut keys = Keys::default();
    keys.add("aws:SourceAccount", ACCOUNT);
    let assume = |service: &str, keys: &Keys| world.access.assume_for_service(ROLE, service, "stream", keys);
    let principal = assume("firehose.amazonaws.com", &keys).unwrap();
    assert_eq!(principal.arn, "arn:aws:sts::111122223333:assumed-role/worker/stream");
    let cx = world.cx(principal);
    ask(&cx, "s3:PutObject", "arn:aws:s3:::archive/k").unwrap();
    ask(&cx, "s3:PutObject", "arn:aws:s3:::other/k").unwrap_err();
    assume("firehose.amazonaws.com", &Keys::default()).unwrap_err();
    assume("lambda.amazonaws.com", &keys).unwrap_err();
    let missing = "arn:aws:iam::111122223333:role/none";
    world.access.assume_for_service(missing, "firehose.amazonaws.com", "stream", &keys).unwrap_err();
    world.access.assume_for_service(ROLE, "firehose.amazonaws.com", "no space", &keys).unwrap_err();
}

#[tokio::test]
async fn a_role_is_handed_over_by_permission_only() {
    let world = World::new().await;
    let ana = set_up(&world).await;
    let service = &ropeway_api::sts::SERVICE;
    let error = ana.pass_role(service, ROLE, "firehose.amazonaws.com").unwrap_err();
    assert_eq!((error.code.as_ref(), error.status), ("AccessDenied", 403));
    assert_eq!(
        error.message,
        "User: arn:aws:iam::111122223333:user/ana is not authorized to perform: iam:PassRole on resource: \
         arn:aws:iam::111122223333:role/worker because no identity-based policy allows the iam:PassRole action"
    );
    let document = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"iam:PassRole",
        "Resource":"*","Condition":{"StringEquals":{"iam:PassedToService":"firehose.amazonaws.com"}}}}"#;
    world.put_user_policy("ana", "pass", document).await;
    ana.pass_role(service, ROLE, "firehose.amazonaws.com").unwrap();
    ana.pass_role(service, ROLE, "lambda.amazonaws.com").unwrap_err();
    world.root().pass_role(service, ROLE, "lambda.amazonaws.com").unwrap();
    let error =
        world.cx(Principal::root(OTHER)).pass_role(service, ROLE, "lambda.amazonaws.com").unwrap_err();
    assert_eq!(error.message, "Cross-account pass role is not allowed.");
}
