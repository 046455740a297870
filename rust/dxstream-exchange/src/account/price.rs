//! What things cost at the moment.

use dxstream::event::{EventKind, Quote, Record, Summary, Trade};
use dxstream::symbol::SymbolId;
use rust_decimal::Decimal;

use crate::ledger::Ledger;

/// Places after the point that a price has at most.
const PRICE_PLACES: u32 = 4;

/// The best bid and the best ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sides {
    pub(crate) bid: Decimal,
    pub(crate) ask: Decimal,
}

impl Sides {
    /// The price between them.
    pub(super) fn mid(self) -> Decimal {
        ((self.bid + self.ask) / Decimal::TWO).normalize()
    }
}

/// Where prices come from; symbols are those of the streamer.
pub(crate) trait Prices {
    /// Bid and ask, if both are known.
    fn quote(&mut self, symbol: &str) -> Option<Sides>;

    /// The last trade.
    fn last(&mut self, symbol: &str) -> Option<Decimal>;

    /// The close of the day before.
    fn previous_close(&mut self, symbol: &str) -> Option<Decimal>;

    /// The options that are listed on an underlying.
    fn options(&mut self, underlying: &str) -> Vec<String>;

    /// What one is worth now: between bid and ask, or the last trade.
    fn mark(&mut self, symbol: &str) -> Option<Decimal> {
        self.quote(symbol).map(Sides::mid).or_else(|| self.last(symbol))
    }
}

impl Prices for Ledger {
    fn quote(&mut self, symbol: &str) -> Option<Sides> {
        let quote: Quote = latest(self, EventKind::Quote, symbol)?;
        let (bid, ask) = (price(quote.bid_price)?, price(quote.ask_price)?);
        (ask >= bid && ask > Decimal::ZERO).then_some(Sides { bid, ask })
    }

    fn last(&mut self, symbol: &str) -> Option<Decimal> {
        let trade: Trade = latest(self, EventKind::Trade, symbol)?;
        price(trade.price)
    }

    fn previous_close(&mut self, symbol: &str) -> Option<Decimal> {
        let summary: Summary = latest(self, EventKind::Summary, symbol)?;
        price(summary.prev_day_close_price)
    }

    fn options(&mut self, underlying: &str) -> Vec<String> {
        self.source.as_ref().map_or_else(Vec::new, |source| source.options(underlying))
    }
}

fn latest<R: Record>(ledger: &mut Ledger, kind: EventKind, symbol: &str) -> Option<R> {
    let id = SymbolId(ledger.tables.symbols.intern(symbol).ok()?);
    Some(R::from_row(&ledger.latest(kind, id)?.words))
}

/// A price of the feed; nothing for NaN and what is no price of a stock or option.
fn price(value: f64) -> Option<Decimal> {
    let exact = Decimal::try_from(value).ok()?;
    (exact >= Decimal::ZERO).then(|| exact.round_dp(PRICE_PLACES).normalize())
}

/// As the vendor writes numbers in text: with at least one place.
pub(super) fn text(number: Decimal) -> String {
    let number = number.normalize();
    if number.scale() == 0 { format!("{number}.0") } else { number.to_string() }
}
