//! Messages from other services, which the queue's policy lets in or not.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use ropeway_core::effects::{AttributeValue, MessageAttribute, QueueDelivery, SqsCommand};
use ropeway_core::keys::Space;
use ropeway_core::seal::MasterKey;
use ropeway_core::{Builder, Clock, Core, Fault, Ids, Machine, Settled, Tx};
use ropeway_sqs::{Options, Setup, SqsMachine};
use ropeway_store::MemoryStore;

use crate::world::{PolicyGate, START, World, arn};

/// A service that sends to queues and notes how each delivery ended.
struct Sender(Arc<std::sync::Mutex<Vec<Result<(), String>>>>);

impl Machine for Sender {
    type Command = QueueDelivery;
    type Output = ();
    type Error = Fault;
    const SPACE: Space = Space::Sns;

    async fn load(&mut self, _: &mut Tx) -> Result<(), Fault> {
        Ok(())
    }

    async fn apply(&mut self, tx: &mut Tx, delivery: QueueDelivery) -> Result<(), Fault> {
        let (queue, shard) = (delivery.queue.clone(), tx.shard_of(&delivery.queue));
        tx.send(&queue, Space::Sqs, shard, &SqsCommand::Deliver(delivery))
    }

    fn grows(_: &QueueDelivery) -> bool {
        true
    }

    async fn settled(&mut self, _: &mut Tx, settled: Settled<'_>) -> Result<(), Fault> {
        self.0.lock().unwrap().push(settled.result.map(|_| ()).map_err(str::to_owned));
        Ok(())
    }
}

fn delivery(queue: &str, body: &str) -> QueueDelivery {
    let value = MessageAttribute {
        data_type: "Binary".to_owned(),
        value: AttributeValue::Binary(Bytes::from_static(b"\x00\x01")),
    };
    QueueDelivery {
        queue: arn(queue),
        principal: "sns.amazonaws.com".to_owned(),
        source_arn: "arn:aws:sns:us-east-1:000000000000:topic".to_owned(),
        source_account: "000000000000".to_owned(),
        body: body.to_owned(),
        attributes: BTreeMap::from([("a".to_owned(), value)]),
        group: None,
        deduplication_id: None,
        trace_header: None,
    }
}

const POLICY: &str = r#"{"Statement":[{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},
    "Action":"sqs:SendMessage","Condition":{"ArnEquals":{"aws:SourceArn":"arn:aws:sns:us-east-1:000000000000:topic"}}}]}"#;

async fn submit(core: &Core, delivery: QueueDelivery) {
    core.submit::<Sender>(core.shard_of("topic"), &Arc::from("trace"), delivery).await.unwrap();
}

#[tokio::test]
async fn the_policy_decides_and_refusals_reach_the_sender() {
    let ended = Arc::new(std::sync::Mutex::new(Vec::new()));
    let sender = Arc::clone(&ended);
    let world = World::with_machine(Options::default(), move |_| Sender(Arc::clone(&sender))).await;
    world.create("orders", &[]).await;
    let ends = async |world: &World| {
        world.settle().await;
        std::mem::take(&mut *ended.lock().unwrap())
    };
    submit(&world.core, delivery("orders", "denied")).await;
    let refused = ends(&world).await;
    assert!(matches!(&refused[..], [Err(why)] if why.starts_with("AccessDenied")), "{refused:?}");
    submit(&world.core, delivery("missing", "lost")).await;
    let refused = ends(&world).await;
    assert!(matches!(&refused[..], [Err(why)] if why.starts_with("QueueDoesNotExist")), "{refused:?}");

    world.set("orders", &[("Policy", POLICY)]).await.unwrap();
    submit(&world.core, delivery("orders", "let in")).await;
    assert_eq!(ends(&world).await, [Ok(())]);
    let got = world.receive("orders", 10).await;
    assert_eq!((got.len(), got[0].body.as_deref()), (1, Some("let in")));
    let binary = got[0].message_attributes.as_ref().unwrap()["a"].binary_value.clone();
    assert_eq!(binary, Some(Bytes::from_static(b"\x00\x01")));
    assert_eq!(got[0].attributes.as_ref().unwrap()["SenderId"], "sns.amazonaws.com");

    world.set("orders", &[("Policy", "")]).await.unwrap();
    submit(&world.core, delivery("orders", "denied again")).await;
    assert!(ends(&world).await[0].is_err());
}

#[tokio::test]
async fn policies_are_known_to_the_gate_before_the_first_request() {
    let store = MemoryStore::new(4);
    let world = World::over(store.clone(), Options::default()).await;
    world.create("orders", &[("Policy", POLICY)]).await;
    world.core.stop().await.unwrap();
    store.crash(0);
    let gate = Arc::new(PolicyGate::default());
    let setup =
        Setup { gate: gate.clone(), master: MasterKey::from_bytes([7; 32]), options: Options::default() };
    Builder::new(Arc::new(store), Clock::frozen(START), Ids::seeded(2))
        .machine(move |shard| SqsMachine::new(shard, setup.clone()))
        .start(vec![tokio::runtime::Handle::current()])
        .await
        .unwrap();
    assert_eq!(gate.policy(&arn("orders")).as_deref(), Some(POLICY));
}
