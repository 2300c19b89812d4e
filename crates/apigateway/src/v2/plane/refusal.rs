//! Refusals, as HTTP APIs answer them: `{"message":"Not Found"}`.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use ropeway_wire::Answer;

/// Why a request is not answered as its route says.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// What the caller reads.
    pub message: &'static str,
    /// `www-authenticate`
    pub challenge: Option<String>,
    /// `$context.integrationErrorMessage` or `$context.authorizer.error`: what the caller does not read.
    pub why: Cow<'static, str>,
}

impl Refusal {
    /// A refusal.
    pub fn new(status: u16, message: &'static str) -> Self {
        Refusal { status, message, challenge: None, why: Cow::Borrowed("") }
    }

    /// No such API, stage or route.
    pub fn not_found() -> Self {
        Refusal::new(404, "Not Found")
    }

    /// Something of the server's own failed.
    pub fn internal() -> Self {
        Refusal::new(500, "Internal Server Error")
    }

    /// The integration failed.
    pub fn integration(why: impl Into<Cow<'static, str>>) -> Self {
        Refusal { why: why.into(), ..Refusal::internal() }
    }

    /// The integration cannot be reached, or takes too long.
    pub fn unavailable(why: impl Into<Cow<'static, str>>) -> Self {
        Refusal { why: why.into(), ..Refusal::new(503, "Service Unavailable") }
    }

    /// The caller did not say who they are.
    pub fn unauthorized() -> Self {
        Refusal::new(401, "Unauthorized")
    }

    /// The caller may not.
    pub fn forbidden() -> Self {
        Refusal::new(403, "Forbidden")
    }

    /// The answer.
    pub fn answer(&self) -> Answer {
        let body = serde_json::json!({ "message": self.message }).to_string();
        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(Ok(challenge)) = self.challenge.as_deref().map(HeaderValue::from_str) {
            headers.insert(http::header::WWW_AUTHENTICATE, challenge);
        }
        super::made(self.status, headers, Bytes::from(body))
    }
}
