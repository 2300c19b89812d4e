//! The one error type of every operation.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// An error answer: what the caller gets to see.
///
/// Codes and statuses are those of the service's documentation; `ropeway-api` has one
/// constructor for each error shape of the models. Codecs turn it into the protocol's form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The error's code, as in JSON protocols' `__type` (`QueueDoesNotExist`).
    pub code: Cow<'static, str>,
    /// The code in the Query protocol, where it differs
    /// (`AWS.SimpleQueueService.NonExistentQueue`).
    pub query_code: Option<Cow<'static, str>>,
    /// HTTP status.
    pub status: u16,
    /// Text for the caller.
    pub message: String,
    /// Further members of the error shape, by name (S3's `BucketName`, `Key`, …).
    pub members: BTreeMap<&'static str, String>,
    /// HTTP headers to add to the answer.
    pub headers: Vec<(&'static str, String)>,
}

impl Error {
    /// An error of the given code and HTTP status.
    pub fn new(status: u16, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Error {
            code: code.into(),
            query_code: None,
            status,
            message: message.into(),
            members: BTreeMap::new(),
            headers: Vec::new(),
        }
    }

    /// The same error, with another code in the Query protocol.
    #[must_use]
    pub fn with_query_code(mut self, code: &'static str) -> Self {
        self.query_code = Some(Cow::Borrowed(code));
        self
    }

    /// The same error, with one more member.
    #[must_use]
    pub fn with_member(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.members.insert(name, value.into());
        self
    }

    /// The same error, with one more HTTP header.
    #[must_use]
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// True if the caller is at fault (a 4xx), as Query's `Sender` says.
    pub fn is_sender_fault(&self) -> bool {
        self.status < 500
    }

    /// The server could not do its part: a 500 that tells the caller nothing more.
    pub fn internal(message: impl Into<String>) -> Self {
        Error::new(500, "InternalFailure", message)
    }

    /// A body that is not of the protocol's form.
    pub fn serialization(message: impl Into<String>) -> Self {
        Error::new(400, "SerializationException", message)
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Error {}

impl From<ropeway_core::Fault> for Error {
    fn from(fault: ropeway_core::Fault) -> Self {
        use ropeway_core::Fault;
        match fault {
            Fault::Overloaded => Error::new(503, "ThrottlingException", "Rate exceeded"),
            Fault::NoRoom => {
                Error::new(503, "ServiceUnavailable", "The disk is full: only deletes are taken.")
            }
            Fault::Stopping => Error::new(503, "ServiceUnavailable", "The server is stopping."),
            Fault::Store(why) | Fault::Damaged(why) => {
                tracing::error!(%why, "a request failed");
                Error::internal("An internal error occurred; the server's log says more.")
            }
        }
    }
}

impl ropeway_core::MachineError for Error {
    fn is_transient(&self) -> bool {
        self.status >= 500
    }
}
