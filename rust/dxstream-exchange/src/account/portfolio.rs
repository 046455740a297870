//! Cash and positions: what fills make of them, and what they are worth.
//!
//! Cash is that of the beginning less the price of every fill and its fees; a position is the sum of its
//! fills. Margin is a plain rule in the manner of Regulation T: a quarter of long stock and 30% of short stock
//! is maintenance, long options are paid in full and lend nothing, and a short option asks for its premium and
//! the larger of 20% of the underlying less what it is out of the money, and 10% of the underlying.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use crate::account::instrument::{Instrument, strike};
use crate::account::price::Prices;

/// Fees of a fill: so much a share, and so much a contract.
const FEE_A_SHARE: Decimal = Decimal::from_parts(8, 0, 0, false, 4);
const FEE_A_CONTRACT: Decimal = Decimal::from_parts(114, 0, 0, false, 2);

const LONG_STOCK_MARGIN: Decimal = Decimal::from_parts(25, 0, 0, false, 2);
const SHORT_STOCK_MARGIN: Decimal = Decimal::from_parts(30, 0, 0, false, 2);
const SHORT_OPTION_MARGIN: Decimal = Decimal::from_parts(20, 0, 0, false, 2);
const LEAST_OPTION_MARGIN: Decimal = Decimal::from_parts(10, 0, 0, false, 2);

/// The fees of a fill of so many.
pub(super) fn fees(instrument: &Instrument, quantity: i64) -> Decimal {
    let each = if instrument.option.is_some() { FEE_A_CONTRACT } else { FEE_A_SHARE };
    each * Decimal::from(quantity.abs())
}

/// What is held of one instrument.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Position {
    pub(super) instrument: Instrument,
    /// Negative is short.
    pub(super) quantity: i64,
    pub(super) average_open_price: Decimal,
    /// What closing a part of it gained, fees apart.
    pub(super) realized: Decimal,
    /// What one is worth, as far as is known: the last price that was seen.
    pub(super) mark: Decimal,
    /// The close of the day before; the price of the first fill where there is none.
    pub(super) close: Decimal,
    /// What one of the underlying of an option is worth, if it is known.
    underlying: Option<Decimal>,
    /// Ms since 1970 UTC.
    pub(super) created: i64,
    pub(super) updated: i64,
}

impl Position {
    fn multiplier(&self) -> Decimal {
        Decimal::from(self.instrument.multiplier())
    }

    /// What it is worth; negative when short.
    pub(super) fn value(&self) -> Decimal {
        Decimal::from(self.quantity) * self.mark * self.multiplier()
    }

    fn maintenance(&self) -> Decimal {
        let value = self.value();
        match (&self.instrument.option, self.quantity) {
            (_, 0) | (Some(_), 1..) => Decimal::ZERO,
            (None, 1..) => value * LONG_STOCK_MARGIN,
            (None, _) => -value * SHORT_STOCK_MARGIN,
            (Some(option), _) => {
                let strike = strike(option);
                let underlying = self.underlying.unwrap_or(strike);
                let away = if option.is_call() { strike - underlying } else { underlying - strike };
                let asked = (underlying * SHORT_OPTION_MARGIN - away.max(Decimal::ZERO))
                    .max(underlying * LEAST_OPTION_MARGIN);
                -value + asked * self.multiplier() * Decimal::from(-self.quantity)
            }
        }
    }
}

/// What an account is worth, in sums.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) long_equity: Decimal,
    /// Short values are positive.
    pub(super) short_equity: Decimal,
    pub(super) long_derivative: Decimal,
    pub(super) short_derivative: Decimal,
    pub(super) net_liquidating: Decimal,
    /// What margin counts: all but long options.
    pub(super) margin_equity: Decimal,
    pub(super) maintenance: Decimal,
    /// What is left of the equity; never negative.
    pub(super) excess: Decimal,
}

/// The cash and the positions of an account.
#[derive(Debug, Clone)]
pub(super) struct Portfolio {
    pub(super) cash: Decimal,
    pub(super) positions: BTreeMap<String, Position>,
}

impl Portfolio {
    pub(super) fn new(cash: Decimal) -> Self {
        Self { cash, positions: BTreeMap::new() }
    }

