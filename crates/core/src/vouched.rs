//! Connections of this machine whose encryption was taken off on their way to the listener.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The connections, by the address that they come from. Only what runs in this process can vouch for one, so a client
/// cannot claim it.
#[derive(Debug, Clone, Default)]
pub struct Vouched(Arc<Mutex<BTreeSet<SocketAddr>>>);

/// Takes a connection back out when dropped.
#[derive(Debug)]
pub struct Voucher {
    vouched: Vouched,
    from: SocketAddr,
}

impl Vouched {
    /// Vouches for a connection, which must be bound to that address and not connected yet.
    #[must_use]
    pub fn vouch(&self, from: SocketAddr) -> Voucher {
        self.lock().insert(from);
        Voucher { vouched: self.clone(), from }
    }

    /// Whether somebody vouches for the connection that comes from an address.
    pub fn holds(&self, from: SocketAddr) -> bool {
        self.lock().contains(&from)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<SocketAddr>> {
        // Nothing in here leaves the set half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Voucher {
    fn drop(&mut self) {
        self.vouched.lock().remove(&self.from);
    }
}
