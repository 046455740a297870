//! Columns as Arrow data, handed over by the Arrow PyCapsule interface.
//!
//! Values are copied: Arrow data must not change, while the arrays that they come from are written
//! again by whoever reuses them.

use std::collections::HashMap;
use std::sync::Arc;

use ::arrow_schema::{ArrowError, DataType, Field, Schema, TimeUnit};
use arrow_array::ffi::FFI_ArrowSchema;
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::types::Int32Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, DictionaryArray, Float64Array, Int32Array,
    Int64Array, RecordBatch, RecordBatchIterator, RecordBatchOptions, StringArray,
    TimestampMillisecondArray, TimestampNanosecondArray,
};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use dxstream::event::UNKNOWN_LONG;
use pyo3::buffer::{Element, ElementType, PyBuffer, PyUntypedBuffer};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;
use pyo3::types::{PyBytes, PyCapsule, PyMemoryView, PyTuple};

const UTC: &str = "UTC";

/// How the values of a column are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Doubles; NaN is a value.
    Double,
    /// Integers, of which [`UNKNOWN_LONG`] is null.
    Long,
    /// Integers.
    Int,
    /// Milliseconds since 1970 UTC; 0 and [`UNKNOWN_LONG`], which is NaT, are null.
    Time,
    /// Nanoseconds since 1970 UTC, with the same nulls.
    TimeNs,
    /// Days since 1970-01-01; 0 and what a date cannot hold are null.
    Day,
    /// Truth values; what is neither 0 nor 1 is null.
    Bool,
    /// Texts that repeat, known for rows that are not valid too.
    Symbol,
    /// Texts.
    Text,
    /// Codes, each the place of its name; a code without a name is null.
    Enum,
}

impl Kind {
    fn from_name(name: &str) -> PyResult<Self> {
        Ok(match name {
            "double" => Self::Double,
            "long" => Self::Long,
            "int" | "index" => Self::Int,
            "time" => Self::Time,
            "time_ns" => Self::TimeNs,
            "day" => Self::Day,
            "bool" => Self::Bool,
            "symbol" => Self::Symbol,
            "text" | "char" => Self::Text,
            "enum" => Self::Enum,
            _ => return Err(PyValueError::new_err(format!("there is no kind {name:?}"))),
        })
    }

    fn data_type(self) -> DataType {
        match self {
            Self::Double => DataType::Float64,
            Self::Long | Self::Int => DataType::Int64,
            Self::Time => DataType::Timestamp(TimeUnit::Millisecond, Some(UTC.into())),
            Self::TimeNs => DataType::Timestamp(TimeUnit::Nanosecond, Some(UTC.into())),
            Self::Day => DataType::Date32,
            Self::Bool => DataType::Boolean,
            Self::Text => DataType::Utf8,
            Self::Symbol | Self::Enum => {
                DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
            }
        }
    }
}

/// The Arrow schema of columns, each given by a tuple that begins with its name and kind.
#[pyfunction]
pub(crate) fn arrow_schema<'py>(
    py: Python<'py>,
    columns: Vec<Bound<'py, PyTuple>>,
) -> PyResult<Bound<'py, PyCapsule>> {
    let fields =
        columns.into_iter().map(|column| Ok(field(&column)?.0)).collect::<PyResult<Vec<_>>>()?;
    let schema = FFI_ArrowSchema::try_from(Schema::new(fields)).map_err(|error| refused(&error))?;
    PyCapsule::new_with_value(py, schema, c"arrow_schema")
}

