//! Users and their access keys.

use crate::world::{ACCOUNT, World, allow, ask};
use ropeway_api::iam::{self as api, Iam};
use ropeway_api::sts::Sts;
use ropeway_iam::ensure_root;
use ropeway_wire::{Credentials, KeyError, PrincipalKind};

#[tokio::test]
async fn the_roots_key_is_made_once_and_sealed() {
    let world = World::new().await;
    let first = ensure_root(&world.core, &world.access, ACCOUNT).await.unwrap();
    assert!(first.created);
    assert_eq!(first.access_key_id.len(), 20);
    assert!(first.access_key_id.starts_with("AKIA"));
    assert_eq!(first.secret.len(), 40);
    let world = world.reopen().await;
    let (secret, cx) = world.find(&first.access_key_id, None).unwrap();
    assert_eq!(secret, first.secret.as_ref());
    assert_eq!(cx.principal.kind, PrincipalKind::Root);
    let again = ensure_root(&world.core, &world.access, ACCOUNT).await.unwrap();
    assert!(!again.created);
    assert_eq!((again.access_key_id, again.secret), (first.access_key_id, first.secret));
}

#[tokio::test]
async fn a_policy_is_in_force_with_its_answer_and_after_a_restart() {
    let world = World::new().await;
    let ana = world.user("ana").await;
    let queue = "arn:aws:sqs:us-east-1:111122223333:orders";
    let why = ask(&ana, "sqs:SendMessage", queue).unwrap_err();
    assert_eq!(
        why,
        "User: arn:aws:iam::111122223333:user/ana is not authorized to perform: sqs:SendMessage on resource: \
         arn:aws:sqs:us-east-1:111122223333:orders because no identity-based policy allows the sqs:SendMessage action"
    );
    world.put_user_policy("ana", "send", &allow("sqs:SendMessage", queue)).await;
    ask(&ana, "sqs:SendMessage", queue).unwrap();
    let key = ana.principal.access_key.clone().unwrap();
    let world = world.reopen().await;
    let (_, ana) = world.find(&key, None).unwrap();
    ask(&ana, "sqs:SendMessage", queue).unwrap();
    ask(&ana, "sqs:DeleteMessage", queue).unwrap_err();
    let input = api::DeleteUserPolicyInput { user_name: "ana".into(), policy_name: "send".into() };
    world.iam.delete_user_policy(&world.root(), input).await.unwrap();
    ask(&ana, "sqs:SendMessage", queue).unwrap_err();
}

#[tokio::test]
async fn development_keys_are_roots() {
    let world = World::new().await;
    let found = world.access.find("test", None, crate::world::START).unwrap();
    assert_eq!((found.secret.as_ref(), found.principal.account.as_str()), ("test", ACCOUNT));
    let found = world.access.find(crate::world::OTHER, None, crate::world::START).unwrap();
    assert_eq!(found.principal.arn, "arn:aws:iam::444455556666:root");
    for key in ["12345678901", "1234567890123", "12345678901x", "Test", ""] {
        assert_eq!(
            world.access.find(key, None, crate::world::START).unwrap_err(),
            KeyError::Unknown,
            "{key}"
        );
    }
    let plain = ropeway_iam::Access::new(
        &ropeway_core::seal::MasterKey::from_bytes([7; 32]),
        ropeway_core::Clock::frozen(crate::world::START),
    );
    assert_eq!(plain.find("test", None, crate::world::START).unwrap_err(), KeyError::Unknown);
}

#[tokio::test]
async fn callers_are_told_who_they_are() {
    let world = World::new().await;
    let ana = world.user("ana").await;
    let told = world.sts.get_caller_identity(&ana, Default::default()).await.unwrap();
    assert_eq!(told.arn.as_deref(), Some("arn:aws:iam::111122223333:user/ana"));
    assert_eq!(told.account.as_deref(), Some(ACCOUNT));
    let id = told.user_id.unwrap();
    assert!(id.starts_with("AIDA") && id.len() == 21, "{id}");
    let user = world.iam.get_user(&world.root(), api::GetUserInput { user_name: Some("ANA".into()) }).await;
    assert_eq!(user.unwrap().user.user_id, id);
}