    /// What is held of an instrument.
    pub(super) fn held(&self, symbol: &str) -> i64 {
        self.positions.get(symbol).map_or(0, |position| position.quantity)
    }

    /// Takes in a fill; a negative quantity is a sale.
    pub(super) fn fill(&mut self, instrument: &Instrument, quantity: i64, price: Decimal, ms: i64) {
        let multiplier = Decimal::from(instrument.multiplier());
        self.cash -= Decimal::from(quantity) * price * multiplier + fees(instrument, quantity);
        let position =
            self.positions.entry(instrument.symbol.clone()).or_insert_with(|| Position {
                instrument: instrument.clone(),
                quantity: 0,
                average_open_price: Decimal::ZERO,
                realized: Decimal::ZERO,
                mark: price,
                close: price,
                underlying: None,
                created: ms,
                updated: ms,
            });
        let before = position.quantity;
        let after = before + quantity;
        let opened = position.average_open_price;
        if before.signum() * quantity.signum() < 0 {
            let closed = Decimal::from(before.signum() * before.abs().min(quantity.abs()));
            position.realized += closed * (price - opened) * multiplier;
        }
        position.average_open_price = if after == 0 {
            Decimal::ZERO
        } else if before == 0 || before.signum() != after.signum() {
            price
        } else if after.abs() > before.abs() {
            let paid = Decimal::from(before) * opened + Decimal::from(quantity) * price;
            (paid / Decimal::from(after)).round_dp(8).normalize()
        } else {
            opened
        };
        if before == 0 {
            position.created = ms;
        }
        position.quantity = after;
        position.mark = price;
        position.updated = ms;
    }

    /// Looks up what the positions are worth now; what is not known stays as it was.
    pub(super) fn mark(&mut self, prices: &mut dyn Prices) {
        for position in self.positions.values_mut().filter(|position| position.quantity != 0) {
            let symbol = &position.instrument.streamer_symbol;
            position.mark = prices.mark(symbol).unwrap_or(position.mark);
            position.close = prices.previous_close(symbol).unwrap_or(position.close);
            if position.instrument.option.is_some() {
                let underlying = prices.mark(&position.instrument.underlying);
                position.underlying = underlying.or(position.underlying);
            }
        }
    }

