//! Values that are written in a usual way, whose length is known: up to the next comma.
//!
//! A value is read from the 32 bytes that it begins, whatever its length, since a branch that depends
//! on the length is mispredicted as often as lengths vary. A number is one if all of it is digits up to
//! the comma. Strings are in `short`.

use super::lanes::{equal, non_digits, two_doubles, two_integers};

/// The bytes from a value on.
pub(super) type Window = [u8; WINDOW];

pub(super) const WINDOW: usize = 32;

/// A stride, in which the commas behind values are looked for, and the window of a value that begins
/// behind it.
pub(super) type Span = [u8; SPAN];

pub(super) const STRIDE: usize = 64;
pub(super) const SPAN: usize = STRIDE + 1 + WINDOW;

/// The window from a byte of the stride, or the one behind it, on.
#[inline]
pub(super) fn window_at(span: &Span, start: usize) -> &Window {
    span[start..].first_chunk().expect("a window is within the span")
}

/// The bit of each comma of the stride, the first lowest.
#[inline]
pub(super) fn commas(span: &Span) -> u64 {
    let (quarters, _) = span.as_chunks::<16>();
    let of = |at: usize| u64::from(equal(&quarters[at], b',')) << (16 * at);
    of(0) | of(1) | of(2) | of(3)
}

/// Characters that a string can hold as they are, by code, but for the comma.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut at = b' ';
    while at <= b'~' {
        plain[at as usize] = !matches!(at, b'"' | b'\\' | b',');
        at += 1;
    }
    plain
};

/// The sixteen bytes from `start` on.
#[inline]
pub(super) fn half(window: &Window, start: usize) -> &[u8; 16] {
    window[start..].first_chunk().expect("sixteen bytes")
}

/// The eight bytes from `at` on, the first lowest.
#[inline]
pub(super) const fn word(window: &Window, at: usize) -> u64 {
    let (_, bytes) = window.split_at(at);
    u64::from_le_bytes(*bytes.first_chunk().expect("eight bytes"))
}

/// The number of digits that a window begins with, up to sixteen.
#[inline]
pub(super) fn digits(window: &Window) -> usize {
    non_digits(half(window, 0)).trailing_zeros() as usize
}

/// Moves a number of one to eight digits to the end of a word, with zero bytes before it.
#[inline]
fn right(word: u64, length: usize) -> u64 {
    word.wrapping_shl((length as u32 * 8).wrapping_neg())
}

const POWERS: [u64; 17] = {
    let mut powers = [1; 17];
    let mut at = 1;
    while at < powers.len() {
        powers[at] = powers[at - 1] * 10;
        at += 1;
    }
    powers
};

/// What of eight bytes belongs to a fraction of one to eight digits.
const FRACTIONS: [u64; 8] = {
    let mut masks = [u64::MAX; 8];
    let mut at = 0;
    while at < 8 {
        masks[at] >>= 8 * (7 - at);
        at += 1;
    }
    masks
};

/// The bits of a double that is written with a point, without sign and exponent, with at most eight
/// digits on either side of the point and fifteen together.
#[allow(clippy::inline_always, reason = "the result must not go through memory")]
#[inline(always)]
pub(super) fn decimal(window: &Window, length: usize) -> Option<u64> {
    const SCALE: f64 = 1e8;
    let others = non_digits(half(window, 0));
    let point = others.trailing_zeros() as usize;
    let end = (others & (others - 1)).trailing_zeros() as usize;
    let first = word(window, 0);
    if end != length || window[point % WINDOW] != b'.' || (first as u8 == b'0' && point != 1) {
        return None;
    }
    let places = length.wrapping_sub(point + 1);
    if point.wrapping_sub(1) | places.wrapping_sub(1) > 7 {
        return None;
    }
    let fraction = word(window, point + 1) & FRACTIONS[(places - 1) % 8];
    let [whole, fraction] = two_doubles([right(first, point), fraction]);
    // The fraction has eight places. The sum is below 2^53, or below 2^54 and even where there are
    // eight digits before the point and at most seven behind it. So only the division rounds.
    Some(((whole * SCALE + fraction) / SCALE).to_bits())
}

