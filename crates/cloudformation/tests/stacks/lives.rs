//! Stacks that are made, changed and deleted as they should.

use ropeway_api::cloudformation::*;

use crate::world::*;

pub const FAN_OUT: &str = r#"
Description: Orders, fanned out
Parameters:
  Timeout: {Type: Number, Default: 30}
Resources:
  Created: {Type: AWS::SNS::Topic, Properties: {TopicName: created-consumer}}
  Orders:
    Type: AWS::SQS::Queue
    Properties: {QueueName: api-orders, VisibilityTimeout: !Ref Timeout}
  Payments: {Type: AWS::SQS::Queue}
  Policy:
    Type: AWS::SQS::QueuePolicy
    Properties:
      Queues: [!Ref Orders, !Ref Payments]
      PolicyDocument:
        Version: 2012-10-17
        Statement: [{Effect: Allow, Principal: {Service: sns.amazonaws.com}, Action: sqs:SendMessage, Resource: "*"}]
  Subscription:
    Type: AWS::SNS::Subscription
    DependsOn: Policy
    Properties: {TopicArn: !Ref Created, Protocol: sqs, Endpoint: !GetAtt Orders.Arn, RawMessageDelivery: true}
Outputs:
  Url: {Value: !Ref Orders, Description: where orders go}
  Topic: {Value: !Ref Created, Export: {Name: !Sub "${AWS::StackName}-topic"}}
"#;

#[tokio::test]
async fn makes_a_stack_and_leaves_nothing_of_it() {
    let world = World::new().await;
    let id = world.create("shop", FAN_OUT).await.unwrap();
    let stack = world.settled(&id).await;
    assert_eq!((stack.stack_status.as_str(), stack.stack_status_reason), ("CREATE_COMPLETE", None));
    assert_eq!(stack.description.as_deref(), Some("Orders, fanned out"));
    let outputs: Vec<_> = stack
        .outputs
        .unwrap()
        .into_iter()
        .map(|o| (o.output_key.unwrap(), o.output_value.unwrap()))
        .collect();
    let expected = [
        ("Url", "http://localhost:4566/000000000000/api-orders"),
        ("Topic", "arn:aws:sns:us-east-1:000000000000:created-consumer"),
    ];
    assert_eq!(outputs, pairs(&expected));

    let resources = world.resources("shop").await;
    let payments = resources["Payments"].physical_resource_id.clone().unwrap();
    assert!(payments.contains("/shop-Payments-"), "{payments}");
    assert_eq!(world.inventory().await.len(), 4);
    assert!(world.queue("api-orders").await["Policy"].contains("sns.amazonaws.com"));
    assert_eq!(world.queue("api-orders").await["VisibilityTimeout"], "30");

    let events = world.events(&id).await;
    assert_eq!(events.first().unwrap(), &("shop".to_owned(), "CREATE_IN_PROGRESS".to_owned()));
    assert_eq!(events.last().unwrap(), &("shop".to_owned(), "CREATE_COMPLETE".to_owned()));
    let of_policy: Vec<&str> =
        events.iter().filter(|(id, _)| id == "Policy").map(|(_, status)| status.as_str()).collect();
    assert_eq!(of_policy, ["CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE"]);

    world.delete("shop").await.unwrap();
    assert_eq!(world.settled(&id).await.stack_status, "DELETE_COMPLETE");
    assert_eq!(world.inventory().await, [""; 0]);
    let gone = world.stack("shop").await.unwrap_err();
    assert_eq!(
        (gone.code.as_ref(), gone.message.as_str()),
        ("ValidationError", "Stack with id shop does not exist")
    );
    world.delete("shop").await.unwrap();

    let input =
        ListStacksInput { stack_status_filter: Some(vec!["DELETE_COMPLETE".to_owned()]), next_token: None };
    let listed = world.cfn.list_stacks(&world.cx, input).await.unwrap().stack_summaries.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].stack_id.as_deref(), Some(id.as_str()));
}

