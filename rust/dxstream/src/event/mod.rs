//! Event types: one declaration per type, and everything that follows from it.
//!
//! A record is a row of 64-bit words, one per field in declaration order; word 0 is the symbol.
//! The same row goes through the reader, the store, the queues and into Python, so that a field is
//! declared once, in `types`, and is known by its [`Field`] everywhere else.

mod declare;
mod enums;
mod field;
pub mod flags;
pub mod index;
mod types;

pub use enums::{
    Direction, EnumType, IcebergType, OrderAction, PriceType, Scope, ShortSaleRestriction, Side,
    TimeAndSaleType, TradingStatus,
};
pub use field::{Bool, Char, Enum, Field, FieldKind, Text, UNKNOWN_LONG};
pub use types::{
    AnalyticOrder, Candle, Configuration, EventKind, Greeks, Message, OptionSale, Order, Profile,
    Quote, Series, SpreadOrder, Summary, TheoPrice, TimeAndSale, Trade, TradeETH, Underlying,
};

use crate::symbol::SymbolId;

/// Words in the widest record; a row of any type fits a `[u64; MAX_WORDS]`.
pub const MAX_WORDS: usize = 32;

/// The place of the symbol in every record.
pub const SYMBOL_WORD: usize = 0;

/// The place of `eventTime` in every record.
pub const EVENT_TIME_WORD: usize = 1;

/// A typed view of one event type's row.
///
/// Implemented by the declarations in `types` for every event type.
pub trait Record: Copy + Sized {
    /// The event type that the record belongs to.
    const KIND: EventKind;
    /// A record of which nothing is known yet; each field holds its kind's unknown value.
    const UNKNOWN: Self;

    /// Reads the record from its row.
    ///
    /// # Panics
    /// If `row` is shorter than the type's width.
    fn from_row(row: &[u64]) -> Self;

    /// Writes the record over its row.
    ///
    /// # Panics
    /// If `row` is shorter than the type's width.
    fn write_row(&self, row: &mut [u64]);

    /// The symbol of the record.
    fn symbol(&self) -> SymbolId;
}

/// How the feed treats an event type: which contracts carry it and whether it has history.
///
/// Source: the class table of the dxFeed API (lasting, indexed and time-series events).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// The last event per symbol is the state; a TICKER contract conflates to it.
    pub lasting: bool,
    /// Events have an index and event flags, and form a snapshot.
    pub indexed: bool,
    /// The index is made from time; history is asked with `fromTime`.
    pub time_series: bool,
}

/// The contract of a feed channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Contract {
    /// The server picks by event type and by the presence of `fromTime`.
    Auto,
    /// The last value of each symbol, conflated.
    Ticker,
    /// Every event in order, without a snapshot.
    Stream,
    /// A snapshot, then updates, with event flags.
    History,
}

impl Contract {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "AUTO",
            Self::Ticker => "TICKER",
            Self::Stream => "STREAM",
            Self::History => "HISTORY",
        }
    }

    /// The contract with this wire name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Auto, Self::Ticker, Self::Stream, Self::History]
            .into_iter()
            .find(|contract| contract.name() == name)
    }
}

#[cfg(test)]
mod tests;
