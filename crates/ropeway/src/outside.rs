//! Calls of HTTP endpoints, for services that open no sockets themselves.

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use ropeway_core::BoxFuture;
use ropeway_wire::Outgoing;

/// Largest answer that is read, in bytes: what API Gateway takes.
const MAX_ANSWER: usize = 10 * 1024 * 1024;

/// What is outside: endpoints by HTTP, and by HTTPS with the machine's certificate authorities.
pub(crate) struct Outside {
    /// `Err`: why HTTPS cannot be spoken.
    https: Result<Client<HttpsConnector<HttpConnector>, Full<Bytes>>, String>,
    http: Client<HttpConnector, Full<Bytes>>,
}

impl Outside {
    /// Reads the machine's certificate authorities.
    pub fn new() -> Self {
        let builder = || Client::builder(TokioExecutor::new());
        let roots = HttpsConnectorBuilder::new().with_native_roots();
        let connector = roots.map(|roots| roots.https_or_http().enable_http1().build());
        Outside {
            https: connector.map(|connector| builder().build(connector)).map_err(|error| error.to_string()),
            http: builder().build_http(),
        }
    }
}

impl Outgoing for Outside {
    fn call(&self, request: http::Request<Bytes>) -> BoxFuture<'_, Result<http::Response<Bytes>, String>> {
        Box::pin(async move {
            let secure = request.uri().scheme() == Some(&http::uri::Scheme::HTTPS);
            let request = request.map(Full::new);
            let answer = match (secure, &self.https) {
                (true, Ok(client)) => client.request(request).await,
                (true, Err(why)) => return Err(format!("no certificate authorities: {why}")),
                (false, _) => self.http.request(request).await,
            };
            let (parts, body) = answer.map_err(|error| error.to_string())?.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(|error| error.to_string())?;
            Ok(http::Response::from_parts(parts, body.to_bytes()))
        })
    }
}
