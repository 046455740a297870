//! What the exchange can be asked for: the source's events and those that the caller published.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use dxstream::event::{EventKind, flags};
use dxstream::symbol::{SymbolId, Tables, TextId};
use foldhash::fast::RandomState;

use crate::source::{Depth, EventSource, Row};

/// Most published rows that are kept of a symbol's history; the oldest go first.
const MAX_HISTORY: usize = 1 << 17;

type Key = (EventKind, SymbolId);

/// The last events and the histories.
pub(crate) struct Ledger {
    pub(crate) tables: Arc<Tables>,
    pub(crate) source: Option<Box<dyn EventSource>>,
    /// Published rows that are newer than what the source has.
    latest: HashMap<Key, Row, RandomState>,
    /// Published rows of indexed types, by index.
    history: HashMap<Key, BTreeMap<i64, Row>, RandomState>,
    depth: HashMap<String, Depth>,
}

impl Ledger {
    pub(crate) fn new(tables: Arc<Tables>, source: Option<Box<dyn EventSource>>) -> Self {
        Self {
            tables,
            source,
            latest: HashMap::default(),
            history: HashMap::default(),
            depth: HashMap::new(),
        }
    }

    /// Keeps a published row: the last of its symbol, and by its index a part of the history.
    pub(crate) fn record(&mut self, row: &Row) {
        let key = (row.kind, row.symbol());
        let delivery = row.kind.delivery();
        let removed = row.flags() & flags::REMOVE_EVENT != 0;
        if delivery.lasting && !removed {
            self.latest.insert(key, *row);
        }
        if delivery.indexed {
            let rows = self.history.entry(key).or_default();
            if removed {
                rows.remove(&row.index());
            } else {
                let mut row = *row;
                row.set_flags(0);
                rows.insert(row.index(), row);
                if rows.len() > MAX_HISTORY {
                    rows.pop_first();
                }
            }
        }
    }

    /// Notes that the source said something newer than what was published.
    pub(crate) fn supersede(&mut self, row: &Row) {
        if !self.latest.is_empty() {
            self.latest.remove(&(row.kind, row.symbol()));
        }
    }

    /// Replaces what was published of a symbol's history.
    pub(crate) fn replace_history(&mut self, kind: EventKind, symbol: SymbolId, rows: &[Row]) {
        self.history.insert((kind, symbol), BTreeMap::new());
        for row in rows {
            self.record(row);
        }
    }

    pub(crate) fn set_depth(&mut self, symbol: &str, depth: Depth) {
        self.depth.insert(symbol.to_owned(), depth);
    }

    pub(crate) fn knows(&mut self, kind: EventKind, symbol: SymbolId) -> bool {
        let key = (kind, symbol);
        if self.latest.contains_key(&key) || self.history.contains_key(&key) {
            return true;
        }
        match (&mut self.source, self.tables.symbol(symbol)) {
            (Some(source), Some(symbol)) => source.knows(kind, symbol),
            _ => false,
        }
    }

    pub(crate) fn latest(&mut self, kind: EventKind, symbol: SymbolId) -> Option<Row> {
        if let Some(row) = self.latest.get(&(kind, symbol)) {
            return Some(*row);
        }
        if !self.knows(kind, symbol) {
            return None;
        }
        self.source.as_mut()?.latest(kind, symbol)
    }

    /// The events since `from_time` in ascending index.
    pub(crate) fn history(
        &mut self,
        kind: EventKind,
        symbol: SymbolId,
        source: Option<TextId>,
        from_time: i64,
    ) -> Vec<Row> {
        let text = source.and_then(|id| self.tables.text(id));
        let mut rows = match &mut self.source {
            Some(events) => events.history(kind, symbol, text, from_time),
            None => Vec::new(),
        };
        let time_series = kind.delivery().time_series;
        let published = self.history.get(&(kind, symbol)).into_iter().flat_map(BTreeMap::values);
        let before = rows.len();
        rows.extend(published.filter(|row| {
            (!time_series || row.time() >= from_time)
                && (source.is_none() || row.source() == source)
        }));
        if rows.len() > before && before > 0 {
            // Published rows stand behind the source's, so that of one index the last is theirs.
            rows.sort_by_key(Row::index);
            rows.reverse();
            rows.dedup_by_key(|row| row.index());
            rows.reverse();
        }
        rows
    }

    /// The order book of a symbol.
    pub(crate) fn depth(&mut self, symbol: &str, levels: usize) -> Option<Depth> {
        let mut depth = match self.depth.get(symbol) {
            Some(depth) => depth.clone(),
            None => self.source.as_mut()?.depth(symbol, levels)?,
        };
        depth.bids.truncate(levels);
        depth.asks.truncate(levels);
        Some(depth)
    }
}

#[cfg(test)]
mod tests {
    use dxstream::event::{Candle, Record};

    use super::*;

    #[test]
    fn history_is_what_was_published_since_a_time_by_index() {
        let tables = Arc::new(Tables::new());
        let symbol = SymbolId(tables.symbols.intern("AAPL{=d}").unwrap());
        let mut ledger = Ledger::new(tables, None);
        let bar = |time: i64, close, event_flags| {
            Row::new(&Candle {
                event_symbol: symbol,
                index: dxstream::event::index::pack(time, 0),
                time,
                close,
                event_flags,
                ..Candle::UNKNOWN
            })
        };
        for row in [bar(3000, 3.0, 0), bar(1000, 1.0, 0), bar(2000, 2.0, 0), bar(2000, 2.5, 0)] {
            ledger.record(&row);
        }
        let closes = |ledger: &mut Ledger, from| -> Vec<f64> {
            ledger
                .history(EventKind::Candle, symbol, None, from)
                .iter()
                .map(|row| Candle::from_row(&row.words).close)
                .collect()
        };
        assert_eq!(closes(&mut ledger, 2000), [2.5, 3.0]);
        ledger.record(&bar(2000, 0.0, flags::REMOVE_EVENT));
        assert_eq!(closes(&mut ledger, 0), [1.0, 3.0]);
        ledger.replace_history(EventKind::Candle, symbol, &[bar(9000, 9.0, 0)]);
        assert_eq!(closes(&mut ledger, 0), [9.0]);
        assert!(ledger.knows(EventKind::Candle, symbol));
    }
}
