//! Sixteen bytes at once: where bytes of a sort stand, and what their digits are worth.

use wide::bytemuck::cast;
use wide::{f64x2, i8x16, i16x8, i32x4, i32x8, u8x16, u16x8};

/// The bit of each byte that is this one, the first lowest.
#[inline]
pub(super) fn equal(bytes: &[u8; 16], byte: u8) -> u32 {
    u8x16::new(*bytes).simd_eq(u8x16::splat(byte)).to_bitmask()
}

/// The bit of each byte that is no digit, the first lowest, and sixteen bits that are set.
#[inline]
pub(super) fn non_digits(bytes: &[u8; 16]) -> u32 {
    // Digits become the ten greatest signed bytes.
    let raised: i8x16 = cast(u8x16::new(*bytes) + u8x16::splat(0x7f - b'9'));
    !raised.simd_gt(i8x16::splat(0x7f - 10)).to_bitmask()
}

const _: () = assert!(cfg!(target_endian = "little"), "words are taken as bytes, the lowest first");

/// The two numbers that eight digits each form, the first in the lowest byte; a zero byte is a zero.
#[inline]
fn eights(digits: [u64; 2]) -> i32x4 {
    let digits: u8x16 = cast(digits);
    let digits: u16x8 = cast(digits & u8x16::splat(0x0f));
    // The high byte of each product is ten times the first digit and the second.
    let pairs: i16x8 = cast((digits * u16x8::splat((10 << 8) + 1)) >> 8_u32);
    let fours = pairs.dot(cast(i32x4::splat(100 + (1 << 16))));
    let fours = i16x8::from_i32x8_saturate(cast::<[i32x4; 2], i32x8>([fours, fours]));
    fours.dot(cast(i32x4::splat(10_000 + (1 << 16))))
}

/// The two numbers that eight digits each form, as integers.
#[inline]
pub(super) fn two_integers(digits: [u64; 2]) -> [u32; 2] {
    let both = cast::<i32x4, [u64; 2]>(eights(digits))[0];
    [both as u32, (both >> 32) as u32]
}

/// The two numbers that eight digits each form, as doubles.
#[inline]
pub(super) fn two_doubles(digits: [u64; 2]) -> [f64; 2] {
    f64x2::from(eights(digits)).to_array()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The bits of the bytes for which something holds.
    fn bits(bytes: &[u8; 16], holds: impl Fn(u8) -> bool) -> u32 {
        bytes.iter().enumerate().map(|(at, &byte)| u32::from(holds(byte)) << at).sum()
    }

    fn check(bytes: &[u8; 16], byte: u8) {
        let digits = bits(bytes, |byte| !byte.is_ascii_digit());
        assert_eq!(non_digits(bytes), digits | 0xffff_0000, "{bytes:?}");
        assert_eq!(equal(bytes, byte), bits(bytes, |one| one == byte), "{bytes:?}");
    }

    #[test]
    fn every_byte_at_every_place() {
        for byte in 0..=u8::MAX {
            for at in 0..16 {
                for around in [b'0', b'9', b'"', 0, 0x7f, 0x80, 0xff] {
                    let mut bytes = [around; 16];
                    bytes[at] = byte;
                    check(&bytes, byte);
                    check(&bytes, b'"');
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes(bytes in any::<[u8; 16]>(), byte in any::<u8>()) {
            check(&bytes, byte);
        }

        #[test]
        fn numbers(numbers in any::<[u32; 2]>(), missing in [0_u32..8, 0_u32..8]) {
            let numbers: [u32; 2] =
                std::array::from_fn(|at| numbers[at] % 10_u32.pow(8 - missing[at]));
            let digits: [u64; 2] = std::array::from_fn(|at| {
                let text = format!("{:08}", numbers[at]);
                let word = u64::from_le_bytes(text.as_bytes().try_into().unwrap());
                word >> (8 * missing[at]) << (8 * missing[at])
            });
            prop_assert_eq!(two_integers(digits), numbers);
            let doubles = two_doubles(digits).map(f64::to_bits);
            prop_assert_eq!(doubles, numbers.map(|number| f64::from(number).to_bits()));
        }
    }
}