    /// What it is all worth by the last marks.
    pub(super) fn sums(&self) -> Sums {
        let mut sums = Sums::default();
        for position in self.positions.values() {
            let value = position.value();
            let side = match (&position.instrument.option, position.quantity) {
                (_, 0) => continue,
                (None, 1..) => &mut sums.long_equity,
                (None, _) => &mut sums.short_equity,
                (Some(_), 1..) => &mut sums.long_derivative,
                (Some(_), _) => &mut sums.short_derivative,
            };
            *side += value.abs();
            sums.net_liquidating += value;
            sums.maintenance += position.maintenance();
        }
        sums.net_liquidating += self.cash;
        sums.margin_equity = sums.net_liquidating - sums.long_derivative;
        sums.excess = (sums.margin_equity - sums.maintenance).max(Decimal::ZERO);
        sums
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::account::price::Sides;

    const SYMBOLS: [&str; 4] = ["AAPL", "SPY", "AAPL  260116C00230000", "SPXW  260116P05900000"];

    struct Fixed(HashMap<String, Decimal>);

    impl Prices for Fixed {
        fn quote(&mut self, symbol: &str) -> Option<Sides> {
            self.0.get(symbol).map(|&price| Sides { bid: price, ask: price })
        }
        fn last(&mut self, _: &str) -> Option<Decimal> {
            None
        }
        fn previous_close(&mut self, _: &str) -> Option<Decimal> {
            None
        }
        fn options(&mut self, _: &str) -> Vec<String> {
            Vec::new()
        }
    }

    proptest! {
        #[test]
        fn cash_positions_and_worth_agree_with_the_fills(
            fills in prop::collection::vec((0..4_usize, -9..10_i64, 1..60_000_i64), 0..60),
            marks in prop::array::uniform4(0..60_000_i64),
        ) {
            let start = Decimal::new(100_000, 0);
            let mut portfolio = Portfolio::new(start);
            let (mut cash, mut held, mut realized) = (start, [0; 4], Decimal::ZERO);
            for &(at, quantity, cents) in fills.iter().filter(|fill| fill.1 != 0) {
                let instrument = Instrument::parse(SYMBOLS[at]).unwrap();
                let price = Decimal::new(cents, 2);
                portfolio.fill(&instrument, quantity, price, 0);
                let each = if at < 2 { Decimal::ONE } else { Decimal::ONE_HUNDRED };
                let fee = if at < 2 { Decimal::new(8, 4) } else { Decimal::new(114, 2) };
                cash -= Decimal::from(quantity) * price * each
                    + fee * Decimal::from(quantity.abs());
                held[at] += quantity;
                prop_assert_eq!(portfolio.cash, cash);
                prop_assert_eq!(portfolio.held(SYMBOLS[at]), held[at]);
            }
            let mut prices = HashMap::new();
            let mut worth = cash;
            for (at, symbol) in SYMBOLS.iter().enumerate() {
                let instrument = Instrument::parse(symbol).unwrap();
                let mark = Decimal::new(marks[at], 2);
                worth += Decimal::from(held[at] * instrument.multiplier()) * mark;
                prices.insert(instrument.streamer_symbol, mark);
            }
            portfolio.mark(&mut Fixed(prices));
            let sums = portfolio.sums();
            prop_assert_eq!(sums.net_liquidating, worth);
            prop_assert_eq!(
                sums.net_liquidating,
                cash + sums.long_equity + sums.long_derivative
                    - sums.short_equity - sums.short_derivative
            );
            // What was gained and what the open positions cost is what the cash lacks, fees apart.
            let mut open = Decimal::ZERO;
            let mut paid = Decimal::ZERO;
            for position in portfolio.positions.values() {
                let each = Decimal::from(position.instrument.multiplier());
                open += Decimal::from(position.quantity) * position.average_open_price * each;
                realized += position.realized;
            }
            for &(at, quantity, _) in &fills {
                paid += fees(&Instrument::parse(SYMBOLS[at]).unwrap(), quantity);
            }
            prop_assert!((start + realized - open - paid - cash).abs() < Decimal::new(1, 2));
        }
    }

    #[test]
    fn a_position_that_turns_opens_at_the_price_at_which_it_turned() {
        let stock = Instrument::parse("AAPL").unwrap();
        let mut portfolio = Portfolio::new(Decimal::ZERO);
        let mut fill = |quantity, price| {
            portfolio.fill(&stock, quantity, Decimal::from(price), 0);
            let position = &portfolio.positions["AAPL"];
            (position.quantity, position.average_open_price, position.realized)
        };
        let of = |quantity: i64, average: i64, realized: i64| {
            (quantity, Decimal::from(average), Decimal::from(realized))
        };
        assert_eq!(fill(10, 100), of(10, 100, 0));
        assert_eq!(fill(10, 110), of(20, 105, 0));
        assert_eq!(fill(-5, 115), of(15, 105, 50));
        assert_eq!(fill(-20, 95), of(-5, 95, -100));
        assert_eq!(fill(5, 90), of(0, 0, -75));
    }

    #[test]
    fn margin_follows_the_rule() {
        let mut portfolio = Portfolio::new(Decimal::from(10_000));
        let call = Instrument::parse("AAPL  260116C00230000").unwrap();
        portfolio.fill(&call, -1, Decimal::from(5), 0);
        let prices = [("AAPL", 220), (".AAPL260116C230", 4)];
        let prices = prices.map(|(symbol, price)| (symbol.to_owned(), Decimal::from(price)));
        portfolio.mark(&mut Fixed(prices.into()));
        let sums = portfolio.sums();
        // 20% of 220 less the 10 out of the money, and the premium: 34 + 4, a hundred times.
        assert_eq!(sums.maintenance, Decimal::from(3_800));
        assert_eq!(sums.short_derivative, Decimal::from(400));
        let worth = Decimal::from(10_000 + 500 - 400) - Decimal::new(114, 2);
        assert_eq!(sums.net_liquidating, worth);
        assert_eq!(sums.excess, worth - Decimal::from(3_800));
    }
}
