//! Finding texts again without the lock of their table.

use std::{fmt, mem};

use super::short::{Short, short, string_length};
use super::value;
use super::window::Window;
use crate::symbol::Interner;

const MIN_SLOTS: usize = 1 << 9;
const MAX_SLOTS: usize = 1 << 18;

/// Slots that a text may be in. The hash is no secret: a server that chooses texts which collide makes
/// the reader ask the table for them, and no more.
const CHANCES: usize = 16;

/// The numbers of a table's texts that were met, by hash: open addressing, where a text whose slot is
/// taken goes into the next that is free.
///
/// Only texts that a string of JSON can hold as they are get in, so whatever is found here is a valid
/// string, without having been looked at.
pub(super) struct Recent {
    /// The table that gave the numbers.
    table: u64,
    slots: Box<[Slot]>,
    taken: usize,
}

/// A text and its number. A short text is here, as [`Short`] has it; of a long one the table has the text.
#[derive(Debug, Clone, Copy)]
#[repr(align(32))]
struct Slot {
    words: [u64; 3],
    end: u32,
    id: u32,
}

/// Two slots are a line of the processor's cache.
const _: () = assert!(size_of::<Slot>() == 32);

/// `end` of a slot that is empty, and of one whose text is long. No text that gets in has such bytes.
const EMPTY: u32 = 0;
const LONG: u32 = 1;

impl Slot {
    /// A string that begins with 0xff is empty, and so is its end 0xff. Nothing equals this.
    const EMPTY: Self = Self { words: [u64::MAX; 3], end: EMPTY, id: 0 };

    #[inline]
    fn key(&self) -> Short {
        Short { words: self.words, end: self.end }
    }
}

fn empty(slots: usize) -> Box<[Slot]> {
    vec![Slot::EMPTY; slots].into()
}

impl Default for Recent {
    fn default() -> Self {
        Self { table: 0, slots: empty(MIN_SLOTS), taken: 0 }
    }
}

impl fmt::Debug for Recent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let taken = self.slots.iter().filter(|slot| slot.end != EMPTY);
        f.debug_set().entries(taken.map(|slot| slot.id)).finish()
    }
}

impl Recent {
    /// Bytes that it takes at most.
    pub(super) const MOST_BYTES: usize = MAX_SLOTS * size_of::<Slot>();

    /// Forgets what it knows if that is of another table.
    #[inline]
    pub(super) fn follow(&mut self, table: &Interner) {
        if self.table != table.identity() {
            *self = Self { table: table.identity(), ..Self::default() };
        }
    }

    /// The number of the text of a string that a window begins with, where it is short and known.
    #[allow(clippy::inline_always, reason = "the result must not go through memory")]
    #[inline(always)]
    pub(super) fn find_short(&self, window: &Window, length: usize) -> Option<u32> {
        let key = short(window, length)?;
        let slot = self.slots.get(hash(&key) as usize & (self.slots.len() - 1))?;
        if slot.key().is(&key) { Some(slot.id) } else { self.probe_short(window, length) }
    }

    #[cold]
    fn probe_short(&self, window: &Window, length: usize) -> Option<u32> {
        self.probe(&short(window, length)?).ok()
    }

    /// The number of the text of a string without escapes that `bytes` begin with, if the table has it,
    /// and the length of the string.
    pub(super) fn find(&mut self, table: &Interner, bytes: &[u8]) -> Option<(u32, usize)> {
        if let Some(window) = bytes.first_chunk()
            && let Some(length) = string_length(window)
            && let Some(id) = self.find_short(window, length)
        {
            return Some((id, length));
        }
        let text = value::string(bytes)?;
        Some((self.find_text(table, text)?, text.len() + 2))
    }

    fn find_text(&mut self, table: &Interner, text: &[u8]) -> Option<u32> {
        let key = key(text);
        let free = match self.probe(&key) {
            Ok(id) if key.end != LONG || table.get(id).map(str::as_bytes) == Some(text) => {
                return Some(id);
            }
            Ok(_) => None,
            Err(free) => free,
        };
        let id = table.find(str::from_utf8(text).ok()?)?;
        if let Some(free) = free {
            self.slots[free] = Slot { words: key.words, end: key.end, id };
            self.taken += 1;
            if self.taken > self.slots.len() / 4 {
                self.grow();
            }
        }
        Some(id)
    }

    /// The number under a key, or the slot that is to have it, if there is one.
    fn probe(&self, key: &Short) -> Result<u32, Option<usize>> {
        let mask = self.slots.len() - 1;
        let first = hash(key) as usize & mask;
        for at in (first..first + CHANCES).map(|at| at & mask) {
            let slot = &self.slots[at];
            if slot.key().is(key) {
                return Ok(slot.id);
            }
            if slot.end == EMPTY {
                return Err(Some(at));
            }
        }
        Err(None)
    }

