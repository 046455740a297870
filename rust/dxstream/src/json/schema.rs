//! The columns of COMPACT rows.

use super::steps::{Group, groups};
use crate::event::{EventKind, FieldKind};

/// The wire name of the field that a row cannot do without.
const EVENT_SYMBOL: &str = "eventSymbol";

/// A list of field names from which no rows can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// The list is empty.
    #[error("{} has no fields", .0.name())]
    Empty(EventKind),
    /// Rows without `eventSymbol` belong to nobody.
    #[error("the fields of {} lack eventSymbol", .0.name())]
    NoSymbol(EventKind),
    /// One name stands for two columns.
    #[error("the fields of {} name {name:?} twice", .kind.name())]
    Twice {
        /// The event type.
        kind: EventKind,
        /// The name as the server wrote it.
        name: String,
    },
}

/// Where the values of a column go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Target {
    /// The field's word in the row.
    pub(super) word: usize,
    /// How the value stands in the word.
    pub(super) kind: FieldKind,
}

/// The columns of one event type's COMPACT rows, in wire order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    kind: EventKind,
    columns: Box<[Option<Target>]>,
    groups: Box<[Group]>,
    /// A row of which nothing is known, if there are words that no column fills.
    background: Option<Box<[u64]>>,
}

impl Schema {
    /// The columns that the server named for an event type.
    ///
    /// A column whose name the event type does not have is read and skipped, and so is a second
    /// column of one field under another of its names.
    ///
    /// # Errors
    /// [`SchemaError`] when the names are none, repeat, or lack `eventSymbol`.
    pub fn new(kind: EventKind, names: &[impl AsRef<str>]) -> Result<Self, SchemaError> {
        if names.is_empty() {
            return Err(SchemaError::Empty(kind));
        }
        let mut columns: Vec<Option<Target>> = Vec::with_capacity(names.len());
        for (at, name) in names.iter().map(AsRef::as_ref).enumerate() {
            if names[..at].iter().any(|earlier| earlier.as_ref() == name) {
                return Err(SchemaError::Twice { kind, name: name.to_owned() });
            }
            let word = kind.fields().iter().position(|field| field.is_wire_name(name));
            let target = word.map(|word| Target { word, kind: kind.fields()[word].kind });
            columns.push(target.filter(|_| !columns.contains(&target)));
        }
        if !names.iter().any(|name| name.as_ref() == EVENT_SYMBOL) {
            return Err(SchemaError::NoSymbol(kind));
        }
        Ok(Self {
            kind,
            groups: groups(&columns),
            background: (columns.iter().flatten().count() < kind.fields().len())
                .then(|| unknown_row(kind)),
            columns: columns.into(),
        })
    }

    /// The event type of the rows.
    pub fn kind(&self) -> EventKind {
        self.kind
    }

    /// The number of columns.
    pub fn width(&self) -> usize {
        self.columns.len()
    }

    /// Whether rows hold the field that goes by this name, in Python or on the wire.
    pub fn carries(&self, field_name: &str) -> bool {
        self.columns.iter().flatten().any(|target| {
            let field = &self.kind.fields()[target.word];
            field.name == field_name || field.is_wire_name(field_name)
        })
    }

    /// Where each column's values go; nowhere for a column that is skipped.
    pub(super) fn columns(&self) -> &[Option<Target>] {
        &self.columns
    }

    /// The columns in wire order, by groups that together are mostly short.
    #[inline]
    pub(super) fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// What a row holds before it is read; nothing where the columns fill all of it.
    #[inline]
    pub(super) fn background(&self) -> Option<&[u64]> {
        self.background.as_deref()
    }
}

/// A row of which nothing is known.
pub(super) fn unknown_row(kind: EventKind) -> Box<[u64]> {
    kind.fields().iter().map(|field| field.kind.unknown()).collect()
}
