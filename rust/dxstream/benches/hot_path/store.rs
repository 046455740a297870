//! Rows into the store, and the latest out of it.

use std::hint::black_box;
use std::sync::Arc;

use dxstream::event::{EventKind, MAX_WORDS};
use dxstream::json::{Batch, FrameReader};
use dxstream::protocol::EventSink;
use dxstream::store::{LatestSink, Store, StoreWriter};
use dxstream::symbol::{SymbolId, Tables};

use crate::input::{self, CLEAN, Channel, QUOTE};
use crate::{Round, Work};

const QUOTES: EventKind = EventKind::Quote;

/// Events of each symbol that are kept, as a streamer keeps them unless it was told otherwise.
pub(crate) const HISTORY: usize = 64;

/// Symbols of the frames.
pub(crate) const SYMBOLS: usize = 1_000;

pub(crate) const WORKS: &[Work] = &[
    Work::new("store/rows written", write),
    Work::new("store/parsed, 64 rows a frame", || parse_and_write(input::quotes(64, SYMBOLS))),
    Work::new("store/parsed, 1 row a frame", || parse_and_write(input::quotes(1, SYMBOLS))),
    Work { name: "store/snapshot of 10 fields", events: SYMBOLS, make: snapshot },
];

fn write() -> Round {
    let tables = Arc::new(Tables::new());
    let channel = Channel::of(QUOTES, &QUOTE);
    let frames = input::rows(&input::quotes(64, SYMBOLS), &channel, &tables);
    let store = Store::new(tables, HISTORY);
    let mut received_at = 0;
    Box::new(move || {
        received_at += 1;
        for rows in &frames {
            StoreWriter { store: &store, received_at }.rows(QUOTES, black_box(rows));
        }
        assert_is_latest(&store, frames.last().expect("there are frames"), received_at);
    })
}

/// The last row that was written is the latest of its symbol.
fn assert_is_latest(store: &Store, rows: &[u64], received_at: u64) {
    let width = QUOTES.fields().len();
    let last = &rows[rows.len() - width..];
    let mut row = [0; MAX_WORDS];
    let latest = store.latest(QUOTES, SymbolId(last[0] as u32), &mut row);
    assert_eq!((latest, &row[..width]), (Some(received_at), last));
}

fn parse_and_write(frames: Vec<String>) -> Round {
    let tables = Arc::new(Tables::new());
    let channel = Channel::of(QUOTES, &QUOTE);
    let last = input::rows(&frames, &channel, &tables).pop().expect("there are frames");
    let store = Store::new(Arc::clone(&tables), HISTORY);
    let (mut reader, mut batch) = (FrameReader::new(), Batch::new());
    let mut received_at = 0;
    Box::new(move || {
        received_at += 1;
        for frame in &frames {
            let read = reader.read(black_box(frame), &channel, &tables, &mut batch);
            assert_eq!(read, Ok(CLEAN));
            for (kind, rows) in batch.blocks() {
                StoreWriter { store: &store, received_at }.rows(kind, rows);
            }
        }
        assert_is_latest(&store, &last, received_at);
    })
}

/// Ten fields of all symbols.
fn snapshot() -> Round {
    let tables = Arc::new(Tables::new());
    let channel = Channel::of(QUOTES, &QUOTE);
    let frames = input::rows(&input::quotes(64, SYMBOLS), &channel, &tables);
    let symbols: Vec<SymbolId> = (0..tables.symbols.len() as u32).map(SymbolId).collect();
    assert_eq!(symbols.len(), SYMBOLS);
    let store = Store::new(tables, HISTORY);
    for rows in &frames {
        StoreWriter { store: &store, received_at: 1 }.rows(QUOTES, rows);
    }
    let words: Vec<usize> = (2..12).collect();
    let mut columns = Columns(vec![vec![0; symbols.len()]; words.len()]);
    Box::new(move || {
        store.read_latest(QUOTES, black_box(&symbols), &words, &mut columns);
        let last = &frames.last().expect("there are frames")[63 * 12..];
        assert!(
            columns.0.iter().map(|column| column[last[0] as usize]).eq(last[2..].iter().copied())
        );
    })
}

struct Columns(Vec<Vec<u64>>);

impl LatestSink for Columns {
    fn head(
        &mut self,
        _: usize,
        times: impl Iterator<Item = u64>,
        valid: impl Iterator<Item = bool>,
    ) {
        assert!(times.zip(valid).all(|event| event == (1, true)));
    }

    fn column(&mut self, at: usize, first: usize, words: impl Iterator<Item = u64>) {
        for (value, word) in self.0[at][first..].iter_mut().zip(words) {
            *value = word;
        }
    }

    fn again(&mut self, _: usize, _: impl Iterator<Item = u64>, _: u64) {
        unreachable!("nobody writes meanwhile");
    }
}
