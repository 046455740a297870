//! The options of one underlying: expiries, strikes, volatilities and quotes.

use std::sync::Arc;

use super::black_scholes::{Contract, Right};
use super::calendar::{DAY_MS, Date, FRIDAY, new_york_midnight, next_weekday, weekday};
use super::candle::{Bar, Last, Sale};
use super::instrument::{INTEREST, Instrument};
use super::random::mix;

/// Strikes of an expiry.
pub(super) const STRIKES: usize = 20;

/// New York time of expiry on its day, in ms since midnight: 16:00.
const EXPIRY_TIME: i64 = 16 * 3_600_000;

const YEAR_MS: f64 = 365.0 * 86_400_000.0;

/// The place of an option in its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct OptionAt {
    pub(super) expiry: u16,
    /// Strikes in ascending order, for each the call, then the put.
    pub(super) option: u16,
}

impl OptionAt {
    /// The call of the first expiry that lies this many strikes above the middle one.
    pub(super) fn middle_call(above: u16) -> Self {
        Self { expiry: 0, option: STRIKES as u16 - 2 + 2 * above }
    }

    pub(super) fn right(self) -> Right {
        if self.option.is_multiple_of(2) { Right::Call } else { Right::Put }
    }
}

/// What changes of an option as it trades.
#[derive(Debug, Default, Clone)]
pub(super) struct Traded {
    /// The trading day so far.
    pub(super) day: Bar,
    /// The last trade.
    pub(super) last: Option<Last>,
}

/// One expiry.
#[derive(Debug)]
pub(super) struct Expiry {
    /// Days since 1970-01-01.
    pub(super) day: i64,
    /// Ms since 1970 UTC.
    pub(super) time: i64,
    /// In cents, ascending.
    pub(super) strikes: Vec<i64>,
    /// By [`OptionAt::option`].
    pub(super) traded: Vec<Traded>,
    /// Contracts of calls and puts today.
    pub(super) call_volume: u64,
    pub(super) put_volume: u64,
}

/// Best bid and ask of an option, in cents and contracts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OptionQuote {
    pub(super) bid: i64,
    pub(super) ask: i64,
    pub(super) bid_size: u32,
    pub(super) ask_size: u32,
}

/// The options of one underlying.
#[derive(Debug)]
pub(super) struct Chain {
    instrument: Arc<Instrument>,
    seed: u64,
    pub(super) expiries: Vec<Expiry>,
}

impl Chain {
    /// The chain that is listed on `today`.
    pub(super) fn new(instrument: Arc<Instrument>, seed: u64, today: i64) -> Self {
        let days = expiry_days(today, instrument.index);
        let expiries = days.into_iter().map(|day| {
            let step = instrument.strike_step * if day - today > 45 { 2 } else { 1 };
            let middle = (instrument.price + step / 2) / step;
            let lowest = middle - STRIKES as i64 / 2 + 1;
            Expiry {
                day,
                time: day * DAY_MS + new_york_midnight(day) + EXPIRY_TIME,
                strikes: (lowest..lowest + STRIKES as i64).map(|at| at * step).collect(),
                traded: vec![Traded::default(); 2 * STRIKES],
                call_volume: 0,
                put_volume: 0,
            }
        });
        let expiries = expiries.collect();
        Self { instrument, seed, expiries }
    }

    /// The option with this symbol, such as `.AAPL260116C150`.
    pub(super) fn find(&self, symbol: &str) -> Option<OptionAt> {
        let rest = symbol.strip_prefix('.')?.strip_prefix(self.instrument.option_root)?;
        let (date, rest) = rest.split_at_checked(6)?;
        let day = Date::parse(&format!("20{date}"))?.number();
        let expiry = self.expiries.iter().position(|expiry| expiry.day == day)?;
        (0..2 * STRIKES as u16)
            .map(|option| OptionAt { expiry: expiry as u16, option })
            .find(|&at| self.right_and_strike(at) == rest)
    }

    /// The symbol of an option.
    pub(super) fn symbol(&self, at: OptionAt) -> String {
        let Date { year, month, day } = Date::of(self.expiry(at).day);
        let root = self.instrument.option_root;
        format!(".{root}{:02}{month:02}{day:02}{}", year % 100, self.right_and_strike(at))
    }

    /// Name of an option in words.
    pub(super) fn description(&self, at: OptionAt) -> String {
        let Date { year, month, day } = Date::of(self.expiry(at).day);
        let right = if at.right() == Right::Call { "Call" } else { "Put" };
        let symbol = self.instrument.symbol;
        let strike = strike_text(self.strike(at));
        format!("{symbol} {year}-{month:02}-{day:02} {strike} {right}")
    }

