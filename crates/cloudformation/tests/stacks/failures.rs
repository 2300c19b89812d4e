//! Stacks that cannot be made or changed.

use ropeway_api::cloudformation::*;
use ropeway_api::sqs::CreateQueueInput;

use crate::lives::FAN_OUT;
use crate::world::*;

#[tokio::test]
async fn refuses_everything_unsupported_at_once() {
    let world = World::new().await;
    let template = "
Resources:
  A: {Type: AWS::EC2::Instance}
  B: {Type: AWS::SQS::Queue, Properties: {KmsMasterKeyId: x, Nonsense: 1}}
  C: {Type: AWS::RDS::DBInstance}
  D: {Type: AWS::S3::Bucket, Properties: {ReplicationConfiguration: {}}}
";
    let error = world.create("bad", template).await.unwrap_err();
    assert_eq!((error.code.as_ref(), error.status), ("ValidationError", 400));
    for named in [
        "AWS::EC2::Instance",
        "AWS::RDS::DBInstance",
        "KmsMasterKeyId",
        "Nonsense",
        "ReplicationConfiguration",
    ] {
        assert!(error.message.contains(named), "{named} is missing in {}", error.message);
    }
    assert!(world.stack("bad").await.is_err());
    assert_eq!(world.script.log(), [""; 0], "no call was made");
}

#[tokio::test]
async fn asks_for_capabilities() {
    let world = World::new().await;
    let role = |named: &str| {
        format!(
            "Resources: {{R: {{Type: AWS::IAM::Role, Properties: {{{named}AssumeRolePolicyDocument: {{}}}}}}}}"
        )
    };
    let error = world.create("r", &role("RoleName: x, ")).await.unwrap_err();
    assert_eq!(error.code, "InsufficientCapabilitiesException");
    assert_eq!(error.message, "Requires capabilities : [CAPABILITY_NAMED_IAM]");
    let error = world.create("r", &role("")).await.unwrap_err();
    assert_eq!(error.message, "Requires capabilities : [CAPABILITY_IAM]");
}

#[tokio::test]
async fn a_failure_at_any_call_of_a_creation_leaves_nothing() {
    let calls = {
        let world = World::new().await;
        let id = world.create("shop", FAN_OUT).await.unwrap();
        world.settled(&id).await;
        world.script.log().len()
    };
    assert!(calls >= 8, "{calls}");
    for n in 0..calls {
        let world = World::new().await;
        world.script.fault(n, Fault::Refuse);
        let id = world.create("shop", FAN_OUT).await.unwrap();
        let stack = world.settled(&id).await;
        assert_eq!(stack.stack_status, "ROLLBACK_COMPLETE", "call {n}: {:?}", world.events(&id).await);
        assert_eq!(world.inventory().await, [""; 0], "call {n}");
        let events = world.all_events(&id).await;
        let begun =
            events.iter().find(|e| e.resource_status.as_deref() == Some("ROLLBACK_IN_PROGRESS")).unwrap();
        let reason = begun.resource_status_reason.clone().unwrap();
        assert!(reason.starts_with("The following resource(s) failed to create: ["), "{reason}");
        assert!(reason.ends_with("]. Rollback requested by user."), "{reason}");
    }
}

#[tokio::test]
async fn a_failure_at_any_call_of_an_update_leaves_what_was_there() {
    let next = FAN_OUT.replace("api-orders", "api-new-orders").replace("Default: 30", "Default: 31")
        + "\n  Extra: {Value: x}\n";
    let next = next.replace(
        "Resources:\n",
        "Resources:\n  More: {Type: AWS::SQS::Queue, Properties: {DelaySeconds: 3}}\n",
    );
    let mut n = 0;
    loop {
        let world = World::new().await;
        let id = world.create("shop", FAN_OUT).await.unwrap();
        world.settled(&id).await;
        let (before, policy) = (world.inventory().await, world.queue("api-orders").await);
        let made = world.script.log().len();
        world.script.fault(n, Fault::Refuse);
        world.update("shop", &next).await.unwrap();
        let stack = world.settled(&id).await;
        if stack.stack_status == "UPDATE_COMPLETE" {
            // The faulty call was one of the clean-up, or there was none.
            assert!(n > 5, "call {n}: {:?}", world.script.log());
            if world.script.log().len() - made <= n {
                break;
            }
        } else {
            assert_eq!(
                stack.stack_status,
                "UPDATE_ROLLBACK_COMPLETE",
                "call {n}: {:?}",
                world.events(&id).await
            );
            assert_eq!(world.inventory().await, before, "call {n}");
            let mut now = world.queue("api-orders").await;
            now.insert("LastModifiedTimestamp".to_owned(), policy["LastModifiedTimestamp"].clone());
            assert_eq!(now, policy, "call {n}");
            let outputs = stack.outputs.unwrap();
            assert_eq!(outputs.len(), 2);
        }
        n += 1;
    }
}

