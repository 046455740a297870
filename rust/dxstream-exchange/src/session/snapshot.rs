//! Snapshots of a HISTORY subscription: newest first, closed by a marker row where no event stands in
//! the marker's place.

use dxstream::event::{EventKind, flags, index};
use dxstream::symbol::{SymbolId, TextId};

use crate::source::{Row, has_source};

/// The snapshot of `events`, which are in ascending index; orders have one for each of their sources.
pub(crate) fn rows(
    kind: EventKind,
    symbol: SymbolId,
    source: Option<TextId>,
    from_time: i64,
    events: &[Row],
) -> Vec<Row> {
    let mut sources: Vec<Option<TextId>> = Vec::new();
    if has_source(kind) && source.is_none() {
        for row in events {
            if !sources.contains(&row.source()) {
                sources.push(row.source());
            }
        }
    }
    if sources.is_empty() {
        sources.push(source);
    }
    let mut snapshot = Vec::with_capacity(events.len() + sources.len());
    for source in sources {
        let start = snapshot.len();
        let newest_first = events.iter().rev().copied();
        snapshot.extend(newest_first.filter(|row| !has_source(kind) || row.source() == source));
        for row in &mut snapshot[start..] {
            row.set_flags(0);
        }
        let marker = marker(kind, symbol, source, from_time);
        // The marker would remove an event of its index, as clients know events by their index.
        match snapshot[start..].last_mut() {
            Some(last) if last.index() == marker.index() => last.set_flags(flags::SNAPSHOT_END),
            _ => snapshot.push(marker),
        }
        let first = &mut snapshot[start];
        first.set_flags(first.flags() | flags::SNAPSHOT_BEGIN);
    }
    snapshot
}

/// The row that ends a snapshot: it removes what is not there, at the start of the time asked for.
fn marker(kind: EventKind, symbol: SymbolId, source: Option<TextId>, from_time: i64) -> Row {
    let mut marker = Row::unknown(kind, symbol);
    marker.set_flags(flags::REMOVE_EVENT | flags::SNAPSHOT_END);
    marker.set_source(source);
    if kind.delivery().time_series {
        marker.set_index_and_time(index::pack(from_time, 0), from_time);
    }
    marker
}
