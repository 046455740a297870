//! Equality and hash of events: by value, where NaN equals NaN and 0.0 equals -0.0.

use std::hash::{DefaultHasher, Hasher as _};

use dxstream::event::FieldKind;
use pyo3::prelude::*;

use super::object::View;

/// Whether two events of one class have equal fields.
///
/// # Errors
/// `MemoryError`.
pub(super) fn equal(left: &View<'_, '_>, right: &View<'_, '_>) -> PyResult<bool> {
    for (at, field) in left.fields().iter().enumerate() {
        if left.words()[at] == right.words()[at] {
            continue;
        }
        let same = match (left.text(at), right.text(at)) {
            (Some(left), Some(right)) => left.as_any().eq(&right)?,
            (None, None) => {
                normal(field.kind, left.words()[at]) == normal(field.kind, right.words()[at])
            }
            _ => false,
        };
        if !same {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The hash of an event; equal events have the same.
///
/// # Errors
/// `MemoryError`.
pub(super) fn hash(event: &View<'_, '_>) -> PyResult<isize> {
    let mut hasher = DefaultHasher::new();
    hasher.write_u8(event.kind() as u8);
    for (at, field) in event.fields().iter().enumerate() {
        match event.text(at) {
            Some(text) => hasher.write_isize(text.hash()?),
            None => hasher.write_u64(normal(field.kind, event.words()[at])),
        }
    }
    Ok(hasher.finish() as isize)
}

/// The word that stands for all words of the same value.
fn normal(kind: FieldKind, word: u64) -> u64 {
    match kind {
        FieldKind::Double if f64::from_bits(word).is_nan() => f64::NAN.to_bits(),
        FieldKind::Double if f64::from_bits(word) == 0.0 => 0,
        _ => word,
    }
}
