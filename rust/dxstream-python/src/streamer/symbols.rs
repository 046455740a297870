//! Event types and symbols, as Python names them.

use std::borrow::Cow;

use dxstream::event::EventKind;
use dxstream::protocol::Entry;
use dxstream::symbol::{SymbolId, candle_to_dxfeed, check, to_dxfeed};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::error::map_error;
use crate::event::{Class, class_of_other, known_class};
use crate::symbology::this_year;

/// Most symbols of one call.
const MAX_SYMBOLS_AT_ONCE: usize = 1_000_000;

/// Symbols of one event type, in the order of a snapshot's rows.
#[pyclass(frozen, module = "dxstream._dxstream")]
pub(crate) struct Symbols {
    pub(super) kind: EventKind,
    pub(super) ids: Vec<SymbolId>,
}

#[pymethods]
impl Symbols {
    fn __len__(&self) -> usize {
        self.ids.len()
    }
}

/// The class that an event type stands for: one of ours, or another library's of the same name.
pub(crate) fn class_of(event_type: &Bound<'_, PyAny>) -> PyResult<&'static Class> {
    if let Some(class) = known_class(event_type) {
        return Ok(class);
    }
    class_of_other(event_type)?.ok_or_else(|| {
        PyTypeError::new_err(format!(
            "an event class of dxstream.dxfeed is needed, such as Quote; not {}",
            event_type.repr().map_or_else(|_| "this".into(), |repr| repr.to_string())
        ))
    })
}

/// The event type that a class stands for.
pub(crate) fn kind_of(event_type: &Bound<'_, PyAny>) -> PyResult<EventKind> {
    Ok(class_of(event_type)?.kind())
}

/// The class of the events that an event type stands for.
#[pyfunction]
pub(crate) fn event_class<'py>(event_type: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyType>> {
    Ok(class_of(event_type)?.type_object(event_type.py()))
}

/// The symbol as the server knows it: one of OCC's or tastytrade's notation as dxFeed's, a candle symbol
/// in normal form, any other as it is.
pub(super) fn wire_symbol(py: Python<'_>, kind: EventKind, symbol: String) -> PyResult<String> {
    check(&symbol).map_err(|error| map_error(py, &error))?;
    let converted = if kind == EventKind::Candle {
        candle_to_dxfeed(&symbol, this_year()).map(|candle| Some(candle.to_string()))
    } else {
        to_dxfeed(&symbol, this_year()).map(|converted| match converted {
            Cow::Owned(converted) => Some(converted),
            Cow::Borrowed(_) => None,
        })
    };
    let converted = converted.map_err(|error| PyValueError::new_err(error.to_string()))?;
    Ok(converted.unwrap_or(symbol))
}

/// What is asked for of an event type.
pub(super) fn entries(
    py: Python<'_>,
    kind: EventKind,
    symbols: Vec<String>,
    source: Option<&str>,
) -> PyResult<Vec<Entry>> {
    if symbols.is_empty() {
        return Err(PyValueError::new_err("no symbol is given; name at least one"));
    }
    if symbols.len() > MAX_SYMBOLS_AT_ONCE {
        return Err(PyValueError::new_err(format!(
            "{} symbols are too many; at most {MAX_SYMBOLS_AT_ONCE} are allowed",
            symbols.len()
        )));
    }
    if let Some(source) = source {
        if !kind.fields().iter().any(|field| field.name == "source") {
            return Err(PyValueError::new_err(format!(
                "{} has no source; leave source out",
                kind.name()
            )));
        }
        check(source).map_err(|error| map_error(py, &error))?;
    }
    symbols
        .into_iter()
        .map(|symbol| {
            Ok(Entry { symbol: wire_symbol(py, kind, symbol)?, source: source.map(str::to_owned) })
        })
        .collect()
}
