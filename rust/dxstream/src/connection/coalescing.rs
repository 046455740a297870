//! How soon the socket is read again.
//!
//! Each reading wakes this thread, which costs far more than the few events that came meanwhile. As
//! long as nobody waits for single events, a busy socket is left alone for a moment after it was read,
//! so that what comes within it is read at once.

use std::time::Duration;

/// How long the socket is left alone. The runtime's timers are exact to a millisecond, so that it may
/// be twice as long.
const PAUSE: Duration = Duration::from_millis(1);

/// Who waited for a single event will do so again, within this.
const HURRY: Duration = Duration::from_millis(100);

/// Where more bytes come at once, a pause would save nothing and fill the system's buffers.
const MOST_BYTES: usize = 32 << 10;

/// When the socket of one connection was read, and whether somebody was in a hurry for it.
#[derive(Debug, Default)]
pub(super) struct Coalescing {
    last: Option<Duration>,
    hurried: Option<Duration>,
}

impl Coalescing {
    /// Takes note of a reading that began at `now`, and whether a listener waited for it.
    ///
    /// Gives until when the socket is to be left alone, once all `bytes` that were there are taken in.
    pub(super) fn read(&mut self, now: Duration, awaited: bool, bytes: usize) -> Option<Duration> {
        let within = |past: Option<Duration>, span| {
            past.is_some_and(|past| now.saturating_sub(past) < span)
        };
        if awaited {
            self.hurried = Some(now);
        }
        let is_busy = within(self.last.replace(now), PAUSE);
        let is_hurried = within(self.hurried, HURRY);
        (is_busy && !is_hurried && bytes <= MOST_BYTES).then(|| now + PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(micros: u64) -> Duration {
        Duration::from_micros(1_000_000 + micros)
    }

    #[test]
    fn a_busy_socket_that_nobody_waits_for_is_left_alone_for_a_moment() {
        let mut coalescing = Coalescing::default();
        assert_eq!(coalescing.read(at(0), false, 800), None);
        assert_eq!(coalescing.read(at(100), false, 800), Some(at(1_100)));
        // A socket that was left alone is busy where the next message comes soon after.
        assert_eq!(coalescing.read(at(1_200), false, 8_000), None);
        assert_eq!(coalescing.read(at(1_300), false, 800), Some(at(2_300)));
    }

    #[test]
    fn a_quiet_socket_is_read_at_once() {
        let mut coalescing = Coalescing::default();
        for n in 0..10 {
            assert_eq!(coalescing.read(at(1_000 * n), false, 800), None);
        }
    }

    #[test]
    fn as_long_as_somebody_waits_for_single_events_the_socket_is_read_at_once() {
        let mut coalescing = Coalescing::default();
        for n in 0..2_000 {
            assert_eq!(coalescing.read(at(100 * n), n % 900 == 0, 800), None);
        }
        let last = at(180_000);
        assert_eq!(coalescing.read(last + HURRY, false, 800), None);
        assert!(coalescing.read(last + HURRY + Duration::from_micros(1), false, 800).is_some());
    }

    #[test]
    fn a_full_socket_is_read_at_once() {
        let mut coalescing = Coalescing::default();
        coalescing.read(at(0), false, 800);
        assert_eq!(coalescing.read(at(100), false, MOST_BYTES + 1), None);
        assert!(coalescing.read(at(200), false, MOST_BYTES).is_some());
    }
}
