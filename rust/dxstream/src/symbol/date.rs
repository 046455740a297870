//! Days of expiry, as symbols name them.

/// The letters of the months of futures contracts, January first.
const MONTHS: &[u8; 12] = b"FGHJKMNQUVXZ";

/// A day from 2000 to 2099: symbols have two digits for the year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Date {
    year: u32,
    month: u32,
    day: u32,
}

impl Date {
    /// The day of these numbers, if there is one in the calendar.
    pub fn new(year: u32, month: u32, day: u32) -> Option<Self> {
        let days = match month {
            4 | 6 | 9 | 11 => 30,
            // Every fourth year of 2000 to 2099 is a leap year.
            2 if year.is_multiple_of(4) => 29,
            2 => 28,
            1..=12 => 31,
            _ => 0,
        };
        ((2000..2100).contains(&year) && (1..=days).contains(&day)).then_some(Self {
            year,
            month,
            day,
        })
    }

    /// Reads `yymmdd`.
    pub fn from_yymmdd(text: &str) -> Option<Self> {
        if text.len() != 6 {
            return None;
        }
        let number = digits(text)?;
        Self::new(2000 + number / 10_000, number / 100 % 100, number % 100)
    }

    /// The day as [`Date::from_yymmdd`] reads it.
    pub fn yymmdd(self) -> String {
        format!("{:02}{:02}{:02}", self.year % 100, self.month, self.day)
    }

    /// The year.
    pub fn year(self) -> u32 {
        self.year
    }

    /// The days since 1970.
    pub fn since_1970(self) -> i64 {
        // Years that begin in March end with the leap day; 1968-03-01 begins one of four years.
        let (year, month) = if self.month < 3 {
            (self.year - 1, self.month + 9)
        } else {
            (self.year, self.month - 3)
        };
        let before = (year - 1968) * 365 + (year - 1968) / 4 + (153 * month + 2) / 5 + self.day - 1;
        i64::from(before) - 671
    }
}

/// The number of a month, 1 to 12, by its letter in futures contracts.
pub(super) fn month(letter: u8) -> Option<u32> {
    (1..).zip(MONTHS).find(|&(_, &month)| month == letter).map(|(number, _)| number)
}

/// A number of ASCII digits alone.
pub(super) fn digits(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_the_century_follows_the_one_before() {
        let mut last = 10_956; // 1999-12-31
        for year in 2000..2100 {
            for month in 1..13 {
                for day in 1..32 {
                    if let Some(day) = Date::new(year, month, day) {
                        assert_eq!(day.since_1970(), last + 1, "{day:?}");
                        assert_eq!(Date::from_yymmdd(&day.yymmdd()), Some(day));
                        last += 1;
                    }
                }
            }
        }
        assert_eq!(last, 47_481); // 2099-12-31
    }

    #[test]
    fn what_is_no_day_is_none() {
        for text in ["250230", "251301", "250100", "250132", "25011", "2501011", "25011x", "é0101"]
        {
            assert_eq!(Date::from_yymmdd(text), None, "{text}");
        }
        assert_eq!(Date::from_yymmdd("240229").map(Date::since_1970), Some(19_782));
    }

    #[test]
    fn months_have_letters() {
        assert_eq!((month(b'F'), month(b'U'), month(b'Z')), (Some(1), Some(9), Some(12)));
        assert_eq!((month(b'A'), month(b'f')), (None, None));
    }
}
