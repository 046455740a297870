//! Numbers as JSON writes them.

/// The largest magnitude up to which every integer is a double.
const MAX_WHOLE: u64 = 1 << 53;

/// Digits that fit a `u64` whatever they are.
const MAX_DIGITS: usize = 19;

/// Every byte of a word, lowest bit and highest.
const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = LOW << 7;

/// The powers of ten that are doubles.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// The integer that a double stands for.
///
/// Beyond 2^53 the double may be the rounded value of another integer, so that there is none.
pub(super) fn whole(value: f64) -> Option<i64> {
    (value.abs() <= MAX_WHOLE as f64 && value.fract() == 0.0).then_some(value as i64)
}

/// The double that is written at the beginning of `bytes`, and how long it is.
///
/// Nothing where there is no JSON number or where it is beyond any double.
pub(super) fn double(bytes: &[u8]) -> Option<(f64, usize)> {
    let literal = Literal::scan(bytes)?;
    Some((literal.double(bytes)?, literal.length))
}

/// The integer that is written at the beginning of `bytes`, and how long it is.
///
/// Nothing where there is no JSON number or where it is no integer that an `i64` holds.
pub(super) fn integer(bytes: &[u8]) -> Option<(i64, usize)> {
    let literal = Literal::scan(bytes)?;
    if !literal.plain {
        return Some((whole(literal.double(bytes)?)?, literal.length));
    }
    let limit = i64::MAX as u64 + u64::from(literal.negative);
    if literal.digits > MAX_DIGITS || literal.mantissa > limit {
        return None;
    }
    let value = literal.mantissa as i64;
    Some((if literal.negative { value.wrapping_neg() } else { value }, literal.length))
}

/// The high bit of each byte that is no digit.
#[inline]
fn others(word: u64) -> u64 {
    let digits = word ^ (LOW * u64::from(b'0'));
    (((digits & !HIGH) + LOW * 0x76) | digits) & HIGH
}

/// The number that eight digits form, the first in the lowest byte; a zero byte is a zero.
#[inline]
fn eight_digits(word: u64) -> u32 {
    let digits = word & (LOW * 0x0f);
    let pairs = digits * 10 + (digits >> 8);
    let first = (pairs & 0x0000_00ff_0000_00ff).wrapping_mul(100 + (1_000_000 << 32));
    let second = ((pairs >> 16) & 0x0000_00ff_0000_00ff).wrapping_mul(1 + (10_000 << 32));
    (first.wrapping_add(second) >> 32) as u32
}

/// A number as it is written.
struct Literal {
    negative: bool,
    /// The digits as an integer, if they are no more than [`MAX_DIGITS`].
    mantissa: u64,
    digits: usize,
    /// The power of ten by which the mantissa is to be multiplied; beyond ±9999 anything as far.
    exponent: i32,
    /// Without fraction and exponent.
    plain: bool,
    length: usize,
}

impl Literal {
    #[inline]
    fn scan(bytes: &[u8]) -> Option<Self> {
        let negative = bytes.first() == Some(&b'-');
        let first = usize::from(negative);
        let (mut mantissa, mut end) = digits(bytes, first, 0);
        let mut count = end - first;
        if count == 0 || (count > 1 && bytes[first] == b'0') {
            return None;
        }
        let mut exponent = 0;
        let mut plain = true;
        if bytes.get(end) == Some(&b'.') {
            let fraction = end + 1;
            (mantissa, end) = digits(bytes, fraction, mantissa);
            let places = end - fraction;
            if places == 0 {
                return None;
            }
            count += places;
            exponent = -(places.min(9999) as i32);
            plain = false;
        }
        if let Some(b'e' | b'E') = bytes.get(end) {
            let (power, after) = power(bytes, end + 1)?;
            exponent += power;
            end = after;
            plain = false;
        }
        Some(Self { negative, mantissa, digits: count, exponent, plain, length: end })
    }

    /// The value; `bytes` are those of the scan.
    ///
    /// Clinger's fast path: where the mantissa and the power of ten are both doubles, one
    /// multiplication or division rounds once, as it should.
    #[inline]
    fn double(&self, bytes: &[u8]) -> Option<f64> {
        let power = POWERS.get(self.exponent.unsigned_abs() as usize);
        match power {
            Some(power) if self.digits <= MAX_DIGITS && self.mantissa <= MAX_WHOLE => {
                let mantissa = self.mantissa as i64 as f64;
                let value = if self.exponent < 0 { mantissa / power } else { mantissa * power };
                Some(if self.negative { -value } else { value })
            }
            _ => {
                let literal = str::from_utf8(&bytes[..self.length]).ok()?;
                literal.parse().ok().filter(|value: &f64| value.is_finite())
            }
        }
    }
}

