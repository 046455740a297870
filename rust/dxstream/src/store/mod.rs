//! Where events wait for Python: the last events of each symbol, and each listener's queue.
//!
//! One thread at a time writes, the I/O thread or who does its work for a while; any thread reads.
//! Reading never makes the writer wait for longer than a few instructions: rings and queues that conflate
//! are read without a lock, and a queue of every row hands over whole segments.

mod burst;
mod conflation;
mod consumer;
mod gaps;
mod hiding;
mod latest;
mod looks;
mod mailbox;
mod memory;
mod queue;
mod resume;
mod ring;
mod rings;
mod rung;
mod segments;
mod tally;
mod waiting;
#[cfg(not(dxstream_loom))]
mod wake;
#[cfg(dxstream_loom)]
#[path = "models/wake.rs"]
mod wake;
mod wants;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, Weak};

pub use burst::BurstWriter;
pub use consumer::Consumer;
pub use latest::LatestSink;
pub use looks::was_looked_at;
pub use memory::{BookMemory, QueueMemory, RingMemory};
pub use queue::{Overflow, QueueSettings, QueueStats};
pub use rung::{Rung, holding_back, rung_by};
pub use tally::ListenerTotals;
pub use waiting::{Arm, is_event_awaited};
pub use wake::Wake;
pub use wants::{Need, Requirement, are_met, is_whole};

use crate::book::{Book, Books, is_order};
use crate::error::Error;
use crate::event::{EventKind, Text};
use crate::latency::LatencySummary;
use crate::protocol::{EventSink, Gap, SnapshotMark, TypeGap};
use crate::symbol::{SymbolId, Tables};
use gaps::Gaps;
use hiding::Hidden;
use queue::Queue;
use rings::Rings;
use segments::Clock;
use tally::Tally;

/// Most order books of a streamer.
pub const MAX_BOOKS: usize = 1 << 14;

/// Most orders of a streamer's books together; at 448 bytes each, 448 MiB.
pub const MAX_ORDERS: usize = 1 << 20;

/// The store of one streamer.
///
/// Times of arrival are nanoseconds of the system's monotonic clock.
#[derive(Debug)]
pub struct Store {
    tables: Arc<Tables>,
    history: usize,
    rings: Box<[OnceLock<Rings>]>,
    books: Mutex<Books>,
    gaps: Mutex<Gaps>,
    queues: RwLock<Queues>,
    tally: Arc<Tally>,
    clock: Option<Clock>,
}

#[derive(Debug)]
struct Queues {
    by_kind: Vec<Vec<Weak<Queue>>>,
    /// Queues of series, which get the marks of snapshots and rows that are hidden as well.
    of_series: Vec<Vec<Weak<Queue>>>,
    hidden: Hidden,
    /// Some queue conflates, or did.
    conflate: bool,
    ended: Option<Error>,
}

impl Store {
    /// An empty store whose rows are in `tables`, and whose rings keep the last `history` rows.
    pub fn new(tables: Arc<Tables>, history: usize) -> Self {
        Self {
            tables,
            history,
            rings: EventKind::ALL.iter().map(|_| OnceLock::new()).collect(),
            books: Mutex::new(Books::new(MAX_BOOKS, MAX_ORDERS)),
            gaps: Mutex::default(),
            queues: RwLock::new(Queues {
                by_kind: EventKind::ALL.iter().map(|_| Vec::new()).collect(),
                of_series: EventKind::ALL.iter().map(|_| Vec::new()).collect(),
                hidden: Hidden::new(),
                conflate: false,
                ended: None,
            }),
            tally: Arc::default(),
            clock: None,
        }
    }

    /// The same store, which measures by `clock` how long rows wait for their listeners. It gives the
    /// time that times of arrival are of, in nanoseconds.
    #[must_use]
    pub fn with_clock(self, clock: fn() -> u64) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// The tables that rows refer to.
    pub fn tables(&self) -> &Arc<Tables> {
        &self.tables
    }

    /// Copies the latest event of a symbol into `row` and gives its time of arrival; nothing where
    /// there is none. Takes no lock.
    ///
    /// # Panics
    /// If `row` is shorter than the event type's width.
    pub fn latest(&self, kind: EventKind, symbol: SymbolId, row: &mut [u64]) -> Option<u64> {
        looks::note();
        let width = kind.fields().len();
        self.rings[kind as usize].get()?.latest(symbol, &mut row[..width])
    }

    /// Reads the fields whose places are `words` of the latest events of `symbols` into `sink`. Each
    /// row is one event once all is read. Takes no lock.
    ///
    /// # Panics
    /// If a place is beyond the event type's width.
    pub fn read_latest(
        &self,
        kind: EventKind,
        symbols: &[SymbolId],
        words: &[usize],
        sink: &mut impl LatestSink,
    ) {
        looks::note();
        latest::read(self.rings[kind as usize].get(), kind, symbols, words, sink);
    }

