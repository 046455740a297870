//! Times as the vendor writes them.

use std::time::Duration;

use dxstream::symbol;

use crate::market::calendar::{DAY_MS, Date, new_york_midnight};

/// The exchange's clock beside the calendar.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    /// The time at which the exchange's clock is zero, ms since 1970 UTC.
    pub(super) start: i64,
}

impl Clock {
    /// Milliseconds since 1970 UTC.
    pub(super) fn ms(self, now: Duration) -> i64 {
        self.start.saturating_add(i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
    }
}

/// `2026-01-05T15:00:00.000+00:00`.
pub(super) fn iso(ms: i64) -> String {
    let of_day = ms.rem_euclid(DAY_MS);
    let (seconds, ms_of_second) = (of_day / 1000, of_day % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}.{ms_of_second:03}+00:00", date(ms))
}

/// `2026-01-05`, in UTC.
pub(super) fn date(ms: i64) -> String {
    let Date { year, month, day } = Date::of(ms.div_euclid(DAY_MS));
    format!("{year:04}-{month:02}-{day:02}")
}

/// 16:00 in New York of a day that options expire on, ms since 1970 UTC.
pub(super) fn expiry(day: symbol::Date) -> i64 {
    let day = day.since_1970();
    day * DAY_MS + new_york_midnight(day) + 16 * 3_600_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_vendor_writes_them() {
        let clock = Clock { start: 1_767_625_200_000 };
        assert_eq!(iso(clock.ms(Duration::from_millis(1_005))), "2026-01-05T15:00:01.005+00:00");
        assert_eq!(date(clock.start), "2026-01-05");
        let day = symbol::Date::new(2026, 1, 5).unwrap();
        assert_eq!(iso(expiry(day)), "2026-01-05T21:00:00.000+00:00");
    }
}
