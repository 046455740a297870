//! Making events from Python values.

use dxstream::event::{Bool, Char, Field, FieldKind, MAX_WORDS, SYMBOL_WORD, UNKNOWN_LONG};
use dxstream::store::is_whole;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFloat, PyString, PyTuple};

use super::class::Class;
use super::object::Draft;
use super::pickle::SPELLING;
use crate::instrument::Instrument;

/// Most characters of a wrong value that an error shows.
const MAX_SHOWN: usize = 40;

/// Which texts character and enum fields take.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Texts {
    /// One character, and the names of the enum: what a program may say.
    Declared,
    /// Any text: what a server may have said.
    Any,
}

/// The event of a call of its class.
///
/// # Errors
/// `TypeError` for arguments that are missing, too many, unknown or of the wrong type, `ValueError`
/// for values that the field cannot hold.
pub(super) fn from_call<'py>(
    py: Python<'py>,
    class: &'static Class,
    args: &Bound<'py, PyTuple>,
    kwargs: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let name = class.name();
    let symbol_name = class.fields()[0].name;
    if args.len() > 1 {
        let message =
            format!("{name}() takes only {symbol_name} by position, name the other fields");
        return Err(PyTypeError::new_err(message));
    }
    let texts = if class.model.is_some() { Texts::Any } else { Texts::Declared };
    let mut draft = Draft::new(py, class)?;
    let positional = args.iter().next();
    if let Some(symbol) = &positional {
        set(&mut draft, class, SYMBOL_WORD, symbol, texts)?;
    }
    if let Some(kwargs) = kwargs {
        set_all(&mut draft, class, kwargs, texts)?;
    }
    finish(draft, class)
}

/// The event with these fields, by name, and perhaps with its symbol as the user wrote it.
///
/// # Errors
/// As [`from_call`].
pub(super) fn from_dict<'py>(
    class: &'static Class,
    values: &Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = values.py();
    let mut draft = Draft::new(py, class)?;
    if let Some(spelling) = values.get_item(SPELLING)? {
        let symbol_name = class.fields()[SYMBOL_WORD].name;
        let values = values.copy()?;
        values.del_item(SPELLING)?;
        if let Some(symbol) = values.get_item(symbol_name)? {
            values.del_item(symbol_name)?;
            let text = |value| Target { class, field: &class.fields()[SYMBOL_WORD], value }.text();
            let (symbol, spelling) = (text(&symbol)?, text(&spelling)?);
            if symbol.to_cow()? == spelling.to_cow()? {
                draft.set_text(SYMBOL_WORD, symbol);
            } else {
                let instrument = Instrument::detached(symbol.unbind(), spelling.unbind());
                draft.set_instrument(Bound::new(py, instrument)?);
            }
        }
        set_all(&mut draft, class, &values, Texts::Any)?;
    } else {
        set_all(&mut draft, class, values, Texts::Any)?;
    }
    finish(draft, class)
}

fn finish<'py>(draft: Draft<'py>, class: &Class) -> PyResult<Bound<'py, PyAny>> {
    if draft.has_symbol() {
        return Ok(draft.finish());
    }
    Err(PyTypeError::new_err(format!("{}() needs {}", class.name(), class.fields()[0].name)))
}

/// Sets the fields of these names, of which the symbol may be set already.
fn set_all<'py>(
    draft: &mut Draft<'py>,
    class: &Class,
    values: &Bound<'py, PyDict>,
    texts: Texts,
) -> PyResult<()> {
    let mut given = [false; MAX_WORDS];
    given[SYMBOL_WORD] = draft.has_symbol();
    for (key, value) in values.iter() {
        let key = key.cast::<PyString>()?.to_cow()?;
        let is_sdk = class.model.is_some();
        let is_named = |field: &Field| field.name == key || (is_sdk && field.is_wire_name(&key));
        let at = class.fields().iter().position(is_named).ok_or_else(|| {
            PyTypeError::new_err(format!("{} has no field '{key}'", class.name()))
        })?;
        // The SDK's classes know a field by two names.
        if std::mem::replace(&mut given[at], true) {
            let (class, field) = (class.name(), class.fields()[at].name);
            return Err(PyTypeError::new_err(format!("{class}() got {field} twice")));
        }
        set(draft, class, at, &value, texts)?;
    }
    Ok(())
}

