//! Candle symbols and bars.

use std::cmp::Ordering;

use dxstream::event::{Candle, Direction, Record, index};
use dxstream::symbol::SymbolId;

use super::calendar::{DAY_MS, Date, weekday};

const MINUTE_MS: i64 = 60_000;

/// The length of a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Period {
    /// Milliseconds, counted from midnight UTC; shorter than a day.
    Time(i64),
    /// Days.
    Days(i64),
    /// Weeks from Monday.
    Weeks(i64),
    /// Months.
    Months(i64),
}

impl Period {
    /// The period that a candle symbol's `=` attribute writes, such as `5m`; nothing for the kinds
    /// that the market does not make.
    fn parse(text: &str) -> Option<Self> {
        let unit_at = text.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = text.split_at(unit_at);
        let number: i64 = if number.is_empty() { 1 } else { number.parse().ok()? };
        let most = if unit == "s" { 86_400 } else { 1440 };
        if !(1..=most).contains(&number) {
            return None;
        }
        let within_day = |unit: i64| {
            let length = number * unit;
            (length <= DAY_MS).then_some(Self::Time(length))
        };
        match unit {
            "s" => within_day(1000),
            "m" => within_day(MINUTE_MS),
            "h" => within_day(60 * MINUTE_MS),
            "d" => Some(Self::Days(number)),
            "w" => Some(Self::Weeks(number)),
            "mo" => Some(Self::Months(number)),
            _ => None,
        }
    }

    /// The start of the bar that holds a time, both in ms since 1970 UTC.
    pub(super) fn start_of(self, time: i64) -> i64 {
        let day = time.div_euclid(DAY_MS);
        match self {
            Self::Time(length) => {
                day * DAY_MS + time.rem_euclid(DAY_MS).div_euclid(length) * length
            }
            Self::Days(count) => day.div_euclid(count) * count * DAY_MS,
            Self::Weeks(count) => {
                // The Monday of the week that 1970-01-01, a Thursday, lies in is day -3.
                let week = (day - weekday(day) + 3).div_euclid(7);
                (week.div_euclid(count) * count * 7 - 3) * DAY_MS
            }
            Self::Months(count) => {
                let date = Date::of(day);
                let month = ((date.year * 12 + date.month - 1).div_euclid(count)) * count;
                Date { year: month.div_euclid(12), month: month.rem_euclid(12) + 1, day: 1 }
                    .number()
                    * DAY_MS
            }
        }
    }

    /// Whether bars of whole minutes add up to bars of this period.
    pub(super) fn is_whole_minutes(self) -> bool {
        !matches!(self, Self::Time(length) if length % MINUTE_MS != 0)
    }
}

/// A parsed candle symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CandleSymbol<'a> {
    /// The symbol that the bars are of.
    pub(super) base: &'a str,
    pub(super) period: Period,
    /// Whether only trades in regular trading hours count.
    pub(super) regular_only: bool,
}

impl<'a> CandleSymbol<'a> {
    /// Reads a candle symbol in normal form; nothing for attributes that the market does not serve.
    pub(super) fn parse(symbol: &'a str) -> Option<Self> {
        let (base, attributes) = symbol.strip_suffix('}')?.split_once('{')?;
        let (mut period, mut regular_only) = (None, false);
        for attribute in attributes.split(',') {
            match attribute.split_once('=')? {
                ("", text) if period.is_none() => period = Some(Period::parse(text)?),
                ("tho", "true") => regular_only = true,
                _ => return None,
            }
        }
        Some(Self { base, period: period?, regular_only })
    }
}

/// A trade as bars and histories know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sale {
    /// Nanoseconds since 1970 UTC.
    pub(super) time: i64,
    /// Number within the millisecond.
    pub(super) sequence: u32,
    /// In cents.
    pub(super) price: i64,
    /// In shares.
    pub(super) size: u32,
    /// The quote at the time, in cents.
    pub(super) bid: i64,
    pub(super) ask: i64,
    /// Whether the buyer took liquidity.
    pub(super) buy: bool,
    /// Whether it was made outside of regular trading hours.
    pub(super) extended: bool,
    pub(super) exchange: u8,
    pub(super) id: i64,
}

impl Sale {
    /// The time in ms since 1970 UTC.
    pub(super) fn ms(&self) -> i64 {
        self.time.div_euclid(1_000_000)
    }
}

/// The last trade and how its price stood to the one before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Last {
    pub(super) sale: Sale,
    pub(super) direction: Direction,
}

impl Last {
    /// A trade that follows another.
    pub(super) fn after(last: Option<&Self>, sale: &Sale) -> Self {
        let direction = match last.map(|last| (sale.price.cmp(&last.sale.price), last.direction)) {
            None => Direction::Undefined,
            Some((Ordering::Less, _)) => Direction::Down,
            Some((Ordering::Greater, _)) => Direction::Up,
            Some((Ordering::Equal, Direction::Down | Direction::ZeroDown)) => Direction::ZeroDown,
            Some((Ordering::Equal, Direction::Up | Direction::ZeroUp)) => Direction::ZeroUp,
            Some((Ordering::Equal, Direction::Undefined | Direction::Zero)) => Direction::Zero,
        };
        Self { sale: *sale, direction }
    }
}

