//! How much came in the last seconds.

use std::collections::VecDeque;
use std::time::Duration;

/// Over how long rates are taken.
pub(super) const WINDOW: Duration = Duration::from_secs(5);

/// Counts that are closer together than this are not all kept, so that few of them span the window.
const STEP: Duration = Duration::from_millis(250);

/// Counts of what came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Flow {
    pub(super) messages: u64,
    pub(super) bytes: u64,
    pub(super) events: u64,
}

/// What came in a second, on average over the last 5 s; or since the start, where that is less.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rates {
    /// Text frames.
    pub messages: f64,
    /// Bytes of text frames.
    pub bytes: f64,
    /// Events.
    pub events: f64,
}

/// The counts of the last seconds: some that were, a step apart, and those of now.
#[derive(Debug, Default)]
pub(super) struct Recent {
    kept: VecDeque<(Duration, Flow)>,
    last: (Duration, Flow),
}

impl Recent {
    /// Nothing has come at the time `start`.
    pub(super) fn new(start: Duration) -> Self {
        Self { kept: VecDeque::new(), last: (start, Flow::default()) }
    }

    /// Takes note of what has come until `now`.
    pub(super) fn note(&mut self, flow: Flow, now: Duration) {
        if flow == self.last.1 {
            return;
        }
        // Between a count that is kept and the next nothing came for a step's time, or they are not
        // further apart than that.
        if self.kept.back().is_none_or(|&(at, _)| now >= at + STEP) {
            self.kept.push_back(self.last);
        }
        // Of those older than the window one is needed: the counts when it began.
        while self.kept.get(1).is_some_and(|&(at, _)| at + WINDOW <= now) {
            self.kept.pop_front();
        }
        self.last = (now, flow);
    }

    /// What came in a second lately.
    pub(super) fn rates(&self, now: Duration) -> Rates {
        let (_, last) = self.last;
        let known = self.kept.iter().chain([&self.last]);
        let before = known.clone().rev().find(|(at, _)| *at + WINDOW <= now);
        // A count holds until the next; so one that is old tells what was when the window began.
        let (since, first) = match before {
            Some(&(at, flow)) if at + WINDOW + STEP < now => (WINDOW, flow),
            Some(&(at, flow)) => (now.saturating_sub(at), flow),
            None => match known.clone().next() {
                Some(&(at, flow)) => (now.saturating_sub(at), flow),
                None => return Rates::default(),
            },
        };
        let seconds = since.as_secs_f64();
        if seconds <= 0.0 {
            return Rates::default();
        }
        Rates {
            messages: (last.messages - first.messages) as f64 / seconds,
            bytes: (last.bytes - first.bytes) as f64 / seconds,
            events: (last.events - first.events) as f64 / seconds,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn flow(events: u64) -> Flow {
        Flow { messages: events / 2, bytes: 10 * events, events }
    }

    fn ms(time: u64) -> Duration {
        Duration::from_millis(time)
    }

    #[test]
    fn a_steady_stream_has_its_rate_from_the_start_on() {
        let mut recent = Recent::new(ms(1000));
        assert_eq!(recent.rates(ms(1000)), Rates::default());
        for n in 1..=2000 {
            recent.note(flow(10 * n), ms(1000 + 10 * n));
            let rates = recent.rates(ms(1000 + 10 * n));
            assert!((rates.events - 1000.0).abs() < 1e-6, "{n}: {rates:?}");
            assert!((rates.bytes - 10_000.0).abs() < 1e-6);
            assert!((rates.messages - 500.0).abs() < 1e-6);
        }
    }

    #[test]
    fn a_stream_that_stops_has_no_rate_when_the_window_is_over() {
        let mut recent = Recent::new(ms(0));
        for n in 1..=100 {
            recent.note(flow(n), ms(10 * n));
        }
        assert!(recent.rates(ms(2_000)).events > 0.0);
        assert_eq!(recent.rates(ms(6_001)), Rates::default());
        assert_eq!(recent.rates(ms(1_000_000)), Rates::default());
    }

    proptest! {
        #[test]
        fn the_rate_is_of_what_came_in_the_window_give_or_take_a_step(
            steps in prop::collection::vec((0..2_000_u64, 0..100_u64), 1..200),
            later in 0..8_000_u64,
        ) {
            let mut recent = Recent::new(ms(0));
            let (mut now, mut came, mut all) = (0, 0, vec![(0, 0)]);
            for (wait, events) in steps {
                now += wait;
                came += events;
                recent.note(flow(came), ms(now));
                all.push((now, came));
                prop_assert!(recent.kept.len() <= 44);
            }
            now += later;
            let at = |time: u64| all.iter().rev().find(|(of, _)| *of <= time).map_or(0, |of| of.1);
            let window = now.min(5_000);
            let (most, least) = (came - at((now - window).saturating_sub(250)), came - at(now - window));
            let told = recent.rates(ms(now)).events;
            let seconds = |time: u64| time as f64 / 1000.0;
            if window > 0 {
                prop_assert!(told >= least as f64 / seconds(window + 250) - 1e-9, "{told} {least}");
                prop_assert!(told <= most as f64 / seconds(window) + 1e-9, "{told} {most}");
            }
        }
    }
}
