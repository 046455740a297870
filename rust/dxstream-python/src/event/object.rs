//! The memory of an event object: a Python object header, then one word per field.
//!
//! A word is the core's word but where a text is behind it: symbols and texts are owned pointers to
//! `str` (null is no text), and a character or enum field whose value is a text is an owned pointer
//! with [`TEXT_MARK`] set. A symbol that a connection knows is an owned pointer to its
//! [`Instrument`], with [`INSTRUMENT_MARK`] set. Nothing writes to an event after [`Draft::finish`], so
//! that any thread may read it.

use std::mem::offset_of;
use std::ptr;

use dxstream::event::{Char, EventKind, Field, FieldKind, MAX_WORDS, SYMBOL_WORD, Text};
use dxstream::symbol::SymbolId;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::class::{self, Class};
use super::sdk::{self, Model};
use crate::free_list::FreeList;
use crate::instrument::Instrument;
use crate::strings::Strings;

/// Memory of events that are gone, by the place of their type in [`EventKind::ALL`].
static FREE: [FreeList<256>; EventKind::ALL.len()] =
    [const { FreeList::new() }; EventKind::ALL.len()];

/// Set in the word of a character or enum field that is a pointer to a `str`.
///
/// No address of user space has this bit, and neither has a code point or an ordinal.
pub(super) const TEXT_MARK: u64 = 1 << 63;

/// Set in the word of a symbol that is a pointer to an [`Instrument`]; objects are aligned.
const INSTRUMENT_MARK: u64 = 1;

const _: () = assert!(align_of::<ffi::PyObject>() > 1, "a pointer has room for the mark");

const _: () = assert!(MAX_WORDS <= 32, "a set of words is a u32");
const _: () = assert!(size_of::<usize>() <= size_of::<u64>(), "a word holds a pointer");

#[repr(C)]
struct Object {
    header: ffi::PyObject,
    words: [u64; 0],
}

/// The size of an event object with this many fields.
pub(super) const fn size(fields: usize) -> usize {
    offset_of!(Object, words) + fields * size_of::<u64>()
}

/// The words of an event object.
///
/// # Safety
/// `object` must point to an object of [`size`], of one of the classes in [`class`].
#[inline]
pub(super) unsafe fn words(object: *mut ffi::PyObject) -> *mut u64 {
    // SAFETY: the caller's promise puts the words inside of the allocation.
    unsafe { object.byte_add(offset_of!(Object, words)).cast() }
}

/// Which words of an event type may be pointers, as bit sets.
#[derive(Clone, Copy)]
pub(super) struct Pointers {
    /// Symbols and texts: a pointer or null.
    plain: u32,
    /// Characters and enums: a pointer where [`TEXT_MARK`] is set.
    marked: u32,
}

impl Pointers {
    pub(super) const fn of(fields: &[Field]) -> Self {
        let (mut plain, mut marked) = (0, 0);
        let mut at = 0;
        while at < fields.len() {
            match fields[at].kind {
                FieldKind::Symbol | FieldKind::Text => plain |= 1 << at,
                FieldKind::Char | FieldKind::Enum(_) => marked |= 1 << at,
                _ => {}
            }
            at += 1;
        }
        Self { plain, marked }
    }
}

fn places(mut set: u32) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let at = set.trailing_zeros() as usize;
        set = set.checked_sub(1)? & set;
        Some(at)
    })
}

/// The object behind the word of a field, borrowed from the event; null where there is none.
#[inline]
fn pointer(kind: FieldKind, word: u64) -> *mut ffi::PyObject {
    let address = match kind {
        FieldKind::Symbol => word & !INSTRUMENT_MARK,
        FieldKind::Text => word,
        FieldKind::Char | FieldKind::Enum(_) if word & TEXT_MARK != 0 => word & !TEXT_MARK,
        _ => 0,
    };
    ptr::with_exposed_provenance_mut(address as usize)
}

