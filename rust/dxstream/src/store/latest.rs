//! The latest events of many symbols, kept beside each other and read by fields.
//!
//! An event is written to the ring of its symbol and then to the symbol's slot here, so that what is
//! seen here is in the ring too. Who finds the slot being written takes the same entry from the ring:
//! a reader is not held up by a writer that was preempted, and no symbol goes back to an older event.
//!
//! Symbols are read a block at a time: first their entries are looked up, then each field is read of
//! all of them, then each entry is asked whether it is still there. So the processor has many reads
//! under way at once, and each row is one event.

use super::ring::{Entry, Ring, write};
use super::rings::Rings;
use crate::event::{EventKind, FieldKind, MAX_WORDS};
use crate::symbol::SymbolId;
use crate::sync::{AtomicU64, yield_now};

/// Most rows of a block.
const ROWS: usize = 64;

/// The latest events of some symbols, by fields.
#[derive(Debug)]
pub struct LatestBlock {
    first: usize,
    rows: usize,
    valid: [bool; ROWS],
    times: [u64; ROWS],
    columns: [[u64; ROWS]; MAX_WORDS],
}

impl LatestBlock {
    /// The place of the block's first symbol among those that were asked for.
    pub fn first(&self) -> usize {
        self.first
    }

    /// Which symbols have had an event.
    pub fn valid(&self) -> &[bool] {
        &self.valid[..self.rows]
    }

    /// When the events arrived; 0 where there is none.
    pub fn times(&self) -> &[u64] {
        &self.times[..self.rows]
    }

    /// The words of one of the fields that were asked for; unknown where there is no event.
    ///
    /// # Panics
    /// If there are not so many.
    pub fn column(&self, at: usize) -> &[u64] {
        &self.columns[at][..self.rows]
    }
}

/// Adds a row to a ring and puts it into the slot of its symbol. Called by one thread only.
pub(super) fn push(slot: &[AtomicU64], ring: &Ring, row: &[u64], received_at: u64) {
    let n = ring.push(row, received_at);
    write(slot, n, row, received_at);
}

/// The newest entry of a symbol, to be read; nothing where there is none.
#[inline]
pub(super) fn newest<'a>(
    slot: &'a [AtomicU64],
    ring: impl Fn() -> Option<&'a Ring>,
) -> Option<Entry<'a>> {
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

/// Reads the fields of an event type whose places are `words`, at most [`MAX_WORDS`] of them, and
/// hands on block after block.
pub(super) fn read(
    rings: Option<&Rings>,
    kind: EventKind,
    symbols: &[SymbolId],
    words: &[usize],
    mut take: impl FnMut(&LatestBlock),
) {
    let fields = kind.fields();
    assert!(words.len() <= MAX_WORDS, "a row has at most {MAX_WORDS} fields");
    let mut block = LatestBlock {
        first: 0,
        rows: 0,
        valid: [false; ROWS],
        times: [0; ROWS],
        columns: [[0; ROWS]; MAX_WORDS],
    };
    for (at, symbols) in symbols.chunks(ROWS).enumerate() {
        block.first = at * ROWS;
        block.rows = symbols.len();
        let mut entries: [Option<Entry<'_>>; ROWS] = [None; ROWS];
        let entries = &mut entries[..symbols.len()];
        if let Some(rings) = rings {
            for (entry, &symbol) in entries.iter_mut().zip(symbols) {
                *entry = rings.newest(symbol);
            }
        }
        for (column, &word) in block.columns.iter_mut().zip(words) {
            let unknown = fields[word].kind.unknown();
            for (value, entry) in column.iter_mut().zip(&*entries) {
                *value = entry.as_ref().map_or(unknown, |entry| entry.word(word));
            }
            if fields[word].kind == FieldKind::Symbol {
                for (value, symbol) in column.iter_mut().zip(symbols) {
                    *value = u64::from(symbol.0);
                }
            }
        }
        for (row, entry) in entries.iter().enumerate() {
            block.valid[row] = entry.is_some();
            block.times[row] = entry.as_ref().map_or(0, Entry::received_at);
        }
        for (row, (entry, &symbol)) in entries.iter().zip(symbols).enumerate() {
            if entry.is_none_or(|entry| entry.is_whole()) {
                continue;
            }
            let mut latest = [0; MAX_WORDS];
            let latest = &mut latest[..fields.len()];
            let again = rings.and_then(|rings| rings.latest(symbol, latest));
            block.times[row] = again.expect("a ring that had an event keeps one");
            for (column, &word) in block.columns.iter_mut().zip(words) {
                column[row] = latest[word];
            }
        }
        take(&block);
    }
}

#[cfg(all(test, not(dxstream_loom)))]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::event::{Quote, Record, SYMBOL_WORD};
    use crate::protocol::EventSink;
    use crate::store::{Store, StoreWriter};
    use crate::symbol::Tables;

    const WIDTH: usize = 12;
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
        let mut seen = 0;
        store.read_latest(EventKind::Quote, &symbols, &[6, SYMBOL_WORD], |block| {
            assert_eq!(block.first(), seen);
            for (at, &valid) in block.valid().iter().enumerate() {
                let symbol = symbols[seen + at].0;
                let n = u64::from(symbol % 7);
                assert_eq!(valid, !symbol.is_multiple_of(3));
                assert_eq!(block.times()[at], if valid { n } else { 0 });
                assert_eq!(block.column(1)[at], u64::from(symbol));
                let bid_price = if valid { n + 6 } else { unknown.bid_price.to_bits() };
                assert_eq!(block.column(0)[at], bid_price);
            }
            seen += block.valid().len();
        });
        assert_eq!(seen, 1000);
    }

    #[test]
    fn a_type_without_events_has_rows_of_which_nothing_is_known() {
        let mut rows = 0;
        store().read_latest(EventKind::Quote, &[SymbolId(3); 70], &[0, 6], |block| {
            assert!(!block.valid().contains(&true));
            assert!(block.column(0).iter().all(|&symbol| symbol == 3));
            assert!(block.column(1).iter().all(|&bid| f64::from_bits(bid).is_nan()));
            rows += block.times().len();
        });
        assert_eq!(rows, 70);
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
                store.read_latest(EventKind::Quote, &symbols, &EVERY_WORD, |block| {
                    for at in 0..block.times().len() {
                        if !block.valid()[at] {
                            continue;
                        }
                        let n = block.times()[at];
                        let symbol = (block.first() + at) as u32;
                        let read: Vec<u64> =
                            (0..WIDTH).map(|word| block.column(word)[at]).collect();
                        assert_eq!(read, row(symbol, n), "a torn row");
                        assert!(n >= newest[symbol as usize], "the latest row went back");
                        newest[symbol as usize] = n;
                    }
                });
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
