//! Time series: the rows of one symbol in the order of their index, which is that of time.
//!
//! A series takes the rows of a symbol as the protocol hands them on, a snapshot after its
//! [mark](crate::protocol::SnapshotMark). The rules are those of dxFeed's `IndexedEvent` and
//! `TimeSeriesEvent`:
//!
//! - A row replaces the one with its index; REMOVE_EVENT takes it out.
//! - SNAPSHOT_BEGIN begins a snapshot and drops one that is unfinished; rows are held back until
//!   SNAPSHOT_END or SNAPSHOT_SNIP. An end without a beginning is a row like any other.
//! - A snapshot says everything from its start on: rows from there on that it does not hold are gone,
//!   and older ones stay. It starts at its mark or, where it has none, at the least index of its rows.
//!   One that the server cut short replaces all, so that no gap is left in the middle.
//! - Rows before the start that a series was made with are left out.
//!
//! Two kinds of bars that servers send are poison, which is left out and counted: candles whose
//! four prices are all zero, and rows of 2038 or later, as 32-bit seconds that overflowed give. Such a
//! row changes nothing else: what is held of its index stays.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::flags::{REMOVE_EVENT, SNAPSHOT_BEGIN, SNAPSHOT_END, SNAPSHOT_SNIP};
use crate::event::index::{self, IndexWords};
use crate::event::{Candle, EventKind, Record};

/// 2038-01-01, ms since 1970 UTC. Seconds in 32 bits end on the 19th.
const POISON_TIME: i64 = 2_145_916_800_000;

/// The time series of one symbol. It is changed by one owner and read between groups of rows.
#[derive(Debug)]
pub struct Series {
    layout: Layout,
    others: Vec<i64>,
    held: Held,
    loading: Option<Loading>,
    complete: bool,
    snipped: bool,
    epoch: u64,
}

/// Where a row has what a series looks at, and from which index on rows count.
#[derive(Debug, Clone, Copy)]
struct Layout {
    kind: EventKind,
    event_flags: usize,
    index: IndexWords,
    time: usize,
    first: i64,
}

/// What a row means, its marks of snapshots aside.
#[derive(Debug)]
enum Change {
    Place(i64, Bar),
    Remove(i64),
    Poison(PoisonKey),
    /// It is older than the series' first row.
    Nothing,
}

/// Whether the time is what is wrong, and the index. An index of such a time may be of no order.
type PoisonKey = (bool, i64);

/// A row without its flags, which have had their effect, and when it arrived.
#[derive(Debug)]
struct Bar {
    row: Box<[u64]>,
    received_at: u64,
}

#[derive(Debug, Default)]
struct Held {
    rows: BTreeMap<i64, Bar>,
    poison: BTreeSet<PoisonKey>,
    refused: u64,
}

/// A snapshot that has begun.
#[derive(Debug, Default)]
struct Loading {
    changes: Vec<Change>,
    /// The index of the mark with which it began.
    mark: Option<i64>,
    least: Option<i64>,
    refused: u64,
}

impl Series {
    /// Most rows that a series holds, poison included, and most that a snapshot adds at once.
    pub const MAX_ROWS: usize = 1 << 22;

    /// Bytes that a row of a type takes at most.
    ///
    /// Its words are on the heap. Where they are and when they came is in a B-tree: 32 bytes with the
    /// index, in nodes that have room for 11 and hold 5 at least. A snapshot takes as much again
    /// until it is whole.
    pub fn row_bytes(kind: EventKind) -> usize {
        kind.fields().len() * size_of::<u64>() + 96
    }

    /// A series of the rows from the index `first` on.
    ///
    /// It is complete with the first snapshot that does not start at one of `others`: the starts of
    /// snapshots that were asked for by others, and may still be on their way.
    ///
    /// # Panics
    /// If `kind` is no time series.
    pub fn new(kind: EventKind, first: i64, others: Vec<i64>) -> Self {
        assert!(kind.delivery().time_series, "{} events are no time series", kind.name());
        let word = |name| {
            let place = kind.fields().iter().position(|field| field.name == name);
            place.expect("a time series has flags and a time")
        };
        let layout = Layout {
            kind,
            event_flags: word("event_flags"),
            index: IndexWords::new(kind).expect("a time series has an index"),
            time: word("time"),
            first,
        };
        Self {
            layout,
            others,
            held: Held::default(),
            loading: None,
            complete: false,
            snipped: false,
            epoch: 0,
        }
    }

    /// The event type of the rows.
    pub fn kind(&self) -> EventKind {
        self.layout.kind
    }

    /// Applies rows that arrived at one moment.
    pub fn apply(&mut self, rows: &[u64], received_at: u64) {
        for row in rows.chunks_exact(self.layout.kind.fields().len()) {
            self.apply_row(row, received_at);
        }
    }

    fn apply_row(&mut self, row: &[u64], received_at: u64) {
        let flags = row[self.layout.event_flags] as i64;
        let change = self.layout.change(row, received_at);
        let index = self.layout.index.of(row);
        if flags & SNAPSHOT_BEGIN != 0 {
            // After its mark, the first of a snapshot's rows begins it once more.
            let marked = self.loading.take().filter(|loading| loading.least.is_none());
            let mark = marked.and_then(|loading| loading.mark);
            let mark = mark.or((flags & REMOVE_EVENT != 0).then_some(index));
            self.loading = Some(Loading { mark, ..Loading::default() });
        }
        let Some(loading) = &mut self.loading else {
            self.epoch += u64::from(self.held.apply(change));
            return;
        };
        if !(matches!(change, Change::Poison((true, _))) || loading.mark == Some(index)) {
            loading.least = Some(loading.least.map_or(index, |least| least.min(index)));
        }
        if loading.changes.len() < Self::MAX_ROWS {
            loading.changes.push(change);
        } else {
            loading.refused += 1;
        }
        if flags & (SNAPSHOT_END | SNAPSHOT_SNIP) != 0
            && let Some(whole) = self.loading.take()
        {
            self.replace(whole, flags & SNAPSHOT_SNIP != 0);
        }
    }