/// The instrument behind the word of a symbol, borrowed from the event, if there is one.
///
/// # Safety
/// The word must be that of a symbol of an event which lives as long as what is returned.
#[inline]
pub(super) unsafe fn instrument<'a>(
    py: Python<'_>,
    word: u64,
) -> Option<Borrowed<'a, '_, Instrument>> {
    if word & INSTRUMENT_MARK == 0 {
        return None;
    }
    // SAFETY: a marked word of a symbol is an instrument that the event owns.
    unsafe {
        let object = Borrowed::from_ptr(py, pointer(FieldKind::Symbol, word));
        Some(object.cast_unchecked())
    }
}

/// The `str` behind the word of a field, borrowed from the event; null where there is none.
///
/// # Safety
/// The word must be that of a field of this kind of an event which lives as long as the pointer is
/// used, and the thread must be attached to Python.
#[inline]
pub(super) unsafe fn str_pointer(kind: FieldKind, word: u64) -> *mut ffi::PyObject {
    // SAFETY: the caller's promises; an instrument keeps its strings as long as it lives.
    unsafe {
        if kind == FieldKind::Symbol
            && let Some(instrument) = instrument(Python::assume_attached(), word)
        {
            return instrument.get().event_symbol().as_ptr();
        }
    }
    pointer(kind, word)
}

const fn fields_at(kind: usize) -> &'static [Field] {
    if kind < EventKind::ALL.len() { EventKind::ALL[kind].fields() } else { &[] }
}

/// The deallocator of the event type at place `KIND` of [`EventKind::ALL`].
///
/// # Safety
/// For `tp_dealloc` of that event type's class alone.
pub(super) unsafe extern "C" fn dealloc<const KIND: usize>(object: *mut ffi::PyObject) {
    let Pointers { plain, marked } = const { Pointers::of(fields_at(KIND)) };
    // SAFETY: the object is an event of the class's type, and this is its last use.
    unsafe {
        let words = words(object);
        for at in places(plain | marked) {
            ffi::Py_XDECREF(pointer(fields_at(KIND)[at].kind, *words.add(at)));
        }
        let class = ffi::Py_TYPE(object);
        if !FREE[KIND].keep(Python::assume_attached(), object) {
            ffi::PyObject_Free(object.cast());
        }
        ffi::Py_DECREF(class.cast());
    }
}

/// An event that is being made; nobody else has seen it.
pub(super) struct Draft<'py> {
    object: Bound<'py, PyAny>,
    class: &'static Class,
}

impl<'py> Draft<'py> {
    /// An event of which nothing is known.
    ///
    /// # Errors
    /// `MemoryError`.
    pub(super) fn new(py: Python<'py>, class: &'static Class) -> PyResult<Self> {
        // SAFETY: all words are written below, where nothing can fail.
        let draft = unsafe { Self::allocate(py, class)? };
        for (at, field) in class.fields().iter().enumerate() {
            // SAFETY: the place is inside of the event, and no kind's unknown word is a pointer.
            unsafe { *words(draft.object.as_ptr()).add(at) = field.kind.unknown() };
        }
        Ok(draft)
    }

    /// An event whose words are not written yet.
    ///
    /// # Safety
    /// The caller must write the words before the draft is dropped or read.
    #[inline]
    unsafe fn allocate(py: Python<'py>, class: &'static Class) -> PyResult<Self> {
        let memory = FREE[class.kind as usize].take(py);
        // SAFETY: the class is a heap type without items and without garbage collection, whose
        // instances are of its basic size; so is memory of the list, since the classes of an event
        // type have one size, and only their deallocator fills it. A new reference comes back, or null.
        let object = unsafe {
            let object = if memory.is_null() {
                ffi::PyObject_New::<ffi::PyObject>(class.as_type_ptr())
            } else {
                ffi::PyObject_Init(memory, class.as_type_ptr())
            };
            Bound::from_owned_ptr_or_err(py, object)?
        };
        Ok(Self { object, class })
    }

    /// Sets the word of a field that is not a text.
    ///
    /// # Panics
    /// If a word of the field could be a pointer and this one could be taken for it, or if the field
    /// is set already.
    pub(super) fn set(&mut self, at: usize, word: u64) {
        let field = &self.class.fields()[at];
        assert!(pointer(field.kind, word).is_null(), "{} is set as a text", field.name);
        self.write(at, word);
    }

