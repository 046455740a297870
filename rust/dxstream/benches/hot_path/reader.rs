//! COMPACT feed data into rows.

use std::hint::black_box;

use dxstream::event::EventKind;
use dxstream::json::{Batch, FrameReader};
use dxstream::symbol::Tables;

use crate::input::{self, CLEAN, Channel, EVENTS, QUOTE};
use crate::{Round, Work};

/// The place of the bid price, in the row and among the columns.
const BID_PRICE: usize = 6;

pub(crate) const WORKS: &[Work] = &[
    Work::new("reader/64 rows a frame", || work(input::quotes(64, 1_000))),
    Work::new("reader/1 row a frame", || work(input::quotes(1, 1_000))),
    Work::new("reader/symbols in turn", || work(input::quotes_in_turn(64, 1_000))),
    Work::new("reader/50,000 symbols", || work(input::quotes(64, 50_000))),
];

fn work(frames: Vec<String>) -> Round {
    reading(EventKind::Quote, &QUOTE, frames, BID_PRICE)
}

/// Reads frames of one event type, and compares what it reads in one of the columns.
pub(crate) fn reading(
    kind: EventKind,
    names: &'static [&'static str],
    frames: Vec<String>,
    column: usize,
) -> Round {
    let width = kind.fields().len();
    let word = kind.fields().iter().position(|field| field.is_wire_name(names[column]));
    let word = word.expect("the column is a field");
    let channel = Channel::of(kind, names);
    let tables = Tables::new();
    let sums: Vec<f64> = input::rows(&frames, &channel, &tables)
        .iter()
        .map(|rows| input::sum(rows, width, word))
        .collect();
    let as_written = input::written_sum(&frames, names.len(), column);
    assert!((sums.iter().sum::<f64>() - as_written).abs() <= 1e-9 * as_written.abs());
    let (mut reader, mut batch) = (FrameReader::new(), Batch::new());
    Box::new(move || {
        let mut words = 0;
        for frame in &frames {
            let read = reader.read(black_box(frame), &channel, &tables, &mut batch);
            assert_eq!(read, Ok(CLEAN));
            words += black_box(&batch).blocks().map(|(_, rows)| rows.len()).sum::<usize>();
        }
        assert_eq!(words, EVENTS * width);
    })
}
