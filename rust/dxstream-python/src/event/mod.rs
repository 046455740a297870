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
#[allow(unsafe_code, reason = "Python calls C functions with raw pointers")]
mod slots;

use dxstream::event::EventKind;
use pyo3::prelude::*;
use pyo3::types::PyType;

pub(crate) use class::exports;

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
    kind: EventKind,
    row: &[u64],
    strings: &Strings,
) -> PyResult<Bound<'py, PyAny>> {
    object::Draft::from_row(py, class::of(py, kind), row, strings)
}

/// The event type of one of our classes.
pub(crate) fn kind_of_class(class: &Bound<'_, PyAny>) -> Option<EventKind> {
    let class = class.cast::<PyType>().ok()?;
    class::of_type(class.py(), class.as_type_ptr()).map(|class| class.kind)
}

/// The event type that a class of another library has the name of.
pub(crate) fn kind_of_class_name(class: &Bound<'_, PyAny>) -> Option<EventKind> {
    let name = class.cast::<PyType>().ok()?.name().ok()?;
    let name = name.to_cow().ok()?;
    EventKind::ALL.iter().copied().find(|kind| kind.name() == name)
}
