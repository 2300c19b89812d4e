//! Posts messages to endpoints.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use ropeway_core::signing::Sum;
use ropeway_core::{Actor, BoxFuture, Core, Fault, Outcome};
use ropeway_wire::{Error, Outgoing};

use super::{Post, Posted, Signing};

/// How long an endpoint has for its answer, in seconds:
/// <https://docs.aws.amazon.com/sns/latest/dg/SendMessageToHttp.prepare.html>.
const PATIENCE: i64 = 15;
/// Pause after a failure of the server's own, in milliseconds.
const PAUSE: i64 = 1000;

/// The actor of `Space::Sns`.
pub struct SnsActor {
    core: Core,
    signing: Arc<Signing>,
    outgoing: Arc<dyn Outgoing>,
}

impl SnsActor {
    /// An actor that posts by `outgoing`, what `signing` has signed.
    pub fn new(core: Core, signing: Arc<Signing>, outgoing: Arc<dyn Outgoing>) -> Self {
        SnsActor { core, signing, outgoing }
    }

    async fn request(&self, post: &Post) -> Result<http::Request<Bytes>, Error> {
        let signer = self.signing.signer().await?;
        let sum = if post.sha256 { Sum::Sha256 } else { Sum::Sha1 };
        let signature = signer.key.sign(self.core.ids(), sum, post.signed_text().as_bytes())?;
        let address = format!("{}{}", post.base_url, signer.path);
        let body = post.body(Some((&BASE64.encode(signature), &address)));
        let arn = post.topic.arn();
        let kind = post.content_type.as_deref().unwrap_or("text/plain; charset=UTF-8");
        let mut request = http::Request::post(&post.endpoint)
            .header("x-amz-sns-message-type", post.kind())
            .header("x-amz-sns-message-id", &post.id)
            .header("x-amz-sns-topic-arn", &arn)
            .header(http::header::CONTENT_TYPE, kind)
            .header(http::header::USER_AGENT, "Amazon Simple Notification Service Agent");
        if post.token.is_none() {
            request = request.header("x-amz-sns-subscription-arn", format!("{arn}:{}", post.subscription));
        }
        if post.raw && post.token.is_none() {
            request = request.header("x-amz-sns-rawdelivery", "true");
        }
        request.body(Bytes::from(body)).map_err(|error| Error::internal(error.to_string()))
    }

    async fn post(&self, post: &Post) -> Result<Posted, Error> {
        let request = self.request(post).await?;
        let clock = self.core.clock();
        let answer = tokio::select! {
            answer = self.outgoing.call(request) => answer,
            () = clock.sleep_until(clock.now().plus_secs(PATIENCE)) => Err(format!("no answer within {PATIENCE} s")),
        };
        Ok(match answer {
            Err(why) => Posted { taken: false, permanent: false, why },
            Ok(answer) => {
                let status = answer.status().as_u16();
                let taken = (200..300).contains(&status);
                // What the endpoint's own fault is may pass; what it says is ours will not.
                let permanent = (300..500).contains(&status) && status != 429;
                Posted { taken, permanent, why: format!("it answered {status}") }
            }
        })
    }
}

impl Actor for SnsActor {
    fn act<'a>(&'a self, _lane: &'a str, payload: &'a [u8]) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let post: Post = match postcard::from_bytes(payload) {
                Ok(post) => post,
                Err(why) => return Outcome::Refused(format!("damaged order: {why}")),
            };
            let done = self.post(&post).await;
            let done = done.and_then(|posted| Ok(postcard::to_stdvec(&posted).map_err(Fault::from)?));
            match done {
                Ok(posted) => Outcome::Done(Bytes::from(posted)),
                Err(error) => {
                    tracing::warn!(endpoint = post.endpoint, %error, "a message waits to be posted");
                    Outcome::Retry(PAUSE)
                }
            }
        })
    }
}
