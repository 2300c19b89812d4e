//! A small signed client of the protocols Query and awsJson1.1, for the commands that speak to a server.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use ropeway_core::Clock;
use ropeway_wire::Input;
use ropeway_wire::protocol;
use ropeway_wire::schema::{Protocol, Service};
use ropeway_wire::sigv4::{Credentials, SignBody, Signer};

use crate::Failure;
use crate::cli::ServerArgs;

/// Largest answer that is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// A connection to a server, as the principal of the environment's credentials.
pub(crate) struct Client {
    http: HttpClient<HttpConnector, Full<Bytes>>,
    endpoint: String,
    region: String,
    credentials: Credentials,
    clock: Clock,
}

/// An answer's status, headers and body.
pub(crate) type Answer = http::Response<Bytes>;

/// A runtime for the client's commands.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

impl Client {
    /// A client with the credentials of `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and
    /// `AWS_SESSION_TOKEN`.
    pub fn new(server: &ServerArgs) -> Result<Self, Failure> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let missing = || {
            Failure::Usage(
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (with a --dev server: test and test)"
                    .to_owned(),
            )
        };
        let credentials = Credentials {
            access_key_id: variable("AWS_ACCESS_KEY_ID").ok_or_else(missing)?,
            secret_access_key: variable("AWS_SECRET_ACCESS_KEY").ok_or_else(missing)?,
            session_token: variable("AWS_SESSION_TOKEN"),
        };
        Ok(Client { credentials, ..Client::anonymous(server) })
    }

    /// A client for what is the server's own and asks for no credentials.
    pub fn anonymous(server: &ServerArgs) -> Self {
        Client {
            http: HttpClient::builder(TokioExecutor::new()).build_http(),
            endpoint: server.endpoint.trim_end_matches('/').to_owned(),
            region: server.region.clone(),
            credentials: credentials("", ""),
            clock: Clock::real(0),
        }
    }

    /// The same with other credentials.
    pub fn with_key(self, id: &str, secret: &str) -> Self {
        Client { credentials: credentials(id, secret), ..self }
    }

    /// The server's address, as in `http://localhost:4566`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The region's name.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The clock, for pauses between looks.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Calls an operation of the Query protocol.
    pub async fn call<I: Input>(&self, parameters: &[(String, String)]) -> Result<I::Output, ServiceError>
    where
        I::Output: ropeway_wire::Decode,
    {
        let service = I::SERVICE;
        let operation = service.operations.iter().find(|o| o.name == I::OPERATION);
        let operation =
            operation.ok_or_else(|| ServiceError::local(format!("{} is not listed", I::OPERATION)))?;
        let mut form = format!("Action={}&Version={}", I::OPERATION, service.api_version);
        for (name, value) in parameters {
            let value = utf8_percent_encode(value, NON_ALPHANUMERIC);
            form.push_str(&format!("&{}={value}", utf8_percent_encode(name, NON_ALPHANUMERIC)));
        }
        let headers = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
        let answer = self.send(service, "POST", "/", &headers, Bytes::from(form)).await?;
        let (parts, body) = answer.into_parts();
        protocol::decode_response(operation, Protocol::AwsQuery, parts.status.as_u16(), &parts.headers, body)
            .map_err(|error| ServiceError::local(error.to_string()))
    }

    /// Calls an operation of the protocol awsJson1.1.
    pub async fn call_json<I: Input>(&self, input: &I) -> Result<I::Output, ServiceError>
    where
        I::Output: ropeway_wire::Decode,
    {
        let service = I::SERVICE;
        let operation = service.operations.iter().find(|o| o.name == I::OPERATION);
        let operation =
            operation.ok_or_else(|| ServiceError::local(format!("{} is not listed", I::OPERATION)))?;
        let target = format!("{}.{}", service.target_prefix.unwrap_or_default(), I::OPERATION);
        let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", &target)];
        let body = Bytes::from(protocol::to_json(input, &operation.input));
        let answer = self.send(service, "POST", "/", &headers, body).await?;
        let (parts, body) = answer.into_parts();
        protocol::decode_response(operation, Protocol::AwsJson11, parts.status.as_u16(), &parts.headers, body)
            .map_err(|error| ServiceError::local(error.to_string()))
    }

    /// Sends a signed request; an answer of 400 or more is an error.
    pub async fn send(
        &self,
        service: &'static Service,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, ServiceError> {
        let answer =
            self.exchange(service, method, path, headers, body).await.map_err(ServiceError::local)?;
        if answer.status().as_u16() < 400 { Ok(answer) } else { Err(ServiceError::from_answer(&answer)) }
    }

    async fn exchange(
        &self,
        service: &'static Service,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<Answer, String> {
        let uri: http::Uri =
            format!("{}{path}", self.endpoint).parse().map_err(|e| format!("{}: {e}", self.endpoint))?;
        let host = uri.authority().map(|a| a.to_string()).unwrap_or_default();
        let mut request = http::Request::builder().method(method).uri(uri).header("host", host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (mut parts, ()) = request.body(()).map_err(|e| e.to_string())?.into_parts();
        let signer = Signer {
            credentials: &self.credentials,
            region: &self.region,
            service: service.signing_name,
            time: self.clock.machine_time(),
        };
        signer.sign_headers(&mut parts, SignBody::Whole(&body)).map_err(|e| e.to_string())?;
        self.finish(http::Request::from_parts(parts, Full::new(body))).await
    }

    /// Asks for something of the server's own, unsigned.
    pub async fn get_internal(&self, path: &str) -> Result<Answer, Failure> {
        let request = http::Request::get(format!("{}{path}", self.endpoint)).body(Full::default());
        let request = request.map_err(|e| Failure::Usage(format!("{}: {e}", self.endpoint)))?;
        self.finish(request).await.map_err(Failure::Failed)
    }

    /// Sends something to the server's own, unsigned.
    pub async fn post_internal(&self, path: &str, body: Bytes) -> Result<Answer, Failure> {
        let request = http::Request::post(format!("{}{path}", self.endpoint)).body(Full::new(body));
        let request = request.map_err(|e| Failure::Usage(format!("{}: {e}", self.endpoint)))?;
        self.finish(request).await.map_err(Failure::Failed)
    }

    async fn finish(&self, request: http::Request<Full<Bytes>>) -> Result<Answer, String> {
        let reached = self.http.request(request).await;
        let answer = reached
            .map_err(|_| format!("no server answers at {}; start one: ropeway start", self.endpoint))?;
        let (parts, body) = answer.into_parts();
        let body =
            http_body_util::Limited::new(body, MAX_ANSWER).collect().await.map_err(|e| e.to_string())?;
        Ok(http::Response::from_parts(parts, body.to_bytes()))
    }
}

