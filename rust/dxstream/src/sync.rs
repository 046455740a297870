//! The primitives of the lock-free parts; loom's when their models are run.

#[cfg(dxstream_loom)]
pub(crate) use loom::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(dxstream_loom)]
pub(crate) use loom::thread::yield_now;
#[cfg(not(dxstream_loom))]
pub(crate) use std::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(not(dxstream_loom))]
pub(crate) use std::thread::yield_now;
