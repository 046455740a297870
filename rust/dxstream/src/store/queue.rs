//! A listener's queue: rows wait in segments, and a segment changes hands whole.
//!
//! The lock is held for a copy of one batch by the writer, and for a few moves by the reader.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::conflation::Conflation;
use super::wake::Wake;
use crate::error::Error;
use crate::event::{EventKind, SYMBOL_WORD};
use crate::symbol::SymbolId;

/// Rows of a segment; the queue grows and shrinks by it.
const SEGMENT_ROWS: usize = 1024;

/// How much a queue holds.
#[derive(Debug, Clone, Copy)]
pub struct QueueSettings {
    /// Most rows that wait; beyond, the oldest are dropped and counted.
    pub capacity: usize,
    /// Where set, at most one row of each symbol waits, its last, and so many nanoseconds at least
    /// lie between two rows of a symbol that are taken.
    pub conflation: Option<u64>,
}

impl QueueSettings {
    /// A queue of every row, which holds at most `capacity`.
    pub const fn every(capacity: usize) -> Self {
        Self { capacity, conflation: None }
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
    /// Rows that were dropped because the queue was full.
    pub dropped: u64,
    /// Rows of symbols that the listener did not ask for.
    pub filtered: u64,
}

/// The shared part of a queue.
#[derive(Debug)]
pub(super) struct Queue {
    kind: EventKind,
    width: usize,
    symbols: Option<HashSet<SymbolId>>,
    state: Mutex<State>,
}

/// Rows one after another, and when each arrived.
#[derive(Debug, Default)]
struct Segment {
    words: Vec<u64>,
    times: Vec<u64>,
}

#[derive(Debug, Default)]
struct State {
    segments: VecDeque<Segment>,
    /// Rows in `segments` that count: the front one's first rows may have been dropped.
    pending: usize,
    front_dropped: usize,
    capacity: usize,
    received: u64,
    conflated: u64,
    dropped: u64,
    filtered: u64,
    conflation: Option<Conflation>,
    ended: Option<Error>,
    /// Whom to ring once so many rows wait; each once.
    waiting: Vec<(Weak<Wake>, usize)>,
}

impl Queue {
    pub(super) fn new(
        kind: EventKind,
        symbols: Option<HashSet<SymbolId>>,
        settings: QueueSettings,
    ) -> Self {
        let state = State {
            capacity: settings.capacity,
            conflation: settings.conflation.map(Conflation::new),
            ..State::default()
        };
        Self { kind, width: kind.fields().len(), symbols, state: Mutex::new(state) }
    }

    pub(super) fn kind(&self) -> EventKind {
        self.kind
    }

    /// Most rows that wait, bytes of a row with its time of arrival, and rows that wait now.
    pub(super) fn memory(&self) -> (usize, usize, usize) {
        let state = self.state();
        (state.capacity, (self.width + 1) * size_of::<u64>(), state.waiting_rows())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds rows that arrived at `received_at` and wakes the readers that wait for no more.
    pub(super) fn push(&self, rows: &[u64], received_at: u64) {
        let mut state = self.state();
        match &self.symbols {
            None if state.conflation.is_none() => state.append(rows, received_at, self.width),
            symbols => {
                for row in rows.chunks_exact(self.width) {
                    let symbol = SymbolId(row[SYMBOL_WORD] as u32);
                    if symbols.as_ref().is_none_or(|symbols| symbols.contains(&symbol)) {
                        state.take_in(row, received_at, self.width);
                    } else {
                        state.filtered += 1;
                    }
                }
            }
        }
        state.received += (rows.len() / self.width) as u64;
        state.trim();
        let pending = state.ready();
        let waiting: Vec<_> = state.waiting.extract_if(.., |(_, rows)| *rows <= pending).collect();
        drop(state);
        ring(&waiting);
    }

    /// Makes ready what was held back until `now`; says when there is more to do.
    pub(super) fn release(&self, now: u64) -> Option<u64> {
        let mut state = self.state();
        let conflation = state.conflation.as_mut()?;
        conflation.release(now);
        let next_due = conflation.next_due();
        let ready = conflation.ready();
        let waiting: Vec<_> = state.waiting.extract_if(.., |(_, rows)| *rows <= ready).collect();
        drop(state);
        ring(&waiting);
        next_due
    }

    /// Lets the reader see `error` after the rows that wait.
    pub(super) fn end(&self, error: Error) {
        let mut state = self.state();
        if let Some(conflation) = &mut state.conflation {
            conflation.release_all();
        }
        state.ended.get_or_insert(error);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        ring(&waiting);
    }
}

fn ring(waiting: &[(Weak<Wake>, usize)]) {
    for wake in waiting.iter().filter_map(|(wake, _)| wake.upgrade()) {
        wake.ring();
    }
}

impl State {
    fn take_in(&mut self, row: &[u64], received_at: u64, width: usize) {
        match &mut self.conflation {
            None => self.append(row, received_at, width),
            Some(conflation) => {
                let replaced = conflation.push(row[SYMBOL_WORD], row, received_at);
                self.conflated += u64::from(replaced);
            }
        }
    }

    /// Rows that may be taken.
    fn ready(&self) -> usize {
        self.conflation.as_ref().map_or(self.pending, Conflation::ready)
    }

    /// Rows that wait, ready or not.
    fn waiting_rows(&self) -> usize {
        self.conflation.as_ref().map_or(self.pending, Conflation::pending)
    }

