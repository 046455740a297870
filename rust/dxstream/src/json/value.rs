//! Values that are written in any way, byte by byte.

use super::number;
use crate::event::FieldKind;

/// The length of a value that is no array and no object.
pub(super) fn any(bytes: &[u8]) -> Option<usize> {
    match bytes.first()? {
        b'"' => string(bytes).map(|text| text.len() + 2),
        b't' => bytes.starts_with(b"true").then_some(4),
        b'f' => bytes.starts_with(b"false").then_some(5),
        b'n' => bytes.starts_with(b"null").then_some(4),
        _ => number::double(bytes).map(|(_, length)| length),
    }
}

/// The word and the length of a double.
pub(super) fn double(bytes: &[u8]) -> Option<(u64, usize)> {
    match bytes.first()? {
        b'"' => {
            let name = string(bytes)?;
            let value = match name {
                b"NaN" => FieldKind::Double.unknown(),
                b"Infinity" => f64::INFINITY.to_bits(),
                b"-Infinity" => f64::NEG_INFINITY.to_bits(),
                _ => return None,
            };
            return Some((value, name.len() + 2));
        }
        b'n' => return null(bytes, FieldKind::Double),
        _ => {}
    }
    number::double(bytes).map(|(value, length)| (value.to_bits(), length))
}

/// The word and the length of an integer in a field of this kind.
pub(super) fn integer(bytes: &[u8], kind: FieldKind) -> Option<(u64, usize)> {
    match number::integer(bytes) {
        Some((value, length)) => Some((value as u64, length)),
        None => null(bytes, kind).or_else(|| constant(bytes, br#""NaN""#, kind.unknown())),
    }
}

pub(super) fn null(bytes: &[u8], kind: FieldKind) -> Option<(u64, usize)> {
    constant(bytes, b"null", kind.unknown())
}

pub(super) fn constant(bytes: &[u8], text: &[u8], word: u64) -> Option<(u64, usize)> {
    bytes.starts_with(text).then_some((word, text.len()))
}

/// The text of a string without escapes.
pub(super) fn string(bytes: &[u8]) -> Option<&[u8]> {
    let text = bytes.strip_prefix(b"\"")?;
    let length = plain_length(text);
    (text.get(length) == Some(&b'"')).then(|| &text[..length])
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
