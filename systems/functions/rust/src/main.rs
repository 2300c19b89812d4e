//! Greets whoever is named in each message of a queue.
#![allow(clippy::print_stdout, reason = "what a function prints is its log")]

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    run(service_fn(greet)).await
}

async fn greet(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let records = event.payload.get("Records").and_then(Value::as_array);
    for record in records.into_iter().flatten() {
        let body = record.get("body").and_then(Value::as_str).unwrap_or_default();
        println!("Rust greets {body}");
    }
    Ok(json!({ "batchItemFailures": [] }))
}
