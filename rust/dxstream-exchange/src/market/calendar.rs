//! Days, dates and New York time.
//!
//! Days are counted since 1970-01-01.

/// Milliseconds of a day.
pub(crate) const DAY_MS: i64 = 86_400_000;

/// Days of the week, counted from Monday.
pub(crate) const FRIDAY: i64 = 4;

/// A date of the Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Date {
    pub(crate) year: i64,
    /// 1 to 12.
    pub(crate) month: i64,
    /// 1 to 31.
    pub(crate) day: i64,
}

impl Date {
    /// The date of a day.
    ///
    /// A year is taken to begin in March, so that the leap day is its last; 719,468 days lie between
    /// 0000-03-01 and 1970-01-01, and 146,097 days are the 400 years after which the calendar repeats.
    pub(crate) fn of(day: i64) -> Self {
        let shifted = day + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        Self {
            year: era * 400 + year_of_era + i64::from(month <= 2),
            month,
            day: of_year - (153 * from_march + 2) / 5 + 1,
        }
    }

    /// The day of the date.
    pub(crate) fn number(self) -> i64 {
        let year = self.year - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let from_march = (self.month + 9) % 12;
        let of_year = (153 * from_march + 2) / 5 + self.day - 1;
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
    }

    /// The date that `yyyymmdd` writes, if it is one.
    pub(crate) fn parse(digits: &str) -> Option<Self> {
        if digits.len() != 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let number: i64 = digits.parse().ok()?;
        let date = Self { year: number / 10_000, month: number / 100 % 100, day: number % 100 };
        ((1..=12).contains(&date.month) && Self::of(date.number()) == date).then_some(date)
    }
}

/// The day of the week, Monday 0 to Sunday 6.
pub(crate) const fn weekday(day: i64) -> i64 {
    (day + 3).rem_euclid(7)
}

/// The first day from `day` on that is this day of the week.
pub(crate) const fn next_weekday(day: i64, wanted: i64) -> i64 {
    day + (wanted - weekday(day)).rem_euclid(7)
}

/// Milliseconds between midnight in New York and midnight UTC of a day, by the clock of its daytime.
///
/// Daylight saving runs from the second Sunday of March to the first Sunday of November (in force
/// since 2007). Source: Energy Policy Act of 2005.
pub(crate) fn new_york_midnight(day: i64) -> i64 {
    let year = Date::of(day).year;
    let sunday = |month, first| next_weekday(Date { year, month, day: first }.number(), 6);
    let summer = (sunday(3, 8)..sunday(11, 1)).contains(&day);
    if summer { 4 * 3_600_000 } else { 5 * 3_600_000 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_days_agree() {
        assert_eq!(Date::of(0), Date { year: 1970, month: 1, day: 1 });
        assert_eq!(Date::of(20_665), Date { year: 2026, month: 7, day: 31 });
        assert_eq!(weekday(0), 3);
        for day in -200_000..200_000 {
            assert_eq!(Date::of(day).number(), day);
        }
    }

    #[test]
    fn text_that_is_no_date_is_refused() {
        assert_eq!(Date::parse("20131009"), Some(Date { year: 2013, month: 10, day: 9 }));
        for text in ["20130229", "20131301", "2013-1-9", "201310090"] {
            assert_eq!(Date::parse(text), None, "{text}");
        }
    }

    #[test]
    fn new_york_is_four_hours_behind_in_summer_and_five_in_winter() {
        let hours = |text| new_york_midnight(Date::parse(text).unwrap().number()) / 3_600_000;
        assert_eq!(hours("20131009"), 4);
        assert_eq!(hours("20130309"), 5);
        assert_eq!(hours("20130310"), 4);
        assert_eq!(hours("20131102"), 4);
        assert_eq!(hours("20131103"), 5);
        assert_eq!(hours("20260116"), 5);
    }
}
