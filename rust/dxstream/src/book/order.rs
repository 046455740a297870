//! One order of a book, and how orders are ranked.

use crate::event::flags::{REMOVE_EVENT, SNAPSHOT_BEGIN, SNAPSHOT_END, SNAPSHOT_SNIP};
use crate::event::{AnalyticOrder, Char, Enum, EventKind, Order, Record, Side, SpreadOrder, Text};

/// Whether events of a type are orders, of which a [`Book`](super::Book) can be built.
pub const fn is_order(kind: EventKind) -> bool {
    matches!(kind, EventKind::Order | EventKind::AnalyticOrder | EventKind::SpreadOrder)
}

/// An order that stands in a book.
#[derive(Debug, Clone, Copy)]
pub struct BookOrder {
    /// Index of the event, unique within the book.
    pub index: i64,
    /// Time of the order, ms since 1970 UTC; 0 is unknown.
    pub time: i64,
    /// Nanoseconds of the time within its millisecond.
    pub time_nano_part: i64,
    /// Number that orders events of the same time.
    pub sequence: i64,
    /// Identifier of the order at its exchange.
    pub order_id: i64,
    /// Price of the order; never NaN, and zero is never negative.
    pub price: f64,
    /// Size of the order, above zero.
    pub size: f64,
    /// Number of orders in an aggregated one, as the feed has it.
    pub count: i64,
    /// Exchange of the order.
    pub exchange_code: Char,
    /// What the order stands for.
    pub scope: Enum,
    /// Market maker of the order; no text for a spread order.
    pub market_maker: Text,
    /// Symbol of the spread; no text for any other order.
    pub spread_symbol: Text,
}

/// Where an order stands in its side of the book: the least is the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// Ordered as prices are for sellers, and the other way round for buyers.
    pub(super) price: i64,
    time: i64,
    time_nano_part: i64,
    sequence: i64,
    index: i64,
}

/// A side of a book.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BookSide {
    Bids,
    Asks,
}

/// What an event says of the order with its index.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) begins_snapshot: bool,
    pub(super) ends_snapshot: bool,
    pub(super) index: i64,
    /// The order as it now is, or nothing where it is gone.
    pub(super) order: Option<(BookSide, BookOrder)>,
}

macro_rules! change {
    ($record:ident, $row:ident, $market_maker:ident, $spread_symbol:ident) => {{
        let event = $record::from_row($row);
        let order = BookOrder {
            index: event.index,
            time: event.time,
            time_nano_part: event.time_nano_part,
            sequence: event.sequence,
            order_id: event.order_id,
            // The sum turns a negative zero into zero, so that both are one price.
            price: event.price + 0.0,
            size: event.size,
            count: event.count,
            exchange_code: event.exchange_code,
            scope: event.scope,
            market_maker: change!(@$market_maker event market_maker),
            spread_symbol: change!(@$spread_symbol event spread_symbol),
        };
        Change::new(event.event_flags, event.order_side, order)
    }};
    (@has $event:ident $field:ident) => { $event.$field };
    (@lacks $event:ident $field:ident) => { Text::NONE };
}

impl Change {
    /// Reads an event of an order type.
    ///
    /// # Panics
    /// If `kind` is not an order type.
    pub(super) fn from_row(kind: EventKind, row: &[u64]) -> Self {
        match kind {
            EventKind::Order => change!(Order, row, has, lacks),
            EventKind::AnalyticOrder => change!(AnalyticOrder, row, has, lacks),
            EventKind::SpreadOrder => change!(SpreadOrder, row, lacks, has),
            _ => panic!("{} events are not orders", kind.name()),
        }
    }

    fn new(event_flags: i64, side: Enum, order: BookOrder) -> Self {
        let side = if side == Side::Buy.into() {
            Some(BookSide::Bids)
        } else if side == Side::Sell.into() {
            Some(BookSide::Asks)
        } else {
            None
        };
        let stands = event_flags & REMOVE_EVENT == 0 && order.size > 0.0 && !order.price.is_nan();
        Self {
            begins_snapshot: event_flags & SNAPSHOT_BEGIN != 0,
            ends_snapshot: event_flags & (SNAPSHOT_END | SNAPSHOT_SNIP) != 0,
            index: order.index,
            order: side.filter(|_| stands).map(|side| (side, order)),
        }
    }
}

impl Rank {
    pub(super) fn new(side: BookSide, order: &BookOrder) -> Self {
        let bits = order.price.to_bits() as i64;
        // The bits of doubles order as integers once those below zero are turned round.
        let ascending = bits ^ (((bits >> 63) as u64) >> 1) as i64;
        Self {
            price: if side == BookSide::Bids { !ascending } else { ascending },
            time: order.time,
            time_nano_part: order.time_nano_part,
            sequence: order.sequence,
            index: order.index,
        }
    }
}
