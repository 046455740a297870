//! Order books, built from the rows of order events.
//!
//! A book takes complete groups of rows, as the protocol hands them on: a transaction or a snapshot
//! is one group. It is changed by one owner and read between groups, so that a reader never sees
//! half of a transaction; [`Book::epoch`] tells two readings apart.
//!
//! An event with SNAPSHOT_BEGIN empties the book first. An event replaces the order with its index.
//! An order stands in the book if its size is above zero, its price is a number and its side is
//! buy or sell; any other event of it, and REMOVE_EVENT, takes it out. Orders stand best price
//! first, and at one price by `time`, `time_nano_part`, `sequence` and `index`, least first.

mod books;
mod order;

use std::collections::btree_map::{self, BTreeMap};
use std::iter::Peekable;

pub use books::Books;
pub use order::{BookOrder, is_order};

use crate::event::EventKind;
use order::{BookSide, Change, Rank};

/// The order book of one symbol and source.
#[derive(Debug, Default)]
pub struct Book {
    bids: BTreeMap<Rank, BookOrder>,
    asks: BTreeMap<Rank, BookOrder>,
    places: BTreeMap<i64, (BookSide, Rank)>,
    epoch: u64,
    loading: bool,
    complete: bool,
    refused: u64,
}

/// One price of a side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// The price.
    pub price: f64,
    /// The sizes of the price's orders together.
    pub size: f64,
    /// The orders of the price: an aggregated one counts as many as it says, any other is one.
    pub count: u64,
}

/// The bids or the asks of a book, best first.
#[derive(Debug, Clone, Copy)]
pub struct Orders<'a>(&'a BTreeMap<Rank, BookOrder>);

impl Book {
    /// Most orders that one book holds.
    pub const MAX_ORDERS: usize = 1 << 20;

    /// An empty book, which is not complete before its first snapshot.
    pub fn new() -> Self {
        Self::default()
    }

    /// Applies one complete group of rows of one symbol and source.
    ///
    /// # Panics
    /// If `kind` is not an order type.
    pub fn apply(&mut self, kind: EventKind, group: &[u64]) {
        self.apply_within(kind, group, Self::MAX_ORDERS);
    }

    /// Applies a group; an order with a new index is refused where the book has `limit` orders.
    fn apply_within(&mut self, kind: EventKind, group: &[u64], limit: usize) {
        for row in group.chunks_exact(kind.fields().len()) {
            let change = Change::from_row(kind, row);
            if change.begins_snapshot {
                self.empty();
                self.loading = true;
            }
            self.remove(change.index);
            if let Some((side, order)) = change.order {
                if self.len() < limit {
                    self.insert(side, order);
                } else {
                    self.refused += 1;
                    self.complete = false;
                }
            }
            if change.ends_snapshot && self.loading {
                self.loading = false;
                self.complete = self.refused == 0;
            }
        }
        self.epoch += 1;
    }

    /// Applies an empty snapshot: the book is complete and has no orders.
    pub fn clear(&mut self) {
        self.empty();
        self.complete = true;
        self.epoch += 1;
    }

    /// Takes note that rows may have been lost. What stands in the book is what was known last; it is
    /// not complete until its next snapshot.
    pub fn interrupt(&mut self) {
        self.loading = false;
        self.complete = false;
        self.epoch += 1;
    }

    /// The buyers' orders, highest price first.
    pub fn bids(&self) -> Orders<'_> {
        Orders(&self.bids)
    }

    /// The sellers' orders, lowest price first.
    pub fn asks(&self) -> Orders<'_> {
        Orders(&self.asks)
    }

    /// How many groups were applied. Two readings with the same epoch are of the same book.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// How many orders stand in the book.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether no order stands in the book.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Whether the book has had a whole snapshot and every order since.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// How many orders found no room since the book's last snapshot began.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    fn empty(&mut self) {
        self.bids.clear();
        self.asks.clear();
        self.places.clear();
        self.loading = false;
        self.complete = false;
        self.refused = 0;
    }

    fn side_mut(&mut self, side: BookSide) -> &mut BTreeMap<Rank, BookOrder> {
        match side {
            BookSide::Bids => &mut self.bids,
            BookSide::Asks => &mut self.asks,
        }
    }

    fn remove(&mut self, index: i64) {
        if let Some((side, rank)) = self.places.remove(&index) {
            self.side_mut(side).remove(&rank);
        }
    }

    /// Adds an order whose index the book does not hold.
    fn insert(&mut self, side: BookSide, order: BookOrder) {
        let rank = Rank::new(side, &order);
        self.places.insert(order.index, (side, rank));
        self.side_mut(side).insert(rank, order);
    }
}

impl<'a> Orders<'a> {
    /// How many orders the side has.
    pub fn len(self) -> usize {
        self.0.len()
    }

    /// Whether the side has no order.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The best `depth` orders.
    pub fn orders(self, depth: usize) -> impl Iterator<Item = &'a BookOrder> {
        self.0.values().take(depth)
    }

    /// The best `depth` prices, each with its orders' sizes summed in their order.
    pub fn levels(self, depth: usize) -> impl Iterator<Item = Level> {
        Levels(self.0.iter().peekable()).take(depth)
    }
}

struct Levels<'a>(Peekable<btree_map::Iter<'a, Rank, BookOrder>>);

impl Iterator for Levels<'_> {
    type Item = Level;

    fn next(&mut self) -> Option<Level> {
        let (first, order) = self.0.next()?;
        let mut level = Level { price: order.price, size: order.size, count: orders_in(order) };
        while let Some((_, order)) = self.0.next_if(|(rank, _)| rank.price == first.price) {
            level.size += order.size;
            level.count = level.count.saturating_add(orders_in(order));
        }
        Some(level)
    }
}

/// How many orders an order stands for; feeds leave the count of a single one zero or unknown.
fn orders_in(order: &BookOrder) -> u64 {
    order.count.max(1) as u64
}

#[cfg(test)]
mod tests;
