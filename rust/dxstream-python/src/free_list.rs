//! Memory of objects that are gone, for the next ones of their size.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use pyo3::ffi::PyObject;
use pyo3::prelude::*;

/// At most `N` objects' memory. The caller answers for its size.
///
/// The GIL stands around each use, and there is one interpreter, since the module refuses to be
/// loaded by another. So relaxed loads and stores, which are plain moves, are enough; where Python has
/// no GIL, the list stays empty.
pub(crate) struct FreeList<const N: usize> {
    places: [AtomicPtr<PyObject>; N],
    used: AtomicUsize,
}

impl<const N: usize> FreeList<N> {
    pub(crate) const fn new() -> Self {
        Self { places: [const { AtomicPtr::new(ptr::null_mut()) }; N], used: AtomicUsize::new(0) }
    }

    /// Memory of an object; null where there is none.
    #[inline]
    pub(crate) fn take(&self, _: Python<'_>) -> *mut PyObject {
        let used = self.used.load(Ordering::Relaxed);
        if cfg!(Py_GIL_DISABLED) || used == 0 {
            return ptr::null_mut();
        }
        self.used.store(used - 1, Ordering::Relaxed);
        self.places[used - 1].load(Ordering::Relaxed)
    }

    /// Keeps the memory of an object; `false` where there is no room, and it stays the caller's.
    #[inline]
    pub(crate) fn keep(&self, _: Python<'_>, memory: *mut PyObject) -> bool {
        let used = self.used.load(Ordering::Relaxed);
        if cfg!(Py_GIL_DISABLED) || used >= N {
            return false;
        }
        self.places[used].store(memory, Ordering::Relaxed);
        self.used.store(used + 1, Ordering::Relaxed);
        true
    }
}
