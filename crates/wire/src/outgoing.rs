//! Calls of HTTP endpoints, for services that open no sockets themselves.

use bytes::Bytes;
use ropeway_core::BoxFuture;

/// Calls HTTP endpoints: what services leave to the server.
pub trait Outgoing: Send + Sync + 'static {
    /// Sends a request, and reads the answer whole: at most 10 MiB.
    ///
    /// # Errors
    /// Why there was no answer, for the log.
    fn call(&self, request: http::Request<Bytes>) -> BoxFuture<'_, Result<http::Response<Bytes>, String>>;
}
