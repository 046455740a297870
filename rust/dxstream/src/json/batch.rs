//! The rows of one frame.

use crate::event::{EventKind, MAX_WORDS};

/// The rows that a frame held, as blocks of one event type each.
///
/// It is meant to be used for one frame after another, so that its memory is reused.
#[derive(Debug, Default)]
pub struct Batch {
    blocks: Vec<Block>,
    /// The words of all rows, and behind them room for more.
    words: Vec<u64>,
    /// Words that are of rows.
    len: usize,
}

#[derive(Debug)]
struct Block {
    kind: EventKind,
    end: usize,
}

impl Batch {
    /// A batch without rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// The blocks in wire order: an event type and its rows, each as wide as the type has fields.
    pub fn blocks(&self) -> impl Iterator<Item = (EventKind, &[u64])> {
        let mut start = 0;
        self.blocks.iter().map(move |block| {
            let words = &self.words[start..block.end];
            start = block.end;
            (block.kind, words)
        })
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.blocks().map(|(kind, words)| words.len() / kind.fields().len()).sum()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Removes the rows and keeps the memory.
    pub fn clear(&mut self) {
        self.blocks.clear();
        self.len = 0;
    }

    /// Where the next rows are to be written, before [`Batch::end_rows`]: room for one at least. It
    /// holds anything.
    #[inline]
    pub(super) fn room(&mut self) -> &mut [u64] {
        if self.words.len() < self.len + MAX_WORDS {
            self.words.resize(2 * self.len + 16 * MAX_WORDS, 0);
        }
        &mut self.words[self.len..]
    }

    /// Makes so many words of the room rows.
    #[inline]
    pub(super) fn end_rows(&mut self, words: usize) {
        self.len += words;
    }

    /// Appends a row.
    pub(super) fn push(&mut self, row: &[u64]) {
        self.room()[..row.len()].copy_from_slice(row);
        self.end_rows(row.len());
    }

    /// Makes the rows behind the last block a block; adjacent blocks of one type are one.
    pub(super) fn end_block(&mut self, kind: EventKind) {
        let end = self.len;
        match self.blocks.last_mut() {
            Some(last) if last.kind == kind => last.end = end,
            Some(last) if last.end == end => {}
            None if end == 0 => {}
            _ => self.blocks.push(Block { kind, end }),
        }
    }
}
