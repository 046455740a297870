//! `Iteration`: what a listener has of native code, the steps that find an event ready.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use dxstream::connection::monotonic_nanos;
use pyo3::PyTraverseError;
use pyo3::PyVisit;
use pyo3::exceptions::{PyRuntimeError, PyStopAsyncIteration};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::MutexExt;
use pyo3::types::{PyDict, PyTuple};

use super::awaitable;
use super::bell::Bell;
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
/// looks at drops. Once it has a `Bell`, an `async for` waits without `_later`.
#[pyclass(frozen, subclass, generic, module = "dxstream._dxstream")]
pub(crate) struct Iteration {
    source: Source,
    closed: AtomicBool,
    /// Events of this turn, which is the time since the event loop had its own.
    taken: AtomicU32,
    /// When the first of them came.
    began: AtomicU64,
    /// Whether somebody waits for the next event.
    waits: AtomicBool,
    /// What the event loop calls that waited last.
    bell: Mutex<Option<Py<Bell>>>,
    /// Drops that were looked at.
    dropped: AtomicU64,
}

/// What a step of an `async for` leads to.
pub(super) enum Step<'py> {
    /// The event, which is taken.
    Event(Bound<'py, PyAny>),
    /// A coroutine that will give it.
    Later(Bound<'py, PyAny>),
    /// What is to be awaited before the next step; the iteration waits until [`Iteration::end_wait`].
    Wait(Bound<'py, PyAny>),
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

    /// The next step of an `async for`; whether it comes after a [`Step::Wait`].
    ///
    /// # Errors
    /// `StopAsyncIteration` at the end; what the source raises.
    #[inline]
    pub(super) fn step<'py>(slf: &Bound<'py, Self>, after_wait: bool) -> PyResult<Step<'py>> {
        let this = slf.get();
        if this.is_closed() {
            return Err(PyStopAsyncIteration::new_err(()));
        }
        if after_wait {
            this.begin_turn();
        } else {
            let gives_way = this.is_turn_over();
            this.count();
            if gives_way {
                return Self::later(slf, true).map(Step::Later);
            }
        }
        match this.take(slf.py()) {
            Ok(Some(event)) => Ok(Step::Event(event)),
            Ok(None) => Self::wait(slf),
            Err(error) => Err(error),
        }
        .map_err(|error| at_end(slf.py(), error))
    }

    /// The step where no event is ready.
    fn wait<'py>(slf: &Bound<'py, Self>) -> PyResult<Step<'py>> {
        let (this, py) = (slf.get(), slf.py());
        let bell = lock(&this.bell, py).as_ref().map(|bell| bell.clone_ref(py));
        if let (Source::Queue(queue), Some(bell)) = (&this.source, bell) {
            let bell = bell.get();
            while bell.is_watched_here(py)? {
                let (is_armed, dropped) = queue.get().arm_for_next(py, bell.wake()?)?;
                if this.dropped.swap(dropped, Ordering::Relaxed) != dropped {
                    slf.call_method0(intern!(py, "_check"))?;
                }
                if is_armed {
                    this.py_begin_wait()?;
                    let wait = bell.wait(py).inspect_err(|_| this.end_wait())?;
                    return Ok(Step::Wait(wait.into_any()));
                }
                if let Some(event) = this.take(py)? {
                    return Ok(Step::Event(event));
                }
            }
        }
        Self::later(slf, false).map(Step::Later)
    }

    /// Takes note that nobody waits any longer.
    pub(super) fn end_wait(&self) {
        self.waits.store(false, Ordering::Relaxed);
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

/// What an `async for` is told for an error: the end, where the streamer was closed.
fn at_end(py: Python<'_>, error: PyErr) -> PyErr {
    if is_closed(py, &error) { PyStopAsyncIteration::new_err(()) } else { error }
}

fn lock<'a, T>(mutex: &'a Mutex<T>, py: Python<'_>) -> MutexGuard<'a, T> {
    mutex.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner)
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
        Self {
            source,
            closed: AtomicBool::new(false),
            taken,
            began: AtomicU64::new(0),
            waits: AtomicBool::new(false),
            bell: Mutex::new(None),
            dropped: AtomicU64::new(0),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match &self.source {
            Source::Queue(queue) => visit.call(queue)?,
            Source::Other(source) => visit.call(source)?,
        }
        // The collector may come while a thread has the lock; then all of this is reachable.
        match self.bell.try_lock() {
            Ok(bell) => visit.call(&*bell),
            Err(_) => Ok(()),
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

    /// What the event loop calls by which was waited last.
    #[setter(_bell)]
    fn py_set_bell(&self, py: Python<'_>, bell: Option<Py<Bell>>) {
        let before = std::mem::replace(&mut *lock(&self.bell, py), bell);
        // Without the lock, for it may run code of others.
        drop(before);
    }

    /// Takes note that somebody waits for the next event.
    #[pyo3(name = "_begin_wait")]
    fn py_begin_wait(&self) -> PyResult<()> {
        if self.waits.swap(true, Ordering::Relaxed) {
            return Err(PyRuntimeError::new_err(
                "another task iterates this listener; make a listener for each",
            ));
        }
        Ok(())
    }

    /// Takes note that nobody waits any longer.
    #[pyo3(name = "_end_wait")]
    fn py_end_wait(&self) {
        self.end_wait();
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
