//! What became of each effect on another service, for who asks later which way a message went.

use std::sync::Arc;

use crate::Time;
use crate::keys::Space;

/// A delivery that came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// The trace that its cause belongs to.
    pub trace: String,
    /// Whose effect it was.
    pub from: Space,
    /// On whom.
    pub to: Space,
    /// The lane that it took: it names the destination.
    pub lane: String,
    /// When its cause was applied.
    pub posted: Time,
    /// When it was delivered, or refused.
    pub ended: Time,
    /// Why the receiver refused it, if it did.
    pub refused: Option<String>,
}

/// Told of every hop, on the shards' threads: it must not block.
pub type Witness = Arc<dyn Fn(Hop) + Send + Sync>;
