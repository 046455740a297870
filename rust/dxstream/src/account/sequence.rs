//! The numbers that the server gives its notifications.

use std::ops::Add;

/// What the numbers say about the notifications of a connection. Numbers that are missing need not be a
/// loss: the server was seen to number more than it sends to one client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SequenceCounts {
    /// How often numbers were missing.
    pub gaps: u64,
    /// How many numbers were missing.
    pub missing: u64,
    /// How many notifications had a number that was not above the highest before.
    pub repeats: u64,
}

impl Add for SequenceCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            gaps: self.gaps + other.gaps,
            missing: self.missing.saturating_add(other.missing),
            repeats: self.repeats + other.repeats,
        }
    }
}

/// The highest number so far, and the counts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sequence {
    last: Option<i64>,
    pub(super) counts: SequenceCounts,
}

impl Sequence {
    pub(super) fn note(&mut self, number: i64) {
        match self.last {
            Some(last) if number <= last => {
                self.counts.repeats += 1;
                return;
            }
            Some(last) if number - 1 > last => {
                self.counts.gaps += 1;
                let missing = last.abs_diff(number) - 1;
                self.counts.missing = self.counts.missing.saturating_add(missing);
            }
            _ => {}
        }
        self.last = Some(number);
    }
}
