//! Invocations: cold, warm, failed.

use std::sync::Arc;

use ropeway_core::functions::{Functions as _, NotRun};
use serde_json::{Value, json};

use crate::world::{ID, World, archive, whole};

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn a_process_is_used_again() {
    let world = World::new().await;
    let function = world.function("f");
    assert_eq!(world.ask(&function, "count").await, "1");
    assert_eq!(world.ask(&function, "count").await, "2");
    assert_eq!(world.runtime.processes(), (1, 0));
    let other = world.function("g");
    assert_eq!(world.ask(&other, "count").await, "1");
    let mut newer = function.clone();
    newer.revision = "2".to_owned();
    assert_eq!(world.ask(&newer, "count").await, "1");
    assert_eq!(world.runtime.processes(), (3, 0));
    world.runtime.retire(&function.arn, &["2".to_owned()]);
    assert_eq!(world.runtime.processes(), (2, 0));
    assert_eq!(world.ask(&newer, "count").await, "2");
}

#[tokio::test]
async fn a_process_that_takes_too_long_is_killed() {
    let world = World::new().await;
    let mut function = world.function("f");
    function.timeout_secs = 1;
    assert_eq!(world.ask(&function, "count").await, "1");
    let answer = world.fail(&function, "hang").await;
    let message = format!("RequestId: {ID} Error: Task timed out after 1.00 seconds");
    assert_eq!(parsed(&answer), json!({ "errorType": "Sandbox.Timedout", "errorMessage": message }));
    let lines = world.host.lines();
    assert!(lines.iter().any(|line| line.ends_with("Status: timeout")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains(&format!("{ID} Task timed out after 1.0"))), "{lines:#?}");
    assert_eq!(world.ask(&function, "count").await, "1");
}

#[tokio::test]
async fn exits_and_signals_are_reported() {
    let world = World::new().await;
    let function = world.function("f");
    for (deed, why) in [
        ("exit 1", "Runtime exited with error: exit status 1"),
        ("exit 0", "Runtime exited without providing a reason"),
        ("abort", "Runtime exited with error: signal: aborted"),
    ] {
        let answer = world.fail(&function, deed).await;
        let message = format!("RequestId: {ID} Error: {why}");
        assert_eq!(parsed(&answer), json!({ "errorType": "Runtime.ExitError", "errorMessage": message }));
    }
    let lines = world.host.lines();
    assert!(
        lines.iter().any(|line| line.ends_with("Status: error\tError Type: Runtime.ExitError")),
        "{lines:#?}"
    );
}

#[tokio::test]
async fn errors_of_the_handler_are_handed_on() {
    let world = World::new().await;
    let function = world.function("f");
    let answer = world.fail(&function, "error").await;
    assert_eq!(parsed(&answer), json!({ "errorType": "Example.Error", "errorMessage": "as told" }));
    assert_eq!(world.ask(&function, "count").await, "2", "the process goes on");
}

#[tokio::test]
async fn inits_that_fail_are_tried_twice() {
    let world = World::new().await;
    let mut function = world.function("f");
    function.handler = Some("init-error".to_owned());
    let answer = world.fail(&function, "count").await;
    assert_eq!(parsed(&answer), json!({ "errorType": "Example.Bad", "errorMessage": "no luck" }));
    function.handler = Some("init-exit".to_owned());
    function.revision = "2".to_owned();
    let answer = world.fail(&function, "count").await;
    let message = format!("RequestId: {ID} Error: Runtime exited with error: exit status 3");
    assert_eq!(parsed(&answer), json!({ "errorType": "Runtime.ExitError", "errorMessage": message }));
    let reports: Vec<String> =
        world.host.lines().into_iter().filter(|line| line.starts_with("INIT_REPORT")).collect();
    assert_eq!(reports.len(), 4, "{reports:#?}");
    assert!(reports[0].ends_with("Phase: init\tStatus: error\tError Type: Example.Bad"), "{reports:#?}");
    assert!(
        reports[3].ends_with("Phase: invoke\tStatus: error\tError Type: Runtime.ExitError"),
        "{reports:#?}"
    );
    assert_eq!(world.runtime.processes(), (0, 0));
}

#[tokio::test]
async fn a_package_without_a_bootstrap_says_so() {
    let world = World::new().await;
    let mut function = world.function("f");
    function.code = world.host.keep(archive(&[("other", 0o755, b"x")]));
    let answer = parsed(&world.fail(&function, "count").await);
    assert_eq!(answer["errorType"], "Runtime.InvalidEntrypoint");
    let message = answer["errorMessage"].as_str().unwrap();
    let why = "Error: Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]";
    assert!(message.ends_with(why), "{message}");
    function.code = world.host.keep(archive(&[("bootstrap", 0o644, b"#!/bin/sh\n")]));
    let answer = parsed(&world.fail(&function, "count").await);
    let message = answer["errorMessage"].as_str().unwrap();
    assert!(message.ends_with("fork/exec /var/task/bootstrap: permission denied"), "{message}");
}

