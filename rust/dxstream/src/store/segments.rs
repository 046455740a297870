//! The queue of a listener that wants every row: rows wait in segments, and a segment changes hands
//! whole.
//!
//! The lock is held for a copy of one batch by the writer, and for a few moves by the reader once in
//! a thousand rows; a queue without it would save neither side a measurable time, and could not drop
//! the oldest rows in order. The exception is [`Overflow::Conflate`], whose writer goes through the
//! rows when the buffer is full.

use std::collections::{HashSet, VecDeque};
use std::sync::PoisonError;

use foldhash::fast::RandomState;

use super::queue::{Overflow, QueueStats};
use super::wants::Wants;
use crate::event::SYMBOL_WORD;
use crate::sync::{Mutex, MutexGuard};

/// Rows of a segment; the queue grows and shrinks by it.
const SEGMENT_ROWS: usize = 1024;

/// Capacities from which on a buffer that conflates may hold a quarter more between two passes, so
/// that a pass over all rows is made for many rows that came and not for each batch, however many
/// symbols there are.
const SLACK_FROM: usize = 256;

/// Rows one after another, and when each arrived.
#[derive(Debug, Default)]
pub(super) struct Segment {
    pub(super) words: Vec<u64>,
    pub(super) times: Vec<u64>,
    /// When the first row was put here, where that is known.
    pub(super) stored_at: Option<u64>,
}

impl Segment {
    fn clear(&mut self) {
        self.words.clear();
        self.times.clear();
        self.stored_at = None;
    }

    fn row(&self, at: usize, width: usize) -> (&[u64], u64) {
        (&self.words[at * width..][..width], self.times[at])
    }
}

/// Every row that waits, in the order of arrival.
#[derive(Debug)]
pub(super) struct Segments {
    width: usize,
    overflow: Overflow,
    clock: Option<Clock>,
    state: Mutex<State>,
}

/// Gives the time by which times of arrival are.
pub(super) type Clock = fn() -> u64;

#[derive(Debug, Default)]
struct State {
    segments: VecDeque<Segment>,
    /// One that is not used, for its memory.
    spare: Segment,
    /// Rows in `segments` that count: the front one's first rows may have been dropped.
    pending: usize,
    front_dropped: usize,
    capacity: usize,
    received: u64,
    conflated: u64,
    dropped: u64,
    filtered: u64,
}

impl Segments {
    /// An empty queue for rows of `width` words.
    pub(super) fn new(width: usize, capacity: usize, overflow: Overflow) -> Self {
        let state = Mutex::new(State { capacity, ..State::default() });
        Self { width, overflow, clock: None, state }
    }

