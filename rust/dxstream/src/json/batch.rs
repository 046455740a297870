//! The rows of one frame.

use crate::event::EventKind;

/// The rows that a frame held, as blocks of one event type each.
///
/// It is meant to be used for one frame after another, so that its memory is reused.
#[derive(Debug, Default)]
pub struct Batch {
    blocks: Vec<Block>,
    words: Vec<u64>,
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
        self.words.is_empty()
    }

    /// Removes the rows and keeps the memory.
    pub fn clear(&mut self) {
        self.blocks.clear();
        self.words.clear();
    }

    /// The words of all rows, to which rows of `kind` are to be appended before
    /// [`Batch::end_block`].
    pub(super) fn words(&mut self) -> &mut Vec<u64> {
        &mut self.words
    }

    /// Makes the rows behind the last block a block; adjacent blocks of one type are one.
    pub(super) fn end_block(&mut self, kind: EventKind) {
        let end = self.words.len();
        match self.blocks.last_mut() {
            Some(last) if last.kind == kind => last.end = end,
            Some(last) if last.end == end => {}
            None if end == 0 => {}
            _ => self.blocks.push(Block { kind, end }),
        }
    }
}
