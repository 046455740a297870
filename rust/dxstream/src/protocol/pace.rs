//! How fast subscriptions are sent.

use std::time::Duration;

/// Subscription entries a second, and at once, that servers were seen to accept without an ERROR
/// "Your subscription rate is too high": 200 each 0.15 s passed, 6,700 at once did not.
pub(super) const ENTRIES_PER_SECOND: f64 = 2000.0;
pub(super) const ENTRIES_AT_ONCE: f64 = 1000.0;

/// The slowest pace, however often the server complains: 100 a second passed everywhere.
const SLOWEST: f64 = 100.0;

/// A bucket of entries that may be sent, which refills as time goes on.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    per_second: f64,
    at_once: f64,
    allowance: f64,
    counted_at: Duration,
}

impl Pace {
    pub(super) fn new(now: Duration) -> Self {
        Self {
            per_second: ENTRIES_PER_SECOND,
            at_once: ENTRIES_AT_ONCE,
            allowance: ENTRIES_AT_ONCE,
            counted_at: now,
        }
    }

    /// How many entries may be sent.
    pub(super) fn allowed(&mut self, now: Duration) -> usize {
        let refilled = now.saturating_sub(self.counted_at).as_secs_f64() * self.per_second;
        self.allowance = (self.allowance + refilled).min(self.at_once);
        self.counted_at = self.counted_at.max(now);
        self.allowance.max(0.0) as usize
    }

    /// Takes note that entries were sent.
    pub(super) fn spend(&mut self, entries: usize) {
        self.allowance -= entries as f64;
    }

    /// When at least one entry may be sent.
    pub(super) fn next(&self) -> Duration {
        let missing = (1.0 - self.allowance).max(0.0);
        if missing == 0.0 {
            return self.counted_at;
        }
        // Rounded up: a moment earlier would be no use, and the caller would come back at once.
        self.counted_at
            + Duration::from_secs_f64(missing / self.per_second)
            + Duration::from_nanos(1)
    }

    /// Goes on at half the pace, after a second without any.
    pub(super) fn slow_down(&mut self, now: Duration) {
        self.per_second = (self.per_second / 2.0).max(SLOWEST);
        self.at_once = (self.at_once / 2.0).max(SLOWEST);
        self.allowance = -self.per_second;
        self.counted_at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_go_at_once_and_two_thousand_a_second_then() {
        let mut pace = Pace::new(Duration::ZERO);
        assert_eq!(pace.allowed(Duration::ZERO), 1000);
        pace.spend(1000);
        assert_eq!(pace.allowed(Duration::ZERO), 0);
        assert_eq!(pace.next(), Duration::from_nanos(500_001));
        assert_eq!(pace.allowed(Duration::from_millis(250)), 500);
        assert_eq!(pace.allowed(Duration::from_hours(1)), 1000);
    }

    #[test]
    fn an_entry_may_be_sent_when_it_was_said_to_be() {
        for millis in 1..1000 {
            let mut pace = Pace::new(Duration::ZERO);
            pace.slow_down(Duration::from_millis(millis * 7));
            pace.allowed(Duration::from_millis(millis * 8 + 1));
            let next = pace.next();
            assert!(pace.allowed(next) >= 1, "{millis}");
        }
    }

    #[test]
    fn a_complaint_makes_it_pause_and_go_on_at_half_the_pace() {
        let mut pace = Pace::new(Duration::ZERO);
        let now = Duration::from_secs(5);
        pace.slow_down(now);
        assert_eq!(pace.allowed(now + Duration::from_millis(999)), 0);
        assert_eq!(pace.allowed(now + Duration::from_millis(1250)), 250);
        for _ in 0..20 {
            pace.slow_down(now);
        }
        assert_eq!(pace.allowed(now + Duration::from_millis(1500)), 50);
    }
}
