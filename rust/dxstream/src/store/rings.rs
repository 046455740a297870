//! The rings of one event type, by symbol.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::ring::Ring;
use crate::event::SYMBOL_WORD;
use crate::symbol::{SymbolId, Tables};

/// Symbols per chunk; chunks are allocated as symbols appear and never move.
const CHUNK: usize = 256;

/// The rings of one event type.
#[derive(Debug)]
pub(super) struct Rings {
    width: usize,
    /// How many rows a ring keeps that is made from here on and was not asked for otherwise.
    history: usize,
    chunks: Box<[OnceLock<Box<[Slot]>>]>,
}

#[derive(Debug, Default)]
struct Slot {
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

    fn slot(&self, symbol: SymbolId) -> &Slot {
        let symbol = symbol.0 as usize;
        let chunk = self.chunks[symbol / CHUNK]
            .get_or_init(|| (0..CHUNK).map(|_| Slot::default()).collect());
        &chunk[symbol % CHUNK]
    }

    /// The ring of a symbol that has had an event.
    pub(super) fn get(&self, symbol: SymbolId) -> Option<&Ring> {
        let symbol = symbol.0 as usize;
        self.chunks.get(symbol / CHUNK)?.get()?[symbol % CHUNK].ring.get()
    }

    /// Lets the ring of a symbol keep `history` rows. A ring that has had an event stays as it is.
    pub(super) fn set_history(&self, symbol: SymbolId, history: usize) {
        // Relaxed: the number stands for itself.
        self.slot(symbol).asked.store(history + 1, Ordering::Relaxed);
    }

    /// Adds a row to its symbol's ring. Called by one thread only.
    pub(super) fn push(&self, row: &[u64], received_at: u64) {
        let slot = self.slot(SymbolId(row[SYMBOL_WORD] as u32));
        let ring = slot.ring.get_or_init(|| {
            let asked = slot.asked.load(Ordering::Relaxed);
            Ring::new(self.width, asked.checked_sub(1).unwrap_or(self.history))
        });
        ring.push(row, received_at);
    }

    /// How many rings there are, and how many bytes the table and they have allocated.
    pub(super) fn allocated(&self) -> (usize, usize) {
        let mut rings = 0;
        let mut bytes = size_of_val(&*self.chunks);
        for chunk in self.chunks.iter().filter_map(OnceLock::get) {
            bytes += size_of_val(&**chunk);
            for ring in chunk.iter().filter_map(|slot| slot.ring.get()) {
                rings += 1;
                bytes += ring.allocated() - size_of::<Ring>();
            }
        }
        (rings, bytes)
    }
}
