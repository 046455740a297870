//! How soon a socket is read again.
//!
//! Each reading wakes this thread, which costs several times what the few events do that came
//! meanwhile. As long as nobody in the process waits for a single event, the thread sleeps for a moment
//! after it has read a busy socket, so that what comes within that is read at once. It sleeps once for
//! all its connections, and only when none of them has anything else to do.

use std::cell::Cell;
use std::thread::sleep;
use std::time::Duration;

use super::clock::now;
use crate::store::{is_event_awaited, was_looked_at};

/// How long the thread sleeps.
const PAUSE: Duration = Duration::from_millis(4);

/// How long it sleeps when somebody has looked at what is kept within [`OFTEN`].
const SHORT_PAUSE: Duration = Duration::from_millis(1);

/// Who looks as often as this wants what is new.
const OFTEN: Duration = Duration::from_millis(5);

/// A socket is busy that has something again within this.
const BUSY: Duration = Duration::from_millis(1);

/// Who waited for a single event will do so again, within this.
const HURRY: Duration = Duration::from_millis(100);

/// Where more bytes come at once, a pause would save little and fill the system's buffers, which may
/// hold as few as 64 KB.
const MOST_BYTES: usize = 40 << 10;

/// What was read of a socket at once.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Burst {
    pub(super) messages: usize,
    /// Bytes of the texts among them.
    pub(super) bytes: usize,
}

/// Who wants what comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Somebody waits for a single event.
    Awaited,
    /// Somebody has looked at what is kept since the last reading.
    LookedAt,
    /// Nobody in particular.
    Kept,
}

impl Wanted {
    /// Who wants what comes now.
    pub(super) fn now() -> Self {
        // Asked each time, for it is about the time since.
        let was_looked_at = was_looked_at();
        match (is_event_awaited(), was_looked_at) {
            (true, _) => Self::Awaited,
            (false, true) => Self::LookedAt,
            (false, false) => Self::Kept,
        }
    }
}

/// When sockets are read again.
#[derive(Debug, Default)]
struct Coalescing {
    /// When somebody last waited for a single event.
    hurried: Cell<Option<Duration>>,
    /// When somebody last looked at what is kept.
    looked: Cell<Option<Duration>>,
    /// Until when the sockets are left alone.
    until: Cell<Option<Duration>>,
}

impl Coalescing {
    /// Takes note of a reading that began at `now`, the last of this socket having begun at `last`, and
    /// who wanted it.
    fn read(&self, last: Option<Duration>, now: Duration, wanted: Wanted, burst: Burst) {
        let within =
            |past: Option<Duration>, span| past.is_some_and(|past| now.saturating_sub(past) < span);
        match wanted {
            Wanted::Awaited => self.hurried.set(Some(now)),
            Wanted::LookedAt => self.looked.set(Some(now)),
            Wanted::Kept => {}
        }
        let is_busy = burst.messages > 1 || within(last, BUSY);
        let is_hurried = within(self.hurried.get(), HURRY);
        let pause = if within(self.looked.get(), OFTEN) { SHORT_PAUSE } else { PAUSE };
        self.until.set((is_busy && !is_hurried && burst.bytes <= MOST_BYTES).then(|| now + pause));
    }
}

thread_local! {
    static OF_THREAD: Coalescing = const {
        Coalescing { hurried: Cell::new(None), looked: Cell::new(None), until: Cell::new(None) }
    };
}

/// Takes note of a reading on this thread: see [`Coalescing::read`].
pub(super) fn note(last: Option<Duration>, now: Duration, wanted: Wanted, burst: Burst) {
    OF_THREAD.with(|coalescing| coalescing.read(last, now, wanted, burst));
}

/// Sleeps as long as the sockets are to be left alone. Called when this thread has nothing to do.
pub(super) fn rest() {
    if let Some(until) = OF_THREAD.with(|coalescing| coalescing.until.take()) {
        sleep(until.saturating_sub(now()));
    }
}

#[cfg(test)]
mod tests {
    use super::Wanted::{Awaited, Kept, LookedAt};
    use super::*;

    const ONE: Burst = Burst { messages: 1, bytes: 800 };

    const fn at(micros: u64) -> Duration {
        Duration::from_micros(1_000_000 + micros)
    }

    /// Until when sockets are left alone after readings, each with its time in us.
    fn after(coalescing: &Coalescing, readings: &[(u64, Wanted, Burst)]) -> Vec<Option<Duration>> {
        let mut last = None;
        let mut untils = Vec::new();
        for &(micros, wanted, burst) in readings {
            coalescing.read(last.replace(at(micros)), at(micros), wanted, burst);
            untils.push(coalescing.until.take());
        }
        untils
    }

    #[test]
    fn a_busy_socket_that_nobody_waits_for_is_left_alone_for_a_moment() {
        let several = Burst { messages: 10, bytes: 8_000 };
        let readings = [(0, ONE), (100, ONE), (4_200, several), (8_300, ONE)];
        let readings = readings.map(|(micros, burst)| (micros, Kept, burst));
        let expected = [None, Some(at(4_100)), Some(at(8_200)), None];
        assert_eq!(after(&Coalescing::default(), &readings), expected);
    }

    #[test]
    fn a_busy_socket_is_read_sooner_for_who_looks_often_at_what_is_kept() {
        let several = Burst { messages: 10, bytes: 8_000 };
        let readings = [(0, LookedAt), (4_999, Kept), (5_000, Kept), (20_000, LookedAt)];
        let readings = readings.map(|(micros, wanted)| (micros, wanted, several));
        let expected = [Some(at(1_000)), Some(at(5_999)), Some(at(9_000)), Some(at(21_000))];
        assert_eq!(after(&Coalescing::default(), &readings), expected);
    }

    #[test]
    fn a_quiet_socket_is_read_at_once() {
        let readings: Vec<_> = (0..10).map(|n| (1_000 * n, Kept, ONE)).collect();
        assert_eq!(after(&Coalescing::default(), &readings), [None; 10]);
    }

    #[test]
    fn as_long_as_somebody_waits_for_single_events_sockets_are_read_at_once() {
        let coalescing = Coalescing::default();
        let wanted = |n| if n % 900 == 0 { Awaited } else { Kept };
        let readings: Vec<_> = (0..2_000).map(|n| (100 * n, wanted(n), ONE)).collect();
        assert_eq!(after(&coalescing, &readings), vec![None; 2_000]);
        let readings = [(279_900, Kept, ONE), (280_000, Kept, ONE)];
        assert_eq!(after(&coalescing, &readings), [None, Some(at(284_000))]);
    }

    #[test]
    fn a_full_socket_is_read_at_once() {
        let (full, less) = (
            Burst { messages: 50, bytes: MOST_BYTES + 1 },
            Burst { messages: 50, bytes: MOST_BYTES },
        );
        let readings = [(0, Kept, full), (100, Kept, full), (200, Kept, less)];
        assert_eq!(after(&Coalescing::default(), &readings), [None, None, Some(at(4_200))]);
    }

    #[test]
    fn a_later_reading_ends_a_pause_that_has_not_begun() {
        let coalescing = Coalescing::default();
        coalescing.read(Some(at(0)), at(100), Kept, ONE);
        coalescing.read(None, at(200), Awaited, ONE);
        assert_eq!(coalescing.until.take(), None);
    }
}
