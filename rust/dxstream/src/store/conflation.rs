//! Conflation and rate limit of a queue: at most one row of each symbol waits, the last.
//!
//! With an interval, a row becomes ready at once where none of its symbol was taken within the
//! interval, and otherwise when the interval has passed: the last row of a burst always comes.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

/// The rows that wait, one of each symbol.
#[derive(Debug)]
pub(super) struct Conflation {
    /// Least nanoseconds between two rows of a symbol that are taken.
    interval: u64,
    symbols: HashMap<u64, Waiting>,
    ready: VecDeque<u64>,
    /// When the rows of which symbols become ready.
    due: BinaryHeap<Reverse<(u64, u64)>>,
}

#[derive(Debug, Default)]
struct Waiting {
    /// The row that waits; empty where none does.
    row: Vec<u64>,
    received_at: u64,
    /// From when on a row may be taken.
    open_at: u64,
}

impl Conflation {
    pub(super) fn new(interval: u64) -> Self {
        Self { interval, symbols: HashMap::new(), ready: VecDeque::new(), due: BinaryHeap::new() }
    }

    /// Takes a row in; says whether it replaced one that waited.
    pub(super) fn push(&mut self, symbol: u64, row: &[u64], received_at: u64) -> bool {
        let waiting = self.symbols.entry(symbol).or_default();
        let replaces = !waiting.row.is_empty();
        waiting.row.clear();
        waiting.row.extend_from_slice(row);
        waiting.received_at = received_at;
        if !replaces {
            if received_at >= waiting.open_at {
                self.ready.push_back(symbol);
            } else {
                self.due.push(Reverse((waiting.open_at, symbol)));
            }
        }
        replaces
    }

    /// Makes ready what is due at `now`.
    pub(super) fn release(&mut self, now: u64) {
        while let Some(&Reverse((due, symbol))) = self.due.peek()
            && due <= now
        {
            self.due.pop();
            self.ready.push_back(symbol);
        }
    }

    /// Makes everything ready, for no time will come to release it.
    pub(super) fn release_all(&mut self) {
        self.release(u64::MAX);
    }

    /// When [`Conflation::release`] has something to do next.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.due.peek().map(|&Reverse((due, _))| due)
    }

    /// The next row that is ready and when it arrived; it is taken at `now`.
    pub(super) fn take(&mut self, now: u64) -> Option<(Vec<u64>, u64)> {
        let symbol = self.ready.pop_front()?;
        let waiting = self.symbols.get_mut(&symbol)?;
        waiting.open_at = now.saturating_add(self.interval);
        Some((std::mem::take(&mut waiting.row), waiting.received_at))
    }

    /// Rows that may be taken.
    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Rows that wait, ready or not.
    pub(super) fn pending(&self) -> usize {
        self.ready.len() + self.due.len()
    }
}
