//! The time before the simulation: a price path that is drawn backwards, day by day.

use std::sync::{Arc, OnceLock};

use super::calendar::{DAY_MS, weekday};
use super::candle::{Bar, Minute};
use super::instrument::Instrument;
use super::random::{Random, mix};

/// How many calendar days back the market has bars.
pub(super) const PAST_DAYS: i64 = 366;

/// Minutes of a trading day of the past: 14:30 to 21:00 UTC.
const OPEN_MINUTE: i64 = 14 * 60 + 30;
const CLOSE_MINUTE: i64 = 21 * 60;

const MINUTE_MS: i64 = 60_000;

/// Share of a day's variance that the night before has.
const NIGHT_VARIANCE: f64 = 0.2;

const TRADING_DAYS_A_YEAR: f64 = 252.0;

/// One trading day: where it began and ended.
#[derive(Debug, Clone, Copy)]
struct Day {
    number: i64,
    first_minute: i64,
    last_minute: i64,
    /// In cents.
    open: f64,
    close: f64,
}

/// The bars of one instrument before its simulation begins.
///
/// Trading days are Monday to Friday; the day on which the simulation begins trades from midnight.
#[derive(Debug)]
pub(super) struct Past {
    days: Vec<Day>,
    seed: u64,
    instrument: Arc<Instrument>,
    /// The bar of each of the days, from when somebody asks for days.
    bars: OnceLock<Vec<Bar>>,
}

impl Past {
    /// The past of an instrument that costs its start price at `end` (ms since 1970 UTC, a whole
    /// minute).
    pub(super) fn new(instrument: Arc<Instrument>, seed: u64, end: i64) -> Self {
        let mut random = Random::new(seed, 0);
        let deviation = instrument.volatility / TRADING_DAYS_A_YEAR.sqrt();
        let today = end.div_euclid(DAY_MS);
        let minutes_today = end.rem_euclid(DAY_MS) / MINUTE_MS;
        let mut days = Vec::new();
        let mut price = instrument.price as f64;
        for day in (today - PAST_DAYS..=today).rev() {
            let (first_minute, last_minute, share) = if day == today {
                (0, minutes_today, minutes_today as f64 / 1440.0)
            } else if weekday(day) < 5 {
                (OPEN_MINUTE, CLOSE_MINUTE, 1.0)
            } else {
                continue;
            };
            let close = price;
            let open = close * libm::exp(-deviation * share.sqrt() * random.normal());
            days.push(Day { number: day, first_minute, last_minute, open, close });
            price = open * libm::exp(-deviation * NIGHT_VARIANCE.sqrt() * random.normal());
        }
        days.reverse();
        Self { days, seed, instrument, bars: OnceLock::new() }
    }

