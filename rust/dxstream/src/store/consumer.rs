//! A listener's queue, as the reader sees it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::queue::{Queue, QueueSettings, QueueStats, Rows};
use super::segments::Segment;
use super::tally::Tally;
use super::waiting::Arm;
use super::wake::Wake;
use crate::error::Error;
use crate::event::EventKind;
use crate::symbol::SymbolId;

/// The reader's end of a queue. Dropping it ends the queue.
#[derive(Debug)]
pub struct Consumer {
    queue: Arc<Queue>,
    segment: Segment,
    /// The next row of `segment`.
    at: usize,
    delivered: u64,
    /// Rows in hand that were dropped when the reader closed.
    dropped: u64,
    tally: Option<Arc<Tally>>,
}

impl Consumer {
    pub(super) fn new(queue: Arc<Queue>) -> Self {
        Self { queue, segment: Segment::default(), at: 0, delivered: 0, dropped: 0, tally: None }
    }

    /// A listener's, whose rows count in `tally` once it begins to listen.
    pub(super) fn of_listener(queue: Arc<Queue>, tally: Arc<Tally>) -> Self {
        let mut consumer = Self::new(queue);
        consumer.tally = Some(tally);
        consumer
    }

    /// Counts the rows as a listener's from now on, where it is one.
    pub fn begin(&self) {
        if let Some(tally) = &self.tally {
            tally.begin(&self.queue);
        }
    }

    fn end(&self) {
        if let Some(tally) = &self.tally {
            tally.end(&self.queue);
        }
    }

    /// The event type of the rows.
    pub fn kind(&self) -> EventKind {
        self.queue.kind
    }

    /// The next row and when it arrived, if one is ready. `now` is the time, in nanoseconds of the
    /// clock that the times of arrival are of; a rate limit counts from it.
    #[inline]
    pub fn next_row(&mut self, now: u64) -> Option<(&[u64], u64)> {
        let (row, times) = self.next_rows(1, || now)?;
        Some((row, times[0]))
    }

    /// The next rows, one after another, and when each arrived, if some are ready: at least one, at
    /// most `most`, which is not 0, and not always all that are ready.
    ///
    /// `clock` gives the time that [`Self::next_row`] is told; it is read where no row is in hand.
    #[inline]
    pub fn next_rows(
        &mut self,
        most: usize,
        clock: impl FnOnce() -> u64,
    ) -> Option<(&[u64], &[u64])> {
        if self.in_hand() == 0 {
            self.at = self.take(clock())?;
        }
        let rows = self.at..self.at + most.min(self.in_hand());
        self.at = rows.end;
        self.delivered += rows.len() as u64;
        let width = self.queue.width;
        let words = &self.segment.words[rows.start * width..rows.end * width];
        Some((words, &self.segment.times[rows]))
    }

    /// Fills `segment`; gives the place of the first row.
    #[inline(never)]
    fn take(&mut self, now: u64) -> Option<usize> {
        match &self.queue.rows {
            Rows::Every(segments) => {
                let first = segments.take(&mut self.segment)?;
                if let (Some(tally), Some(stored_at), 0) =
                    (&self.tally, self.segment.stored_at, first)
                {
                    tally.delivered(Duration::from_nanos(now.saturating_sub(stored_at)));
                }
                Some(first)
            }
            Rows::Latest(conflation) => {
                let received_at = conflation.take(now, &mut self.segment.words)?;
                self.segment.times.clear();
                self.segment.times.push(received_at);
                Some(0)
            }
        }
    }

    /// Why there will be no more rows, once the last row was taken.
    pub fn ended(&self) -> Option<Error> {
        // In this order: once a queue has ended, no row comes that could be missed.
        let ended = self.queue.ended.get()?;
        (self.in_hand() == 0 && self.queue.ready() == 0).then(|| ended.clone())
    }

    /// Prepares to wait: from now on, `wake` rings once when at least `rows` rows wait or the queue
    /// ends.
    pub fn arm(&mut self, wake: &Arc<Wake>, rows: usize) -> Arm {
        wake.clear();
        self.arm_watched(wake, rows)
    }

    /// The same for a line that an event loop watches, which makes it silent when it rings. It may find
    /// it ringing for what came before.
    pub fn arm_watched(&mut self, wake: &Arc<Wake>, rows: usize) -> Arm {
        let missing = rows.max(1).saturating_sub(self.in_hand());
        let queue = &self.queue;
        queue.waiting.arm(wake, missing, || queue.ready() >= missing || queue.ended.get().is_some())
    }

    /// Rows that were handed over and not taken yet.
    pub(super) fn in_hand(&self) -> usize {
        self.segment.times.len() - self.at
    }

    /// What became of the rows, counted at one moment.
    pub fn stats(&self) -> QueueStats {
        let mut stats = match &self.queue.rows {
            Rows::Every(segments) => segments.stats(self.delivered, self.in_hand()),
            Rows::Latest(conflation) => conflation.stats(self.delivered),
        };
        stats.dropped += self.dropped;
        stats
    }

    /// A queue that begins with a copy of the rows that wait in this one, and with its drops in the
    /// count. No row may be pushed meanwhile.
    pub(super) fn copy(
        &self,
        symbols: Option<HashSet<SymbolId>>,
        settings: QueueSettings,
    ) -> Queue {
        let copy = Queue::new(self.queue.kind, symbols, settings);
        let width = self.queue.width;
        let words = self.segment.words.chunks_exact(width);
        for (row, &received_at) in words.zip(&self.segment.times).skip(self.at) {
            copy.push(row, received_at);
        }
        self.queue.copy(|row, received_at| copy.push(row, received_at));
        copy.count_dropped(self.stats().dropped);
        if let Some(error) = self.queue.ended.get() {
            copy.end(error.clone());
        }
        copy
    }

    /// Lets the queue hold another number of rows from now on. With none, the reader is closed: what
    /// waits is dropped, and what it has in hand.
    pub fn set_capacity(&mut self, capacity: usize) {
        if capacity == 0 {
            // What a reader drops by leaving is nobody's loss.
            self.end();
        }
        match &self.queue.rows {
            Rows::Every(segments) => segments.set_capacity(capacity),
            Rows::Latest(conflation) => conflation.set_capacity(capacity),
        }
        if capacity == 0 {
            self.dropped += self.in_hand() as u64;
            self.segment = Segment::default();
            self.at = 0;
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.end();
    }
}