    /// Sets a symbol, text, character or enum field to a text.
    ///
    /// # Panics
    /// If the field cannot be a text, or is set already.
    pub(super) fn set_text(&mut self, at: usize, text: Bound<'py, PyString>) {
        let field = &self.class.fields()[at];
        let mark = match field.kind {
            FieldKind::Symbol | FieldKind::Text => 0,
            FieldKind::Char | FieldKind::Enum(_) => TEXT_MARK,
            _ => panic!("{} is not a text", field.name),
        };
        self.write(at, text.into_ptr().expose_provenance() as u64 | mark);
    }

    /// Sets the symbol.
    ///
    /// # Panics
    /// If it is set already.
    pub(super) fn set_instrument(&mut self, instrument: Bound<'py, Instrument>) {
        self.write(SYMBOL_WORD, symbol_word(instrument.unbind()));
    }

    fn write(&mut self, at: usize, word: u64) {
        let field = &self.class.fields()[at];
        // SAFETY: `field` exists, so the place is inside of the event, which nobody else has seen.
        let place = unsafe { &mut *words(self.object.as_ptr()).add(at) };
        assert!(pointer(field.kind, *place).is_null(), "{} is set already", field.name);
        *place = word;
    }

    /// Whether the symbol is set.
    pub(super) fn has_symbol(&self) -> bool {
        // SAFETY: every event has a symbol word, which is set or unknown.
        unsafe { *words(self.object.as_ptr()).add(SYMBOL_WORD) != 0 }
    }

    /// The event, which does not change any more.
    pub(super) fn finish(self) -> Bound<'py, PyAny> {
        self.object
    }

    /// The event of a row.
    ///
    /// # Errors
    /// As [`Strings`], for ids that are not of its tables; `MemoryError`.
    ///
    /// # Panics
    /// If the row is shorter than the event type.
    #[inline]
    pub(super) fn from_row(
        py: Python<'py>,
        class: &'static Class,
        row: &[u64],
        strings: &Strings,
    ) -> PyResult<Bound<'py, PyAny>> {
        let fields = class.fields();
        let row = &row[..fields.len()];
        let Pointers { plain, marked } = class.pointers;
        let instrument = strings.instrument(py, SymbolId(row[SYMBOL_WORD] as u32))?;
        // SAFETY: the event has as many words as its class has fields, all of them are written here,
        // and nobody else has seen it.
        let (draft, words) = unsafe {
            let draft = Self::allocate(py, class)?;
            let words = words(draft.object.as_ptr());
            ptr::copy_nonoverlapping(row.as_ptr(), words, row.len());
            (draft, std::slice::from_raw_parts_mut(words, row.len()))
        };
        words[SYMBOL_WORD] = symbol_word(instrument.clone_ref(py));
        // Until each text is found, `dealloc` must not see its id where it expects a pointer. The words
        // of characters and enums keep the ids of texts alike.
        let texts = plain & !(1 << SYMBOL_WORD);
        let mut missing = texts;
        for at in places(texts) {
            words[at] = 0;
        }
        for at in places(marked) {
            if Char(row[at]).text().is_some() {
                missing |= 1 << at;
                words[at] = 0;
            }
        }
        for at in places(missing) {
            if texts & 1 << at == 0 {
                let id = Char(row[at]).text().expect("it was one above");
                words[at] = address(py, strings.text(py, id)?) | TEXT_MARK;
            } else if let Some(id) = Text(row[at]).id() {
                words[at] = address(py, strings.text(py, id)?);
            }
        }
        Ok(draft.finish())
    }
}

/// A new reference to the string, as a word.
#[inline]
fn address(py: Python<'_>, text: &Py<PyString>) -> u64 {
    text.clone_ref(py).into_ptr().expose_provenance() as u64
}

/// The word of a symbol that a connection knows.
#[inline]
fn symbol_word(instrument: Py<Instrument>) -> u64 {
    instrument.into_ptr().expose_provenance() as u64 | INSTRUMENT_MARK
}

