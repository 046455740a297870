//! The latest event of each symbol, readable while it is written.
//!
//! Each slot is a version word and the row's words, all atomic. The version is odd while the writer
//! is inside; a reader that saw it odd or changed reads again. Only the I/O thread writes.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use crate::event::SYMBOL_WORD;
use crate::symbol::{SymbolId, Tables};

/// Slots per chunk; chunks are allocated as symbols appear and never move.
const CHUNK: usize = 256;

/// The latest row of each symbol, for one event type.
#[derive(Debug)]
pub(super) struct LatestTable {
    width: usize,
    chunks: Box<[OnceLock<Box<[AtomicU64]>>]>,
}

impl LatestTable {
    pub(super) fn new(width: usize) -> Self {
        let chunks = Tables::MAX_SYMBOLS / CHUNK;
        Self { width, chunks: (0..chunks).map(|_| OnceLock::new()).collect() }
    }

    fn slot_words(&self) -> usize {
        1 + self.width
    }

    /// Sets the latest row of its symbol. Called by one thread only.
    pub(super) fn write(&self, row: &[u64]) {
        let symbol = row[SYMBOL_WORD] as usize;
        let chunk = self.chunks[symbol / CHUNK]
            .get_or_init(|| (0..CHUNK * self.slot_words()).map(|_| AtomicU64::new(0)).collect());
        let start = symbol % CHUNK * self.slot_words();
        let (version, words) = chunk[start..start + self.slot_words()]
            .split_first()
            .expect("a slot begins with its version");
        // Relaxed: this thread alone writes the version.
        let before = version.load(Ordering::Relaxed);
        version.store(before + 1, Ordering::Relaxed);
        // Pairs with the Acquire fence in `read`: a reader that saw one of the words below sees the
        // odd version too.
        fence(Ordering::Release);
        for (word, &value) in words.iter().zip(row) {
            word.store(value, Ordering::Relaxed);
        }
        // Pairs with the Acquire load in `read`: a reader that sees this version sees the words.
        version.store(before + 2, Ordering::Release);
    }

    /// Copies the latest row of `symbol`; says whether there is one.
    pub(super) fn read(&self, symbol: SymbolId, row: &mut [u64]) -> bool {
        let symbol = symbol.0 as usize;
        let Some(chunk) = self.chunks.get(symbol / CHUNK).and_then(OnceLock::get) else {
            return false;
        };
        let start = symbol % CHUNK * self.slot_words();
        let (version, words) = chunk[start..start + self.slot_words()]
            .split_first()
            .expect("a slot begins with its version");
        loop {
            let before = version.load(Ordering::Acquire);
            if before == 0 {
                return false;
            }
            if before % 2 == 0 {
                for (value, word) in row[..self.width].iter_mut().zip(words) {
                    *value = word.load(Ordering::Relaxed);
                }
                fence(Ordering::Acquire);
                if version.load(Ordering::Relaxed) == before {
                    return true;
                }
            }
            // The writer is inside the slot; it may have been preempted there.
            std::thread::yield_now();
        }
    }
}