/// An integer of at most sixteen digits without sign.
#[allow(clippy::inline_always, reason = "the result must not go through memory")]
#[inline(always)]
pub(super) fn integer(window: &Window, length: usize) -> Option<i64> {
    if length == 1 {
        let digit = window[0].wrapping_sub(b'0');
        return (digit <= 9).then_some(digit.into());
    }
    let first = word(window, 0);
    if digits(window) != length || first as u8 == b'0' {
        return None;
    }
    if length <= 8 {
        let [value, _] = two_integers([right(first, length), 0]);
        return (length != 0).then_some(i64::from(value));
    }
    let [first, last] = two_integers([right(first, length - 8), word(window, length - 8)]);
    Some(i64::from(first) * 100_000_000 + i64::from(last))
}

/// The bits of a double that is written in another usual way: with a sign, without a point, with more
/// digits, or as `"NaN"`.
#[inline(never)]
pub(super) fn other_double(span: &Span, start: usize, length: usize) -> Option<u64> {
    let window = window_at(span, start);
    match window[0] {
        b'-' => {
            let (window, length) = (window_at(span, start + 1), length - 1);
            let bits = decimal(window, length).or_else(|| other_unsigned(window, length))?;
            Some(bits | 1 << 63)
        }
        b'"' if window.starts_with(br#""NaN""#) && length == 5 => Some(f64::NAN.to_bits()),
        _ => other_unsigned(window, length),
    }
}

#[inline]
fn other_unsigned(window: &Window, length: usize) -> Option<u64> {
    if digits(window) == length {
        return integer(window, length).map(|value| (value as f64).to_bits());
    }
    let others = non_digits(half(window, 0)) & 0xffff | non_digits(half(window, 16)) << 16;
    let point = others.trailing_zeros() as usize;
    let is_decimal = (others & others.wrapping_sub(1)).trailing_zeros() as usize == length
        && window.get(point) == Some(&b'.')
        && point + 1 < length
        && if window[0] == b'0' { point == 1 } else { point != 0 };
    if !is_decimal {
        return None;
    }
    exact_decimal(window, point, length - point - 1).or_else(|| {
        let value: f64 = str::from_utf8(window.get(..length)?).ok()?.parse().ok()?;
        Some(value.to_bits())
    })
}

/// The bits of a decimal of nine to sixteen places whose digits form an integer that is a double: one
/// division rounds once.
#[inline]
fn exact_decimal(window: &Window, point: usize, places: usize) -> Option<u64> {
    const MAX_WHOLE: u64 = 1 << 53;
    let power = *POWERS.get(places)?;
    if point > 8 || places < 9 || point + places > 19 {
        return None;
    }
    let (first, last) = (word(window, point + 1), right(word(window, point + 9), places - 8));
    let [first, last] = two_integers([first, last]);
    let [whole, _] = two_integers([right(word(window, 0), point), 0]);
    let fraction = u64::from(first) * POWERS[places - 8] + u64::from(last);
    let mantissa = u64::from(whole) * power + fraction;
    (mantissa <= MAX_WHOLE).then(|| (mantissa as i64 as f64 / power as f64).to_bits())
}

/// An integer that is written in another usual way: with a sign or with up to nineteen digits.
#[inline(never)]
pub(super) fn other_integer(span: &Span, start: usize, length: usize) -> Option<i64> {
    let window = window_at(span, start);
    if window[0] == b'-' {
        return integer(window_at(span, start + 1), length - 1).map(|value| -value);
    }
    let others = non_digits(half(window, 3));
    if !(17..=19).contains(&length)
        || !window[..3].iter().all(u8::is_ascii_digit)
        || others.trailing_zeros() as usize != length - 3
        || window[0] == b'0'
    {
        return None;
    }
    let [first, _] = two_integers([right(word(window, 0), length - 16), 0]);
    let [middle, last] = two_integers([word(window, length - 16), word(window, length - 8)]);
    let lower = u64::from(middle) * 100_000_000 + u64::from(last);
    i64::try_from(u64::from(first) * 10_000_000_000_000_000 + lower).ok()
}

/// The character of a string of one that is written as it is. There is a comma behind `length` bytes
/// and not before.
#[allow(clippy::inline_always, reason = "the result must not go through memory")]
#[inline(always)]
pub(super) fn character(window: &Window) -> Option<u64> {
    let quotes_and_comma = word(window, 0) as u32 & 0xffff_00ff == 0x2c22_0022;
    (quotes_and_comma && PLAIN[usize::from(window[1])]).then_some(window[1].into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::number::tests::reference;

    /// What the readers make of a number, as bits of doubles and as integers.
    fn read(number: &str) -> ([Option<u64>; 2], [Option<i64>; 2]) {
        let mut span = [b'7'; SPAN];
        let length = number.len();
        span[..length].copy_from_slice(number.as_bytes());
        span[length] = b',';
        let window = window_at(&span, 0);
        let doubles = [decimal(window, length), other_double(&span, 0, length)];
        (doubles, [integer(window, length), other_integer(&span, 0, length)])
    }

    /// Whatever is read is right. How many of the four readers read it.
    fn check(number: &str) -> usize {
        let expected = reference(number);
        let (doubles, integers) = read(number);
        for bits in doubles.into_iter().flatten() {
            assert_eq!(Some(bits), expected.map(|(value, _)| value.to_bits()), "{number}");
        }
        for value in integers.into_iter().flatten() {
            assert_eq!(Some(value), expected.and_then(|(_, value)| value), "{number}");
        }
        doubles.iter().flatten().count() + integers.iter().flatten().count()
    }

    #[test]
    fn the_greatest_numbers_that_are_read_at_once() {
        for (number, readers) in [
            ("99999999.9999999", 2),
            ("90071992.5474099", 2),
            ("90071993.0000001", 2),
            ("9999999.99999999", 2),
            ("99999999.99999999", 1),
            ("0.9007199254740992", 1),
            ("0.9007199254740993", 1),
            ("900.7199254740993", 1),
            ("9007199.254740992", 1),
            ("99999999.99999999999", 1),
            ("9999999999999999", 2),
            ("9223372036854775807", 1),
            ("9223372036854775808", 0),
            ("99999999999999999", 1),
            ("-9999999999999999", 2),
            ("0", 2),
            ("-0", 2),
            ("-0.0", 1),
            ("00", 0),
            ("-", 0),
            ("-.5", 0),
            (".5", 0),
            ("5.", 0),
            ("1e5", 0),
            ("1.5e5", 0),
        ] {
            assert_eq!(check(number), readers, "{number}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn decimals(number in "(0|[1-9][0-9]{0,7})\\.[0-9]{1,7}") {
            prop_assert_eq!(check(&number), 2);
            prop_assert_eq!(check(&format!("-{number}")), 1);
        }

        #[test]
        fn long_decimals(number in "(0|[1-9][0-9]{0,12})\\.[0-9]{9,17}") {
            prop_assert_eq!(check(&number), 1);
        }

        #[test]
        fn integers(number in "[1-9][0-9]{1,15}") {
            prop_assert_eq!(check(&number), 2);
            prop_assert_eq!(check(&format!("-{number}")), 2);
        }

        #[test]
        fn long_integers(number in "[1-9][0-9]{16,19}") {
            check(&number);
        }

        #[test]
        fn nonsense(text in "[-+.eE0-9]{0,20}") {
            check(&text);
        }
    }
}
