//! Finding texts again without the lock of their table.

use crate::symbol::Interner;

const MIN_SLOTS: usize = 1 << 10;
const MAX_SLOTS: usize = 1 << 18;

/// The numbers of the texts that were met last, by hash.
///
/// A number counts only if the table has the very text under it, so that a collision, or another
/// table, costs time and nothing else.
#[derive(Debug)]
pub(super) struct Recent {
    slots: Box<[u32]>,
    /// Texts that took another's slot since the slots were made.
    displaced: usize,
}

impl Default for Recent {
    fn default() -> Self {
        Self::with_slots(MIN_SLOTS)
    }
}

impl Recent {
    fn with_slots(slots: usize) -> Self {
        Self { slots: vec![u32::MAX; slots].into(), displaced: 0 }
    }

    /// The number of a text, if the table holds it.
    #[inline]
    pub(super) fn find(&mut self, table: &Interner, text: &str) -> Option<u32> {
        let hash = hash(text.as_bytes());
        let id = self.slots[hash as usize & (self.slots.len() - 1)];
        if table.get(id) == Some(text) { Some(id) } else { self.look_up(table, text, hash) }
    }

    #[cold]
    fn look_up(&mut self, table: &Interner, text: &str, hash: u64) -> Option<u32> {
        let id = table.find(text)?;
        if self.displaced > self.slots.len() / 2 && self.slots.len() < MAX_SLOTS {
            *self = Self::with_slots(self.slots.len() * 2);
        }
        let slot = &mut self.slots[hash as usize & (self.slots.len() - 1)];
        self.displaced += usize::from(*slot != u32::MAX);
        *slot = id;
        Some(id)
    }
}

/// A hash that is good enough for symbols; texts that collide cost a look into the table each.
#[inline]
fn hash(text: &[u8]) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut hash = text.len() as u64;
    let mut rest = text;
    while let Some((word, behind)) = rest.split_first_chunk() {
        hash = (hash ^ u64::from_le_bytes(*word)).wrapping_mul(ODD).rotate_left(29);
        rest = behind;
    }
    let tail = match text.last_chunk() {
        Some(word) => u64::from_le_bytes(*word),
        None => rest.iter().fold(0, |tail, &byte| tail << 8 | u64::from(byte)),
    };
    (hash ^ tail).wrapping_mul(ODD) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_found_however_many_there_are() {
        let (table, other) = (Interner::new(1 << 14, 1 << 20), Interner::new(8, 64));
        let texts: Vec<String> =
            (0..10_000).map(|n| "ABC".repeat(n % 9) + &n.to_string()).collect();
        for text in &texts {
            table.intern(text).unwrap();
        }
        other.intern(&texts[7]).unwrap();
        let mut recent = Recent::default();
        for _ in 0..3 {
            for text in &texts {
                assert_eq!(recent.find(&table, text), table.find(text));
            }
        }
        assert!(recent.slots.len() > MIN_SLOTS);
        assert_eq!(recent.find(&table, "absent"), None);
        assert_eq!(recent.find(&other, &texts[7]), Some(0));
        assert_eq!(recent.find(&other, &texts[8]), None);
    }
}