    /// Hands the last events of a symbol, at most `most`, to `take` with their times of arrival,
    /// oldest first. Takes no lock. Events that are overwritten meanwhile are left out.
    pub fn history(
        &self,
        kind: EventKind,
        symbol: SymbolId,
        most: usize,
        take: impl FnMut(&[u64], u64),
    ) {
        looks::note();
        if let Some(ring) = self.rings[kind as usize].get().and_then(|rings| rings.get(symbol)) {
            ring.history(most, take);
        }
    }

    /// Lets the ring of a symbol keep another number of rows than the others do. A ring that has had
    /// an event stays as it is.
    pub fn set_history(&self, kind: EventKind, symbol: SymbolId, history: usize) {
        self.rings_of(kind).set_history(symbol, history);
    }

    /// Reads the book of a symbol and source, where an order or a snapshot of it came. The writer waits
    /// for `read`.
    pub fn read_book<T>(
        &self,
        kind: EventKind,
        symbol: SymbolId,
        source: Text,
        read: impl FnOnce(&Book) -> T,
    ) -> Option<T> {
        looks::note();
        self.books().get(kind, symbol, source).map(read)
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rings_of(&self, kind: EventKind) -> &Rings {
        self.rings[kind as usize].get_or_init(|| Rings::new(kind.fields().len(), self.history))
    }

    /// Takes note that rows of these symbols may have been lost: their books are not complete until
    /// the next snapshot.
    pub fn interrupt<'a>(&self, kind: EventKind, symbols: impl Iterator<Item = &'a str>) {
        if is_order(kind) {
            let ids = symbols.filter_map(|symbol| self.tables.symbols.find(symbol).map(SymbolId));
            self.books().interrupt(kind, &ids.collect());
        }
    }

    /// Takes note of a gap that is over.
    pub fn add_gap(&self, gap: Gap) {
        self.gaps().whole.push(gap);
    }

    /// Takes note of a gap of one event type that is over, before the rows that come after it.
    pub fn add_type_gap(&self, gap: TypeGap) {
        self.gaps().of_types.push(gap);
    }

    /// The gaps from number `from` on, as far as they are kept, and how many there were ever.
    pub fn gaps_since(&self, from: usize) -> (Vec<Gap>, usize) {
        let gaps = self.gaps();
        (gaps.whole.since(from), gaps.whole.count())
    }

    /// The same of the gaps of single event types.
    pub fn type_gaps_since(&self, from: usize) -> (Vec<TypeGap>, usize) {
        let gaps = self.gaps();
        (gaps.of_types.since(from), gaps.of_types.count())
    }

    fn gaps(&self) -> MutexGuard<'_, Gaps> {
        self.gaps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What all listeners have counted, by event type in the order of [`EventKind::ALL`].
    pub fn listener_totals(&self) -> [ListenerTotals; EventKind::ALL.len()] {
        self.tally.totals()
    }

    /// How long rows waited from when they were stored until their listener took them, where it takes
    /// every row: a sample for each time that a listener went to its buffer, of the row that waited
    /// longest.
    pub fn delivery(&self) -> LatencySummary {
        self.tally.delivery()
    }

    /// A new queue for events of `kind`, from now on; of all symbols, or of those given.
    pub fn listen(
        &self,
        kind: EventKind,
        symbols: Option<HashSet<SymbolId>>,
        settings: QueueSettings,
    ) -> Consumer {
        let consumer = self.backlog(kind, symbols, settings);
        consumer.begin();
        consumer
    }

    /// The same for a listener that may come: until [`Consumer::begin`], nobody counts its rows.
    pub fn backlog(
        &self,
        kind: EventKind,
        symbols: Option<HashSet<SymbolId>>,
        settings: QueueSettings,
    ) -> Consumer {
        let mut queue = Queue::new(kind, symbols, settings);
        queue.set_clock(self.clock);
        let queue = Arc::new(queue);
        let mut queues = self.queues.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = &queues.ended {
            queue.end(error.clone());
        }
        add(&mut queues.by_kind, &queue);
        queues.conflate |= settings.conflation.is_some();
        Consumer::of_listener(queue, Arc::clone(&self.tally))
    }

    /// A new queue for a [`Series`](crate::series::Series) of one symbol, from now on: its rows and, before those of
    /// a snapshot, the snapshot's mark as a row.
    pub fn follow(&self, kind: EventKind, symbol: SymbolId, capacity: usize) -> Consumer {
        self.watch(kind, [symbol].into(), capacity)
    }

    /// A new queue for what comes of symbols from now on, hidden or not. It is no listener's, and nobody
    /// counts its rows.
    pub fn watch(&self, kind: EventKind, symbols: HashSet<SymbolId>, capacity: usize) -> Consumer {
        let queue = Arc::new(Queue::new(kind, Some(symbols), QueueSettings::every(capacity)));
        let mut queues = self.queues.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = &queues.ended {
            queue.end(error.clone());
        }
        add(&mut queues.of_series, &queue);
        Consumer::new(queue)
    }

