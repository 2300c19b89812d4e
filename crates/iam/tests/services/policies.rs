//! Managed policies, groups, boundaries, and how documents come back.

use ropeway_api::iam::{self as api, Iam};

use crate::world::{World, allow, ask, statement};

fn attach(user: &str, arn: &str) -> api::AttachUserPolicyInput {
    api::AttachUserPolicyInput { user_name: user.into(), policy_arn: arn.into() }
}

#[tokio::test]
async fn a_new_default_version_is_in_force_wherever_the_policy_is_attached() {
    let world = World::new().await;
    let ana = world.user("ana").await;
    let arn = world.policy("queues", &allow("sqs:SendMessage", "*")).await;
    assert_eq!(arn, "arn:aws:iam::111122223333:policy/queues");
    world.iam.attach_user_policy(&world.root(), attach("ana", &arn)).await.unwrap();
    world.iam.attach_user_policy(&world.root(), attach("ana", &arn)).await.unwrap();
    ask(&ana, "sqs:SendMessage", "*").unwrap();
    let input = api::CreatePolicyVersionInput {
        policy_arn: arn.clone(),
        policy_document: allow("sqs:ReceiveMessage", "*"),
        set_as_default: None,
    };
    world.iam.create_policy_version(&world.root(), input).await.unwrap();
    ask(&ana, "sqs:SendMessage", "*").unwrap();
    let choose = |version: &str| api::SetDefaultPolicyVersionInput {
        policy_arn: arn.clone(),
        version_id: version.into(),
    };
    world.iam.set_default_policy_version(&world.root(), choose("v2")).await.unwrap();
    let world = world.reopen().await;
    let (_, ana) = world.find(ana.principal.access_key.as_ref().unwrap(), None).unwrap();
    ask(&ana, "sqs:SendMessage", "*").unwrap_err();
    ask(&ana, "sqs:ReceiveMessage", "*").unwrap();
    let error = world.iam.set_default_policy_version(&world.root(), choose("v3")).await.unwrap_err();
    assert_eq!(error.code, "NoSuchEntity");
    let got =
        world.iam.get_policy(&world.root(), api::GetPolicyInput { policy_arn: arn.clone() }).await.unwrap();
    let policy = got.policy.unwrap();
    assert_eq!((policy.attachment_count, policy.default_version_id.as_deref()), (Some(1), Some("v2")));
    assert!(policy.policy_id.unwrap().starts_with("ANPA"));
}

#[tokio::test]
async fn versions_are_listed_bounded_and_deleted() {
    let world = World::new().await;
    let arn = world.policy("queues", &allow("sqs:*", "*")).await;
    let create = || api::CreatePolicyVersionInput {
        policy_arn: arn.clone(),
        policy_document: allow("sns:*", "*"),
        set_as_default: Some(true),
    };
    for _ in 0..4 {
        world.iam.create_policy_version(&world.root(), create()).await.unwrap();
    }
    let error = world.iam.create_policy_version(&world.root(), create()).await.unwrap_err();
    assert_eq!((error.code.as_ref(), error.status), ("LimitExceeded", 409));
    let list = |marker| api::ListPolicyVersionsInput { policy_arn: arn.clone(), marker, max_items: Some(3) };
    let first = world.iam.list_policy_versions(&world.root(), list(None)).await.unwrap();
    let second = world.iam.list_policy_versions(&world.root(), list(first.marker)).await.unwrap();
    let ids: Vec<_> = first.versions.into_iter().chain(second.versions).flatten().collect();
    let ids: Vec<_> =
        ids.iter().map(|v| (v.version_id.as_deref().unwrap(), v.is_default_version.unwrap())).collect();
    assert_eq!(ids, [("v5", true), ("v4", false), ("v3", false), ("v2", false), ("v1", false)]);
    assert_eq!((second.is_truncated, second.marker), (Some(false), None));
    let delete = |id: &str| api::DeletePolicyVersionInput { policy_arn: arn.clone(), version_id: id.into() };
    let error = world.iam.delete_policy_version(&world.root(), delete("v5")).await.unwrap_err();
    assert_eq!(error.message, "Cannot delete the default version of a policy.");
    let whole = || api::DeletePolicyInput { policy_arn: arn.clone() };
    assert_eq!(world.iam.delete_policy(&world.root(), whole()).await.unwrap_err().code, "DeleteConflict");
    for id in ["v1", "v2", "v3", "v4"] {
        world.iam.delete_policy_version(&world.root(), delete(id)).await.unwrap();
    }
    world.iam.delete_policy(&world.root(), whole()).await.unwrap();
    let error = world.iam.delete_policy(&world.root(), whole()).await.unwrap_err();
    assert_eq!(error.message, format!("Policy {arn} was not found."));
}

