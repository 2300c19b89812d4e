//! A server that dies at any call of an operation, and another one that goes on.

use crate::lives::FAN_OUT;
use crate::world::*;

/// Until a call is lost, or the operation ends because there are no more calls; true: it was lost.
async fn dies(world: &World, id: &str) -> bool {
    tokio::select! {
        () = world.script.lost() => true,
        _ = world.settled(id) => false,
    }
}

#[tokio::test]
async fn a_creation_goes_on_wherever_it_was() {
    for fault in [Fault::LoseCall, Fault::LoseAnswer] {
        for n in 0.. {
            let first = World::new().await;
            first.script.fault(n, fault);
            let id = first.create("shop", FAN_OUT).await.unwrap();
            if !dies(&first, &id).await {
                assert!(n >= 8, "{n} calls");
                break;
            }
            let second = first.again().await;
            assert_eq!(second.settled(&id).await.stack_status, "CREATE_COMPLETE", "{fault:?} at {n}");
            let events = second.events(&id).await;
            assert_eq!(second.inventory().await.len(), 4, "{fault:?} at {n}: {events:?}");
            let complete =
                events.iter().filter(|(id, status)| id == "Payments" && status == "CREATE_COMPLETE");
            assert_eq!(complete.count(), 1);
            second.delete("shop").await.unwrap();
            assert_eq!(second.settled(&id).await.stack_status, "DELETE_COMPLETE");
            assert_eq!(second.inventory().await, [""; 0]);
        }
    }
}

#[tokio::test]
async fn an_update_goes_on_wherever_it_was() {
    let next = FAN_OUT.replace("api-orders", "api-new-orders").replace("Payments", "Bills");
    for fault in [Fault::LoseCall, Fault::LoseAnswer] {
        for n in 0.. {
            let first = World::new().await;
            let id = first.create("shop", FAN_OUT).await.unwrap();
            first.settled(&id).await;
            first.script.fault(n, fault);
            first.update("shop", &next).await.unwrap();
            if !dies(&first, &id).await {
                assert!(n >= 8, "{n} calls");
                break;
            }
            let second = first.again().await;
            assert_eq!(second.settled(&id).await.stack_status, "UPDATE_COMPLETE", "{fault:?} at {n}");
            let inventory = second.inventory().await;
            assert_eq!(inventory.len(), 4, "{fault:?} at {n}: {inventory:?}");
            assert!(inventory.contains(&"api-new-orders".to_owned()));
        }
    }
}

#[tokio::test]
async fn a_rollback_and_a_deletion_go_on_wherever_they_were() {
    for n in 0.. {
        let first = World::new().await;
        first.deny("sns:Subscribe");
        first.script.fault(n, Fault::LoseAnswer);
        let id = first.create("shop", FAN_OUT).await.unwrap();
        if !dies(&first, &id).await {
            assert!(n >= 12, "{n} calls");
            break;
        }
        let second = first.again().await;
        second.deny("sns:Subscribe");
        assert_eq!(second.settled(&id).await.stack_status, "ROLLBACK_COMPLETE", "at {n}");
        assert_eq!(second.inventory().await, [""; 0], "at {n}");
    }
}

#[tokio::test]
async fn an_update_that_fails_is_taken_back_wherever_it_was() {
    // Everything is replaced, changed or added before the last resource fails.
    let next = FAN_OUT.replace("api-orders", "api-new-orders").replace("Payments", "Bills").replace(
        "Resources:\n",
        "Resources:\n  Broken: {Type: AWS::SQS::Queue, DependsOn: Subscription, Properties: {DelaySeconds: 9999}}\n",
    );
    for fault in [Fault::LoseCall, Fault::LoseAnswer] {
        for n in 0.. {
            let first = World::new().await;
            let id = first.create("shop", FAN_OUT).await.unwrap();
            first.settled(&id).await;
            let (before, orders) = (first.inventory().await, first.queue("api-orders").await);
            first.script.fault(n, fault);
            first.update("shop", &next).await.unwrap();
            if !dies(&first, &id).await {
                assert!(n >= 12, "{n} calls");
                break;
            }
            let second = first.again().await;
            assert_eq!(
                second.settled(&id).await.stack_status,
                "UPDATE_ROLLBACK_COMPLETE",
                "{fault:?} at {n}"
            );
            assert_eq!(second.inventory().await, before, "{fault:?} at {n}: {:?}", second.events(&id).await);
            assert_eq!(second.queue("api-orders").await, orders, "{fault:?} at {n}");
        }
    }
}

#[tokio::test]
async fn a_deletion_takes_over_from_a_creation_that_hangs() {
    // The subscription's id is not known when its creation is interrupted.
    let (calls, subscribe) = {
        let world = World::new().await;
        let id = world.create("shop", FAN_OUT).await.unwrap();
        world.settled(&id).await;
        let log = world.script.log();
        (log.len(), log.iter().position(|call| call == "Subscribe").unwrap())
    };
    assert!(subscribe < calls);
    let first = World::new().await;
    first.script.fault(subscribe, Fault::LoseAnswer);
    let id = first.create("shop", FAN_OUT).await.unwrap();
    assert!(dies(&first, &id).await);
    first.delete("shop").await.unwrap();
    let second = first.again().await;
    assert_eq!(second.settled(&id).await.stack_status, "DELETE_COMPLETE");
    assert_eq!(second.inventory().await, [""; 0]);
}