#[tokio::test]
async fn updates_in_place_and_by_replacement() {
    let world = World::new().await;
    let id = world.create("shop", FAN_OUT).await.unwrap();
    world.settled(&id).await;
    let before = world.resources("shop").await;

    let nothing = world.update("shop", FAN_OUT).await.unwrap_err();
    assert_eq!(nothing.message, "No updates are to be performed.");

    let input = UpdateStackInput {
        stack_name: "shop".to_owned(),
        use_previous_template: Some(true),
        parameters: Some(vec![Parameter {
            parameter_key: Some("Timeout".to_owned()),
            parameter_value: Some("45".to_owned()),
            ..Parameter::default()
        }]),
        ..UpdateStackInput::default()
    };
    world.cfn.update_stack(&world.cx, input).await.unwrap();
    assert_eq!(world.settled(&id).await.stack_status, "UPDATE_COMPLETE");
    assert_eq!(world.queue("api-orders").await["VisibilityTimeout"], "45");

    let renamed = FAN_OUT.replace("QueueName: api-orders", "QueueName: api-new-orders");
    world.update("shop", &renamed).await.unwrap();
    assert_eq!(world.settled(&id).await.stack_status, "UPDATE_COMPLETE");
    let after = world.resources("shop").await;
    assert_ne!(before["Orders"].physical_resource_id, after["Orders"].physical_resource_id);
    assert_eq!(before["Payments"].physical_resource_id, after["Payments"].physical_resource_id);
    let inventory = world.inventory().await;
    assert!(
        inventory.contains(&"api-new-orders".to_owned()) && !inventory.contains(&"api-orders".to_owned())
    );
    assert!(
        inventory.iter().any(|entry| entry.ends_with("-> arn:aws:sqs:us-east-1:000000000000:api-new-orders"))
    );
    assert_eq!(inventory.len(), 4);
    assert_eq!(
        world.queue("api-new-orders").await["VisibilityTimeout"],
        "30",
        "the parameter's default again"
    );

    let fewer = "Resources: {Payments: {Type: AWS::SQS::Queue}}";
    world.update("shop", fewer).await.unwrap();
    world.settled(&id).await;
    assert_eq!(world.inventory().await.len(), 1);
    assert_eq!(world.resources("shop").await.len(), 1);
}

#[tokio::test]
async fn keeps_what_the_template_says_to_keep() {
    let world = World::new().await;
    let template = "
Resources:
  Kept: {Type: AWS::SQS::Queue, DeletionPolicy: Retain, Properties: {QueueName: kept}}
  Moved: {Type: AWS::SQS::Queue, UpdateReplacePolicy: Retain, Properties: {QueueName: first}}
";
    let id = world.create("keep", template).await.unwrap();
    world.settled(&id).await;
    world.update("keep", &template.replace("first", "second")).await.unwrap();
    world.settled(&id).await;
    assert_eq!(world.inventory().await, ["first", "kept", "second"]);
    world.delete("keep").await.unwrap();
    assert_eq!(world.settled(&id).await.stack_status, "DELETE_COMPLETE");
    assert_eq!(world.inventory().await, ["first", "kept"]);
    assert!(world.events(&id).await.contains(&("Kept".to_owned(), "DELETE_SKIPPED".to_owned())));
}

#[tokio::test]
async fn passes_a_stacks_tags_on() {
    let world = World::new().await;
    let input = CreateStackInput {
        stack_name: "tagged".to_owned(),
        template_body: Some("Resources: {Q: {Type: AWS::SQS::Queue, Properties: {QueueName: q}}}".to_owned()),
        tags: Some(vec![Tag { key: "team".to_owned(), value: "a".to_owned() }]),
        ..CreateStackInput::default()
    };
    let id = world.create_with(input).await.unwrap();
    world.settled(&id).await;
    let url = "http://localhost:4566/000000000000/q".to_owned();
    let tags =
        world.call(ropeway_api::sqs::ListQueueTagsInput { queue_url: url }).await.unwrap().tags.unwrap();
    assert_eq!(tags["team"], "a");
}

#[tokio::test]
async fn takes_a_repeated_request_for_the_first() {
    let world = World::new().await;
    let input = || CreateStackInput {
        stack_name: "once".to_owned(),
        template_body: Some("Resources: {Q: {Type: AWS::SQS::Queue}}".to_owned()),
        client_request_token: Some("token-1".to_owned()),
        enable_termination_protection: Some(true),
        ..CreateStackInput::default()
    };
    let id = world.create_with(input()).await.unwrap();
    assert_eq!(world.create_with(input()).await.unwrap(), id);
    let other = CreateStackInput { client_request_token: Some("token-2".to_owned()), ..input() };
    let error = world.create_with(other).await.unwrap_err();
    assert_eq!(
        (error.code.as_ref(), error.message.as_str()),
        ("AlreadyExistsException", "Stack [once] already exists")
    );
    world.settled(&id).await;

    let error = world.delete("once").await.unwrap_err();
    assert_eq!(error.message, "Stack [once] cannot be deleted while TerminationProtection is enabled");
    let off = UpdateTerminationProtectionInput {
        enable_termination_protection: false,
        stack_name: "once".to_owned(),
    };
    world.cfn.update_termination_protection(&world.cx, off).await.unwrap();
    world.delete("once").await.unwrap();
    assert_eq!(world.settled(&id).await.stack_status, "DELETE_COMPLETE");
}

#[tokio::test]
async fn forgets_a_deleted_stack_after_90_days() {
    let world = World::new().await;
    let id = world.create("brief", "Resources: {Q: {Type: AWS::SQS::Queue}}").await.unwrap();
    world.settled(&id).await;
    world.delete("brief").await.unwrap();
    world.settled(&id).await;
    world.clock.advance(std::time::Duration::from_secs(91 * 24 * 60 * 60));
    let mut turns = 0;
    while world.stack(&id).await.is_ok() {
        tokio::task::yield_now().await;
        turns += 1;
        assert!(turns < 100_000, "the stack is still there");
    }
}
