//! Interning: each distinct text is stored once and known by a number.

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// Texts per chunk of the table; chunks are allocated as they fill and never move.
const CHUNK: usize = 1 << 10;

/// Most texts that an interner can be asked to hold.
const MAX_TEXTS: usize = 1 << 22;

/// The [`Interner::identity`] of the next table that is made.
static NEXT_IDENTITY: AtomicU64 = AtomicU64::new(1);

/// A bound of the interner was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InternError {
    /// The interner holds as many texts as it may.
    #[error("the table is full: it holds {0} texts")]
    TooMany(usize),
    /// The texts together are as long as they may be.
    #[error("the table is full: its texts have {0} bytes")]
    TooLong(usize),
}

/// An append-only table of distinct texts.
///
/// Numbers are dense from zero and stay valid as long as the table. [`Interner::get`] takes no lock;
/// any number of threads may read while one interns. The hash is seeded, so that a server cannot
/// choose texts that collide.
#[derive(Debug)]
pub struct Interner {
    index: RwLock<Index>,
    chunks: Box<[OnceLock<Chunk>]>,
    max_texts: usize,
    max_bytes: usize,
    identity: u64,
}

type Chunk = Box<[OnceLock<Box<str>>]>;

#[derive(Debug, Default)]
struct Index {
    ids: HashTable<u32>,
    hasher: RandomState,
    bytes: usize,
}

impl Interner {
    /// An empty table that holds at most `max_texts` texts of `max_bytes` bytes together.
    ///
    /// # Panics
    /// If `max_texts` is beyond what ids can number (2^22).
    pub fn new(max_texts: usize, max_bytes: usize) -> Self {
        assert!(max_texts <= MAX_TEXTS, "an interner numbers at most {MAX_TEXTS} texts");
        Self {
            identity: NEXT_IDENTITY.fetch_add(1, Ordering::Relaxed),
            index: RwLock::default(),
            chunks: (0..max_texts.div_ceil(CHUNK)).map(|_| OnceLock::new()).collect(),
            max_texts,
            max_bytes,
        }
    }

    /// A number above zero that no other table of the process has or had.
    #[inline]
    pub(crate) fn identity(&self) -> u64 {
        self.identity
    }

    /// The text with this number.
    pub fn get(&self, id: u32) -> Option<&str> {
        let chunk = self.chunks.get(id as usize / CHUNK)?.get()?;
        chunk[id as usize % CHUNK].get().map(AsRef::as_ref)
    }

    /// The number of a text, if the table holds it.
    pub fn find(&self, text: &str) -> Option<u32> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        self.find_in(&index, text)
    }

    /// The number of a text, which is added if it is new.
    ///
    /// # Errors
    /// [`InternError`] when the text is new and the table is full.
    ///
    /// # Panics
    /// Never: an id is given out once.
    pub fn intern(&self, text: &str) -> Result<u32, InternError> {
        if let Some(id) = self.find(text) {
            return Ok(id);
        }
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = self.find_in(&index, text) {
            return Ok(id);
        }
        let id = index.ids.len();
        if id == self.max_texts {
            return Err(InternError::TooMany(id));
        }
        if text.len() > self.max_bytes - index.bytes {
            return Err(InternError::TooLong(index.bytes));
        }
        let chunk =
            self.chunks[id / CHUNK].get_or_init(|| (0..CHUNK).map(|_| OnceLock::new()).collect());
        chunk[id % CHUNK].set(text.into()).expect("an id is given out once, under the lock");
        index.bytes += text.len();
        let Index { ids, hasher, .. } = &mut *index;
        ids.insert_unique(hasher.hash_one(text), id as u32, |&id| {
            hasher.hash_one(self.get(id).expect("an indexed id has a text"))
        });
        Ok(id as u32)
    }

    /// How many texts the table holds.
    pub fn len(&self) -> usize {
        self.index.read().unwrap_or_else(PoisonError::into_inner).ids.len()
    }

    /// Whether the table holds no text.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn find_in(&self, index: &Index, text: &str) -> Option<u32> {
        let hash = index.hasher.hash_one(text);
        index.ids.find(hash, |&id| self.get(id) == Some(text)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_keeps_its_number_and_numbers_are_dense() {
        let table = Interner::new(4096, 1 << 20);
        let ids: Vec<u32> = (0..3000).map(|n| table.intern(&format!("SYM{n}")).unwrap()).collect();
        assert!(ids.iter().enumerate().all(|(at, &id)| at == id as usize));
        assert_eq!(table.intern("SYM7"), Ok(7));
        assert_eq!(table.find("SYM2999"), Some(2999));
        assert_eq!(table.get(2999), Some("SYM2999"));
        assert_eq!((table.find("other"), table.get(3000)), (None, None));
    }

    #[test]
    fn a_full_table_refuses_new_texts_and_still_knows_the_old() {
        let table = Interner::new(2, 8);
        table.intern("A").unwrap();
        assert_eq!(table.intern("12345678"), Err(InternError::TooLong(1)));
        table.intern("B").unwrap();
        assert_eq!(table.intern("C"), Err(InternError::TooMany(2)));
        assert_eq!(table.intern("B"), Ok(1));
    }
}
