//! What belongs to the process that made it: a fork's child is refused, and leaves it untouched.

use dxstream::connection::fork::{self, Process};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

/// A value whose threads, sockets and locks are of no use in a fork's child.
pub(crate) struct Owned<T> {
    /// It is there until this is dropped.
    value: Option<T>,
    process: Process,
}

impl<T> Owned<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { value: Some(value), process: Process::current() }
    }

    /// The value.
    ///
    /// # Errors
    /// `RuntimeError` in a process that was forked since.
    #[inline]
    pub(crate) fn get(&self) -> PyResult<&T> {
        self.value.as_ref().filter(|_| self.process.is_current()).ok_or_else(inherited)
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        if !self.process.is_current() {
            std::mem::forget(self.value.take());
        }
    }
}

#[cold]
fn inherited() -> PyErr {
    PyRuntimeError::new_err(
        "this was made before the process was forked and works in the parent alone; \
         make a new one in the child",
    )
}

/// Prepares for a fork, on the thread that forks.
#[pyfunction(name = "before_fork")]
pub(crate) fn before_fork() {
    fork::before();
}

/// Goes on after a fork, in the parent.
#[pyfunction(name = "after_fork_in_parent")]
pub(crate) fn after_fork_in_parent() {
    fork::in_parent();
}

/// Goes on after a fork, in the child: nothing of the parent's is used any more.
#[pyfunction(name = "after_fork_in_child")]
pub(crate) fn after_fork_in_child() {
    fork::in_child();
}
