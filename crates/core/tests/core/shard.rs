//! Apply, commit, answer.

use ropeway_core::{Fault, directory};
use ropeway_store::CommitError;

use crate::world::{Ask, ToyError, World, count, quiet, trace};

#[tokio::test]
async fn no_answer_comes_before_the_commit_is_durable() {
    let world = World::new().await;
    world.store.hold();
    let written = world.ask_aside(0, Ask::Count);
    quiet().await;
    let read = world.ask_aside(0, Ask::Look);
    let again = world.ask_aside(0, Ask::Count);
    quiet().await;
    assert!(!written.is_finished());
    assert!(!read.is_finished(), "it saw what is not durable");
    assert_eq!(world.store.waiting(), 2, "a read makes no commit");
    assert_eq!(world.ask(1, Ask::Look).await, count(0), "another shard does not wait");

    world.store.sync(1);
    quiet().await;
    assert_eq!(written.await.unwrap(), count(1));
    assert_eq!(world.store.waiting(), 1);
    assert!(!again.is_finished());
    world.store.resume();
    assert_eq!(again.await.unwrap(), count(2));
    assert_eq!(read.await.unwrap(), count(1));
}

#[tokio::test]
async fn a_read_without_writes_before_it_answers_at_once() {
    let world = World::new().await;
    assert_eq!(world.ask(0, Ask::Count).await, count(1));
    world.store.hold();
    assert_eq!(world.ask(0, Ask::Look).await, count(1));
}

#[tokio::test]
async fn a_command_that_fails_leaves_nothing() {
    let world = World::new().await;
    assert_eq!(world.ask(0, Ask::Fail).await, Err(ToyError::Refused("no".to_owned())));
    assert_eq!(world.ask(0, Ask::Count).await, count(1));
    world.settle().await;
    assert!(world.witness.seen().is_empty());
}

#[tokio::test]
async fn a_lost_commit_is_an_error_and_the_durable_state_comes_back() {
    for written in [false, true] {
        let world = World::new().await;
        assert_eq!(world.ask(0, Ask::Count).await, count(1));
        world.store.hold();
        world.store.fail_commit(1, CommitError::Unknown("the line broke".to_owned()), written);
        let lost = world.ask_aside(0, Ask::Count);
        quiet().await;
        let on_top = world.ask_aside(0, Ask::Count);
        let read = world.ask_aside(0, Ask::Look);
        quiet().await;
        world.store.resume();
        for answer in [lost, on_top, read] {
            assert!(matches!(answer.await.unwrap(), Err(ToyError::Fault(Fault::Store(_)))));
        }
        assert_eq!(world.ask(0, Ask::Look).await, count(if written { 2 } else { 1 }));
        assert_eq!(world.ask(0, Ask::Count).await, count(if written { 3 } else { 2 }));
    }
}

#[tokio::test]
async fn a_panic_loses_its_batch_and_nothing_else() {
    let world = World::new().await;
    assert_eq!(world.ask(0, Ask::Count).await, count(1));
    let answer = world.ask(0, Ask::Panic).await;
    assert!(matches!(answer, Err(ToyError::Fault(Fault::Store(_)))), "{answer:?}");
    assert_eq!(world.ask(0, Ask::Count).await, count(2));
}

#[tokio::test]
async fn too_much_waiting_is_refused() {
    let world = World::new().await;
    world.store.set_busy(true);
    assert_eq!(world.ask(0, Ask::Look).await, Err(Fault::Overloaded.into()));
    world.store.set_busy(false);
    world.store.hold();
    let mut asked = Vec::new();
    for _ in 0..8 {
        asked.push(world.ask_aside(0, Ask::Count));
        quiet().await;
    }
    assert_eq!(world.store.waiting(), 8);
    let mut more = Vec::new();
    for _ in 0..5000 {
        more.push(world.ask_aside(0, Ask::Count));
    }
    for _ in 0..20 {
        quiet().await;
    }
    let refused = more.iter().filter(|answer| answer.is_finished()).count();
    assert_eq!(refused, 5000 - 4096, "as many as have room wait, the others are told");
    world.store.resume();
    let mut counted = 0;
    for answer in more.into_iter().chain(asked) {
        match answer.await.unwrap() {
            Ok(_) => counted += 1,
            Err(error) => assert_eq!(error, Fault::Overloaded.into()),
        }
    }
    assert_eq!(counted, 4096 + 8);
    assert_eq!(world.ask(0, Ask::Look).await, count(4096 + 8));
}

#[tokio::test]
async fn a_list_is_read_page_by_page() {
    let world = World::new().await;
    let list = "sqs/000000000000/us-east-1/queues";
    let apply = |command| async { directory::apply(&world.core, &trace(), command).await.unwrap() };
    let names = ["a", "b-1", "b-2", "b-3", "c\0d", "é"];
    for name in names.iter().rev() {
        let (list, name) = (list.to_owned(), (*name).to_owned());
        apply(directory::Command::Add { list, value: name.clone().into_bytes(), name }).await;
    }
    let other = directory::Command::Add { list: format!("{list}2"), name: "z".to_owned(), value: Vec::new() };
    apply(other).await;
    for limit in 1..7 {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let (list, prefix) = (list.to_owned(), String::new());
            let page = apply(directory::Command::Read { list, prefix, after, limit }).await;
            assert!(page.names.len() <= limit as usize);
            assert!(page.names.iter().all(|(name, value)| name.as_bytes() == value));
            found.extend(page.names.into_iter().map(|(name, _)| name));
            after = found.last().cloned();
            if !page.more {
                break;
            }
        }
        assert_eq!(found, names, "{limit} at a time");
    }
    let read = |prefix: &str, after: Option<&str>| directory::Command::Read {
        list: list.to_owned(),
        prefix: prefix.to_owned(),
        after: after.map(str::to_owned),
        limit: 2,
    };
    let only = |page: directory::Names| page.names.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(only(apply(read("b", None)).await), ["b-1", "b-2"]);
    assert_eq!(only(apply(read("b", Some("b-2"))).await), ["b-3"]);
    assert_eq!(only(apply(read("b", Some("c"))).await), [""; 0]);
    assert_eq!(only(apply(read("a", Some("a"))).await), [""; 0], "the prefix itself is a name");
    assert_eq!(only(apply(read("b", Some("a"))).await), ["b-1", "b-2"]);
    apply(directory::Command::Remove { list: list.to_owned(), name: "b-1".to_owned() }).await;
    assert_eq!(only(apply(read("b", None)).await), ["b-2", "b-3"]);
}
