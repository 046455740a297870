//! How long things take: histograms of nanoseconds in a few kilobytes.

use std::time::Duration;

use hdrhistogram::Histogram;

/// The longest time that is told from longer ones.
const LONGEST: Duration = Duration::from_mins(1);

/// Decimal digits to which a time is known.
const DIGITS: u8 = 2;

/// Times that were measured. It takes 37 KiB, however many they are.
#[derive(Debug, Clone)]
pub struct Latency {
    histogram: Histogram<u64>,
    sum: Duration,
}

/// What a [`Latency`] says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LatencySummary {
    /// How many times were measured.
    pub count: u64,
    /// Their sum.
    pub sum: Duration,
    /// The time that half of them do not exceed.
    pub p50: Duration,
    /// The time that 99 % of them do not exceed.
    pub p99: Duration,
    /// The time that 99.9 % of them do not exceed.
    pub p999: Duration,
    /// The longest of them.
    pub max: Duration,
}

impl Latency {
    /// Without a time yet.
    #[expect(clippy::missing_panics_doc, reason = "the bounds are constants")]
    pub fn new() -> Self {
        let histogram = Histogram::new_with_max(LONGEST.as_nanos() as u64, DIGITS)
            .expect("the bounds are in order");
        Self { histogram, sum: Duration::ZERO }
    }

    /// Takes note of a time. One beyond a minute counts as a minute.
    pub fn record(&mut self, time: Duration) {
        let time = time.min(LONGEST);
        self.histogram.saturating_record(time.as_nanos() as u64);
        self.sum += time;
    }

    /// What was measured so far.
    pub fn summary(&self) -> LatencySummary {
        if self.histogram.is_empty() {
            return LatencySummary::default();
        }
        let at = |quantile| Duration::from_nanos(self.histogram.value_at_quantile(quantile));
        LatencySummary {
            count: self.histogram.len(),
            sum: self.sum,
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            max: at(1.0),
        }
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_measured_is_nothing_said() {
        assert_eq!(Latency::new().summary(), LatencySummary::default());
    }

    #[test]
    fn a_time_beyond_the_longest_counts_as_the_longest() {
        let mut latency = Latency::new();
        latency.record(Duration::MAX);
        let summary = latency.summary();
        assert_eq!((summary.count, summary.sum), (1, LONGEST));
        assert!(summary.max >= LONGEST && summary.max < LONGEST * 101 / 100);
    }

    proptest! {
        #[test]
        fn quantiles_are_those_of_the_times_to_one_percent(
            mut nanos in prop::collection::vec(0..60_000_000_000_u64, 1..300),
        ) {
            let mut latency = Latency::new();
            for &time in &nanos {
                latency.record(Duration::from_nanos(time));
            }
            let summary = latency.summary();
            nanos.sort_unstable();
            prop_assert_eq!(summary.count, nanos.len() as u64);
            prop_assert_eq!(summary.sum, Duration::from_nanos(nanos.iter().sum()));
            for (quantile, told) in [(0.5, summary.p50), (0.99, summary.p99), (1.0, summary.max)] {
                let rank = (quantile * nanos.len() as f64).ceil() as usize;
                let exact = nanos[rank.max(1) - 1];
                let told = told.as_nanos() as u64;
                prop_assert!(told >= exact && told <= exact + exact / 100 + 1, "{told} {exact}");
            }
        }
    }
}
