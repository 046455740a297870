//! Who waits for the rows of a queue, and the flag that tells the writer so.
//!
//! A reader raises the flag and then looks at the queue again; the writer publishes and then looks at
//! the flag. Each looks by reading and writing the flag in one step, and such steps have one order:
//! either the writer's comes later and finds the flag raised, or the reader's does and sees what was
//! published. So no wake-up is lost, and while nobody waits the writer takes no lock and makes no
//! system call.

use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, PoisonError, Weak};

use super::rung;
use super::wake::Wake;
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering};

/// Queues of the process of which somebody waits for the next row and is in a hurry. A hint: nothing
/// depends on it but how soon sockets are read, so it is no part of the models.
static HURRIED: AtomicUsize = AtomicUsize::new(0);

/// Whether somebody in the process waits for a single event and is in a hurry for it.
pub fn is_event_awaited() -> bool {
    HURRIED.load(Ordering::Relaxed) > 0
}

/// The flag while nobody waits.
const NOBODY: u64 = u64::MAX;

/// What a reader that wants to wait is told.
#[derive(Debug)]
pub enum Arm {
    /// Nothing is there; the line rings when there is.
    Waiting,
    /// There are rows, or the queue has ended: do not wait.
    Ready,
}

/// Those who wait for rows of one queue.
#[derive(Debug)]
pub(super) struct Waiting {
    /// The flag: least rows that somebody waits for. Only swapped and added to, never just stored:
    /// each step then sees what was done before every earlier one.
    least: AtomicU64,
    /// Whether somebody waits for the next row and is in a hurry, which `HURRIED` counts.
    hurried: AtomicBool,
    /// Whom to ring once so many rows wait; each once.
    wakes: Mutex<Vec<(Weak<Wake>, usize)>>,
}

impl Waiting {
    pub(super) fn new() -> Self {
        Self {
            least: AtomicU64::new(NOBODY),
            hurried: AtomicBool::new(false),
            wakes: Mutex::new(Vec::new()),
        }
    }

    fn wakes(&self) -> MutexGuard<'_, Vec<(Weak<Wake>, usize)>> {
        self.wakes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Raises or lowers the flag as `wakes`, which are locked, need it.
    fn set_flag(&self, wakes: &[(Weak<Wake>, usize)]) {
        let least = wakes.iter().map(|&(_, rows)| rows as u64).min().unwrap_or(NOBODY);
        // AcqRel: the step of a reader or of the writer, as above.
        self.least.swap(least, Ordering::AcqRel);
        self.set_hurried(wakes.iter().any(|(wake, rows)| {
            *rows <= 1 && wake.upgrade().is_some_and(|wake| !wake.is_patient())
        }));
    }

    fn set_hurried(&self, hurried: bool) {
        // Relaxed, here and of the count: see `HURRIED`.
        if self.hurried.swap(hurried, Ordering::Relaxed) != hurried {
            if hurried {
                HURRIED.fetch_add(1, Ordering::Relaxed);
            } else {
                HURRIED.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// Lets `wake` ring once when `rows` rows wait, unless `is_ready` finds that they do.
    pub(super) fn arm(&self, wake: &Arc<Wake>, rows: usize, is_ready: impl Fn() -> bool) -> Arm {
        if is_ready() {
            return Arm::Ready;
        }
        let others = |wakes: &mut Vec<(Weak<Wake>, usize)>| {
            wakes.retain(|(other, _)| {
                other.strong_count() > 0 && other.as_ptr() != Arc::as_ptr(wake)
            });
        };
        let mut wakes = self.wakes();
        others(&mut wakes);
        // Below what stands for nobody.
        wakes.push((Arc::downgrade(wake), rows.min(usize::MAX - 1)));
        self.set_flag(&wakes);
        drop(wakes);
        if !is_ready() {
            return Arm::Waiting;
        }
        let mut wakes = self.wakes();
        others(&mut wakes);
        self.set_flag(&wakes);
        Arm::Ready
    }

    /// Rings those who wait for no more rows than are `ready`. Called once rows were published.
    pub(super) fn ring(&self, ready: impl FnOnce() -> usize) {
        // AcqRel: the writer's step, as above. Adding nothing reads what stands there.
        let least = self.least.fetch_add(0, Ordering::AcqRel);
        if least == NOBODY {
            return;
        }
        let ready = ready();
        if least > ready as u64 {
            return;
        }
        let mut wakes = self.wakes();
        let woken: Vec<_> = wakes.extract_if(.., |(_, rows)| *rows <= ready).collect();
        self.set_flag(&wakes);
        drop(wakes);
        for wake in woken.iter().filter_map(|(wake, _)| wake.upgrade()) {
            rung::ring(&wake);
        }
    }

    /// Rings everybody. Called once the end was published.
    pub(super) fn ring_all(&self) {
        self.ring(|| usize::MAX);
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.set_hurried(false);
    }
}
