//! What a session counts.

use crate::event::EventKind;

/// What a session has counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Text frames received.
    pub messages: u64,
    /// Bytes of text frames received.
    pub bytes: u64,
    /// Events read, marker rows of snapshots included.
    pub events: u64,
    /// The same by event type, in the order of [`EventKind::ALL`].
    pub by_type: [u64; EventKind::ALL.len()],
    /// Frames that were no DXLink message.
    pub malformed_frames: u64,
    /// Rows that could not be read.
    pub rejected_rows: u64,
    /// Blocks of an unknown event type, channel or field list.
    pub rejected_blocks: u64,
    /// Transactions that were too long to be handed on whole.
    pub split_transactions: u64,
    /// ERROR messages received.
    pub server_errors: u64,
}

impl std::ops::Add for Counters {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            messages: self.messages + other.messages,
            bytes: self.bytes + other.bytes,
            events: self.events + other.events,
            by_type: std::array::from_fn(|kind| self.by_type[kind] + other.by_type[kind]),
            malformed_frames: self.malformed_frames + other.malformed_frames,
            rejected_rows: self.rejected_rows + other.rejected_rows,
            rejected_blocks: self.rejected_blocks + other.rejected_blocks,
            split_transactions: self.split_transactions + other.split_transactions,
            server_errors: self.server_errors + other.server_errors,
        }
    }
}
