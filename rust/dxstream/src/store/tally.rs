//! What became of the rows of all listeners together, and how long they waited.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::queue::{Queue, QueueStats};
use crate::event::EventKind;
use crate::latency::{Latency, LatencySummary};

/// What the listeners of one event type have counted, those that are gone included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListenerTotals {
    /// Listeners that there are.
    pub listeners: usize,
    /// Rows that wait in their buffers. A listener may have some more in hand, at most 1,024.
    pub pending: u64,
    /// Rows that gave way to a later one of their symbol.
    pub conflated: u64,
    /// Rows that were dropped because a buffer was full.
    pub dropped: u64,
}

/// The books of a store's listeners. The writer has nothing to do with them.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<Entries>);

#[derive(Debug)]
struct Entries {
    listening: Vec<Arc<Queue>>,
    past: [ListenerTotals; EventKind::ALL.len()],
    delivery: Latency,
}

impl Default for Entries {
    fn default() -> Self {
        Self {
            listening: Vec::new(),
            past: [ListenerTotals::default(); EventKind::ALL.len()],
            delivery: Latency::new(),
        }
    }
}

impl Tally {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the rows of a queue from now on, and what became of them before.
    pub(super) fn begin(&self, queue: &Arc<Queue>) {
        let mut entries = self.entries();
        if !entries.listening.iter().any(|other| Arc::ptr_eq(other, queue)) {
            entries.listening.push(Arc::clone(queue));
        }
    }

    /// Counts the rows of a queue no longer; what became of them until now stays in the sums.
    pub(super) fn end(&self, queue: &Arc<Queue>) {
        let mut entries = self.entries();
        let Entries { listening, past, .. } = &mut *entries;
        listening.retain(|other| {
            let stays = !Arc::ptr_eq(other, queue);
            if !stays {
                let of_kind = &mut past[queue.kind as usize];
                let QueueStats { conflated, dropped, .. } = queue.stats();
                of_kind.conflated += conflated;
                of_kind.dropped += dropped;
            }
            stays
        });
    }

    /// Takes note of how long a row waited.
    pub(super) fn delivered(&self, waited: Duration) {
        self.entries().delivery.record(waited);
    }

    pub(super) fn delivery(&self) -> LatencySummary {
        self.entries().delivery.summary()
    }

    /// The sums by event type, in the order of [`EventKind::ALL`].
    pub(super) fn totals(&self) -> [ListenerTotals; EventKind::ALL.len()] {
        let entries = self.entries();
        let mut totals = entries.past;
        for queue in &entries.listening {
            let QueueStats { pending, conflated, dropped, .. } = queue.stats();
            let of_kind = &mut totals[queue.kind as usize];
            of_kind.listeners += 1;
            of_kind.pending += pending;
            of_kind.conflated += conflated;
            of_kind.dropped += dropped;
        }
        totals
    }
}
