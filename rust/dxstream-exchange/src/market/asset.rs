//! One underlying of the market: how it moves, and what is kept of it.

use std::collections::VecDeque;
use std::sync::Arc;

use dxstream::event::EventKind;
use dxstream::symbol::{SymbolId, Tables};

use super::book::Book;
use super::calendar::DAY_MS;
use super::candle::{Bar, CandleSymbol, Last, Minute, Period, Sale, aggregate};
use super::chain::{Chain, OptionAt, OptionQuote};
use super::instrument::{Instrument, MARKET_VOLATILITY};
use super::past::Past;
use super::random::{Random, mix};
use super::rows::Texts;
use super::{Kinds, Out};

/// Trades that are kept for history.
pub(super) const SALES: usize = 16_384;
/// Minutes that are kept for candles: a week.
pub(super) const MINUTES: usize = 10_080;
/// Moments that are kept for the history of Greeks, TheoPrice and Underlying: two hours.
pub(super) const SAMPLES: usize = 7200;
/// Option trades that are kept for history.
pub(super) const OPTION_SALES: usize = 4096;

/// Nanoseconds between two samples, at least.
const SAMPLE_NS: i64 = 1_000_000_000;

const YEAR_NS: f64 = 365.0 * 86_400e9;

/// Numbers the events of one kind within a millisecond.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    ms: i64,
    next: u32,
}

impl Sequence {
    pub(super) fn next(&mut self, ms: i64) -> u32 {
        self.next = if ms == self.ms { self.next + 1 } else { 0 };
        self.ms = ms;
        self.next
    }
}

/// Best bid and ask, in cents and shares, and the price that they stand around.
#[derive(Debug, Clone, Copy)]
pub(super) struct Top {
    /// Nanoseconds since 1970 UTC.
    pub(super) time: i64,
    pub(super) sequence: u32,
    pub(super) bid: i64,
    pub(super) ask: i64,
    pub(super) bid_size: u32,
    pub(super) ask_size: u32,
    pub(super) bid_exchange: u8,
    pub(super) ask_exchange: u8,
    /// Price of the underlying in options, not rounded.
    pub(super) spot: f64,
}

impl Top {
    /// The time in ms since 1970 UTC.
    pub(super) fn ms(&self) -> i64 {
        self.time.div_euclid(1_000_000)
    }
}

/// The underlying at one moment, from which the option models are computed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// Ms since 1970 UTC.
    pub(super) time: i64,
    pub(super) spot: f64,
    pub(super) call_volume: u64,
    pub(super) put_volume: u64,
}

/// A trade of an option.
#[derive(Debug, Clone, Copy)]
pub(super) struct OptionTrade {
    pub(super) at: OptionAt,
    /// In cents and contracts, with the option's quote.
    pub(super) sale: Sale,
    pub(super) spot: f64,
}

/// An option that somebody has asked for.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) at: OptionAt,
    pub(super) symbol: SymbolId,
    pub(super) kinds: Kinds,
    quote: Option<OptionQuote>,
}

/// A candle symbol that somebody has asked for, with its bar of now.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) symbol: SymbolId,
    pub(super) period: Period,
    pub(super) regular_only: bool,
    pub(super) bar: Option<(i64, Bar)>,
}

/// One underlying.
#[derive(Debug)]
pub(super) struct Asset {
    pub(super) instrument: Arc<Instrument>,
    pub(super) symbol: SymbolId,
    pub(super) tables: Arc<Tables>,
    pub(super) texts: Texts,
    /// The event types that are emitted of the underlying itself.
    pub(super) kinds: Kinds,
    seed: u64,
    pub(super) random: Random,
    began: i64,
    own_motion: f64,
    pub(super) top: Top,
    pub(super) last: Option<Last>,
    pub(super) last_extended: Option<Last>,
    pub(super) day: i64,
    pub(super) regular: Bar,
    pub(super) extended: Bar,
    /// The trading day before: day, close in cents, volume.
    pub(super) previous: (i64, i64, u64),
    pub(super) sales: VecDeque<Sale>,
    pub(super) minutes: VecDeque<Minute>,
    pub(super) samples: VecDeque<Sample>,
    sampled: i64,
    pub(super) option_trades: VecDeque<OptionTrade>,
    pub(super) past: Past,
    pub(super) chain: Chain,
    pub(super) book: Book,
    pub(super) watched: Vec<Watched>,
    pub(super) live: Vec<Live>,
    quote_sequence: Sequence,
    pub(super) sale_sequence: Sequence,
    pub(super) option_sequence: Sequence,
    pub(super) trades: u64,
}

/// Keeps the newest `most` of a history.
pub(super) fn keep<T>(history: &mut VecDeque<T>, most: usize, next: T) {
    if history.len() == most {
        history.pop_front();
    }
    history.push_back(next);
}

