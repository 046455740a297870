//! The latest events of many symbols, kept beside each other and read by fields.
//!
//! An event is written to the ring of its symbol and then to the symbol's slot here, so that what is
//! seen here is in the ring too. Who finds the slot being written takes the same entry from the ring:
//! a reader is not held up by a writer that was preempted, and no symbol goes back to an older event.
//!
//! Symbols are read a block at a time: first their entries are looked up, then each field is read of
//! all of them straight to where it goes, then each entry is asked whether it is still there, and read
//! again if not. So the processor has many reads under way at once, and each row is one event.

use super::ring::{Entry, HEADER_WORDS, Ring, write};
use super::rings::Rings;
use crate::event::{EventKind, FieldKind, MAX_WORDS};
use crate::symbol::SymbolId;
use crate::sync::{AtomicU64, Ordering, fence, yield_now};

/// Most rows of a block.
const ROWS: usize = 64;

/// The slot of the widest row. A slot of fewer words is followed by those of other symbols, or by
/// words that nobody uses.
pub(super) type Slot = [AtomicU64; HEADER_WORDS + MAX_WORDS];

/// Where the latest events of many symbols go, field by field.
pub trait LatestSink {
    /// Takes the times of arrival of rows from `first` on, 0 where there is no event, and whether there
    /// is one.
    fn head(
        &mut self,
        first: usize,
        times: impl Iterator<Item = u64>,
        valid: impl Iterator<Item = bool>,
    );

    /// Takes the words of the `at`-th of the fields that were asked for, of rows from `first` on;
    /// unknown where there is no event. Blocks of rows come in order.
    fn column(&mut self, at: usize, first: usize, words: impl Iterator<Item = u64>);

    /// Takes a row of the last block again, whole this time: its words in the order of the fields that
    /// were asked for, and when it arrived.
    fn again(&mut self, row: usize, words: impl Iterator<Item = u64>, time: u64);
}

/// Empty slots for rows of `width` words, each of which begins a [`Slot`].
pub(super) fn slots(width: usize, count: usize) -> Box<[AtomicU64]> {
    let words = count * Ring::slot_words(width) + size_of::<Slot>() / size_of::<AtomicU64>();
    (0..words).map(|_| AtomicU64::new(0)).collect()
}

/// Adds a row to a ring and puts it into the slot of its symbol. Called by one thread only.
pub(super) fn push(slot: &[AtomicU64], ring: &Ring, row: &[u64], received_at: u64) {
    let n = ring.push(row, received_at);
    write(slot, n, row, received_at);
}

/// The newest entry of a symbol, to be read; nothing where there is none.
fn newest<'a>(slot: &'a [AtomicU64], ring: impl Fn() -> Option<&'a Ring>) -> Option<Entry<'a>> {
    loop {
        let entry = Entry::of(slot)?;
        if entry.is_written() {
            return Some(entry);
        }
        // That entry and no newer one, which the slot does not tell of yet.
        if let Some(in_ring) = ring()?.entry(entry.number()) {
            return Some(in_ring);
        }
        // The writer has gone round the whole ring meanwhile.
        yield_now();
    }
}

/// Copies the newest row of a symbol and gives its time of arrival; nothing where there is none.
pub(super) fn copy<'a>(
    slot: &'a [AtomicU64],
    ring: impl Fn() -> Option<&'a Ring>,
    row: &mut [u64],
) -> Option<u64> {
    loop {
        // A failure means that there is a newer row to be read.
        if let Some(received_at) = newest(slot, &ring)?.copy(row) {
            return Some(received_at);
        }
        yield_now();
    }
}

