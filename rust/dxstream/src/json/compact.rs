//! The reader of COMPACT feed data that is written the usual way.
//!
//! It knows one form only: `{"type":"FEED_DATA","channel":1,"data":["Quote",[...],...]}` without
//! white space, escapes or rejected rows, with symbols and texts that the tables hold already. At
//! the first byte that does not fit it gives up, and the frame is read by way of a tree.

use std::num::NonZero;

use super::general::one_char;
use super::recent::Recent;
use super::schema::Target;
use super::short::{Short, short, string_length};
use super::steps::{Form, Group};
use super::window::{
    SPAN, STRIDE, Span, character, commas, decimal, digits, integer, other_double, other_integer,
    window_at,
};
use super::{Batch, Channels, Schema, value};
use crate::event::{Bool, Char, Enum, EventKind, FieldKind, MAX_WORDS, Text, UNKNOWN_LONG};
use crate::symbol::{Tables, TextId};

/// The symbols and texts that were met.
#[derive(Debug, Default)]
pub(super) struct Lookup {
    symbols: Recent,
    texts: Recent,
}

impl Lookup {
    /// Bytes that it takes at most.
    pub(super) const MOST_BYTES: usize = 2 * Recent::MOST_BYTES;
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
    let body = frame.strip_suffix("]]}")?.as_bytes();
    let mut rest = body.strip_prefix(br#"{"type":"FEED_DATA","channel":"#)?;
    let mut tail = [0; TAIL + 1 + SPAN];
    match body.last_chunk::<TAIL>() {
        Some(last) => tail[..TAIL].copy_from_slice(last),
        None => tail[TAIL - body.len()..TAIL].copy_from_slice(body),
    }
    tail[TAIL] = b',';
    lookup.symbols.follow(&tables.symbols);
    lookup.texts.follow(&tables.texts);
    let mut reader = Reader { tables, lookup, tail: Some(&tail) };
    let window = window_at(reader.span(&mut rest)?, 0);
    let length = digits(window);
    let channel = integer(window, length)? as u64;
    rest = rest[length..].strip_prefix(br#","data":["#)?;
    loop {
        let window = window_at(reader.span(&mut rest)?, 0);
        let length = string_length(window)?;
        let name = short(window, length)?;
        let kind = EventKind::ALL[NAMES.iter().position(|known| known.is(&name))?];
        rest = rest[length..].strip_prefix(b",[")?;
        rest = reader.rows(channels.schema(channel, kind)?, rest, batch)?;
        batch.end_block(kind);
        if reader.is_over(rest) {
            return Some(channel);
        }
        rest = rest.strip_prefix(b",")?;
    }
}

/// The bytes of a frame that are copied, so that more can follow them.
const TAIL: usize = SPAN;

/// The names of [`EventKind::ALL`].
const NAMES: [Short; EventKind::ALL.len()] = {
    let mut names = [Short::EMPTY; EventKind::ALL.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = Short::new(EventKind::ALL[at].name().as_bytes()).expect("names are short");
        at += 1;
    }
    names
};

/// Reads one value after another.
///
/// `rest` is what of the frame is not read yet, without the brackets at its end. Once that is less than
/// a span, it is the same part of `tail`, where a comma and zeros follow, so that a span and a comma are
/// behind the last value too.
struct Reader<'a> {
    tables: &'a Tables,
    lookup: &'a mut Lookup,
    /// Nothing once `rest` is in it.
    tail: Option<&'a [u8; TAIL + 1 + SPAN]>,
}

impl<'a> Reader<'a> {
    /// The span that `rest` begins with.
    #[allow(clippy::inline_always, reason = "the result must not go through memory")]
    #[inline(always)]
    fn span(&mut self, rest: &mut &'a [u8]) -> Option<&'a Span> {
        if rest.len() < SPAN {
            *rest = self.move_to_tail(rest)?;
        }
        rest.first_chunk()
    }

    #[cold]
    fn move_to_tail(&mut self, rest: &[u8]) -> Option<&'a [u8]> {
        Some(&self.tail.take()?[TAIL - rest.len()..])
    }

    /// Whether the last value was read, and the comma behind it.
    #[inline]
    fn is_over(&self, rest: &[u8]) -> bool {
        rest.len() == SPAN && self.tail.is_none()
    }

    /// Goes on to a byte of `rest`, and gives the span from there on and the commas in it.
    #[inline]
    fn advance(&mut self, rest: &mut &'a [u8], start: usize) -> Option<(&'a Span, u64)> {
        *rest = &rest[start..];
        let span = self.span(rest)?;
        Some((span, commas(span)))
    }

