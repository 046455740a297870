//! A wake-up line that loom knows: a flag under a lock.

use std::io;

use loom::sync::{Condvar, Mutex};

/// Stands for the line of the same name.
#[derive(Debug)]
pub struct Wake {
    rings: Mutex<bool>,
    rang: Condvar,
}

impl Wake {
    /// A line that nobody has rung yet.
    ///
    /// # Errors
    /// None.
    pub fn new() -> io::Result<Self> {
        Ok(Self { rings: Mutex::new(false), rang: Condvar::new() })
    }

    /// Whether it may be rung some milliseconds late.
    pub fn is_patient(&self) -> bool {
        false
    }

    /// None: threads wait in the models.
    pub fn event_loop(&self) -> Option<u64> {
        None
    }

    /// Makes the line ring.
    pub fn ring(&self) {
        *self.rings.lock().unwrap() = true;
        self.rang.notify_all();
    }

    /// Makes the line silent again.
    pub fn clear(&self) {
        *self.rings.lock().unwrap() = false;
    }

    /// Sleeps until the line rings; where it never will, the model fails.
    pub fn wait(&self) {
        let mut rings = self.rings.lock().unwrap();
        while !*rings {
            rings = self.rang.wait(rings).unwrap();
        }
    }

    /// Whether the line rings.
    #[cfg(test)]
    pub(super) fn rings(&self) -> bool {
        *self.rings.lock().unwrap()
    }
}
