//! Transactions and snapshots of indexed events.
//!
//! Rows of a snapshot, and rows that belong together, are held back until the last of them is here,
//! then go on as one. Rules: dxFeed's `IndexedEvent` contract, as the protocol's clients apply it:
//! a SNAPSHOT_BEGIN drops what was unfinished; SNAPSHOT_END or SNAPSHOT_SNIP completes a snapshot that
//! had begun; TX_PENDING holds back. A REMOVE_EVENT row that begins or ends a snapshot is its mark and
//! no data: of a time series, it stands at the start that was asked for.

use std::collections::HashMap;

use crate::event::flags::{REMOVE_EVENT, SNAPSHOT_BEGIN, SNAPSHOT_END, SNAPSHOT_SNIP, TX_PENDING};
use crate::event::index::IndexWords;
use crate::event::{EventKind, Field, SYMBOL_WORD, Text};
use crate::symbol::SymbolId;

/// Most rows that one symbol's transaction may hold back. One that is longer goes on in parts.
const MAX_PENDING_ROWS: usize = 1 << 20;

const STARTS_OR_HOLDS: i64 = SNAPSHOT_BEGIN | TX_PENDING;
const ENDS_SNAPSHOT: i64 = SNAPSHOT_END | SNAPSHOT_SNIP;

/// The row of a snapshot that is no data: it tells from where on the snapshot is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotMark {
    /// The symbol.
    pub symbol: SymbolId,
    /// The source of orders; [`Text::NONE`] for types without one.
    pub source: Text,
    /// The index of the row.
    pub index: i64,
    /// REMOVE_EVENT; with SNAPSHOT_BEGIN unless rows of the snapshot went on before; with
    /// SNAPSHOT_END or SNAPSHOT_SNIP where the snapshot has no rows.
    pub event_flags: i64,
}

impl SnapshotMark {
    /// Whether the snapshot has no rows: nothing is there of this symbol and source.
    pub fn is_empty_snapshot(&self) -> bool {
        self.event_flags & ENDS_SNAPSHOT != 0
    }

    /// The mark as a row, of which nothing else is known.
    pub fn row(&self, kind: EventKind) -> Vec<u64> {
        let word = |field: &Field| match field.name {
            "event_symbol" => u64::from(self.symbol.0),
            "event_flags" => self.event_flags as u64,
            "index" => self.index as u64,
            "source" => self.source.0,
            _ => field.kind.unknown(),
        };
        kind.fields().iter().map(word).collect()
    }
}