    /// The minutes from the one that holds `from_time` on (ms since 1970 UTC), in order.
    pub(super) fn minutes(&self, from_time: i64) -> impl Iterator<Item = Minute> + '_ {
        let from_day = from_time.div_euclid(DAY_MS);
        let from_minute = from_time.div_euclid(MINUTE_MS) * MINUTE_MS;
        let first = self.days.partition_point(|day| day.number < from_day);
        self.days[first..]
            .iter()
            .flat_map(|day| self.minutes_of(day))
            .skip_while(move |minute| minute.start < from_minute)
    }

    /// The days from `from_time` on (ms since 1970 UTC), in order: their start and bar.
    pub(super) fn days(&self, from_time: i64) -> impl Iterator<Item = (i64, Bar)> + '_ {
        let bars = self.bars.get_or_init(|| self.days.iter().map(|day| self.bar(day)).collect());
        let first = self.days.partition_point(|day| day.number * DAY_MS < from_time);
        let days = self.days[first..].iter().zip(&bars[first..]);
        days.map(|(day, bar)| (day.number * DAY_MS, *bar))
    }

    /// The trading day before a day, if the past reaches it: the day and its bar.
    pub(super) fn day_before(&self, day: i64) -> Option<(i64, Bar)> {
        let found = self.days.iter().rev().find(|known| known.number < day)?;
        Some((found.number, self.bar(found)))
    }

    fn bar(&self, day: &Day) -> Bar {
        let mut bar = Bar::default();
        for minute in self.minutes_of(day) {
            bar.append(&minute.all);
        }
        bar
    }

    /// Highest and lowest price at the ends of its days, in cents.
    pub(super) fn range(&self) -> (i64, i64) {
        let ends = || self.days.iter().flat_map(|day| [day.open, day.close]);
        let price = self.instrument.price;
        let high = ends().fold(price, |high, end| high.max(end.ceil() as i64));
        let low = ends().fold(price, |low, end| low.min(end.floor() as i64));
        (high, low)
    }

    /// A Brownian bridge from the day's open to its close, one step a minute.
    fn minutes_of(&self, day: &Day) -> Vec<Minute> {
        let mut random = Random::new(mix(self.seed, 1), day.number as u64);
        let count = (day.last_minute - day.first_minute) as usize;
        let step = self.instrument.volatility / (TRADING_DAYS_A_YEAR * 390.0).sqrt();
        let mut walk = vec![0.0; count + 1];
        for at in 1..=count {
            walk[at] = walk[at - 1] + step * random.normal();
        }
        let whole = libm::log(day.close / day.open) - walk[count];
        let price = |at: usize| {
            let share = at as f64 / count as f64;
            (day.open * libm::exp(walk[at] + share * whole)).round() as i64
        };
        let mut open = day.open.round() as i64;
        let mut minutes = Vec::with_capacity(count);
        for at in 0..count {
            let close = price(at + 1);
            let reach = (step * close as f64).ceil().max(1.0) as u64;
            let high = open.max(close) + random.below(reach + 1) as i64;
            let low = (open.min(close) - random.below(reach + 1) as i64).max(1);
            let count = 1 + random.below(120);
            let volume = if self.instrument.index { 0 } else { count * (50 + random.below(100)) };
            let bid_volume = random.below(volume + 1);
            let bar = Bar {
                count,
                open,
                high,
                low,
                close,
                volume,
                turnover: volume * (open + high + low + close).unsigned_abs() / 4,
                bid_volume,
                ask_volume: volume - bid_volume,
            };
            let start = day.number * DAY_MS + (day.first_minute + at as i64) * MINUTE_MS;
            minutes.push(Minute { start, all: bar, regular: bar });
            open = close;
        }
        minutes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: i64 = 20_410 * DAY_MS + 600 * MINUTE_MS;

    fn past(symbol: &str, seed: u64) -> Past {
        Past::new(Arc::new(Instrument::find(symbol).unwrap().clone()), seed, END)
    }

    #[test]
    fn the_past_leads_to_the_start_price() {
        let past = past("AAPL", 3);
        let minutes: Vec<_> = past.minutes(END - 30 * DAY_MS).collect();
        let last = minutes.last().unwrap();
        assert_eq!((last.start, last.all.close), (END - MINUTE_MS, past.instrument.price));
        assert!(minutes.windows(2).all(|pair| pair[0].start < pair[1].start));
        for minute in &minutes {
            let bar = minute.all;
            assert!(bar.low <= bar.open.min(bar.close) && bar.high >= bar.open.max(bar.close));
            let vwap = bar.turnover as f64 / bar.volume as f64;
            assert!(vwap >= bar.low as f64 - 1.0 && vwap <= bar.high as f64);
        }
    }

    #[test]
    fn a_later_question_gets_the_same_minutes() {
        let past = past("SPY", 3);
        let all: Vec<_> = past.minutes(0).collect();
        let from = END - 3 * DAY_MS;
        let late: Vec<_> = past.minutes(from).collect();
        assert_eq!(late, all[all.len() - late.len()..]);
        assert!(late[0].start >= from);
        assert_eq!(past.minutes(END).count(), 0);
    }

    #[test]
    fn days_are_their_minutes() {
        let past = past("SPY", 3);
        for (start, bar) in past.days(END - 4 * DAY_MS) {
            let mut whole = Bar::default();
            for minute in past.minutes(start).take_while(|minute| minute.start < start + DAY_MS) {
                whole.append(&minute.all);
            }
            assert_eq!(bar, whole);
        }
        assert_eq!(past.days(END - 7 * DAY_MS).count(), 5);
    }
}
