//! What is kept where, and what is said of it.

use bytes::Bytes;
use ropeway_api::lambda::{AddPermissionInput, DeleteFunctionInput, Lambda as _, UpdateFunctionCodeInput};
use ropeway_core::Trace;
use ropeway_store::MemoryStore;

use super::{ACCOUNT, REGION, World};
use crate::keys::FunctionName;

#[tokio::test]
async fn packages_without_users_are_collected() {
    let world = World::new().await;
    let trace = Trace::from("test");
    world.create("f").await.unwrap();
    world.create("g").await.unwrap();
    assert_eq!(world.lambda.collect(&trace).await.unwrap(), 0);
    let update = UpdateFunctionCodeInput {
        function_name: "f".to_owned(),
        zip_file: Some(Bytes::from_static(b"PK other")),
        ..Default::default()
    };
    world.lambda.update_function_code(&world.cx(), update).await.unwrap();
    assert_eq!(world.lambda.collect(&trace).await.unwrap(), 0, "g has it still");
    for name in ["g", "f"] {
        let input = DeleteFunctionInput { function_name: name.to_owned(), qualifier: None };
        world.lambda.delete_function(&world.cx(), input).await.unwrap();
        assert_eq!(world.lambda.collect(&trace).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn policies_and_limits_are_known_again_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = MemoryStore::new(4);
    let world = World::over(store.clone(), dir.path(), 1).await;
    world.create("f").await.unwrap();
    let permission = AddPermissionInput {
        function_name: "f".to_owned(),
        statement_id: "s".to_owned(),
        action: "lambda:InvokeFunction".to_owned(),
        principal: "sns.amazonaws.com".to_owned(),
        ..Default::default()
    };
    world.lambda.add_permission(&world.cx(), permission).await.unwrap();
    let reserve = ropeway_api::lambda::PutFunctionConcurrencyInput {
        function_name: "f".to_owned(),
        reserved_concurrent_executions: 10,
    };
    world.lambda.put_function_concurrency(&world.cx(), reserve).await.unwrap();
    let policies = world.gate.policies.lock().unwrap().clone();
    assert_eq!(policies.len(), 1);
    store.crash(0);
    let world = World::over(store, dir.path(), 2).await;
    assert_eq!(*world.gate.policies.lock().unwrap(), policies);
    assert_eq!(world.concurrency.unreserved(ACCOUNT, REGION), 990);
    let input = DeleteFunctionInput { function_name: "f".to_owned(), qualifier: None };
    world.lambda.delete_function(&world.cx(), input).await.unwrap();
    while !world.gate.policies.lock().unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.concurrency.unreserved(ACCOUNT, REGION), 1000);
}

#[tokio::test]
async fn variables_are_not_stored_in_the_clear() {
    let world = World::new().await;
    world.create("f").await.unwrap();
    let name = FunctionName::new(ACCOUNT, REGION, "f");
    let found = world.lambda.engine.read(&world.cx().trace, &name, None).await.unwrap();
    let row = postcard::to_stdvec(&found.function).unwrap();
    assert!(!row.windows(6).any(|bytes| bytes == b"secret"));
    let spec = world.lambda.engine.spec(&name, &found.version).unwrap();
    assert_eq!(spec.environment["SECRET"], "very secret");
}

#[tokio::test]
async fn what_does_not_run_here_is_said_at_creation() {
    let world = World::new().await;
    let input = ropeway_api::lambda::CreateFunctionInput {
        function_name: "f".to_owned(),
        runtime: Some("java21".to_owned()),
        handler: Some("x".to_owned()),
        role: super::ROLE.to_owned(),
        ..Default::default()
    };
    let refused = world.lambda.create_function(&world.cx(), input).await.unwrap_err();
    assert_eq!((refused.status, refused.message.as_str()), (400, "java21 is not here"));
}