/// What goes on once it is whole.
#[derive(Debug)]
pub(super) enum Group<'a> {
    /// Rows that belong together, or that need no others.
    Rows(&'a [u64]),
    /// The rows of a whole snapshot of one symbol and source, at least one; of one that was too long
    /// to be held back, the last.
    Snapshot(&'a [u64]),
    /// The mark of a snapshot that is whole; its rows come next, if it has any.
    Mark(SnapshotMark),
}

/// The unfinished transactions of one channel, by symbol and source.
#[derive(Debug)]
pub(super) struct Transactions {
    width: usize,
    flags_word: usize,
    index: IndexWords,
    source_word: Option<usize>,
    max_pending_rows: usize,
    open: HashMap<(u64, u64), Transaction>,
    split: u64,
}

#[derive(Debug, Default)]
struct Transaction {
    rows: Vec<u64>,
    /// The snapshot has begun and not ended.
    loading: bool,
    /// The flags of the snapshot's first and last row, until they are set on rows that are data.
    snapshot: i64,
    /// The least index of the rows that are the snapshot's marks.
    mark: Option<i64>,
}

impl Transactions {
    /// For an indexed event type; nothing for a type that has no event flags.
    pub(super) fn new(kind: EventKind) -> Option<Self> {
        let word_of = |name: &str| kind.fields().iter().position(|field| field.name == name);
        Some(Self {
            width: kind.fields().len(),
            flags_word: word_of("event_flags")?,
            index: IndexWords::new(kind)?,
            source_word: word_of("source"),
            max_pending_rows: MAX_PENDING_ROWS,
            open: HashMap::new(),
            split: 0,
        })
    }

    /// Takes rows as they arrived and hands on what is complete, in the same order.
    pub(super) fn pass(&mut self, rows: &[u64], emit: &mut impl FnMut(Group<'_>)) {
        let mut passed = 0;
        for at in (0..rows.len()).step_by(self.width) {
            let row = &rows[at..at + self.width];
            let flags = row[self.flags_word] as i64;
            if self.open.is_empty() && flags & STARTS_OR_HOLDS == 0 {
                continue;
            }
            let key = (row[SYMBOL_WORD], self.source_word.map_or(0, |word| row[word]));
            if flags & STARTS_OR_HOLDS == 0 && !self.open.contains_key(&key) {
                continue;
            }
            if passed < at {
                emit(Group::Rows(&rows[passed..at]));
            }
            passed = at + self.width;
            self.hold(key, row, flags, emit);
        }
        if passed < rows.len() {
            emit(Group::Rows(&rows[passed..]));
        }
    }

    fn hold(&mut self, key: (u64, u64), row: &[u64], flags: i64, emit: &mut impl FnMut(Group<'_>)) {
        let transaction = self.open.entry(key).or_default();
        if flags & SNAPSHOT_BEGIN != 0 {
            *transaction =
                Transaction { loading: true, snapshot: SNAPSHOT_BEGIN, ..Transaction::default() };
        }
        let index = self.index.of(row);
        let is_mark = transaction.loading
            && flags & REMOVE_EVENT != 0
            && flags & (SNAPSHOT_BEGIN | ENDS_SNAPSHOT) != 0
            && transaction.rows.chunks_exact(self.width).all(|row| self.index.of(row) != index);
        let has_ended = !transaction.loading && transaction.snapshot & ENDS_SNAPSHOT != 0;
        if transaction.loading && flags & ENDS_SNAPSHOT != 0 {
            transaction.loading = false;
            transaction.snapshot |= flags & ENDS_SNAPSHOT;
        }
        if is_mark {
            transaction.mark = Some(transaction.mark.map_or(index, |least| least.min(index)));
        } else {
            let at = transaction.rows.len();
            transaction.rows.extend_from_slice(row);
            if has_ended {
                // A snapshot ends once.
                transaction.rows[at + self.flags_word] &= !ENDS_SNAPSHOT as u64;
            }
        }
        if !transaction.loading && flags & TX_PENDING == 0 {
            let mut done = self.open.remove(&key).expect("the transaction was just looked up");
            if let Some(index) = done.mark {
                let flags = if done.rows.is_empty() { !0 } else { !ENDS_SNAPSHOT };
                emit(Group::Mark(SnapshotMark {
                    symbol: SymbolId(key.0 as u32),
                    source: Text(key.1),
                    index,
                    event_flags: REMOVE_EVENT | done.snapshot & flags,
                }));
            }
            self.set_marks(&mut done);
            if !done.rows.is_empty() && done.snapshot & ENDS_SNAPSHOT != 0 {
                emit(Group::Snapshot(&done.rows));
            } else if !done.rows.is_empty() {
                emit(Group::Rows(&done.rows));
            }
        } else if transaction.rows.len() >= self.max_pending_rows * self.width {
            // The last row stays, so that the end of a snapshot has a row to be told with.
            let last = transaction.rows.len() - self.width;
            transaction.rows[self.flags_word] |= (transaction.snapshot & SNAPSHOT_BEGIN) as u64;
            transaction.snapshot &= !SNAPSHOT_BEGIN;
            emit(Group::Rows(&transaction.rows[..last]));
            transaction.rows.drain(..last);
            self.split += 1;
        }
    }

    /// Sets the snapshot's flags on the first and last row that are data, so that a listener sees
    /// each once although the marker rows are gone.
    fn set_marks(&self, done: &mut Transaction) {
        let begin = done.snapshot & SNAPSHOT_BEGIN;
        let end = done.snapshot & ENDS_SNAPSHOT;
        if done.rows.is_empty() || done.snapshot == 0 {
            return;
        }
        let last = done.rows.len() - self.width;
        done.rows[self.flags_word] |= begin as u64;
        let marked = done
            .rows
            .chunks_exact(self.width)
            .any(|row| row[self.flags_word] as i64 & ENDS_SNAPSHOT != 0);
        if !marked {
            done.rows[last + self.flags_word] |= end as u64;
        }
    }

    /// Forgets what a symbol had unfinished.
    pub(super) fn forget(&mut self, symbol: u64) {
        self.open.retain(|key, _| key.0 != symbol);
    }

    /// How many transactions were too long to be held back whole.
    pub(super) fn split(&self) -> u64 {
        self.split
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Candle, Order, Record};
    use crate::symbol::TextId;

    /// Passes candles given as (symbol, index, flags) and returns the groups that came out.
    fn candles(transactions: &mut Transactions, rows: &[(u32, i64, i64)]) -> Vec<Vec<(i64, i64)>> {
        let width = EventKind::Candle.fields().len();
        let mut words = vec![0; rows.len() * width];
        for (row, &(symbol, index, event_flags)) in words.chunks_exact_mut(width).zip(rows) {
            Candle { event_symbol: SymbolId(symbol), index, event_flags, ..Candle::UNKNOWN }
                .write_row(row);
        }
        let mut groups = Vec::new();
        transactions.pass(&words, &mut |group| {
            groups.push(match group {
                Group::Rows(rows) | Group::Snapshot(rows) => {
                    let rows = rows.chunks_exact(width).map(Candle::from_row);
                    rows.map(|candle| (candle.index, candle.event_flags)).collect()
                }
                Group::Mark(mark) => vec![(mark.index, mark.event_flags)],
            });
        });
        groups
    }

    fn new() -> Transactions {
        Transactions::new(EventKind::Candle).unwrap()
    }

    #[test]
    fn a_snapshot_comes_whole_with_its_mark_before_its_rows() {
        let mut transactions = new();
        assert!(candles(&mut transactions, &[(1, 30, 4), (1, 20, 0)]).is_empty());
        let groups = candles(&mut transactions, &[(1, 10, 0), (1, 1, 10), (1, 31, 0)]);
        assert_eq!(groups, [vec![(1, 6)], vec![(30, 4), (20, 0), (10, 8)], vec![(31, 0)]]);
    }

    #[test]
    fn an_empty_snapshot_is_its_mark() {
        let groups = candles(&mut new(), &[(1, 0, 14), (1, 3, 0), (1, 9, 6), (1, 2, 18)]);
        assert_eq!(groups, [[(0, 14)], [(3, 0)], [(2, 22)]]);
    }

    #[test]
    fn a_removal_amid_a_snapshot_is_a_row_of_it() {
        let groups = candles(&mut new(), &[(1, 9, 4), (1, 8, 0), (1, 9, 2), (1, 7, 0), (1, 1, 10)]);
        assert_eq!(groups, [vec![(1, 6)], vec![(9, 4), (8, 0), (9, 2), (7, 8)]]);
    }

    #[test]
    fn a_snapshot_that_is_too_long_goes_on_in_parts_that_begin_and_end_once() {
        let mut transactions = new();
        transactions.max_pending_rows = 3;
        let rows = [(1, 9, 6), (1, 8, 0), (1, 7, 0), (1, 6, 0), (1, 5, 0), (1, 4, 0), (1, 1, 10)];
        let groups = candles(&mut transactions, &rows);
        let parts = [vec![(8, 4), (7, 0)], vec![(6, 0), (5, 0)], vec![(1, 2)], vec![(4, 8)]];
        assert_eq!(groups, parts);
        assert_eq!(transactions.split(), 2);
    }

    #[test]
    fn a_snapshot_of_one_row_is_that_row() {
        assert_eq!(candles(&mut new(), &[(1, 5, 12)]), [vec![(5, 12)]]);
    }

    #[test]
    fn a_snipped_snapshot_is_complete() {
        assert_eq!(candles(&mut new(), &[(1, 5, 4), (1, 4, 16)]), [vec![(5, 4), (4, 16)]]);
    }

    #[test]
    fn a_new_snapshot_drops_the_unfinished_one() {
        let groups = candles(&mut new(), &[(1, 9, 4), (1, 8, 0), (1, 7, 4), (1, 6, 8)]);
        assert_eq!(groups, [vec![(7, 4), (6, 8)]]);
    }

    #[test]
    fn pending_rows_wait_for_the_last_of_their_transaction() {
        let mut transactions = new();
        assert!(candles(&mut transactions, &[(1, 5, 1), (1, 6, 1)]).is_empty());
        assert_eq!(candles(&mut transactions, &[(1, 7, 0)]), [vec![(5, 1), (6, 1), (7, 0)]]);
        let groups = candles(&mut transactions, &[(1, 3, 4), (1, 0, 11), (1, 4, 0)]);
        assert_eq!(groups, [vec![(0, 6)], vec![(3, 4), (4, 8)]]);
    }

    #[test]
    fn symbols_do_not_wait_for_each_other() {
        let groups = candles(&mut new(), &[(1, 1, 1), (2, 2, 0), (2, 3, 0), (1, 4, 0)]);
        assert_eq!(groups, [vec![(2, 0), (3, 0)], vec![(1, 1), (4, 0)]]);
    }

    #[test]
    fn an_end_without_a_begin_and_a_live_removal_pass_as_they_are() {
        assert_eq!(candles(&mut new(), &[(1, 5, 8), (1, 4, 2)]), [vec![(5, 8), (4, 2)]]);
    }

    #[test]
    fn a_forgotten_symbol_holds_nothing_back() {
        let mut transactions = new();
        candles(&mut transactions, &[(1, 9, 4), (2, 9, 4)]);
        transactions.forget(1);
        assert_eq!(candles(&mut transactions, &[(1, 5, 0)]), [vec![(5, 0)]]);
        assert!(candles(&mut transactions, &[(2, 5, 0)]).is_empty());
    }

    #[test]
    fn each_source_of_orders_has_its_own_snapshot() {
        let mut transactions = Transactions::new(EventKind::Order).unwrap();
        let width = EventKind::Order.fields().len();
        let mut words = vec![0; 3 * width];
        let rows = [(0, 1, 4), (1, 2, 0), (0, 3, 8)];
        for (row, (source, index, event_flags)) in words.chunks_exact_mut(width).zip(rows) {
            let source = Text::from(TextId(source));
            Order { event_flags, index, source, ..Order::UNKNOWN }.write_row(row);
        }
        let mut groups: Vec<Vec<i64>> = Vec::new();
        transactions.pass(&words, &mut |group| {
            let (Group::Rows(rows) | Group::Snapshot(rows)) = group else {
                panic!("no snapshot has a mark")
            };
            groups.push(rows.chunks_exact(width).map(|row| Order::from_row(row).index).collect());
        });
        assert_eq!(groups, [vec![2], vec![1, 3]]);
    }

    #[test]
    fn types_without_flags_have_no_transactions() {
        assert!(Transactions::new(EventKind::Quote).is_none());
    }
}
