//! The gaps of a streamer, for those who ask.

use std::collections::VecDeque;

use crate::protocol::{Gap, TypeGap};

/// Most gaps that are kept, the latest.
const MAX_GAPS: usize = 1024;

/// Gaps that are over, numbered from 0 in the order in which they were.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    pub(super) whole: Numbered<Gap>,
    pub(super) of_types: Numbered<TypeGap>,
}

/// The last of a sequence, and how many came before them.
#[derive(Debug)]
pub(super) struct Numbered<T> {
    kept: VecDeque<T>,
    forgotten: usize,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { kept: VecDeque::new(), forgotten: 0 }
    }
}

impl<T: Clone> Numbered<T> {
    pub(super) fn push(&mut self, item: T) {
        if self.kept.len() == MAX_GAPS {
            self.kept.pop_front();
            self.forgotten += 1;
        }
        self.kept.push_back(item);
    }

    /// How many there were ever.
    pub(super) fn count(&self) -> usize {
        self.forgotten + self.kept.len()
    }

    /// What is kept from number `from` on.
    pub(super) fn since(&self, from: usize) -> Vec<T> {
        self.kept.iter().skip(from.saturating_sub(self.forgotten)).cloned().collect()
    }
}
