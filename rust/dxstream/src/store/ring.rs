//! The last events of one symbol, readable while they are written.
//!
//! Entry `n`, counted from 0, stands in slot `n % slots`. A slot is a version word, the time of
//! arrival and the row's words, all atomic. The version is `2n + 1` while entry `n` is being written
//! and `2n + 2` once it is there, so that a reader knows of each slot whether it holds the entry that
//! was asked for, whole. Only the I/O thread writes, and it never waits.
//!
//! There is at least one slot more than entries that are kept: the entry under the writer's hand is
//! never one that a reader is owed, so a reader is not held up by a writer that was preempted.

use std::hint::black_box;
use std::sync::OnceLock;

#[cfg(dxstream_loom)]
use crate::sync::yield_now;
use crate::sync::{AtomicU64, Ordering, fence};

/// Slots per segment; segments are allocated as the ring fills and never move.
const SEGMENT_SLOTS: usize = 8;

/// Words of a slot before the row's.
pub(super) const HEADER_WORDS: usize = 2;

/// An entry as it was looked up, to be read word by word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    slot: &'a [AtomicU64],
    version: u64,
}

impl<'a> Entry<'a> {
    /// The entry of a slot, or the one that is being written there; nothing where none ever was.
    #[inline]
    pub(super) fn of(slot: &'a [AtomicU64]) -> Option<Self> {
        let version = slot[0].load(Ordering::Acquire);
        (version != 0).then_some(Self { slot, version })
    }

    /// Whether the entry was there, and not being written, when it was looked up.
    #[inline]
    pub(super) fn is_written(&self) -> bool {
        self.version.is_multiple_of(2)
    }

    /// The number of the entry.
    pub(super) fn number(&self) -> u64 {
        (self.version - 1) / 2
    }

    /// The time of arrival, which counts once [`is_whole`](Self::is_whole) was asked.
    #[inline]
    pub(super) fn received_at(&self) -> u64 {
        self.slot[1].load(Ordering::Relaxed)
    }

    /// Whether all that was read of the entry is of this entry.
    #[inline]
    pub(super) fn is_whole(&self) -> bool {
        // Pairs with the Release fence in `write`: a reader that saw a word of a later entry sees
        // its odd version as well.
        fence(Ordering::Acquire);
        self.slot[0].load(Ordering::Relaxed) == self.version
    }

    /// Copies the row and gives its time of arrival, unless it was overwritten meanwhile.
    pub(super) fn copy(&self, row: &mut [u64]) -> Option<u64> {
        let received_at = self.received_at();
        for (value, word) in row.iter_mut().zip(&self.slot[HEADER_WORDS..]) {
            *value = word.load(Ordering::Relaxed);
        }
        self.is_whole().then_some(received_at)
    }
}

/// Writes entry `n` over a slot. Called by one thread only.
pub(super) fn write(slot: &[AtomicU64], n: u64, row: &[u64], received_at: u64) {
    // Pairs with the Acquire load in `Entry::of`: a reader that learns which entry is being written
    // sees what was written before.
    slot[0].store(2 * n + 1, Ordering::Release);
    // Pairs with the Acquire fence in `Entry::is_whole`.
    fence(Ordering::Release);
    slot[1].store(received_at, Ordering::Relaxed);
    for (word, &value) in slot[HEADER_WORDS..].iter().zip(row) {
        word.store(value, Ordering::Relaxed);
    }
    // Pairs with the Acquire load in `Entry::of`: a reader that sees this version sees the words.
    slot[0].store(2 * n + 2, Ordering::Release);
}

