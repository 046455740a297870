//! Whether somebody looks at what is kept.

use std::sync::atomic::{AtomicBool, Ordering};

/// A hint, as [`is_event_awaited`](super::is_event_awaited) is: nothing depends on it but how soon sockets
/// are read, so it is relaxed.
static LOOKED: AtomicBool = AtomicBool::new(false);

/// Takes note of a look.
#[inline]
pub(super) fn note() {
    // Those who look at once would take the line from each other by writing.
    if !LOOKED.load(Ordering::Relaxed) {
        LOOKED.store(true, Ordering::Relaxed);
    }
}

/// Whether somebody in the process has looked at what a store keeps since this was last asked.
pub fn was_looked_at() -> bool {
    LOOKED.swap(false, Ordering::Relaxed)
}