#[tokio::test]
async fn a_boundary_limits_and_cannot_be_deleted_while_it_does() {
    let world = World::new().await;
    let ana = world.user("ana").await;
    world.put_user_policy("ana", "all", &allow("*", "*")).await;
    let arn = world.policy("bound", &allow("sqs:*", "*")).await;
    let input =
        api::PutUserPermissionsBoundaryInput { user_name: "ana".into(), permissions_boundary: arn.clone() };
    world.iam.put_user_permissions_boundary(&world.root(), input).await.unwrap();
    ask(&ana, "sqs:SendMessage", "*").unwrap();
    let why = ask(&ana, "sns:Publish", "*").unwrap_err();
    assert!(why.ends_with("because no permissions boundary allows the sns:Publish action"), "{why}");
    let whole = || api::DeletePolicyInput { policy_arn: arn.clone() };
    assert_eq!(world.iam.delete_policy(&world.root(), whole()).await.unwrap_err().code, "DeleteConflict");
    let delete = || api::DeleteUserPermissionsBoundaryInput { user_name: "ana".into() };
    world.iam.delete_user_permissions_boundary(&world.root(), delete()).await.unwrap();
    ask(&ana, "sns:Publish", "*").unwrap();
    let error = world.iam.delete_user_permissions_boundary(&world.root(), delete()).await.unwrap_err();
    assert_eq!(error.code, "NoSuchEntity");
    world.iam.delete_policy(&world.root(), whole()).await.unwrap();
    let input = api::CreateUserInput {
        user_name: "joe".into(),
        permissions_boundary: Some(arn.clone()),
        ..Default::default()
    };
    let error = world.iam.create_user(&world.root(), input).await.unwrap_err();
    assert_eq!(error.message, format!("Scope ARN: {arn} does not exist or is not attachable."));
}

#[tokio::test]
async fn a_groups_policies_are_its_users() {
    let world = World::new().await;
    let ana = world.user("ana").await;
    let input = api::CreateGroupInput { group_name: "senders".into(), path: None };
    let group = world.iam.create_group(&world.root(), input).await.unwrap().group;
    assert!(group.group_id.starts_with("AGPA"));
    let input = api::PutGroupPolicyInput {
        group_name: "senders".into(),
        policy_name: "send".into(),
        policy_document: allow("sqs:SendMessage", "*"),
    };
    world.iam.put_group_policy(&world.root(), input).await.unwrap();
    let arn = world.policy("publish", &allow("sns:Publish", "*")).await;
    let input = api::AttachGroupPolicyInput { group_name: "senders".into(), policy_arn: arn };
    world.iam.attach_group_policy(&world.root(), input).await.unwrap();
    ask(&ana, "sqs:SendMessage", "*").unwrap_err();
    let input = api::AddUserToGroupInput { group_name: "senders".into(), user_name: "ana".into() };
    world.iam.add_user_to_group(&world.root(), input).await.unwrap();
    ask(&ana, "sqs:SendMessage", "*").unwrap();
    ask(&ana, "sns:Publish", "*").unwrap();
    let world = world.reopen().await;
    let (_, ana) = world.find(ana.principal.access_key.as_ref().unwrap(), None).unwrap();
    ask(&ana, "sns:Publish", "*").unwrap();
    let input = api::GetGroupInput { group_name: "senders".into(), ..Default::default() };
    let got = world.iam.get_group(&world.root(), input).await.unwrap();
    assert_eq!(got.users.iter().map(|user| user.user_name.as_str()).collect::<Vec<_>>(), ["ana"]);
    let input = api::ListGroupsForUserInput { user_name: "ana".into(), ..Default::default() };
    assert_eq!(world.iam.list_groups_for_user(&world.root(), input).await.unwrap().groups.len(), 1);
    let delete = api::DeleteGroupInput { group_name: "senders".into() };
    assert_eq!(world.iam.delete_group(&world.root(), delete).await.unwrap_err().code, "DeleteConflict");
    let input = api::RemoveUserFromGroupInput { group_name: "senders".into(), user_name: "ana".into() };
    world.iam.remove_user_from_group(&world.root(), input).await.unwrap();
    ask(&ana, "sqs:SendMessage", "*").unwrap_err();
}

