//! Fronts: what a service does with requests that are none of its operations, and with its answers as they leave.
//! S3's are why there is such a thing: browsers' preflights and forms, the headers of CORS, access logs.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use http::request::Parts;
use ropeway_core::BoxFuture;

use super::{Gateway, Head};
use crate::call::Answer;
use crate::server::{self, ConnInfo};
use crate::{ByteStream, Cx, Error, Principal};
use hyper::body::Incoming;

/// Stands before a service.
pub trait Front: Send + Sync {
    /// The id of the service (`s3`).
    fn service(&self) -> &'static str;

    /// Whether a request is this front's to answer and none of an operation's. On the way of every request: it
    /// neither locks nor waits.
    fn takes(&self, seen: &Seen<'_>) -> bool;

    /// Answers a request that it takes, and says what it was.
    ///
    /// # Errors
    /// What the client is to get, in the service's form.
    fn answer<'a>(
        &'a self,
        request: FrontRequest,
        known: &'a mut Known,
    ) -> BoxFuture<'a, Result<Answer, Error>>;

    /// What is to be done with the answer of a request, whoever gives it. On the way of every request: where nothing
    /// is configured it neither locks nor waits.
    fn watch(&self, seen: &Seen<'_>) -> Option<Box<dyn Finish>>;
}

/// What is to be done with one answer.
pub trait Finish: Send {
    /// Gives the answer as it leaves.
    fn finish(self: Box<Self>, known: Known, answer: Answer) -> Answer;
}

/// A request's head, as fronts see it.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// The head.
    pub parts: &'a Parts,
    /// The bucket that the host names.
    pub bucket: Option<&'a str>,
    /// Its id.
    pub request_id: &'a str,
    /// Where the client is.
    pub remote: IpAddr,
    /// It came over TLS.
    pub tls: bool,
}

/// What has become known of a request when its answer is there.
#[derive(Debug, Clone)]
pub struct Known {
    /// The operation's name.
    pub operation: &'static str,
    /// Who called, if they could be told.
    pub principal: Option<Arc<Principal>>,
}

/// A request that a front takes.
pub struct FrontRequest {
    /// Nobody's, as there is no signature that was checked.
    pub cx: Cx,
    /// The head.
    pub parts: Parts,
    /// The bucket that the host names.
    pub bucket: Option<String>,
    /// The body as it arrives.
    pub body: ByteStream,
}

/// The code of an answer that is an error, in its extensions: what logs have of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorCode(pub Cow<'static, str>);

impl Gateway {
    /// What stands before a service.
    pub(super) fn front(&self, service: &str) -> Option<&Arc<dyn Front>> {
        self.fronts.iter().find(|front| front.service() == service)
    }

    pub(super) async fn answer_front(
        &self,
        front: &Arc<dyn Front>,
        (parts, raw): (Parts, Incoming),
        (request_id, origin): (&str, ConnInfo),
        bucket: Option<String>,
        known: &mut Known,
    ) -> Result<Answer, Error> {
        let head = Head { parts: &parts, origin, request_id };
        let cx = self.cx(head, Arc::new(Principal::anonymous()), None);
        let body = server::incoming(raw, origin.stall_timeout);
        front.answer(FrontRequest { cx, parts, bucket, body }, known).await
    }
}
