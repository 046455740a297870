//! Events as dictionaries, and pickling by way of them.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};

use super::object::View;
use super::{class, construct};

/// The key of the symbol as the user wrote it, where that is another than the wire's.
pub(super) const SPELLING: &str = "symbol";

/// All fields of an event by name.
///
/// # Errors
/// `MemoryError`.
pub(super) fn as_dict<'py>(event: &View<'_, 'py>) -> PyResult<Bound<'py, PyDict>> {
    collect(event, (0..event.fields().len()).map(|at| (at, event.value(at))))
}

/// All fields of an event by name, with the values that our own class gives them.
///
/// # Errors
/// `TypeError` for what is no event.
#[pyfunction]
#[pyo3(name = "_raw")]
pub(crate) fn raw<'py>(event: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyDict>> {
    let view = View::of(event).ok_or_else(|| PyTypeError::new_err("an event is needed"))?;
    collect(&view, (0..view.fields().len()).map(|at| (at, view.raw(at))))
}

/// What `__reduce__` returns: [`event_of`], and the event's class and known fields for it.
///
/// Fields are named, and the symbol as the user wrote it, so that a pickle can be read after a field was added.
///
/// # Errors
/// `MemoryError`.
pub(super) fn reduce<'py>(event: &View<'_, 'py>) -> PyResult<Bound<'py, PyTuple>> {
    static EVENT_OF: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = event.py();
    let event_of = EVENT_OF.import(py, "dxstream._dxstream", "_event")?;
    let fields = collect(event, event.known().map(|at| (at, event.raw(at))))?;
    if let Some(spelling) = event.spelling() {
        fields.set_item(SPELLING, spelling)?;
    }
    (event_of, (event.object().get_type(), fields)).into_pyobject(py)
}

fn collect<'py>(
    event: &View<'_, 'py>,
    values: impl Iterator<Item = (usize, PyResult<Bound<'py, PyAny>>)>,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(event.py());
    for (at, value) in values {
        dict.set_item(event.fields()[at].name, value?)?;
    }
    Ok(dict)
}

/// The event of this class with these fields, as a pickle has it.
///
/// # Errors
/// `TypeError` or `ValueError` for a class or fields that are none.
#[pyfunction]
#[pyo3(name = "_event")]
pub(crate) fn event_of<'py>(
    event_type: &Bound<'py, PyType>,
    fields: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    let class = class::of_type(event_type.py(), event_type.as_type_ptr())
        .ok_or_else(|| PyTypeError::new_err(format!("{event_type} is not an event type")))?;
    construct::from_dict(class, fields)
}
