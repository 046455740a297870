//! Filling columns: numpy's arrays, by the buffer protocol, from words of rows.

use std::cell::Cell;

use dxstream::event::{Bool, Char, Enum, EventKind, Field, FieldKind, Text};
use dxstream::store::LatestSink;
use dxstream::symbol::{SymbolId, TextId};
use pyo3::buffer::{Element, PyBuffer, PyUntypedBuffer};
use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PySlice, PyString, PyTuple};

use super::symbols::kind_of;
use crate::strings::Strings;

/// The code of an enum column where the name is unknown.
const UNKNOWN_CODE: i8 = -1;

/// The fields of an event type that a table has, in the order of its columns.
#[pyclass(frozen, module = "dxstream._dxstream")]
pub(crate) struct Fields {
    pub(super) kind: EventKind,
    /// Where each field stands in a row.
    pub(super) words: Vec<usize>,
}

#[pymethods]
impl Fields {
    #[new]
    fn py_new(event_type: &Bound<'_, PyAny>, names: Vec<String>) -> PyResult<Self> {
        let kind = kind_of(event_type)?;
        let word = |name: String| {
            kind.fields().iter().position(|field| field.name == name).ok_or_else(|| {
                PyKeyError::new_err(format!("{} has no field {name:?}", kind.name()))
            })
        };
        Ok(Self { kind, words: names.into_iter().map(word).collect::<PyResult<_>>()? })
    }

    fn __len__(&self) -> usize {
        self.words.len()
    }
}

/// Arrays that were found fit to be filled. While they are held, numpy refuses to resize them.
pub(super) struct Columns {
    fields: Vec<(&'static Field, Array)>,
    valid: PyBuffer<u8>,
    received_at: PyBuffer<i64>,
}

enum Array {
    Doubles(PyBuffer<f64>),
    Longs(PyBuffer<i64>),
    /// Truth values, or the codes of an enum.
    Bytes(PyBuffer<i8>),
    /// Characters, texts and symbols: an array of `str` or `None`.
    Objects(Py<PyAny>),
}

impl Columns {
    /// Takes an array of `rows` values for each field: float64, int64, int8 or object by the field's
    /// kind; `valid` is uint8, `received_at` int64.
    ///
    /// # Errors
    /// `ValueError` for an array that is of another type or length, not contiguous, or not to be
    /// written. None is written then.
    pub(super) fn new(
        fields: &Fields,
        rows: usize,
        arrays: &Bound<'_, PyTuple>,
        valid: &Bound<'_, PyAny>,
        received_at: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        if arrays.len() != fields.words.len() {
            return Err(PyValueError::new_err("there must be an array for each field"));
        }
        let array = |(&word, array): (&usize, Bound<'_, PyAny>)| {
            let field = &fields.kind.fields()[word];
            let array = match field.kind {
                FieldKind::Double => Array::Doubles(fit(field.name, &array, rows)?),
                FieldKind::Long
                | FieldKind::Int
                | FieldKind::Time
                | FieldKind::Day
                | FieldKind::Index => Array::Longs(fit(field.name, &array, rows)?),
                FieldKind::Bool | FieldKind::Enum(_) => {
                    Array::Bytes(fit(field.name, &array, rows)?)
                }
                FieldKind::Char | FieldKind::Text | FieldKind::Symbol => {
                    let objects = PyUntypedBuffer::get(&array)?;
                    if !is_fit(&objects, rows) || objects.format() != c"O" {
                        return Err(unfit(field.name, rows));
                    }
                    Array::Objects(array.unbind())
                }
            };
            Ok((field, array))
        };
        Ok(Self {
            fields: fields.words.iter().zip(arrays).map(array).collect::<PyResult<_>>()?,
            valid: fit("valid", valid, rows)?,
            received_at: fit("received_at", received_at, rows)?,
        })
    }

    /// The memory of the arrays, to be filled; no code of Python may run before that is dropped.
    pub(super) fn cells<'a>(&'a self, py: Python<'a>) -> PyResult<Cells<'a>> {
        let target = |(field, array): &'a (&'static Field, Array)| {
            Ok(match (array, field.kind) {
                (Array::Doubles(array), _) => Target::Doubles(cells(array, py)?),
                (Array::Longs(array), _) => Target::Longs(cells(array, py)?),
                (Array::Bytes(array), FieldKind::Enum(declared)) => {
                    Target::Codes(cells(array, py)?, declared.names.len(), Vec::new())
                }
                (Array::Bytes(array), _) => Target::Truths(cells(array, py)?),
                (Array::Objects(_), _) => Target::Objects(Vec::new()),
            })
        };
        Ok(Cells {
            fields: self.fields.iter().map(target).collect::<PyResult<_>>()?,
            valid: cells(&self.valid, py)?,
            received_at: cells(&self.received_at, py)?,
        })
    }