#[tokio::test]
async fn does_not_take_what_is_anothers() {
    let world = World::new().await;
    let mine = CreateQueueInput { queue_name: "api-orders".to_owned(), ..CreateQueueInput::default() };
    world.call(mine).await.unwrap();
    let id = world.create("shop", FAN_OUT).await.unwrap();
    assert_eq!(world.settled(&id).await.stack_status, "ROLLBACK_COMPLETE");
    assert_eq!(world.inventory().await, ["api-orders"]);
    let events = world.all_events(&id).await;
    let failed = events.iter().find(|e| e.resource_status.as_deref() == Some("CREATE_FAILED")).unwrap();
    assert_eq!(failed.resource_status_reason.as_deref(), Some("api-orders already exists"));
    // What is left is no stack that could be updated; it is deleted, and its name is free.
    assert!(
        world
            .update("shop", FAN_OUT)
            .await
            .unwrap_err()
            .message
            .contains("ROLLBACK_COMPLETE state and can not be updated")
    );
    world.delete("shop").await.unwrap();
    assert_eq!(world.settled(&id).await.stack_status, "DELETE_COMPLETE");
    assert_eq!(world.inventory().await, ["api-orders"]);
}

#[tokio::test]
async fn fails_as_it_is_told_to() {
    for (on_failure, status, left) in [("DO_NOTHING", "CREATE_FAILED", 1), ("DELETE", "DELETE_COMPLETE", 0)] {
        let world = World::new().await;
        world.deny("sns:CreateTopic");
        let input = CreateStackInput {
            stack_name: "s".to_owned(),
            template_body: Some(
                "Resources: {Q: {Type: AWS::SQS::Queue}, T: {Type: AWS::SNS::Topic, DependsOn: Q}}"
                    .to_owned(),
            ),
            on_failure: Some(on_failure.to_owned()),
            ..CreateStackInput::default()
        };
        let id = world.create_with(input).await.unwrap();
        assert_eq!(world.settled(&id).await.stack_status, status);
        assert_eq!(world.inventory().await.len(), left);
        let events = world.all_events(&id).await;
        let failed = events.iter().find(|e| e.resource_status.as_deref() == Some("CREATE_FAILED")).unwrap();
        assert!(failed.resource_status_reason.clone().unwrap().contains("HandlerErrorCode: AccessDenied"));
    }
}

#[tokio::test]
async fn tries_again_what_may_pass_and_gives_up_in_the_end() {
    let world = World::new().await;
    (0..3).for_each(|n| world.script.fault(n, Fault::Throttle));
    let id = world.create("s", "Resources: {Q: {Type: AWS::SQS::Queue}}").await.unwrap();
    assert_eq!(world.settled(&id).await.stack_status, "CREATE_COMPLETE");

    (0..30).for_each(|n| world.script.fault(n, Fault::Throttle));
    let id = world.create("t", "Resources: {Q: {Type: AWS::SQS::Queue}}").await.unwrap();
    assert_eq!(world.settled(&id).await.stack_status, "ROLLBACK_COMPLETE");
}

#[tokio::test]
async fn gives_up_at_the_end_of_its_time() {
    let world = World::new().await;
    // The creation of the first waits for longer than the stack may take.
    (0..9).for_each(|n| world.script.fault(n, Fault::Throttle));
    let input = CreateStackInput {
        stack_name: "s".to_owned(),
        template_body: Some(
            "Resources: {A: {Type: AWS::SQS::Queue}, B: {Type: AWS::SQS::Queue, DependsOn: A}}".to_owned(),
        ),
        timeout_in_minutes: Some(1),
        ..CreateStackInput::default()
    };
    let id = world.create_with(input).await.unwrap();
    while world.script.log().is_empty() {
        tokio::task::yield_now().await;
    }
    world.clock.advance(std::time::Duration::from_secs(61));
    assert_eq!(world.settled(&id).await.stack_status, "ROLLBACK_COMPLETE");
    assert_eq!(world.inventory().await, [""; 0]);
    let events = world.all_events(&id).await;
    assert!(events.iter().any(|e| {
        e.resource_status_reason.as_deref().is_some_and(|r| r.contains("exceeded the specified timeout"))
    }));
}

#[tokio::test]
async fn a_deletion_that_fails_can_be_tried_again() {
    let world = World::new().await;
    let id = world.create("shop", FAN_OUT).await.unwrap();
    world.settled(&id).await;
    world.deny("sns:DeleteTopic");
    world.delete("shop").await.unwrap();
    let stack = world.settled(&id).await;
    assert_eq!(stack.stack_status, "DELETE_FAILED");
    assert_eq!(
        stack.stack_status_reason.as_deref(),
        Some("The following resource(s) failed to delete: [Created]. ")
    );
    assert_eq!(world.inventory().await, ["arn:aws:sns:us-east-1:000000000000:created-consumer"]);
    world.allow_all();
    world.delete("shop").await.unwrap();
    assert_eq!(world.settled(&id).await.stack_status, "DELETE_COMPLETE");
    assert_eq!(world.inventory().await, [""; 0]);
}