/// An Arrow stream of one record batch.
///
/// A column is `(name, kind, values)`, or `(name, "enum", codes, names)`. Numbers are buffers of
/// one dimension, texts any iterable of `str` and `None`. All but the symbols of a row that `valid`
/// does not name are null.
#[pyfunction]
#[pyo3(signature = (columns, valid=None))]
pub(crate) fn arrow_stream<'py>(
    py: Python<'py>,
    columns: Vec<Bound<'py, PyTuple>>,
    valid: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyCapsule>> {
    let valid = valid.map(integers).transpose()?;
    let mut rows = valid.as_ref().map(Vec::len);
    let mut fields = Vec::with_capacity(columns.len());
    let mut arrays = Vec::with_capacity(columns.len());
    for column in columns {
        let (field, kind) = field(&column)?;
        let array = array(kind, &column, valid.as_deref())?;
        let expected = *rows.get_or_insert(array.len());
        if array.len() != expected {
            return Err(PyValueError::new_err(format!(
                "the column {:?} has {} rows where there are {expected}",
                field.name(),
                array.len()
            )));
        }
        fields.push(field);
        arrays.push(array);
    }
    let schema = Arc::new(Schema::new(fields));
    let options = RecordBatchOptions::new().with_row_count(Some(rows.unwrap_or(0)));
    let batch = RecordBatch::try_new_with_options(schema.clone(), arrays, &options)
        .map_err(|error| refused(&error))?;
    let stream = FFI_ArrowArrayStream::new(Box::new(RecordBatchIterator::new([Ok(batch)], schema)));
    PyCapsule::new_with_value(py, stream, c"arrow_array_stream")
}

