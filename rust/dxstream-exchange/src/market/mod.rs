//! A synthetic market: stocks, funds and an index that move on one clock, with their options.
//!
//! The market is repeatable. The same configuration and the same calls give the same events, bit for
//! bit and on every platform; what moves and trades does not depend on who listens.
//!
//! Prices follow a correlated geometric Brownian motion; quotes and trades arrive by a Poisson
//! process. The market never closes: a day is a day of UTC, and one trade in fifty counts as made
//! outside of regular trading hours. Options are valued by Black-Scholes with a smile, and their
//! quotes, greeks and sales come from the same valuation.
//!
//! Quote, Trade, TradeETH and TimeAndSale of the underlyings are always emitted. Everything else is
//! emitted from when [`EventSource::knows`], [`EventSource::latest`] or [`EventSource::history`] first
//! named it. [`EventSource::history`] answers from what is kept: 16,384 trades, 4,096 option trades and
//! two hours of one sample a second of each underlying, at most [`Market::MAX_ROWS`] rows. Bars are
//! kept for a week of minutes and, before the simulation, made for a year of minutes; bars of seconds
//! reach as far as the kept trades.

mod asset;
mod black_scholes;
mod book;
pub(crate) mod calendar;
mod candle;
mod chain;
mod instrument;
mod option_rows;
mod past;
pub(crate) mod random;
mod rows;
mod targets;
#[cfg(test)]
mod tests;
mod trading;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use dxstream::event::{EventKind, Record};
use dxstream::symbol::{InternError, SymbolId, Tables};

use self::asset::Asset;
pub use self::black_scholes::{Contract, Right, Valuation, normal_cdf};
use self::instrument::{INSTRUMENTS, Instrument};
use self::random::{Random, mix};
use self::targets::Target;
use crate::source::{Depth, Due, EventSource, Level, Row};

const YEAR_NS: f64 = 365.0 * 86_400e9;

const MINUTE_NS: i64 = 60_000_000_000;

/// Quotes and trades that are simulated before the start, at most.
const MAX_BEFORE: f64 = 400_000.0;

/// 2100-01-01, in ms since 1970 UTC.
const MAX_START: i64 = 4_102_444_800_000;

/// What the market is like.
#[derive(Debug, Clone, PartialEq)]
pub struct MarketConfig {
    /// Markets with different seeds move differently.
    pub seed: u64,
    /// The time, in ms since 1970 UTC, at which the exchange's clock is zero.
    pub start: i64,
    /// The underlyings; each brings its options.
    pub symbols: Vec<String>,
    /// Prices of underlyings at the start, where they are to be others than the market's own.
    pub prices: Vec<(String, f64)>,
    /// Quotes a second of each underlying, on average.
    pub quotes_per_second: f64,
    /// Trades a second of each underlying, on average.
    pub trades_per_second: f64,
    /// How long before the start the simulation begins; shortened such that about 400,000 quotes and
    /// trades lie in it.
    pub before: Duration,
}

impl Default for MarketConfig {
    /// Every underlying at two quotes and one trade a second, from 2026-01-05 15:00 UTC.
    fn default() -> Self {
        Self {
            seed: 1,
            start: 1_767_625_200_000,
            symbols: Market::symbols().map(str::to_owned).collect(),
            prices: Vec::new(),
            quotes_per_second: 2.0,
            trades_per_second: 1.0,
            before: Duration::from_hours(1),
        }
    }
}

/// A configuration that makes no market.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MarketError {
    /// The market does not have the symbol.
    #[error("the market has no symbol {0:?}")]
    UnknownSymbol(String),
    /// No symbols.
    #[error("the market needs a symbol")]
    NoSymbols,
    /// A rate is not a positive number.
    #[error("{name} is {value}, it must be above 0 and at most 1000000")]
    Rate {
        /// The setting.
        name: &'static str,
        /// What it was.
        value: f64,
    },
    /// A price is too low or too high to quote and to list options around.
    #[error("the price of {symbol} is {price}, it must lie between 1 and 1000000")]
    Price {
        /// The underlying.
        symbol: String,
        /// What it was.
        price: f64,
    },
    /// The start is out of range.
    #[error("start is {0} ms, it must lie between 2000 and 2100")]
    Start(i64),
    /// The symbol table is full.
    #[error(transparent)]
    Tables(#[from] InternError),
}

