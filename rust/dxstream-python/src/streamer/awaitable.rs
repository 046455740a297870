//! What `__anext__` of a listener returns: an awaitable whose event, where one is ready, costs neither
//! a coroutine nor an exception.
//!
//! `await` asks an object's slot `am_send` for its result, and PyO3 has no way to fill it; so the
//! type is made through the C API. Where nothing is ready it awaits a future of the event loop; and where
//! there is no such loop yet, or it is time to give way to other tasks, a coroutine of Python takes over,
//! and everything is handed on to that.

use std::ffi::{c_int, c_uint, c_void};
use std::mem::offset_of;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::exceptions::PyRuntimeError;
use pyo3::ffi::{self, PySendResult};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyTuple, PyType};

use super::iteration::{Iteration, Step};
use crate::event::guard;
use crate::free_list::FreeList;

/// The awaitable. The collector knows of it while it awaits something: nothing else in it can lead back.
#[repr(C)]
struct NextEvent {
    header: ffi::PyObject,
    /// An owned [`Iteration`]; null once the event was given, and while somebody sends, throws or
    /// closes: whoever takes it has the awaitable to himself.
    iteration: AtomicPtr<ffi::PyObject>,
    /// What it awaits, owned: a future's iterator or the coroutine that took over; null as long as there
    /// is neither. Touched by who took the iteration, and when nobody else can: by the collector and the
    /// deallocator. So is the next.
    awaited: *mut ffi::PyObject,
    /// Whether that is a future's iterator, with which the iteration waits.
    is_future: bool,
}

const _: () = assert!(offset_of!(NextEvent, header) == 0, "it is a Python object");

static TYPE: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// One for each task that iterates, mostly.
static FREE: FreeList<16> = FreeList::new();

/// The awaitable of an iteration's next event.
///
/// # Errors
/// `MemoryError`.
#[inline]
pub(super) fn next_event<'py>(iteration: &Bound<'py, Iteration>) -> PyResult<Bound<'py, PyAny>> {
    let py = iteration.py();
    let class = TYPE.get_or_try_init(py, || make_type(py))?.as_ptr().cast::<ffi::PyTypeObject>();
    let memory = FREE.take(py);
    // SAFETY: the type has the size of a `NextEvent`, and so has memory of the list, which only
    // `dealloc` fills. All fields are written here, before anybody else can see the object.
    unsafe {
        let object = if memory.is_null() {
            ffi::PyObject_GC_New::<ffi::PyObject>(class)
        } else {
            ffi::PyObject_Init(memory, class)
        };
        let object = Bound::from_owned_ptr_or_err(py, object)?;
        let this = object.as_ptr().cast::<NextEvent>();
        (&raw mut (*this).iteration).write(AtomicPtr::new(iteration.clone().into_ptr()));
        (&raw mut (*this).awaited).write(ptr::null_mut());
        (&raw mut (*this).is_future).write(false);
        Ok(object)
    }
}

fn make_type(py: Python<'_>) -> PyResult<Py<PyType>> {
    let method = |name: &'static std::ffi::CStr, function, flags, doc: &'static std::ffi::CStr| {
        ffi::PyMethodDef {
            ml_name: name.as_ptr(),
            ml_meth: ffi::PyMethodDefPointer { PyCFunction: function },
            ml_flags: flags,
            ml_doc: doc.as_ptr(),
        }
    };
    let methods = vec![
        method(
            c"send",
            send_method,
            ffi::METH_O,
            c"send($self, value, /)\n--\n\nGo on, as a coroutine does.",
        ),
        method(
            c"throw",
            throw,
            ffi::METH_VARARGS,
            c"throw($self, /, *args)\n--\n\nRaise an exception where the coroutine waits.",
        ),
        method(c"close", close, ffi::METH_NOARGS, c"close($self, /)\n--\n\nEnd the coroutine."),
        ffi::PyMethodDef::zeroed(),
    ];
    let slot = |slot, pfunc| ffi::PyType_Slot { slot, pfunc };
    let mut slots = [
        slot(ffi::Py_tp_dealloc, dealloc as *mut c_void),
        slot(ffi::Py_tp_traverse, traverse as *mut c_void),
        slot(ffi::Py_tp_clear, clear as *mut c_void),
        slot(ffi::Py_am_await, itself as *mut c_void),
        slot(ffi::Py_am_send, send as *mut c_void),
        slot(ffi::Py_tp_iter, itself as *mut c_void),
        slot(ffi::Py_tp_iternext, next as *mut c_void),
        slot(ffi::Py_tp_methods, methods.leak().as_mut_ptr().cast()),
        slot(
            ffi::Py_tp_doc,
            c"The next event of a listener, to be awaited once.".as_ptr().cast_mut().cast(),
        ),
        ffi::PyType_Slot::default(),
    ];
    let flags =
        ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_HAVE_GC | ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION;
    let mut spec = ffi::PyType_Spec {
        name: c"dxstream._dxstream._NextEvent".as_ptr(),
        basicsize: size_of::<NextEvent>() as c_int,
        itemsize: 0,
        flags: flags as c_uint,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: the specification outlives the call, and what it points to is never freed; each slot
    // has a function of the signature that Python wants there, for objects that `next_event` made,
    // since nothing else can make one. A new reference to a type comes back, or null.
    unsafe {
        let made = ffi::PyType_FromSpec(&raw mut spec);
        Ok(Bound::from_owned_ptr_or_err(py, made)?.cast_into_unchecked().unbind())
    }
}

/// Takes the iteration out, and with it the right to touch the rest; null where it is not there.
#[inline]
fn take(place: &AtomicPtr<ffi::PyObject>) -> *mut ffi::PyObject {
    if cfg!(Py_GIL_DISABLED) {
        return place.swap(ptr::null_mut(), Ordering::Acquire);
    }
    // The GIL makes one step of it.
    let taken = place.load(Ordering::Relaxed);
    place.store(ptr::null_mut(), Ordering::Relaxed);
    taken
}

/// An awaitable of which this thread has taken the iteration.
struct Taken<'py> {
    this: *mut NextEvent,
    iteration: Bound<'py, Iteration>,
}

