//! `Lead`: by which an event loop reads the sockets itself while it waits for events.

use dxstream::connection;
use pyo3::PyTraverseError;
use pyo3::PyVisit;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::bell::settle;
use super::wake::{Wake, no_descriptor};
use crate::process::Owned;

/// What an event loop of asyncio has that may read the sockets.
///
/// The loop is to watch `fileno()` and to call `turn` when that is readable.
#[pyclass(frozen, weakref, module = "dxstream._dxstream")]
pub(crate) struct Lead {
    lead: Owned<connection::Lead>,
    answers: Py<PyDict>,
}

#[pymethods]
impl Lead {
    #[new]
    fn py_new(py: Python<'_>) -> PyResult<Self> {
        let lead = connection::Lead::new().map_err(|error| no_descriptor(&error))?;
        Ok(Self { lead: Owned::new(lead), answers: PyDict::new(py).unbind() })
    }

    /// Futures of the loop that wait for a line, by the line's descriptor. The loop's thread alone uses it.
    #[getter(answers)]
    fn py_answers(&self, py: Python<'_>) -> Py<PyDict> {
        self.answers.clone_ref(py)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.answers)
    }

    /// The descriptor to watch; valid while this object lives.
    #[pyo3(name = "fileno")]
    fn py_fileno(&self) -> PyResult<i32> {
        Ok(self.lead.get()?.as_raw_fd())
    }

    /// Takes note that the event loop waits with a line.
    #[pyo3(name = "adopt")]
    fn py_adopt(&self, wake: &Wake) -> PyResult<()> {
        wake.line()?.set_event_loop(self.lead.get()?.number());
        Ok(())
    }

    /// Reads what came, if the loop leads, and wakes who waits for that.
    #[pyo3(name = "turn")]
    fn py_turn(&self, py: Python<'_>) -> PyResult<()> {
        let lead = self.lead.get()?;
        let mut failed = None;
        for line in py.detach(|| lead.turn()) {
            // Whatever goes wrong, each line that was held back rings.
            let settled = settle(self.answers.bind(py), line.as_raw_fd(), true);
            if !matches!(settled, Ok(true)) {
                line.ring();
            }
            failed = failed.or(settled.err());
        }
        failed.map_or(Ok(()), Err)
    }

    /// How many turns it had.
    #[getter(turns)]
    fn py_turns(&self) -> PyResult<u64> {
        Ok(self.lead.get()?.turns())
    }
}