#[tokio::test]
async fn documents_are_checked_bounded_and_come_back_encoded() {
    let world = World::new().await;
    world.user("ana").await;
    let put = |name: &str, document: &str| api::PutUserPolicyInput {
        user_name: "ana".into(),
        policy_name: name.into(),
        policy_document: document.into(),
    };
    let error = world.iam.put_user_policy(&world.root(), put("p", "{")).await.unwrap_err();
    assert_eq!((error.code.as_ref(), error.status), ("MalformedPolicyDocument", 400));
    assert_eq!(error.message, "Syntax errors in policy.");
    let document = statement("Allow", "sqs:SendMessage", "arn:aws:sqs:*:*:a-b_c.d~e");
    world.iam.put_user_policy(&world.root(), put("Mine", &document)).await.unwrap();
    let input = api::GetUserPolicyInput { user_name: "ANA".into(), policy_name: "mine".into() };
    let got = world.iam.get_user_policy(&world.root(), input).await.unwrap();
    assert_eq!((got.user_name.as_str(), got.policy_name.as_str()), ("ana", "Mine"));
    assert!(
        got.policy_document.starts_with("%7B%22Version%22%3A%222012-10-17%22%2C"),
        "{}",
        got.policy_document
    );
    assert!(
        got.policy_document.contains("arn%3Aaws%3Asqs%3A%2A%3A%2A%3Aa-b_c.d~e"),
        "{}",
        got.policy_document
    );
    let long = allow("sqs:*", &format!("arn:aws:sqs:*:*:{}", "q".repeat(1900)));
    let spaced = format!("{long}{}", " ".repeat(3000));
    let error = world.iam.put_user_policy(&world.root(), put("long", &spaced)).await.unwrap_err();
    assert_eq!(error.message, "Maximum policy size of 2048 bytes exceeded for user ana");
    world.iam.put_user_policy(&world.root(), put("Mine", &spaced)).await.unwrap();
    let huge = format!("{document}{}", " ".repeat(60_000));
    assert_eq!(
        world.iam.put_user_policy(&world.root(), put("h", &huge)).await.unwrap_err().code,
        "LimitExceeded"
    );
}

#[tokio::test]
async fn aws_managed_policies_are_everybody_s_and_nobody_changes_them() {
    let world = World::new().await;
    let ana = world.user("ana").await;
    let root = world.root();
    let arn = "arn:aws:iam::aws:policy/AmazonSQSFullAccess";
    world.iam.attach_user_policy(&root, attach("ana", arn)).await.unwrap();
    ask(&ana, "sqs:SendMessage", "*").unwrap();
    let get = api::GetPolicyInput { policy_arn: arn.into() };
    let policy = world.iam.get_policy(&root, get).await.unwrap().policy.unwrap();
    assert_eq!((policy.attachment_count, policy.default_version_id.as_deref()), (Some(1), Some("v1")));
    let delete = api::DeletePolicyInput { policy_arn: arn.into() };
    let error = world.iam.delete_policy(&root, delete).await.unwrap_err();
    assert_eq!((error.code.as_ref(), error.status), ("AccessDenied", 403));

    // One of the account's own may have its name.
    let own = world.policy("AmazonSQSFullAccess", &allow("*", "*")).await;
    world.iam.attach_user_policy(&root, attach("ana", &own)).await.unwrap();
    let list = api::ListAttachedUserPoliciesInput { user_name: "ana".into(), ..Default::default() };
    let listed = world.iam.list_attached_user_policies(&root, list).await.unwrap().attached_policies.unwrap();
    let arns: Vec<_> = listed.iter().filter_map(|policy| policy.policy_arn.as_deref()).collect();
    assert_eq!(arns.len(), 2);
    assert!(arns.contains(&arn) && arns.contains(&own.as_str()));

    for arn in ["arn:aws:iam::aws:policy/NoSuchPolicy", "arn:aws:iam::444455556666:policy/theirs"] {
        let error = world.iam.attach_user_policy(&root, attach("ana", arn)).await.unwrap_err();
        assert_eq!((error.code.as_ref(), error.status), ("NoSuchEntity", 404));
        assert_eq!(error.message, format!("Policy {arn} does not exist or is not attachable."));
    }
}

