//! Feed data, read in one pass and by way of a tree: the same rows, rejects and errors.

use dxstream::event::EventKind;
use dxstream::json::{Batch, Channels, Frame, FrameError, FrameReader, Schema};
use dxstream::symbol::Tables;

/// Two channels that know every event type: 1 with the fields as declared, 3 with them in reverse and
/// with a column between that no type has.
struct TwoChannels([Vec<Schema>; 2]);

impl TwoChannels {
    fn new() -> Self {
        let declared = |kind: &EventKind| {
            let names: Vec<_> = kind.fields().iter().map(|field| field.wire).collect();
            Schema::new(*kind, &names).expect("declared fields make a schema")
        };
        let reversed = |kind: &EventKind| {
            let mut names: Vec<_> = kind.fields().iter().rev().map(|field| field.wire).collect();
            names.insert(names.len() / 2, "ofNoType");
            Schema::new(*kind, &names).expect("declared fields make a schema")
        };
        Self([
            EventKind::ALL.iter().map(declared).collect(),
            EventKind::ALL.iter().map(reversed).collect(),
        ])
    }
}

impl Channels for TwoChannels {
    fn is_open(&self, channel: u64) -> bool {
        matches!(channel, 1 | 3)
    }

    fn schema(&self, channel: u64, kind: EventKind) -> Option<&Schema> {
        self.is_open(channel).then(|| &self.0[channel as usize / 2][kind as usize])
    }
}

type Blocks = Vec<(EventKind, Vec<u64>)>;

fn blocks(batch: &Batch) -> Blocks {
    batch.blocks().map(|(kind, words)| (kind, words.to_vec())).collect()
}

/// The error as it is where the frame has one byte less in front.
fn one_byte_earlier(error: FrameError) -> FrameError {
    match error {
        FrameError::Truncated(at) => FrameError::Truncated(at.saturating_sub(1)),
        FrameError::Malformed(at) => FrameError::Malformed(at.saturating_sub(1)),
        error => error,
    }
}

/// Reads each line as a frame.
///
/// # Panics
/// If the two ways of reading do not agree, or if rows were lost without a count.
pub fn check(input: &[u8]) {
    let (channels, tables) = (TwoChannels::new(), Tables::new());
    let mut fast = FrameReader::new();
    for frame in String::from_utf8_lossy(input).lines() {
        let (mut batch, mut expected) = (Batch::new(), Batch::new());
        // The one-pass reader gives up at a space in front, and the tree takes over.
        let by_tree =
            FrameReader::new().read(&format!(" {frame}"), &channels, &tables, &mut expected);
        // It knows only symbols that were met before, and by now all of this frame were.
        let read = fast.read(frame, &channels, &tables, &mut batch);
        assert_eq!(blocks(&batch), blocks(&expected), "{frame}");
        assert_eq!(read, by_tree.map_err(one_byte_earlier), "{frame}");
        if !matches!(read, Ok(Frame::Data { .. })) {
            assert!(batch.is_empty(), "rows of a frame that is no data: {frame}");
        }
    }
}
