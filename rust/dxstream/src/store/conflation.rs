//! The queue of a listener that wants the last row of each symbol, and no more often than its rate.
//!
//! Each symbol has a [`Mailbox`]. A row that is put where none waits puts its symbol on the ready
//! list; or, where one of the symbol was taken within the interval, on the due list, from which the
//! writer makes it ready when the interval has passed. So the last row of a burst always comes. A
//! mailbox stands on one of the lists while its row waits, and on none otherwise; who takes it off
//! has the right to the row.
//!
//! Writer and reader share the mailboxes, the ready list and counters, all without a lock, so that
//! neither waits for the other. The due list and the table of symbols are the writer's; the lock
//! around them is never waited for, as forks are made while there are no rows (`Store::fork`).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::{Arc, PoisonError};

use foldhash::fast::RandomState;

use super::mailbox::Mailbox;
use super::queue::{Overflow, QueueStats};
use super::wants::Wants;
use crate::event::SYMBOL_WORD;
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering, SegQueue, fence, yield_now};

/// The rows that wait, one of each symbol.
#[derive(Debug)]
pub(super) struct Conflation {
    width: usize,
    /// Least nanoseconds between two rows of a symbol that are taken.
    interval: u64,
    overflow: Overflow,
    /// Most symbols that wait; none once the reader has closed.
    capacity: AtomicU64,
    ready: SegQueue<Arc<Mailbox>>,
    writer: Mutex<Writer>,
    counters: Counters,
    taken: Taken,
}

/// What the writer knows.
#[derive(Debug, Default)]
struct Writer {
    mailboxes: HashMap<u64, Arc<Mailbox>, RandomState>,
    /// When the rows of which symbols become ready.
    due: BinaryHeap<Reverse<(u64, u64)>>,
    /// Rows that were put where none waited, less those discarded.
    put: u64,
}

/// What the writer has counted. It counts a row as received first, then makes it visible, then says
/// what became of it or of the one that it replaced.
#[derive(Debug)]
#[repr(align(128))]
struct Counters {
    received: AtomicU64,
    conflated: AtomicU64,
    dropped: AtomicU64,
    filtered: AtomicU64,
    mailboxes: AtomicU64,
}

/// Rows that the reader has taken, on a cache line of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Taken(AtomicU64);

/// Adds to a counter that one thread alone writes.
fn add(counter: &AtomicU64, count: u64) {
    counter.store(counter.load(Ordering::Relaxed) + count, Ordering::Relaxed);
}

impl Counters {
    fn new() -> Self {
        let [received, conflated, dropped, filtered, mailboxes] =
            std::array::from_fn(|_| AtomicU64::new(0));
        Self { received, conflated, dropped, filtered, mailboxes }
    }

    /// Begins with the next row.
    fn receive(&self) {
        let received = self.received.load(Ordering::Relaxed) + 1;
        // Release pairs with the first load in `read`: who sees this row received sees what became
        // of those before.
        self.received.store(received, Ordering::Release);
        // Pairs with the Acquire fence in `read`: who sees a count of this row's sees it received.
        fence(Ordering::Release);
    }

    /// Received, conflated, dropped and filtered while one row was under the writer's hand.
    fn read(&self) -> (u64, u64, u64, u64) {
        loop {
            let received = self.received.load(Ordering::Acquire);
            let conflated = self.conflated.load(Ordering::Relaxed);
            let dropped = self.dropped.load(Ordering::Relaxed);
            let filtered = self.filtered.load(Ordering::Relaxed);
            fence(Ordering::Acquire);
            // Another number means that the writer has begun with a further row meanwhile.
            if self.received.load(Ordering::Relaxed) == received {
                return (received, conflated, dropped, filtered);
            }
            yield_now();
        }
    }
}

