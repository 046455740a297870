//! A listener's queue, as the writer sees it.

use std::collections::HashSet;
use std::str::FromStr;
use std::sync::OnceLock;

use super::conflation::Conflation;
use super::segments::{Clock, Segments};
use super::waiting::Waiting;
use super::wants::{Requirement, Wants};
use crate::error::Error;
use crate::event::EventKind;
use crate::symbol::{SymbolId, Tables};

/// What happens when more rows wait than the buffer of a queue holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// The oldest rows are dropped.
    DropOldest,
    /// Of each symbol the last row that waits is kept, and the others are conflated; if still too many
    /// wait, the oldest are dropped. A buffer of 256 rows or more may hold a quarter more meanwhile.
    Conflate,
    /// The queue ends: the reader gets the rows that wait, then [`Error::SlowConsumer`]; what comes
    /// later is dropped.
    Raise,
}

impl Overflow {
    /// Every policy by its name.
    pub const NAMES: [(&str, Self); 3] =
        [("drop_oldest", Self::DropOldest), ("conflate", Self::Conflate), ("raise", Self::Raise)];
}

impl FromStr for Overflow {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        found.map(|&(_, overflow)| overflow).ok_or_else(|| {
            let [one, two, three] = Self::NAMES.map(|(known, _)| known);
            Error::InvalidArgument(format!(
                "overflow must be {one:?}, {two:?} or {three:?}, not {name:?}"
            ))
        })
    }
}

/// How much a queue holds.
#[derive(Debug, Clone, Copy)]
pub struct QueueSettings {
    /// Most rows that wait; where the queue conflates, most symbols.
    pub capacity: usize,
    /// What happens beyond.
    pub overflow: Overflow,
    /// Where set, at most one row of each symbol waits, its last, and so many nanoseconds at least
    /// lie between two rows of a symbol that are taken.
    pub conflation: Option<u64>,
    /// What rows must be; the others are filtered.
    pub requirements: &'static [Requirement],
}

impl QueueSettings {
    /// A queue of every row, which holds at most `capacity` and drops the oldest beyond.
    pub const fn every(capacity: usize) -> Self {
        Self { capacity, overflow: Overflow::DropOldest, conflation: None, requirements: &[] }
    }
}

/// What became of the rows of a queue: `received` is the sum of the others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueStats {
    /// Rows of the listener's event type that arrived.
    pub received: u64,
    /// Rows that the listener took.
    pub delivered: u64,
    /// Rows that wait.
    pub pending: u64,
    /// Rows that gave way to a later one of their symbol.
    pub conflated: u64,
    /// Rows that were dropped because the queue was full or had ended.
    pub dropped: u64,
    /// Rows of symbols that the listener did not ask for, or that are not as it needs them.
    pub filtered: u64,
}

/// The shared part of a queue.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) kind: EventKind,
    pub(super) width: usize,
    wants: Option<Wants>,
    pub(super) rows: Rows,
    pub(super) waiting: Waiting,
    /// Why there will be no more rows; those that wait come first. Set once they can be taken.
    pub(super) ended: OnceLock<Error>,
}

/// The rows that wait.
#[derive(Debug)]
pub(super) enum Rows {
    Every(Segments),
    Latest(Box<Conflation>),
}

impl Queue {
    pub(super) fn new(
        kind: EventKind,
        symbols: Option<HashSet<SymbolId>>,
        settings: QueueSettings,
    ) -> Self {
        let width = kind.fields().len();
        let QueueSettings { capacity, overflow, conflation, requirements } = settings;
        let rows = match conflation {
            None => Rows::Every(Segments::new(width, capacity, overflow)),
            Some(interval) => {
                Rows::Latest(Box::new(Conflation::new(width, interval, capacity, overflow)))
            }
        };
        let wants = Wants::new(symbols, requirements);
        Self { kind, width, wants, rows, waiting: Waiting::new(), ended: OnceLock::new() }
    }

    /// Most entries, bytes of one, entries that there are, and entries that there may be room for beside
    /// them: rows, or where the queue conflates the mailboxes of symbols.
    pub(super) fn memory(&self) -> (usize, usize, usize, usize) {
        match &self.rows {
            Rows::Every(segments) => segments.memory(),
            Rows::Latest(conflation) => {
                let symbols = self.wants.as_ref().and_then(Wants::symbols);
                conflation.memory(symbols.unwrap_or(Tables::MAX_SYMBOLS))
            }
        }
    }

    /// Notes when rows are put into segments, by `clock`.
    pub(super) fn set_clock(&mut self, clock: Option<Clock>) {
        if let Rows::Every(segments) = &mut self.rows {
            segments.set_clock(clock);
        }
    }

    /// What became of the rows; those that the reader has in hand count as delivered.
    pub(super) fn stats(&self) -> QueueStats {
        match &self.rows {
            Rows::Every(segments) => segments.stats_from_afar(),
            Rows::Latest(conflation) => conflation.stats_from_afar(),
        }
    }

    /// Adds rows that arrived at `received_at` and wakes the readers that wait for no more.
    pub(super) fn push(&self, rows: &[u64], received_at: u64) {
        let wants = self.wants.as_ref();
        let ended = self.ended.get().is_some();
        let full = match &self.rows {
            Rows::Every(segments) => segments.push(rows, received_at, wants, ended),
            Rows::Latest(conflation) => conflation.push(rows, received_at, wants, ended),
        };
        match full {
            Some(waiting) => self.end(Error::slow_consumer(self.kind, waiting)),
            None => self.waiting.ring(|| self.ready()),
        }
    }

    /// Rows that may be taken.
    pub(super) fn ready(&self) -> usize {
        match &self.rows {
            Rows::Every(segments) => segments.ready(),
            Rows::Latest(conflation) => conflation.ready(),
        }
    }

    /// Makes ready what was held back until `now`; says when there is more to do.
    pub(super) fn release(&self, now: u64) -> Option<u64> {
        let Rows::Latest(conflation) = &self.rows else { return None };
        let next_due = conflation.release(now);
        self.waiting.ring(|| conflation.ready());
        next_due
    }

    /// Lets the reader see `error` after the rows that wait, held back or not.
    pub(super) fn end(&self, error: Error) {
        if let Rows::Latest(conflation) = &self.rows {
            conflation.release(u64::MAX);
        }
        // A queue that ended before keeps its reason.
        let _ = self.ended.set(error);
        self.waiting.ring_all();
    }

    /// Counts rows as received and dropped.
    pub(super) fn count_dropped(&self, count: u64) {
        match &self.rows {
            Rows::Every(segments) => segments.count_dropped(count),
            Rows::Latest(conflation) => conflation.count_dropped(count),
        }
    }

    /// Hands the rows that wait to `take`. Neither the writer nor the reader may be at work.
    pub(super) fn copy(&self, take: impl FnMut(&[u64], u64)) {
        match &self.rows {
            Rows::Every(segments) => segments.copy(take),
            Rows::Latest(conflation) => conflation.copy(take),
        }
    }
}
