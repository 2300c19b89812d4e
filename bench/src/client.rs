//! A connection that sends signed requests.

use bytes::Bytes;
use http::request::Parts;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use ropeway_core::Clock;
use ropeway_wire::sigv4::{Credentials, SignBody, Signer};

/// One HTTP/1.1 connection.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    credentials: Credentials,
    clock: Clock,
    signed: Option<Signed>,
}

/// The last request that was signed. A signature names a second: within it, the same request has the same one.
struct Signed {
    second: i64,
    service: String,
    parts: Parts,
    body: Bytes,
}

impl Connection {
    /// Connects, with `test`/`test` as credentials.
    pub async fn open(endpoint: &str) -> Result<Self, String> {
        let host = endpoint.trim_start_matches("http://").trim_end_matches('/').to_owned();
        let stream = tokio::net::TcpStream::connect(&host).await.map_err(|e| format!("{host}: {e}"))?;
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
        tokio::spawn(connection);
        let credentials = Credentials {
            access_key_id: "test".to_owned(),
            secret_access_key: "test".to_owned(),
            session_token: None,
        };
        Ok(Connection { sender, host, credentials, clock: Clock::real(0), signed: None })
    }

    /// Sends a signed request and reads its whole answer.
    pub async fn send(
        &mut self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<(u16, Bytes), String> {
        let mut request = http::Request::builder().method(method).uri(path).header("host", &self.host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).map_err(|e| e.to_string())?.into_parts();
        let parts = self.sign(parts, service, &body)?;
        self.exchange(http::Request::from_parts(parts, Full::new(body))).await
    }

    /// Sends an unsigned GET.
    pub async fn get(&mut self, path: &str) -> Result<(u16, Bytes), String> {
        let request = http::Request::get(path).header("host", &self.host).body(Full::default());
        self.exchange(request.map_err(|e| e.to_string())?).await
    }

    /// Sends an unsigned POST of JSON.
    pub async fn post(&mut self, path: &str, body: Bytes) -> Result<(u16, Bytes), String> {
        let request = http::Request::post(path).header("host", &self.host);
        let request = request.header("content-type", "application/json").body(Full::new(body));
        self.exchange(request.map_err(|e| e.to_string())?).await
    }

    async fn exchange(&mut self, request: http::Request<Full<Bytes>>) -> Result<(u16, Bytes), String> {
        self.sender.ready().await.map_err(|e| e.to_string())?;
        let answer = self.sender.send_request(request).await.map_err(|e| e.to_string())?;
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.map_err(|e| e.to_string())?.to_bytes();
        Ok((status, body))
    }

    fn sign(&mut self, mut parts: Parts, service: &str, body: &Bytes) -> Result<Parts, String> {
        let time = self.clock.machine_time();
        if let Some(signed) = self.signed.as_ref().filter(|signed| {
            let same = (signed.second, signed.service.as_str()) == (time.secs(), service);
            same && signed.parts.method == parts.method
                && signed.parts.uri == parts.uri
                && signed.body == *body
        }) {
            return Ok(signed.parts.clone());
        }
        let signer = Signer { credentials: &self.credentials, region: "us-east-1", service, time };
        signer.sign_headers(&mut parts, SignBody::Whole(body)).map_err(|e| e.to_string())?;
        let (second, service) = (time.secs(), service.to_owned());
        self.signed = Some(Signed { second, service, parts: parts.clone(), body: body.clone() });
        Ok(parts)
    }

    /// Sends an awsJson request; anything but 200 is an error.
    pub async fn json(&mut self, target: &str, service: &str, body: Bytes) -> Result<Bytes, String> {
        let headers = [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", target)];
        let (status, answer) = self.send(service, "POST", "/", &headers, body).await?;
        if status == 200 {
            Ok(answer)
        } else {
            Err(format!("{target}: {status} {}", String::from_utf8_lossy(&answer)))
        }
    }

    /// Invokes a function; an answer that is an error of the function's is one here.
    pub async fn invoke(&mut self, function: &str) -> Result<(), String> {
        let path = format!("/2015-03-31/functions/{function}/invocations");
        let (status, answer) = self.send("lambda", "POST", &path, &[], Bytes::from_static(b"{}")).await?;
        let text = String::from_utf8_lossy(&answer);
        if status == 200 && !text.contains("errorType") {
            Ok(())
        } else {
            Err(format!("{function}: {status} {text}"))
        }
    }

    /// Sends a Query request; anything but 200 is an error.
    pub async fn query(&mut self, service: &str, form: String) -> Result<Bytes, String> {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let (status, answer) = self.send(service, "POST", "/", &headers, Bytes::from(form)).await?;
        if status == 200 {
            Ok(answer)
        } else {
            Err(format!("{service}: {status} {}", String::from_utf8_lossy(&answer)))
        }
    }
}
