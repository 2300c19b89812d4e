//! SNS: standard and FIFO topics, and their subscriptions of queues and delivery streams.
//!
//! What the service promises:
//! - A publish that was answered is on disk together with a delivery for every subscription whose
//!   filter it matches. A delivery goes on until its receiver has taken it, or has refused it for
//!   good; then it goes to the subscription's dead-letter queue, if there is one.
//! - Between the topic and a queue or stream of this server each delivery is applied exactly once.
//! - A FIFO topic's messages reach each subscription in the order of their sequence numbers; one whose deduplication id
//!   was used in the last 5 minutes is answered as the first one was, and not delivered.
//! - A FIFO topic with an archive keeps each message in the commit of its publication, until it is too old. A replay
//!   delivers what was meant once, in order; what is published meanwhile follows it, in order too.
//! - What another service publishes (S3 its notifications) is let in by the topic's policy alone.
//!
//! What holds at any time:
//! - One shard owns a topic with its subscriptions: that of the topic's ARN.
//! - What is cached of a topic ([`commands::SnsMachine`]) is dropped by every command that changes it.
//! - A topic made again after its deletion has another generation; its predecessor's subscriptions,
//!   removed in steps, are never seen as its own.
//!
//! - A subscription by HTTP or HTTPS gets nothing before it is confirmed. Its deliveries are in the commit of their
//!   publication too; they are made at least once, and again as its delivery policy says, side by side.
//!
//! What standard topics send in an envelope is signed, by a key of the server's own that is made when it is first needed. A signature costs
//! more than all the rest of a publish, so there is one for all subscriptions, none where all are raw, and it is made
//! outside of the shards' loops ([`signed`]).

mod archive;
mod commands;
mod envelope;
mod feedback;
mod fifo;
pub mod filter;
mod http;
mod keys;
mod model;
mod ops;
mod policy;
mod settings;
mod signed;

use std::sync::Arc;

use ropeway_core::log_lines::LogSink;
use ropeway_core::{Core, Ids, ShardId};
use ropeway_wire::{Dispatch, Gate, Roles};

pub use commands::SnsMachine;
pub use http::{Certificates, Signing, SnsActor};
pub use ops::Sns;

/// The machines' factory, for `ropeway_core::Builder::machine`. Topic policies are made known to `gate`; `logs` is told
/// how deliveries ended, in a log stream of the name that `ids` gives.
pub fn machine(
    gate: Arc<dyn Gate>,
    logs: LogSink,
    ids: &Ids,
) -> impl Fn(ShardId) -> SnsMachine + Send + Sync + 'static {
    let stream = ids.uuid();
    move |_| SnsMachine::new(Arc::clone(&gate), Arc::clone(&logs), stream.clone())
}

/// The service, over a running core; `roles` tells whether SNS may act as a subscription's role, `signing` signs.
pub fn service(core: Core, roles: Arc<dyn Roles>, signing: Arc<Signing>) -> Sns {
    Sns::new(core, roles, signing)
}

/// The operations, for the gateway. Made here, so that their code is generated with this crate's, beside other crates'.
pub fn dispatch(service: Arc<Sns>) -> Arc<dyn Dispatch> {
    Arc::new(ropeway_api::sns::SnsDispatch(service))
}