    /// Every option.
    pub(super) fn all(&self) -> impl Iterator<Item = OptionAt> + use<> {
        (0..self.expiries.len() as u16).flat_map(|expiry| {
            (0..2 * STRIKES as u16).map(move |option| OptionAt { expiry, option })
        })
    }

    pub(super) fn expiry(&self, at: OptionAt) -> &Expiry {
        &self.expiries[usize::from(at.expiry)]
    }

    /// In cents.
    pub(super) fn strike(&self, at: OptionAt) -> i64 {
        self.expiry(at).strikes[usize::from(at.option / 2)]
    }

    pub(super) fn traded(&self, at: OptionAt) -> &Traded {
        &self.expiry(at).traded[usize::from(at.option)]
    }

    /// Volatility at the money for a time to expiry.
    ///
    /// It falls as the underlying rises, and short terms have a little more of it.
    pub(super) fn at_the_money(&self, spot: f64, years: f64) -> f64 {
        let start = self.instrument.price as f64 / 100.0;
        let term = 1.0 + 0.1 * libm::exp(-8.0 * years.max(0.0));
        self.instrument.volatility * term * (start / spot).sqrt()
    }

    /// The option at a price of its underlying and a time in ms since 1970 UTC.
    ///
    /// The smile is a parabola over the distance of the strike from the forward in standard
    /// deviations, with its lowest point above the forward, and flat beyond four of them.
    pub(super) fn contract(&self, at: OptionAt, spot: f64, time: i64) -> Contract {
        let years = years_between(time, self.expiry(at).time);
        let strike = self.strike(at) as f64 / 100.0;
        let dividend = self.instrument.dividend;
        let flat = self.at_the_money(spot, years);
        let deviation = flat * years.max(1.0 / 365.0).sqrt();
        let forward = libm::log(strike / spot) - (INTEREST - dividend) * years;
        let distance = (forward / deviation).clamp(-4.0, 4.0);
        Contract {
            right: at.right(),
            strike,
            spot,
            years,
            rate: INTEREST,
            dividend,
            volatility: flat * (1.0 - 0.06 * distance + 0.02 * distance * distance),
        }
    }

    /// The quote around the theoretical price, on the option's price grid.
    pub(super) fn quote(&self, at: OptionAt, spot: f64, time: i64) -> OptionQuote {
        let cents = self.contract(at, spot, time).value().price * 100.0;
        let (below_three, above) = match self.instrument.symbol {
            "SPX" => (5, 10),
            "SPY" | "QQQ" | "IWM" => (1, 1),
            _ => (1, 5),
        };
        let tick = if cents < 300.0 { below_three } else { above };
        let half = (cents * 0.01).max(0.5 * tick as f64);
        let grid = tick as f64;
        let bid = ((cents - half).max(0.0) / grid).floor() as i64 * tick;
        let ask = ((cents + half) / grid).ceil() as i64 * tick;
        let size = |price: i64| {
            let key = u64::from(at.expiry) << 16 | u64::from(at.option);
            1 + (mix(mix(self.seed, key), price as u64) % 150) as u32
        };
        let bid_size = if bid == 0 { 0 } else { size(bid) };
        OptionQuote { bid, ask, bid_size, ask_size: size(ask) }
    }

    /// Open interest of an option in contracts.
    pub(super) fn open_interest(&self, at: OptionAt) -> i64 {
        let from_middle = (i64::from(at.option / 2) - STRIKES as i64 / 2).unsigned_abs();
        let key = u64::from(at.expiry) << 16 | u64::from(at.option) | 1 << 32;
        (mix(self.seed, key) % (40_000 / (1 + from_middle * from_middle))) as i64
    }

    /// Enters a trade.
    pub(super) fn trade(&mut self, at: OptionAt, sale: &Sale) {
        let call = at.right() == Right::Call;
        let expiry = &mut self.expiries[usize::from(at.expiry)];
        let volume = if call { &mut expiry.call_volume } else { &mut expiry.put_volume };
        *volume += u64::from(sale.size);
        let traded = &mut expiry.traded[usize::from(at.option)];
        traded.day.append(&Bar::of(sale));
        traded.last = Some(Last::after(traded.last.as_ref(), sale));
    }

    /// Contracts of calls and puts that traded today.
    pub(super) fn volumes(&self) -> (u64, u64) {
        self.expiries.iter().fold((0, 0), |(calls, puts), expiry| {
            (calls + expiry.call_volume, puts + expiry.put_volume)
        })
    }

    /// Begins a trading day.
    pub(super) fn begin_day(&mut self) {
        for expiry in &mut self.expiries {
            (expiry.call_volume, expiry.put_volume) = (0, 0);
            for traded in &mut expiry.traded {
                traded.day = Bar::default();
            }
        }
    }

