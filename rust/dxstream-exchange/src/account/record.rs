//! What other threads may look at while the account side runs.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// What the account side has done so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountStats {
    /// Clients of the WebSocket that are connected now.
    pub connections: usize,
    /// Clients that were ever connected.
    pub accepted: u64,
    /// HTTP requests, by method and path.
    pub requests: BTreeMap<String, u64>,
    /// `connect` messages that were answered by "ok".
    pub connects: u64,
    /// Heartbeats that were answered by "ok".
    pub heartbeats: u64,
    /// Messages of clients that were answered by an error.
    pub errors: u64,
    /// Notifications put out, each counted once a client.
    pub notifications: u64,
    /// Clients that were closed because they sent no heartbeat.
    pub timeouts: u64,
    /// How often each fault has happened, in the order in which they were set.
    pub faults: Vec<u64>,
}

/// The counts and the last messages.
#[derive(Debug, Default)]
pub(crate) struct AccountRecord {
    stats: Mutex<AccountStats>,
    received: Mutex<VecDeque<String>>,
}

impl AccountRecord {
    pub(crate) fn stats(&self) -> AccountStats {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut AccountStats)) {
        change(&mut self.stats.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn received(&self) -> Vec<String> {
        let received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        received.iter().cloned().collect()
    }

    /// Keeps a client's message, and at most so many.
    pub(super) fn keep(&self, text: &str, limit: usize) {
        if limit > 0 {
            let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
            while received.len() >= limit {
                received.pop_front();
            }
            received.push_back(text.to_owned());
        }
    }
}
