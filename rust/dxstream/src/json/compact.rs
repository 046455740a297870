//! The reader of COMPACT feed data that is written the usual way.
//!
//! It knows one form only: `{"type":"FEED_DATA","channel":1,"data":["Quote",[...],...]}` without
//! white space, escapes or rejected rows, with symbols and texts that the tables hold already. At
//! the first byte that does not fit it gives up, and the frame is read by way of a tree.

use super::general::one_char;
use super::number::{double, integer, unsigned};
use super::recent::Recent;
use super::{Batch, Channels, Schema, kind_named};
use crate::event::{Bool, Char, Enum, EnumType, FieldKind, Text, UNKNOWN_LONG};
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
    let mut reader = Reader { text: frame, tables, lookup };
    let at = reader.skip(0, br#"{"type":"FEED_DATA","channel":"#)?;
    let (channel, at) = unsigned(frame, at)?;
    let mut at = reader.skip(at, br#","data":["#)?;
    if !channels.is_open(channel) {
        return None;
    }
    loop {
        let name = reader.string(at)?;
        let behind = end_of(at, name);
        let kind = kind_named(name)?;
        let schema = channels.schema(channel, kind)?;
        let rows = reader.skip(behind, b",[")?;
        at = reader.rows(schema, rows, batch.words())?;
        batch.end_block(kind);
        match reader.byte(at)? {
            b',' => at += 1,
            b']' => break,
            _ => return None,
        }
    }
    let end = reader.skip(at, b"]}")?;
    (end == frame.len()).then_some(channel)
}

/// Reads the value at a given place into a word, and says where the value ends.
///
/// Places are passed by value and words by reference, so that neither a place nor a result goes
/// through memory on the way from one value to the next.
struct Reader<'a> {
    text: &'a str,
    tables: &'a Tables,
    lookup: &'a mut Lookup,
}

/// Where a string that begins at `at` and has no escapes ends.
#[inline]
fn end_of(at: usize, string: &str) -> usize {
    at + string.len() + 2
}

impl<'a> Reader<'a> {
    #[inline]
    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    #[inline]
    fn skip(&self, at: usize, expected: &[u8]) -> Option<usize> {
        self.text.as_bytes().get(at..)?.starts_with(expected).then_some(at + expected.len())
    }

    /// Reads the rows of a block with the bracket behind them.
    fn rows(&mut self, schema: &Schema, mut at: usize, words: &mut Vec<u64>) -> Option<usize> {
        loop {
            let start = words.len();
            words.extend_from_slice(schema.unknown());
            let row = &mut words[start..];
            let mut separator = b',';
            for column in schema.columns() {
                if separator != b',' {
                    return None;
                }
                at = match column {
                    Some(target) => self.word(target.kind, at, &mut row[target.word])?,
                    None => self.value(at)?,
                };
                separator = self.byte(at)?;
                at += 1;
            }
            match separator {
                b',' => {}
                b']' => return Some(at),
                _ => return None,
            }
        }
    }

    #[inline]
    fn word(&mut self, kind: FieldKind, at: usize, word: &mut u64) -> Option<usize> {
        match kind {
            FieldKind::Double => self.double(at, word),
            FieldKind::Symbol => {
                let symbol = self.string(at).filter(|symbol| !symbol.is_empty())?;
                *word = self.lookup.symbols.find(&self.tables.symbols, symbol)?.into();
                Some(end_of(at, symbol))
            }
            FieldKind::Int | FieldKind::Time | FieldKind::Day | FieldKind::Index => {
                self.integer(at, kind, word)
            }
            FieldKind::Long => {
                let end = self.integer(at, kind, word)?;
                let unknown = *word == UNKNOWN_LONG as u64;
                (!unknown || self.byte(at)? != b'-').then_some(end)
            }
            FieldKind::Char => self.char(at, word),
            FieldKind::Bool => match self.byte(at)? {
                b't' => self.constant(at, b"true", Bool::from(true).0, word),
                b'f' => self.constant(at, b"false", Bool::from(false).0, word),
                _ => self.null(at, kind, word),
            },
            FieldKind::Enum(names) => self.name(at, names, word),
            FieldKind::Text => {
                if self.byte(at)? != b'"' {
                    return self.null(at, kind, word);
                }
                let text = self.string(at)?;
                *word = Text::from(self.text(text)?).0;
                Some(end_of(at, text))
            }
        }
    }

    #[inline(never)]
    fn double(&self, at: usize, word: &mut u64) -> Option<usize> {
        if self.byte(at)? == b'"' {
            return self.named_double(at, word);
        }
        match double(self.text, at) {
            Some((value, end)) => {
                *word = value.to_bits();
                Some(end)
            }
            None => self.null(at, FieldKind::Double, word),
        }
    }

    #[inline(never)]
    fn named_double(&self, at: usize, word: &mut u64) -> Option<usize> {
        let name = self.string(at)?;
        *word = match name {
            "NaN" => FieldKind::Double.unknown(),
            "Infinity" => f64::INFINITY.to_bits(),
            "-Infinity" => f64::NEG_INFINITY.to_bits(),
            _ => return None,
        };
        Some(end_of(at, name))
    }

