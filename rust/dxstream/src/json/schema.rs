//! The columns of COMPACT rows.

use super::window::STRIDE;
use crate::event::{EventKind, FieldKind, MAX_WORDS};

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

/// How the values of a column are mostly written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The string of a symbol.
    Symbol,
    /// A number with a point.
    Decimal,
    /// A number without.
    Integer,
    /// The string of one character.
    Character,
}

impl Form {
    fn of(kind: FieldKind) -> Option<Self> {
        match kind {
            FieldKind::Symbol => Some(Self::Symbol),
            FieldKind::Double => Some(Self::Decimal),
            FieldKind::Long
            | FieldKind::Int
            | FieldKind::Time
            | FieldKind::Day
            | FieldKind::Index => Some(Self::Integer),
            FieldKind::Char => Some(Self::Character),
            FieldKind::Bool | FieldKind::Enum(_) | FieldKind::Text => None,
        }
    }
}

/// The form of a column and its word in the row, in a byte that is not zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step(u8);

const _: () = assert!(MAX_WORDS <= 1 << 5);

impl Step {
    const SET: u8 = 1 << 7;

    fn new(form: Form, word: usize) -> Self {
        Self(Self::SET | (word as u8) << 2 | form as u8)
    }

    #[inline]
    pub(super) fn form(self) -> Form {
        match self.0 & 0x3 {
            0 => Form::Symbol,
            1 => Form::Decimal,
            2 => Form::Integer,
            _ => Form::Character,
        }
    }

    #[inline]
    pub(super) fn word(self) -> usize {
        usize::from(self.0 >> 2 & 0x1f)
    }
}

/// Up to eight steps, the first in the lowest byte and zeros behind the last, so that they are in a
/// register while they are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Steps(u64);

impl Steps {
    #[inline]
    pub(super) fn first(self) -> Step {
        Step(self.0 as u8)
    }

    #[inline]
    pub(super) fn others(self) -> Self {
        Self(self.0 >> 8)
    }

    #[inline]
    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Columns that are read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    /// Columns whose values and the commas behind them mostly are within a stride.
    Usual(Steps),
    /// A column whose values have no usual form, or no field.
    Single(Option<Target>),
}

fn groups(columns: &[Option<Target>]) -> Box<[Group]> {
    let mut groups = Vec::new();
    let (mut count, mut bytes) = (0, 0);
    for &column in columns {
        let form = column.and_then(|target| Some((target, Form::of(target.kind)?)));
        let Some((target, form)) = form else {
            groups.push(Group::Single(column));
            continue;
        };
        let usual = match form {
            Form::Symbol => 18,
            Form::Decimal => 8,
            Form::Integer if target.kind == FieldKind::Int => 4,
            Form::Integer => 14,
            Form::Character => 4,
        };
        let step = u64::from(Step::new(form, target.word).0);
        match groups.last_mut() {
            Some(Group::Usual(steps)) if count < 8 && bytes + usual <= STRIDE => {
                steps.0 |= step << (8 * count);
                (count, bytes) = (count + 1, bytes + usual);
            }
            _ => {
                groups.push(Group::Usual(Steps(step)));
                (count, bytes) = (1, usual);
            }
        }
    }
    groups.into()
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
