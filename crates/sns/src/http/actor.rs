//! Posts messages to endpoints, and signs what goes out in steps.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use ropeway_core::{Actor, BoxFuture, Core, Fault, Outcome, Time};
use ropeway_wire::{Error, Outgoing};

use super::{Post, Posted, Signing};
use crate::envelope::Signature;
use crate::signed::{self, Order, Signed};

/// How long an endpoint has for its answer, in seconds:
/// <https://docs.aws.amazon.com/sns/latest/dg/SendMessageToHttp.prepare.html>.
const PATIENCE: i64 = 15;
/// Bytes of an endpoint's answer that are told of.
const MAX_SAID: usize = 1024;
/// Paces that are kept; those that are over go first.
const MAX_PACED: usize = 10_000;
/// Pause after a failure of the server's own, in milliseconds.
const PAUSE: i64 = 1000;

/// The actor of `Space::Sns`.
pub struct SnsActor {
    core: Core,
    signing: Arc<Signing>,
    outgoing: Arc<dyn Outgoing>,
    /// When the next message may go to a subscription that has only so many a second.
    next: Mutex<BTreeMap<String, Time>>,
}

impl SnsActor {
    /// An actor that posts by `outgoing`, what `signing` has signed.
    pub fn new(core: Core, signing: Arc<Signing>, outgoing: Arc<dyn Outgoing>) -> Self {
        SnsActor { core, signing, outgoing, next: Mutex::default() }
    }

    fn request(&self, post: &Post, signature: Option<&Signature>) -> Result<http::Request<Bytes>, Error> {
        let arn = post.topic.arn();
        let kind = post.content_type.as_deref().unwrap_or("text/plain; charset=UTF-8");
        let mut request = http::Request::post(&post.endpoint)
            .header("x-amz-sns-message-type", post.kind().name())
            .header("x-amz-sns-message-id", &post.id)
            .header("x-amz-sns-topic-arn", &arn)
            .header(http::header::CONTENT_TYPE, kind)
            .header(http::header::USER_AGENT, "Amazon Simple Notification Service Agent");
        if post.token.is_none() {
            request = request.header("x-amz-sns-subscription-arn", format!("{arn}:{}", post.subscription));
        }
        if post.is_bare() {
            request = request.header("x-amz-sns-rawdelivery", "true");
        }
        let body = Bytes::from(post.body(signature));
        request.body(body).map_err(|error| Error::internal(error.to_string()))
    }

    /// Waits until a message may go: messages of a subscription that has only so many a second go one after the other.
    async fn turn(&self, post: &Post) {
        let Some(per_second) = post.more.per_second.map(i64::from).filter(|most| *most > 0) else { return };
        let (clock, pause) = (self.core.clock(), (1000 + per_second - 1) / per_second);
        let turn = {
            let (now, mut next) = (clock.now(), self.next.lock().unwrap_or_else(PoisonError::into_inner));
            if next.len() >= MAX_PACED {
                next.retain(|_, at| *at > now);
            }
            let at = next.get(&post.subscription).copied().unwrap_or(now).max(now);
            next.insert(post.subscription.clone(), at.plus_millis(pause));
            at
        };
        clock.sleep_until(turn).await;
    }

    async fn post(&self, post: &Post) -> Result<Posted, Error> {
        self.turn(post).await;
        let signature = match post.is_bare() {
            true => None,
            false => {
                let text = post.envelope(&post.topic.arn()).signed_text();
                Some(self.signing.sign(post.sha256, text).await?)
            }
        };
        let request = self.request(post, signature.as_ref())?;
        let clock = self.core.clock();
        let answer = tokio::select! {
            answer = self.outgoing.call(request) => answer,
            () = clock.sleep_until(clock.now().plus_secs(PATIENCE)) => Err(format!("no answer within {PATIENCE} s")),
        };
        Ok(match answer {
            Err(why) => {
                Posted { taken: false, permanent: false, said: why.clone(), why, status: None, signature }
            }
            Ok(answer) => {
                let status = answer.status().as_u16();
                let taken = (200..300).contains(&status);
                // What the endpoint's own fault is may pass; what it says is ours will not.
                let permanent = (300..500).contains(&status) && status != 429;
                let said = String::from_utf8_lossy(answer.body().get(..MAX_SAID).unwrap_or(answer.body()))
                    .into_owned();
                let why = format!("it answered {status}");
                Posted { taken, permanent, why, status: Some(status), said, signature }
            }
        })
    }

    async fn sign(&self, order: Order) -> Result<Signed, Error> {
        let Order { publication, id, at, wanted, .. } = order;
        self.signing.sign_publication(&publication, &wanted, id, at).await
    }
}

/// How an order ended; its answer goes back in its binary form.
fn outcome<A: serde::Serialize>(done: Result<A, Error>) -> Outcome {
    match done.and_then(|answer| Ok(postcard::to_stdvec(&answer).map_err(Fault::from)?)) {
        Ok(answer) => Outcome::Done(Bytes::from(answer)),
        Err(error) => {
            tracing::warn!(%error, "a message waits");
            Outcome::Retry(PAUSE)
        }
    }
}

fn damaged(why: postcard::Error) -> Outcome {
    Outcome::Refused(format!("damaged order: {why}"))
}

impl Actor for SnsActor {
    fn act<'a>(&'a self, lane: &'a str, payload: &'a [u8]) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            if lane.starts_with(signed::LANE) {
                return match postcard::from_bytes(payload) {
                    Ok(order) => outcome(self.sign(order).await),
                    Err(why) => damaged(why),
                };
            }
            match Post::from_bytes(payload) {
                Ok(post) => outcome(self.post(&post).await),
                Err(why) => damaged(why),
            }
        })
    }
}
