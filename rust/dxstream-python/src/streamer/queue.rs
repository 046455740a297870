//! `Queue`: a listener's events.

use std::sync::{Arc, Mutex, MutexGuard};

use dxstream::store::{Arm, Consumer};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::PyList;

use super::wake::Wake;
use crate::error::map_error;
use crate::event::new_event;
use crate::strings::Strings;

/// The reader's end of a listener's queue. It may be used from any thread.
#[pyclass(frozen, generic, module = "dxstream._dxstream")]
pub(crate) struct Queue {
    consumer: Mutex<Consumer>,
    strings: Arc<Strings>,
}

impl Queue {
    pub(super) fn new(consumer: Consumer, strings: Arc<Strings>) -> Self {
        Self { consumer: Mutex::new(consumer), strings }
    }

    pub(super) fn consumer(&self, py: Python<'_>) -> MutexGuard<'_, Consumer> {
        match self.consumer.lock_py_attached(py) {
            Ok(consumer) => consumer,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}

#[pymethods]
impl Queue {
    /// The next event, or `None` if none waits.
    #[pyo3(name = "next")]
    fn py_next<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut consumer = self.consumer(py);
        let kind = consumer.kind();
        consumer.next_row().map(|row| new_event(py, kind, row, &self.strings)).transpose()
    }

    /// The next events, at most `most` of them.
    #[pyo3(name = "take")]
    fn py_take<'py>(&self, py: Python<'py>, most: usize) -> PyResult<Bound<'py, PyList>> {
        let mut consumer = self.consumer(py);
        let kind = consumer.kind();
        let events = PyList::empty(py);
        for _ in 0..most {
            let Some(row) = consumer.next_row() else { break };
            events.append(new_event(py, kind, row, &self.strings)?)?;
        }
        Ok(events)
    }

    /// Asks `wake` to ring once when events come; says whether to wait for that.
    ///
    /// `False` means that there is something to do at once: events wait, or the queue has ended.
    #[pyo3(name = "arm")]
    fn py_arm(&self, py: Python<'_>, wake: &Wake) -> bool {
        matches!(self.consumer(py).arm(&wake.0), Arm::Waiting)
    }

    /// Why there will be no more events, once the last was taken; `None` before.
    #[pyo3(name = "ended")]
    fn py_ended(&self, py: Python<'_>) -> Option<PyErr> {
        let ended = self.consumer(py).ended();
        ended.map(|error| map_error(py, &error))
    }

    /// Counts of one moment: received, delivered, pending, dropped, filtered.
    #[pyo3(name = "stats")]
    fn py_stats(&self, py: Python<'_>) -> (u64, u64, u64, u64, u64) {
        let stats = self.consumer(py).stats();
        (stats.received, stats.delivered, stats.pending, stats.dropped, stats.filtered)
    }

    /// Lets the queue hold another number of events from now on.
    #[pyo3(name = "set_capacity")]
    fn py_set_capacity(&self, py: Python<'_>, capacity: usize) {
        self.consumer(py).set_capacity(capacity);
    }
}
