//! Strings that are short: how they are compared, whatever their lengths.

use super::lanes::equal;
use super::window::{WINDOW, Window, half, word};

/// Most bytes of a string that a [`Short`] holds.
const SHORT: usize = 28;

/// A string of at most 28 bytes, with its quotes. Behind it are bytes 0xff, which no text has, so that
/// strings of different lengths differ.
#[derive(Debug, Clone, Copy)]
pub(super) struct Short {
    pub(super) words: [u64; 3],
    pub(super) end: u32,
}

impl Short {
    pub(super) const EMPTY: Self = Self { words: [u64::MAX; 3], end: u32::MAX };

    /// The string of a text; nothing where it is long.
    pub(super) const fn new(text: &[u8]) -> Option<Self> {
        if text.len() + 2 > SHORT {
            return None;
        }
        let mut window = [0xff; WINDOW];
        window[0] = b'"';
        window[text.len() + 1] = b'"';
        let mut at = 0;
        while at < text.len() {
            window[at + 1] = text[at];
            at += 1;
        }
        Some(Self::of(&window))
    }

    #[inline]
    const fn of(window: &Window) -> Self {
        let words = [word(window, 0), word(window, 8), word(window, 16)];
        Self { words, end: word(window, 24) as u32 }
    }

    /// Whether this is the other string. There is one branch for all of its bytes.
    #[inline]
    pub(super) fn is(&self, other: &Self) -> bool {
        let differ = |at: usize| self.words[at] ^ other.words[at];
        differ(0) | differ(1) | differ(2) | u64::from(self.end ^ other.end) == 0
    }
}

/// What of four words does not belong to a string, by its length.
const BEHIND: [[u64; 4]; WINDOW] = {
    let mut masks = [[u64::MAX; 4]; WINDOW];
    let mut length = 0;
    while length < WINDOW {
        let mut at = 0;
        while at < length {
            masks[length][at / 8] &= !(0xff << (8 * (at % 8)));
            at += 1;
        }
        length += 1;
    }
    masks
};

/// The first bytes of a window, if they are no more than a short string. They may be anything.
#[allow(clippy::inline_always, reason = "the result must not go through memory")]
#[inline(always)]
pub(super) fn short(window: &Window, length: usize) -> Option<Short> {
    if length > SHORT {
        return None;
    }
    let Short { words: [first, second, third], end } = Short::of(window);
    let [a, b, c, d] = BEHIND[length];
    Some(Short { words: [first | a, second | b, third | c], end: end | d as u32 })
}

/// The length of what may be a string without escapes, if there is a quote in the window behind the
/// first byte.
#[inline]
pub(super) fn string_length(window: &Window) -> Option<usize> {
    let quotes = equal(half(window, 1), b'"') | equal(half(window, 16), b'"') << 15;
    (quotes != 0).then(|| quotes.trailing_zeros() as usize + 2)
}
