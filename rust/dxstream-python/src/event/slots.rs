//! The C functions behind the special methods, methods and derived properties of events.
//!
//! They only lead into the safe functions of the neighbouring files.

use std::any::Any;
use std::ffi::{c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use dxstream::event::EventKind;
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::panic::PanicException;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use super::class::{self, leak_closure, leak_str};
use super::derived::Property;
use super::object::{self, View};
use super::{compare, construct, pickle, repr};

macro_rules! deallocs {
    ($($kind:literal)*) => { [$(object::dealloc::<$kind>),*] };
}

/// The deallocator of each event type, by its place in [`EventKind::ALL`].
const DEALLOCS: [ffi::destructor; 32] = deallocs!(
    0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
);

const _: () = assert!(EventKind::ALL.len() <= DEALLOCS.len(), "every event type has a deallocator");

/// The slots that all events share.
pub(super) fn of_event() -> Vec<ffi::PyType_Slot> {
    let methods = vec![
        #[cfg(Py_LIMITED_API)]
        ffi::PyMethodDef {
            ml_name: c"__init_subclass__".as_ptr(),
            ml_meth: ffi::PyMethodDefPointer { PyCFunctionWithKeywords: init_subclass },
            ml_flags: ffi::METH_CLASS | ffi::METH_VARARGS | ffi::METH_KEYWORDS,
            ml_doc: c"Refuse classes that derive from that of an event type.".as_ptr(),
        },
        method(
            c"as_dict",
            as_dict,
            ffi::METH_NOARGS,
            c"as_dict($self, /)\n--\n\nEvery field by its name, unknown ones too.",
        ),
        method(
            c"__reduce__",
            reduce,
            ffi::METH_NOARGS,
            c"__reduce__($self, /)\n--\n\nPickle by the names of the known fields.",
        ),
        method(
            c"__copy__",
            itself,
            ffi::METH_NOARGS,
            c"__copy__($self, /)\n--\n\nReturn the event itself, as it cannot change.",
        ),
        method(
            c"__deepcopy__",
            itself,
            ffi::METH_O,
            c"__deepcopy__($self, memo, /)\n--\n\nReturn the event itself, as it cannot change.",
        ),
        ffi::PyMethodDef::zeroed(),
    ];
    vec![
        ffi::PyType_Slot { slot: ffi::Py_tp_repr, pfunc: repr_slot as *mut c_void },
        ffi::PyType_Slot { slot: ffi::Py_tp_hash, pfunc: hash as *mut c_void },
        ffi::PyType_Slot { slot: ffi::Py_tp_richcompare, pfunc: rich_compare as *mut c_void },
        ffi::PyType_Slot { slot: ffi::Py_tp_methods, pfunc: methods.leak().as_mut_ptr().cast() },
    ]
}

/// Refuses what derives from the class of an event type: the limited API has no other way to close a
/// class once the SDK's has been derived from it.
#[cfg(Py_LIMITED_API)]
unsafe extern "C" fn init_subclass(
    subclass: *mut ffi::PyObject,
    _: *mut ffi::PyObject,
    _: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    use pyo3::types::PyType;
    // SAFETY: Python passes a class, since this is a method of classes.
    unsafe {
        guard(ptr::null_mut(), |py| {
            let subclass = Bound::from_borrowed_ptr(py, subclass).cast_into_unchecked::<PyType>();
            for base in subclass.bases() {
                if class::of_type(py, base.as_ptr().cast()).is_some() {
                    let name = base.cast::<PyType>()?.fully_qualified_name()?;
                    let text = format!("type '{name}' is not an acceptable base type");
                    return Err(PyTypeError::new_err(text));
                }
            }
            Ok(py.None().into_ptr())
        })
    }
}

/// The slots that the SDK's events have beside those.
pub(super) fn of_sdk() -> [ffi::PyType_Slot; 1] {
    [ffi::PyType_Slot { slot: ffi::Py_tp_getattro, pfunc: get_attribute as *mut c_void }]
}

/// The slots of one event type.
pub(super) fn of_kind(kind: EventKind) -> Vec<ffi::PyType_Slot> {
    let dealloc = DEALLOCS[kind as usize] as *mut c_void;
    vec![
        ffi::PyType_Slot { slot: ffi::Py_tp_new, pfunc: new as *mut c_void },
        ffi::PyType_Slot { slot: ffi::Py_tp_dealloc, pfunc: dealloc },
    ]
}

/// The attribute of a derived property.
pub(super) fn property(property: Property) -> ffi::PyGetSetDef {
    ffi::PyGetSetDef {
        name: leak_str(&property.name),
        get: Some(property_getter),
        set: None,
        doc: leak_str(&property.doc),
        closure: leak_closure(property),
    }
}

fn method(
    name: &'static std::ffi::CStr,
    function: ffi::PyCFunction,
    flags: c_int,
    doc: &'static std::ffi::CStr,
) -> ffi::PyMethodDef {
    ffi::PyMethodDef {
        ml_name: name.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer { PyCFunction: function },
        ml_flags: flags,
        ml_doc: doc.as_ptr(),
    }
}

/// Runs the body of a C function: what it fails with, or panics with, is raised in Python.
///
/// # Safety
/// The thread must be attached to Python, as it is when Python calls.
#[inline]
pub(crate) unsafe fn guard<R>(failure: R, body: impl FnOnce(Python<'_>) -> PyResult<R>) -> R {
    // SAFETY: an attached thread has an initialised interpreter.
    unsafe {
        Python::attach_unchecked(|py| {
            let result = catch_unwind(AssertUnwindSafe(|| body(py)));
            let error = match result {
                Ok(Ok(value)) => return value,
                Ok(Err(error)) => error,
                Err(payload) => PanicException::new_err(message(&*payload)),
            };
            error.restore(py);
            failure
        })
    }
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or(payload.downcast_ref::<&str>().copied()).unwrap_or("panic").to_owned()
}

/// Runs a body on the event that Python passed.
///
/// # Safety
/// As [`guard`]; `object` must be an object.
unsafe fn on_event(
    object: *mut ffi::PyObject,
    body: impl FnOnce(&View<'_, '_>) -> PyResult<Py<PyAny>>,
) -> *mut ffi::PyObject {
    // SAFETY: the caller's promises.
    unsafe {
        guard(ptr::null_mut(), |py| {
            let object = Bound::from_borrowed_ptr(py, object);
            Ok(body(&view(&object)?)?.into_ptr())
        })
    }
}

/// The view of an object that Python took for an event; a class that a program derived from one of
/// the bases has instances that are none.
fn view<'a, 'py>(object: &'a Bound<'py, PyAny>) -> PyResult<View<'a, 'py>> {
    View::of(object).ok_or_else(|| {
        let class = object.get_type();
        PyTypeError::new_err(format!("{class} is not an event type of dxstream"))
    })
}

unsafe extern "C" fn new(
    class: *mut ffi::PyTypeObject,
    args: *mut ffi::PyObject,
    kwargs: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: Python passes a type, a tuple, and a dict or null.
    unsafe {
        guard(ptr::null_mut(), |py| {
            let class = class::of_type(py, class)
                .ok_or_else(|| PyTypeError::new_err("not an event type of dxstream"))?;
            let args = Bound::from_borrowed_ptr(py, args).cast_into_unchecked::<PyTuple>();
            let kwargs = Bound::from_borrowed_ptr_or_opt(py, kwargs)
                .map(|kwargs| kwargs.cast_into_unchecked::<PyDict>());
            Ok(construct::from_call(py, class, &args, kwargs.as_ref())?.into_ptr())
        })
    }
}

unsafe extern "C" fn repr_slot(object: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: Python calls with an object of a class that has the slot.
    unsafe { on_event(object, |event| Ok(repr::of(event)?.into_any().unbind())) }
}

unsafe extern "C" fn hash(object: *mut ffi::PyObject) -> ffi::Py_hash_t {
    // SAFETY: as in `repr_slot`.
    unsafe {
        guard(-1, |py| {
            let object = Bound::from_borrowed_ptr(py, object);
            // -1 says that there is an exception.
            Ok(match compare::hash(&view(&object)?)? {
                -1 => -2,
                hash => hash,
            })
        })
    }
}

unsafe extern "C" fn rich_compare(
    left: *mut ffi::PyObject,
    right: *mut ffi::PyObject,
    operation: c_int,
) -> *mut ffi::PyObject {
    // SAFETY: as in `repr_slot`; the right side is an object of any class.
    unsafe {
        if !matches!(operation, ffi::Py_EQ | ffi::Py_NE) {
            return ffi::Py_NewRef(ffi::Py_NotImplemented());
        }
        guard(ptr::null_mut(), |py| {
            let left = Bound::from_borrowed_ptr(py, left);
            let right = Bound::from_borrowed_ptr(py, right);
            let left = view(&left)?;
            // The two classes of an event type hold the same.
            let Some(right) = View::of(&right).filter(|right| right.kind() == left.kind()) else {
                return Ok(ffi::Py_NewRef(ffi::Py_NotImplemented()));
            };
            let equal = compare::equal(&left, &right)?;
            let truth = equal == (operation == ffi::Py_EQ);
            Ok(ffi::Py_NewRef(if truth { ffi::Py_True() } else { ffi::Py_False() }))
        })
    }
}

/// Finds an attribute; a field also by its name on the wire.
unsafe extern "C" fn get_attribute(
    object: *mut ffi::PyObject,
    name: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as in `repr_slot`; the name is a str.
    unsafe {
        let found = ffi::PyObject_GenericGetAttr(object, name);
        if !found.is_null() || ffi::PyErr_ExceptionMatches(ffi::PyExc_AttributeError) == 0 {
            return found;
        }
        guard(ptr::null_mut(), |py| {
            let missing = PyErr::fetch(py);
            let name = Bound::from_borrowed_ptr(py, name);
            let object = Bound::from_borrowed_ptr(py, object);
            let event = view(&object)?;
            let name = name.cast::<PyString>()?.to_cow()?;
            let at = event.fields().iter().position(|field| field.is_wire_name(&name));
            Ok(event.value(at.ok_or(missing)?)?.into_ptr())
        })
    }
}

unsafe extern "C" fn property_getter(
    object: *mut ffi::PyObject,
    closure: *mut c_void,
) -> *mut ffi::PyObject {
    // SAFETY: as in `repr_slot`; the closure is the one that `property` leaked.
    unsafe {
        let property = &*closure.cast::<Property>();
        on_event(object, |event| Ok(property.value(event)?.unbind()))
    }
}

unsafe extern "C" fn as_dict(
    object: *mut ffi::PyObject,
    _: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as in `repr_slot`.
    unsafe { on_event(object, |event| Ok(pickle::as_dict(event)?.into_any().unbind())) }
}

unsafe extern "C" fn reduce(
    object: *mut ffi::PyObject,
    _: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: as in `repr_slot`.
    unsafe { on_event(object, |event| Ok(pickle::reduce(event)?.into_any().unbind())) }
}

unsafe extern "C" fn itself(
    object: *mut ffi::PyObject,
    _: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the object is alive.
    unsafe { ffi::Py_NewRef(object) }
}
