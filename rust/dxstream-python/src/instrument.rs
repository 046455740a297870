//! `Instrument`: a symbol of one connection, as the wire and as the user write it.

use std::sync::{Mutex, OnceLock, PoisonError, Weak};

use dxstream::symbol::SymbolId;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::PyString;

use crate::streamer::Origin;

/// What the events of a symbol share. Each of them holds a reference to it in place of a string.
#[pyclass(frozen, name = "_Instrument", module = "dxstream._dxstream")]
pub(crate) struct Instrument {
    id: SymbolId,
    event_symbol: Py<PyString>,
    /// The symbol as the user wrote it last; not set while he writes it as the wire does.
    spelling: OnceLock<Mutex<Py<PyString>>>,
    origin: Weak<Origin>,
}

impl Instrument {
    /// The symbol `event_symbol`, which the tables of `origin` know as `id`.
    pub(crate) fn new(id: SymbolId, event_symbol: Py<PyString>, origin: Weak<Origin>) -> Self {
        Self { id, event_symbol, spelling: OnceLock::new(), origin }
    }

    /// A symbol that belongs to no connection, as a pickle has it.
    pub(crate) fn detached(event_symbol: Py<PyString>, spelling: Py<PyString>) -> Self {
        let spelling = OnceLock::from(Mutex::new(spelling));
        Self { id: SymbolId(0), event_symbol, spelling, origin: Weak::new() }
    }

    /// The symbol on the wire.
    #[inline]
    pub(crate) fn event_symbol(&self) -> &Py<PyString> {
        &self.event_symbol
    }

    /// The symbol as the user wrote it last.
    #[inline]
    pub(crate) fn spelling(&self, py: Python<'_>) -> Py<PyString> {
        match self.spelling.get() {
            None => self.event_symbol.clone_ref(py),
            Some(spelling) => match spelling.lock_py_attached(py) {
                Ok(spelling) => spelling.clone_ref(py),
                Err(poisoned) => poisoned.into_inner().clone_ref(py),
            },
        }
    }

    /// Takes note of how the user writes the symbol.
    pub(crate) fn spell(&self, py: Python<'_>, spelling: &str) {
        let same = self.event_symbol.bind(py) == spelling;
        if same && self.spelling.get().is_none() {
            return;
        }
        let spelling = if same {
            self.event_symbol.clone_ref(py)
        } else {
            PyString::new(py, spelling).unbind()
        };
        let mut new = Some(spelling);
        let known = self.spelling.get_or_init(|| Mutex::new(new.take().expect("it is there")));
        if let Some(new) = new {
            let mut known = known.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
            let old = std::mem::replace(&mut *known, new);
            drop(known);
            drop(old);
        }
    }
}
