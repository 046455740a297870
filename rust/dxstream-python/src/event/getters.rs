//! The C getters of event fields: one function per field kind, the field as its closure.

use std::ffi::c_void;

use dxstream::event::{Field, FieldKind, SYMBOL_WORD, UNKNOWN_LONG};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::class::leak_str;
use super::describe;
use super::object::{TEXT_MARK, instrument, str_pointer, words};

/// A field of a class, as its getter needs it.
pub(super) struct FieldSlot {
    /// The place of the field's word.
    at: usize,
    field: &'static Field,
    /// The `str` of each name of an enum field, by ordinal.
    names: Box<[Py<PyString>]>,
    /// The getter.
    pub(super) get: ffi::getter,
}

impl FieldSlot {
    pub(super) fn new(py: Python<'_>, at: usize, field: &'static Field) -> Self {
        let names = match field.kind {
            FieldKind::Enum(names) => {
                names.names.iter().map(|name| PyString::intern(py, name).unbind()).collect()
            }
            _ => Box::default(),
        };
        let get: ffi::getter = match field.kind {
            FieldKind::Double => double,
            FieldKind::Long => long,
            FieldKind::Int | FieldKind::Time | FieldKind::Day | FieldKind::Index => int,
            FieldKind::Bool => bool,
            FieldKind::Char => char,
            FieldKind::Enum(_) => name,
            FieldKind::Symbol | FieldKind::Text => text,
        };
        Self { at, field, names, get }
    }

    /// The attribute of the field.
    pub(super) fn definition(&'static self) -> ffi::PyGetSetDef {
        ffi::PyGetSetDef {
            name: leak_str(self.field.name),
            get: Some(self.get),
            set: None,
            doc: leak_str(&describe::field(self.field)),
            closure: self.closure(),
        }
    }

    /// What the getter takes as its closure.
    pub(super) fn closure(&'static self) -> *mut c_void {
        std::ptr::from_ref(self).cast_mut().cast()
    }
}

/// The attribute of the symbol as the user wrote it, for the classes of event types.
pub(super) fn symbol_definition() -> ffi::PyGetSetDef {
    ffi::PyGetSetDef {
        name: leak_str("symbol"),
        get: Some(symbol),
        set: None,
        doc: leak_str(describe::SYMBOL),
        closure: std::ptr::null_mut(),
    }
}

/// The field and its word.
///
/// # Safety
/// As every getter here: `object` is an event, and `closure` is a [`FieldSlot`] of its class.
#[inline]
unsafe fn load(object: *mut ffi::PyObject, closure: *mut c_void) -> (&'static FieldSlot, u64) {
    // SAFETY: slots are never freed, and the place of one is inside of an event of its class.
    unsafe {
        let slot = &*closure.cast::<FieldSlot>();
        (slot, *words(object).add(slot.at))
    }
}

unsafe extern "C" fn double(
    object: *mut ffi::PyObject,
    closure: *mut c_void,
) -> *mut ffi::PyObject {
    // SAFETY: Python calls a getter with an object of its class and with its closure.
    unsafe { ffi::PyFloat_FromDouble(f64::from_bits(load(object, closure).1)) }
}

unsafe extern "C" fn int(object: *mut ffi::PyObject, closure: *mut c_void) -> *mut ffi::PyObject {
    // SAFETY: as in `double`.
    unsafe { ffi::PyLong_FromLongLong(load(object, closure).1 as i64) }
}

unsafe extern "C" fn long(object: *mut ffi::PyObject, closure: *mut c_void) -> *mut ffi::PyObject {
    // SAFETY: as in `double`.
    unsafe {
        match load(object, closure).1 as i64 {
            UNKNOWN_LONG => ffi::Py_NewRef(ffi::Py_None()),
            value => ffi::PyLong_FromLongLong(value),
        }
    }
}

unsafe extern "C" fn bool(object: *mut ffi::PyObject, closure: *mut c_void) -> *mut ffi::PyObject {
    // SAFETY: as in `double`.
    unsafe {
        ffi::Py_NewRef(match load(object, closure).1 {
            0 => ffi::Py_False(),
            1 => ffi::Py_True(),
            _ => ffi::Py_None(),
        })
    }
}

unsafe extern "C" fn char(object: *mut ffi::PyObject, closure: *mut c_void) -> *mut ffi::PyObject {
    // SAFETY: as in `double`; a marked word is a `str` that the event owns.
    unsafe {
        match load(object, closure) {
            (_, 0) => ffi::Py_NewRef(ffi::Py_None()),
            (slot, word) if word & TEXT_MARK != 0 => {
                ffi::Py_NewRef(str_pointer(slot.field.kind, word))
            }
            (_, word) => ffi::PyUnicode_FromOrdinal(word as i32),
        }
    }
}

unsafe extern "C" fn name(object: *mut ffi::PyObject, closure: *mut c_void) -> *mut ffi::PyObject {
    // SAFETY: as in `char`.
    unsafe {
        let (slot, word) = load(object, closure);
        ffi::Py_NewRef(if word & TEXT_MARK != 0 {
            str_pointer(slot.field.kind, word)
        } else {
            slot.names.get(word as usize).map_or(ffi::Py_None(), Py::as_ptr)
        })
    }
}

unsafe extern "C" fn text(object: *mut ffi::PyObject, closure: *mut c_void) -> *mut ffi::PyObject {
    // SAFETY: as in `char`.
    unsafe {
        let (slot, word) = load(object, closure);
        let text = str_pointer(slot.field.kind, word);
        ffi::Py_NewRef(if text.is_null() { ffi::Py_None() } else { text })
    }
}

unsafe extern "C" fn symbol(object: *mut ffi::PyObject, _: *mut c_void) -> *mut ffi::PyObject {
    // SAFETY: as in `char`; every event has the word of its symbol, and the thread that calls is
    // attached.
    unsafe {
        let word = *words(object).add(SYMBOL_WORD);
        let py = Python::assume_attached();
        match instrument(py, word) {
            Some(instrument) => instrument.get().spelling(py).into_ptr(),
            None => ffi::Py_NewRef(str_pointer(FieldKind::Symbol, word)),
        }
    }
}
