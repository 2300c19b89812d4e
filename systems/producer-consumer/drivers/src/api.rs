//! The API that hands out pre-signed URLs, and what is done with them.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::Failure;

/// The longest answer that is read as text, in bytes.
const MAX_TEXT: usize = 64 * 1024;

/// A body that is sent.
pub type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// The API's address, and a client for it and for what it hands out.
pub struct Api {
    url: String,
    http: Client<HttpsConnector<HttpConnector>, Body>,
}

/// What a URL is for.
#[derive(Debug, Clone, Copy)]
pub enum Action {
    Put,
    Get,
}

impl Api {
    pub fn new(url: &str) -> Result<Self, Failure> {
        let connector =
            HttpsConnectorBuilder::new().with_native_roots()?.https_or_http().enable_http1().build();
        let http = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Api { url: url.trim_end_matches('/').to_owned(), http })
    }

    /// Asks for a pre-signed URL.
    pub async fn presign(&self, key: &str, action: Action) -> Result<Uri, Failure> {
        let action = match action {
            Action::Put => "putObject",
            Action::Get => "getObject",
        };
        let body = json!({ "object_key": key, "action": action }).to_string();
        let request = Request::post(format!("{}/presign", self.url))
            .header("content-type", "application/json")
            .body(Full::from(body).map_err(|never| match never {}).boxed_unsync())?;
        let answer = self.http.request(request).await?;
        let (status, text) = (answer.status(), text(answer).await?);
        if status != StatusCode::OK {
            return Err(format!("the API answers {status}: {text}").into());
        }
        Ok(text.trim().parse()?)
    }

    /// Sends to a pre-signed URL, or gets from it; another status than 200 is an error, with what was said.
    pub async fn exchange(
        &self,
        method: Method,
        url: Uri,
        length: Option<u64>,
        body: Body,
    ) -> Result<Response<hyper::body::Incoming>, Failure> {
        let mut request = Request::builder().method(method).uri(url);
        if let Some(length) = length {
            request = request.header("content-length", length);
        }
        let answer = self.http.request(request.body(body)?).await?;
        if answer.status() == StatusCode::OK {
            return Ok(answer);
        }
        let (status, text) = (answer.status(), text(answer).await?);
        Err(format!("S3 answers {status}: {text}").into())
    }
}

async fn text(answer: Response<hyper::body::Incoming>) -> Result<String, Failure> {
    let body = Limited::new(answer.into_body(), MAX_TEXT).collect().await?.to_bytes();
    Ok(String::from_utf8_lossy(&body).into_owned())
}

/// A bar for one file.
pub fn bar(name: &str, bytes: u64) -> Result<ProgressBar, Failure> {
    let style = ProgressStyle::with_template(
        "{msg:32!} {wide_bar} {bytes:>12} of {total_bytes:<12} {bytes_per_sec}",
    )?;
    Ok(ProgressBar::new(bytes).with_style(style).with_message(name.to_owned()))
}
