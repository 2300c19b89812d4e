//! Change sets, as `aws cloudformation deploy` uses them.

use ropeway_api::cloudformation::*;

use crate::lives::FAN_OUT;
use crate::world::*;

async fn add(world: &World, kind: &str, template: &str) -> CreateChangeSetOutput {
    let input = CreateChangeSetInput {
        stack_name: "shop".to_owned(),
        change_set_name: "deploy-1".to_owned(),
        change_set_type: Some(kind.to_owned()),
        template_body: Some(template.to_owned()),
        ..CreateChangeSetInput::default()
    };
    world.cfn.create_change_set(&world.cx, input).await.unwrap()
}

async fn describe(world: &World, id: &str) -> DescribeChangeSetOutput {
    let input = DescribeChangeSetInput {
        change_set_name: id.to_owned(),
        include_property_values: Some(true),
        ..DescribeChangeSetInput::default()
    };
    world.cfn.describe_change_set(&world.cx, input).await.unwrap()
}

async fn execute(world: &World, id: &str) -> Result<(), ropeway_wire::Error> {
    let input = ExecuteChangeSetInput {
        change_set_name: id.to_owned(),
        stack_name: Some("shop".to_owned()),
        ..ExecuteChangeSetInput::default()
    };
    world.cfn.execute_change_set(&world.cx, input).await.map(drop)
}

#[tokio::test]
async fn makes_and_changes_a_stack() {
    let world = World::new().await;
    let made = add(&world, "CREATE", FAN_OUT).await;
    let (stack, set) = (made.stack_id.unwrap(), made.id.unwrap());
    assert_eq!(world.stack("shop").await.unwrap().stack_status, "REVIEW_IN_PROGRESS");
    assert_eq!(world.script.log(), [""; 0]);
    let described = describe(&world, &set).await;
    assert_eq!(
        (described.status.as_deref(), described.execution_status.as_deref()),
        (Some("CREATE_COMPLETE"), Some("AVAILABLE"))
    );
    assert_eq!(described.changes.unwrap().len(), 5);
    execute(&world, &set).await.unwrap();
    let done = world.settled(&stack).await;
    assert_eq!(
        (done.stack_status.as_str(), done.change_set_id.as_deref()),
        ("CREATE_COMPLETE", Some(set.as_str()))
    );
    assert_eq!(execute(&world, &set).await.unwrap_err().code, "InvalidChangeSetStatus");

    let delete = DeleteChangeSetInput { change_set_name: set.clone(), stack_name: None };
    world.cfn.delete_change_set(&world.cx, delete).await.unwrap();
    let next = FAN_OUT.replace("api-orders", "api-new-orders");
    let set = add(&world, "UPDATE", &next).await.id.unwrap();
    let changes = describe(&world, &set).await.changes.unwrap();
    let orders = changes
        .iter()
        .filter_map(|c| c.resource_change.clone())
        .find(|c| c.logical_resource_id.as_deref() == Some("Orders"));
    let orders = orders.unwrap();
    assert_eq!((orders.action.as_deref(), orders.replacement.as_deref()), (Some("Modify"), Some("True")));
    assert_eq!(orders.policy_action.as_deref(), Some("ReplaceAndDelete"));
    let target = orders.details.unwrap()[0].target.clone().unwrap();
    assert_eq!(
        (target.before_value.as_deref(), target.after_value.as_deref()),
        (Some("api-orders"), Some("api-new-orders"))
    );
    execute(&world, &set).await.unwrap();
    assert_eq!(world.settled(&stack).await.stack_status, "UPDATE_COMPLETE");
    assert!(world.inventory().await.contains(&"api-new-orders".to_owned()));
}

#[tokio::test]
async fn says_when_nothing_would_change() {
    let world = World::new().await;
    let id = world.create("shop", FAN_OUT).await.unwrap();
    world.settled(&id).await;
    let set = add(&world, "UPDATE", FAN_OUT).await.id.unwrap();
    let described = describe(&world, &set).await;
    assert_eq!(described.status.as_deref(), Some("FAILED"));
    assert!(
        described.status_reason.unwrap().starts_with("The submitted information didn't contain changes.")
    );
    assert_eq!(execute(&world, &set).await.unwrap_err().code, "InvalidChangeSetStatus");
    let listed = ListChangeSetsInput { stack_name: "shop".to_owned(), next_token: None };
    assert_eq!(world.cfn.list_change_sets(&world.cx, listed).await.unwrap().summaries.unwrap().len(), 1);
}
