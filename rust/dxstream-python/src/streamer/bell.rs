//! `Bell`: what an event loop of asyncio calls when a line rings that it watches.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dxstream::store;
use pyo3::PyTraverseError;
use pyo3::PyVisit;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyIterator};

use super::wake::Wake;

/// Settles the future that waits for a line, if there is one that is not done; says whether there was.
///
/// # Errors
/// What the future raises.
pub(super) fn settle(
    answers: &Bound<'_, PyDict>,
    line: impl for<'py> IntoPyObject<'py> + Copy,
    rang: bool,
) -> PyResult<bool> {
    // A future's methods are native, so that no signal's handler runs before it is settled.
    let py = answers.py();
    let Some(answer) = answers.get_item(line)? else {
        return Ok(false);
    };
    answers.del_item(line)?;
    if answer.call_method0(intern!(py, "done"))?.is_truthy()? {
        return Ok(false);
    }
    answer.call_method1(intern!(py, "set_result"), (rang,))?;
    Ok(true)
}

/// What an event loop calls when a line rings that it watches.
///
/// Its thread alone uses it, except for `stop`.
#[pyclass(frozen, module = "dxstream._dxstream")]
pub(crate) struct Bell {
    event_loop: Py<PyAny>,
    wake: Py<Wake>,
    /// The line's descriptor.
    line: i32,
    /// The futures that wait, by the descriptors of their lines.
    answers: Py<PyDict>,
    stopped: AtomicBool,
}

impl Bell {
    /// Whether the event loop that runs here is the one that watches the line.
    ///
    /// # Errors
    /// What importing asyncio raises.
    pub(super) fn is_watched_here(&self, py: Python<'_>) -> PyResult<bool> {
        static RUNNING_LOOP: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        static MODULES: PyOnceLock<Py<PyDict>> = PyOnceLock::new();
        if self.stopped.load(Ordering::Relaxed) {
            return Ok(false);
        }
        // trio can run within an event loop of asyncio, and does not know its futures.
        if let Some(trio) = MODULES.import(py, "sys", "modules")?.get_item(intern!(py, "trio"))? {
            let lowlevel = trio.getattr(intern!(py, "lowlevel"))?;
            if lowlevel.call_method0(intern!(py, "in_trio_task"))?.is_truthy()? {
                return Ok(false);
            }
        }
        let running = RUNNING_LOOP.import(py, "asyncio", "_get_running_loop")?.call0()?;
        Ok(running.is(&self.event_loop))
    }

    /// What rings.
    pub(super) fn wake(&self) -> PyResult<&Arc<store::Wake>> {
        self.wake.get().line()
    }

    /// What is to be awaited until the line rings.
    ///
    /// # Errors
    /// What the event loop raises.
    pub(super) fn wait<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.py_rings(py)?.try_iter()
    }
}

#[pymethods]
impl Bell {
    #[new]
    fn py_new(event_loop: Py<PyAny>, wake: Py<Wake>, answers: Py<PyDict>) -> PyResult<Self> {
        let line = wake.get().line()?.as_raw_fd();
        Ok(Self { event_loop, wake, line, answers, stopped: AtomicBool::new(false) })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.event_loop)?;
        visit.call(&self.answers)
    }

    /// The event loop.
    #[getter(event_loop)]
    fn py_event_loop(&self, py: Python<'_>) -> Py<PyAny> {
        self.event_loop.clone_ref(py)
    }

    /// The line's descriptor.
    #[pyo3(name = "fileno")]
    fn py_fileno(&self) -> i32 {
        self.line
    }

    /// A future that is settled when the line rings.
    #[pyo3(name = "rings")]
    fn py_rings<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let answer = self.event_loop.bind(py).call_method0(intern!(py, "create_future"))?;
        self.answers.bind(py).set_item(self.line, &answer)?;
        Ok(answer)
    }

    /// Settles the future that waits: whether the line rang.
    #[pyo3(name = "settle")]
    fn py_settle(&self, py: Python<'_>, rang: bool) -> PyResult<()> {
        settle(self.answers.bind(py), self.line, rang).map(drop)
    }

    /// To be called when the line rings.
    #[pyo3(name = "ring")]
    fn py_ring(&self, py: Python<'_>) -> PyResult<()> {
        // Before the line is silent: a signal's handler may raise in between.
        self.py_settle(py, true)?;
        self.wake()?.clear();
        Ok(())
    }

    /// Takes note that the event loop is about to watch the line no longer. From any thread.
    #[pyo3(name = "stop")]
    fn py_stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}
