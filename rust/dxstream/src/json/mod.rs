//! Reading text frames: feed data, COMPACT or FULL, into rows; any other message into a map.
//!
//! Every frame can be read by way of a JSON tree. COMPACT data that is written the usual way is
//! read in one pass, without a tree and with the same result.

mod batch;
mod compact;
mod general;
mod lanes;
mod number;
mod recent;
mod schema;
mod short;
mod steps;
mod value;
mod window;

pub use batch::Batch;
pub use schema::{Schema, SchemaError};

use serde_json::{Map, Value};

use crate::event::EventKind;
use crate::symbol::Tables;

/// What a reader needs to know of the connection's channels.
pub trait Channels {
    /// Whether there is such a channel.
    fn is_open(&self, channel: u64) -> bool;

    /// The columns of an event type on a channel, once they are known.
    fn schema(&self, channel: u64, kind: EventKind) -> Option<&Schema>;
}

/// What a frame held besides the rows that went into the batch.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// Feed data.
    Data {
        /// The channel of the data.
        channel: u64,
        /// What of the data is not in the batch.
        rejected: Rejected,
    },
    /// A message of another type, or of none.
    Message(Map<String, Value>),
}

/// The part of a frame's data that is not in the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rejected {
    /// Rows with a value of the wrong type, what follows such a row in its block, and rows with a
    /// symbol or text for which the table has no place. An incomplete row counts as one.
    pub rows: u64,
    /// Blocks, or FULL events, of an unknown event type, of one without a schema or of an unknown
    /// channel, and pairs that are no block.
    pub blocks: u64,
}

/// A frame that holds nothing to be used. None of it went into the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The JSON ends early.
    #[error("the frame ends early, at byte {0}")]
    Truncated(usize),
    /// The frame is not JSON, is nested too deep, or has a number beyond any double.
    #[error("the frame is not JSON at byte {0}")]
    Malformed(usize),
    /// The frame is a JSON value other than an object.
    #[error("the frame is not a JSON object")]
    NotAnObject,
    /// The channel of feed data is missing or no number.
    #[error("the feed data has no channel")]
    Channel,
    /// The data of feed data is missing, or neither COMPACT nor FULL.
    #[error("the feed data has no data")]
    Data,
}

/// Reads text frames, one after another.
///
/// It remembers the symbols of the frames before, so it is best kept for one connection.
#[derive(Debug, Default)]
pub struct FrameReader {
    lookup: compact::Lookup,
}

impl FrameReader {
    /// Bytes of the symbols and texts that it remembers, at most.
    pub const MOST_BYTES: usize = compact::Lookup::MOST_BYTES;

    /// A reader that has seen no frames.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a frame; the rows of its data replace those in `batch`.
    ///
    /// # Errors
    /// [`FrameError`] when the frame is not a valid message. The batch is empty then.
    pub fn read(
        &mut self,
        frame: &str,
        channels: &impl Channels,
        tables: &Tables,
        batch: &mut Batch,
    ) -> Result<Frame, FrameError> {
        batch.clear();
        if let Some(channel) = compact::read(frame, channels, tables, &mut self.lookup, batch) {
            return Ok(Frame::Data { channel, rejected: Rejected::default() });
        }
        batch.clear();
        general::read(frame, channels, tables, batch)
    }
}

#[cfg(test)]
mod tests;