    /// Notes from now on when the first row of each segment is put there.
    pub(super) fn set_clock(&mut self, clock: Option<Clock>) {
        self.clock = clock;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the rows that are wanted, all where nothing is said; or drops them, where the queue has
    /// `ended`. Says how many wait where the buffer is full and the reader is to be told.
    pub(super) fn push(
        &self,
        rows: &[u64],
        received_at: u64,
        wants: Option<&Wants>,
        ended: bool,
    ) -> Option<usize> {
        let width = self.width;
        let mut state = self.state();
        state.received += (rows.len() / width) as u64;
        let before = state.pending;
        match wants {
            None => state.append(rows, received_at, width, self.clock),
            Some(wants) => {
                for row in rows.chunks_exact(width) {
                    if wants.take(row) {
                        state.append(row, received_at, width, self.clock);
                    } else {
                        state.filtered += 1;
                    }
                }
            }
        }
        if ended {
            let count = state.pending - before;
            state.drop_newest(count, width);
        }
        if state.pending <= self.limit(state.capacity) {
            return None;
        }
        match self.overflow {
            Overflow::Raise if state.capacity > 0 => {
                let excess = state.pending - state.capacity;
                state.drop_newest(excess, width);
                return Some(state.pending);
            }
            Overflow::Conflate if state.capacity > 0 => state.conflate(width),
            _ => {}
        }
        state.drop_oldest();
        None
    }

    /// Most rows that wait with this capacity.
    fn limit(&self, capacity: usize) -> usize {
        let slack = self.overflow == Overflow::Conflate && capacity >= SLACK_FROM;
        if slack { capacity.saturating_add(capacity / 4) } else { capacity }
    }

    /// Takes the next rows into `segment`, whose rows were all used; gives the place of the first.
    pub(super) fn take(&self, segment: &mut Segment) -> Option<usize> {
        let mut state = self.state();
        let next = state.segments.pop_front()?;
        let first = std::mem::take(&mut state.front_dropped);
        state.pending -= next.times.len() - first;
        let used = std::mem::replace(segment, next);
        let spare = std::mem::replace(&mut state.spare, used);
        drop(state);
        // Its memory is given back without the lock.
        drop(spare);
        Some(first)
    }

    /// Lets at most `capacity` rows wait from now on; beyond, the oldest are dropped.
    pub(super) fn set_capacity(&self, capacity: usize) {
        let mut state = self.state();
        state.capacity = capacity;
        state.drop_oldest();
        if capacity == 0 {
            state.spare = Segment::default();
        }
    }

    /// Rows that may be taken.
    pub(super) fn ready(&self) -> usize {
        self.state().pending
    }

    /// Most rows, bytes of one with its time of arrival, rows that wait, and rows that there may be memory
    /// for beside those.
    pub(super) fn memory(&self) -> (usize, usize, usize, usize) {
        // The first segment may be dropped or the last be filled but for a row; one is kept for its
        // memory, and one the reader has in hand.
        const SPARE: usize = 4 * SEGMENT_ROWS;
        let state = self.state();
        let row_bytes = (self.width + 1) * size_of::<u64>();
        (self.limit(state.capacity), row_bytes, state.pending, SPARE)
    }

    /// What became of the rows, where the reader has `in_hand` rows that were not delivered.
    pub(super) fn stats(&self, delivered: u64, in_hand: usize) -> QueueStats {
        let state = self.state();
        QueueStats {
            received: state.received,
            delivered,
            pending: (state.pending + in_hand) as u64,
            conflated: state.conflated,
            dropped: state.dropped,
            filtered: state.filtered,
        }
    }

    /// The same for who is not the reader; what that has in hand counts as delivered.
    pub(super) fn stats_from_afar(&self) -> QueueStats {
        let stats = self.stats(0, 0);
        let others = stats.pending + stats.conflated + stats.dropped + stats.filtered;
        QueueStats { delivered: stats.received - others, ..stats }
    }

    /// Counts rows as received and dropped.
    pub(super) fn count_dropped(&self, count: u64) {
        let mut state = self.state();
        state.received += count;
        state.dropped += count;
    }

    /// Hands the rows that wait, and when each arrived, to `take` in the order of arrival.
    pub(super) fn copy(&self, mut take: impl FnMut(&[u64], u64)) {
        let state = self.state();
        for (segment, at) in state.places() {
            let (row, received_at) = state.segments[segment].row(at, self.width);
            take(row, received_at);
        }
    }
}

impl State {
    fn append(&mut self, mut rows: &[u64], received_at: u64, width: usize, clock: Option<Clock>) {
        self.pending += rows.len() / width;
        while !rows.is_empty() {
            let back = self.segments.back().map(|segment| segment.words.len());
            let room = back.map_or(0, |used| SEGMENT_ROWS * width - used);
            if room == 0 {
                let mut segment = std::mem::take(&mut self.spare);
                segment.clear();
                if back.is_some() {
                    // One was not enough, so this one will be filled, too.
                    segment.words.reserve_exact(SEGMENT_ROWS * width);
                    segment.times.reserve_exact(SEGMENT_ROWS);
                }
                segment.stored_at = clock.map(|clock| clock());
                self.segments.push_back(segment);
                continue;
            }
            let (now, later) = rows.split_at(room.min(rows.len()));
            let segment = self.segments.back_mut().expect("a segment with room is there");
            segment.words.extend_from_slice(now);
            segment.times.resize(segment.words.len() / width, received_at);
            rows = later;
        }
    }

    fn drop_oldest(&mut self) {
        while self.pending > self.capacity {
            let front = self.segments.front().expect("pending rows are in a segment");
            let left = front.times.len() - self.front_dropped;
            let dropped = left.min(self.pending - self.capacity);
            self.pending -= dropped;
            self.dropped += dropped as u64;
            if dropped == left {
                self.spare = self.segments.pop_front().expect("the front is there");
                self.front_dropped = 0;
            } else {
                self.front_dropped += dropped;
            }
        }
    }

    fn drop_newest(&mut self, mut count: usize, width: usize) {
        self.pending -= count;
        self.dropped += count as u64;
        while count > 0 {
            let segment = self.segments.back_mut().expect("pending rows are in a segment");
            let left = segment.times.len().saturating_sub(count);
            count -= segment.times.len() - left;
            segment.times.truncate(left);
            segment.words.truncate(left * width);
            if left == 0 {
                self.segments.pop_back();
            }
        }
        if self.pending == 0 {
            self.segments.clear();
            self.front_dropped = 0;
        }
    }

    /// The segment and the place in it of each row that waits, oldest first.
    fn places(&self) -> impl DoubleEndedIterator<Item = (usize, usize)> {
        self.segments.iter().enumerate().flat_map(|(n, segment)| {
            let first = if n == 0 { self.front_dropped } else { 0 };
            (first..segment.times.len()).map(move |at| (n, at))
        })
    }

    /// Keeps of each symbol the last row that waits.
    fn conflate(&mut self, width: usize) {
        let mut seen: HashSet<u64, RandomState> = HashSet::default();
        let mut kept: Vec<(usize, usize)> = Vec::new();
        for (segment, at) in self.places().rev() {
            if seen.insert(self.segments[segment].words[at * width + SYMBOL_WORD]) {
                kept.push((segment, at));
            }
        }
        self.conflated += (self.pending - kept.len()) as u64;
        self.pending = 0;
        self.front_dropped = 0;
        let segments = std::mem::take(&mut self.segments);
        for (segment, at) in kept.into_iter().rev() {
            let (row, received_at) = segments[segment].row(at, width);
            self.append(row, received_at, width, None);
        }
    }
}
