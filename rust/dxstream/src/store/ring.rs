//! The last events of one symbol, readable while they are written.
//!
//! Entry `n`, counted from 0, stands in slot `n % slots`. A slot is a version word, the time of
//! arrival and the row's words, all atomic. The version is `2n + 1` while entry `n` is being written
//! and `2n + 2` once it is there, so that a reader knows of each slot whether it holds the entry that
//! was asked for, whole. Only the I/O thread writes, and it never waits.
//!
//! There is at least one slot more than entries that are kept: the entry under the writer's hand is
//! never one that a reader is owed, so a reader is not held up by a writer that was preempted.

use std::sync::OnceLock;

use crate::sync::{AtomicU64, Ordering, fence, yield_now};

/// Slots per segment; segments are allocated as the ring fills and never move.
const SEGMENT_SLOTS: usize = 8;

/// Words of a slot before the row's.
const HEADER_WORDS: usize = 2;

/// A ring of the last events of one symbol and type.
#[derive(Debug)]
pub(super) struct Ring {
    width: usize,
    slots: usize,
    /// Entries written so far.
    written: AtomicU64,
    segments: Box<[OnceLock<Box<[AtomicU64]>>]>,
}

impl Ring {
    /// An empty ring that keeps the last `history` rows of `width` words; the latest at least.
    pub(super) fn new(width: usize, history: usize) -> Self {
        let slots = history.max(1) + 1;
        Self {
            width,
            slots,
            written: AtomicU64::new(0),
            segments: (0..slots.div_ceil(SEGMENT_SLOTS)).map(|_| OnceLock::new()).collect(),
        }
    }

    /// Bytes that the ring has allocated.
    pub(super) fn allocated(&self) -> usize {
        let of_segment = SEGMENT_SLOTS * Self::slot_bytes(self.width);
        let segments = self.segments.iter().filter(|segment| segment.get().is_some()).count();
        size_of::<Self>() + size_of_val(&*self.segments) + segments * of_segment
    }

    /// Bytes of a slot for a row of `width` words.
    pub(super) const fn slot_bytes(width: usize) -> usize {
        (HEADER_WORDS + width) * size_of::<u64>()
    }

    fn slot_words(&self) -> usize {
        HEADER_WORDS + self.width
    }

    /// The slot of entry `n`, if its segment is there.
    fn slot(&self, n: u64) -> Option<&[AtomicU64]> {
        let slot = (n % self.slots as u64) as usize;
        let segment = self.segments[slot / SEGMENT_SLOTS].get()?;
        let start = slot % SEGMENT_SLOTS * self.slot_words();
        Some(&segment[start..start + self.slot_words()])
    }

    /// Adds a row that arrived at `received_at`. Called by one thread only.
    pub(super) fn push(&self, row: &[u64], received_at: u64) {
        // Relaxed: this thread alone writes the count.
        let n = self.written.load(Ordering::Relaxed);
        let slot = (n % self.slots as u64) as usize;
        self.segments[slot / SEGMENT_SLOTS].get_or_init(|| {
            (0..SEGMENT_SLOTS * self.slot_words()).map(|_| AtomicU64::new(0)).collect()
        });
        let slot = self.slot(n).expect("the segment was just made");
        slot[0].store(2 * n + 1, Ordering::Relaxed);
        // Pairs with the Acquire fence in `read_slot`: a reader that saw a word written below sees
        // the odd version as well.
        fence(Ordering::Release);
        slot[1].store(received_at, Ordering::Relaxed);
        for (word, &value) in slot[HEADER_WORDS..].iter().zip(row) {
            word.store(value, Ordering::Relaxed);
        }
        // Pairs with the Acquire load in `read_slot`: a reader that sees this version sees the words.
        slot[0].store(2 * n + 2, Ordering::Release);
        // Pairs with the Acquire loads of the readers: who sees the count sees the slot.
        self.written.store(n + 1, Ordering::Release);
    }

    /// Copies entry `n` and gives its time of arrival, unless it was overwritten.
    fn read_slot(&self, n: u64, row: &mut [u64]) -> Option<u64> {
        let slot = self.slot(n)?;
        if slot[0].load(Ordering::Acquire) != 2 * n + 2 {
            return None;
        }
        let received_at = slot[1].load(Ordering::Relaxed);
        for (value, word) in row.iter_mut().zip(&slot[HEADER_WORDS..]) {
            *value = word.load(Ordering::Relaxed);
        }
        fence(Ordering::Acquire);
        (slot[0].load(Ordering::Relaxed) == 2 * n + 2).then_some(received_at)
    }

    /// Copies the newest row and gives its time of arrival; nothing while the ring is empty.
    pub(super) fn latest(&self, row: &mut [u64]) -> Option<u64> {
        loop {
            let newest = self.written.load(Ordering::Acquire).checked_sub(1)?;
            // A failure means that the writer has gone round the whole ring meanwhile, so that there
            // is a newer row to be read.
            if let Some(received_at) = self.read_slot(newest, row) {
                return Some(received_at);
            }
            yield_now();
        }
    }

    /// Hands the last `most` rows with their times of arrival to `take`, oldest first. Rows that are
    /// overwritten meanwhile are left out on the oldest side.
    pub(super) fn history(&self, most: usize, mut take: impl FnMut(&[u64], u64)) {
        let end = self.written.load(Ordering::Acquire);
        let kept = most.min(self.slots - 1) as u64;
        let start = end.saturating_sub(kept);
        let mut rows = vec![0; (end - start) as usize * self.width];
        let mut times = Vec::with_capacity((end - start) as usize);
        // From the newest on, so that the writer overtakes the reader as late as can be; what is
        // older than a row that was overwritten is so too.
        for (age, row) in (1..).zip(rows.chunks_exact_mut(self.width).rev()) {
            let Some(received_at) = self.read_slot(end - age, row) else { break };
            times.push(received_at);
        }
        let rows = &rows[rows.len() - times.len() * self.width..];
        for (row, &received_at) in rows.chunks_exact(self.width).zip(times.iter().rev()) {
            take(row, received_at);
        }
    }
}
