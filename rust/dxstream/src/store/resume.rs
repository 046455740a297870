//! What a new connection asks of the rings: where a time series ended, and which of its rows had
//! come before.

use super::Store;
use crate::event::flags::{SNAPSHOT_BEGIN, SNAPSHOT_END, SNAPSHOT_SNIP};
use crate::event::{EVENT_TIME_WORD, EventKind, SYMBOL_WORD, index};
use crate::symbol::SymbolId;

/// Bars of 2038 and later are a fault that live feeds were seen to have; no series goes on from there.
const TOO_LATE: i64 = (1 << 31) * 1000;

/// The places of the fields that a time series is ordered and marked by.
struct Words {
    index: usize,
    flags: usize,
}

impl Words {
    fn of(kind: EventKind) -> Option<Self> {
        let word = |name| kind.fields().iter().position(|field| field.name == name);
        Some(Self { index: word("index")?, flags: word("event_flags")? })
    }
}

impl Store {
    /// The time of the last event of a symbol's time series, in ms since 1970 UTC.
    pub fn last_time(&self, kind: EventKind, symbol: &str) -> Option<i64> {
        let words = Words::of(kind)?;
        let symbol = SymbolId(self.tables().symbols.find(symbol)?);
        let mut last = None;
        self.history(kind, symbol, usize::MAX, |row, _| {
            let time = index::time(row[words.index] as i64);
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
        let (Some(words), Some(first)) = (Words::of(kind), rows.get(..width)) else {
            return rows.to_vec();
        };
        let content = |row: &[u64]| {
            let mut content = row.to_vec();
            content[words.flags] = 0;
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
            let end = rows[last + words.flags] as i64 & ends;
            new[words.flags] |= SNAPSHOT_BEGIN as u64;
            let last = new.len() - width;
            new[last + words.flags] |= end as u64;
        }
        new
    }
}
