//! The books of one connection.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use super::{Book, is_order};
use crate::event::{AnalyticOrder, EventKind, Order, Record, SpreadOrder, Text};
use crate::symbol::SymbolId;

/// The books of one connection, by event type, symbol and source.
///
/// A book is made by the first row of its symbol and source, or by an empty snapshot. An order takes at most
/// [`ORDER_BYTES`](Self::ORDER_BYTES) and a book [`BOOK_BYTES`](Self::BOOK_BYTES), so that all
/// together take at most `max_books * BOOK_BYTES + max_orders * ORDER_BYTES`. What is beyond the
/// bounds is refused and counted, and the book that lacks an order is not complete.
#[derive(Debug)]
pub struct Books {
    by_key: HashMap<Key, Book, RandomState>,
    max_len: usize,
    max_orders: usize,
    orders: usize,
    refused: u64,
}

/// The types are kept apart: each has snapshots of its own, which would empty the others' book.
type Key = (EventKind, u32, u64);

impl Books {
    /// Bytes that an order takes at most.
    ///
    /// An order and its rank are 136 bytes, its index and place 56; each pair is in a B-tree whose
    /// nodes have room for 11, hold 5 at least and are freed as they empty.
    pub const ORDER_BYTES: usize = 448;

    /// Bytes that a book takes at most beside its orders: its entry, and the root of three trees.
    pub const BOOK_BYTES: usize = 4096;

    /// No books yet, and at most `max_books` of `max_orders` orders together.
    pub fn new(max_books: usize, max_orders: usize) -> Self {
        Self { by_key: HashMap::default(), max_len: max_books, max_orders, orders: 0, refused: 0 }
    }

    /// Applies rows as the protocol hands them on: a complete group of one book, or rows of any
    /// books that each stand alone. Rows of types that are not orders are left alone.
    pub fn apply(&mut self, kind: EventKind, rows: &[u64]) {
        if !is_order(kind) {
            return;
        }
        let width = kind.fields().len();
        let mut rest = rows;
        while rest.len() >= width {
            let key = key_of(kind, &rest[..width]);
            let same = rest.chunks_exact(width).take_while(|row| key_of(kind, row) == key);
            let (group, others) = rest.split_at(same.count() * width);
            self.apply_group(key, group);
            rest = others;
        }
    }

    fn apply_group(&mut self, key: Key, group: &[u64]) {
        if !self.by_key.contains_key(&key) && self.by_key.len() >= self.max_len {
            self.refused += 1;
            return;
        }
        let book = self.by_key.entry(key).or_default();
        let others = self.orders - book.len();
        book.apply_within(key.0, group, (self.max_orders - others).min(Book::MAX_ORDERS));
        self.orders = others + book.len();
    }

    /// Applies an empty snapshot, which has no rows, to one book.
    pub fn clear(&mut self, kind: EventKind, symbol: SymbolId, source: Text) {
        let key = (kind, symbol.0, source.0);
        if self.by_key.contains_key(&key) || self.by_key.len() < self.max_len {
            // Without it the book would not be complete when its first order comes.
            let book = self.by_key.entry(key).or_default();
            self.orders -= book.len();
            book.clear();
        }
    }

    /// Takes note that rows of symbols may have been lost: their books are not complete until the
    /// next snapshot.
    pub fn interrupt(&mut self, kind: EventKind, symbols: &HashSet<SymbolId>) {
        let books = self.by_key.iter_mut();
        let concerned =
            books.filter(|(key, _)| key.0 == kind && symbols.contains(&SymbolId(key.1)));
        concerned.for_each(|(_, book)| book.interrupt());
    }

    /// The book of a symbol and source, where there was a row or a snapshot of it.
    pub fn get(&self, kind: EventKind, symbol: SymbolId, source: Text) -> Option<&Book> {
        self.by_key.get(&(kind, symbol.0, source.0))
    }

    /// Forgets one book.
    pub fn forget(&mut self, kind: EventKind, symbol: SymbolId, source: Text) {
        if let Some(book) = self.by_key.remove(&(kind, symbol.0, source.0)) {
            self.orders -= book.len();
        }
    }

    /// How many books there are.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether there is no book.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// How many orders stand in the books together.
    pub fn orders(&self) -> usize {
        self.orders
    }

    /// How many groups were of a book for which there was no room.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

fn key_of(kind: EventKind, row: &[u64]) -> Key {
    let (symbol, source) = match kind {
        EventKind::AnalyticOrder => {
            let order = AnalyticOrder::from_row(row);
            (order.event_symbol, order.source)
        }
        EventKind::SpreadOrder => {
            let order = SpreadOrder::from_row(row);
            (order.event_symbol, order.source)
        }
        _ => {
            let order = Order::from_row(row);
            (order.event_symbol, order.source)
        }
    };
    (kind, symbol.0, source.0)
}