/// Reads the fields of an event type whose places are `words`.
pub(super) fn read(
    rings: Option<&Rings>,
    kind: EventKind,
    symbols: &[SymbolId],
    words: &[usize],
    sink: &mut impl LatestSink,
) {
    let fields = kind.fields();
    let unknown = unknown_slot(kind);
    let mut slots = rings.map(Rings::latest_slots);
    for (block, symbols) in symbols.chunks(ROWS).enumerate() {
        let first = block * ROWS;
        let mut rows = [Row { slot: &unknown, version: WRITTEN_ONCE, valid: false }; ROWS];
        let rows = &mut rows[..symbols.len()];
        if let Some(slots) = &mut slots {
            for (row, &symbol) in rows.iter_mut().zip(symbols) {
                if let Some(slot) = slots(symbol) {
                    row.look_up(slot);
                }
            }
        }
        sink.head(first, rows.iter().map(Row::received_at), rows.iter().map(|row| row.valid));
        for (at, &word) in words.iter().enumerate() {
            if fields[word].kind == FieldKind::Symbol {
                sink.column(at, first, symbols.iter().map(|symbol| u64::from(symbol.0)));
            } else {
                sink.column(at, first, rows.iter().map(|row| row.word(word)));
            }
        }
        // Pairs with the Release fence in `write`: a reader that saw a word of a later entry sees
        // its odd version as well.
        fence(Ordering::Acquire);
        for (at, (row, &symbol)) in rows.iter().zip(symbols).enumerate() {
            if !row.is_whole() {
                let mut latest = [0; MAX_WORDS];
                let time =
                    rings.and_then(|rings| rings.latest(symbol, &mut latest[..fields.len()]));
                let time = time.expect("a ring that had an event keeps one");
                sink.again(first + at, words.iter().map(|&word| latest[word]), time);
            }
        }
    }
}

/// A symbol's latest event while a block is read.
#[derive(Clone, Copy)]
struct Row<'a> {
    slot: &'a Slot,
    /// The version that was looked up; 0 where the row was being written.
    version: u64,
    valid: bool,
}

impl<'a> Row<'a> {
    #[inline]
    fn look_up(&mut self, slot: &'a Slot) {
        // Pairs with the Release store in `write`: who sees the version sees the words.
        let version = slot[0].load(Ordering::Acquire);
        self.valid = version != 0;
        if version.is_multiple_of(2) && self.valid {
            (self.slot, self.version) = (slot, version);
        } else if self.valid {
            self.version = 0;
        }
    }

    #[inline]
    fn word(&self, at: usize) -> u64 {
        // The remainder is the place itself, and spares the check that it is within the slot.
        self.slot[HEADER_WORDS + at % MAX_WORDS].load(Ordering::Relaxed)
    }

    #[inline]
    fn received_at(&self) -> u64 {
        self.slot[1].load(Ordering::Relaxed)
    }

    /// Whether all that was read before the last Acquire fence is of the event looked up.
    #[inline]
    fn is_whole(&self) -> bool {
        self.slot[0].load(Ordering::Relaxed) == self.version
    }
}

/// The version of a slot that was written once.
const WRITTEN_ONCE: u64 = 2;

/// What a symbol without an event has: a slot of which nothing is known.
fn unknown_slot(kind: EventKind) -> Slot {
    let slot: Slot = std::array::from_fn(|_| AtomicU64::new(0));
    let unknown: Vec<u64> = kind.fields().iter().map(|field| field.kind.unknown()).collect();
    write(&slot, 0, &unknown, 0);
    slot
}

