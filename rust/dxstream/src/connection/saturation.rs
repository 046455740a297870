//! Servers that have too many sessions of the user: the whole process leaves them alone for a while.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Until when, on the monotonic clock, no streamer of the process connects to a server.
static SATURATED: Mutex<Option<HashMap<String, Duration>>> = Mutex::new(None);

/// The lock on what is known of the servers.
pub(super) type Held = MutexGuard<'static, Option<HashMap<String, Duration>>>;

/// Keeps other threads from what is known of the servers.
pub(super) fn hold() -> Held {
    SATURATED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes note that `host` has too many sessions, and leaves it alone until then.
pub(super) fn note(host: &str, until: Duration) {
    let mut saturated = hold();
    let at = saturated.get_or_insert_default().entry(host.to_owned()).or_default();
    *at = until.max(*at);
}

/// Until when `host` is left alone, if that is later than `now`.
pub(super) fn until(host: &str, now: Duration) -> Option<Duration> {
    let mut saturated = hold();
    let hosts = saturated.get_or_insert_default();
    hosts.retain(|_, until| *until > now);
    hosts.get(host).copied()
}
