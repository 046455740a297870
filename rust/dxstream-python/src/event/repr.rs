//! The `repr` of events.

use dxstream::event::FieldKind;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::object::View;

/// The call that makes the event, with the fields that are known.
///
/// # Errors
/// `MemoryError`.
pub(super) fn of<'py>(event: &View<'_, 'py>) -> PyResult<Bound<'py, PyString>> {
    let mut text = format!("{}(", event.kind().name());
    for at in event.known() {
        if at > 0 {
            text += ", ";
        }
        let field = event.fields()[at];
        text += field.name;
        text.push('=');
        // The words inf and -inf are no Python expressions.
        match (field.kind, f64::from_bits(event.words()[at])) {
            (FieldKind::Double, f64::INFINITY) => text += "float('inf')",
            (FieldKind::Double, f64::NEG_INFINITY) => text += "float('-inf')",
            _ => text += &event.value(at)?.repr()?.to_cow()?,
        }
    }
    text.push(')');
    Ok(PyString::new(event.py(), &text))
}