fn refused(error: &ArrowError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

fn field(column: &Bound<'_, PyTuple>) -> PyResult<(Field, Kind)> {
    let name: PyBackedStr = column.get_item(0)?.extract()?;
    let kind = Kind::from_name(&column.get_item(1)?.extract::<PyBackedStr>()?)?;
    Ok((Field::new(&*name, kind.data_type(), true), kind))
}

fn array(kind: Kind, column: &Bound<'_, PyTuple>, valid: Option<&[i64]>) -> PyResult<ArrayRef> {
    let values = &column.get_item(2)?;
    let is_valid = |row: usize| valid.is_none_or(|valid| valid.get(row).is_none_or(|&is| is != 0));
    Ok(match kind {
        Kind::Double => {
            let doubles = doubles(values)?;
            let nulls = nulls(doubles.len(), is_valid);
            Arc::new(Float64Array::new(doubles.into(), nulls))
        }
        Kind::Symbol => Arc::new(dictionary(&texts(values)?)?),
        Kind::Text => {
            let texts = texts(values)?;
            let texts = texts.iter().enumerate();
            let valid = texts.map(|(row, text)| text.as_deref().filter(|_| is_valid(row)));
            Arc::new(valid.collect::<StringArray>())
        }
        Kind::Enum => {
            let names: Vec<PyBackedStr> = column.get_item(3)?.extract()?;
            Arc::new(named(&integers(values)?, &names, is_valid)?)
        }
        _ => {
            let integers = integers(values)?;
            let known = |row: usize| is_valid(row) && is_known(kind, integers[row]);
            let nulls = nulls(integers.len(), known);
            match kind {
                Kind::Time => Arc::new(
                    TimestampMillisecondArray::new(integers.into(), nulls).with_timezone(UTC),
                ),
                Kind::TimeNs => Arc::new(
                    TimestampNanosecondArray::new(integers.into(), nulls).with_timezone(UTC),
                ),
                Kind::Day => {
                    let days: Vec<i32> = integers.iter().map(|&day| day as i32).collect();
                    Arc::new(Date32Array::new(days.into(), nulls))
                }
                Kind::Bool => {
                    let bits =
                        BooleanBuffer::collect_bool(integers.len(), |row| integers[row] == 1);
                    Arc::new(BooleanArray::new(bits, nulls))
                }
                _ => Arc::new(Int64Array::new(integers.into(), nulls)),
            }
        }
    })
}

/// Whether an integer is a value of its kind and not the mark that there is none.
fn is_known(kind: Kind, value: i64) -> bool {
    match kind {
        Kind::Long => value != UNKNOWN_LONG,
        Kind::Time | Kind::TimeNs => value != 0 && value != UNKNOWN_LONG,
        Kind::Day => value != 0 && i32::try_from(value).is_ok(),
        Kind::Bool => matches!(value, 0 | 1),
        _ => true,
    }
}

fn nulls(rows: usize, known: impl Fn(usize) -> bool) -> Option<NullBuffer> {
    let nulls = NullBuffer::new(BooleanBuffer::collect_bool(rows, known));
    (nulls.null_count() > 0).then_some(nulls)
}

/// Texts, each distinct one stored once.
fn dictionary(texts: &[Option<PyBackedStr>]) -> PyResult<DictionaryArray<Int32Type>> {
    let mut places: HashMap<&str, i32> = HashMap::new();
    let mut distinct: Vec<&str> = Vec::new();
    let keys: Int32Array = texts
        .iter()
        .map(|text| {
            let text = text.as_deref()?;
            Some(*places.entry(text).or_insert_with(|| {
                distinct.push(text);
                distinct.len() as i32 - 1
            }))
        })
        .collect();
    let distinct = Arc::new(StringArray::from_iter_values(distinct));
    DictionaryArray::try_new(keys, distinct).map_err(|error| refused(&error))
}

/// The names of codes.
fn named(
    codes: &[i64],
    names: &[PyBackedStr],
    is_valid: impl Fn(usize) -> bool,
) -> PyResult<DictionaryArray<Int32Type>> {
    let keys: Int32Array = (0..)
        .zip(codes)
        .map(|(row, &code)| {
            let code = i32::try_from(code).ok()?;
            let has_name = usize::try_from(code).is_ok_and(|code| code < names.len());
            (has_name && is_valid(row)).then_some(code)
        })
        .collect();
    let names = Arc::new(StringArray::from_iter_values(names));
    DictionaryArray::try_new(keys, names).map_err(|error| refused(&error))
}

fn texts(values: &Bound<'_, PyAny>) -> PyResult<Vec<Option<PyBackedStr>>> {
    let texts: Vec<Option<PyBackedStr>> =
        values.try_iter()?.map(|text| text?.extract()).collect::<PyResult<_>>()?;
    let bytes: usize = texts.iter().flatten().map(|text| text.len()).sum();
    // Arrow's utf8 counts bytes with 32 bits.
    if i32::try_from(bytes.max(texts.len())).is_err() {
        return Err(PyValueError::new_err("the texts of a column are longer than 2 GiB"));
    }
    Ok(texts)
}

fn doubles(values: &Bound<'_, PyAny>) -> PyResult<Vec<f64>> {
    let buffer: PyBuffer<f64> = PyBuffer::get(values)?;
    has_one_dimension(&buffer)?;
    buffer.to_vec(values.py())
}

/// The integers of a buffer, of any width that 64 signed bits hold, or its truth values.
fn integers(values: &Bound<'_, PyAny>) -> PyResult<Vec<i64>> {
    let py = values.py();
    let buffer = PyUntypedBuffer::get(values)?;
    has_one_dimension(&buffer)?;
    if ElementType::from_format(buffer.format()) == ElementType::Bool {
        let bytes = PyMemoryView::from(values)?.call_method0("tobytes")?;
        return Ok(bytes.cast::<PyBytes>()?.as_bytes().iter().map(|&is| i64::from(is)).collect());
    }
    [
        widened::<i64>,
        widened::<u8>,
        widened::<i8>,
        widened::<i32>,
        widened::<u32>,
        widened::<i16>,
        widened::<u16>,
    ]
    .into_iter()
    .find_map(|read| read(py, &buffer))
    .unwrap_or_else(|| {
        let format = buffer.format().to_string_lossy();
        Err(PyTypeError::new_err(format!("a buffer of format {format:?} has no integers")))
    })
}

fn widened<T: Element + Into<i64>>(
    py: Python<'_>,
    buffer: &PyUntypedBuffer,
) -> Option<PyResult<Vec<i64>>> {
    let values = buffer.as_typed::<T>().ok()?.to_vec(py);
    Some(values.map(|values| values.into_iter().map(Into::into).collect()))
}

fn has_one_dimension(buffer: &PyUntypedBuffer) -> PyResult<()> {
    match buffer.dimensions() {
        1 => Ok(()),
        dimensions => Err(PyValueError::new_err(format!(
            "a column has one dimension, and this buffer {dimensions}"
        ))),
    }
}
