//! Where custom resources answer and wait conditions are signalled: addresses that whoever was given one may `PUT` to,
//! as to a pre-signed URL of S3.
//!
//! Source: the user guide, "Custom resource request objects", "Custom resource response objects" and "Create wait
//! conditions in a CloudFormation template".

use http::{Method, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use ropeway_core::{BoxFuture, Core, Trace};
use ropeway_wire::gateway::{Site, SiteRequest};
use ropeway_wire::protocol::ResponseBody;
use ropeway_wire::{Answer as HttpAnswer, Error};
use serde_json::Value as Json;

use crate::commands::{Command, Stacks};
use crate::keys::StackKey;
use crate::model::{Answer, Ask, Signal};

/// The longest answer, in bytes. Source: the user guide, "Custom resource response objects".
const MAX_ANSWER: usize = 4096;
/// What hosts of answers begin with. Real ones end with their region, too.
const HOST: &str = "cloudformation-custom-resource-response-";
/// Paths of answers and signals at the server's own address.
const ANSWERS: &str = "/_cloudformation/responses/";
const SIGNALS: &str = "/_cloudformation/signals/";

/// How the server is reached by those who answer.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// Its own address, as functions know it (`http://localhost:4566`).
    pub local: String,
}

impl Addresses {
    /// Where a function answers: an address of AWS's, with TLS on port 443, as modules that answer often hard-code it.
    pub fn for_function(&self, key: &StackKey, logical_id: &str, ask: &Ask) -> String {
        let region = &key.scope.region;
        let base = format!("https://{HOST}{}.s3.{region}.amazonaws.com/", region.replace('-', ""));
        answer_url(&base, key, logical_id, ask)
    }

    /// Where everybody else answers: the address by which the stack's owner reaches the server.
    pub fn from_outside(&self, endpoint: &str, key: &StackKey, logical_id: &str, ask: &Ask) -> String {
        answer_url(&format!("{}{ANSWERS}", self.own(endpoint)), key, logical_id, ask)
    }

    /// Where a handle is signalled.
    pub fn signals(&self, endpoint: &str, key: &StackKey, logical_id: &str, token: &str) -> String {
        let object = encode(&format!("{}|{logical_id}", key.arn()));
        format!("{}{SIGNALS}{object}?AWSAccessKeyId=ropeway&Signature={token}", self.own(endpoint))
    }

    /// An address that is good everywhere: AWS's names lead here from within functions alone.
    fn own<'a>(&'a self, endpoint: &'a str) -> &'a str {
        let is_ours = !endpoint.is_empty() && !endpoint.contains(".amazonaws.com");
        if is_ours { endpoint } else { &self.local }
    }
}

