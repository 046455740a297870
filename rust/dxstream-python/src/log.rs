//! `LogQueue`: what the core has to say, for Python's `logging`.

use std::sync::{Arc, OnceLock};
use std::time::UNIX_EPOCH;

use dxstream::log::{self, Level, SPEAKERS};
use dxstream::store;
use pyo3::prelude::*;

use crate::streamer::Wake;

/// The queue of the process.
static QUEUE: OnceLock<Arc<log::LogQueue>> = OnceLock::new();

/// The records that wait for Python; every instance is of the same queue. Whoever writes them never
/// runs Python.
#[pyclass(frozen, module = "dxstream._dxstream")]
pub(crate) struct LogQueue(Arc<log::LogQueue>);

#[pymethods]
impl LogQueue {
    #[new]
    fn py_new() -> PyResult<Self> {
        if let Some(queue) = QUEUE.get() {
            return Ok(Self(Arc::clone(queue)));
        }
        let queue = Arc::new(log::LogQueue::new(Arc::new(store::Wake::new()?)));
        // Of two threads that come here at once, the queue of one stays.
        let queue = QUEUE.get_or_init(|| queue);
        queue.install();
        Ok(Self(Arc::clone(queue)))
    }

    /// The names of those who write.
    #[staticmethod]
    #[pyo3(name = "speakers")]
    fn py_speakers() -> [&'static str; 2] {
        SPEAKERS
    }

    /// What rings when a record comes.
    #[pyo3(name = "wake")]
    fn py_wake(&self) -> Wake {
        Wake::of(Arc::clone(self.0.wake()))
    }

    /// Wants records of `level` and above, a number of Python's `logging`; none where it is `None`.
    #[pyo3(name = "want")]
    fn py_want(&self, level: Option<u32>) {
        let levels = [Level::Error, Level::Warning, Level::Info, Level::Debug];
        let wanted =
            level.and_then(|level| levels.into_iter().rev().find(|of| number(*of) >= level));
        self.0.want(wanted);
    }

    /// The next records, at most `most`: level, name, ns since 1970 UTC, text; and how many were
    /// dropped since the last call.
    #[pyo3(name = "take")]
    fn py_take(&self, most: usize) -> (Vec<(u32, &'static str, u64, String)>, u64) {
        let records = std::iter::from_fn(|| self.0.take()).take(most).map(|record| {
            let at = record.at.duration_since(UNIX_EPOCH).unwrap_or_default();
            (number(record.level), record.speaker, at.as_nanos() as u64, record.text)
        });
        (records.collect(), self.0.take_dropped())
    }
}

/// The number of a level in Python's `logging`.
fn number(level: Level) -> u32 {
    match level {
        Level::Error => 40,
        Level::Warning => 30,
        Level::Info => 20,
        Level::Debug => 10,
    }
}
