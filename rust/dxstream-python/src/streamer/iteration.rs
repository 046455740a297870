//! `Iteration`: what a listener has of native code, the steps that find an event ready.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use dxstream::connection::monotonic_nanos;
use pyo3::PyTraverseError;
use pyo3::PyVisit;
use pyo3::exceptions::PyStopAsyncIteration;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::awaitable;
use super::queue::Queue;
use crate::error::is_closed;

/// After so many events, drops are looked at and the other tasks of the event loop get their turn.
const EVENTS_PER_TURN: u32 = 512;

/// After so long they get it too: the first event that finds it over gives way.
const NANOS_PER_TURN: u64 = 1_000_000;

/// The clock is read once in so many events, and more often at the beginning of a turn.
const EVENTS_PER_LOOK: u32 = 64;

/// Where events come from.
enum Source {
    Queue(Py<Queue>),
    /// What looks like one in Python.
    Other(Py<PyAny>),
}

/// The iterations of a listener, which derives from this in Python and waits where nothing is ready.
///
/// Its methods `_later` (a coroutine) and `_block` give the next event when there is one, and `_check`
/// looks at drops.
#[pyclass(frozen, subclass, generic, module = "dxstream._dxstream")]
pub(crate) struct Iteration {
    source: Source,
    closed: AtomicBool,
    /// Events of this turn, which is the time since the event loop had its own.
    taken: AtomicU32,
    /// When the first of them came.
    began: AtomicU64,
}

/// What a step of an `async for` leads to.
pub(super) enum Step<'py> {
    /// The event, which is taken.
    Event(Bound<'py, PyAny>),
    /// A coroutine that will give it.
    Later(Bound<'py, PyAny>),
}

// Relaxed, all of them: one task or thread iterates at a time, which the object's users see to, and a
// turn that is a little longer harms nobody.
impl Iteration {
    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Whether it is time to give way. Looks at the clock after 1, 2, 4, ... events, so that a program
    /// that takes long for each is noticed soon, and then regularly.
    #[inline]
    fn is_turn_over(&self) -> bool {
        let taken = self.taken.load(Ordering::Relaxed);
        if taken >= EVENTS_PER_TURN {
            return true;
        }
        (taken.is_power_of_two() || taken.is_multiple_of(EVENTS_PER_LOOK))
            && monotonic_nanos().saturating_sub(self.began.load(Ordering::Relaxed))
                >= NANOS_PER_TURN
    }

    #[inline]
    fn count(&self) {
        let taken = self.taken.load(Ordering::Relaxed);
        self.taken.store(taken.saturating_add(1), Ordering::Relaxed);
    }

    /// Begins another turn with an event that came after the other tasks had theirs.
    pub(super) fn begin_turn(&self) {
        self.began.store(monotonic_nanos(), Ordering::Relaxed);
        self.taken.store(1, Ordering::Relaxed);
    }

    /// The next event, if one is ready.
    #[inline]
    fn take<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match &self.source {
            Source::Queue(queue) => queue.get().next(py),
            Source::Other(source) => {
                let event = source.bind(py).call_method0(intern!(py, "next"))?;
                Ok((!event.is_none()).then_some(event))
            }
        }
    }

    /// The next step of an `async for`.
    ///
    /// # Errors
    /// `StopAsyncIteration` at the end; what the source raises.
    #[inline]
    pub(super) fn step<'py>(slf: &Bound<'py, Self>) -> PyResult<Step<'py>> {
        let this = slf.get();
        if this.is_closed() {
            return Err(PyStopAsyncIteration::new_err(()));
        }
        let gives_way = this.is_turn_over();
        this.count();
        if !gives_way {
            match this.take(slf.py()) {
                Ok(Some(event)) => return Ok(Step::Event(event)),
                Ok(None) => {}
                Err(error) if is_closed(slf.py(), &error) => {
                    return Err(PyStopAsyncIteration::new_err(()));
                }
                Err(error) => return Err(error),
            }
        }
        Self::later(slf, gives_way).map(Step::Later)
    }

    /// A coroutine that gives the next event.
    ///
    /// # Errors
    /// `MemoryError`.
    pub(super) fn later<'py>(
        slf: &Bound<'py, Self>,
        gives_way: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        slf.call_method1(intern!(slf.py(), "_later"), (gives_way,))
    }
}

#[pymethods]
impl Iteration {
    #[new]
    #[pyo3(signature = (queue, *_others, **_named))]
    fn py_new(
        queue: Bound<'_, PyAny>,
        _others: &Bound<'_, PyTuple>,
        _named: Option<&Bound<'_, PyDict>>,
    ) -> Self {
        let source = match queue.cast_into::<Queue>() {
            Ok(queue) => Source::Queue(queue.unbind()),
            Err(other) => Source::Other(other.into_inner().unbind()),
        };
        // The first step of all gives way.
        let taken = AtomicU32::new(EVENTS_PER_TURN);
        Self { source, closed: AtomicBool::new(false), taken, began: AtomicU64::new(0) }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match &self.source {
            Source::Queue(queue) => visit.call(queue),
            Source::Other(source) => visit.call(source),
        }
    }

    /// Whether it was closed; nothing is taken any more then.
    #[getter(_closed)]
    fn py_closed(&self) -> bool {
        self.is_closed()
    }

    #[setter(_closed)]
    fn py_set_closed(&self, closed: bool) {
        self.closed.store(closed, Ordering::Relaxed);
    }

    fn __aiter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __anext__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        awaitable::next_event(slf)
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let (this, py) = (slf.get(), slf.py());
        if this.is_closed() {
            return Ok(None);
        }
        if this.taken.load(Ordering::Relaxed) >= EVENTS_PER_TURN {
            this.taken.store(0, Ordering::Relaxed);
            slf.call_method0(intern!(py, "_check"))?;
        }
        this.count();
        match this.take(py) {
            Ok(None) => slf.call_method0(intern!(py, "_block")).map(Some),
            Err(error) if is_closed(py, &error) => Ok(None),
            taken => taken,
        }
    }
}