impl Asset {
    /// An underlying whose simulation begins at `began` (ns since 1970 UTC, a whole minute); its
    /// options are those that are listed on `listed`, in days since 1970-01-01.
    pub(super) fn new(
        instrument: Arc<Instrument>,
        seed: u64,
        (began, listed): (i64, i64),
        symbol: SymbolId,
        tables: Arc<Tables>,
    ) -> Self {
        let ms = began / 1_000_000;
        let day = ms.div_euclid(DAY_MS);
        let past = Past::new(Arc::clone(&instrument), mix(seed, 1), ms);
        let (previous_day, before) = past.day_before(day).unwrap_or_default();
        let mut regular = Bar::default();
        for minute in past.minutes(day * DAY_MS) {
            regular.append(&minute.all);
        }
        let texts = Texts::new(&tables, &instrument);
        let chain = Chain::new(Arc::clone(&instrument), mix(seed, 3), listed);
        let (price, spread) = (instrument.price, instrument.spread);
        let mut asset = Self {
            instrument,
            symbol,
            tables,
            texts,
            kinds: Kinds::default(),
            seed,
            random: Random::new(seed, 2),
            began,
            own_motion: 0.0,
            top: Top {
                time: began,
                sequence: 0,
                bid: price,
                ask: price + spread,
                bid_size: 100,
                ask_size: 100,
                bid_exchange: b'Q',
                ask_exchange: b'Q',
                spot: price as f64 / 100.0,
            },
            last: None,
            last_extended: None,
            day,
            regular,
            extended: Bar::default(),
            previous: (previous_day, before.close, before.volume),
            sales: VecDeque::new(),
            minutes: VecDeque::new(),
            samples: VecDeque::new(),
            sampled: 0,
            option_trades: VecDeque::new(),
            past,
            chain,
            book: Book::default(),
            watched: Vec::new(),
            live: Vec::new(),
            quote_sequence: Sequence::default(),
            sale_sequence: Sequence::default(),
            option_sequence: Sequence::default(),
            trades: 0,
        };
        asset.requote(began, 0.0, &mut Out::muted());
        asset
    }

    /// Begins a new trading day if `ms` lies in one; days change at midnight UTC.
    pub(super) fn enter_day(&mut self, ms: i64, out: &mut Out) {
        let day = ms.div_euclid(DAY_MS);
        if day == self.day {
            return;
        }
        let mut whole = self.regular;
        whole.append(&self.extended);
        if self.regular.count > 0 {
            self.previous = (self.day, self.regular.close, whole.volume);
        }
        self.day = day;
        (self.regular, self.extended) = (Bar::default(), Bar::default());
        self.chain.begin_day();
        if self.kinds.has(EventKind::Summary) {
            out.send(&self.summary());
        }
    }

    /// Moves the price to a time in ns since 1970 UTC and quotes it; `market` is the common Brownian
    /// motion at that time, over years.
    pub(super) fn requote(&mut self, time: i64, market: f64, out: &mut Out) {
        let ms = time.div_euclid(1_000_000);
        self.enter_day(ms, out);
        let instrument = Arc::clone(&self.instrument);
        let passed = (time - self.top.time) as f64 / YEAR_NS;
        self.own_motion += passed.sqrt() * self.random.normal();
        let drift = -0.5 * instrument.volatility * instrument.volatility;
        let log = drift * ((time - self.began) as f64 / YEAR_NS)
            + instrument.beta * MARKET_VOLATILITY * market
            + instrument.own_volatility() * self.own_motion;
        let spot = instrument.price as f64 / 100.0 * libm::exp(log);
        let wide = self.random.below(8) == 0;
        let spread = instrument.spread
            + i64::from(wide) * (1 + self.random.below(1 + instrument.spread as u64)) as i64;
        let bid = ((spot * 100.0 - spread as f64 / 2.0).round() as i64).max(1);
        let mut size = || 1 + self.random.below(2 * instrument.size.max(1)) as u32;
        let (bid_size, ask_size) = (size(), size());
        let listing = instrument.exchange;
        let exchanges = [listing, listing, b'Q', b'P', b'Z', b'K'];
        let mut exchange = || exchanges[self.random.below(6) as usize];
        let (bid_exchange, ask_exchange) = (exchange(), exchange());
        let sequence = self.quote_sequence.next(ms);
        let ask = bid + spread;
        self.top =
            Top { time, sequence, bid, ask, bid_size, ask_size, bid_exchange, ask_exchange, spot };
        if !instrument.index {
            if self.kinds.has(EventKind::Quote) {
                out.send(&self.quote());
            }
            self.follow_book(out);
        }
        self.requote_options(out);
        if time - self.sampled >= SAMPLE_NS {
            self.sample(out);
        }
    }