    /// A new queue that begins with the rows that wait in that of `consumer`, of all symbols or of
    /// those given.
    pub fn fork(
        &self,
        consumer: &Consumer,
        symbols: Option<HashSet<SymbolId>>,
        settings: QueueSettings,
    ) -> Consumer {
        // The writer pushes under the read side of this lock, so that no row falls between.
        let mut queues = self.queues.write().unwrap_or_else(PoisonError::into_inner);
        let mut queue = consumer.copy(symbols, settings);
        queue.set_clock(self.clock);
        let queue = Arc::new(queue);
        add(&mut queues.by_kind, &queue);
        queues.conflate |= settings.conflation.is_some();
        let consumer = Consumer::of_listener(queue, Arc::clone(&self.tally));
        consumer.begin();
        consumer
    }

    /// Makes ready what rate limits held back until `now`; says when there is more to do.
    pub fn release(&self, now: u64) -> Option<u64> {
        let queues = self.queues.read().unwrap_or_else(PoisonError::into_inner);
        if !queues.conflate {
            return None;
        }
        queues.live().filter_map(|queue| queue.release(now)).min()
    }

    /// Ends every queue: listeners get what is left in theirs, then `error`.
    pub fn end(&self, error: &Error) {
        let mut queues = self.queues.write().unwrap_or_else(PoisonError::into_inner);
        if queues.ended.is_none() {
            queues.ended = Some(error.clone());
            for queue in queues.live() {
                queue.end(error.clone());
            }
        }
    }
}

impl Queues {
    /// Hands rows to the listeners of their type.
    fn push_to_listeners(&self, kind: EventKind, rows: &[u64], received_at: u64) {
        for queue in self.by_kind[kind as usize].iter().filter_map(Weak::upgrade) {
            queue.push(rows, received_at);
        }
    }

    fn live(&self) -> impl Iterator<Item = Arc<Queue>> {
        self.by_kind.iter().chain(&self.of_series).flatten().filter_map(Weak::upgrade)
    }
}

fn add(by_kind: &mut [Vec<Weak<Queue>>], queue: &Arc<Queue>) {
    let of_kind = &mut by_kind[queue.kind as usize];
    of_kind.retain(|queue| queue.strong_count() > 0);
    of_kind.push(Arc::downgrade(queue));
}

/// The writer's side of a store, for rows that arrived at one moment.
#[derive(Debug)]
pub struct StoreWriter<'a> {
    /// Where the rows go.
    pub store: &'a Store,
    /// When they arrived, in nanoseconds of the system's monotonic clock.
    pub received_at: u64,
}

impl StoreWriter<'_> {
    /// Hands `rows` to the books and the listeners, and those `of_series` to series.
    fn to_books_and_queues(&self, kind: EventKind, rows: &[u64], of_series: &[u64]) {
        if is_order(kind) {
            self.store.books().apply(kind, rows);
        }
        let queues = self.store.queues.read().unwrap_or_else(PoisonError::into_inner);
        let visible = queues.hidden.visible(kind, rows);
        if !visible.is_empty() {
            queues.push_to_listeners(kind, &visible, self.received_at);
        }
        for queue in queues.of_series[kind as usize].iter().filter_map(Weak::upgrade) {
            queue.push(of_series, self.received_at);
        }
    }
}

impl EventSink for StoreWriter<'_> {
    fn rows(&mut self, kind: EventKind, rows: &[u64]) {
        let rings = self.store.rings_of(kind);
        rings.push(rows.chunks_exact(kind.fields().len()), self.received_at);
        self.to_books_and_queues(kind, rows, rows);
    }

    fn snapshot(&mut self, kind: EventKind, rows: &[u64], resumed: bool) {
        let delivery = kind.delivery();
        if !delivery.time_series {
            return self.rows(kind, rows);
        }
        let unseen;
        // A series takes a snapshot in place of what it held, and needs all of it.
        let (whole, mut rows) = (rows, rows);
        // Of a series of single happenings, one that is given twice is one too many; in the others
        // the later takes the place of the earlier.
        if resumed && !delivery.lasting {
            unseen = self.store.not_yet_seen(kind, rows);
            rows = &unseen;
        }
        // A snapshot comes newest first, and a ring's newest row is the latest.
        let rings = self.store.rings_of(kind);
        rings.push(rows.rchunks_exact(kind.fields().len()), self.received_at);
        self.to_books_and_queues(kind, rows, whole);
    }

    fn snapshot_mark(&mut self, kind: EventKind, mark: &SnapshotMark) {
        if is_order(kind) && mark.is_empty_snapshot() {
            self.store.books().clear(kind, mark.symbol, mark.source);
        }
        let queues = self.store.queues.read().unwrap_or_else(PoisonError::into_inner);
        for queue in queues.of_series[kind as usize].iter().filter_map(Weak::upgrade) {
            queue.push(&mark.row(kind), self.received_at);
        }
    }

    fn gap(&mut self, gap: &TypeGap) {
        self.store.add_type_gap(gap.clone());
    }

    fn last_time(&self, kind: EventKind, symbol: &str) -> Option<i64> {
        self.store.last_time(kind, symbol)
    }
}

#[cfg(all(test, dxstream_loom))]
mod models;
#[cfg(all(test, not(dxstream_loom)))]
mod tests;