/// Sets a field that was not set before. In the SDK's classes, a character that is NUL and an enum's
/// name that is empty are unknown, as they are on the wire.
fn set<'py>(
    draft: &mut Draft<'py>,
    class: &Class,
    at: usize,
    value: &Bound<'py, PyAny>,
    texts: Texts,
) -> PyResult<()> {
    let target = Target { class, field: &class.fields()[at], value };
    match target.field.kind {
        FieldKind::Long
        | FieldKind::Bool
        | FieldKind::Char
        | FieldKind::Enum(_)
        | FieldKind::Text
            if value.is_none() => {}
        FieldKind::Symbol | FieldKind::Text => draft.set_text(at, target.text()?),
        FieldKind::Double if class.model.is_some() => {
            draft.set(at, target.lenient_number()?.to_bits());
        }
        FieldKind::Double => {
            let number =
                value.extract::<f64>().map_err(|error| target.number(&error, "a number"))?;
            draft.set(at, number.to_bits());
        }
        FieldKind::Int | FieldKind::Time | FieldKind::Day | FieldKind::Index => {
            draft.set(at, target.integer()? as u64);
        }
        FieldKind::Long => match target.integer()? {
            UNKNOWN_LONG => return Err(target.range()),
            number => draft.set(at, number as u64),
        },
        FieldKind::Bool => match value.extract::<bool>() {
            Ok(truth) => draft.set(at, Bool::from(truth).0),
            Err(_) => return Err(target.wrong_type("a bool or None")),
        },
        FieldKind::Char => {
            let text = target.text()?;
            if class.model.is_some() && text.to_cow()? == "\0" {
                return Ok(());
            }
            let character = text.to_cow()?.parse::<char>().ok().filter(|&c| c != '\0');
            match character {
                Some(character) => draft.set(at, Char::new(character).0),
                None if texts == Texts::Any => draft.set_text(at, text),
                None => return Err(target.wrong_value("one character")),
            }
        }
        FieldKind::Enum(names) => {
            let text = target.text()?;
            if class.model.is_some() && text.to_cow()?.is_empty() {
                return Ok(());
            }
            let known = names.find(&text.to_cow()?);
            match known {
                Some(name) => draft.set(at, name.0),
                None if texts == Texts::Any => draft.set_text(at, text),
                None => {
                    let names = names.names.join(", ");
                    return Err(target.wrong_value(&format!("one of {names}")));
                }
            }
        }
    }
    Ok(())
}

/// A value on its way into a field.
struct Target<'a, 'py> {
    class: &'a Class,
    field: &'static Field,
    value: &'a Bound<'py, PyAny>,
}

impl<'py> Target<'_, 'py> {
    /// The value as a text that UTF-8 can express.
    fn text(&self) -> PyResult<Bound<'py, PyString>> {
        let Ok(text) = self.value.cast::<PyString>() else {
            return Err(self.wrong_type(match self.field.kind {
                FieldKind::Symbol => "a str",
                _ => "a str or None",
            }));
        };
        let Ok(utf8) = text.to_cow() else {
            return Err(self.wrong_value("without lone surrogates"));
        };
        Ok(match self.value.cast_exact::<PyString>() {
            Ok(text) => text.clone(),
            Err(_) => PyString::new(self.value.py(), &utf8),
        })
    }

    /// A number as the SDK takes it: also none, and the text of one.
    fn lenient_number(&self) -> PyResult<f64> {
        if self.value.is_none() {
            return Ok(f64::NAN);
        }
        if let Ok(text) = self.value.cast::<PyString>() {
            return text.to_cow()?.trim().parse().map_err(|_| self.wrong_value("a number"));
        }
        self.value.extract::<f64>().map_err(|error| self.number(&error, "a number"))
    }

    fn integer(&self) -> PyResult<i64> {
        if self.class.model.is_some()
            && let Ok(number) = self.value.cast::<PyFloat>()
            && is_whole(number.value())
        {
            return Ok(number.value() as i64);
        }
        self.value.extract::<i64>().map_err(|error| self.number(&error, "an int"))
    }

    /// The error of a conversion to a number.
    fn number(&self, error: &PyErr, expected: &str) -> PyErr {
        if error.is_instance_of::<PyTypeError>(self.value.py()) {
            self.wrong_type(expected)
        } else {
            self.range()
        }
    }

    fn range(&self) -> PyErr {
        self.wrong_value("a number of 64 bits")
    }

    fn wrong_type(&self, expected: &str) -> PyErr {
        let (class, field) = (self.class.name(), self.field.name);
        let found = self.value.get_type();
        let found = found.name().map_or_else(|_| "something else".to_owned(), |n| n.to_string());
        PyTypeError::new_err(format!("{class}.{field} must be {expected}, not {found}"))
    }

    fn wrong_value(&self, expected: &str) -> PyErr {
        let (class, field) = (self.class.name(), self.field.name);
        let found = self.value.repr().map_or_else(|_| "this".to_owned(), |repr| repr.to_string());
        let end = found.char_indices().nth(MAX_SHOWN).map_or("", |_| "...");
        let found: String = found.chars().take(MAX_SHOWN).collect();
        PyValueError::new_err(format!("{class}.{field} must be {expected}, not {found}{end}"))
    }
}