    fn follow_book(&mut self, out: &mut Out) {
        let top = self.top;
        let seed = self.seed;
        let usual = self.instrument.size;
        let size = |buy: bool, price: i64| match (buy, price) {
            (true, price) if price == top.bid => top.bid_size,
            (false, price) if price == top.ask => top.ask_size,
            // A level changes its size about once in eight seconds.
            _ => {
                let spell = top.time / 8_000_000_000 + price;
                1 + (mix(mix(seed, price as u64), spell as u64) % (3 * usual)) as u32
            }
        };
        let mut book = std::mem::take(&mut self.book);
        let step = self.instrument.spread.max(1);
        let mut place = 0;
        book.follow(top.time, (top.bid, top.ask), step, size, |change, order| {
            if self.kinds.has(EventKind::Order) {
                out.send(&self.order(change, order, place));
            }
            if self.kinds.has(EventKind::AnalyticOrder) {
                out.send(&self.analytic_order(change, order, place));
            }
            place += 1;
        });
        self.book = book;
    }

    fn requote_options(&mut self, out: &mut Out) {
        for at in 0..self.watched.len() {
            let watched = &self.watched[at];
            if !watched.kinds.has(EventKind::Quote) {
                continue;
            }
            let quote = self.chain.quote(watched.at, self.top.spot, self.top.ms());
            if watched.quote != Some(quote) {
                out.send(&self.option_quote(watched.symbol, watched.at));
                self.watched[at].quote = Some(quote);
            }
        }
    }

    fn sample(&mut self, out: &mut Out) {
        let (call_volume, put_volume) = self.chain.volumes();
        let sample = Sample { time: self.top.ms(), spot: self.top.spot, call_volume, put_volume };
        self.sampled = self.top.time;
        keep(&mut self.samples, SAMPLES, sample);
        if self.kinds.has(EventKind::Underlying) {
            out.send(&self.underlying(&sample));
        }
        if self.kinds.has(EventKind::Series) {
            for expiry in 0..self.chain.expiries.len() {
                out.send(&self.series(&sample, expiry));
            }
        }
        if self.kinds.has(EventKind::SpreadOrder) {
            for buy in [true, false] {
                out.send(&self.spread_order(&sample, buy));
            }
        }
        for watched in &self.watched {
            if watched.kinds.has(EventKind::Greeks) {
                out.send(&self.greeks(watched.symbol, watched.at, &sample));
            }
            if watched.kinds.has(EventKind::TheoPrice) {
                out.send(&self.theo_price(watched.symbol, watched.at, &sample));
            }
        }
    }

    /// The bars of a candle symbol since `from_time`, in order: those of the past and of the kept
    /// minutes, or, for periods that are not whole minutes, of the kept trades.
    pub(super) fn bars(
        &self,
        period: Period,
        regular_only: bool,
        from_time: i64,
    ) -> Vec<(i64, Bar)> {
        let from = from_time.max(0);
        let first = period.start_of(from.min(self.top.ms()));
        let mut bars = if period.is_whole_minutes() {
            let known = self.minutes.iter().copied().skip_while(|minute| minute.start < first);
            let known = known.map(|minute| {
                (minute.start, if regular_only { minute.regular } else { minute.all })
            });
            match period {
                Period::Time(_) => {
                    let past = self.past.minutes(first).map(|minute| (minute.start, minute.all));
                    aggregate(period, past.chain(known))
                }
                _ => aggregate(period, self.past.days(first).chain(known)),
            }
        } else {
            let whole_since = match self.sales.front() {
                Some(sale) if self.sales.len() == SALES => sale.ms() + 1,
                _ => self.began / 1_000_000,
            };
            let sales = self
                .sales
                .iter()
                .filter(|sale| sale.ms() >= first && !(regular_only && sale.extended));
            let mut bars = aggregate(period, sales.map(|sale| (sale.ms(), Bar::of(sale))));
            bars.retain(|&(start, _)| start >= whole_since);
            bars
        };
        bars.retain(|&(start, _)| start >= from);
        bars
    }

    /// Has the bars of a candle symbol emitted from now on.
    pub(super) fn watch_candle(&mut self, symbol: SymbolId, read: &CandleSymbol<'_>) -> usize {
        let CandleSymbol { period, regular_only, .. } = *read;
        let bar = self.bars(period, regular_only, period.start_of(self.top.ms())).pop();
        self.live.push(Live { symbol, period, regular_only, bar });
        self.live.len() - 1
    }

    /// Has events of an option emitted from now on.
    pub(super) fn watch_option(&mut self, symbol: SymbolId, at: OptionAt) -> usize {
        if let Some(known) = self.watched.iter().position(|watched| watched.at == at) {
            return known;
        }
        self.watched.push(Watched { at, symbol, kinds: Kinds::default(), quote: None });
        self.watched.len() - 1
    }
}
