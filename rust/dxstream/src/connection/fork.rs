//! What a fork of the process does to what its streamers share.
//!
//! The child has a copy of the memory and none of the threads. A thread that held a lock is not there to
//! give it back; so the thread that forks takes the process's locks before, and gives them back on both
//! sides. What a streamer had is left to the parent: the child touches neither its sockets nor its locks,
//! and does not even drop it.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{io_thread, lead, saturation};

/// How often this process or one before it was forked. Relaxed: it stands for itself, and changes only
/// in a child that has one thread.
static FORKS: AtomicU32 = AtomicU32::new(0);

thread_local! {
    /// The locks that this thread holds while it forks.
    static HELD: RefCell<Option<(lead::Held, io_thread::Held, saturation::Held)>> = const { RefCell::new(None) };
}

/// A process in a line of forks: tells what it made itself from what it inherited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process(u32);

impl Process {
    /// This process.
    pub fn current() -> Self {
        Self(FORKS.load(Ordering::Relaxed))
    }

    /// Whether it is this process.
    #[inline]
    pub fn is_current(self) -> bool {
        self == Self::current()
    }
}

/// Takes the process's locks. To be called by the thread that forks, before. Whoever connects meanwhile
/// waits, and must not hold what the thread that forks may wait for, such as Python's GIL.
pub fn before() {
    // The lead first: who has a turn may be about to take the others.
    let held = (lead::hold(), io_thread::hold(), saturation::hold());
    HELD.with_borrow_mut(|slot| *slot = Some(held));
}

/// Gives the locks back. To be called by the thread that forked, in the parent.
pub fn in_parent() {
    HELD.take();
}

/// Forgets the parent's threads. To be called by the thread that forked, in the child.
pub fn in_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
    if let Some((leading, mut threads, _)) = HELD.take() {
        lead::forget(leading);
        io_thread::forget(&mut threads);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_locks_are_free_after_a_fork() {
        before();
        in_parent();
        drop((io_thread::hold(), saturation::hold()));
    }
}
