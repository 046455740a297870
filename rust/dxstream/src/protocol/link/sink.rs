//! Where the events of a link go while a gap is open.

use std::time::Duration;

use crate::event::EventKind;
use crate::protocol::EventSink;
use crate::protocol::gap::{OpenGaps, TypeGap};
use crate::protocol::transaction::SnapshotMark;

/// Ends the gap of an event type when its first events come, before they are handed on.
pub(super) struct GapSink<'a, S> {
    pub(super) gaps: &'a mut OpenGaps,
    pub(super) sink: &'a mut S,
    pub(super) now: Duration,
}

impl<S: EventSink> GapSink<'_, S> {
    fn came(&mut self, kind: EventKind) {
        if let Some(over) = self.gaps.events(kind, self.now) {
            self.sink.gap(over);
        }
    }
}

impl<S: EventSink> EventSink for GapSink<'_, S> {
    fn rows(&mut self, kind: EventKind, rows: &[u64]) {
        self.came(kind);
        self.sink.rows(kind, rows);
    }

    fn snapshot(&mut self, kind: EventKind, rows: &[u64], resumed: bool) {
        self.came(kind);
        self.sink.snapshot(kind, rows, resumed);
    }

    fn snapshot_mark(&mut self, kind: EventKind, mark: &SnapshotMark) {
        self.came(kind);
        self.sink.snapshot_mark(kind, mark);
    }

    fn gap(&mut self, gap: &TypeGap) {
        self.sink.gap(gap);
    }

    fn last_time(&self, kind: EventKind, symbol: &str) -> Option<i64> {
        self.sink.last_time(kind, symbol)
    }
}