/// An event object and its words.
#[derive(Clone, Copy)]
pub(super) struct View<'a, 'py> {
    object: &'a Bound<'py, PyAny>,
    class: &'static Class,
}

impl<'a, 'py> View<'a, 'py> {
    /// The view of an object, if it is an event.
    pub(super) fn of(object: &'a Bound<'py, PyAny>) -> Option<Self> {
        class::of_type(object.py(), object.get_type_ptr()).map(|class| Self { object, class })
    }

    pub(super) fn py(&self) -> Python<'py> {
        self.object.py()
    }

    pub(super) fn object(&self) -> &'a Bound<'py, PyAny> {
        self.object
    }

    pub(super) fn kind(&self) -> EventKind {
        self.class.kind
    }

    pub(super) fn fields(&self) -> &'static [Field] {
        self.class.fields()
    }

    /// The words; those of texts are addresses.
    pub(super) fn words(&self) -> &'a [u64] {
        // SAFETY: the object is of the class, thus has its words, which do not change; the borrowed
        // `Bound` keeps it alive.
        unsafe { std::slice::from_raw_parts(words(self.object.as_ptr()), self.fields().len()) }
    }

    /// The text that a field holds by pointer.
    pub(super) fn text(&self, at: usize) -> Option<Bound<'py, PyString>> {
        // SAFETY: the word is that of the field, and the event keeps the `str` alive.
        unsafe {
            let pointer = str_pointer(self.fields()[at].kind, self.words()[at]);
            Bound::from_borrowed_ptr_or_opt(self.py(), pointer)
                .map(|text| text.cast_into_unchecked())
        }
    }

    /// What the events of the symbol share, where a connection knows it.
    pub(super) fn instrument(&self) -> Option<Borrowed<'a, 'py, Instrument>> {
        // SAFETY: the word is that of the symbol, and the borrowed event keeps it alive.
        unsafe { instrument(self.py(), self.words()[SYMBOL_WORD]) }
    }

    /// The symbol as the user wrote it, if that is known to be another than the wire's.
    pub(super) fn spelling(&self) -> Option<Bound<'py, PyString>> {
        let instrument = self.instrument()?;
        let spelling = instrument.get().spelling(self.py()).into_bound(self.py());
        (!spelling.is(instrument.get().event_symbol())).then_some(spelling)
    }

    /// The places of the fields that are known; those of which 0 says that they are unknown are
    /// known otherwise.
    pub(super) fn known(&self) -> impl Iterator<Item = usize> + use<'a, 'py> {
        self.fields().iter().zip(self.words()).enumerate().filter_map(|(at, (field, &word))| {
            let known = match field.kind {
                FieldKind::Double => !f64::from_bits(word).is_nan(),
                kind => word != kind.unknown(),
            };
            known.then_some(at)
        })
    }

    /// The class of the event.
    pub(super) fn class(&self) -> &'static Class {
        self.class
    }

    /// What the SDK makes of the event, where its class is of the SDK's events.
    pub(super) fn model(&self) -> Option<&'static Model> {
        self.class.model.as_ref()
    }

    /// The Python value of a field.
    ///
    /// # Errors
    /// `MemoryError`.
    pub(super) fn value(&self, at: usize) -> PyResult<Bound<'py, PyAny>> {
        match self.model() {
            Some(model) => sdk::value(self, model, at),
            None => self.raw(at),
        }
    }

    /// The Python value of a field by its name.
    ///
    /// # Errors
    /// `MemoryError`.
    ///
    /// # Panics
    /// If there is no such field.
    pub(super) fn value_of(&self, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let at = self.fields().iter().position(|field| field.name == name);
        self.value(at.expect("the field is declared"))
    }

    /// The Python value of a field in the class of our own.
    ///
    /// # Errors
    /// `MemoryError`.
    pub(super) fn raw(&self, at: usize) -> PyResult<Bound<'py, PyAny>> {
        let slot = &self.class.slots[at];
        // SAFETY: the getter is the one of this field of this class, and returns a new reference.
        unsafe {
            let value = (slot.get)(self.object.as_ptr(), slot.closure());
            Bound::from_owned_ptr_or_err(self.py(), value)
        }
    }
}