fn credentials(id: &str, secret: &str) -> Credentials {
    Credentials { access_key_id: id.to_owned(), secret_access_key: secret.to_owned(), session_token: None }
}

/// A service's refusal, or why there was no answer.
#[derive(Debug)]
pub(crate) struct ServiceError {
    pub code: String,
    pub message: String,
}

impl ServiceError {
    pub fn local(message: String) -> Self {
        ServiceError { code: String::new(), message }
    }

    fn from_answer(answer: &Answer) -> Self {
        let json: Option<serde_json::Value> = serde_json::from_slice(answer.body()).ok();
        let member = |name: &str| json.as_ref()?.get(name)?.as_str().map(str::to_owned);
        if let Some(kind) = member("__type") {
            let code = kind.rsplit('#').next().unwrap_or_default().to_owned();
            let message = member("message").or_else(|| member("Message")).unwrap_or_default();
            return ServiceError { code, message };
        }
        let text = String::from_utf8_lossy(answer.body());
        let element = |name: &str| {
            let (_, rest) = text.split_once(&format!("<{name}>"))?;
            let (inner, _) = rest.split_once(&format!("</{name}>"))?;
            Some(
                inner.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&"),
            )
        };
        let status = answer.status().to_string();
        ServiceError {
            code: element("Code").unwrap_or(status),
            message: element("Message").unwrap_or_else(|| text.to_string()),
        }
    }
}

impl From<ServiceError> for Failure {
    fn from(error: ServiceError) -> Self {
        Failure::Failed(if error.code.is_empty() {
            error.message
        } else {
            format!("{}: {}", error.code, error.message)
        })
    }
}
