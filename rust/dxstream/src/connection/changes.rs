//! Where a streamer stands, and how that has changed.

use std::collections::VecDeque;
use std::time::Duration;

use crate::error::Error;
use crate::loss::Loss;

/// Most changes of state that are kept, the latest.
const MAX_CHANGES: usize = 1024;

/// Where a streamer stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The first handshake is under way.
    Connecting,
    /// The server accepted the client.
    Connected,
    /// A connection was lost and is being made again.
    Reconnecting,
    /// The streamer is over, and why. [`Error::Closed`] where its owner closed it.
    Ended(Error),
}

/// A change of a streamer's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateChange {
    /// When, in nanoseconds of the system's monotonic clock.
    pub at: u64,
    /// The state since then.
    pub state: State,
    /// How many times a connection was made again so far.
    pub epoch: u64,
    /// Attempts since the connection was last stable.
    pub attempt: u32,
    /// The wait before the next attempt.
    pub delay: Option<Duration>,
    /// Why a connection was lost.
    pub loss: Option<Loss>,
}

/// The changes of a state, the latest of them.
#[derive(Debug, Default)]
pub(super) struct Changes {
    kept: VecDeque<StateChange>,
    forgotten: usize,
}

impl Changes {
    pub(super) fn push(&mut self, change: StateChange) {
        if self.kept.len() == MAX_CHANGES {
            self.kept.pop_front();
            self.forgotten += 1;
        }
        self.kept.push_back(change);
    }

    /// The changes from number `from` on, as far as they are kept, and how many there were ever.
    pub(super) fn since(&self, from: usize) -> (Vec<StateChange>, usize) {
        let changes = self.kept.iter().skip(from.saturating_sub(self.forgotten));
        (changes.cloned().collect(), self.forgotten + self.kept.len())
    }
}
