//! The Python strings of one connection: one `str` object per symbol and per text.

use std::sync::{Arc, OnceLock};

use dxstream::symbol::{Interner, SymbolId, Tables, TextId};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;

/// Strings per chunk; chunks are allocated as ids come into use and never move.
const CHUNK: usize = 1 << 10;

/// The `str` objects of a connection's tables, each made when it is first asked for.
///
/// Any number of threads may ask at once; all of them get the same object.
pub(crate) struct Strings {
    tables: Arc<Tables>,
    symbols: Cache,
    texts: Cache,
}

impl Strings {
    /// The strings of `tables`; none is made yet.
    pub(crate) fn new(tables: Arc<Tables>) -> Self {
        Self {
            tables,
            symbols: Cache::new(Tables::MAX_SYMBOLS),
            texts: Cache::new(Tables::MAX_TEXTS),
        }
    }

    /// The tables that the ids belong to.
    pub(crate) fn tables(&self) -> &Tables {
        &self.tables
    }

    /// The string of a symbol.
    ///
    /// # Errors
    /// `RuntimeError` for an id that the tables did not give out.
    #[inline]
    pub(crate) fn symbol(&self, py: Python<'_>, id: SymbolId) -> PyResult<&Py<PyString>> {
        self.symbols.get(py, id.0, &self.tables.symbols)
    }

    /// The string of a text.
    ///
    /// # Errors
    /// `RuntimeError` for an id that the tables did not give out.
    #[inline]
    pub(crate) fn text(&self, py: Python<'_>, id: TextId) -> PyResult<&Py<PyString>> {
        self.texts.get(py, id.0, &self.tables.texts)
    }
}

type Chunk = Box<[PyOnceLock<Py<PyString>>]>;

struct Cache {
    chunks: Box<[OnceLock<Chunk>]>,
}

impl Cache {
    fn new(ids: usize) -> Self {
        Self { chunks: (0..ids.div_ceil(CHUNK)).map(|_| OnceLock::new()).collect() }
    }

    #[inline]
    fn get(&self, py: Python<'_>, id: u32, table: &Interner) -> PyResult<&Py<PyString>> {
        let made = self
            .chunks
            .get(id as usize / CHUNK)
            .and_then(OnceLock::get)
            .and_then(|chunk| chunk[id as usize % CHUNK].get(py));
        match made {
            Some(string) => Ok(string),
            None => self.make(py, id, table),
        }
    }

    #[cold]
    fn make(&self, py: Python<'_>, id: u32, table: &Interner) -> PyResult<&Py<PyString>> {
        let (chunk, text) =
            self.chunks.get(id as usize / CHUNK).zip(table.get(id)).ok_or_else(|| {
                PyRuntimeError::new_err(format!("the connection's tables have no text {id}"))
            })?;
        let chunk = chunk.get_or_init(|| (0..CHUNK).map(|_| PyOnceLock::new()).collect());
        Ok(chunk[id as usize % CHUNK].get_or_init(py, || PyString::new(py, text).unbind()))
    }
}
