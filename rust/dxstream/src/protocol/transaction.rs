//! Transactions and snapshots of indexed events.
//!
//! Rows of a snapshot, and rows that belong together, are held back until the last of them is here,
//! then go on as one. Rules: dxFeed's `IndexedEvent` contract, as the protocol's clients apply it:
//! a SNAPSHOT_BEGIN drops what was unfinished; SNAPSHOT_END or SNAPSHOT_SNIP completes a snapshot that
//! had begun; TX_PENDING holds back; REMOVE_EVENT rows of a snapshot mark its end and are no data.

use std::collections::HashMap;

use crate::event::flags::{REMOVE_EVENT, SNAPSHOT_BEGIN, SNAPSHOT_END, SNAPSHOT_SNIP, TX_PENDING};
use crate::event::{EventKind, SYMBOL_WORD};

/// Most rows that one symbol's transaction may hold back. One that is longer goes on in parts.
const MAX_PENDING_ROWS: usize = 1 << 20;

const STARTS_OR_HOLDS: i64 = SNAPSHOT_BEGIN | TX_PENDING;
const ENDS_SNAPSHOT: i64 = SNAPSHOT_END | SNAPSHOT_SNIP;

/// What goes on once it is whole.
#[derive(Debug)]
pub(super) enum Group<'a> {
    /// Rows that belong together, or that need no others.
    Rows(&'a [u64]),
    /// The rows of a whole snapshot of one symbol and source, at least one.
    Snapshot(&'a [u64]),
    /// A snapshot without a row: nothing is there of this symbol and source.
    Empty {
        /// The symbol's word.
        symbol: u64,
        /// The source's word; 0 for types without one.
        source: u64,
    },
}

/// The unfinished transactions of one channel, by symbol and source.
#[derive(Debug)]
pub(super) struct Transactions {
    width: usize,
    flags_word: usize,
    source_word: Option<usize>,
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
}

impl Transactions {
    /// For an indexed event type; nothing for a type that has no event flags.
    pub(super) fn new(kind: EventKind) -> Option<Self> {
        let word_of = |name: &str| kind.fields().iter().position(|field| field.name == name);
        Some(Self {
            width: kind.fields().len(),
            flags_word: word_of("event_flags")?,
            source_word: word_of("source"),
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
                Transaction { rows: Vec::new(), loading: true, snapshot: SNAPSHOT_BEGIN };
        }
        let of_snapshot = transaction.loading;
        if of_snapshot && flags & ENDS_SNAPSHOT != 0 {
            transaction.loading = false;
            transaction.snapshot |= flags & ENDS_SNAPSHOT;
        }
        if !(of_snapshot && flags & REMOVE_EVENT != 0) {
            transaction.rows.extend_from_slice(row);
        }
        let complete = !transaction.loading && flags & TX_PENDING == 0;
        if complete {
            let mut done = self.open.remove(&key).expect("the transaction was just looked up");
            self.mark(&mut done);
            if !done.rows.is_empty() && done.snapshot != 0 {
                emit(Group::Snapshot(&done.rows));
            } else if !done.rows.is_empty() {
                emit(Group::Rows(&done.rows));
            } else if done.snapshot != 0 {
                emit(Group::Empty { symbol: key.0, source: key.1 });
            }
        } else if transaction.rows.len() >= MAX_PENDING_ROWS * self.width {
            emit(Group::Rows(&transaction.rows));
            transaction.rows.clear();
            self.split += 1;
        }
    }

    /// Sets the snapshot's flags on the first and last row that are data, so that a listener sees
    /// each once although the marker rows are gone.
    fn mark(&self, done: &mut Transaction) {
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
    use crate::event::{Candle, Order, Record, Text};
    use crate::symbol::{SymbolId, TextId};

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
            let rows = match group {
                Group::Rows(rows) | Group::Snapshot(rows) => rows,
                Group::Empty { .. } => &[],
            };
            let group = rows.chunks_exact(width).map(Candle::from_row);
            groups.push(group.map(|candle| (candle.index, candle.event_flags)).collect());
        });
        groups
    }

    fn new() -> Transactions {
        Transactions::new(EventKind::Candle).unwrap()
    }

    #[test]
    fn a_snapshot_comes_whole_and_without_its_marker_row() {
        let mut transactions = new();
        assert!(candles(&mut transactions, &[(1, 30, 4), (1, 20, 0)]).is_empty());
        let groups = candles(&mut transactions, &[(1, 10, 0), (1, 1, 10), (1, 31, 0)]);
        assert_eq!(groups, [vec![(30, 4), (20, 0), (10, 8)], vec![(31, 0)]]);
    }

    #[test]
    fn an_empty_snapshot_is_no_data_and_is_said() {
        assert_eq!(candles(&mut new(), &[(1, 0, 14), (1, 3, 0)]), [vec![], vec![(3, 0)]]);
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
        assert_eq!(groups, [vec![(3, 4), (4, 8)]]);
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
                panic!("there is an empty snapshot")
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