impl<'py> Taken<'py> {
    /// # Errors
    /// `RuntimeError` where the iteration is not there.
    ///
    /// # Safety
    /// `object` must be of this type and live as long as what is returned.
    #[inline]
    unsafe fn new(py: Python<'py>, object: *mut ffi::PyObject) -> PyResult<Self> {
        let this = object.cast::<NextEvent>();
        // SAFETY: the caller's promise; only `next_event` and `give_back` put a pointer there, an
        // owned one to an `Iteration`.
        unsafe {
            let iteration = take(&(*this).iteration);
            match Bound::from_owned_ptr_or_opt(py, iteration) {
                Some(iteration) => Ok(Self { this, iteration: iteration.cast_into_unchecked() }),
                None => Err(PyRuntimeError::new_err(
                    "this was awaited before, or is at work; ask the listener for another",
                )),
            }
        }
    }

    fn py(&self) -> Python<'py> {
        self.iteration.py()
    }

    /// What it awaits, if anything.
    #[inline]
    fn awaited(&self) -> Option<Bound<'py, PyAny>> {
        // SAFETY: who took the iteration may touch what is awaited, which the awaitable owns.
        unsafe { Bound::from_borrowed_ptr_or_opt(self.py(), (*self.this).awaited) }
    }

    /// Lets it await something; whether that is a future's iterator.
    fn set_awaited(&self, awaited: Bound<'py, PyAny>, is_future: bool) {
        // SAFETY: who took the iteration may touch these, and nothing is awaited yet, so that the
        // collector does not know the object either; all fields are fit to be visited.
        unsafe {
            (*self.this).awaited = awaited.into_ptr();
            (*self.this).is_future = is_future;
            ffi::PyObject_GC_Track(self.this.cast());
        }
    }

    /// Ends the wait of a future that is done, or of which nothing is wanted any more; says whether
    /// there was one.
    fn end_wait(&self) -> bool {
        // SAFETY: who took the iteration may touch these; the awaitable owns what it awaits, of which
        // the collector knows by it.
        unsafe {
            if !(*self.this).is_future {
                return false;
            }
            ffi::PyObject_GC_UnTrack(self.this.cast());
            (*self.this).is_future = false;
            let awaited = std::mem::replace(&mut (*self.this).awaited, ptr::null_mut());
            self.iteration.get().end_wait();
            ffi::Py_DECREF(awaited);
        }
        true
    }

    /// Goes on later.
    fn give_back(self) {
        // SAFETY: the object is alive. Release: for who takes it next.
        unsafe { (*self.this).iteration.store(self.iteration.into_ptr(), Ordering::Release) };
    }
}

/// Lets the iteration go, which waits no longer.
///
/// # Safety
/// `this` must be an awaitable that nobody else can reach.
unsafe fn let_go(this: *mut NextEvent) {
    // SAFETY: the caller's promise; what stands there is null or an owned `Iteration`.
    unsafe {
        let py = Python::assume_attached();
        if let Some(iteration) = Bound::from_owned_ptr_or_opt(py, take(&(*this).iteration))
            && (*this).is_future
        {
            iteration.cast_unchecked::<Iteration>().get().end_wait();
        }
    }
}

unsafe extern "C" fn dealloc(object: *mut ffi::PyObject) {
    // SAFETY: the object is of this type, and this is its last use; what its fields hold, it owns.
    unsafe {
        let this = object.cast::<NextEvent>();
        if !(*this).awaited.is_null() {
            ffi::PyObject_GC_UnTrack(object.cast());
            ffi::Py_DECREF((*this).awaited);
        }
        let_go(this);
        let class = ffi::Py_TYPE(object);
        if !FREE.keep(Python::assume_attached(), object) {
            ffi::PyObject_GC_Del(object.cast());
        }
        ffi::Py_DECREF(class.cast());
    }
}

