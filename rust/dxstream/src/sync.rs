//! The primitives of the lock-free parts; loom's when their models are run.

#[cfg(not(dxstream_loom))]
pub(crate) use crossbeam_queue::SegQueue;
#[cfg(dxstream_loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(dxstream_loom)]
pub(crate) use loom::sync::{Mutex, MutexGuard};
#[cfg(dxstream_loom)]
pub(crate) use loom::thread::yield_now;
#[cfg(not(dxstream_loom))]
pub(crate) use std::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(not(dxstream_loom))]
pub(crate) use std::sync::{Mutex, MutexGuard};
#[cfg(not(dxstream_loom))]
pub(crate) use std::thread::yield_now;

/// Stands for crossbeam's queue in the models: first in, first out, and who pops an entry sees what
/// was done before it was pushed.
#[cfg(dxstream_loom)]
#[derive(Debug)]
pub(crate) struct SegQueue<T>(Mutex<std::collections::VecDeque<T>>);

#[cfg(dxstream_loom)]
impl<T> SegQueue<T> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(std::collections::VecDeque::new()))
    }

    pub(crate) fn push(&self, value: T) {
        self.0.lock().unwrap().push_back(value);
    }

    pub(crate) fn pop(&self) -> Option<T> {
        self.0.lock().unwrap().pop_front()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}
