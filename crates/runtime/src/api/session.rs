//! What the two APIs of one sandbox have in common: the invocation under way, and who waits for one.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use ropeway_core::functions::{Answer, StreamFault};
use ropeway_core::{Ids, Time};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::extensions::Extension;
use super::respond::StreamEnd;
use super::{Reply, error_reply, refused};

/// Bodies of a sandbox that are read whole at once: one is as large as an answer may be.
const MAX_BODIES: usize = 2;
/// Events that a sandbox's driver has not taken yet.
const MAX_EVENTS: usize = 64;

/// An invocation on its way to the runtime.
#[derive(Debug)]
pub struct Work {
    /// The request's id.
    pub request_id: String,
    /// The ARN that was invoked.
    pub invoked_arn: String,
    /// The event.
    pub payload: Bytes,
    /// The client's context.
    pub client_context: Option<String>,
    /// The X-Ray header.
    pub trace_header: Option<String>,
    /// When it times out.
    pub deadline: Time,
}

/// What happened in a sandbox.
#[derive(Debug)]
pub enum Event {
    /// The runtime asks for an invocation.
    RuntimeReady,
    /// The runtime has answered; whether with an error. A stream has only begun.
    Answered(Answer, bool),
    /// A streaming answer has come to its end, which its reader sees when this is dropped.
    StreamEnded(StreamEnd),
    /// The runtime could not start: the error's document, and its type.
    InitError(Bytes, Option<String>),
    /// An extension has registered, or asks for its next event.
    ExtensionReady,
    /// An extension reports an error: its name, and the error's type.
    ExtensionError(String, Option<String>),
    /// A program could not be started, or has ended.
    Exited(u8, Exit),
    /// So much memory, in bytes, is in use inside.
    Memory(u64),
    /// All inside is dead.
    Gone,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// It never started, for this reason.
    NotStarted(String),
    /// With a code.
    Code(i32),
    /// By a signal.
    Signal(i32),
}

/// Why extensions are told to stop.
#[derive(Debug, Clone, Copy)]
pub enum Shutdown {
    /// Nobody needs the process any more.
    Spindown,
    /// An invocation took too long.
    Timeout,
    /// The runtime or an extension failed.
    Failure,
}

/// One sandbox's side of the two APIs.
#[derive(Debug)]
pub struct Session {
    pub(super) function: About,
    pub(super) ids: Ids,
    pub(super) state: Mutex<State>,
    events: mpsc::Sender<Event>,
    /// Room for bodies that are read whole.
    pub(super) bodies: Semaphore,
}

/// What extensions are told about the function.
#[derive(Debug, Clone)]
pub struct About {
    /// The account that owns it.
    pub account: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its handler.
    pub handler: Option<String>,
    /// The programs in `/opt/extensions`.
    pub external: Vec<String>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub current: Option<Current>,
    offered: Option<Arc<Work>>,
    waiting: Option<oneshot::Sender<Arc<Work>>>,
    pub extensions: BTreeMap<String, Extension>,
    /// Why a streaming answer will break off.
    breaking: Option<StreamFault>,
}

/// The invocation that the runtime has.
#[derive(Debug)]
pub(super) struct Current {
    pub work: Arc<Work>,
    pub answered: bool,
}

impl Session {
    /// A session, and where its events come out.
    pub fn new(function: About, ids: Ids) -> (Arc<Self>, mpsc::Receiver<Event>) {
        let (events, receiver) = mpsc::channel(MAX_EVENTS);
        let bodies = Semaphore::new(MAX_BODIES);
        (Arc::new(Session { function, ids, state: Mutex::default(), events, bodies }), receiver)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the sandbox's driver.
    pub async fn tell(&self, event: Event) {
        // Without a driver the sandbox is being ended.
        drop(self.events.send(event).await);
    }

    /// Says why a streaming answer breaks off, before the sandbox is killed.
    pub fn break_off(&self, fault: StreamFault) {
        self.state().breaking = Some(fault);
    }

    pub(super) fn breaking(&self) -> Option<StreamFault> {
        self.state().breaking.take()
    }

    /// Tells the driver that a streaming answer is over, where nothing can be awaited.
    pub(super) fn stream_ended(&self, end: StreamEnd) {
        // Without a driver, or without room, the reader sees the end at once.
        drop(self.events.try_send(Event::StreamEnded(end)));
    }

    /// Hands an invocation to the runtime, and to the extensions that asked for such events.
    pub fn offer(&self, work: &Arc<Work>) {
        let mut state = self.state();
        state.current = None;
        state.extensions.values_mut().for_each(|extension| extension.invoke(work));
        let unsent = match state.waiting.take() {
            Some(waiting) => waiting.send(Arc::clone(work)).err(),
            None => Some(Arc::clone(work)),
        };
        state.offered = unsent;
    }

    /// `GET …/invocation/next`: waits for an invocation.
    pub(super) async fn next(&self) -> Reply {
        let coming = {
            let mut state = self.state();
            if state.current.as_ref().is_some_and(|current| !current.answered) {
                return wrong_state("the invocation before it has no response");
            }
            let (sender, receiver) = oneshot::channel();
            match state.offered.take() {
                Some(work) => drop(sender.send(work)),
                None => state.waiting = Some(sender),
            }
            receiver
        };
        self.tell(Event::RuntimeReady).await;
        let Ok(work) = coming.await else {
            return refused("Runtime.Superseded", "another request for the next invocation has come");
        };
        self.state().current = Some(Current { work: Arc::clone(&work), answered: false });
        deliver(&work)
    }

    /// Marks the current invocation as answered, if it is this one and was not before.
    pub(super) fn settle(&self, id: &str) -> Result<(), Reply> {
        match &mut self.state().current {
            Some(current) if current.work.request_id == id && !current.answered => {
                current.answered = true;
                Ok(())
            }
            _ => Err(error_reply(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID")),
        }
    }
}

pub(super) fn wrong_state(why: &str) -> Reply {
    refused("InvalidStateTransition", &format!("State transition is not allowed: {why}"))
}

/// The answer that carries an invocation to the runtime.
fn deliver(work: &Work) -> Reply {
    let mut reply = Response::new(Full::new(work.payload.clone()));
    let headers = reply.headers_mut();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let deadline = work.deadline.millis().to_string();
    for (name, value) in [
        ("lambda-runtime-aws-request-id", Some(&work.request_id)),
        ("lambda-runtime-deadline-ms", Some(&deadline)),
        ("lambda-runtime-invoked-function-arn", Some(&work.invoked_arn)),
        ("lambda-runtime-trace-id", work.trace_header.as_ref()),
        ("lambda-runtime-client-context", work.client_context.as_ref()),
    ] {
        // What is no header value, in a client's context, was checked by the service.
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    }
    reply
}