#[cfg(all(test, not(dxstream_loom)))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::event::{Quote, Record, SYMBOL_WORD};
    use crate::protocol::EventSink;
    use crate::store::{Store, StoreWriter};
    use crate::symbol::Tables;

    const WIDTH: usize = 12;

    /// What was read: times, which rows hold an event, and the columns.
    #[derive(Default)]
    struct Read {
        times: Vec<u64>,
        valid: Vec<bool>,
        columns: [Vec<u64>; WIDTH],
    }

    impl Read {
        fn of(store: &Store, kind: EventKind, symbols: &[SymbolId], words: &[usize]) -> Self {
            let mut read = Self::default();
            store.read_latest(kind, symbols, words, &mut read);
            read
        }
    }

    impl LatestSink for Read {
        fn head(
            &mut self,
            first: usize,
            times: impl Iterator<Item = u64>,
            valid: impl Iterator<Item = bool>,
        ) {
            assert_eq!(first, self.times.len());
            self.times.extend(times);
            self.valid.extend(valid);
        }

        fn column(&mut self, at: usize, first: usize, words: impl Iterator<Item = u64>) {
            assert_eq!(first, self.columns[at].len());
            self.columns[at].extend(words);
        }

        fn again(&mut self, row: usize, words: impl Iterator<Item = u64>, time: u64) {
            self.times[row] = time;
            for (column, word) in self.columns.iter_mut().zip(words) {
                column[row] = word;
            }
        }
    }

    const EVERY_WORD: [usize; WIDTH] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

    /// A row whose words all follow from its symbol and its number.
    fn row(symbol: u32, n: u64) -> [u64; WIDTH] {
        let mut row = [0; WIDTH];
        for (at, word) in row.iter_mut().enumerate() {
            *word = n + at as u64;
        }
        row[SYMBOL_WORD] = u64::from(symbol);
        row
    }

    fn write(store: &Store, symbol: u32, n: u64) {
        StoreWriter { store, received_at: n }.rows(EventKind::Quote, &row(symbol, n));
    }

    fn store() -> Store {
        assert_eq!(Quote::KIND.fields().len(), WIDTH);
        Store::new(Arc::new(Tables::new()), 2)
    }

    #[test]
    fn blocks_hold_the_latest_events_in_the_order_asked() {
        let store = store();
        for symbol in (0..1000).filter(|symbol: &u32| !symbol.is_multiple_of(3)) {
            for n in 0..=u64::from(symbol % 7) {
                write(&store, symbol, n);
            }
        }
        let symbols: Vec<SymbolId> = (0..1000).rev().map(SymbolId).collect();
        let unknown = Quote::UNKNOWN;
        let read = Read::of(&store, EventKind::Quote, &symbols, &[6, SYMBOL_WORD]);
        assert_eq!(read.times.len(), 1000);
        for (at, &SymbolId(symbol)) in symbols.iter().enumerate() {
            let n = u64::from(symbol % 7);
            let valid = !symbol.is_multiple_of(3);
            assert_eq!(read.valid[at], valid);
            assert_eq!(read.times[at], if valid { n } else { 0 });
            assert_eq!(read.columns[1][at], u64::from(symbol));
            let bid_price = if valid { n + 6 } else { unknown.bid_price.to_bits() };
            assert_eq!(read.columns[0][at], bid_price);
        }
    }

    #[test]
    fn a_type_without_events_has_rows_of_which_nothing_is_known() {
        let read = Read::of(&store(), EventKind::Quote, &[SymbolId(3); 70], &[0, 6]);
        assert!(!read.valid.contains(&true));
        assert_eq!(read.times, [0; 70]);
        assert_eq!(read.columns[0], [3; 70]);
        assert!(read.columns[1].iter().all(|&bid| f64::from_bits(bid).is_nan()));
    }

    #[test]
    fn no_row_of_a_block_is_torn_or_older_than_one_seen_before() {
        const SYMBOLS: u32 = 100;
        let store = store();
        let symbols: Vec<SymbolId> = (0..SYMBOLS).map(SymbolId).collect();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in 0..10_000 {
                    for symbol in 0..SYMBOLS {
                        write(&store, symbol, n);
                    }
                }
                done.store(true, Ordering::Release);
            });
            let mut newest = vec![0; SYMBOLS as usize];
            while !done.load(Ordering::Acquire) {
                let read = Read::of(&store, EventKind::Quote, &symbols, &EVERY_WORD);
                for at in (0..symbols.len()).filter(|&at| read.valid[at]) {
                    let n = read.times[at];
                    let words: Vec<u64> = read.columns.iter().map(|column| column[at]).collect();
                    assert_eq!(words, row(at as u32, n), "a torn row");
                    assert!(n >= newest[at], "the latest row went back");
                    newest[at] = n;
                }
            }
        });
    }
}

#[cfg(all(test, dxstream_loom))]
mod models {
    use loom::sync::Arc;
    use loom::thread;

    use super::*;

    #[test]
    fn the_latest_event_is_whole_never_goes_back_and_is_in_the_ring() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let shared = Arc::new((Ring::slots(2, 1), Ring::new(2, 1)));
            let add = |shared: &(Box<[AtomicU64]>, Ring), n: u64| {
                push(&shared.0, &shared.1, &[10 + n, 20 + n], n);
            };
            add(&shared, 0);
            let writer = {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    for n in 1..3 {
                        add(&shared, n);
                    }
                })
            };
            let (slot, ring) = &*shared;
            let mut last = 0;
            let mut row = [0; 2];
            for _ in 0..2 {
                let copied = copy(slot, || Some(ring), &mut row);
                let n = copied.expect("an event was there before");
                assert_eq!(row, [10 + n, 20 + n], "a torn row");
                assert!(n >= last, "the latest event went back from {last} to {n}");
                last = n;
            }
            let in_ring = ring.latest(&mut row).expect("an event was there before");
            assert!(in_ring >= last, "the ring has {in_ring}, but {last} was seen");
            writer.join().unwrap();
            assert_eq!(copy(slot, || None, &mut row), Some(2));
        });
    }
}