#[tokio::test]
async fn names_what_is_not_there() {
    let world = World::new().await;
    let messages = [
        world.update("nope", FAN_OUT).await.unwrap_err().message,
        world.stack("nope").await.unwrap_err().message,
        world.create("1bad", FAN_OUT).await.unwrap_err().message,
        world.create("x", "Resources: 5").await.unwrap_err().message,
    ];
    assert_eq!(messages[0], "Stack [nope] does not exist");
    assert_eq!(messages[1], "Stack with id nope does not exist");
    assert!(messages[2].contains("Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*"));
    assert!(messages[3].starts_with("Template format error"));
    let input = DescribeStacksInput { stack_name: None, next_token: Some("!".to_owned()) };
    assert!(world.cfn.describe_stacks(&world.cx, input).await.is_err());
}

#[tokio::test]
async fn an_update_that_is_not_rolled_back_can_be_mended() {
    let world = World::new().await;
    let id = world.create("shop", FAN_OUT).await.unwrap();
    world.settled(&id).await;
    world.deny("sqs:SetQueueAttributes");
    let next = FAN_OUT.replace("Default: 30", "Default: 31").replace("Payments", "Bills");
    let input = UpdateStackInput {
        stack_name: "shop".to_owned(),
        template_body: Some(next.clone()),
        disable_rollback: Some(true),
        ..UpdateStackInput::default()
    };
    world.cfn.update_stack(&world.cx, input).await.unwrap();
    let stack = world.settled(&id).await;
    assert_eq!(stack.stack_status, "UPDATE_FAILED");
    assert!(stack.stack_status_reason.unwrap().starts_with("The following resource(s) failed to update: ["));
    world.allow_all();
    world.update("shop", &next).await.unwrap();
    assert_eq!(world.settled(&id).await.stack_status, "UPDATE_COMPLETE");
    assert_eq!(world.queue("api-orders").await["VisibilityTimeout"], "31");
    let inventory = world.inventory().await;
    assert_eq!(inventory.len(), 4, "{inventory:?}");
    assert!(inventory.iter().all(|entry| !entry.starts_with("shop-Payments")), "{inventory:?}");
}

#[tokio::test]
async fn a_rollback_that_fails_can_be_continued() {
    let world = World::new().await;
    let template = "
Resources:
  A: {Type: AWS::SQS::Queue, Properties: {QueueName: a, DelaySeconds: 1}}
  B: {Type: AWS::SNS::Topic, DependsOn: A, Properties: {TopicName: b, DisplayName: one}}
";
    let id = world.create("s", template).await.unwrap();
    world.settled(&id).await;
    let made = world.script.log().len();
    // The update of A succeeds, that of B fails, the rollback of A fails.
    world.script.fault(1, Fault::Refuse);
    world.script.fault(2, Fault::Refuse);
    world
        .update("s", &template.replace("DelaySeconds: 1", "DelaySeconds: 2").replace("one", "two"))
        .await
        .unwrap();
    let stack = world.settled(&id).await;
    assert_eq!(stack.stack_status, "UPDATE_ROLLBACK_FAILED", "{:?}", &world.script.log()[made..]);
    assert_eq!(world.queue("a").await["DelaySeconds"], "2");
    assert!(world.update("s", template).await.is_err());
    let input = ContinueUpdateRollbackInput { stack_name: "s".to_owned(), ..Default::default() };
    world.cfn.continue_update_rollback(&world.cx, input).await.unwrap();
    assert_eq!(world.settled(&id).await.stack_status, "UPDATE_ROLLBACK_COMPLETE");
    assert_eq!(world.queue("a").await["DelaySeconds"], "1");
}

#[tokio::test]
async fn an_update_can_be_cancelled() {
    let world = World::new().await;
    let id = world.create("shop", FAN_OUT).await.unwrap();
    world.settled(&id).await;
    let before = world.inventory().await;
    let cancel = || CancelUpdateStackInput { stack_name: "shop".to_owned(), client_request_token: None };
    assert!(world.cfn.cancel_update_stack(&world.cx, cancel()).await.is_err());
    let made = world.script.log().len();
    world.script.fault(0, Fault::Throttle);
    world.update("shop", &FAN_OUT.replace("api-orders", "api-new-orders")).await.unwrap();
    while world.script.log().len() == made {
        tokio::task::yield_now().await;
    }
    world.cfn.cancel_update_stack(&world.cx, cancel()).await.unwrap();
    assert_eq!(world.settled(&id).await.stack_status, "UPDATE_ROLLBACK_COMPLETE");
    assert_eq!(world.inventory().await, before);
}
