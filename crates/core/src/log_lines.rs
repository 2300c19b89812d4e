//! Log lines on their way from those who write them to the service that keeps them.

use std::sync::Arc;

use crate::Time;

/// Takes log lines: they are durable within a second. What is beyond its bounds is dropped there, with a line that
/// says so.
pub type LogSink = Arc<dyn Fn(LogLines) + Send + Sync>;

/// Lines for one log stream, in the order in which they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLines {
    /// The account whose log group it is.
    pub account: String,
    /// The region.
    pub region: String,
    /// The log group's name.
    pub group: String,
    /// The log stream's name, `2026/11/21/[$LATEST]0123…`.
    pub stream: String,
    /// When each was written, and the line without its end.
    pub lines: Vec<(Time, String)>,
    /// Who puts them, and must be allowed to.
    pub writer: LogWriter,
}

/// In whose name log lines are put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogWriter {
    /// A function: as its role, which makes the group if it is missing. Lines end with a newline, as Lambda's do.
    Function {
        /// ARN of the role.
        role: String,
        /// ARN of the function, without a version: the trust policy's `aws:SourceArn`.
        function: String,
    },
    /// API Gateway, as the role that the account gave it for logs.
    ApiGateway {
        /// ARN of the role.
        role: String,
        /// The group is API Gateway's own to make.
        makes_group: bool,
    },
    /// The account itself, into a group that is there.
    Account,
    /// SNS, as the role that a topic gave it for how deliveries ended, which makes the group if it is missing.
    Sns {
        /// ARN of the role.
        role: String,
        /// ARN of the topic: the trust policy's `aws:SourceArn`.
        topic: String,
    },
}

impl LogWriter {
    /// Whether a group that is missing is made.
    pub fn makes_group(&self) -> bool {
        match self {
            LogWriter::Function { .. } | LogWriter::Sns { .. } => true,
            LogWriter::ApiGateway { makes_group, .. } => *makes_group,
            LogWriter::Account => false,
        }
    }
}
