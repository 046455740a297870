//! How much memory a store takes, and at most can.

use std::sync::PoisonError;

use super::rings::Rings;
use super::{MAX_BOOKS, MAX_ORDERS, Store};
use crate::book::Books;
use crate::event::EventKind;

/// What the rings of one event type have allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingMemory {
    /// The event type.
    pub kind: EventKind,
    /// Symbols that have had an event.
    pub rings: usize,
    /// Bytes of a row in a ring, with its version and its time of arrival.
    pub row_bytes: usize,
    /// Bytes allocated, the table that finds the rings included.
    pub bytes: usize,
    /// The same once these rings are full.
    pub most_bytes: usize,
}

/// What one queue holds, and what it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueMemory {
    /// The event type.
    pub kind: EventKind,
    /// Most entries: rows that wait; or, where the queue conflates, mailboxes, one of each symbol that
    /// has had a row.
    pub capacity: usize,
    /// Bytes of an entry: a row with its time of arrival, or a mailbox.
    pub entry_bytes: usize,
    /// Entries that there are.
    pub entries: usize,
    /// Entries that there is memory for beside those: rows are allocated many at a time.
    pub spare: usize,
}

/// What the order books take, and at most can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BookMemory {
    /// Books that are kept.
    pub books: usize,
    /// Most books.
    pub max_books: usize,
    /// Bytes that a book takes at most, beside its orders.
    pub book_bytes: usize,
    /// Orders that stand in the books together.
    pub orders: usize,
    /// Most orders.
    pub max_orders: usize,
    /// Bytes that an order takes at most.
    pub order_bytes: usize,
}

impl Store {
    /// What the rings have allocated, by event type; types without an event are left out.
    pub fn ring_memory(&self) -> Vec<RingMemory> {
        let of_kind = |&kind: &EventKind| {
            let (rings, bytes, most_bytes) = self.rings[kind as usize].get()?.allocated();
            let row_bytes = Rings::row_bytes(kind.fields().len());
            Some(RingMemory { kind, rings, row_bytes, bytes, most_bytes })
        };
        EventKind::ALL.iter().filter_map(of_kind).collect()
    }

    /// What the queues hold, by event type.
    pub fn queue_memory(&self) -> Vec<QueueMemory> {
        let queues = self.queues.read().unwrap_or_else(PoisonError::into_inner);
        queues
            .live()
            .map(|queue| {
                let (capacity, entry_bytes, entries, spare) = queue.memory();
                QueueMemory { kind: queue.kind, capacity, entry_bytes, entries, spare }
            })
            .collect()
    }

    /// What the order books take.
    pub fn book_memory(&self) -> BookMemory {
        let books = self.books();
        BookMemory {
            books: books.len(),
            max_books: MAX_BOOKS,
            book_bytes: Books::BOOK_BYTES,
            orders: books.orders(),
            max_orders: MAX_ORDERS,
            order_bytes: Books::ORDER_BYTES,
        }
    }
}