fn answer_url(base: &str, key: &StackKey, logical_id: &str, ask: &Ask) -> String {
    let object = encode(&format!("{}|{logical_id}|{}", key.arn(), ask.request_id));
    let (expires, token) = (ask.deadline.millis() / 1000, &ask.token);
    format!("{base}{object}?AWSAccessKeyId=ropeway&Expires={expires}&Signature={token}")
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// The handle that a URL of [`Addresses::signals`] is for.
pub fn handle_of(url: &str) -> Option<(StackKey, String)> {
    let (_, rest) = url.split_once(SIGNALS)?;
    let (object, _) = rest.split_once('?')?;
    let object = percent_decode_str(object).decode_utf8().ok()?;
    let (arn, logical_id) = object.split_once('|')?;
    Some((StackKey::parse(arn)?, logical_id.to_owned()))
}

/// Takes answers and signals.
pub struct Responses {
    core: Core,
}

impl Responses {
    /// For the stacks of a core.
    pub fn new(core: Core) -> Self {
        Self { core }
    }

    async fn take(&self, request: &SiteRequest) -> Result<(), Error> {
        if request.method != Method::PUT {
            let why = "The specified method is not allowed against this resource.";
            return Err(Error::new(405, "MethodNotAllowed", why));
        }
        let command = command(request).ok_or_else(|| Error::new(403, "AccessDenied", "Access Denied"))??;
        let key = match &command {
            Command::Answer(key, ..) | Command::Signal(key, ..) => key,
            _ => return Err(crate::error::unexpected()),
        };
        let (shard, trace) = (key.shard_in(&self.core), Trace::from(&*request.cx.trace));
        self.core.submit::<Stacks>(shard, &trace, command).await?;
        Ok(())
    }
}

/// What a request says: none if its address is none that was given out.
fn command(request: &SiteRequest) -> Option<Result<Command, Error>> {
    let signals = request.path.strip_prefix(SIGNALS);
    let object = signals.or_else(|| request.path.strip_prefix(ANSWERS));
    let object = object.unwrap_or_else(|| request.path.trim_start_matches('/'));
    let object = percent_decode_str(object).decode_utf8().ok()?;
    let mut parts = object.split('|').map(str::to_owned);
    let key = StackKey::parse(&parts.next()?)?;
    let logical_id = parts.next()?;
    let mut pairs = request.query.split('&').filter_map(|pair| pair.split_once('='));
    let token = pairs.find(|(name, _)| *name == "Signature")?.1.to_owned();
    if signals.is_some() {
        let read = read_signal(&request.body);
        return Some(read.map(|(unique, signal)| Command::Signal(key, logical_id, token, unique, signal)));
    }
    let body = String::from_utf8_lossy(&request.body);
    let answer = if body.len() > MAX_ANSWER { Answer::TooLong } else { Answer::Body(body.into_owned()) };
    Some(Ok(Command::Answer(key, logical_id, parts.next()?, token, answer)))
}

/// Reads a signal: `{"Status", "UniqueId", "Data", "Reason"}`.
fn read_signal(body: &[u8]) -> Result<(Option<String>, Signal), Error> {
    let invalid = |why: &str| Error::new(400, "InvalidRequest", why);
    if body.len() > MAX_ANSWER {
        return Err(invalid("A signal has 4096 bytes at most."));
    }
    let signal: Json = serde_json::from_slice(body).map_err(|_| invalid("A signal is a JSON object."))?;
    let text = |name: &str| signal.get(name).and_then(Json::as_str).map(str::to_owned);
    let success = match text("Status").as_deref() {
        Some("SUCCESS") => true,
        Some("FAILURE") => false,
        _ => return Err(invalid("The Status of a signal is SUCCESS or FAILURE.")),
    };
    let data = match signal.get("Data") {
        None => String::new(),
        Some(Json::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let reason = text("Reason").unwrap_or_default();
    Ok((text("UniqueId").filter(|id| !id.is_empty()), Signal { success, reason, data }))
}

impl Site for Responses {
    fn owns(&self, host: &str, path: &str) -> bool {
        let is_host = host.starts_with(HOST) && host.ends_with(".amazonaws.com");
        is_host || path.starts_with(ANSWERS) || path.starts_with(SIGNALS)
    }

    fn answer(&self, request: SiteRequest) -> BoxFuture<'_, HttpAnswer> {
        Box::pin(async move {
            match self.take(&request).await {
                Ok(()) => respond(200, String::new()),
                Err(error) => {
                    let (code, id) = (&error.code, &request.cx.request_id);
                    let text = format!(
                        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{}</Message>\
                         <RequestId>{id}</RequestId></Error>",
                        error.message
                    );
                    respond(error.status, text)
                }
            }
        })
    }
}

fn respond(status: u16, text: String) -> HttpAnswer {
    let kind = (!text.is_empty()).then_some(header::HeaderValue::from_static("application/xml"));
    let mut answer = http::Response::new(ResponseBody::Bytes(text.into()));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Some(kind) = kind {
        answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    answer
}

#[cfg(test)]
mod tests {
    use ropeway_core::Time;
    use ropeway_core::keys::Scope;

    use super::*;

    #[test]
    fn functions_answer_at_an_address_of_aws_and_others_at_the_server_s_own() {
        let scope = Scope::new("000000000000", "eu-west-1");
        let key = StackKey { scope, name: "s".to_owned(), id: "i".to_owned() };
        let ask = Ask {
            about: String::new(),
            request_id: "r".to_owned(),
            token: "t".to_owned(),
            deadline: Time::from_secs(7),
            sent: false,
            answer: None,
        };
        let object = "arn%3Aaws%3Acloudformation%3Aeu%2Dwest%2D1%3A000000000000%3Astack%2Fs%2Fi%7CA";
        let query = "?AWSAccessKeyId=ropeway&Expires=7&Signature=t";
        let own = format!("http://localhost:4566/_cloudformation/responses/{object}%7Cr{query}");
        let addresses = Addresses { local: "http://localhost:4566".to_owned() };
        assert_eq!(
            addresses.for_function(&key, "A", &ask),
            format!(
                "https://cloudformation-custom-resource-response-euwest1.s3.eu-west-1.amazonaws.com/{object}%7Cr{query}"
            )
        );
        for endpoint in ["", "http://cloudformation.eu-west-1.amazonaws.com"] {
            assert_eq!(addresses.from_outside(endpoint, &key, "A", &ask), own);
        }
        let handle = addresses.signals("https://ropeway.example", &key, "A", "t");
        assert!(handle.starts_with("https://ropeway.example/"));
        assert_eq!(handle_of(&handle), Some((key, "A".to_owned())));
        assert_eq!(handle_of("https://ropeway.example/"), None);
    }

    #[test]
    fn signals_are_read() {
        let body = br#"{"Status": "SUCCESS", "UniqueId": "a", "Data": 5}"#;
        let (id, signal) = read_signal(body).unwrap();
        assert_eq!((id.as_deref(), signal.success, signal.data.as_str()), (Some("a"), true, "5"));
        for wrong in ["", "[]", "{}", r#"{"Status": "success"}"#] {
            assert_eq!(read_signal(wrong.as_bytes()).unwrap_err().status, 400, "{wrong}");
        }
    }
}
