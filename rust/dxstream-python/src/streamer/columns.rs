//! Filling columns: numpy's arrays, by the buffer protocol, from the rings of a store.

use dxstream::event::{Bool, Char, Enum, EventKind, FieldKind, Text};
use dxstream::symbol::{SymbolId, TextId};
use pyo3::buffer::{Element, PyBuffer};
use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};

use crate::strings::Strings;

/// The code of an enum column where the name is unknown.
const UNKNOWN_CODE: i8 = -1;

/// A column that is being filled.
struct Column {
    name: &'static str,
    word: usize,
    kind: FieldKind,
    values: Values,
}

enum Values {
    Doubles(Array<f64>),
    Longs(Array<i64>),
    /// Truth values, or the codes of an enum with the names that the server sent and the enum does not
    /// have.
    Bytes(Array<i8>, Vec<TextId>),
    /// Characters, texts and symbols: a list of `str` or `None`.
    Objects(Py<PyList>),
}

/// An array and the values that it is going to hold, so that it is written at once.
struct Array<T> {
    buffer: PyBuffer<T>,
    values: Vec<T>,
}

impl<T: Element> Array<T> {
    fn new(array: &Bound<'_, PyAny>, rows: usize) -> PyResult<Self> {
        let buffer = PyBuffer::get(array)?;
        if buffer.readonly() || !buffer.is_c_contiguous() || buffer.item_count() != rows {
            return Err(PyValueError::new_err(format!(
                "a column must be a contiguous array of {rows} values that may be written"
            )));
        }
        Ok(Self { buffer, values: Vec::with_capacity(rows) })
    }

    fn write(&self, py: Python<'_>) -> PyResult<()> {
        self.buffer.copy_from_slice(py, &self.values)
    }
}

/// Columns of one event type, to be filled row by row.
pub(super) struct Columns<'a> {
    fields: Vec<Column>,
    valid: Array<u8>,
    received_at: Array<i64>,
    strings: &'a Strings,
}

impl<'a> Columns<'a> {
    /// Takes the arrays of `columns` by field name: float64, int64 or int8 by the field's kind, or a
    /// list for characters, texts and symbols; `valid` is uint8, `received_at` int64.
    pub(super) fn new(
        kind: EventKind,
        rows: usize,
        columns: &Bound<'_, PyDict>,
        valid: &Bound<'_, PyAny>,
        received_at: &Bound<'_, PyAny>,
        strings: &'a Strings,
    ) -> PyResult<Self> {
        let column = |name: String, array: Bound<'_, PyAny>| {
            let (word, field) =
                kind.fields().iter().enumerate().find(|(_, field)| field.name == name).ok_or_else(
                    || PyKeyError::new_err(format!("{} has no field {name:?}", kind.name())),
                )?;
            let values = match field.kind {
                FieldKind::Double => Values::Doubles(Array::new(&array, rows)?),
                FieldKind::Long
                | FieldKind::Int
                | FieldKind::Time
                | FieldKind::Day
                | FieldKind::Index => Values::Longs(Array::new(&array, rows)?),
                FieldKind::Bool | FieldKind::Enum(_) => {
                    Values::Bytes(Array::new(&array, rows)?, Vec::new())
                }
                FieldKind::Char | FieldKind::Text | FieldKind::Symbol => {
                    Values::Objects(array.cast_into::<PyList>()?.unbind())
                }
            };
            Ok(Column { name: field.name, word, kind: field.kind, values })
        };
        let fields = columns
            .iter()
            .map(|(name, array)| column(name.extract()?, array))
            .collect::<PyResult<_>>()?;
        let (valid, received_at) = (Array::new(valid, rows)?, Array::new(received_at, rows)?);
        Ok(Self { fields, valid, received_at, strings })
    }

    /// Adds the next row; nothing is known of it where there is no `event`.
    pub(super) fn push(
        &mut self,
        py: Python<'_>,
        symbol: SymbolId,
        event: Option<(&[u64], u64)>,
    ) -> PyResult<()> {
        self.valid.values.push(u8::from(event.is_some()));
        let received_at = event.map_or(0, |(_, received_at)| received_at as i64);
        self.received_at.values.push(received_at);
        for column in &mut self.fields {
            let word = match event {
                Some((words, _)) => words[column.word],
                None if column.kind == FieldKind::Symbol => u64::from(symbol.0),
                None => column.kind.unknown(),
            };
            match &mut column.values {
                Values::Doubles(array) => array.values.push(f64::from_bits(word)),
                Values::Longs(array) => array.values.push(word as i64),
                Values::Bytes(array, others) => {
                    let byte = match column.kind {
                        FieldKind::Enum(declared) => code(Enum(word), declared.names.len(), others),
                        _ => Bool(word).value().map_or(2, i8::from),
                    };
                    array.values.push(byte);
                }
                Values::Objects(values) => {
                    values.bind(py).append(text(py, column.kind, word, self.strings)?)?;
                }
            }
        }
        Ok(())
    }

    /// Writes the rows to the arrays. Gives the names of the codes of enum columns in which the server
    /// sent others than the declared ones.
    pub(super) fn write<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.valid.write(py)?;
        self.received_at.write(py)?;
        for column in &self.fields {
            match &column.values {
                Values::Doubles(array) => array.write(py)?,
                Values::Longs(array) => array.write(py)?,
                Values::Bytes(array, _) => array.write(py)?,
                Values::Objects(_) => {}
            }
        }
        self.names(py)
    }

    fn names<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let names = PyDict::new(py);
        for column in &self.fields {
            let (Values::Bytes(_, others), FieldKind::Enum(declared)) =
                (&column.values, column.kind)
            else {
                continue;
            };
            if others.is_empty() {
                continue;
            }
            let mut all: Vec<Bound<'py, PyString>> =
                declared.names.iter().map(|name| PyString::new(py, name)).collect();
            for &other in others {
                all.push(self.strings.text(py, other)?.bind(py).clone());
            }
            names.set_item(column.name, PyTuple::new(py, all)?)?;
        }
        Ok(names)
    }
}

/// The code of an enum's word; names that the enum does not have are numbered after its own.
fn code(word: Enum, declared: usize, others: &mut Vec<TextId>) -> i8 {
    if let Some(other) = word.text() {
        let at = others.iter().position(|&known| known == other).unwrap_or_else(|| {
            others.push(other);
            others.len() - 1
        });
        return i8::try_from(declared + at).unwrap_or(UNKNOWN_CODE);
    }
    word.ordinal().and_then(|ordinal| i8::try_from(ordinal).ok()).unwrap_or(UNKNOWN_CODE)
}

fn text<'py>(
    py: Python<'py>,
    kind: FieldKind,
    word: u64,
    strings: &Strings,
) -> PyResult<Option<Bound<'py, PyString>>> {
    let text = match kind {
        FieldKind::Symbol => {
            return Ok(Some(strings.symbol(py, SymbolId(word as u32))?.bind(py).clone()));
        }
        FieldKind::Char => match Char(word).character() {
            Some(character) => {
                return Ok(Some(PyString::new(py, character.encode_utf8(&mut [0; 4]))));
            }
            None => Char(word).text(),
        },
        _ => Text(word).id(),
    };
    text.map(|id| Ok(strings.text(py, id)?.bind(py).clone())).transpose()
}
