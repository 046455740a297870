//! `Wake`: a file descriptor to sleep on or to hand to an event loop.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dxstream::store;
use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

use crate::process::Owned;

/// How long a sleep lasts before signals are looked at, so that Ctrl-C is never held up.
const SLICE: Duration = Duration::from_millis(100);

/// A line that rings when there is something to read.
#[pyclass(frozen, module = "dxstream._dxstream")]
pub(crate) struct Wake(Owned<Arc<store::Wake>>);

impl Wake {
    pub(crate) fn line(&self) -> PyResult<&Arc<store::Wake>> {
        self.0.get()
    }

    /// A line that is rung elsewhere.
    pub(crate) fn of(wake: Arc<store::Wake>) -> Self {
        Self(Owned::new(wake))
    }
}

/// The `OSError` of a line that could not be made, with the system's number.
pub(super) fn no_descriptor(error: &io::Error) -> PyErr {
    let text = format!(
        "no file descriptor to wait with ({error}); close files, or raise the limit of open files"
    );
    PyOSError::new_err((error.raw_os_error(), text))
}

#[pymethods]
impl Wake {
    #[new]
    #[pyo3(signature = (*, patient=false))]
    fn py_new(patient: bool) -> PyResult<Self> {
        let wake = store::Wake::new().map_err(|error| no_descriptor(&error))?;
        Ok(Self(Owned::new(Arc::new(if patient { wake.patient() } else { wake }))))
    }

    /// The descriptor, readable while the line rings; valid while this object lives.
    #[pyo3(name = "fileno")]
    fn py_fileno(&self) -> PyResult<i32> {
        Ok(self.line()?.as_raw_fd())
    }

    /// Sleeps until the line rings, or for `timeout` seconds; says whether it rings.
    #[pyo3(name = "wait", signature = (timeout=None))]
    fn py_wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<bool> {
        let line = self.line()?;
        let limit = timeout.and_then(|timeout| Duration::try_from_secs_f64(timeout.max(0.0)).ok());
        let deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
        loop {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            let slice = left.map_or(SLICE, |left| left.min(SLICE));
            if py.detach(|| line.wait(slice))? {
                return Ok(true);
            }
            py.check_signals()?;
            if left.is_some_and(|left| left <= slice) {
                return Ok(false);
            }
        }
    }

    /// Makes the line ring.
    #[pyo3(name = "ring")]
    fn py_ring(&self) -> PyResult<()> {
        self.line()?.ring();
        Ok(())
    }

    /// Makes the line silent again.
    #[pyo3(name = "clear")]
    fn py_clear(&self) -> PyResult<()> {
        self.line()?.clear();
        Ok(())
    }
}
