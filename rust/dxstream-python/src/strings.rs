//! The Python objects of one connection's texts: an [`Instrument`] per symbol and a `str` per text.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use dxstream::symbol::{SymbolId, Tables, TextId};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyString;

use crate::instrument::Instrument;
use crate::streamer::Origin;

/// Objects per chunk; chunks are allocated as ids come into use and never move.
const CHUNK: usize = 1 << 10;

/// The objects of a connection's tables, each made when it is first asked for.
///
/// Any number of threads may ask at once; all of them get the same object.
pub(crate) struct Strings {
    tables: Arc<Tables>,
    symbols: Cache<Instrument>,
    texts: Cache<PyString>,
    origin: Weak<Origin>,
    /// Whether some symbol was written in another way than the wire's.
    spelled: AtomicBool,
}

impl Strings {
    /// The strings of `tables`, which are those of `origin`; none is made yet.
    pub(crate) fn new(tables: Arc<Tables>, origin: Weak<Origin>) -> Self {
        Self {
            tables,
            symbols: Cache::new(Tables::MAX_SYMBOLS),
            texts: Cache::new(Tables::MAX_TEXTS),
            origin,
            spelled: AtomicBool::new(false),
        }
    }

    /// The tables that the ids belong to.
    pub(crate) fn tables(&self) -> &Tables {
        &self.tables
    }

    /// What the events of a symbol share.
    ///
    /// # Errors
    /// `RuntimeError` for an id that the tables did not give out.
    #[inline]
    pub(crate) fn instrument(&self, py: Python<'_>, id: SymbolId) -> PyResult<&Py<Instrument>> {
        match self.symbols.get(py, id.0) {
            Some(made) => Ok(made),
            None => self.make_instrument(py, id),
        }
    }

    #[cold]
    fn make_instrument(&self, py: Python<'_>, id: SymbolId) -> PyResult<&Py<Instrument>> {
        let symbol = self.tables.symbols.get(id.0).ok_or_else(|| unknown(id.0))?;
        self.symbols.make(py, id.0, || {
            let event_symbol = PyString::intern(py, symbol).unbind();
            Py::new(py, Instrument::new(id, event_symbol, self.origin.clone()))
        })
    }

    /// The string of a symbol, as the wire has it.
    ///
    /// # Errors
    /// As [`Self::instrument`].
    pub(crate) fn symbol(&self, py: Python<'_>, id: SymbolId) -> PyResult<&Py<PyString>> {
        Ok(self.instrument(py, id)?.get().event_symbol())
    }

    /// The string of a text.
    ///
    /// # Errors
    /// `RuntimeError` for an id that the tables did not give out.
    #[inline]
    pub(crate) fn text(&self, py: Python<'_>, id: TextId) -> PyResult<&Py<PyString>> {
        match self.texts.get(py, id.0) {
            Some(made) => Ok(made),
            None => self.make_text(py, id),
        }
    }

    #[cold]
    fn make_text(&self, py: Python<'_>, id: TextId) -> PyResult<&Py<PyString>> {
        let text = self.tables.texts.get(id.0).ok_or_else(|| unknown(id.0))?;
        self.texts.make(py, id.0, || Ok(PyString::new(py, text).unbind()))
    }

    /// Takes note that the user writes a symbol so, where the wire has it as `event_symbol`.
    ///
    /// # Errors
    /// `RuntimeError` if the tables are full.
    pub(crate) fn spell(&self, py: Python<'_>, event_symbol: &str, spelling: &str) -> PyResult<()> {
        // Relaxed: the mark stands for itself, and who subscribes comes before his own events.
        if event_symbol == spelling && !self.spelled.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.spelled.store(true, Ordering::Relaxed);
        let id = self.tables.symbols.intern(event_symbol);
        let id = id.map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
        self.instrument(py, SymbolId(id))?.get().spell(py, spelling);
        Ok(())
    }

    /// Lets the companions of symbols be asked for again when they are read.
    pub(crate) fn forget_companions(&self, py: Python<'_>, symbols: &[String]) {
        for symbol in symbols {
            let id = self.tables.symbols.find(symbol);
            if let Some(instrument) = id.and_then(|id| self.symbols.get(py, id)) {
                instrument.get().forget_companion();
            }
        }
    }

    /// Whether some symbol was written in another way than the wire's.
    pub(crate) fn is_spelled(&self) -> bool {
        self.spelled.load(Ordering::Relaxed)
    }
}

#[cold]
fn unknown(id: u32) -> PyErr {
    PyRuntimeError::new_err(format!("the connection's tables have no text {id}"))
}

type Chunk<T> = Box<[PyOnceLock<Py<T>>]>;

struct Cache<T> {
    chunks: Box<[OnceLock<Chunk<T>>]>,
}

impl<T> Cache<T> {
    fn new(ids: usize) -> Self {
        Self { chunks: (0..ids.div_ceil(CHUNK)).map(|_| OnceLock::new()).collect() }
    }

    #[inline]
    fn get(&self, py: Python<'_>, id: u32) -> Option<&Py<T>> {
        self.chunks.get(id as usize / CHUNK)?.get()?[id as usize % CHUNK].get(py)
    }

    fn make(
        &self,
        py: Python<'_>,
        id: u32,
        make: impl FnOnce() -> PyResult<Py<T>>,
    ) -> PyResult<&Py<T>> {
        let chunk = self.chunks.get(id as usize / CHUNK).ok_or_else(|| unknown(id))?;
        let chunk = chunk.get_or_init(|| (0..CHUNK).map(|_| PyOnceLock::new()).collect());
        chunk[id as usize % CHUNK].get_or_try_init(py, make)
    }
}
