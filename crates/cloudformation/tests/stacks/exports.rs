//! Exports and imports.

use ropeway_api::cloudformation::*;

use crate::world::*;

const EXPORTER: &str = "
Resources: {Q: {Type: AWS::SQS::Queue, Properties: {QueueName: shared}}}
Outputs: {Name: {Value: !GetAtt Q.QueueName, Export: {Name: shared-name}}}
";
const IMPORTER: &str = "
Resources: {T: {Type: AWS::SNS::Topic, Properties: {DisplayName: !ImportValue shared-name}}}
";

#[tokio::test]
async fn an_export_stays_while_it_is_imported() {
    let world = World::new().await;
    let missing = world.create("early", IMPORTER).await.unwrap();
    let stack = world.settled(&missing).await;
    assert_eq!(stack.stack_status, "ROLLBACK_COMPLETE");
    let events = world.all_events(&missing).await;
    assert!(events.iter().any(|e| {
        e.resource_status_reason.as_deref().is_some_and(|r| r.contains("No export named shared-name found"))
    }));

    let exporter = world.create("exporter", EXPORTER).await.unwrap();
    world.settled(&exporter).await;
    let importer = world.create("importer", IMPORTER).await.unwrap();
    assert_eq!(world.settled(&importer).await.stack_status, "CREATE_COMPLETE");
    let exports =
        world.cfn.list_exports(&world.cx, ListExportsInput::default()).await.unwrap().exports.unwrap();
    assert_eq!(exports.len(), 1);
    assert_eq!(exports[0].value.as_deref(), Some("shared"));
    let imports = || ListImportsInput { export_name: "shared-name".to_owned(), next_token: None };
    let users = world.cfn.list_imports(&world.cx, imports()).await.unwrap().imports.unwrap();
    assert_eq!(users, ["importer"]);

    world.delete("exporter").await.unwrap();
    let stack = world.settled(&exporter).await;
    assert_eq!(stack.stack_status, "DELETE_FAILED");
    let reason = "Export shared-name cannot be deleted as it is in use by importer";
    assert_eq!(stack.stack_status_reason.as_deref(), Some(reason));
    assert!(world.inventory().await.contains(&"shared".to_owned()));

    world.delete("importer").await.unwrap();
    world.settled(&importer).await;
    assert!(world.cfn.list_imports(&world.cx, imports()).await.is_err());
    world.delete("exporter").await.unwrap();
    assert_eq!(world.settled(&exporter).await.stack_status, "DELETE_COMPLETE");
    let exports =
        world.cfn.list_exports(&world.cx, ListExportsInput::default()).await.unwrap().exports.unwrap();
    assert!(exports.is_empty());
}

#[tokio::test]
async fn an_export_that_is_imported_does_not_change() {
    let world = World::new().await;
    let exporter = world.create("exporter", EXPORTER).await.unwrap();
    world.settled(&exporter).await;
    let importer = world.create("importer", IMPORTER).await.unwrap();
    world.settled(&importer).await;
    world.update("exporter", &EXPORTER.replace("QueueName: shared", "QueueName: other")).await.unwrap();
    let stack = world.settled(&exporter).await;
    assert_eq!(stack.stack_status, "UPDATE_ROLLBACK_COMPLETE");
    let events = world.all_events(&exporter).await;
    assert!(events.iter().any(|e| {
        e.resource_status_reason
            .as_deref()
            .is_some_and(|r| r.contains("Export shared-name cannot be updated as it is in use by importer"))
    }));
    let inventory = world.inventory().await;
    assert!(inventory.contains(&"shared".to_owned()) && !inventory.contains(&"other".to_owned()));
}

#[tokio::test]
async fn a_name_is_exported_once() {
    let world = World::new().await;
    let first = world.create("first", EXPORTER).await.unwrap();
    world.settled(&first).await;
    let second =
        world.create("second", &EXPORTER.replace("QueueName: shared", "QueueName: own")).await.unwrap();
    assert_eq!(world.settled(&second).await.stack_status, "ROLLBACK_COMPLETE");
    let events = world.all_events(&second).await;
    assert!(events.iter().any(|e| {
        e.resource_status_reason
            .as_deref()
            .is_some_and(|r| r.contains("Export with name shared-name is already exported by stack first"))
    }));
    let exports =
        world.cfn.list_exports(&world.cx, ListExportsInput::default()).await.unwrap().exports.unwrap();
    assert_eq!(exports[0].exporting_stack_id.as_deref(), Some(first.as_str()));
}
