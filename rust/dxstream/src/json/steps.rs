//! How the columns of a row are gone through: made once for a schema, and short enough for a register.

use super::schema::Target;
use super::window::STRIDE;
use crate::event::{FieldKind, MAX_WORDS};

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

/// The columns as they are gone through.
pub(super) fn groups(columns: &[Option<Target>]) -> Box<[Group]> {
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
