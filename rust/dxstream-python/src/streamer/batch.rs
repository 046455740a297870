//! `Batch`: rows that were taken out of a store, on their way to columns.

use std::sync::Arc;

use dxstream::event::{EventKind, SYMBOL_WORD};
use dxstream::symbol::SymbolId;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::columns::{Columns, Fields};
use crate::strings::Strings;

/// Rows of which one field after another is copied, so that they stay in the processor's cache.
const BLOCK_ROWS: usize = 128;

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

    /// Adds rows, and when each arrived.
    pub(super) fn extend(&mut self, rows: &[u64], times: &[u64]) {
        self.words.extend_from_slice(rows);
        self.times.extend_from_slice(times);
    }

    pub(super) fn len(&self) -> usize {
        self.times.len()
    }
}

#[pymethods]
impl Batch {
    fn __len__(&self) -> usize {
        self.len()
    }

    /// The symbol of each event: as the user wrote it, and as the wire has it.
    #[pyo3(name = "symbols")]
    fn py_symbols<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyTuple>)> {
        let rows = || self.words.chunks_exact(self.kind.fields().len());
        let ids = || rows().map(|row| SymbolId(row[SYMBOL_WORD] as u32));
        let symbols = ids().map(|id| self.strings.symbol(py, id));
        let wire = PyTuple::new(py, symbols.collect::<PyResult<Vec<_>>>()?)?;
        if !self.strings.is_spelled() {
            return Ok((wire.clone(), wire));
        }
        let spellings = ids().map(|id| Ok(self.strings.instrument(py, id)?.get().spelling(py)));
        Ok((PyTuple::new(py, spellings.collect::<PyResult<Vec<_>>>()?)?, wire))
    }

    /// Fills the arrays of `fields` with the events, from the first row on; rows beyond the events
    /// are of none. Says the names of enum codes that are not declared.
    #[pyo3(name = "fill")]
    fn py_fill<'py>(
        &self,
        py: Python<'py>,
        fields: &Fields,
        arrays: &Bound<'py, PyTuple>,
        valid: &Bound<'py, PyAny>,
        received_at: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Bound<'py, PyDict>>> {
        if fields.kind != self.kind {
            return Err(PyValueError::new_err("the fields are of another event type"));
        }
        let rows = received_at.len()?.max(self.times.len());
        let columns = Columns::new(fields, rows, arrays, valid, received_at)?;
        let width = self.kind.fields().len();
        let mut cells = columns.cells(py)?;
        let blocks = self.words.chunks(BLOCK_ROWS * width).zip(self.times.chunks(BLOCK_ROWS));
        for (block, (words, times)) in blocks.enumerate() {
            let first = block * BLOCK_ROWS;
            cells.fill_head(first, times.iter().copied(), times.iter().map(|_| true));
            for (at, &word) in fields.words.iter().enumerate() {
                cells.fill(at, first, words[word..].iter().step_by(width).copied());
            }
        }
        let missing = rows - self.times.len();
        let none = 0..missing;
        cells.fill_head(self.times.len(), none.clone().map(|_| 0), none.map(|_| false));
        for (at, &word) in fields.words.iter().enumerate() {
            let unknown = self.kind.fields()[word].kind.unknown();
            cells.fill(at, self.times.len(), std::iter::repeat_n(unknown, missing));
        }
        let filled = cells.filled();
        columns.finish(py, filled, &self.strings)
    }
}