    /// Reads the rows of a block, and the bracket behind them unless the data is over.
    fn rows(&mut self, schema: &Schema, mut rest: &'a [u8], batch: &mut Batch) -> Option<&'a [u8]> {
        let fields = schema.kind().fields();
        let (mut room, mut words) = (batch.room(), 0);
        loop {
            let Some(row) = room.first_chunk_mut::<MAX_WORDS>() else {
                batch.end_rows(words);
                (room, words) = (batch.room(), 0);
                continue;
            };
            if let Some(background) = schema.background() {
                row[..background.len()].copy_from_slice(background);
            }
            let mut groups = schema.groups().iter();
            while let Some(&group) = groups.next() {
                let mut steps = match group {
                    Group::Usual(steps) => steps,
                    Group::Single(target) => {
                        self.span(&mut rest)?;
                        let length = self.single(target, rest, row)?;
                        match rest.get(length)? {
                            b',' => rest = &rest[length + 1..],
                            b']' if groups.as_slice().is_empty() => {
                                batch.end_rows(words + fields.len());
                                return Some(&rest[length + 1..]);
                            }
                            _ => return None,
                        }
                        continue;
                    }
                };
                // The next value begins at `start`; `ends` has the commas from there on.
                let (mut span, mut ends) = self.advance(&mut rest, 0)?;
                let mut start = 0;
                while !steps.is_empty() {
                    while let Some(some) = NonZero::new(ends) {
                        let end = some.trailing_zeros() as usize;
                        let step = steps.first();
                        let word = self.usual(step.form(), span, start, end - start);
                        let Some(word) = word else { break };
                        row[step.word()] = word;
                        start = end + 1;
                        steps = steps.others();
                        if steps.is_empty() {
                            break;
                        }
                        ends &= ends - 1;
                    }
                    // Nothing but values and commas is in the loop above: what else it held would take
                    // registers from it.
                    if steps.is_empty() {
                        break;
                    }
                    if ends == 0 && start != 0 {
                        (span, ends) = self.advance(&mut rest, start)?;
                        start = 0;
                        continue;
                    }
                    let step = steps.first();
                    let length = ends.trailing_zeros() as usize - start;
                    let (word, length) = match other(step.form(), span, start, length) {
                        Some(word) => (word, length),
                        None => self.unusual(fields[step.word()].kind, &rest[start..])?,
                    };
                    row[step.word()] = word;
                    steps = steps.others();
                    let end = start + length;
                    match rest.get(end)? {
                        b',' if end < STRIDE => {
                            start = end + 1;
                            ends &= !1 << end;
                        }
                        b',' => {
                            (span, ends) = self.advance(&mut rest, end + 1)?;
                            start = 0;
                        }
                        b']' if steps.is_empty() && groups.as_slice().is_empty() => {
                            batch.end_rows(words + fields.len());
                            return Some(&rest[end + 1..]);
                        }
                        _ => return None,
                    }
                }
                rest = &rest[start..];
            }
            room = &mut { room }[fields.len()..];
            words += fields.len();
            if self.is_over(rest) {
                batch.end_rows(words);
                return Some(rest);
            }
        }
    }

    /// The word of a value that is written in a usual way; where it begins, and its length.
    #[allow(clippy::inline_always, reason = "the result must not go through memory")]
    #[inline(always)]
    fn usual(&self, form: Form, span: &Span, start: usize, length: usize) -> Option<u64> {
        let window = window_at(span, start);
        match form {
            Form::Symbol => self.lookup.symbols.find_short(window, length).map(u64::from),
            Form::Decimal => decimal(window, length),
            Form::Integer => integer(window, length).map(|value| value as u64),
            Form::Character => character(window),
        }
    }

    /// Reads the value of a column that has no usual form, and gives its length.
    #[inline(never)]
    fn single(
        &mut self,
        target: Option<Target>,
        bytes: &[u8],
        row: &mut [u64; MAX_WORDS],
    ) -> Option<usize> {
        let Some(target) = target else { return value::any(bytes) };
        let (word, length) = self.unusual(target.kind, bytes)?;
        row[target.word] = word;
        Some(length)
    }

    /// The word and the length of a value that is written in any way.
    #[inline(never)]
    fn unusual(&mut self, kind: FieldKind, bytes: &[u8]) -> Option<(u64, usize)> {
        match kind {
            FieldKind::Symbol => {
                // An empty symbol must not get among those that were met.
                if bytes.starts_with(br#""""#) {
                    return None;
                }
                let (id, length) = self.lookup.symbols.find(&self.tables.symbols, bytes)?;
                Some((id.into(), length))
            }
            FieldKind::Double => value::double(bytes),
            FieldKind::Int | FieldKind::Time | FieldKind::Day | FieldKind::Index => {
                value::integer(bytes, kind)
            }
            FieldKind::Long => value::integer(bytes, kind)
                .filter(|&(word, _)| word != UNKNOWN_LONG as u64 || bytes[0] != b'-'),
            FieldKind::Bool => match bytes.first()? {
                b't' => value::constant(bytes, b"true", Bool::from(true).0),
                b'f' => value::constant(bytes, b"false", Bool::from(false).0),
                _ => value::null(bytes, kind),
            },
            _ if bytes.first() == Some(&b'n') => value::null(bytes, kind),
            FieldKind::Char => {
                if let Some(none) = value::constant(bytes, br#""\u0000""#, Char::NONE.0) {
                    return Some(none);
                }
                let text = value::string(bytes)?;
                match one_char(str::from_utf8(text).ok()?) {
                    Some(character) => Some((character.0, text.len() + 2)),
                    None => self.text(bytes, |id| Char::from_text(id).0),
                }
            }
            FieldKind::Enum(names) => {
                let text = value::string(bytes)?;
                match names.names.iter().position(|name| name.as_bytes() == text) {
                    Some(ordinal) => Some((Enum::new(ordinal as u8).0, text.len() + 2)),
                    None if text.is_empty() => Some((kind.unknown(), 2)),
                    None => self.text(bytes, |id| Enum::from_text(id).0),
                }
            }
            FieldKind::Text => self.text(bytes, |id| Text::from(id).0),
        }
    }

    fn text(&mut self, bytes: &[u8], word: impl Fn(TextId) -> u64) -> Option<(u64, usize)> {
        let (id, length) = self.lookup.texts.find(&self.tables.texts, bytes)?;
        Some((word(TextId(id)), length))
    }
}

/// The word of a value that is written in another way that is usual for its form.
#[inline(never)]
fn other(form: Form, span: &Span, start: usize, length: usize) -> Option<u64> {
    match form {
        Form::Decimal => other_double(span, start, length),
        Form::Integer => other_integer(span, start, length).map(|value| value as u64),
        Form::Symbol | Form::Character => None,
    }
}
