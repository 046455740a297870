//! What a new connection asks of the rings: where a time series ended, and which of its rows had
//! come before.

use super::Store;
use crate::event::flags::{SNAPSHOT_BEGIN, SNAPSHOT_END, SNAPSHOT_SNIP};
use crate::event::index::{self, IndexWords};
use crate::event::{EVENT_TIME_WORD, EventKind, SYMBOL_WORD};
use crate::symbol::SymbolId;

/// Bars of 2038 and later are a fault that live feeds were seen to have; no series goes on from there.
const TOO_LATE: i64 = (1 << 31) * 1000;

impl Store {
    /// The time of the last event of a symbol's time series, in ms since 1970 UTC.
    pub fn last_time(&self, kind: EventKind, symbol: &str) -> Option<i64> {
        let words = IndexWords::new(kind)?;
        let symbol = SymbolId(self.tables().symbols.find(symbol)?);
        let mut last = None;
        self.history(kind, symbol, usize::MAX, |row, _| {
            let time = index::time(words.of(row));
            if time < TOO_LATE {
                last = last.max(Some(time));
            }
        });
        last
    }

    /// The rows of a snapshot that did not come before: of those at the time of the last event, what
    /// the ring has is left out. The first and the last that stay have the snapshot's flags.
    pub(super) fn not_yet_seen(&self, kind: EventKind, rows: &[u64]) -> Vec<u64> {
        let width = kind.fields().len();
        let flags_word = kind.fields().iter().position(|field| field.name == "event_flags");
        let (Some(flags_word), Some(index), Some(first)) =
            (flags_word, IndexWords::new(kind), rows.get(..width))
        else {
            return rows.to_vec();
        };
        let content = |row: &[u64]| {
            let mut content = row.to_vec();
            content[flags_word] = 0;
            // Two connections may have been told other columns.
            index.complete(&mut content);
            content[EVENT_TIME_WORD] = 0;
            content
        };
        let symbol = SymbolId(first[SYMBOL_WORD] as u32);
        let mut seen = Vec::new();
        self.history(kind, symbol, usize::MAX, |row, _| seen.push(content(row)));
        let new = rows.chunks_exact(width).filter(|row| !seen.contains(&content(row)));
        let mut new: Vec<u64> = new.flatten().copied().collect();
        if !new.is_empty() {
            let ends = SNAPSHOT_END | SNAPSHOT_SNIP;
            let last = rows.len() - width;
            let end = rows[last + flags_word] as i64 & ends;
            new[flags_word] |= SNAPSHOT_BEGIN as u64;
            let last = new.len() - width;
            new[last + flags_word] |= end as u64;
        }
        new
    }
}

#[cfg(all(test, not(dxstream_loom)))]
mod tests {
    use std::sync::Arc;

    use crate::event::flags::{SNAPSHOT_BEGIN, SNAPSHOT_END};
    use crate::event::{EventKind, Record, TimeAndSale, index};
    use crate::protocol::EventSink;
    use crate::series::Series;
    use crate::store::{QueueSettings, Store, StoreWriter};
    use crate::symbol::{SymbolId, Tables};

    fn sale(sequence: i64, index: i64) -> Vec<u64> {
        let mut row = vec![0; EventKind::TimeAndSale.fields().len()];
        TimeAndSale {
            event_symbol: SymbolId(0),
            time: 5000,
            sequence,
            index,
            ..TimeAndSale::UNKNOWN
        }
        .write_row(&mut row);
        row
    }

    #[test]
    fn sales_go_on_where_they_ended_though_the_server_sends_no_index() {
        let tables = Arc::new(Tables::new());
        tables.symbols.intern("A").unwrap();
        let store = Store::new(tables, 8);
        let mut writer = StoreWriter { store: &store, received_at: 0 };
        let kind = EventKind::TimeAndSale;
        writer.rows(kind, &sale(1, 0));
        assert_eq!(store.last_time(kind, "A"), Some(5000));
        let again = [sale(2, index::pack(5000, 2)), sale(1, index::pack(5000, 1))].concat();
        writer.snapshot(kind, &again, true);
        let mut sequences = Vec::new();
        store.history(kind, SymbolId(0), 8, |row, _| {
            sequences.push(TimeAndSale::from_row(row).sequence);
        });
        assert_eq!(sequences, [1, 2]);
    }

    #[test]
    fn a_series_takes_all_of_a_snapshot_of_which_listeners_know_a_part() {
        let kind = EventKind::TimeAndSale;
        let tables = Arc::new(Tables::new());
        let symbol = SymbolId(tables.symbols.intern("A").unwrap());
        let store = Store::new(tables, 0);
        let mut listener = store.listen(kind, None, QueueSettings::every(8));
        let mut followed = store.follow(kind, symbol, 8);
        let mut series = Series::new(kind, 0, Vec::new());
        let mut writer = StoreWriter { store: &store, received_at: 0 };
        let [first, second, third] =
            [1, 2, 3].map(|sequence| sale(sequence, index::pack(5000, sequence)));
        let flags = kind.fields().iter().position(|field| field.name == "event_flags").unwrap();
        let flagged = |row: &[u64], event_flags: i64| {
            let mut row = row.to_vec();
            row[flags] = event_flags as u64;
            row
        };
        writer.snapshot(kind, &flagged(&first, SNAPSHOT_BEGIN | SNAPSHOT_END), false);
        writer.rows(kind, &second);
        let again =
            [flagged(&third, SNAPSHOT_BEGIN), second, flagged(&first, SNAPSHOT_END)].concat();
        writer.snapshot(kind, &again, true);
        let mut heard = Vec::new();
        while let Some((row, _)) = listener.next_row(0) {
            heard.push(TimeAndSale::from_row(row).sequence);
        }
        assert_eq!(heard, [1, 2, 3, 1], "the ring knows the second alone");
        while let Some((row, received_at)) = followed.next_row(0) {
            series.apply(row, received_at);
        }
        let held = series.rows().map(|(row, _)| TimeAndSale::from_row(row).sequence);
        assert_eq!(held.collect::<Vec<_>>(), [1, 2, 3]);
    }
}