/// What traded in a span of time. Prices are in cents, so that sums are exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Bar {
    pub(super) count: u64,
    pub(super) open: i64,
    pub(super) high: i64,
    pub(super) low: i64,
    pub(super) close: i64,
    pub(super) volume: u64,
    /// Sum of price times size, in cents.
    pub(super) turnover: u64,
    pub(super) bid_volume: u64,
    pub(super) ask_volume: u64,
}

impl Bar {
    /// The bar of one trade.
    pub(super) fn of(sale: &Sale) -> Self {
        let volume = u64::from(sale.size);
        Self {
            count: 1,
            open: sale.price,
            high: sale.price,
            low: sale.price,
            close: sale.price,
            volume,
            turnover: volume * sale.price.unsigned_abs(),
            bid_volume: if sale.buy { 0 } else { volume },
            ask_volume: if sale.buy { volume } else { 0 },
        }
    }

    /// Appends what traded next.
    pub(super) fn append(&mut self, next: &Self) {
        if next.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = *next;
            return;
        }
        self.count += next.count;
        self.high = self.high.max(next.high);
        self.low = self.low.min(next.low);
        self.close = next.close;
        self.volume += next.volume;
        self.turnover += next.turnover;
        self.bid_volume += next.bid_volume;
        self.ask_volume += next.ask_volume;
    }

    /// The Candle event of the bar that starts at `start` (ms since 1970 UTC).
    pub(super) fn candle(&self, symbol: SymbolId, start: i64, volatility: f64) -> Candle {
        let price = |cents: i64| if self.count == 0 { f64::NAN } else { cents as f64 / 100.0 };
        let vwap = if self.volume == 0 {
            f64::NAN
        } else {
            self.turnover as f64 / (self.volume as f64 * 100.0)
        };
        Candle {
            event_symbol: symbol,
            index: index::pack(start, 0),
            time: start,
            count: self.count as i64,
            open: price(self.open),
            high: price(self.high),
            low: price(self.low),
            close: price(self.close),
            volume: self.volume as f64,
            vwap,
            bid_volume: self.bid_volume as f64,
            ask_volume: self.ask_volume as f64,
            imp_volatility: volatility,
            ..Candle::UNKNOWN
        }
    }
}

/// What traded in one minute: all of it, and what of it in regular trading hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Minute {
    /// Ms since 1970 UTC.
    pub(super) start: i64,
    pub(super) all: Bar,
    pub(super) regular: Bar,
}

impl Minute {
    /// The minute that a trade lies in, empty.
    pub(super) fn at(time: i64) -> Self {
        let start = time.div_euclid(MINUTE_MS) * MINUTE_MS;
        Self { start, all: Bar::default(), regular: Bar::default() }
    }

    /// Appends a trade.
    pub(super) fn append(&mut self, sale: &Sale) {
        let bar = Bar::of(sale);
        self.all.append(&bar);
        if !sale.extended {
            self.regular.append(&bar);
        }
    }
}

/// Puts parts that arrive in order of time together to bars of a period.
pub(super) fn aggregate(
    period: Period,
    parts: impl Iterator<Item = (i64, Bar)>,
) -> Vec<(i64, Bar)> {
    let mut bars: Vec<(i64, Bar)> = Vec::new();
    for (time, part) in parts {
        let start = period.start_of(time);
        match bars.last_mut() {
            Some((last, bar)) if *last == start => bar.append(&part),
            _ if part.count > 0 => bars.push((start, part)),
            _ => {}
        }
    }
    bars
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, ms: i64) -> i64 {
        Date::parse(text).unwrap().number() * DAY_MS + ms
    }

    #[test]
    fn symbols_in_normal_form_are_read() {
        let read = |symbol| {
            CandleSymbol::parse(symbol).map(|read| (read.base, read.period, read.regular_only))
        };
        assert_eq!(read("AAPL{=m}"), Some(("AAPL", Period::Time(60_000), false)));
        assert_eq!(read("AAPL{=5m,tho=true}"), Some(("AAPL", Period::Time(300_000), true)));
        assert_eq!(read("SPX{=d}"), Some(("SPX", Period::Days(1), false)));
        assert_eq!(read("SPX{=3mo}"), Some(("SPX", Period::Months(3), false)));
        for symbol in [
            "AAPL",
            "AAPL{}",
            "AAPL{=t}",
            "AAPL{=0m}",
            "AAPL{=m",
            "AAPL{price=bid}",
            "AAPL{=25h}",
            "AAPL{=5m,a=s}",
            "AAPL{=99999999999999999999m}",
            "AAPL{tho=true}",
            "AAPL{=}",
        ] {
            assert_eq!(read(symbol), None, "{symbol}");
        }
    }

    #[test]
    fn bars_start_on_the_calendar() {
        // 2026-07-31 is a Friday.
        let time = at("20260731", 14 * 3_600_000 + 61_500);
        let start = |text: &str| Period::parse(text).unwrap().start_of(time);
        assert_eq!(start("s"), time - 500);
        assert_eq!(start("m"), time - 1500);
        assert_eq!(start("5h"), at("20260731", 10 * 3_600_000));
        assert_eq!(start("d"), at("20260731", 0));
        assert_eq!(start("w"), at("20260727", 0));
        assert_eq!(start("mo"), at("20260701", 0));
        assert_eq!(start("12mo"), at("20260101", 0));
    }
}
