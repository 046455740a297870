//! Who waits for news of something.

use std::sync::{Arc, Weak};

use crate::store::Wake;

/// Whom to ring once. Lines that nobody holds any more are closed.
#[derive(Debug, Default)]
pub(super) struct Watchers(Vec<Weak<Wake>>);

impl Watchers {
    /// Notes a line, once.
    pub(super) fn add(&mut self, wake: &Arc<Wake>) {
        self.0.retain(|other| other.strong_count() > 0 && other.as_ptr() != Arc::as_ptr(wake));
        self.0.push(Arc::downgrade(wake));
    }

    /// Rings the noted lines and forgets them.
    pub(super) fn ring(&mut self) {
        for wake in self.0.drain(..).filter_map(|wake| wake.upgrade()) {
            wake.ring();
        }
    }
}
