//! Plain handlers on the machine's interpreters, in their sandboxes.

use ropeway_core::functions::{FunctionSpec, Functions as _};
use serde_json::{Value, json};

use crate::world::{ID, World, archive};

const PYTHON: [&str; 6] = ["python3.9", "python3.10", "python3.11", "python3.12", "python3.13", "python3.14"];
const NODE: [&str; 4] = ["nodejs18.x", "nodejs20.x", "nodejs22.x", "nodejs24.x"];

/// A function of the first of these runtimes that the machine has: the tests need one.
fn function(world: &World, runtimes: &[&str], file: &str, source: &str) -> FunctionSpec {
    let mut function = world.function("f");
    let has = |name: &&&str| world.runtime.check(name, &function.architecture).is_ok();
    function.runtime = (*runtimes.iter().find(has).expect("an interpreter")).to_owned();
    function.handler = Some("index.handler".to_owned());
    function.memory_mib = 256;
    function.code = world.host.keep(archive(&[(file, 0o644, source.as_bytes())]));
    function
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[tokio::test]
async fn python() {
    let world = World::new().await;
    let source = "
import os, threading
count = 0
def handler(event, context):
    global count
    count += 1
    print('handling')
    if event == 'fail': raise ValueError('as told')
    thread = threading.Thread(target=print, args=('from a thread',))
    thread.start(); thread.join()
    open('/tmp/x', 'w').write('x')
    return {'count': count, 'id': context.aws_request_id, 'user': os.getuid(), 'root': os.listdir('/var/task')}
";
    let function = function(&world, &PYTHON, "index.py", source);
    for count in 1..3 {
        let answer = parsed(&world.ask(&function, "go").await);
        assert_eq!(answer, json!({ "count": count, "id": ID, "user": 993, "root": ["index.py"] }));
    }
    let answer = parsed(&world.fail(&function, "fail").await);
    assert_eq!((&answer["errorType"], &answer["errorMessage"]), (&json!("ValueError"), &json!("as told")));
    let lines = world.host.lines();
    assert_eq!(lines.iter().filter(|line| *line == "from a thread").count(), 2, "{lines:#?}");
}

#[tokio::test]
async fn node() {
    let world = World::new().await;
    let source = "
let count = 0;
exports.handler = async (event, context) => {
  count += 1;
  console.log('handling', event);
  if (event === 'fail') throw new TypeError('as told');
  require('fs').writeFileSync('/tmp/x', 'x');
  return { count, id: context.awsRequestId, user: process.getuid() };
};
";
    let function = function(&world, &NODE, "index.js", source);
    for count in 1..3 {
        let answer = parsed(&world.ask(&function, "go").await);
        assert_eq!(answer, json!({ "count": count, "id": ID, "user": 993 }));
    }
    let answer = parsed(&world.fail(&function, "fail").await);
    assert_eq!((&answer["errorType"], &answer["errorMessage"]), (&json!("TypeError"), &json!("as told")));
    let lines = world.host.lines();
    assert!(lines.iter().any(|line| line.contains("handling go")), "{lines:#?}");
}

#[tokio::test]
async fn a_wrapper_script_starts_the_runtime() {
    let world = World::new().await;
    let mut function = function(&world, &PYTHON, "index.py", "");
    let wrapper = b"#!/bin/sh\nexport WRAPPED=yes\nexec \"$@\"\n";
    let source = b"import os\ndef handler(event, context): return os.environ['WRAPPED']\n";
    function.code = world.host.keep(archive(&[("wrap", 0o755, wrapper), ("index.py", 0o644, source)]));
    function.environment.insert("AWS_LAMBDA_EXEC_WRAPPER".to_owned(), "/var/task/wrap".to_owned());
    assert_eq!(world.ask(&function, "go").await, r#""yes""#);
}
