//! How many processes there are, and for how long.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use ropeway_core::functions::{Functions as _, NotRun};
use ropeway_core::{Clock, Time};

use crate::world::{World, invocation, until};

/// The processes of the machine that have this function's name in their environment.
fn processes_of(name: &str) -> Vec<std::path::PathBuf> {
    let wanted = format!("AWS_LAMBDA_FUNCTION_NAME={name}\0");
    let has = |path: &std::path::PathBuf| {
        let environment = std::fs::read(path.join("environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains(&wanted)
    };
    std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path()).filter(has).collect()
}

#[tokio::test]
async fn processes_that_wait_too_long_are_ended() {
    let world = World::with(|settings| settings.idle_millis = 60_000, Clock::frozen(Time(1_000_000))).await;
    let name = format!("idle-{}", std::process::id());
    let function = world.function(&name);
    assert_eq!(world.ask(&function, "count").await, "1");
    assert_eq!(processes_of(&name).len(), 1);
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(world.ask(&function, "count").await, "2");
    world.clock.advance(Duration::from_secs(59));
    assert_eq!(world.runtime.processes(), (1, 0));
    world.clock.advance(Duration::from_secs(60));
    until(|| world.runtime.processes() == (0, 0)).await;
    until(|| processes_of(&name).is_empty()).await;
}

#[tokio::test]
async fn the_process_that_waited_longest_makes_room() {
    let world = World::with(|settings| settings.most_processes = 2, Clock::frozen(Time(1_000_000))).await;
    let [first, second, third] = ["a", "b", "c"].map(|name| world.function(name));
    for function in [&first, &second, &third] {
        assert_eq!(world.ask(function, "count").await, "1");
        world.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(world.runtime.processes(), (2, 0));
    assert_eq!(world.ask(&second, "count").await, "2");
    assert_eq!(world.ask(&first, "count").await, "1");
    let hang = || world.runtime.invoke(Arc::new(third.clone()), invocation(&third, "hang"));
    let (one, two) = (hang(), hang());
    until(|| world.runtime.processes() == (0, 2)).await;
    let refused = world.invoke(&first, "count").await.unwrap_err();
    assert_eq!(refused, NotRun::NoRoom("2 processes are at work, as many as may be".to_owned()));
    until(|| world.host.lines().iter().filter(|line| *line == "hanging").count() == 2).await;
    world.runtime.retire(&third.arn, &[]);
    world.clock.advance(Duration::from_secs(31));
    let (one, two) = tokio::join!(one, two);
    assert!(one.unwrap().failed && two.unwrap().failed);
    assert_eq!(world.runtime.processes(), (0, 0));
}

#[tokio::test]
async fn processes_are_replaced_before_their_keys_end() {
    let world = World::with(|_| {}, Clock::frozen(Time(1_000_000))).await;
    *world.host.keys_end.lock().unwrap() = Time(1_000_000).plus_secs(3600);
    let function = world.function("f");
    assert_eq!(world.ask(&function, "env AWS_ACCESS_KEY_ID").await, "ASIA1");
    world.clock.advance(Duration::from_secs(300));
    assert_eq!(world.ask(&function, "env AWS_ACCESS_KEY_ID").await, "ASIA1");
    world.clock.advance(Duration::from_secs(3300 - 29));
    *world.host.keys_end.lock().unwrap() = Time(1_000_000).plus_secs(7200);
    assert_eq!(world.ask(&function, "env AWS_ACCESS_KEY_ID").await, "ASIA2");
}

#[tokio::test]
async fn provisioned_processes_are_there_before_they_are_needed() {
    let world = World::new().await;
    let function = Arc::new(world.function("f"));
    world.runtime.provision(Arc::clone(&function), 2).await.unwrap();
    assert_eq!(world.runtime.processes(), (2, 0));
    assert_eq!(world.ask(&function, "env AWS_LAMBDA_INITIALIZATION_TYPE").await, "provisioned-concurrency");
    assert!(
        !world.host.lines().iter().any(|line| line.contains("Init Duration")),
        "the init was not its own"
    );
    world.runtime.provision(Arc::clone(&function), 2).await.unwrap();
    assert_eq!(world.runtime.processes(), (2, 0));
    world.runtime.provision(Arc::clone(&function), 0).await.unwrap();
    world.runtime.retire(&function.arn, &[]);
    assert_eq!(world.runtime.processes(), (0, 0));
}

#[tokio::test]
async fn all_processes_stand_still_between_invocations() {
    let world = World::new().await;
    let name = format!("still-{}", std::process::id());
    let function = world.function(&name);
    world.ask(&function, "spin").await;
    let [process] = &processes_of(&name)[..] else { panic!("one process") };
    // After the name, which is in parentheses, comes the state: stopped.
    let state = || std::fs::read_to_string(process.join("stat")).unwrap_or_default();
    until(|| state().contains(") T ")).await;
    assert_eq!(world.ask(&function, "count").await, "2");
    until(|| state().contains(") T ")).await;
}

/// The server that the next test kills: the test itself, in a process of its own.
async fn serve_until_killed(function: &str) {
    let world = World::new().await;
    world.ask(&world.function(function), "spawn").await;
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn processes_die_with_a_server_that_is_killed() {
    if let Ok(function) = std::env::var("NAME_OF_FUNCTION") {
        return serve_until_killed(&function).await;
    }
    let name = format!("killed-{}", std::process::id());
    let mut server = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "pool::processes_die_with_a_server_that_is_killed"])
        .env("NAME_OF_FUNCTION", &name)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // The function, and what it left running, both frozen.
    while processes_of(&name).len() < 2 {
        assert_eq!(server.try_wait().unwrap(), None, "the server goes on");
        tokio::task::yield_now().await;
    }
    server.kill().unwrap();
    server.wait().unwrap();
    until(|| processes_of(&name).is_empty()).await;
}