    fn replace(&mut self, snapshot: Loading, snipped: bool) {
        // Of one that holds nothing but times that cannot be, nothing says where it starts.
        let start = snapshot.mark.or(snapshot.least).unwrap_or(i64::MIN);
        let replaced = if snipped { i64::MIN } else { start };
        let gone = self.held.split_off(replaced);
        let snipped = snipped || self.snipped && !self.held.rows.is_empty();
        let mut newer = Held { refused: snapshot.refused, ..Held::default() };
        let mut changed = false;
        for change in snapshot.changes {
            if let Change::Remove(index) = change {
                changed |= self.held.remove(index);
                newer.remove(index);
            } else if change.is_before(replaced) {
                changed |= self.held.apply(change);
            } else {
                newer.apply(change);
            }
        }
        let complete = self.complete || !self.others.contains(&start);
        changed |= gone != newer || snipped != self.snipped || complete != self.complete;
        self.epoch += u64::from(changed);
        (self.snipped, self.complete) = (snipped, complete);
        self.held.append(newer);
        if complete {
            self.others.clear();
        }
    }

    /// The rows in the order of their index, and when each arrived. Their event flags are zero.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = (&[u64], u64)> {
        self.held.rows.values().map(|bar| (&*bar.row, bar.received_at))
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.held.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.held.rows.is_empty()
    }

    /// How many indexes are left out because what the server last said of them is poison.
    pub fn poison(&self) -> usize {
        self.held.poison.len()
    }

    /// Whether the snapshot has come that the series waits for.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether the server cut the snapshot short, so that rows may be missing before the first.
    pub fn is_snipped(&self) -> bool {
        self.snipped
    }

    /// How many rows found no room. Beyond zero, the series is not whole.
    pub fn refused(&self) -> u64 {
        self.held.refused
    }

    /// A number that grows with each change: two readings with the same number are the same.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }
}

impl Change {
    fn is_before(&self, start: i64) -> bool {
        match self {
            Self::Place(index, _) | Self::Remove(index) | Self::Poison((false, index)) => {
                *index < start
            }
            // Where times cannot be, neither can the order of indexes.
            Self::Poison((true, _)) | Self::Nothing => false,
        }
    }
}

impl Layout {
    fn change(&self, row: &[u64], received_at: u64) -> Change {
        let index = self.index.of(row);
        if row[self.event_flags] as i64 & REMOVE_EVENT != 0 {
            return Change::Remove(index);
        }
        let time = (row[self.time] as i64).max(index::time(index));
        if time >= POISON_TIME {
            return Change::Poison((true, index));
        }
        if index < self.first {
            return Change::Nothing;
        }
        if self.kind == EventKind::Candle && has_no_price(&Candle::from_row(row)) {
            return Change::Poison((false, index));
        }
        let mut row: Box<[u64]> = row.into();
        row[self.event_flags] = 0;
        Change::Place(index, Bar { row, received_at })
    }
}

fn has_no_price(candle: &Candle) -> bool {
    [candle.open, candle.high, candle.low, candle.close].iter().all(|price| *price == 0.0)
}

impl Held {
    fn len(&self) -> usize {
        self.rows.len() + self.poison.len()
    }

    /// Says whether anything is different now.
    fn apply(&mut self, change: Change) -> bool {
        match change {
            Change::Nothing => false,
            Change::Remove(index) => self.remove(index),
            Change::Place(index, bar) => {
                if self.rows.get(&index) == Some(&bar) {
                    return self.poison.remove(&(false, index));
                }
                let fits = self.rows.contains_key(&index) || self.len() < Series::MAX_ROWS;
                if fits {
                    self.poison.remove(&(false, index));
                    self.rows.insert(index, bar);
                } else {
                    self.refused += 1;
                }
                true
            }
            Change::Poison(key) => {
                if self.len() >= Series::MAX_ROWS {
                    self.refused += 1;
                    return true;
                }
                self.poison.insert(key)
            }
        }
    }

    /// Says whether anything was there.
    fn remove(&mut self, index: i64) -> bool {
        let poison = [false, true].map(|far| self.poison.remove(&(far, index)));
        self.rows.remove(&index).is_some() || poison.contains(&true)
    }

    /// Takes out what a snapshot that starts at `start` replaces.
    fn split_off(&mut self, start: i64) -> Self {
        let poison = self.poison.extract_if(.., |&(far, index)| far || index >= start).collect();
        Self { rows: self.rows.split_off(&start), poison, refused: 0 }
    }

    fn append(&mut self, mut other: Self) {
        self.rows.append(&mut other.rows);
        self.poison.append(&mut other.poison);
        self.refused += other.refused;
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.rows == other.rows && self.poison == other.poison
    }
}

impl PartialEq for Bar {
    /// Two bars are the same if they say the same, whenever they came.
    fn eq(&self, other: &Self) -> bool {
        self.row == other.row
    }
}

#[cfg(test)]
mod tests;