#[tokio::test]
async fn aws_managed_policies_are_listed_behind_the_account_s() {
    let world = World::new().await;
    world.policy("zzz", &allow("*", "*")).await;
    let mut all = Vec::new();
    for (scope, size) in [("All", 1), ("All", 7), ("Local", 1), ("AWS", 3)] {
        let (mut names, mut marker) = (Vec::new(), None);
        loop {
            let list = api::ListPoliciesInput {
                scope: Some(scope.into()),
                max_items: Some(size),
                marker,
                ..Default::default()
            };
            let page = world.iam.list_policies(&world.root(), list).await.unwrap();
            names.extend(page.policies.unwrap().into_iter().map(|policy| policy.policy_name.unwrap()));
            marker = page.marker;
            if marker.is_none() {
                break;
            }
        }
        all.push(names);
    }
    assert_eq!(all[0], all[1], "however long a page is");
    assert_eq!((all[0][0].as_str(), all[2].as_slice()), ("zzz", &["zzz".to_owned()][..]));
    assert_eq!(all[0][1..], all[3]);
    assert!(all[3].contains(&"AWSLambdaBasicExecutionRole".to_owned()));
}

#[tokio::test]
async fn attachments_are_bounded_and_listed() {
    let world = World::new().await;
    world.user("ana").await;
    for number in 0..11 {
        let arn = world.policy(&format!("p{number:02}"), &allow("sqs:*", "*")).await;
        let attached = world.iam.attach_user_policy(&world.root(), attach("ana", &arn)).await;
        match number {
            10 => assert_eq!(attached.unwrap_err().message, "Cannot exceed quota for PoliciesPerUser: 10"),
            _ => drop(attached.unwrap()),
        }
    }
    let list = |marker| api::ListAttachedUserPoliciesInput {
        user_name: "ana".into(),
        max_items: Some(6),
        marker,
        path_prefix: Some("/".into()),
    };
    let first = world.iam.list_attached_user_policies(&world.root(), list(None)).await.unwrap();
    let second = world.iam.list_attached_user_policies(&world.root(), list(first.marker)).await.unwrap();
    let all: Vec<_> = first.attached_policies.into_iter().chain(second.attached_policies).flatten().collect();
    let names: Vec<_> = all.iter().map(|policy| policy.policy_name.clone().unwrap()).collect();
    assert_eq!(names, (0..10).map(|number| format!("p{number:02}")).collect::<Vec<_>>());
    let used = api::ListPoliciesInput { only_attached: Some(true), ..Default::default() };
    assert_eq!(world.iam.list_policies(&world.root(), used).await.unwrap().policies.unwrap().len(), 10);
    let detach = || api::DetachUserPolicyInput {
        user_name: "ana".into(),
        policy_arn: "arn:aws:iam::111122223333:policy/p03".into(),
    };
    world.iam.detach_user_policy(&world.root(), detach()).await.unwrap();
    assert_eq!(world.iam.detach_user_policy(&world.root(), detach()).await.unwrap_err().code, "NoSuchEntity");
}

#[tokio::test]
async fn tags_are_kept_apart_without_regard_to_case() {
    let world = World::new().await;
    world.user("ana").await;
    let tag = |key: &str, value: &str| api::Tag { key: key.into(), value: value.into() };
    let put = |tags| api::TagUserInput { user_name: "ana".into(), tags };
    world.iam.tag_user(&world.root(), put(vec![tag("team", "a"), tag("cost", "1")])).await.unwrap();
    world.iam.tag_user(&world.root(), put(vec![tag("Team", "b")])).await.unwrap();
    let list = api::ListUserTagsInput { user_name: "ana".into(), ..Default::default() };
    let tags = world.iam.list_user_tags(&world.root(), list.clone()).await.unwrap().tags;
    let pairs: Vec<_> = tags.iter().map(|tag| (tag.key.as_str(), tag.value.as_str())).collect();
    assert_eq!(pairs, [("Team", "b"), ("cost", "1")]);
    let error = world.iam.tag_user(&world.root(), put(vec![tag("x", "1"), tag("X", "2")])).await.unwrap_err();
    assert_eq!(error.code, "InvalidInput");
    let many = (0..49).map(|n| tag(&format!("k{n}"), "v")).collect();
    assert_eq!(world.iam.tag_user(&world.root(), put(many)).await.unwrap_err().code, "LimitExceeded");
    let input = api::UntagUserInput { user_name: "ana".into(), tag_keys: vec!["TEAM".into()] };
    world.iam.untag_user(&world.root(), input).await.unwrap();
    assert_eq!(world.iam.list_user_tags(&world.root(), list).await.unwrap().tags.len(), 1);
}
