//! `Instrument`: a symbol of one connection, as the wire and as the user write it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError, Weak};

use dxstream::event::Trade;
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
    /// Whether the companions of the symbol's events were asked for since it was last subscribed.
    accompanied: AtomicBool,
}

impl Instrument {
    /// The symbol `event_symbol`, which the tables of `origin` know as `id`.
    pub(crate) fn new(id: SymbolId, event_symbol: Py<PyString>, origin: Weak<Origin>) -> Self {
        let accompanied = AtomicBool::new(false);
        Self { id, event_symbol, spelling: OnceLock::new(), origin, accompanied }
    }

    /// A symbol that belongs to no connection, as a pickle has it.
    pub(crate) fn detached(event_symbol: Py<PyString>, spelling: Py<PyString>) -> Self {
        let detached = Self::new(SymbolId(0), event_symbol, Weak::new());
        Self { spelling: OnceLock::from(Mutex::new(spelling)), ..detached }
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

    /// The last Trade of the symbol, as long as its streamer is there. The first call asks for it.
    pub(crate) fn last_trade(&self, py: Python<'_>) -> PyResult<Option<Trade>> {
        let Some(origin) = self.origin.upgrade() else { return Ok(None) };
        if !self.accompanied.load(Ordering::Relaxed)
            && !self.accompanied.swap(true, Ordering::Relaxed)
        {
            origin.accompany(self.event_symbol.bind(py).to_str()?);
        }
        Ok(origin.last_trade(self.id))
    }

    /// Lets the next call of [`Self::last_trade`] ask for it again.
    pub(crate) fn forget_companion(&self) {
        self.accompanied.store(false, Ordering::Relaxed);
    }

    /// The conditions of a sale of the symbol, as long as its streamer is there.
    pub(crate) fn sale_conditions(
        &self,
        py: Python<'_>,
        trade: &Trade,
    ) -> PyResult<Option<Py<PyString>>> {
        let Some(origin) = self.origin.upgrade() else { return Ok(None) };
        let conditions = origin.sale_conditions(self.id, trade);
        conditions.map(|id| Ok(origin.strings().text(py, id)?.clone_ref(py))).transpose()
    }
}
