//! Field kinds: how a value of each kind stands in a 64-bit word, and what "unknown" is.

use super::enums::EnumType;
use crate::symbol::TextId;

/// The word of an integer that the server did not send. Python sees `None`; it equals the NaT of
/// `datetime64`.
pub const UNKNOWN_LONG: i64 = i64::MIN;

/// Texts that a character or an enum field could not express are kept as `TEXT_BASE + text id`.
const TEXT_BASE: u64 = 1 << 32;

/// One field of an event type.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// The Python and Rust name, snake_case.
    pub name: &'static str,
    /// The name on the wire.
    pub wire: &'static str,
    /// Other wire names that servers use for the same field.
    pub aliases: &'static [&'static str],
    /// How the value stands in its word.
    pub kind: FieldKind,
    /// One or more sentences on what the field says, with its unit.
    pub doc: &'static str,
}

impl Field {
    /// Whether the field goes by `name` on the wire.
    pub fn is_wire_name(&self, name: &str) -> bool {
        self.wire == name || self.aliases.contains(&name)
    }
}

/// The kind of a field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// The symbol of the event: a symbol id.
    Symbol,
    /// A double; NaN is unknown.
    Double,
    /// A 64-bit quantity or identifier for which zero is a value; [`UNKNOWN_LONG`] is unknown.
    Long,
    /// A small integer that is zero where the server has none: sequence, nanoseconds, flags.
    Int,
    /// Milliseconds since 1970-01-01 UTC; zero is unknown.
    Time,
    /// Days since 1970-01-01; zero is unknown.
    Day,
    /// The index of an indexed event, all 64 bits of it.
    Index,
    /// One character; zero is unknown.
    Char,
    /// A truth value; 2 is unknown.
    Bool,
    /// One of an enum's names.
    Enum(&'static EnumType),
    /// A text, interned; zero is unknown.
    Text,
}

impl FieldKind {
    /// The word of a field that the server did not send.
    pub const fn unknown(self) -> u64 {
        match self {
            Self::Double => f64::NAN.to_bits(),
            Self::Long => UNKNOWN_LONG as u64,
            Self::Bool => Bool::UNKNOWN.0,
            Self::Enum(_) => Enum::UNKNOWN.0,
            Self::Symbol
            | Self::Int
            | Self::Time
            | Self::Day
            | Self::Index
            | Self::Char
            | Self::Text => 0,
        }
    }
}

/// A value that stands in one word of a row.
pub(super) trait Word: Copy {
    fn from_word(word: u64) -> Self;
    fn to_word(self) -> u64;
}

impl Word for f64 {
    fn from_word(word: u64) -> Self {
        f64::from_bits(word)
    }

    fn to_word(self) -> u64 {
        self.to_bits()
    }
}

impl Word for i64 {
    fn from_word(word: u64) -> Self {
        word as i64
    }

    fn to_word(self) -> u64 {
        self as u64
    }
}

impl Word for crate::symbol::SymbolId {
    fn from_word(word: u64) -> Self {
        Self(word as u32)
    }

    fn to_word(self) -> u64 {
        u64::from(self.0)
    }
}

macro_rules! word_types {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct $name(pub u64);

        impl Word for $name {
            fn from_word(word: u64) -> Self {
                Self(word)
            }

            fn to_word(self) -> u64 {
                self.0
            }
        }
    )*};
}

word_types! {
    /// The word of a [`FieldKind::Char`] field: a code point, or a text where the server sent
    /// more than one character.
    Char
    /// The word of a [`FieldKind::Bool`] field.
    Bool
    /// The word of a [`FieldKind::Enum`] field: the ordinal of a known name, or a text where the
    /// server sent a name that the enum does not have.
    Enum
    /// The word of a [`FieldKind::Text`] field.
    Text
}

impl Char {
    /// No character.
    pub const NONE: Self = Self(0);

    /// The word of one character.
    pub const fn new(character: char) -> Self {
        Self(character as u64)
    }

    /// The word of a text that is longer than one character.
    pub const fn from_text(text: TextId) -> Self {
        Self(TEXT_BASE + text.0 as u64)
    }

    /// The character, where there is exactly one.
    pub fn character(self) -> Option<char> {
        u32::try_from(self.0).ok().filter(|&code| code != 0).and_then(char::from_u32)
    }

    /// The text, where the server sent more than one character.
    pub fn text(self) -> Option<TextId> {
        self.0.checked_sub(TEXT_BASE).map(|id| TextId(id as u32))
    }
}

impl Bool {
    /// The server did not say.
    pub const UNKNOWN: Self = Self(2);

    /// The truth value, where the server sent one.
    pub fn value(self) -> Option<bool> {
        match self.0 {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl From<bool> for Bool {
    fn from(value: bool) -> Self {
        Self(u64::from(value))
    }
}

impl Enum {
    /// The server did not say.
    pub const UNKNOWN: Self = Self(u32::MAX as u64);

    /// The word of the name with this ordinal.
    pub const fn new(ordinal: u8) -> Self {
        Self(ordinal as u64)
    }

    /// The word of a name that the enum does not have.
    pub const fn from_text(text: TextId) -> Self {
        Self(TEXT_BASE + text.0 as u64)
    }

    /// The ordinal, where the name is one of the enum's.
    pub fn ordinal(self) -> Option<u8> {
        u8::try_from(self.0).ok()
    }

    /// The text, where the server sent a name that the enum does not have.
    pub fn text(self) -> Option<TextId> {
        self.0.checked_sub(TEXT_BASE).map(|id| TextId(id as u32))
    }
}

impl Text {
    /// No text.
    pub const NONE: Self = Self(0);

    /// The text's id, where there is a text.
    pub fn id(self) -> Option<TextId> {
        self.0.checked_sub(1).map(|id| TextId(id as u32))
    }
}

impl From<TextId> for Text {
    fn from(id: TextId) -> Self {
        Self(u64::from(id.0) + 1)
    }
}
