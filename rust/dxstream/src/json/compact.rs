//! The reader of COMPACT feed data that is written the usual way.
//!
//! It knows one form only: `{"type":"FEED_DATA","channel":1,"data":["Quote",[...],...]}` without
//! white space, escapes or rejected rows, with symbols and texts that the tables hold already. At
//! the first byte that does not fit it gives up, and the frame is read by way of a tree.

use super::general::one_char;
use super::number::{double, integer};
use super::recent::Recent;
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
    let mut reader = Reader { text: frame, tables, lookup };
    let at = reader.skip(0, br#"{"type":"FEED_DATA","channel":"#)?;
    let (channel, at) = integer(frame, at)?;
    let channel = u64::try_from(channel).ok()?;
    let mut at = reader.skip(at, br#","data":["#)?;
    if !channels.is_open(channel) {
        return None;
    }
    loop {
        let (name, behind) = reader.string(at)?;
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

/// Reads values at a given place, and says where they end.
///
/// Places are passed by value so that they stay in registers.
struct Reader<'a> {
    text: &'a str,
    tables: &'a Tables,
    lookup: &'a mut Lookup,
}

type Word = Option<(u64, usize)>;

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
                    Some(target) => {
                        let (word, end) = self.word(target.kind, at)?;
                        row[target.word] = word;
                        end
                    }
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
    fn word(&mut self, kind: FieldKind, at: usize) -> Word {
        match kind {
            FieldKind::Double => self.double(at),
            FieldKind::Symbol => {
                let (symbol, end) = self.string(at)?;
                let id = self.lookup.symbols.find(&self.tables.symbols, symbol)?;
                (!symbol.is_empty()).then_some((u64::from(id), end))
            }
            FieldKind::Int | FieldKind::Time | FieldKind::Day | FieldKind::Index => {
                self.integer(at, kind)
            }
            FieldKind::Long => match integer(self.text, at) {
                Some((UNKNOWN_LONG, _)) => None,
                _ => self.integer(at, kind),
            },
            FieldKind::Char => self.char(at),
            FieldKind::Bool => match self.byte(at)? {
                b't' => Some((Bool::from(true).0, self.skip(at, b"true")?)),
                b'f' => Some((Bool::from(false).0, self.skip(at, b"false")?)),
                _ => self.null(kind, at),
            },
            FieldKind::Enum(names) => {
                if self.byte(at)? != b'"' {
                    return self.null(kind, at);
                }
                let (name, end) = self.string(at)?;
                let word = match names.find(name) {
                    Some(word) => word.0,
                    None if name.is_empty() => kind.unknown(),
                    None => Enum::from_text(self.text(name)?).0,
                };
                Some((word, end))
            }
            FieldKind::Text => {
                if self.byte(at)? != b'"' {
                    return self.null(kind, at);
                }
                let (text, end) = self.string(at)?;
                Some((Text::from(self.text(text)?).0, end))
            }
        }
    }

    #[inline]
    fn double(&mut self, at: usize) -> Word {
        if self.byte(at)? == b'"' {
            return self.named_double(at);
        }
        match double(self.text, at) {
            Some((value, end)) => Some((value.to_bits(), end)),
            None => self.null(FieldKind::Double, at),
        }
    }

    #[inline(never)]
    fn named_double(&mut self, at: usize) -> Word {
        let (name, end) = self.string(at)?;
        let word = match name {
            "NaN" => FieldKind::Double.unknown(),
            "Infinity" => f64::INFINITY.to_bits(),
            "-Infinity" => f64::NEG_INFINITY.to_bits(),
            _ => return None,
        };
        Some((word, end))
    }

    #[inline]
    fn integer(&self, at: usize, kind: FieldKind) -> Word {
        match integer(self.text, at) {
            Some((value, end)) => Some((value as u64, end)),
            None if self.byte(at)? == b'"' => Some((kind.unknown(), self.skip(at, br#""NaN""#)?)),
            None => self.null(kind, at),
        }
    }

    #[inline]
    fn char(&mut self, at: usize) -> Word {
        match *self.text.as_bytes().get(at..)? {
            [b'"', character @ (b' ' | b'!' | b'#'..=b'[' | b']'..=b'~'), b'"', ..] => {
                Some((u64::from(character), at + 3))
            }
            [b'"', ..] => self.rare_char(at),
            _ => self.null(FieldKind::Char, at),
        }
    }

    #[inline(never)]
    fn rare_char(&mut self, at: usize) -> Word {
        if let Some(end) = self.skip(at, br#""\u0000""#) {
            return Some((Char::NONE.0, end));
        }
        let (text, end) = self.string(at)?;
        let word = match one_char(text) {
            Some(character) => character.0,
            None => Char::from_text(self.text(text)?).0,
        };
        Some((word, end))
    }

    #[inline(never)]
    fn null(&self, kind: FieldKind, at: usize) -> Word {
        Some((kind.unknown(), self.skip(at, b"null")?))
    }

    fn text(&mut self, text: &str) -> Option<TextId> {
        self.lookup.texts.find(&self.tables.texts, text).map(TextId)
    }

    /// Reads past a value that is no array and no object.
    fn value(&mut self, at: usize) -> Option<usize> {
        match self.byte(at)? {
            b'"' => self.string(at).map(|(_, end)| end),
            b't' => self.skip(at, b"true"),
            b'f' => self.skip(at, b"false"),
            _ => self.double(at).map(|(_, end)| end),
        }
    }

    /// Reads a string without escapes.
    #[inline]
    fn string(&self, at: usize) -> Option<(&'a str, usize)> {
        let bytes = self.text.as_bytes();
        if *bytes.get(at)? != b'"' {
            return None;
        }
        let start = at + 1;
        let end = start + plain_length(&bytes[start..]);
        if *bytes.get(end)? != b'"' {
            return None;
        }
        Some((self.text.get(start..end)?, end + 1))
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
