//! The numbers that the server gives its notifications.

/// What the numbers say about the notifications of connections. Numbers that are missing need not be a
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

impl SequenceCounts {
    /// Takes note of a number, where `last` is the highest of the connection so far.
    pub(super) fn note(&mut self, last: &mut Option<i64>, number: i64) {
        match *last {
            Some(last) if number <= last => {
                self.repeats += 1;
                return;
            }
            Some(last) if number - 1 > last => {
                self.gaps += 1;
                self.missing = self.missing.saturating_add(last.abs_diff(number) - 1);
            }
            _ => {}
        }
        *last = Some(number);
    }
}