/// Appends the digits from `at` on to `mantissa`; where they end.
#[inline]
fn digits(bytes: &[u8], mut at: usize, mut mantissa: u64) -> (u64, usize) {
    while let Some(word) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let word = u64::from_le_bytes(*word);
        if others(word) != 0 {
            break;
        }
        mantissa = mantissa.wrapping_mul(100_000_000).wrapping_add(u64::from(eight_digits(word)));
        at += 8;
    }
    while let Some(&byte) = bytes.get(at) {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        mantissa = mantissa.wrapping_mul(10).wrapping_add(u64::from(digit));
        at += 1;
    }
    (mantissa, at)
}

/// The exponent behind an `e`, and where it ends.
#[inline]
fn power(bytes: &[u8], start: usize) -> Option<(i32, usize)> {
    let negative = bytes.get(start) == Some(&b'-');
    let first = start + usize::from(matches!(bytes.get(start), Some(b'-' | b'+')));
    let mut power = 0_i32;
    let mut at = first;
    while let Some(&byte @ b'0'..=b'9') = bytes.get(at) {
        power = (power * 10 + i32::from(byte - b'0')).min(99_999);
        at += 1;
    }
    (at > first).then_some((if negative { -power } else { power }, at))
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What `serde_json` makes of a literal: the double, and the integer where there is one.
    pub(in super::super) fn reference(text: &str) -> Option<(f64, Option<i64>)> {
        let number: serde_json::Number = serde_json::from_str(text).ok()?;
        let value: f64 = text.parse().unwrap();
        let integer = if number.is_f64() { whole(value) } else { number.as_i64() };
        Some((value, integer))
    }

    fn check(text: &str) {
        check_before(text, "");
        check_before(text, ",0.5,1234567");
        check_before(text, "]]}");
    }

    fn check_before(number: &str, rest: &str) {
        let expected = reference(number);
        let text = &format!("{number}{rest}");
        let double = double(text.as_bytes()).filter(|&(_, length)| length == number.len());
        assert_eq!(
            double.map(|(value, _)| value.to_bits()),
            expected.map(|(value, _)| value.to_bits()),
            "{text}"
        );
        let integer = integer(text.as_bytes()).filter(|&(_, length)| length == number.len());
        assert_eq!(
            integer.map(|(value, _)| value),
            expected.and_then(|(_, value)| value),
            "{text}"
        );
    }

    #[test]
    fn written_by_hand() {
        for text in [
            "0",
            "-0",
            "-0.0",
            "0e0",
            "0e999999999999",
            "1e22",
            "1e23",
            "123456789012345678e22",
            "9007199254740992",
            "9007199254740993",
            "-9007199254740993.0",
            "9007199254740992e0",
            "9223372036854775807",
            "9223372036854775808",
            "-9223372036854775808",
            "-9223372036854775809",
            "18446744073709551615",
            "18446744073709551616",
            "99999999999999999999",
            "5e-324",
            "2.4703282292062327e-324",
            "1e-400",
            "-1e-400",
            "1.7976931348623157e308",
            "1.7976931348623159e308",
            "1e309",
            "-1e999",
            "1e99999999999",
            "1e-99999999999",
            "4.81989763184255e-12",
            "1.3743299E7",
            "0.1",
            "0.30000000000000004",
            "",
            "-",
            "+1",
            "01",
            "01.5",
            "00.5",
            "01234567",
            "0123456789",
            "012345678.5",
            "-01",
            "00",
            ".5",
            "1.",
            "1.e5",
            "1e",
            "1e+",
            "1e-",
            "0x10",
            "1_0",
            "1e+5",
            "1E-05",
            "0.000000000000000000000000000000000000000000001",
            "100000000000000000000000000000000000000e-38",
            "NaN",
            "Infinity",
        ] {
            check(text);
        }
        check(&("1".repeat(400)));
        check(&("1".repeat(300) + "." + &"7".repeat(300)));
        check(&("0.".to_owned() + &"0".repeat(12_000) + "1e12000"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn written_at_random(text in "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?") {
            check(&text);
        }

        #[test]
        fn doubles_written_shortest(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            check(&format!("{value:?}"));
            check(&format!("{value:e}"));
        }

        #[test]
        fn prices(mantissa in 0..10_u64.pow(12), places in 0_i32..8) {
            check(&format!("{}", mantissa as f64 / 10_f64.powi(places)));
        }

        #[test]
        fn integers(value in any::<i64>()) {
            check(&value.to_string());
        }

        #[test]
        fn nonsense(text in "[-+.eE0-9]{0,8}") {
            check(&text);
        }
    }
}
