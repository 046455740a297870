//! Whoever trades in an account when nobody else does.

use std::time::Duration;

use rust_decimal::Decimal;

use crate::account::execution::Account;
use crate::account::instrument::Instrument;
use crate::account::order::{Order, Ticket};
use crate::account::price::Prices;
use crate::market::random::Random;

/// How often an instrument is drawn before the trader does without.
const DRAWS: usize = 8;

/// Share of an account's excess that an order may cost.
const MAX_SHARE: Decimal = Decimal::from_parts(1, 0, 0, false, 1);

/// Options that a trader looks at; the market tells of those that were ever looked at from then on.
const MAX_OPTIONS: u64 = 24;

/// Positions beyond which the trader only closes.
const MAX_POSITIONS: usize = 12;

/// Cheaper options are left alone.
const CHEAPEST: Decimal = Decimal::from_parts(5, 0, 0, false, 2);

/// The trader of one account.
#[derive(Debug)]
pub(super) struct Trader {
    random: Random,
    stocks: Vec<Instrument>,
    options: Vec<Instrument>,
    /// Orders a second.
    rate: f64,
    next: Duration,
}

impl Trader {
    /// A trader in these symbols of the streamer; those that cannot be traded are left out.
    pub(super) fn new(symbols: &[String], orders_per_minute: f64, mut random: Random) -> Self {
        let known = symbols.iter().filter_map(|symbol| Instrument::parse(symbol).ok());
        let (listed, stocks): (Vec<_>, Vec<_>) =
            known.partition(|instrument| instrument.option.is_some());
        let mut draw = || listed[random.below(listed.len() as u64) as usize].clone();
        let count = MAX_OPTIONS.min(listed.len() as u64);
        let options = (0..count).map(|_| draw()).collect();
        let mut trader =
            Self { random, stocks, options, rate: orders_per_minute / 60.0, next: Duration::ZERO };
        trader.draw_next();
        trader
    }

    /// When the next order is placed.
    pub(super) fn due(&self) -> Option<Duration> {
        let trades = self.rate > 0.0 && !(self.stocks.is_empty() && self.options.is_empty());
        trades.then_some(self.next)
    }

    /// Fills the first orders of an account.
    pub(super) fn open(&mut self, account: &mut Account, count: usize, prices: &mut dyn Prices) {
        for at in 0..count {
            if let Some(mut ticket) = self.opening(account, prices, at % 2 == 1) {
                ticket.limit = None;
                account.trade(Duration::ZERO, ticket, prices);
                account.portfolio.mark(prices);
            }
        }
    }

    /// Places the orders that are due.
    pub(super) fn advance(
        &mut self,
        now: Duration,
        account: &mut Account,
        prices: &mut dyn Prices,
    ) {
        while self.due().is_some_and(|due| due <= now) {
            let due = self.next;
            account.portfolio.mark(prices);
            let held =
                account.portfolio.positions.values().filter(|position| position.quantity != 0);
            let close = held.count() >= MAX_POSITIONS || self.random.below(100) < 40;
            let closing = if close { self.closing(account, prices) } else { None };
            let ticket = closing.or_else(|| {
                let option = self.random.below(2) == 0;
                self.opening(account, prices, option)
            });
            if let Some(ticket) = ticket {
                account.place(due, ticket);
            }
            self.draw_next();
        }
    }

    fn draw_next(&mut self) {
        if self.rate > 0.0 {
            let wait = Duration::try_from_secs_f64(self.random.exponential() / self.rate);
            self.next = self.next.saturating_add(wait.unwrap_or(Duration::MAX));
        }
    }

    /// An order that adds to what the account holds, no more than it can pay.
    fn opening(
        &mut self,
        account: &Account,
        prices: &mut dyn Prices,
        option: bool,
    ) -> Option<Ticket> {
        let excess = account.portfolio.sums().excess.min(account.portfolio.cash);
        let budget = excess * MAX_SHARE;
        for _ in 0..DRAWS {
            let from = match (self.stocks.is_empty(), self.options.is_empty()) {
                (true, true) => return None,
                (false, false) if option => &self.options,
                (false, _) => &self.stocks,
                (true, false) => &self.options,
            };
            let instrument = from[self.random.below(from.len() as u64) as usize].clone();
            let Some(sides) = prices.quote(&instrument.streamer_symbol) else { continue };
            let option = instrument.option.is_some();
            // A short option asks for about a fifth of its underlying.
            let short = option && self.random.below(3) == 0;
            let each = if short {
                let underlying = prices.mark(&instrument.underlying);
                underlying.unwrap_or(sides.ask) * Decimal::from(20) + sides.ask
            } else {
                sides.ask * Decimal::from(instrument.multiplier())
            };
            if sides.bid < CHEAPEST || each > budget {
                continue;
            }
            let most = (budget / each).floor().try_into().unwrap_or(1_u64);
            let most = most.min(if option { 5 } else { 50 });
            let quantity = 1 + self.random.below(most) as i64;
            let held = account.portfolio.held(&instrument.symbol);
            // What is held is added to, so that an order to open opens.
            let short = if held == 0 { short } else { held < 0 };
            return Some(self.ticket(instrument, if short { -quantity } else { quantity }, prices));
        }
        None
    }

    /// An order that closes a position or a part of it, as far as no other order does.
    fn closing(&mut self, account: &Account, prices: &mut dyn Prices) -> Option<Ticket> {
        let open: Vec<(&Instrument, i64)> = account
            .portfolio
            .positions
            .values()
            .map(|position| {
                let symbol = &position.instrument.symbol;
                let of_symbol = |order: &&Order| order.ticket.instrument.symbol == *symbol;
                let busy = account.open_orders().any(|order| of_symbol(&order));
                (&position.instrument, if busy { 0 } else { position.quantity })
            })
            .filter(|(_, quantity)| *quantity != 0)
            .collect();
        if open.is_empty() {
            return None;
        }
        let (instrument, held) = open[self.random.below(open.len() as u64) as usize];
        let part = 1 + self.random.below(held.unsigned_abs()) as i64;
        let quantity = if self.random.below(2) == 0 { held.abs() } else { part };
        let instrument = instrument.clone();
        Some(self.ticket(instrument, if held > 0 { -quantity } else { quantity }, prices))
    }

    /// An order at the market, at the far side, at the near side, or far away from both.
    fn ticket(&mut self, instrument: Instrument, quantity: i64, prices: &mut dyn Prices) -> Ticket {
        let sides = prices.quote(&instrument.streamer_symbol);
        let kind = self.random.below(10);
        let (far, near) = match sides {
            Some(sides) if quantity > 0 => (sides.ask, sides.bid),
            Some(sides) => (sides.bid, sides.ask),
            None => (Decimal::ZERO, Decimal::ZERO),
        };
        let away = near * Decimal::new(if quantity > 0 { 95 } else { 105 }, 2);
        let limit = match kind {
            0..3 => None,
            3..7 => Some(far),
            7..9 => Some(near),
            _ => Some(away.round_dp(2)),
        };
        let limit = limit.filter(|limit| *limit > Decimal::ZERO);
        let patience = Duration::from_millis(3_000 + self.random.below(12_000));
        Ticket { instrument, quantity, limit, patience: limit.is_some().then_some(patience) }
    }
}
