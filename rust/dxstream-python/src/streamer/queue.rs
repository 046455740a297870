//! `Queue`: a listener's events.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use dxstream::Error;
use dxstream::connection::monotonic_nanos;
use dxstream::store::{self, Arm, Consumer};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;

use super::batch::Batch;
use super::wake::Wake;
use crate::error::map_error;
use crate::event::{Class, new_event};
use crate::process::Owned;
use crate::strings::Strings;

/// The reader's end of a listener's queue. It may be used from any thread.
#[pyclass(frozen, generic, module = "dxstream._dxstream")]
pub(crate) struct Queue {
    consumer: Owned<Mutex<Consumer>>,
    class: &'static Class,
    strings: Arc<Strings>,
    told: Told,
}

/// Whether Python was told why a streamer failed.
#[derive(Clone, Default)]
pub(super) struct Told(Arc<AtomicBool>);

impl Told {
    /// Takes note that Python is told; says whether it is the first time.
    pub(super) fn note(&self) -> bool {
        // Relaxed: the mark stands for itself.
        !self.0.swap(true, Ordering::Relaxed)
    }

    /// The exception for what ended a queue.
    pub(super) fn tell(&self, py: Python<'_>, error: &Error) -> PyErr {
        // What ends a slow listener alone does not end the streamer.
        if !matches!(error, Error::SlowConsumer(_)) {
            self.note();
        }
        map_error(py, error)
    }
}

impl Queue {
    /// A queue that gives events of a class.
    pub(super) fn new(
        consumer: Consumer,
        class: &'static Class,
        strings: Arc<Strings>,
        told: Told,
    ) -> Self {
        Self { consumer: Owned::new(Mutex::new(consumer)), class, strings, told }
    }

    pub(super) fn consumer(&self, py: Python<'_>) -> PyResult<MutexGuard<'_, Consumer>> {
        Ok(match self.consumer.get()?.lock_py_attached(py) {
            Ok(consumer) => consumer,
            Err(poisoned) => poisoned.into_inner(),
        })
    }

    /// The next event, if one waits.
    ///
    /// # Errors
    /// `RuntimeError` in a process that was forked since; as [`new_event`].
    #[inline]
    pub(super) fn next<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut consumer = self.consumer(py)?;
        let Some((row, _)) = consumer.next_rows(1, monotonic_nanos) else { return Ok(None) };
        new_event(py, self.class, row, &self.strings).map(Some)
    }

    /// Asks `wake`, which an event loop watches, to ring once for the next event; says whether to wait for that, and how many events
    /// were dropped until now.
    ///
    /// # Errors
    /// Why there will be no more events; `RuntimeError` in a process that was forked since.
    pub(super) fn arm_for_next(
        &self,
        py: Python<'_>,
        wake: &Arc<store::Wake>,
    ) -> PyResult<(bool, u64)> {
        let mut consumer = self.consumer(py)?;
        if let Some(error) = consumer.ended() {
            return Err(self.told.tell(py, &error));
        }
        let dropped = consumer.stats().dropped;
        Ok((matches!(consumer.arm_watched(wake, 1), Arm::Waiting), dropped))
    }
}

#[pymethods]
impl Queue {
    /// The next event, or `None` if none waits.
    #[pyo3(name = "next")]
    fn py_next<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.next(py)
    }

    /// The next event and when it arrived (ns, monotonic), or `None` if none waits.
    #[pyo3(name = "next_received")]
    fn py_next_received<'py>(&self, py: Python<'py>) -> PyResult<Option<(Bound<'py, PyAny>, u64)>> {
        let mut consumer = self.consumer(py)?;
        let Some((row, times)) = consumer.next_rows(1, monotonic_nanos) else { return Ok(None) };
        Ok(Some((new_event(py, self.class, row, &self.strings)?, times[0])))
    }

    /// The next events, at most `most` of them, as rows to be made columns.
    #[pyo3(name = "take")]
    fn py_take(&self, py: Python<'_>, most: usize) -> PyResult<Batch> {
        let mut consumer = self.consumer(py)?;
        let mut batch = Batch::new(consumer.kind(), Arc::clone(&self.strings));
        let now = monotonic_nanos();
        while batch.len() < most
            && let Some((rows, times)) = consumer.next_rows(most - batch.len(), || now)
        {
            batch.extend(rows, times);
        }
        Ok(batch)
    }

    /// Asks `wake` to ring once when at least `events` events wait; says whether to wait for that.
    ///
    /// `False` means that there is something to do at once: so many wait, or the queue has ended.
    #[pyo3(name = "arm", signature = (wake, events=1))]
    fn py_arm(&self, py: Python<'_>, wake: &Wake, events: usize) -> PyResult<bool> {
        Ok(matches!(self.consumer(py)?.arm(wake.line()?, events), Arm::Waiting))
    }

    /// Raises why there will be no more events, once the last was taken.
    #[pyo3(name = "check")]
    fn py_check(&self, py: Python<'_>) -> PyResult<()> {
        let ended = self.consumer(py)?.ended();
        ended.map_or(Ok(()), |error| Err(self.told.tell(py, &error)))
    }

    /// Counts of one moment: received, delivered, pending, conflated, dropped, filtered.
    #[pyo3(name = "stats")]
    fn py_stats(&self, py: Python<'_>) -> PyResult<(u64, u64, u64, u64, u64, u64)> {
        let stats = self.consumer(py)?.stats();
        Ok((
            stats.received,
            stats.delivered,
            stats.pending,
            stats.conflated,
            stats.dropped,
            stats.filtered,
        ))
    }

    /// Counts the events as a listener's from now on, where the queue was a backlog.
    #[pyo3(name = "begin")]
    fn py_begin(&self, py: Python<'_>) -> PyResult<()> {
        self.consumer(py)?.begin();
        Ok(())
    }

    /// Lets the queue hold another number of events from now on.
    #[pyo3(name = "set_capacity")]
    fn py_set_capacity(&self, py: Python<'_>, capacity: usize) -> PyResult<()> {
        self.consumer(py)?.set_capacity(capacity);
        Ok(())
    }
}
