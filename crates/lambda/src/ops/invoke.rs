//! Invoke, InvokeAsync.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use futures_util::StreamExt as _;
use ropeway_api::lambda as api;
use ropeway_core::functions::Answer;
use ropeway_wire::{Cx, Error};
use serde_json::Value as Json;

use super::{Lambda, named};
use crate::commands::{Command, NewEvent, Output};
use crate::engine::{Call, unexpected};
use crate::errors;
use crate::keys::FunctionName;
use crate::limits;

/// Bytes of the client's context, in base64:
/// <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>.
const CLIENT_CONTEXT: usize = 3583;

/// An event is JSON; no body at all counts as an empty object.
pub fn event(payload: Option<Bytes>, invocation: &str, most: usize) -> Result<Bytes, Error> {
    let payload = payload.filter(|payload| !payload.is_empty()).unwrap_or(Bytes::from_static(b"{}"));
    if payload.len() > most {
        return Err(errors::too_large(payload.len(), invocation, most));
    }
    match serde_json::from_slice::<&serde_json::value::RawValue>(&payload) {
        Ok(_) => Ok(payload),
        Err(why) => Err(api::error::invalid_request_content_exception(format!(
            "Could not parse request body into json: Could not parse payload into json: {why}"
        ))
        .with_member("Type", "User")),
    }
}

/// The client's context, decoded: JSON.
pub fn client_context(given: Option<String>) -> Result<Option<String>, Error> {
    let Some(given) = given else { return Ok(None) };
    let bad = || {
        api::error::invalid_request_content_exception(
            "Client context must be a valid Base64-encoded JSON object.",
        )
        .with_member("Type", "User")
    };
    if given.len() > CLIENT_CONTEXT {
        return Err(bad());
    }
    let text = BASE64.decode(&given).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(bad)?;
    match serde_json::from_str::<Json>(&text) {
        Ok(Json::Object(_)) => Ok(Some(text)),
        _ => Err(bad()),
    }
}

/// The X-Ray header that a function gets: sampled if its traces are active.
pub fn trace_header(cx: &Cx) -> Option<String> {
    cx.trace.starts_with("1-").then(|| format!("Root={}", cx.trace))
}

pub async fn invoke(lambda: &Lambda, cx: &Cx, input: api::InvokeInput) -> Result<api::InvokeOutput, Error> {
    let (name, qualifier) = named(cx, &input.function_name, input.qualifier)?;
    let context = client_context(input.client_context)?;
    match input.invocation_type.as_deref() {
        Some("Event") => {
            let payload = event(input.payload, "Event", limits::ASYNC_PAYLOAD)?;
            enqueue(lambda, cx, name, qualifier, payload, context).await?;
            return Ok(api::InvokeOutput { status_code: Some(202), ..api::InvokeOutput::default() });
        }
        Some("DryRun") => {
            lambda.read(cx, &name, qualifier.as_deref()).await?;
            return Ok(api::InvokeOutput { status_code: Some(204), ..api::InvokeOutput::default() });
        }
        _ => {}
    }
    let call = Call {
        name: &name,
        qualifier: qualifier.as_deref(),
        request_id: cx.request_id.clone(),
        payload: event(input.payload, "RequestResponse", limits::SYNC_PAYLOAD)?,
        client_context: context,
        trace_header: trace_header(cx),
        trace: cx.trace.clone(),
    };
    let ran = lambda.engine.run(call).await?;
    let payload = match ran.invoked.payload {
        Answer::Whole(payload) => payload,
        Answer::Stream(stream) => gathered(stream.pieces).await?,
    };
    let tail = input.log_type.as_deref() == Some("Tail");
    Ok(api::InvokeOutput {
        status_code: Some(200),
        function_error: ran.invoked.failed.then(|| "Unhandled".to_owned()),
        log_result: tail.then(|| BASE64.encode(&ran.invoked.log_tail)),
        payload: Some(payload),
        executed_version: Some(ran.version),
    })
}

/// A function that streams may be invoked all the same: its answer is what it streamed.
async fn gathered(
    mut pieces: tokio::sync::mpsc::Receiver<Result<Bytes, ropeway_core::functions::StreamFault>>,
) -> Result<Bytes, Error> {
    let mut out = Vec::new();
    while let Some(piece) = pieces.recv().await {
        match piece {
            Ok(piece) => out.extend_from_slice(&piece),
            Err(fault) => return Ok(Bytes::from(fault.details)),
        }
        if out.len() > limits::SYNC_PAYLOAD {
            return Err(errors::too_large(out.len(), "RequestResponse", limits::SYNC_PAYLOAD));
        }
    }
    Ok(Bytes::from(out))
}

async fn enqueue(
    lambda: &Lambda,
    cx: &Cx,
    function: FunctionName,
    qualifier: Option<String>,
    payload: Bytes,
    client_context: Option<String>,
) -> Result<(), Error> {
    let event = NewEvent {
        function: function.clone(),
        qualifier,
        // A call from within has the request's id of its cause.
        request_id: match cx.source_ip {
            Some(_) => cx.request_id.clone(),
            None => lambda.engine.parts.core.ids().uuid(),
        },
        payload,
        client_context,
        trace_header: trace_header(cx),
    };
    match lambda.submit(cx, &function, Command::Enqueue(Box::new(event))).await? {
        Output::Accepted { .. } => Ok(()),
        _ => Err(unexpected()),
    }
}

pub async fn invoke_async(
    lambda: &Lambda,
    cx: &Cx,
    input: api::InvokeAsyncInput,
) -> Result<api::InvokeAsyncOutput, Error> {
    let (name, qualifier) = named(cx, &input.function_name, None)?;
    let mut body = Vec::new();
    if let Some(mut chunks) = input.invoke_args.and_then(|args| args.take()) {
        while let Some(chunk) = chunks.next().await {
            body.extend_from_slice(&chunk?);
            if body.len() > limits::ASYNC_PAYLOAD {
                return Err(errors::too_large(body.len(), "Event", limits::ASYNC_PAYLOAD));
            }
        }
    }
    let payload = event(Some(Bytes::from(body)), "Event", limits::ASYNC_PAYLOAD)?;
    enqueue(lambda, cx, name, qualifier, payload, None).await?;
    Ok(api::InvokeAsyncOutput { status: Some(202) })
}
