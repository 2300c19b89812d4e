//! InvokeWithResponseStream.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use futures_util::stream;
use ropeway_api::lambda as api;
use ropeway_core::functions::{Answer, StreamFault};
use ropeway_wire::{ByteStream, Cx, Error, eventstream};
use tokio::sync::mpsc::Receiver;

use super::invoke::{client_context, event, trace_header};
use super::{Lambda, named};
use crate::engine::Call;
use crate::limits;

/// Bytes of a piece of an answer that comes whole.
const PIECE: usize = 64 * 1024;

pub async fn invoke_with_response_stream(
    lambda: &Lambda,
    cx: &Cx,
    input: api::InvokeWithResponseStreamInput,
) -> Result<api::InvokeWithResponseStreamOutput, Error> {
    let (name, qualifier) = named(cx, &input.function_name, input.qualifier)?;
    let context = client_context(input.client_context)?;
    if input.invocation_type.as_deref() == Some("DryRun") {
        lambda.read(cx, &name, qualifier.as_deref()).await?;
        let status_code = Some(204);
        return Ok(api::InvokeWithResponseStreamOutput { status_code, ..Default::default() });
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
    let tail = input.log_type.as_deref() == Some("Tail");
    let log = tail.then(|| BASE64.encode(&ran.invoked.log_tail));
    let frames = match ran.invoked.payload {
        Answer::Whole(payload) => ByteStream::from(whole(&payload, ran.invoked.failed, log)),
        Answer::Stream(answer) => streamed(answer.pieces, log),
    };
    Ok(api::InvokeWithResponseStreamOutput {
        status_code: Some(200),
        executed_version: Some(ran.version),
        event_stream: Some(frames),
        response_stream_content_type: Some(eventstream::CONTENT_TYPE.to_owned()),
    })
}

fn chunk(payload: &[u8]) -> Bytes {
    eventstream::event("PayloadChunk", "application/octet-stream", payload)
}

fn complete(error: Option<(&str, &str)>, log: Option<String>) -> Bytes {
    let mut body = serde_json::Map::new();
    if let Some((code, details)) = error {
        body.insert("ErrorCode".to_owned(), code.into());
        body.insert("ErrorDetails".to_owned(), details.into());
    }
    if let Some(log) = log {
        body.insert("LogResult".to_owned(), log.into());
    }
    let body = serde_json::Value::Object(body).to_string();
    eventstream::event("InvokeComplete", "application/json", body.as_bytes())
}

/// The frames of an answer that is all there; an error's document is in the last one.
fn whole(payload: &Bytes, failed: bool, log: Option<String>) -> Bytes {
    let mut out = Vec::new();
    if failed {
        let details = String::from_utf8_lossy(payload);
        out.extend(complete(Some(("Unhandled", &details)), log));
        return Bytes::from(out);
    }
    payload.chunks(PIECE).for_each(|piece| out.extend(chunk(piece)));
    out.extend(complete(None, log));
    Bytes::from(out)
}

/// The frames of an answer as it comes.
fn streamed(pieces: Receiver<Result<Bytes, StreamFault>>, log: Option<String>) -> ByteStream {
    let start = Some((pieces, log));
    let frames = stream::unfold(start, |state| async move {
        let (mut pieces, log) = state?;
        match pieces.recv().await {
            Some(Ok(piece)) => Some((Ok(chunk(&piece)), Some((pieces, log)))),
            Some(Err(fault)) => Some((Ok(complete(Some((&fault.kind, &fault.details)), log)), None)),
            None => Some((Ok(complete(None, log)), None)),
        }
    });
    ByteStream::new(frames, None)
}
