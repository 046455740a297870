//! `AccountQueue`: what a listener has still to take of an account stream.

use dxstream::connection;
use pyo3::prelude::*;

use crate::error::map_error;
use crate::process::Owned;
use crate::streamer::Wake;

/// Type, data as JSON, the server's time (ms) and number where it gave them, whether it is part of a
/// snapshot, and when it came (ns, monotonic).
type Message = (String, String, Option<i64>, Option<i64>, bool, u64);

/// The reader's end of a listener's queue. It may be used from any thread.
#[pyclass(frozen, module = "dxstream._dxstream")]
pub(crate) struct AccountQueue(Owned<connection::AccountQueue>);

impl AccountQueue {
    pub(super) fn new(queue: connection::AccountQueue) -> Self {
        Self(Owned::new(queue))
    }
}

#[pymethods]
impl AccountQueue {
    /// The next message, or `None` if none waits.
    #[pyo3(name = "next")]
    fn py_next(&self) -> PyResult<Option<Message>> {
        Ok(self.0.get()?.next_message().map(|message| {
            let told = &message.notification;
            (
                told.kind.to_string(),
                told.data.get().to_owned(),
                told.timestamp,
                told.sequence,
                told.is_snapshot,
                message.received_at,
            )
        }))
    }

    /// Asks `wake` to ring once when a message waits; says whether to wait for that.
    ///
    /// `False` means that there is something to do at once: one waits, or the queue has ended.
    #[pyo3(name = "arm")]
    fn py_arm(&self, wake: &Wake) -> PyResult<bool> {
        Ok(self.0.get()?.arm(wake.line()?))
    }

    /// Why there will be no more messages, once the last was taken; `None` before.
    #[pyo3(name = "ended")]
    fn py_ended(&self, py: Python<'_>) -> PyResult<Option<PyErr>> {
        Ok(self.0.get()?.ended().map(|error| map_error(py, &error)))
    }

    /// Counts of one moment: received, delivered, pending, conflated, dropped, filtered.
    #[pyo3(name = "stats")]
    fn py_stats(&self) -> PyResult<(u64, u64, u64, u64, u64, u64)> {
        let stats = self.0.get()?.stats();
        Ok((stats.received, stats.delivered, stats.pending, 0, stats.dropped, stats.filtered))
    }
}
