//! The Runtime API and the Extensions API, as the processes see them.

use std::sync::Arc;

use bytes::Bytes;
use ropeway_core::functions::{Answer, FunctionSpec, Functions as _, StreamFault};
use serde_json::{Value, json};

use crate::world::{FIXTURE, ID, World, archive, invocation};

#[tokio::test]
async fn an_invocation_comes_with_its_headers() {
    let world = World::new().await;
    let function = world.function("f");
    assert_eq!(world.ask(&function, "header lambda-runtime-aws-request-id").await, ID);
    assert_eq!(world.ask(&function, "header lambda-runtime-invoked-function-arn").await, function.arn);
    let trace = world.ask(&function, "header lambda-runtime-trace-id").await;
    assert!(trace.starts_with("Root=1-5bef4de7-"), "{trace}");
    let deadline: i64 = world.ask(&function, "header lambda-runtime-deadline-ms").await.parse().unwrap();
    let now = world.clock.now().millis();
    assert!((now..=now + 30_000).contains(&deadline), "{deadline} {now}");
    let mut with_context = invocation(&function, "header lambda-runtime-client-context");
    with_context.client_context = Some(r#"{"client":{}}"#.to_owned());
    let invoked = world.runtime.invoke(Arc::new(function.clone()), with_context).await.unwrap();
    assert_eq!(crate::world::whole(invoked), r#"{"client":{}}"#);
}

#[tokio::test]
async fn the_environment_is_as_documented() {
    let world = World::new().await;
    let mut function = world.function("f");
    function.environment.insert("OWN".to_owned(), "mine".to_owned());
    function.environment.insert("TZ".to_owned(), "Europe/Rome".to_owned());
    for (name, value) in [
        ("_HANDLER", "handler"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_DEFAULT_REGION", "eu-west-1"),
        ("AWS_LAMBDA_FUNCTION_NAME", "f"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/f"),
        ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"),
        ("LAMBDA_TASK_ROOT", "/var/task"),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
        ("LANG", "en_US.UTF-8"),
        ("TZ", "Europe/Rome"),
        ("OWN", "mine"),
        ("AWS_SESSION_TOKEN", "token"),
        ("HOME", ""),
        ("ROPEWAY_SECRET", ""),
    ] {
        assert_eq!(world.ask(&function, &format!("env {name}")).await, value, "{name}");
    }
    let stream = world.ask(&function, "env AWS_LAMBDA_LOG_STREAM_NAME").await;
    let (day, unique) = stream.split_once("/[$LATEST]").unwrap();
    assert_eq!((day.len(), unique.len()), (10, 32), "{stream}");
    let endpoint = format!("http://localhost:{}", world.server.local_addr().unwrap().port());
    assert_eq!(world.ask(&function, "env AWS_ENDPOINT_URL").await, endpoint);
}

#[tokio::test]
async fn the_server_is_reached_at_its_own_port() {
    let world = World::new().await;
    let function = world.function("f");
    let address = world.server.local_addr().unwrap();
    let answers = async {
        let (mut stream, _) = world.server.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"welcome").await.unwrap();
    };
    let event = format!("connect {address}");
    let (said, ()) = tokio::join!(world.ask(&function, &event), answers);
    assert_eq!(said, "welcome");
}

#[tokio::test]
async fn answers_come_piece_by_piece() {
    let world = World::new().await;
    let mut function = world.function("f");
    for (event, end) in [
        ("stream", None),
        (
            "stream-fails",
            Some(StreamFault {
                kind: "Example.Late".to_owned(),
                details: r#"{"errorType":"Example.Late"}"#.to_owned(),
            }),
        ),
    ] {
        let invoked = world.invoke(&function, event).await.unwrap();
        assert!(!invoked.failed);
        let Answer::Stream(mut stream) = invoked.payload else { panic!("no stream") };
        assert_eq!(stream.content_type, "text/event-stream");
        let mut whole = Vec::new();
        let fault = loop {
            match stream.pieces.recv().await {
                Some(Ok(piece)) => whole.extend_from_slice(&piece),
                Some(Err(fault)) => break Some(fault),
                None => break None,
            }
        };
        assert!(whole.starts_with(b"one"));
        assert_eq!(fault, end);
        assert_eq!(world.runtime.processes(), (1, 0), "the process is back before the end");
    }
    assert_eq!(last_fault(&world, &function, "stream-breaks").await, "Runtime.TruncatedResponse");
    assert_eq!(world.ask(&function, "count").await, "4", "the process goes on");
    function.timeout_secs = 1;
    function.revision = "2".to_owned();
    assert_eq!(last_fault(&world, &function, "stream-hangs").await, "Sandbox.Timedout");
    assert_eq!(world.ask(&function, "count").await, "1");
}

/// What a streaming answer breaks off with.
async fn last_fault(world: &World, function: &FunctionSpec, event: &str) -> String {
    let invoked = world.invoke(function, event).await.unwrap();
    let Answer::Stream(mut stream) = invoked.payload else { panic!("no stream") };
    let mut last = None;
    while let Some(piece) = stream.pieces.recv().await {
        last = Some(piece);
    }
    last.unwrap().unwrap_err().kind
}

#[tokio::test]
async fn an_answer_is_at_most_six_mebibytes() {
    let world = World::new().await;
    let function = world.function("f");
    assert_eq!(world.ask(&function, "answer-long 6291556").await.len(), 6_291_556);
    let answer: Value = serde_json::from_str(&world.fail(&function, "answer-long 6291557").await).unwrap();
    let message = "Response payload size exceeded maximum allowed payload size (6291556 bytes).";
    assert_eq!(answer, json!({ "errorType": "Function.ResponseSizeTooLarge", "errorMessage": message }));
    assert_eq!(world.ask(&function, "count").await, "3");
}

#[tokio::test]
async fn requests_out_of_turn_are_refused() {
    let world = World::new().await;
    let function = world.function("f");
    for (request, status, kind) in [
        ("GET /2018-06-01/runtime/invocation/next", "403", "InvalidStateTransition"),
        ("POST /2018-06-01/runtime/invocation/x/response", "400", "InvalidRequestID"),
        ("POST /2018-06-01/runtime/invocation/x/error", "400", "InvalidRequestID"),
        ("GET /2018-06-01/runtime/restore/next", "403", "Restore.NotSupported"),
        ("PUT /2022-07-01/telemetry", "403", "Telemetry.NotSupported"),
        ("PUT /2020-08-15/logs", "403", "Logs.NotSupported"),
        ("POST /2020-01-01/extension/register", "403", "Extension.InvalidExtensionName"),
        ("GET /2020-01-01/extension/event/next", "403", "Extension.UnknownExtensionIdentifier"),
        ("GET /elsewhere", "404", "not found"),
    ] {
        let answer = world.ask(&function, &format!("api {request}")).await;
        assert!(answer.starts_with(status) && answer.contains(kind), "{request}: {answer}");
    }
}

#[tokio::test]
async fn extensions_see_each_invocation_and_the_end() {
    let world = World::new().await;
    let mut function = world.function("f");
    let fixture = std::fs::read(FIXTURE).unwrap();
    let files: [(&str, u32, &[u8]); 2] =
        [("extensions/watcher", 0o755, &fixture), ("lib/note.txt", 0o644, b"noted")];
    function.layers = vec![world.host.keep(archive(&files))];
    assert_eq!(world.ask(&function, "count").await, "1");
    crate::world::until(|| world.runtime.processes() == (1, 0)).await;
    assert_eq!(world.ask(&function, "read /opt/lib/note.txt").await, r#""noted""#);
    crate::world::until(|| world.runtime.processes() == (1, 0)).await;
    let lines = world.host.lines();
    let told = |what: &str| lines.iter().filter(|line| line.contains(what)).count();
    assert_eq!(
        told(r#"registered 200 {"functionName":"f","functionVersion":"$LATEST","handler":"handler"}"#),
        1
    );
    assert_eq!(told(r#""eventType":"INVOKE""#), 2, "{lines:#?}");
    assert_eq!(told(&format!(r#""requestId":"{ID}""#)), 2);
    world.runtime.stop().await;
    world.host.logged(r#""eventType":"SHUTDOWN","shutdownReason":"spindown""#).await;
}

#[tokio::test]
async fn extensions_are_told_of_a_timeout() {
    let world = World::new().await;
    let mut function = world.function("f");
    function.timeout_secs = 1;
    let fixture = std::fs::read(FIXTURE).unwrap();
    function.layers = vec![world.host.keep(archive(&[("extensions/watcher", 0o755, &fixture)]))];
    assert!(world.fail(&function, "hang").await.contains("Sandbox.Timedout"));
    world.host.logged(r#""eventType":"SHUTDOWN","shutdownReason":"timeout""#).await;
}

#[tokio::test]
async fn extensions_that_take_their_time_hold_up_no_answer() {
    let world = World::new().await;
    let mut function = world.function("f");
    function.timeout_secs = 2;
    let fixture = std::fs::read(FIXTURE).unwrap();
    function.layers = vec![world.host.keep(archive(&[("extensions/dawdler", 0o755, &fixture)]))];
    assert_eq!(world.ask(&function, "count").await, "1");
    world.host.logged("Status: timeout").await;
    assert_eq!(world.ask(&function, "count").await, "1", "the process was ended meanwhile");
}

#[tokio::test]
async fn bytes_that_are_no_zip_are_refused() {
    let world = World::new().await;
    let refused = world.runtime.inspect(Bytes::from_static(b"no zip")).await.unwrap_err();
    assert!(format!("{refused:?}").starts_with("BadPackage(\"Could not unzip uploaded file."), "{refused:?}");
}
