//! The reader of COMPACT feed data that is written the usual way.
//!
//! It knows one form only: `{"type":"FEED_DATA","channel":1,"data":["Quote",[...],...]}` without
//! white space, escapes or rejected rows, with symbols and texts that the tables hold already. At
//! the first byte that does not fit it gives up, and the frame is read by way of a tree.

use super::general::one_char;
use super::number::{double, integer};
use super::recent::Recent;
use super::schema::Target;
use super::{Batch, Channels, Schema, kind_named};
use crate::event::{Bool, Char, Enum, FieldKind, Text, UNKNOWN_LONG};
use crate::symbol::{Tables, TextId};

/// The symbols and texts that were met last.
#[derive(Debug, Default)]
pub(super) struct Lookup {
    symbols: Recent,
    texts: Recent,
}

/// Reads a frame whose data is in `batch` then, and gives its channel.
///
/// Nothing where the frame is of another form; `batch` may hold some of its rows then.
pub(super) fn read(
    frame: &str,
    channels: &impl Channels,
    tables: &Tables,
    lookup: &mut Lookup,
    batch: &mut Batch,
) -> Option<u64> {
    let mut cursor = Cursor { text: frame, at: 0, tables, lookup };
    cursor.skip(br#"{"type":"FEED_DATA","channel":"#)?;
    let channel = u64::try_from(cursor.integer()?).ok()?;
    cursor.skip(br#","data":["#)?;
    if !channels.is_open(channel) {
        return None;
    }
    loop {
        let kind = kind_named(cursor.string()?)?;
        let schema = channels.schema(channel, kind)?;
        cursor.skip(b",[")?;
        cursor.rows(schema, batch.words())?;
        batch.end_block(kind);
        match cursor.next()? {
            b',' => {}
            b']' => break,
            _ => return None,
        }
    }
    cursor.skip(b"}")?;
    (cursor.at == frame.len()).then_some(channel)
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
    tables: &'a Tables,
    lookup: &'a mut Lookup,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    #[inline]
    fn skip(&mut self, expected: &[u8]) -> Option<()> {
        self.rest().starts_with(expected).then(|| self.at += expected.len())
    }

    /// Reads the rows of a block with the bracket behind them.
    fn rows(&mut self, schema: &Schema, words: &mut Vec<u64>) -> Option<()> {
        let (last, columns) = schema.columns().split_last()?;
        loop {
            let start = words.len();
            words.extend_from_slice(schema.unknown());
            let row = &mut words[start..];
            for column in columns {
                self.column(column.as_ref(), row)?;
                if self.next()? != b',' {
                    return None;
                }
            }
            self.column(last.as_ref(), row)?;
            match self.next()? {
                b',' => {}
                b']' => return Some(()),
                _ => return None,
            }
        }
    }

    #[inline]
    fn column(&mut self, column: Option<&Target>, row: &mut [u64]) -> Option<()> {
        match column {
            Some(target) => row[target.word] = self.word(target.kind)?,
            None => self.value()?,
        }
        Some(())
    }

    #[inline]
    fn word(&mut self, kind: FieldKind) -> Option<u64> {
        match kind {
            FieldKind::Double => self.double(),
            FieldKind::Symbol => {
                let symbol = self.string().filter(|symbol| !symbol.is_empty())?;
                self.lookup.symbols.find(&self.tables.symbols, symbol).map(u64::from)
            }
            FieldKind::Int | FieldKind::Time | FieldKind::Day | FieldKind::Index => {
                self.integer_or(kind)
            }
            FieldKind::Long => {
                let known = matches!(self.peek()?, b'-' | b'0'..=b'9');
                let word = self.integer_or(kind)?;
                (!known || word != UNKNOWN_LONG as u64).then_some(word)
            }
            FieldKind::Char => self.char(),
            FieldKind::Bool => self.bool(),
            FieldKind::Enum(names) => {
                if self.peek()? != b'"' {
                    return self.null(kind);
                }
                match self.string()? {
                    "" => Some(kind.unknown()),
                    name => match names.find(name) {
                        Some(word) => Some(word.0),
                        None => self.text(name).map(|id| Enum::from_text(id).0),
                    },
                }
            }
            FieldKind::Text => {
                if self.peek()? != b'"' {
                    return self.null(kind);
                }
                let text = self.string()?;
                self.text(text).map(|id| Text::from(id).0)
            }
        }
    }

    #[inline]
    fn double(&mut self) -> Option<u64> {
        if let Some((value, end)) = double(self.text, self.at) {
            self.at = end;
            return Some(value.to_bits());
        }
        if self.peek()? != b'"' {
            return self.null(FieldKind::Double);
        }
        match self.string()? {
            "NaN" => Some(FieldKind::Double.unknown()),
            "Infinity" => Some(f64::INFINITY.to_bits()),
            "-Infinity" => Some(f64::NEG_INFINITY.to_bits()),
            _ => None,
        }
    }

    #[inline]
    fn integer(&mut self) -> Option<i64> {
        let (value, end) = integer(self.text, self.at)?;
        self.at = end;
        Some(value)
    }

    #[inline]
    fn integer_or(&mut self, kind: FieldKind) -> Option<u64> {
        if let Some(value) = self.integer() {
            return Some(value as u64);
        }
        if self.peek()? == b'"' {
            self.skip(br#""NaN""#)?;
            return Some(kind.unknown());
        }
        self.null(kind)
    }

    #[inline]
    fn char(&mut self) -> Option<u64> {
        match *self.rest() {
            [b'"', character @ (b' ' | b'!' | b'#'..=b'[' | b']'..=b'~'), b'"', ..] => {
                self.at += 3;
                Some(u64::from(character))
            }
            [b'"', b'\\', ..] => {
                self.skip(br#""\u0000""#)?;
                Some(Char::NONE.0)
            }
            [b'"', ..] => {
                let text = self.string()?;
                match one_char(text) {
                    Some(character) => Some(character.0),
                    None => self.text(text).map(|id| Char::from_text(id).0),
                }
            }
            _ => self.null(FieldKind::Char),
        }
    }

    #[inline]
    fn bool(&mut self) -> Option<u64> {
        match self.peek()? {
            b't' => self.skip(b"true").map(|()| Bool::from(true).0),
            b'f' => self.skip(b"false").map(|()| Bool::from(false).0),
            _ => self.null(FieldKind::Bool),
        }
    }

    fn null(&mut self, kind: FieldKind) -> Option<u64> {
        self.skip(b"null").map(|()| kind.unknown())
    }

    fn text(&mut self, text: &str) -> Option<TextId> {
        self.lookup.texts.find(&self.tables.texts, text).map(TextId)
    }

    /// Reads past a value that is no array and no object.
    fn value(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(|_| ()),
            b't' => self.skip(b"true"),
            b'f' => self.skip(b"false"),
            b'n' => self.skip(b"null"),
            _ => self.double().map(|_| ()),
        }
    }

    /// Reads a string without escapes.
    #[inline]
    fn string(&mut self) -> Option<&'a str> {
        if self.next()? != b'"' {
            return None;
        }
        let start = self.at;
        let end = start + plain_length(self.rest());
        self.at = end;
        if self.next()? != b'"' {
            return None;
        }
        self.text.get(start..end)
    }
}

/// The number of bytes before the first that ends a string or that a string cannot hold as it is:
/// a quote, a backslash or a control character.
#[inline]
fn plain_length(bytes: &[u8]) -> usize {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = LOW << 7;
    // Sets the high bit of the lowest byte that is below `limit`, and perhaps of some above it.
    let below = |word: u64, limit: u8| word.wrapping_sub(LOW * u64::from(limit)) & !word & HIGH;
    let mut rest = bytes;
    while let Some((word, behind)) = rest.split_first_chunk() {
        let word = u64::from_le_bytes(*word);
        let quote = below(word ^ (LOW * u64::from(b'"')), 1);
        let backslash = below(word ^ (LOW * u64::from(b'\\')), 1);
        let found = quote | backslash | below(word, b' ');
        if found != 0 {
            return bytes.len() - rest.len() + found.trailing_zeros() as usize / 8;
        }
        rest = behind;
    }
    let tail = rest.iter().position(|&byte| matches!(byte, b'"' | b'\\' | ..b' '));
    bytes.len() - rest.len() + tail.unwrap_or(rest.len())
}