unsafe extern "C" fn traverse(
    object: *mut ffi::PyObject,
    visit: ffi::visitproc,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: the collector passes an object of this type while nobody runs.
    unsafe {
        let this = object.cast::<NextEvent>();
        let iteration = (*this).iteration.load(Ordering::Relaxed);
        for held in [ffi::Py_TYPE(object).cast(), iteration, (*this).awaited] {
            if !held.is_null() {
                let stop = visit(held, arg);
                if stop != 0 {
                    return stop;
                }
            }
        }
        0
    }
}

unsafe extern "C" fn clear(object: *mut ffi::PyObject) -> c_int {
    // SAFETY: the collector passes an object of this type that nobody can reach.
    unsafe { let_go(object.cast()) };
    0
}

unsafe extern "C" fn itself(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the object is alive.
    unsafe { ffi::Py_NewRef(object) }
}

unsafe extern "C" fn send(
    object: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
    result: *mut *mut ffi::PyObject,
) -> PySendResult {
    // SAFETY: Python passes an object of this type, an object, and a place for the result.
    unsafe {
        *result = ptr::null_mut();
        guard(PySendResult::PYGEN_ERROR, |py| {
            let taken = Taken::new(py, object)?;
            let has_waited = taken.awaited().is_some();
            loop {
                if let Some(awaited) = taken.awaited() {
                    match ffi::PyIter_Send(awaited.as_ptr(), value, result) {
                        PySendResult::PYGEN_NEXT => {
                            taken.give_back();
                            return Ok(PySendResult::PYGEN_NEXT);
                        }
                        PySendResult::PYGEN_ERROR => {
                            taken.end_wait();
                            return Err(PyErr::fetch(py));
                        }
                        PySendResult::PYGEN_RETURN if taken.end_wait() => {
                            ffi::Py_DECREF(ptr::replace(result, ptr::null_mut()));
                        }
                        PySendResult::PYGEN_RETURN => {
                            if has_waited {
                                taken.iteration.get().begin_turn();
                            }
                            return Ok(PySendResult::PYGEN_RETURN);
                        }
                    }
                }
                match Iteration::step(&taken.iteration, has_waited)? {
                    Step::Event(event) => {
                        *result = event.into_ptr();
                        return Ok(PySendResult::PYGEN_RETURN);
                    }
                    Step::Later(coroutine) => taken.set_awaited(coroutine, false),
                    Step::Wait(future) => taken.set_awaited(future, true),
                }
            }
        })
    }
}

/// What `send` gives, as an iterator says it: a return is a `StopIteration`.
///
/// # Safety
/// As `send`.
unsafe fn send_by_exception(
    object: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let mut result = ptr::null_mut();
    // SAFETY: the caller's promise; what comes back is a new reference or null.
    unsafe {
        if send(object, value, &raw mut result) != PySendResult::PYGEN_RETURN {
            return result;
        }
        // As an instance, for an event may be a tuple, of which Python would make arguments.
        let stop = ffi::PyObject_CallFunctionObjArgs(
            ffi::PyExc_StopIteration,
            result,
            ptr::null_mut::<ffi::PyObject>(),
        );
        ffi::Py_DECREF(result);
        if !stop.is_null() {
            ffi::PyErr_SetObject(ffi::PyExc_StopIteration, stop);
            ffi::Py_DECREF(stop);
        }
        ptr::null_mut()
    }
}

unsafe extern "C" fn next(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: Python passes an object of this type.
    unsafe { send_by_exception(object, ffi::Py_None()) }
}

unsafe extern "C" fn send_method(
    object: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: Python passes an object of this type and an object.
    unsafe { send_by_exception(object, value) }
}

unsafe extern "C" fn throw(
    object: *mut ffi::PyObject,
    args: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: Python passes an object of this type and a tuple.
    unsafe {
        guard(ptr::null_mut(), |py| {
            let args = Bound::from_borrowed_ptr(py, args).cast_into_unchecked::<PyTuple>();
            let taken = Taken::new(py, object)?;
            let awaited = if let Some(awaited) = taken.awaited() {
                awaited
            } else {
                // It has not begun, and so raises what is thrown.
                let coroutine = Iteration::later(&taken.iteration, false)?;
                taken.set_awaited(coroutine.clone(), false);
                coroutine
            };
            let yielded = awaited.call_method1(intern!(py, "throw"), args);
            if yielded.is_err() {
                taken.end_wait();
            }
            let yielded = yielded?;
            taken.give_back();
            Ok(yielded.into_ptr())
        })
    }
}

unsafe extern "C" fn close(
    object: *mut ffi::PyObject,
    _: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: Python passes an object of this type.
    unsafe {
        guard(ptr::null_mut(), |py| {
            if let Ok(taken) = Taken::new(py, object)
                && let Some(awaited) = taken.awaited()
            {
                awaited.call_method0(intern!(py, "close"))?;
                taken.end_wait();
            }
            Ok(py.None().into_ptr())
        })
    }
}
