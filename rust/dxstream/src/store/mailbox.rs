//! The last row of one symbol, handed from the writer to the reader without a lock.
//!
//! A mailbox has three slots for a row. The writer fills its back slot, the reader empties its front
//! slot, and each swaps its own with the middle one in a single step: neither ever waits for the
//! other, and each owns the slot in its hand. The middle slot is marked while it holds a row that
//! nobody took, so that the writer learns whether it replaced one.
//!
//! There is one writer. The right to take the row belongs to whoever was handed the mailbox: in a
//! queue, to whoever popped it off the ready list.

use crate::sync::{AtomicU64, Ordering};

/// Marks a middle slot whose row was not taken.
const WAITS: u64 = 4;

/// The last row of one symbol.
#[derive(Debug)]
pub(super) struct Mailbox {
    /// Words of a slot: when the row arrived, and the row's.
    slot_words: usize,
    slots: Box<[AtomicU64]>,
    /// The slot between the two sides, and whether its row waits.
    middle: AtomicU64,
    /// The writer's slot; the writer alone reads and writes it.
    back: AtomicU64,
    /// The reader's slot; the reader alone reads and writes it.
    front: AtomicU64,
    /// From when on the next row may be taken. Written by the reader before its swap and read by the
    /// writer after the swap that finds the row taken.
    open_at: AtomicU64,
}

impl Mailbox {
    /// An empty mailbox for rows of `width` words.
    pub(super) fn new(width: usize) -> Self {
        let slot_words = width + 1;
        Self {
            slot_words,
            slots: (0..3 * slot_words).map(|_| AtomicU64::new(0)).collect(),
            middle: AtomicU64::new(1),
            back: AtomicU64::new(0),
            front: AtomicU64::new(2),
            open_at: AtomicU64::new(0),
        }
    }

    /// Bytes of a mailbox for rows of `width` words.
    pub(super) const fn bytes(width: usize) -> usize {
        size_of::<Self>() + 3 * (width + 1) * size_of::<u64>()
    }

    fn slot(&self, index: u64) -> &[AtomicU64] {
        &self.slots[index as usize * self.slot_words..][..self.slot_words]
    }

    /// Puts a row in; says whether it replaced one that waited. The writer's.
    pub(super) fn put(&self, row: &[u64], received_at: u64) -> bool {
        let back = self.back.load(Ordering::Relaxed);
        let slot = self.slot(back);
        slot[0].store(received_at, Ordering::Relaxed);
        for (word, &value) in slot[1..].iter().zip(row) {
            word.store(value, Ordering::Relaxed);
        }
        // Release pairs with the Acquire of the swap in `take`: who takes the slot sees its words.
        // Acquire pairs with the Release of that swap: the reader has done with the slot that comes
        // back, and what it stored before (`open_at`, its count of rows taken) is seen.
        let middle = self.middle.swap(back | WAITS, Ordering::AcqRel);
        self.back.store(middle & !WAITS, Ordering::Relaxed);
        middle & WAITS != 0
    }

    /// Whether a row waits. The writer's; what the reader stored before it took the row is seen.
    pub(super) fn waits(&self) -> bool {
        // Acquire pairs with the Release of the swap in `take`.
        self.middle.load(Ordering::Acquire) & WAITS != 0
    }

    /// From when on the next row may be taken, once a row was put where none waited. The writer's.
    pub(super) fn open_at(&self) -> u64 {
        // Relaxed: ordered by the swap in `put`, which found the reader's.
        self.open_at.load(Ordering::Relaxed)
    }

    /// Forgets the row that waits. For the writer, where it has the right to take it.
    pub(super) fn discard(&self) {
        // Relaxed: the slot stays where it is, and only the writer will fill one.
        self.middle.fetch_and(!WAITS, Ordering::Relaxed);
    }

    /// Takes the row that waits into `row` at the time `now` and gives its time of arrival; the next
    /// may be taken `interval` later. The reader's, where it has the right to.
    pub(super) fn take(&self, now: u64, interval: u64, row: &mut Vec<u64>) -> u64 {
        // The reader may have looked at its clock before the row was made ready; a rate counts from
        // then on at the earliest.
        let taken_at = now.max(self.open_at.load(Ordering::Relaxed));
        self.open_at.store(taken_at.saturating_add(interval), Ordering::Relaxed);
        let front = self.front.load(Ordering::Relaxed);
        // Acquire pairs with the Release of the swap in `put`, and the other way round.
        let middle = self.middle.swap(front, Ordering::AcqRel);
        debug_assert!(middle & WAITS != 0, "a row was taken that does not wait");
        let front = middle & !WAITS;
        self.front.store(front, Ordering::Relaxed);
        self.read(front, row)
    }

    /// Copies the row that waits into `row` and gives its time of arrival. Neither side may be at
    /// work.
    pub(super) fn peek(&self, row: &mut Vec<u64>) -> Option<u64> {
        let middle = self.middle.load(Ordering::Acquire);
        (middle & WAITS != 0).then(|| self.read(middle & !WAITS, row))
    }

    fn read(&self, slot: u64, row: &mut Vec<u64>) -> u64 {
        let slot = self.slot(slot);
        row.clear();
        row.extend(slot[1..].iter().map(|word| word.load(Ordering::Relaxed)));
        slot[0].load(Ordering::Relaxed)
    }
}
