//! The writer of messages that were read at once.
//!
//! To hand rows to a listener's queue costs more than to append one there, so the rows of small messages
//! are put into the store together.

use super::StoreWriter;
use crate::event::EventKind;
use crate::protocol::{EventSink, SnapshotMark, TypeGap};

/// More rows at once are put into the store as they come.
const SMALL: usize = 8;

/// So many rows are put into the store before others are waited for.
const MOST: usize = 256;

/// A store's writer that puts rows of one event type into it together. Whatever is done after
/// [`BurstWriter::finish`] or another call than [`EventSink::rows`] finds all rows there.
#[derive(Debug)]
pub struct BurstWriter<'a> {
    writer: StoreWriter<'a>,
    rows: &'a mut Vec<u64>,
    /// The type of the rows that wait.
    kind: Option<EventKind>,
}

impl<'a> BurstWriter<'a> {
    /// A writer that keeps rows in `buffer`, which is empty then and afterwards.
    pub fn new(writer: StoreWriter<'a>, buffer: &'a mut Vec<u64>) -> Self {
        buffer.clear();
        Self { writer, rows: buffer, kind: None }
    }

    /// Puts the rows that wait into the store.
    pub fn finish(&mut self) {
        if let Some(kind) = self.kind.take() {
            self.writer.rows(kind, self.rows);
            self.rows.clear();
        }
    }

    fn finished(&mut self) -> &mut StoreWriter<'a> {
        self.finish();
        &mut self.writer
    }
}

impl EventSink for BurstWriter<'_> {
    fn rows(&mut self, kind: EventKind, rows: &[u64]) {
        let width = kind.fields().len();
        if rows.len() > SMALL * width || kind.delivery().time_series {
            return self.finished().rows(kind, rows);
        }
        if self.kind != Some(kind) {
            self.finish();
            self.kind = Some(kind);
        }
        self.rows.extend_from_slice(rows);
        if self.rows.len() >= MOST * width {
            self.finish();
        }
    }

    fn snapshot(&mut self, kind: EventKind, rows: &[u64], resumed: bool) {
        self.finished().snapshot(kind, rows, resumed);
    }

    fn snapshot_mark(&mut self, kind: EventKind, mark: &SnapshotMark) {
        self.finished().snapshot_mark(kind, mark);
    }

    fn gap(&mut self, gap: &TypeGap) {
        self.finished().gap(gap);
    }

    fn last_time(&self, kind: EventKind, symbol: &str) -> Option<i64> {
        // Rows of time series do not wait.
        self.writer.last_time(kind, symbol)
    }
}

#[cfg(all(test, not(dxstream_loom)))]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::event::{MAX_WORDS, SYMBOL_WORD};
    use crate::store::{Consumer, QueueSettings, Store};
    use crate::symbol::{SymbolId, Tables};

    const KINDS: [EventKind; 4] =
        [EventKind::Quote, EventKind::Trade, EventKind::TimeAndSale, EventKind::Order];

    fn rows(kind: EventKind, count: usize, next: &mut u64) -> Vec<u64> {
        let width = kind.fields().len();
        let mut rows = vec![0; count * width];
        for row in rows.chunks_exact_mut(width) {
            *next += 1;
            row[width - 1] = *next;
            row[SYMBOL_WORD] = *next % 3;
        }
        rows
    }

    fn taken(consumer: &mut Consumer, width: usize) -> Vec<u64> {
        let mut taken = Vec::new();
        while let Some((rows, times)) = consumer.next_rows(1_000, || 0) {
            assert!(times.iter().all(|&time| time == 7) && rows.len() == times.len() * width);
            taken.extend_from_slice(rows);
        }
        taken
    }

    proptest! {
        #[test]
        fn what_is_in_the_store_afterwards_does_not_depend_on_how_rows_came(
            messages in prop::collection::vec((0..KINDS.len(), 0_usize..20), 0..60),
        ) {
            let store = || Store::new(Arc::new(Tables::new()), 4);
            let (one, other) = (store(), store());
            let listen = |store: &Store| {
                KINDS.map(|kind| store.listen(kind, None, QueueSettings::every(10_000)))
            };
            let (mut of_one, mut of_other) = (listen(&one), listen(&other));
            let (mut next, mut buffer) = (0, vec![1, 2, 3]);
            let mut together =
                BurstWriter::new(StoreWriter { store: &other, received_at: 7 }, &mut buffer);
            for (kind, count) in messages {
                let rows = rows(KINDS[kind], count, &mut next);
                StoreWriter { store: &one, received_at: 7 }.rows(KINDS[kind], &rows);
                together.rows(KINDS[kind], &rows);
            }
            together.finish();
            prop_assert!(buffer.is_empty());
            for (at, kind) in KINDS.into_iter().enumerate() {
                let width = kind.fields().len();
                let expected = taken(&mut of_one[at], width);
                prop_assert_eq!(taken(&mut of_other[at], width), expected);
                for symbol in (0..3).map(SymbolId) {
                    let latest = |store: &Store| {
                        let mut row = [0; MAX_WORDS];
                        (store.latest(kind, symbol, &mut row), row)
                    };
                    prop_assert_eq!(latest(&one), latest(&other));
                }
            }
        }
    }
}