    fn append(&mut self, mut rows: &[u64], received_at: u64, width: usize) {
        self.pending += rows.len() / width;
        while !rows.is_empty() {
            let room = match self.segments.back() {
                Some(segment) => SEGMENT_ROWS * width - segment.words.len(),
                None => 0,
            };
            if room == 0 {
                self.segments.push_back(Segment::default());
                continue;
            }
            let (now, later) = rows.split_at(room.min(rows.len()));
            let segment = self.segments.back_mut().expect("a segment with room is there");
            segment.words.extend_from_slice(now);
            segment.times.resize(segment.words.len() / width, received_at);
            rows = later;
        }
    }

    fn trim(&mut self) {
        while self.pending > self.capacity {
            let front = self.segments.front().expect("pending rows are in a segment");
            let left = front.times.len() - self.front_dropped;
            let dropped = left.min(self.pending - self.capacity);
            self.pending -= dropped;
            self.dropped += dropped as u64;
            if dropped == left {
                self.segments.pop_front();
                self.front_dropped = 0;
            } else {
                self.front_dropped += dropped;
            }
        }
    }
}

/// What a reader that wants to wait is told.
#[derive(Debug)]
pub enum Arm {
    /// Nothing is there; the line rings when there is.
    Waiting,
    /// There are rows, or the queue has ended: do not wait.
    Ready,
}

/// The reader's end of a queue. Dropping it ends the queue.
#[derive(Debug)]
pub struct Consumer {
    queue: Arc<Queue>,
    segment: Segment,
    /// The next row of `segment`.
    at: usize,
    delivered: u64,
}

impl Consumer {
    pub(super) fn new(queue: Arc<Queue>) -> Self {
        Self { queue, segment: Segment::default(), at: 0, delivered: 0 }
    }

    /// The event type of the rows.
    pub fn kind(&self) -> EventKind {
        self.queue.kind
    }

    /// The next row and when it arrived, if one is ready. `now` is the time, in nanoseconds of the
    /// clock that the times of arrival are of; a rate limit counts from it.
    pub fn next_row(&mut self, now: u64) -> Option<(&[u64], u64)> {
        if self.in_hand() == 0 && !self.take_segment(now) {
            return None;
        }
        let at = self.at;
        self.at += 1;
        self.delivered += 1;
        let width = self.queue.width;
        Some((&self.segment.words[at * width..][..width], self.segment.times[at]))
    }

    fn take_segment(&mut self, now: u64) -> bool {
        let mut state = self.queue.state();
        if let Some(conflation) = &mut state.conflation {
            let Some((words, received_at)) = conflation.take(now) else { return false };
            drop(state);
            self.segment = Segment { words, times: vec![received_at] };
            self.at = 0;
            return true;
        }
        let Some(segment) = state.segments.pop_front() else { return false };
        self.at = std::mem::take(&mut state.front_dropped);
        state.pending -= segment.times.len() - self.at;
        drop(state);
        self.segment = segment;
        true
    }

    /// Why there will be no more rows, once the last row was taken.
    pub fn ended(&self) -> Option<Error> {
        if self.in_hand() > 0 {
            return None;
        }
        let state = self.queue.state();
        if state.waiting_rows() == 0 { state.ended.clone() } else { None }
    }

    /// Prepares to wait: from now on, `wake` rings once when at least `rows` rows wait or the queue
    /// ends.
    pub fn arm(&mut self, wake: &Arc<Wake>, rows: usize) -> Arm {
        wake.clear();
        let mut state = self.queue.state();
        let missing = rows.max(1).saturating_sub(self.in_hand());
        if state.ready() >= missing || state.ended.is_some() {
            return Arm::Ready;
        }
        state
            .waiting
            .retain(|(other, _)| other.upgrade().is_some_and(|other| !Arc::ptr_eq(&other, wake)));
        state.waiting.push((Arc::downgrade(wake), missing));
        Arm::Waiting
    }

    /// Rows that were handed over and not taken yet.
    pub(super) fn in_hand(&self) -> usize {
        self.segment.times.len() - self.at
    }

    /// What became of the rows, counted at one moment.
    pub fn stats(&self) -> QueueStats {
        let state = self.queue.state();
        QueueStats {
            received: state.received,
            delivered: self.delivered,
            pending: (state.waiting_rows() + self.in_hand()) as u64,
            conflated: state.conflated,
            dropped: state.dropped,
            filtered: state.filtered,
        }
    }

    /// A queue that begins with a copy of the rows that wait in this one, and with its drops in the
    /// count. No row may be pushed meanwhile.
    pub(super) fn copy(
        &self,
        symbols: Option<HashSet<SymbolId>>,
        settings: QueueSettings,
    ) -> Queue {
        let copy = Queue::new(self.queue.kind, symbols, settings);
        let state = self.queue.state();
        let push = |segment: &Segment, from: usize| {
            let words = segment.words.chunks_exact(copy.width);
            for (row, &received_at) in words.zip(&segment.times).skip(from) {
                copy.push(row, received_at);
            }
        };
        push(&self.segment, self.at);
        for (at, segment) in state.segments.iter().enumerate() {
            push(segment, if at == 0 { state.front_dropped } else { 0 });
        }
        let mut copied = copy.state();
        if state.ended.is_some()
            && let Some(conflation) = &mut copied.conflation
        {
            conflation.release_all();
        }
        copied.ended.clone_from(&state.ended);
        copied.dropped += state.dropped;
        copied.received += state.dropped;
        drop(copied);
        copy
    }

    /// Lets the queue hold another number of rows from now on.
    pub fn set_capacity(&mut self, capacity: usize) {
        let mut state = self.queue.state();
        state.capacity = capacity;
        state.trim();
    }
}
