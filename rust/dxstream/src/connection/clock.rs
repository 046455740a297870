//! The system's monotonic clock, by which every time of a streamer is.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

/// The time now.
pub(super) fn now() -> Duration {
    let time = clock_gettime(ClockId::Monotonic);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The time now, in nanoseconds; times of arrival are by it.
pub fn monotonic_nanos() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// A time as the runtime's timers take it.
pub(super) fn instant(at: Duration) -> Instant {
    Instant::now() + at.saturating_sub(now())
}
