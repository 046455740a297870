//! Orders, as they stand.

use std::time::Duration;

use rust_decimal::Decimal;

use crate::account::instrument::Instrument;

/// How far an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Received,
    Routed,
    Live,
    Filled,
    Cancelled,
}

impl Status {
    /// As `status` has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Received => "Received",
            Self::Routed => "Routed",
            Self::Live => "Live",
            Self::Filled => "Filled",
            Self::Cancelled => "Cancelled",
        }
    }

    /// Whether nothing more comes of it.
    pub(super) fn is_terminal(self) -> bool {
        matches!(self, Self::Filled | Self::Cancelled)
    }
}

/// A part of an order that was traded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fill {
    pub(super) id: String,
    pub(super) quantity: i64,
    pub(super) price: Decimal,
    /// Ms since 1970 UTC.
    pub(super) at: i64,
}

/// What is to be traded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) instrument: Instrument,
    /// Negative is a sale.
    pub(super) quantity: i64,
    /// The limit; a market order has none.
    pub(super) limit: Option<Decimal>,
    /// How long it may be live; for ever where there is nothing.
    pub(super) patience: Option<Duration>,
}

impl Ticket {
    pub(super) fn is_buy(&self) -> bool {
        self.quantity > 0
    }
}

/// An order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) id: u64,
    pub(super) ticket: Ticket,
    /// Such as `Buy to Open`; it is what was meant when the order was placed.
    pub(super) action: &'static str,
    pub(super) status: Status,
    pub(super) fills: Vec<Fill>,
    /// As `global-request-id` has it.
    pub(super) request: String,
    /// As `ext-client-order-id` has it, once it is live.
    pub(super) client_id: Option<String>,
    /// Ms since 1970 UTC.
    pub(super) received: i64,
    pub(super) live: Option<i64>,
    pub(super) terminal: Option<i64>,
    pub(super) updated: i64,
}

impl Order {
    pub(super) fn size(&self) -> i64 {
        self.ticket.quantity.abs()
    }

    pub(super) fn filled(&self) -> i64 {
        self.fills.iter().map(|fill| fill.quantity).sum()
    }

    pub(super) fn remaining(&self) -> i64 {
        if self.status == Status::Cancelled { 0 } else { self.size() - self.filled() }
    }
}

/// What an order of so many means to an account that holds so many.
pub(super) fn action(held: i64, quantity: i64) -> &'static str {
    match (quantity > 0, held) {
        (true, ..0) => "Buy to Close",
        (true, _) => "Buy to Open",
        (false, 1..) => "Sell to Close",
        (false, _) => "Sell to Open",
    }
}
