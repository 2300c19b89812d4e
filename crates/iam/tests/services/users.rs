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

#[tokio::test]
async fn a_renamed_user_keeps_what_it_has_and_a_new_one_inherits_nothing() {
    let world = World::new().await;
    let ana = world.user("ana").await;
    world.put_user_policy("ana", "all", &allow("sqs:*", "*")).await;
    let input = api::UpdateUserInput {
        user_name: "ana".into(),
        new_user_name: Some("anna".into()),
        new_path: Some("/team/".into()),
    };
    world.iam.update_user(&world.root(), input).await.unwrap();
    let key = ana.principal.access_key.clone().unwrap();
    let (_, anna) = world.find(&key, None).unwrap();
    assert_eq!(anna.principal.arn, "arn:aws:iam::111122223333:user/team/anna");
    ask(&anna, "sqs:ListQueues", "*").unwrap();
    let get = |name: &str| api::GetUserInput { user_name: Some(name.into()) };
    let error = world.iam.get_user(&world.root(), get("ana")).await.unwrap_err();
    assert_eq!((error.code.as_ref(), error.status), ("NoSuchEntity", 404));
    assert_eq!(error.message, "The user with name ana cannot be found.");
    let again = world.user("ana").await;
    ask(&again, "sqs:ListQueues", "*").unwrap_err();
    let world = world.reopen().await;
    let (_, anna) = world.find(&key, None).unwrap();
    assert_eq!(anna.principal.arn, "arn:aws:iam::111122223333:user/team/anna");
    ask(&anna, "sqs:ListQueues", "*").unwrap();
}

#[tokio::test]
async fn keys_are_switched_off_and_deleted_at_once() {
    let world = World::new().await;
    let ana = world.user("ana").await;
    let id = ana.principal.access_key.clone().unwrap();
    let set = |status: &str| api::UpdateAccessKeyInput {
        user_name: Some("ana".into()),
        access_key_id: id.clone(),
        status: status.into(),
    };
    world.iam.update_access_key(&world.root(), set("Inactive")).await.unwrap();
    assert_eq!(world.find(&id, None).err(), Some(KeyError::Unknown));
    let world = world.reopen().await;
    assert_eq!(world.find(&id, None).err(), Some(KeyError::Unknown));
    world.iam.update_access_key(&world.root(), set("Active")).await.unwrap();
    world.find(&id, None).unwrap();
    assert_eq!(world.find(&id, Some("token")).err(), Some(KeyError::InvalidToken));
    let create = || api::CreateAccessKeyInput { user_name: Some("ana".into()) };
    world.iam.create_access_key(&world.root(), create()).await.unwrap();
    let error = world.iam.create_access_key(&world.root(), create()).await.unwrap_err();
    assert_eq!(error.code, "LimitExceeded");
    assert_eq!(error.message, "Cannot exceed quota for AccessKeysPerUser: 2");
    let input = api::DeleteAccessKeyInput { user_name: Some("ana".into()), access_key_id: id.clone() };
    world.iam.delete_access_key(&world.root(), input.clone()).await.unwrap();
    assert_eq!(world.find(&id, None).err(), Some(KeyError::Unknown));
    let error = world.iam.delete_access_key(&world.root(), input).await.unwrap_err();
    assert_eq!(error.message, format!("The Access Key with id {id} cannot be found."));
}

#[tokio::test]
async fn what_something_hangs_on_is_not_deleted() {
    let world = World::new().await;
    let ana = world.user("ana").await;
    world.put_user_policy("ana", "one", &allow("sqs:*", "*")).await;
    let delete = || api::DeleteUserInput { user_name: "ana".into() };
    let error = world.iam.delete_user(&world.root(), delete()).await.unwrap_err();
    assert_eq!((error.code.as_ref(), error.status), ("DeleteConflict", 409));
    assert_eq!(error.message, "Cannot delete entity, must delete access keys first.");
    let access_key_id = ana.principal.access_key.clone().unwrap();
    let input = api::DeleteAccessKeyInput { user_name: Some("ana".into()), access_key_id };
    world.iam.delete_access_key(&world.root(), input).await.unwrap();
    let error = world.iam.delete_user(&world.root(), delete()).await.unwrap_err();
    assert_eq!(error.message, "Cannot delete entity, must delete policies first.");
    let input = api::DeleteUserPolicyInput { user_name: "ana".into(), policy_name: "one".into() };
    world.iam.delete_user_policy(&world.root(), input).await.unwrap();
    world.iam.delete_user(&world.root(), delete()).await.unwrap();
    ask(&ana, "sqs:ListQueues", "*").unwrap_err();
    let error = world.iam.delete_user(&world.root(), delete()).await.unwrap_err();
    assert_eq!(error.code, "NoSuchEntity");
}

#[tokio::test]
async fn users_are_listed_in_pages_by_path() {
    let world = World::new().await;
    for number in 0..7 {
        let input = api::CreateUserInput {
            user_name: format!("user{number}"),
            path: Some(if number % 2 == 0 { "/even/".into() } else { "/odd/".into() }),
            ..Default::default()
        };
        world.iam.create_user(&world.root(), input).await.unwrap();
    }
    let mut names = Vec::new();
    let mut marker = None;
    loop {
        let input = api::ListUsersInput { path_prefix: Some("/even".into()), marker, max_items: Some(2) };
        let page = world.iam.list_users(&world.root(), input).await.unwrap();
        assert!(page.users.len() <= 2);
        assert_eq!(page.is_truncated, Some(page.marker.is_some()));
        names.extend(page.users.into_iter().map(|user| user.user_name));
        marker = page.marker;
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(names, ["user0", "user2", "user4", "user6"]);
    let input = api::ListUsersInput { marker: Some("§".into()), ..Default::default() };
    assert_eq!(world.iam.list_users(&world.root(), input).await.unwrap_err().code, "ValidationError");
    let again = api::CreateUserInput { user_name: "USER1".into(), ..Default::default() };
    let error = world.iam.create_user(&world.root(), again).await.unwrap_err();
    assert_eq!((error.code.as_ref(), error.status), ("EntityAlreadyExists", 409));
    assert_eq!(error.message, "User with name USER1 already exists.");
}