    fn right_and_strike(&self, at: OptionAt) -> String {
        let right = if at.right() == Right::Call { 'C' } else { 'P' };
        format!("{right}{}", strike_text(self.strike(at)))
    }
}

/// Years from one time to another, both in ms since 1970 UTC.
pub(super) fn years_between(from: i64, to: i64) -> f64 {
    (to - from) as f64 / YEAR_MS
}

/// A strike in cents without trailing zeros.
fn strike_text(cents: i64) -> String {
    let text = format!("{}.{:02}", cents / 100, cents % 100);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Three Fridays and three further monthly expiries (the third Friday of the month); for an index
/// the next five weekdays before them.
fn expiry_days(today: i64, index: bool) -> Vec<i64> {
    let mut days: Vec<i64> = Vec::new();
    if index {
        days.extend((today + 1..today + 8).filter(|&day| weekday(day) < 5));
    }
    let friday = next_weekday(today + 1, FRIDAY);
    days.extend([friday, friday + 7, friday + 14]);
    let mut date = Date { day: 1, ..Date::of(today) };
    let mut monthlies = 0;
    while monthlies < 3 {
        let third = next_weekday(date.number(), FRIDAY) + 14;
        if third > friday + 14 {
            days.push(third);
            monthlies += 1;
        }
        date = Date { year: date.year + date.month / 12, month: date.month % 12 + 1, day: 1 };
    }
    days.sort_unstable();
    days.dedup();
    days
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(symbol: &str) -> Chain {
        let today = Date::parse("20260105").unwrap().number();
        Chain::new(Arc::new(Instrument::find(symbol).unwrap().clone()), 5, today)
    }

    #[test]
    fn expiries_are_weeklies_and_third_fridays() {
        let texts = |symbol: &str| -> Vec<String> {
            let days = chain(symbol).expiries.into_iter().map(|expiry| Date::of(expiry.day));
            days.map(|date| format!("{:02}{:02}", date.month, date.day)).collect()
        };
        assert_eq!(texts("AAPL"), ["0109", "0116", "0123", "0220", "0320", "0417"]);
        assert_eq!(texts("SPX")[..5], ["0106", "0107", "0108", "0109", "0112"]);
    }

    #[test]
    fn symbols_name_one_option_each() {
        for chain in [chain("AAPL"), chain("SPX")] {
            for at in chain.all() {
                assert_eq!(chain.find(&chain.symbol(at)), Some(at));
            }
        }
        let chain = chain("AAPL");
        let at = chain.find(".AAPL260116C232.5").unwrap();
        assert_eq!(chain.strike(at), 23_250);
        assert_eq!(chain.description(at), "AAPL 2026-01-16 232.5 Call");
        for symbol in [".AAPL260116C232.50", ".AAPL260117C230", "AAPL260116C230", ".AAPL26é"] {
            assert_eq!(chain.find(symbol), None, "{symbol}");
        }
    }

    #[test]
    fn quotes_straddle_the_model_on_the_grid() {
        for chain in [chain("SPX"), chain("SPY"), chain("TSLA")] {
            let start = chain.instrument.price as f64 / 100.0;
            for (at, move_) in chain.all().zip([0.9, 0.97, 1.0, 1.04, 1.1].into_iter().cycle()) {
                let time = chain.expiries[0].time - 3 * DAY_MS;
                let quote = chain.quote(at, start * move_, time);
                let price = chain.contract(at, start * move_, time).value().price * 100.0;
                assert!(quote.bid as f64 <= price && price <= quote.ask as f64);
                assert!(quote.bid >= 0 && quote.bid < quote.ask && quote.ask_size > 0);
                assert_eq!(quote.bid == 0, quote.bid_size == 0);
                if chain.instrument.symbol == "SPX" {
                    assert_eq!((quote.bid % 5, quote.ask % 5), (0, 0));
                }
            }
        }
    }

    #[test]
    fn calls_and_puts_of_a_strike_share_their_volatility() {
        let chain = chain("AAPL");
        let time = chain.expiries[0].time - 2 * DAY_MS;
        for at in chain.all().filter(|at| at.option % 2 == 0) {
            let put = OptionAt { option: at.option + 1, ..at };
            let (call, put) = (chain.contract(at, 231.0, time), chain.contract(put, 231.0, time));
            assert_eq!(call.volatility.to_bits(), put.volatility.to_bits());
            let forward = 231.0 * libm::exp(-call.dividend * call.years)
                - call.strike * libm::exp(-call.rate * call.years);
            assert!((call.value().price - put.value().price - forward).abs() < 1e-9);
        }
    }
}
