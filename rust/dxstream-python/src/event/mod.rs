//! Events as Python objects: one native class per event type, made from the core's declarations.
//!
//! An event holds its raw words and makes Python numbers when they are read. [`new_event`] and
//! [`rows::row_of`] convert between rows and events; everything that is unsafe is in [`object`],
//! [`class`], [`getters`] and [`slots`].

#[allow(unsafe_code, reason = "types are made through the C API")]
mod class;
mod compare;
mod construct;
mod derived;
pub(crate) mod describe;
#[allow(unsafe_code, reason = "Python calls C functions with raw pointers")]
mod getters;
#[allow(unsafe_code, reason = "the memory behind an event is laid out here")]
mod object;
pub(crate) mod pickle;
mod repr;
pub(crate) mod rows;
pub(crate) mod sdk;
#[allow(unsafe_code, reason = "Python calls C functions with raw pointers")]
mod slots;

use dxstream::event::EventKind;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyType, PyTypeMethods};

pub(crate) use class::{Class, exports};
pub(crate) use slots::guard;

use crate::strings::Strings;

/// The event of a row.
///
/// # Errors
/// `RuntimeError` if the row names a symbol or a text that the tables of `strings` do not have.
///
/// # Panics
/// If the row is shorter than the event type.
#[inline]
pub(crate) fn new_event<'py>(
    py: Python<'py>,
    class: &'static Class,
    row: &[u64],
    strings: &Strings,
) -> PyResult<Bound<'py, PyAny>> {
    object::Draft::from_row(py, class, row, strings)
}

/// Our own class of an event type.
pub(crate) fn class_of_kind(py: Python<'_>, kind: EventKind) -> &'static Class {
    class::of(py, kind)
}

/// The class, if it is one of ours.
pub(crate) fn known_class(class: &Bound<'_, PyAny>) -> Option<&'static Class> {
    let class = class.cast::<PyType>().ok()?;
    class::of_type(class.py(), class.as_type_ptr())
}

/// The class that stands for one of another library: that of the SDK's events for one of the SDK, or
/// else the one of its name.
///
/// # Errors
/// What Python says where it cannot look at the class.
pub(crate) fn class_of_other(class: &Bound<'_, PyAny>) -> PyResult<Option<&'static Class>> {
    let (py, Ok(class)) = (class.py(), class.cast::<PyType>()) else { return Ok(None) };
    let name = class.name()?;
    let name = name.to_cow()?;
    let Some(kind) = EventKind::from_name(&name) else { return Ok(None) };
    if let Some(of_sdk) = class::of_sdk(py, kind)
        && is_of_sdk(class)?
    {
        // It gives the classes what they have in Python.
        py.import("dxstream.compat.events")?;
        return Ok(Some(of_sdk));
    }
    Ok(Some(class::of(py, kind)))
}

/// Whether a class is one of the tastytrade SDK, or derives from one.
fn is_of_sdk(class: &Bound<'_, PyType>) -> PyResult<bool> {
    for base in class.mro() {
        let module = base.getattr("__module__")?;
        if let Ok(module) = module.cast::<PyString>()
            && module.to_cow()?.split('.').next() == Some("tastytrade")
        {
            return Ok(true);
        }
    }
    Ok(false)
}