    /// Sets the characters, texts and symbols of the rows, and gives the names of the codes of enum
    /// columns in which the server sent others than the declared ones.
    pub(super) fn finish<'py>(
        &self,
        py: Python<'py>,
        filled: Filled,
        strings: &Strings,
    ) -> PyResult<Option<Bound<'py, PyDict>>> {
        let mut names = None;
        for ((field, array), rest) in self.fields.iter().zip(filled.0) {
            match (array, field.kind, rest) {
                (Array::Objects(array), kind, Rest::Objects(words)) => {
                    let values = words.iter().map(|&word| text(py, kind, word, strings));
                    let values = PyList::new(py, values.collect::<PyResult<Vec<_>>>()?)?;
                    array.bind(py).set_item(PySlice::full(py), values)?;
                }
                (_, FieldKind::Enum(declared), Rest::Names(others)) if !others.is_empty() => {
                    let mut all: Vec<Bound<'py, PyString>> =
                        declared.names.iter().map(|name| PyString::new(py, name)).collect();
                    for other in others {
                        all.push(strings.text(py, other)?.bind(py).clone());
                    }
                    let names = names.get_or_insert_with(|| PyDict::new(py));
                    names.set_item(field.name, PyTuple::new(py, all)?)?;
                }
                _ => {}
            }
        }
        Ok(names)
    }
}

/// The memory of arrays while it is filled, from any thread that is attached.
pub(super) struct Cells<'a> {
    fields: Vec<Target<'a>>,
    valid: &'a [Cell<u8>],
    received_at: &'a [Cell<i64>],
}

enum Target<'a> {
    Doubles(&'a [Cell<f64>]),
    Longs(&'a [Cell<i64>]),
    Truths(&'a [Cell<i8>]),
    /// Codes of an enum: how many names it has, and the names that the server sent beside them.
    Codes(&'a [Cell<i8>], usize, Vec<TextId>),
    /// The words of which objects are made when all is filled.
    Objects(Vec<u64>),
}

/// What is still to be done about each field when the memory is filled.
pub(super) struct Filled(Vec<Rest>);

enum Rest {
    Nothing,
    Names(Vec<TextId>),
    Objects(Vec<u64>),
}

impl Cells<'_> {
    /// Says of the rows from `first` on when they arrived, and whether they hold an event.
    pub(super) fn fill_head(
        &self,
        first: usize,
        times: impl Iterator<Item = u64>,
        valid: impl Iterator<Item = bool>,
    ) {
        for (cell, time) in self.received_at[first..].iter().zip(times) {
            cell.set(time as i64);
        }
        for (cell, valid) in self.valid[first..].iter().zip(valid) {
            cell.set(u8::from(valid));
        }
    }

    /// Fills a field of the rows from `first` on. Rows come in order.
    pub(super) fn fill(&mut self, field: usize, first: usize, words: impl Iterator<Item = u64>) {
        match &mut self.fields[field] {
            Target::Doubles(cells) => set(&cells[first..], words, f64::from_bits),
            Target::Longs(cells) => set(&cells[first..], words, |word| word as i64),
            Target::Truths(cells) => {
                set(&cells[first..], words, |word| Bool(word).value().map_or(2, i8::from));
            }
            Target::Codes(cells, declared, others) => {
                set(&cells[first..], words, |word| code(Enum(word), *declared, others));
            }
            Target::Objects(all) => all.extend(words),
        }
    }

    /// Ends the use of the memory.
    pub(super) fn filled(self) -> Filled {
        let rest = |target| match target {
            Target::Codes(_, _, others) => Rest::Names(others),
            Target::Objects(words) => Rest::Objects(words),
            _ => Rest::Nothing,
        };
        Filled(self.fields.into_iter().map(rest).collect())
    }
}

impl LatestSink for Cells<'_> {
    fn head(
        &mut self,
        first: usize,
        times: impl Iterator<Item = u64>,
        valid: impl Iterator<Item = bool>,
    ) {
        self.fill_head(first, times, valid);
    }

    fn column(&mut self, at: usize, first: usize, words: impl Iterator<Item = u64>) {
        self.fill(at, first, words);
    }

    fn again(&mut self, row: usize, words: impl Iterator<Item = u64>, time: u64) {
        self.received_at[row].set(time as i64);
        for (at, word) in words.enumerate() {
            match &mut self.fields[at] {
                Target::Objects(all) => all[row] = word,
                _ => self.fill(at, row, std::iter::once(word)),
            }
        }
    }
}

fn set<T>(cells: &[Cell<T>], words: impl Iterator<Item = u64>, mut value: impl FnMut(u64) -> T) {
    for (cell, word) in cells.iter().zip(words) {
        cell.set(value(word));
    }
}

fn fit<T: Element>(name: &str, array: &Bound<'_, PyAny>, rows: usize) -> PyResult<PyBuffer<T>> {
    let buffer = PyUntypedBuffer::get(array)?;
    if !is_fit(&buffer, rows) {
        return Err(unfit(name, rows));
    }
    buffer.into_typed().map_err(|_| unfit(name, rows))
}

fn is_fit(buffer: &PyUntypedBuffer, rows: usize) -> bool {
    !buffer.readonly()
        && buffer.dimensions() == 1
        && buffer.is_c_contiguous()
        && buffer.item_count() == rows
}

#[cold]
fn unfit(name: &str, rows: usize) -> PyErr {
    PyValueError::new_err(format!(
        "{name} must be a contiguous array of {rows} values of its type that may be written"
    ))
}

fn cells<'a, T: Element>(buffer: &'a PyBuffer<T>, py: Python<'a>) -> PyResult<&'a [Cell<T>]> {
    #[expect(
        deprecated,
        reason = "PyO3 deprecates it because code that runs meanwhile could change the memory; \
                  none of Python's runs while `Cells` lives"
    )]
    let cells = buffer.as_mut_slice(py);
    cells.ok_or_else(|| PyValueError::new_err("the array may not be written"))
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