    /// Doubles the slots, or begins anew where there are as many as there may be.
    fn grow(&mut self) {
        let slots = self.slots.len() * 2;
        if slots > MAX_SLOTS {
            *self = Self { table: self.table, ..Self::default() };
            return;
        }
        for slot in mem::replace(&mut self.slots, empty(slots)) {
            if slot.end != EMPTY
                && let Err(Some(free)) = self.probe(&slot.key())
            {
                self.slots[free] = slot;
            }
        }
    }
}

/// What a text goes by: itself, or where it is long its length and hash. That begins as no string does.
fn key(text: &[u8]) -> Short {
    Short::new(text).unwrap_or_else(|| {
        let hash = text.chunks(8).fold(0, |hash, chunk| {
            let word = chunk.iter().fold(0, |word, &byte| word << 8 | u64::from(byte));
            fold(hash ^ word, ODD)
        });
        Short { words: [!(text.len() as u64), hash, 0], end: LONG }
    })
}

const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

#[inline]
fn fold(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    product as u64 ^ (product >> 64) as u64
}

/// A hash that is good enough for symbols; texts that collide cost a step each.
#[inline]
fn hash(key: &Short) -> u64 {
    let [first, second, third] = key.words;
    fold(first ^ third.rotate_left(32), second ^ ODD)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(text: &str) -> Vec<u8> {
        format!("\"{text}\",{:40}", "").into()
    }

    #[test]
    fn every_text_is_found_however_many_there_are() {
        let (table, other) = (Interner::new(1 << 17, 1 << 23), Interner::new(8, 64));
        let texts: Vec<String> =
            (0..100_000).map(|n| "ABC".repeat(n % 19) + &n.to_string()).collect();
        for text in &texts {
            table.intern(text).unwrap();
        }
        other.intern(&texts[7]).unwrap();
        let mut recent = Recent::default();
        recent.follow(&table);
        let mut most_slots = 0;
        for _ in 0..2 {
            for (id, text) in texts.iter().enumerate() {
                let found = recent.find(&table, &string(text));
                assert_eq!(found, Some((id as u32, text.len() + 2)));
                most_slots = most_slots.max(recent.slots.len());
            }
        }
        assert_eq!(most_slots, MAX_SLOTS);
        assert_eq!(recent.find(&table, &string("absent")), None);
        recent.follow(&other);
        assert_eq!(recent.find(&other, &string(&texts[7])), Some((0, texts[7].len() + 2)));
        assert_eq!(recent.find(&other, &string(&texts[8])), None);
    }

    #[test]
    fn texts_that_collide_are_found_too() {
        let table = Interner::new(1 << 7, 1 << 12);
        let mut recent = Recent::default();
        recent.follow(&table);
        let texts = (0..).map(|n| format!("S{n}"));
        let colliding = texts.filter(|text| hash(&key(text.as_bytes())) % MIN_SLOTS as u64 == 7);
        let texts: Vec<String> = colliding.take(3 * CHANCES).collect();
        for text in &texts {
            table.intern(text).unwrap();
        }
        for _ in 0..2 {
            for (id, text) in texts.iter().enumerate() {
                let found = recent.find(&table, &string(text));
                assert_eq!(found, Some((id as u32, text.len() + 2)));
            }
        }
        assert_eq!((recent.taken, recent.slots.len()), (CHANCES, MIN_SLOTS));
    }

    #[test]
    fn a_short_text_is_found_by_all_of_it_and_its_length() {
        let table = Interner::new(1 << 7, 1 << 12);
        let mut recent = Recent::default();
        recent.follow(&table);
        let all = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghij";
        for length in 0..all.len() {
            table.intern(&all[..length]).unwrap();
            let window = string(&all[..length]);
            assert_eq!(recent.find(&table, &window), Some((length as u32, length + 2)));
        }
        for length in 0..=26 {
            let mut window = *string(&all[..length]).first_chunk().unwrap();
            assert_eq!(recent.find_short(&window, length + 2), Some(length as u32));
            for cut in (0..=28).filter(|&cut| cut != length + 2) {
                assert_eq!(recent.find_short(&window, cut), None, "{length} {cut}");
            }
            for at in 0..length + 2 {
                for changed in [0, b'"', 0x80] {
                    let before = std::mem::replace(&mut window[at], changed);
                    let expected = (before == changed).then_some(length as u32);
                    assert_eq!(recent.find_short(&window, length + 2), expected);
                    window[at] = before;
                }
            }
            // What is behind the string is not its part, not even where it is nothing.
            window[length + 2..].fill(0);
            for longer in length + 3..=28 {
                assert_eq!(recent.find_short(&window, longer), None);
            }
            assert_eq!(recent.find_short(&window, length + 2), Some(length as u32));
        }
    }
}
