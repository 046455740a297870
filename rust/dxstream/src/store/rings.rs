//! The rings of one event type, by symbol.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::latest::{self, Slot};
use super::ring::Ring;
use crate::event::SYMBOL_WORD;
use crate::symbol::{SymbolId, Tables};
use crate::sync::AtomicU64;

/// Symbols per chunk; chunks are allocated as symbols appear and never move.
const CHUNK: usize = 256;

/// Rows whose slots are fetched together.
const TOGETHER: usize = 16;

/// Fewer rows are not worth it.
const FEW: usize = 4;

/// Words of a line of the processor's cache.
const LINE_WORDS: usize = 64 / size_of::<u64>();

/// Reads a word of each of a slot's cache lines, so that all are on their way before they are written.
fn touch(slot: &[AtomicU64]) {
    for line in slot.chunks(LINE_WORDS) {
        line[0].load(Ordering::Relaxed);
    }
    slot[slot.len() - 1].load(Ordering::Relaxed);
}

/// The rings of one event type.
#[derive(Debug)]
pub(super) struct Rings {
    width: usize,
    /// How many rows a ring keeps that is made from here on and was not asked for otherwise.
    history: usize,
    chunks: Box<[OnceLock<Chunk>]>,
}

#[derive(Debug)]
struct Chunk {
    symbols: Box<[Symbol]>,
    /// The latest event of each symbol, beside each other.
    latest: Box<[AtomicU64]>,
}

#[derive(Debug, Default)]
struct Symbol {
    ring: OnceLock<Ring>,
    /// Rows that the ring is to keep, plus one; zero where nothing was asked for.
    asked: AtomicUsize,
}

impl Rings {
    pub(super) fn new(width: usize, history: usize) -> Self {
        let chunks = Tables::MAX_SYMBOLS.div_ceil(CHUNK);
        Self { width, history, chunks: (0..chunks).map(|_| OnceLock::new()).collect() }
    }

    /// Bytes of a row of `width` words in a ring.
    pub(super) const fn row_bytes(width: usize) -> usize {
        Ring::slot_bytes(width)
    }

    fn chunk(&self, symbol: SymbolId) -> &Chunk {
        self.chunks[symbol.0 as usize / CHUNK].get_or_init(|| Chunk {
            symbols: (0..CHUNK).map(|_| Symbol::default()).collect(),
            latest: latest::slots(self.width, CHUNK),
        })
    }

    /// The ring of a symbol that has had an event.
    pub(super) fn get(&self, symbol: SymbolId) -> Option<&Ring> {
        let symbol = symbol.0 as usize;
        self.chunks.get(symbol / CHUNK)?.get()?.symbols[symbol % CHUNK].ring.get()
    }

    /// The slots of the latest events of symbols, one call after another; nothing where there is none.
    pub(super) fn latest_slots<'a>(&'a self) -> impl FnMut(SymbolId) -> Option<&'a Slot> {
        // Symbols that were subscribed together are beside each other.
        let mut last = (usize::MAX, None);
        move |symbol| {
            let number = symbol.0 as usize / CHUNK;
            if number != last.0 {
                last = (number, self.chunks.get(number)?.get().map(|chunk| &*chunk.latest));
            }
            let start = symbol.0 as usize % CHUNK * Ring::slot_words(self.width);
            last.1?.get(start..)?.first_chunk()
        }
    }

    /// Copies the newest row of a symbol and gives its time of arrival; nothing where there is none.
    pub(super) fn latest(&self, symbol: SymbolId, row: &mut [u64]) -> Option<u64> {
        let at = symbol.0 as usize % CHUNK;
        let chunk = self.chunks.get(symbol.0 as usize / CHUNK)?.get()?;
        latest::copy(self.latest_slot(chunk, at), || chunk.symbols[at].ring.get(), row)
    }

    fn latest_slot<'a>(&self, chunk: &'a Chunk, at: usize) -> &'a [AtomicU64] {
        let words = Ring::slot_words(self.width);
        &chunk.latest[at * words..][..words]
    }

    /// Lets the ring of a symbol keep `history` rows. A ring that has had an event stays as it is.
    pub(super) fn set_history(&self, symbol: SymbolId, history: usize) {
        // Relaxed: the number stands for itself.
        let of_symbol = &self.chunk(symbol).symbols[symbol.0 as usize % CHUNK];
        of_symbol.asked.store(history + 1, Ordering::Relaxed);
    }

    /// Adds rows to the rings of their symbols, in their order. Called by one thread at a time.
    ///
    /// Memory is waited for once for many rows: what leads to their slots is read of all of them, then a
    /// word of each line of the slots, and then each is written.
    pub(super) fn push<'a>(
        &self,
        mut rows: impl ExactSizeIterator<Item = &'a [u64]>,
        received_at: u64,
    ) {
        while rows.len() >= FEW {
            let mut places = [const { None }; TOGETHER];
            for (place, row) in places.iter_mut().zip(&mut rows) {
                let (latest, ring) = self.place(row);
                touch(latest);
                *place = Some((row, latest, ring));
            }
            let places = || places.iter().flatten();
            for (_, _, ring) in places() {
                ring.touch_segment();
            }
            for (_, _, ring) in places() {
                ring.next_slot().map(touch);
            }
            for &(row, latest, ring) in places() {
                latest::push(latest, ring, row, received_at);
            }
        }
        for row in rows {
            let (latest, ring) = self.place(row);
            latest::push(latest, ring, row, received_at);
        }
    }

    /// The slot of the latest event and the ring of a row's symbol.
    fn place(&self, row: &[u64]) -> (&[AtomicU64], &Ring) {
        let symbol = SymbolId(row[SYMBOL_WORD] as u32);
        let chunk = self.chunk(symbol);
        let at = symbol.0 as usize % CHUNK;
        let ring = chunk.symbols[at].ring.get_or_init(|| {
            let asked = chunk.symbols[at].asked.load(Ordering::Relaxed);
            Ring::new(self.width, asked.checked_sub(1).unwrap_or(self.history))
        });
        (self.latest_slot(chunk, at), ring)
    }

    /// How many rings there are, how many bytes the table and they have allocated, and how many once
    /// these rings are full.
    pub(super) fn allocated(&self) -> (usize, usize, usize) {
        let (mut rings, mut table) = (0, size_of_val(&*self.chunks));
        let (mut rows, mut most_rows) = (0, 0);
        for chunk in self.chunks.iter().filter_map(OnceLock::get) {
            table += size_of_val(&*chunk.symbols) + size_of_val(&*chunk.latest);
            for ring in chunk.symbols.iter().filter_map(|of_symbol| of_symbol.ring.get()) {
                rings += 1;
                table += ring.table_bytes();
                rows += ring.rows_bytes();
                most_rows += ring.most_rows_bytes();
            }
        }
        (rings, table + rows, table + most_rows)
    }
}
