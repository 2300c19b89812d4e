//! The generic path of every operation: decode, validate, authorise, call, encode.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use http::HeaderMap;
use ropeway_core::BoxFuture;

use crate::audit::{Audit, Watch};
use crate::gateway::ErrorCode;
use crate::protocol::{self, RequestBody, RequestParts, ResponseBody};
use crate::schema::{Operation, Protocol, Service};
use crate::{Cx, Decode, Encode, Error, Keys};

/// The HTTP answer of an operation.
pub type Answer = http::Response<ResponseBody>;

/// The answer of an operation called from within: its output structure.
pub type LocalAnswer = Result<Box<dyn Any + Send>, Error>;

/// An operation's input, as the generated API describes it.
pub trait Input: Decode + Encode + Send + 'static {
    /// What the operation answers.
    type Output: Encode + Send + 'static;
    /// The service.
    const SERVICE: &'static Service;
    /// The operation's name.
    const OPERATION: &'static str;
    /// The operation asks the gate itself: what is to be decided shows only once it has looked.
    const ASKS_ITSELF: bool = false;
    /// ARNs of the resources that the operation's action is asked for.
    fn resources(&self, cx: &Cx) -> Vec<String>;
    /// The IAM action, where what the input says makes it another one than the operation's.
    fn action(&self) -> Option<&'static str> {
        None
    }
    /// Condition keys that the input gives.
    fn keys(&self, keys: &mut Keys);
}

/// A request on its way to its operation.
pub struct Call {
    /// The service.
    pub service: &'static Service,
    /// The operation.
    pub operation: &'static Operation,
    /// The protocol that the request speaks.
    pub protocol: Protocol,
    /// Who calls.
    pub cx: Cx,
    /// The method.
    pub method: http::Method,
    /// The path, percent-encoded.
    pub path: String,
    /// The query string.
    pub query: Option<String>,
    /// The headers.
    pub headers: HeaderMap,
    /// Labels of the URI template, decoded.
    pub labels: Vec<(&'static str, String)>,
    /// The body.
    pub body: RequestBody,
    /// Who keeps the audit log, if it is kept.
    pub audit: Option<Arc<dyn Audit>>,
}

/// A call from within the server.
pub struct LocalCall {
    /// The operation.
    pub operation: &'static Operation,
    /// In whose name.
    pub cx: Cx,
    /// The input structure.
    pub input: Box<dyn Any + Send>,
    /// Who keeps the audit log, if it is kept.
    pub audit: Option<Arc<dyn Audit>>,
}

/// A service, its type forgotten. Generated for each.
pub trait Dispatch: Send + Sync {
    /// The service's constants.
    fn service(&self) -> &'static Service;
    /// Carries out a request.
    fn call(&self, call: Call) -> BoxFuture<'static, Answer>;
    /// Carries out a call from within.
    fn call_local(&self, call: LocalCall) -> BoxFuture<'static, LocalAnswer>;
}

/// Carries out one operation: what the generated dispatch calls.
pub async fn exec<I, F, Fut>(call: Call, run: F) -> Answer
where
    I: Input,
    F: FnOnce(Cx, I) -> Fut + Send,
    Fut: Future<Output = Result<I::Output, Error>> + Send,
{
    let (service, operation, protocol) = (call.service, call.operation, call.protocol);
    let request_id = call.cx.request_id.clone();
    let path = call.path.clone();
    let head = call.method == http::Method::HEAD;
    match decode_and_run(call, run).await {
        Ok(output) => protocol::encode_output(service, operation, protocol, &output, &request_id),
        Err(error) => error_answer(service, protocol, &error, &request_id, &path, head),
    }
}

async fn decode_and_run<I, F, Fut>(mut call: Call, run: F) -> Result<I::Output, Error>
where
    I: Input,
    F: FnOnce(Cx, I) -> Fut + Send,
    Fut: Future<Output = Result<I::Output, Error>> + Send,
{
    let operation = call.operation;
    let watch = Watch::begin(call.audit.take(), call.service, operation, &call.cx);
    let decoded = decode::<I>(call);
    watched(watch, operation, decoded, run).await
}

fn decode<I: Input>(call: Call) -> Result<(Cx, I), Error> {
    let parts = RequestParts {
        method: &call.method,
        uri_path: &call.path,
        query: call.query.as_deref(),
        headers: &call.headers,
        labels: &call.labels,
        body: call.body,
    };
    let input = protocol::decode_input(call.service, call.operation, call.protocol, parts)?;
    Ok((call.cx, input))
}

/// Authorises a call and carries it out; the audit log, if it watches, has it before the answer.
async fn watched<I, F, Fut>(
    mut watch: Option<Watch>,
    operation: &Operation,
    decoded: Result<(Cx, I), Error>,
    run: F,
) -> Result<I::Output, Error>
where
    I: Input,
    F: FnOnce(Cx, I) -> Fut + Send,
    Fut: Future<Output = Result<I::Output, Error>> + Send,
{
    if let (Some(watch), Ok((cx, input))) = (&mut watch, &decoded) {
        watch.takes(input, input.resources(cx));
    }
    let allowed = decoded.and_then(|(cx, input)| {
        authorize(I::SERVICE, operation, &cx, &input)?;
        Ok((cx, input))
    });
    let result = match allowed {
        Ok((cx, input)) => run(cx, input).await,
        Err(error) => Err(error),
    };
    match watch {
        Some(watch) => watch.end(result).await,
        None => result,
    }
}

/// What a call asks the gate.
pub struct Question {
    /// The action.
    pub action: &'static str,
    /// ARNs of the resources.
    pub resources: Vec<String>,
    /// The operation's condition keys.
    pub keys: Keys,
}

impl Question {
    /// What an input asks; `None` where anyone may call its operation.
    pub fn of<I: Input>(cx: &Cx, input: &I) -> Option<Self> {
        let operation = I::SERVICE.operations.iter().find(|operation| operation.name == I::OPERATION)?;
        Self::new(operation, cx, input)
    }

