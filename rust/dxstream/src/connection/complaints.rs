//! What a server complains of.

use std::collections::VecDeque;

/// Most complaints that are kept.
const MAX_COMPLAINTS: usize = 16;

/// The last complaints of a server.
#[derive(Debug, Default)]
pub(super) struct Complaints(VecDeque<String>);

impl Complaints {
    pub(super) fn push(&mut self, text: String) {
        if self.0.len() == MAX_COMPLAINTS {
            self.0.pop_front();
        }
        self.0.push_back(text);
    }

    /// The complaints, oldest first.
    pub(super) fn all(&self) -> Vec<String> {
        self.0.iter().cloned().collect()
    }
}