    #[inline]
    fn integer(&self, at: usize, kind: FieldKind, word: &mut u64) -> Option<usize> {
        if let [b'0', b',' | b']', ..] = self.text.as_bytes().get(at..)? {
            *word = 0;
            return Some(at + 1);
        }
        self.long_integer(at, kind, word)
    }

    #[inline(never)]
    fn long_integer(&self, at: usize, kind: FieldKind, word: &mut u64) -> Option<usize> {
        match integer(self.text, at) {
            Some((value, end)) => {
                *word = value as u64;
                Some(end)
            }
            None if self.byte(at)? == b'"' => self.constant(at, br#""NaN""#, kind.unknown(), word),
            None => self.null(at, kind, word),
        }
    }

    #[inline]
    fn char(&mut self, at: usize, word: &mut u64) -> Option<usize> {
        match *self.text.as_bytes().get(at..)? {
            [b'"', character @ (b' ' | b'!' | b'#'..=b'[' | b']'..=b'~'), b'"', ..] => {
                *word = character.into();
                Some(at + 3)
            }
            [b'"', ..] => self.rare_char(at, word),
            _ => self.null(at, FieldKind::Char, word),
        }
    }

    #[inline(never)]
    fn rare_char(&mut self, at: usize, word: &mut u64) -> Option<usize> {
        if let Some(end) = self.constant(at, br#""\u0000""#, Char::NONE.0, word) {
            return Some(end);
        }
        let text = self.string(at)?;
        *word = match one_char(text) {
            Some(character) => character.0,
            None => Char::from_text(self.text(text)?).0,
        };
        Some(end_of(at, text))
    }

    #[inline(never)]
    fn name(&mut self, at: usize, names: &'static EnumType, word: &mut u64) -> Option<usize> {
        let kind = FieldKind::Enum(names);
        if self.byte(at)? != b'"' {
            return self.null(at, kind, word);
        }
        let name = self.string(at)?;
        *word = match names.find(name) {
            Some(known) => known.0,
            None if name.is_empty() => kind.unknown(),
            None => Enum::from_text(self.text(name)?).0,
        };
        Some(end_of(at, name))
    }

    #[inline(never)]
    fn null(&self, at: usize, kind: FieldKind, word: &mut u64) -> Option<usize> {
        self.constant(at, b"null", kind.unknown(), word)
    }

    #[inline]
    fn constant(&self, at: usize, text: &[u8], value: u64, word: &mut u64) -> Option<usize> {
        *word = value;
        self.skip(at, text)
    }

    fn text(&mut self, text: &str) -> Option<TextId> {
        self.lookup.texts.find(&self.tables.texts, text).map(TextId)
    }

    /// Reads past a value that is no array and no object.
    fn value(&self, at: usize) -> Option<usize> {
        match self.byte(at)? {
            b'"' => self.string(at).map(|text| end_of(at, text)),
            b't' => self.skip(at, b"true"),
            b'f' => self.skip(at, b"false"),
            _ => self.double(at, &mut 0),
        }
    }

    /// Reads a string without escapes.
    #[inline]
    fn string(&self, at: usize) -> Option<&'a str> {
        let bytes = self.text.as_bytes();
        if *bytes.get(at)? != b'"' {
            return None;
        }
        let start = at + 1;
        let end = start + plain_length(&bytes[start..]);
        if *bytes.get(end)? != b'"' {
            return None;
        }
        self.text.get(start..end)
    }
}

/// The number of bytes before the first that ends a string or that a string cannot hold as it is:
/// a quote, a backslash or a control character.
#[inline]
fn plain_length(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    // Most symbols end within sixteen bytes; both words are searched, whatever the length.
    while let Some((words, behind)) = rest.split_first_chunk::<16>() {
        let found = u128::from_le_bytes(*words);
        let found = [specials(found as u64), specials((found >> 64) as u64)];
        if found != [0, 0] {
            let low = found[0].trailing_zeros() as usize;
            let high = 64 + found[1].trailing_zeros() as usize;
            let length = if found[0] == 0 { high } else { low } / 8;
            return bytes.len() - rest.len() + length;
        }
        rest = behind;
    }
    let tail = rest.iter().position(|&byte| matches!(byte, b'"' | b'\\' | ..b' '));
    bytes.len() - rest.len() + tail.unwrap_or(rest.len())
}

/// The high bit of the first byte that is a quote, a backslash or a control character, and perhaps
/// of some behind it.
#[inline]
fn specials(word: u64) -> u64 {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = LOW << 7;
    let below = |word: u64, limit: u8| word.wrapping_sub(LOW * u64::from(limit)) & !word & HIGH;
    let quote = below(word ^ (LOW * u64::from(b'"')), 1);
    let backslash = below(word ^ (LOW * u64::from(b'\\')), 1);
    quote | backslash | below(word, b' ')
}