    fn new<I: Input>(operation: &Operation, cx: &Cx, input: &I) -> Option<Self> {
        let action = input.action().or(operation.action)?;
        let mut keys = Keys::default();
        input.keys(&mut keys);
        if let Some(source) = &cx.source {
            keys.add("aws:SourceArn", source);
            keys.add("aws:SourceAccount", &cx.account);
        }
        Some(Question { action, resources: input.resources(cx), keys })
    }
}

fn authorize<I: Input>(service: &Service, operation: &Operation, cx: &Cx, input: &I) -> Result<(), Error> {
    if I::ASKS_ITSELF {
        return Ok(());
    }
    let asked = Question::new(operation, cx, input);
    let Some(Question { action, resources, keys }) = asked else { return Ok(()) };
    resources.iter().try_for_each(|resource| cx.authorize(service, action, resource, &keys))
}

/// Carries out one operation for a caller within the server. Its input is validated and authorised
/// as a request's is.
pub async fn exec_local<I, F, Fut>(call: LocalCall, run: F) -> LocalAnswer
where
    I: Input,
    F: FnOnce(Cx, I) -> Fut + Send,
    Fut: Future<Output = Result<I::Output, Error>> + Send,
{
    let input = call
        .input
        .downcast::<I>()
        .map_err(|_| Error::internal("a call from within with another operation's input"))?;
    let watch = Watch::begin(call.audit, I::SERVICE, call.operation, &call.cx);
    let checked = protocol::check(I::SERVICE, call.operation, input.as_ref());
    let output = watched(watch, call.operation, checked.map(|()| (call.cx, *input)), run).await?;
    Ok(Box::new(output))
}

/// The answer to an operation that is listed nowhere.
pub async fn unknown_operation(call: Call) -> Answer {
    let error = Error::internal(format!("{} is listed but not dispatched", call.operation.name));
    error_answer(call.service, call.protocol, &error, &call.cx.request_id, &call.path, false)
}

/// The answer to a call from within of an operation that is listed nowhere.
pub async fn unknown_local(call: LocalCall) -> LocalAnswer {
    Err(Error::internal(format!("{} is listed but not dispatched", call.operation.name)))
}

/// An error in the protocol's form; without a body where the request was a HEAD, or where nothing has changed.
pub fn error_answer(
    service: &'static Service,
    protocol: Protocol,
    error: &Error,
    request_id: &str,
    path: &str,
    head: bool,
) -> Answer {
    let mut answer = protocol::encode_error(service, protocol, error, request_id, Some(path));
    answer.extensions_mut().insert(ErrorCode(error.code.clone()));
    if head || error.status == 304 {
        *answer.body_mut() = ResponseBody::Bytes(bytes::Bytes::new());
    }
    answer
}

/// Every service of the server: for requests from without and calls from within.
#[derive(Default)]
pub struct Services {
    services: OnceLock<BTreeMap<&'static str, Arc<dyn Dispatch>>>,
    audit: OnceLock<Arc<dyn Audit>>,
}

impl Services {
    /// Sets the services, once, when all are made.
    pub fn set(&self, services: Vec<Arc<dyn Dispatch>>) {
        let by_id = services.into_iter().map(|service| (service.service().id, service)).collect();
        // A second call would be a fault of the wiring; the first one's services stay.
        let _ = self.services.set(by_id);
    }

    /// Has every call of an operation told, from now on.
    pub fn set_audit(&self, audit: Arc<dyn Audit>) {
        // As above: the first one stays.
        let _ = self.audit.set(audit);
    }

    /// Who keeps the audit log.
    pub fn audit(&self) -> Option<Arc<dyn Audit>> {
        self.audit.get().cloned()
    }

    /// The service of an id.
    pub fn get(&self, id: &str) -> Option<&Arc<dyn Dispatch>> {
        self.services.get()?.get(id)
    }

    /// Every service, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Dispatch>> {
        self.services.get().into_iter().flat_map(BTreeMap::values)
    }

    /// Calls an operation from within, as the principal of `cx`: the same validation and
    /// authorisation as for a request.
    pub async fn call<I: Input>(&self, cx: Cx, input: I) -> Result<I::Output, Error> {
        let refusal = || Error::internal(format!("{}:{} is not there", I::SERVICE.id, I::OPERATION));
        let dispatch = self.get(I::SERVICE.id).ok_or_else(refusal)?;
        let operation = I::SERVICE.operations.iter().find(|o| o.name == I::OPERATION).ok_or_else(refusal)?;
        let answer = dispatch
            .call_local(LocalCall { operation, cx, input: Box::new(input), audit: self.audit() })
            .await?;
        let output = answer.downcast::<I::Output>();
        output
            .map(|output| *output)
            .map_err(|_| Error::internal("a call from within with another operation's output"))
    }
}