/// A ring of the last events of one symbol and type.
#[derive(Debug)]
pub(super) struct Ring {
    width: usize,
    slots: usize,
    /// Entries written so far.
    written: AtomicU64,
    /// The slot of the next entry: `written % slots`, which the writer need not divide for.
    next: AtomicU64,
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
            next: AtomicU64::new(0),
            segments: (0..slots.div_ceil(SEGMENT_SLOTS)).map(|_| OnceLock::new()).collect(),
        }
    }

    /// Bytes that the ring has allocated for rows.
    pub(super) fn rows_bytes(&self) -> usize {
        let segments = self.segments.iter().filter(|segment| segment.get().is_some()).count();
        segments * SEGMENT_SLOTS * Self::slot_bytes(self.width)
    }

    /// The same once the ring is full.
    pub(super) fn most_rows_bytes(&self) -> usize {
        self.segments.len() * SEGMENT_SLOTS * Self::slot_bytes(self.width)
    }

    /// Bytes of the table of its segments.
    pub(super) fn table_bytes(&self) -> usize {
        size_of_val(&*self.segments)
    }

    /// Bytes of a slot for a row of `width` words.
    pub(super) const fn slot_bytes(width: usize) -> usize {
        Self::slot_words(width) * size_of::<u64>()
    }

    /// Words of a slot for a row of `width` words.
    pub(super) const fn slot_words(width: usize) -> usize {
        HEADER_WORDS + width
    }

    /// Empty slots for rows of `width` words.
    pub(super) fn slots(width: usize, count: usize) -> Box<[AtomicU64]> {
        (0..count * Self::slot_words(width)).map(|_| AtomicU64::new(0)).collect()
    }

    /// The slot of entry `n`, if its segment is there.
    fn slot(&self, n: u64) -> Option<&[AtomicU64]> {
        let slot = (n % self.slots as u64) as usize;
        Some(self.slot_of(self.segments[slot / SEGMENT_SLOTS].get()?, slot))
    }

    fn slot_of<'a>(&self, segment: &'a [AtomicU64], slot: usize) -> &'a [AtomicU64] {
        let words = Self::slot_words(self.width);
        &segment[slot % SEGMENT_SLOTS * words..][..words]
    }

    /// Adds a row that arrived at `received_at` and gives its number. Called by one thread only.
    pub(super) fn push(&self, row: &[u64], received_at: u64) -> u64 {
        // Relaxed: this thread alone writes the count, and alone knows the next slot.
        let n = self.written.load(Ordering::Relaxed);
        let slot = self.next.load(Ordering::Relaxed) as usize;
        let next = if slot + 1 == self.slots { 0 } else { slot + 1 };
        self.next.store(next as u64, Ordering::Relaxed);
        let segment = self.segments[slot / SEGMENT_SLOTS]
            .get_or_init(|| Self::slots(self.width, SEGMENT_SLOTS));
        write(self.slot_of(segment, slot), n, row, received_at);
        // Pairs with the Acquire loads of the readers: who sees the count sees the entry.
        self.written.store(n + 1, Ordering::Release);
        n
    }

    /// Reads where the segment of the next slot is.
    pub(super) fn touch_segment(&self) {
        let slot = self.next.load(Ordering::Relaxed) as usize;
        black_box(self.segments[slot / SEGMENT_SLOTS].get().is_some());
    }

    /// The slot that the next row goes to, if its segment is there.
    pub(super) fn next_slot(&self) -> Option<&[AtomicU64]> {
        // Relaxed, as above: of the thread that writes.
        let slot = self.next.load(Ordering::Relaxed) as usize;
        Some(self.slot_of(self.segments[slot / SEGMENT_SLOTS].get()?, slot))
    }

    /// Entry `n`, to be read, unless it was overwritten.
    pub(super) fn entry(&self, n: u64) -> Option<Entry<'_>> {
        // A later entry would not do: the count does not tell of it yet, so that a reader who took
        // it could find an older one next.
        self.slot(n).and_then(Entry::of).filter(|entry| entry.version == 2 * n + 2)
    }

    /// Copies the newest row and gives its time of arrival; nothing while the ring is empty.
    #[cfg(dxstream_loom)]
    pub(super) fn latest(&self, row: &mut [u64]) -> Option<u64> {
        loop {
            let newest = self.written.load(Ordering::Acquire).checked_sub(1)?;
            // A failure means that the writer has gone round the whole ring meanwhile, so that there
            // is a newer row to be read.
            if let Some(received_at) = self.entry(newest).and_then(|entry| entry.copy(row)) {
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
            let entry = self.entry(end - age);
            let Some(received_at) = entry.and_then(|entry| entry.copy(row)) else { break };
            times.push(received_at);
        }
        let rows = &rows[rows.len() - times.len() * self.width..];
        for (row, &received_at) in rows.chunks_exact(self.width).zip(times.iter().rev()) {
            take(row, received_at);
        }
    }
}