/// A set of event types.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Kinds(u32);

impl Kinds {
    fn has(self, kind: EventKind) -> bool {
        self.0 & (1 << kind as u32) != 0
    }

    fn add(&mut self, kind: EventKind) {
        self.0 |= 1 << kind as u32;
    }
}

/// The events that wait to be taken.
#[derive(Debug, Default)]
struct Out {
    rows: VecDeque<Row>,
    muted: bool,
}

impl Out {
    fn muted() -> Self {
        Self { muted: true, ..Self::default() }
    }

    fn send<R: Record>(&mut self, record: &R) {
        if !self.muted {
            self.rows.push_back(Row::new(record));
        }
    }
}

/// The synthetic market.
#[derive(Debug)]
pub struct Market {
    tables: Arc<Tables>,
    assets: Vec<Asset>,
    targets: HashMap<SymbolId, Target>,
    random: Random,
    /// The common Brownian motion, over years.
    motion: f64,
    /// Nanoseconds since 1970 UTC: the clock's zero, what has been simulated, and the next arrival.
    start: i64,
    simulated: i64,
    next: i64,
    /// Arrivals a nanosecond, and the share of quotes among them.
    rate: f64,
    quote_share: f64,
    out: Out,
}

impl Market {
    /// Most rows of an answer to [`EventSource::history`]; the newest are given.
    pub const MAX_ROWS: usize = 16_384;

    /// Every symbol that a market can be made of.
    pub fn symbols() -> impl Iterator<Item = &'static str> {
        INSTRUMENTS.iter().map(|instrument| instrument.symbol)
    }

    /// A market, simulated up to its start.
    ///
    /// # Errors
    /// [`MarketError`] when the configuration makes no market.
    pub fn new(config: &MarketConfig, tables: Arc<Tables>) -> Result<Self, MarketError> {
        let rates = [
            ("quotes_per_second", config.quotes_per_second),
            ("trades_per_second", config.trades_per_second),
        ];
        for (name, value) in rates {
            if !(value > 0.0 && value <= 1e6) {
                return Err(MarketError::Rate { name, value });
            }
        }
        if !(946_684_800_000..MAX_START).contains(&config.start) {
            return Err(MarketError::Start(config.start));
        }
        for (symbol, price) in &config.prices {
            if !config.symbols.contains(symbol) {
                return Err(MarketError::UnknownSymbol(symbol.clone()));
            }
            if !(1.0..=1e6).contains(price) {
                return Err(MarketError::Price { symbol: symbol.clone(), price: *price });
            }
        }
        let start = config.start * 1_000_000;
        let each = config.quotes_per_second + config.trades_per_second;
        let total = each * config.symbols.len() as f64;
        let before = config.before.as_secs_f64().min(MAX_BEFORE / total);
        let began = (start - (before * 1e9) as i64).div_euclid(MINUTE_NS) * MINUTE_NS;
        let listed = config.start.div_euclid(calendar::DAY_MS);
        let mut assets: Vec<Asset> = Vec::new();
        for symbol in &config.symbols {
            let mut instrument = Instrument::find(symbol)
                .ok_or_else(|| MarketError::UnknownSymbol(symbol.clone()))?
                .clone();
            if let Some((_, price)) = config.prices.iter().find(|(named, _)| named == symbol) {
                instrument.price = (price * 100.0).round() as i64;
            }
            let id = SymbolId(tables.symbols.intern(symbol)?);
            if assets.iter().all(|known| known.symbol != id) {
                let place = INSTRUMENTS.iter().position(|known| known.symbol == symbol);
                let seed = mix(config.seed, place.unwrap_or_default() as u64);
                let instrument = Arc::new(instrument);
                assets.push(Asset::new(instrument, seed, (began, listed), id, Arc::clone(&tables)));
            }
        }
        if assets.is_empty() {
            return Err(MarketError::NoSymbols);
        }
        let mut market = Self {
            tables,
            rate: each * assets.len() as f64 / 1e9,
            assets,
            targets: HashMap::new(),
            random: Random::new(config.seed, u64::MAX),
            motion: 0.0,
            start,
            simulated: began,
            next: began,
            quote_share: config.quotes_per_second / each,
            out: Out::muted(),
        };
        market.draw_next();
        while market.next < start {
            market.step();
        }
        market.out.muted = false;
        for asset in &mut market.assets {
            for kind in
                [EventKind::Quote, EventKind::Trade, EventKind::TradeETH, EventKind::TimeAndSale]
            {
                if targets::has_asset_kind(&asset.instrument, kind) {
                    asset.kinds.add(kind);
                }
            }
        }
        Ok(market)
    }

    /// The symbols of the options of an underlying.
    pub fn options(&self, symbol: &str) -> impl Iterator<Item = String> {
        let asset = self.assets.iter().find(|asset| asset.instrument.symbol == symbol);
        asset.into_iter().flat_map(|asset| asset.chain.all().map(|at| asset.chain.symbol(at)))
    }

    /// Draws when the next quote or trade arrives.
    fn draw_next(&mut self) {
        self.next += (self.random.exponential() / self.rate).ceil() as i64;
    }

    /// Lets the next quote or trade arrive.
    fn step(&mut self) {
        let time = self.next;
        let passed = (time - self.simulated) as f64 / YEAR_NS;
        self.motion += passed.sqrt() * self.random.normal();
        self.simulated = time;
        let asset = self.random.below(self.assets.len() as u64) as usize;
        let is_quote = self.random.uniform() < self.quote_share;
        let asset = &mut self.assets[asset];
        if is_quote {
            asset.requote(time, self.motion, &mut self.out);
        } else {
            asset.trade(time, &mut self.out);
        }
        self.draw_next();
    }

    fn since_start(&self, time: i64) -> Duration {
        Duration::from_nanos(time.saturating_sub(self.start).max(0) as u64)
    }
}