#[tokio::test]
async fn a_bootstrap_may_come_from_a_layer() {
    let world = World::new().await;
    let mut function = world.function("f");
    function.layers =
        vec![std::mem::replace(&mut function.code, world.host.keep(archive(&[("x", 0o644, b"x")])))];
    assert_eq!(world.ask(&function, "list /var/task").await, r#""x""#);
}

#[tokio::test]
async fn what_an_invocation_prints_is_its_tail_and_its_log() {
    let world = World::new().await;
    let function = world.function("f");
    let invoked = world.invoke(&function, "print hello").await.unwrap();
    let tail = String::from_utf8(invoked.log_tail.to_vec()).unwrap();
    let lines: Vec<&str> = tail.lines().collect();
    assert_eq!(lines[0], format!("START RequestId: {ID} Version: $LATEST"));
    assert_eq!(lines[1], "hello");
    assert_eq!(lines[2], format!("END RequestId: {ID}"));
    assert!(lines[3].starts_with(&format!("REPORT RequestId: {ID}\tDuration: ")), "{tail}");
    assert!(lines[3].contains("\tMemory Size: 128 MB\tMax Memory Used: "), "{tail}");
    assert!(lines[3].contains(" MB\tInit Duration: "), "{tail}");
    assert_eq!(world.host.lines(), lines);
    assert_eq!(whole(invoked), "null");
    let invoked = world.invoke(&function, "print again").await.unwrap();
    assert!(!String::from_utf8(invoked.log_tail.to_vec()).unwrap().contains("Init Duration"));
}

#[tokio::test]
async fn a_stopped_runner_takes_nothing_more() {
    let world = World::new().await;
    let function = world.function("f");
    world.ask(&function, "count").await;
    world.runtime.stop().await;
    assert_eq!(world.runtime.processes(), (0, 0));
    let spec = Arc::new(function.clone());
    let answer = world.runtime.invoke(spec, crate::world::invocation(&function, "count")).await;
    assert!(matches!(answer, Err(NotRun::Stopping)), "{answer:?}");
}

#[tokio::test]
async fn long_lines_are_cut() {
    let world = World::new().await;
    let function = world.function("f");
    let invoked = world.invoke(&function, "print-long x").await.unwrap();
    assert!(invoked.log_tail.len() <= 4096);
    let most = (256 << 10) - 26;
    let lengths: Vec<usize> =
        world.host.lines().iter().filter(|line| line.starts_with('x')).map(String::len).collect();
    assert_eq!(lengths, [most, most, (600 << 10) - 2 * most]);
}

#[tokio::test]
async fn the_platform_s_lines_can_be_json() {
    let world = World::new().await;
    let mut function = world.function("f");
    function.logging.json = true;
    assert_eq!(world.ask(&function, "env AWS_LAMBDA_LOG_FORMAT").await, "JSON");
    let lines: Vec<Value> = world.host.lines().iter().map(|line| parsed(line)).collect();
    let kinds: Vec<&str> = lines.iter().map(|line| line["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["platform.initStart", "platform.initReport", "platform.start", "platform.report"]);
    assert_eq!(lines[2]["record"], json!({ "requestId": ID, "version": "$LATEST" }));
    let report = &lines[3]["record"];
    assert_eq!((&report["requestId"], &report["status"]), (&json!(ID), &json!("success")));
    assert_eq!(report["metrics"]["memorySizeMB"], 128);
    assert!(report["metrics"]["initDurationMs"].is_number());
    function.revision = "2".to_owned();
    function.logging.system_level = Some("WARN".to_owned());
    let before = world.host.lines().len();
    world.ask(&function, "count").await;
    assert_eq!(world.host.lines().len(), before, "nothing to warn of");
    world.fail(&function, "exit 1").await;
    let last = parsed(&world.host.lines()[before + 1]);
    assert_eq!(last["record"]["errorType"], "Runtime.ExitError");
}

#[tokio::test]
async fn packages_for_other_processors_are_refused() {
    let world = World::new().await;
    let mut function = world.function("f");
    let mut program = std::fs::read(crate::world::FIXTURE).unwrap();
    // The machine's number: one that is neither.
    program[18..20].copy_from_slice(&[243, 0]);
    function.code = world.host.keep(archive(&[("bootstrap", 0o755, &program)]));
    let refused = world.invoke(&function, "count").await.unwrap_err();
    let NotRun::BadPackage(why) = refused else { panic!("{refused:?}") };
    assert!(why.starts_with("bootstrap is built for ELF machine 243, and this machine is "), "{why}");
}
