//! `Batch`: rows that were taken out of a store, on their way to columns.

use std::sync::Arc;

use dxstream::event::{EventKind, SYMBOL_WORD};
use dxstream::symbol::SymbolId;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

use super::columns::Columns;
use crate::strings::Strings;

/// Events of one type, in order, with their times of arrival.
#[pyclass(frozen, module = "dxstream._dxstream")]
pub(crate) struct Batch {
    kind: EventKind,
    words: Vec<u64>,
    times: Vec<u64>,
    strings: Arc<Strings>,
}

impl Batch {
    pub(super) fn new(kind: EventKind, strings: Arc<Strings>) -> Self {
        Self { kind, words: Vec::new(), times: Vec::new(), strings }
    }

    pub(super) fn push(&mut self, row: &[u64], received_at: u64) {
        self.words.extend_from_slice(row);
        self.times.push(received_at);
    }

    fn rows(&self) -> impl Iterator<Item = (SymbolId, &[u64], u64)> {
        let words = self.words.chunks_exact(self.kind.fields().len());
        words
            .zip(&self.times)
            .map(|(row, &received_at)| (SymbolId(row[SYMBOL_WORD] as u32), row, received_at))
    }
}

#[pymethods]
impl Batch {
    fn __len__(&self) -> usize {
        self.times.len()
    }

    /// The symbol of each event.
    #[pyo3(name = "symbols")]
    fn py_symbols<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let symbols = PyList::empty(py);
        for (symbol, ..) in self.rows() {
            symbols.append(self.strings.symbol(py, symbol)?)?;
        }
        Ok(symbols)
    }

    /// Fills a row of `columns` for each event, and says the names of enum codes that are not
    /// declared.
    #[pyo3(name = "fill")]
    fn py_fill<'py>(
        &self,
        py: Python<'py>,
        columns: &Bound<'py, PyDict>,
        valid: &Bound<'py, PyAny>,
        received_at: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let rows = self.times.len();
        let mut columns =
            Columns::new(self.kind, rows, columns, valid, received_at, &self.strings)?;
        for (symbol, row, received_at) in self.rows() {
            columns.push(py, symbol, Some((row, received_at)))?;
        }
        columns.write(py)
    }
}
