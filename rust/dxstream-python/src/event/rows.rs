//! From events back to rows.

use std::sync::{Arc, Weak};

use dxstream::event::{Char, Enum, EventKind, FieldKind, MAX_WORDS, Text};
use dxstream::symbol::{InternError, Tables, TextId};
use pyo3::exceptions::{PyIndexError, PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::PyType;

use super::object::View;
use super::{class_of_kind, class_of_other, known_class, new_event};
use crate::strings::Strings;

/// The event type and the row of an event; its symbol and texts are interned in `tables`.
///
/// # Errors
/// `TypeError` if the object is not an event, `RuntimeError` if the tables are full.
pub(crate) fn row_of(
    event: &Bound<'_, PyAny>,
    tables: &Tables,
) -> PyResult<(EventKind, [u64; MAX_WORDS])> {
    let view = View::of(event).ok_or_else(|| {
        PyTypeError::new_err(format!("{} is not an event type", event.get_type()))
    })?;
    let words = view.words();
    let mut row = [0; MAX_WORDS];
    row[..words.len()].copy_from_slice(words);
    for (at, field) in view.fields().iter().enumerate() {
        let Some(text) = view.text(at) else { continue };
        let text = text.to_cow()?;
        let number = |text| tables.texts.intern(text).map(TextId);
        row[at] = match field.kind {
            FieldKind::Symbol => tables.symbols.intern(&text).map(u64::from),
            FieldKind::Char => number(&text).map(|id| Char::from_text(id).0),
            FieldKind::Enum(_) => number(&text).map(|id| Enum::from_text(id).0),
            _ => number(&text).map(|id| Text::from(id).0),
        }
        .map_err(full)?;
    }
    Ok((view.kind(), row))
}

fn full(error: InternError) -> PyErr {
    PyRuntimeError::new_err(error.to_string())
}

/// Events kept as rows of one pair of tables, as a connection keeps them; for tests and benchmarks.
#[pyclass(frozen, name = "_Rows", module = "dxstream._dxstream")]
pub(crate) struct Rows {
    strings: Strings,
    rows: Vec<(EventKind, [u64; MAX_WORDS])>,
}

#[pymethods]
impl Rows {
    #[new]
    fn new(events: &Bound<'_, PyAny>) -> PyResult<Self> {
        let strings = Strings::new(Arc::new(Tables::new()), Weak::new());
        let rows = events.try_iter()?.map(|event| row_of(&event?, strings.tables()));
        let rows = rows.collect::<PyResult<_>>()?;
        Ok(Self { strings, rows })
    }

    fn __len__(&self) -> usize {
        self.rows.len()
    }

    fn __getitem__<'py>(&self, py: Python<'py>, at: usize) -> PyResult<Bound<'py, PyAny>> {
        let (kind, row) = self.rows.get(at).ok_or_else(|| PyIndexError::new_err("no such row"))?;
        new_event(py, class_of_kind(py, *kind), row, &self.strings)
    }

    /// Fails to make the event of a row, as it looks for its texts in tables that have none.
    fn orphan<'py>(&self, py: Python<'py>, at: usize) -> PyResult<Bound<'py, PyAny>> {
        let (kind, row) = self.rows.get(at).ok_or_else(|| PyIndexError::new_err("no such row"))?;
        new_event(
            py,
            class_of_kind(py, *kind),
            row,
            &Strings::new(Arc::new(Tables::new()), Weak::new()),
        )
    }

    /// Makes the event of each row `times` times and drops it.
    fn churn(&self, py: Python<'_>, times: usize) -> PyResult<()> {
        for _ in 0..times {
            for (kind, row) in &self.rows {
                drop(new_event(py, class_of_kind(py, *kind), row, &self.strings)?);
            }
        }
        Ok(())
    }

    /// The name of the event type that a class stands for, and whether the class is ours.
    #[staticmethod]
    fn kind(class: &Bound<'_, PyType>) -> PyResult<Option<(&'static str, bool)>> {
        let ours = known_class(class);
        let found = if ours.is_some() { ours } else { class_of_other(class)? };
        Ok(found.map(|class| (class.kind().name(), ours.is_some())))
    }
}