impl EventSource for Market {
    fn knows(&mut self, kind: EventKind, symbol: &str) -> bool {
        self.watch(kind, symbol)
    }

    fn latest(&mut self, kind: EventKind, symbol: SymbolId) -> Option<Row> {
        let target = self.target(kind, symbol)?;
        self.latest_of(kind, symbol, target)
    }

    fn history(
        &mut self,
        kind: EventKind,
        symbol: SymbolId,
        source: Option<&str>,
        from_time: i64,
    ) -> Vec<Row> {
        let Some(target) = self.target(kind, symbol) else { return Vec::new() };
        let mut rows = self.history_of(kind, symbol, source, from_time, target);
        rows.drain(..rows.len().saturating_sub(Self::MAX_ROWS));
        rows
    }

    fn options(&self, underlying: &str) -> Vec<String> {
        Self::options(self, underlying).collect()
    }

    fn depth(&mut self, symbol: &str, levels: usize) -> Option<Depth> {
        let asset = self.assets.iter().find(|asset| asset.instrument.symbol == symbol)?;
        if asset.instrument.index {
            return None;
        }
        let side = |orders: &[book::BookOrder]| {
            let level = |order: &book::BookOrder| Level {
                price: rows::price(order.price),
                size: f64::from(order.size),
            };
            orders.iter().take(levels).map(level).collect()
        };
        let (bids, asks) = (side(asset.book.bids()), side(asset.book.asks()));
        Some(Depth { time: asset.top.ms(), bids, asks })
    }

    fn due(&self) -> Due {
        let time = if self.out.rows.is_empty() { self.next } else { self.simulated };
        Due::At(self.since_start(time))
    }

    fn advance(&mut self, now: Duration, most: usize, emit: &mut dyn FnMut(&Row)) {
        let now = self.start.saturating_add(i64::try_from(now.as_nanos()).unwrap_or(i64::MAX));
        let mut left = most;
        while left > 0 {
            if let Some(row) = self.out.rows.pop_front() {
                emit(&row);
                left -= 1;
            } else if self.next <= now {
                self.step();
            } else {
                return;
            }
        }
    }
}