impl Conflation {
    /// An empty queue for rows of `width` words.
    pub(super) fn new(width: usize, interval: u64, capacity: usize, overflow: Overflow) -> Self {
        Self {
            width,
            interval,
            overflow,
            capacity: AtomicU64::new(capacity as u64),
            ready: SegQueue::new(),
            writer: Mutex::new(Writer::default()),
            counters: Counters::new(),
            taken: Taken(AtomicU64::new(0)),
        }
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn capacity(&self) -> u64 {
        // Relaxed: the number stands for itself.
        self.capacity.load(Ordering::Relaxed)
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
        let mut writer = self.writer();
        let mut full = None;
        for row in rows.chunks_exact(self.width) {
            self.counters.receive();
            if wants.is_some_and(|wants| !wants.take(row)) {
                add(&self.counters.filtered, 1);
            } else if ended || full.is_some() || self.capacity() == 0 {
                add(&self.counters.dropped, 1);
            } else {
                full = self.take_in(&mut writer, row, received_at);
            }
        }
        self.clear_if_closed(&mut writer);
        full
    }

    fn take_in(&self, writer: &mut Writer, row: &[u64], received_at: u64) -> Option<usize> {
        let symbol = row[SYMBOL_WORD];
        let Writer { mailboxes, due, put } = &mut *writer;
        let mailbox = mailboxes.entry(symbol).or_insert_with(|| {
            add(&self.counters.mailboxes, 1);
            Arc::new(Mailbox::new(self.width))
        });
        if self.overflow == Overflow::Raise && !mailbox.waits() {
            let waiting = self.waiting(*put);
            if waiting >= self.capacity() {
                add(&self.counters.dropped, 1);
                return Some(waiting as usize);
            }
        }
        if mailbox.put(row, received_at) {
            add(&self.counters.conflated, 1);
            return None;
        }
        *put += 1;
        let open_at = mailbox.open_at();
        if received_at >= open_at {
            self.ready.push(Arc::clone(mailbox));
        } else {
            due.push(Reverse((open_at, symbol)));
        }
        while self.waiting(writer.put) > self.capacity() && self.drop_oldest(writer) {}
        None
    }

    /// Symbols that wait, where so many rows were put.
    fn waiting(&self, put: u64) -> u64 {
        // Relaxed: the reader counts a row before it takes it, and the swap in the mailbox orders
        // the count, so that no symbol is counted twice.
        put - self.taken.0.load(Ordering::Relaxed)
    }

    /// Drops the row whose turn is next; says whether there was one.
    fn drop_oldest(&self, writer: &mut Writer) -> bool {
        let mailbox = self.ready.pop().or_else(|| {
            let Reverse((_, symbol)) = writer.due.pop()?;
            writer.mailboxes.get(&symbol).map(Arc::clone)
        });
        let Some(mailbox) = mailbox else { return false };
        mailbox.discard();
        writer.put -= 1;
        add(&self.counters.dropped, 1);
        true
    }

    fn clear_if_closed(&self, writer: &mut Writer) {
        if self.capacity() == 0 && !writer.mailboxes.is_empty() {
            while self.drop_oldest(writer) {}
            writer.mailboxes = HashMap::default();
            writer.due = BinaryHeap::new();
            self.counters.mailboxes.store(0, Ordering::Relaxed);
        }
    }

    /// Makes ready what is due at `now`; says when there is more to do.
    pub(super) fn release(&self, now: u64) -> Option<u64> {
        let mut writer = self.writer();
        self.clear_if_closed(&mut writer);
        while let Some(&Reverse((due, symbol))) = writer.due.peek() {
            if due > now {
                return Some(due);
            }
            writer.due.pop();
            self.ready.push(Arc::clone(&writer.mailboxes[&symbol]));
        }
        None
    }

    /// Takes the next row that is ready into `row`, at the time `now`; gives its time of arrival.
    pub(super) fn take(&self, now: u64, row: &mut Vec<u64>) -> Option<u64> {
        if self.is_closed() {
            return None;
        }
        let mailbox = self.ready.pop()?;
        // Before the row is taken: see `waiting`.
        add(&self.taken.0, 1);
        Some(mailbox.take(now, self.interval, row))
    }

    /// Lets at most `capacity` symbols wait from the next row on. With none, the reader has closed:
    /// what waits is dropped, and counts so at once.
    pub(super) fn set_capacity(&self, capacity: usize) {
        self.capacity.store(capacity as u64, Ordering::Relaxed);
    }

    fn is_closed(&self) -> bool {
        self.capacity() == 0
    }

    /// Rows that may be taken.
    pub(super) fn ready(&self) -> usize {
        if self.is_closed() { 0 } else { self.ready.len() }
    }

    /// Most mailboxes, bytes of one, mailboxes that there are, and none beside them.
    pub(super) fn memory(&self, symbols: usize) -> (usize, usize, usize, usize) {
        let mailboxes = self.counters.mailboxes.load(Ordering::Relaxed);
        (symbols, Mailbox::bytes(self.width), mailboxes as usize, 0)
    }

    /// What became of the rows, where the reader has counted `delivered` of them. The reader's.
    pub(super) fn stats(&self, delivered: u64) -> QueueStats {
        let (received, conflated, mut dropped, filtered) = self.counters.read();
        // What the reader took was received before, and its swap made it see that.
        let mut pending = received - conflated - dropped - filtered - delivered;
        if self.is_closed() {
            dropped += std::mem::take(&mut pending);
        }
        QueueStats { received, delivered, pending, conflated, dropped, filtered }
    }

    /// The same for who is neither the reader nor the writer.
    pub(super) fn stats_from_afar(&self) -> QueueStats {
        // Before the others, so that what the reader took is counted as received.
        let taken = self.taken.0.load(Ordering::Acquire);
        let (received, conflated, dropped, filtered) = self.counters.read();
        // What the reader takes meanwhile may be dropped nowhere else, and counts as pending.
        let gone = conflated + dropped + filtered + taken;
        let pending = received.saturating_sub(gone);
        QueueStats { received, delivered: taken, pending, conflated, dropped, filtered }
    }

    /// Counts rows as received and dropped. The writer's.
    pub(super) fn count_dropped(&self, count: u64) {
        add(&self.counters.received, count);
        add(&self.counters.dropped, count);
    }

    /// Hands the rows that wait, and when each arrived, to `take` in the order of arrival. Neither
    /// the writer nor the reader may be at work.
    pub(super) fn copy(&self, mut take: impl FnMut(&[u64], u64)) {
        let writer = self.writer();
        let mut waiting: Vec<_> = writer
            .mailboxes
            .values()
            .filter_map(|mailbox| {
                let mut row = Vec::new();
                mailbox.peek(&mut row).map(|received_at| (received_at, row))
            })
            .collect();
        waiting.sort();
        for (received_at, row) in waiting {
            take(&row, received_at);
        }
    }
}
