//! Numbers as feeds write them: seven a row.

use dxstream::event::EventKind;

use crate::input::{self, EVENTS, Random};
use crate::reader::reading;
use crate::{Round, Work};

const GREEKS: [&str; 8] =
    ["eventSymbol", "price", "volatility", "delta", "gamma", "theta", "rho", "vega"];
const SALE: [&str; 8] =
    ["eventSymbol", "size", "eventFlags", "index", "time", "timeNanoPart", "sequence", "eventTime"];

pub(crate) const WORKS: &[Work] = &[
    Work::new("numbers/prices", || {
        greeks(|random| format!("{:?}", random.below(100_000) as f64 / 100.0))
    }),
    Work::new("numbers/17 digits", || {
        greeks(|random| format!("{:?}", random.next() as f64 / 2_f64.powi(60)))
    }),
    Work::new("numbers/integers", sales),
];

fn greeks(write: impl Fn(&mut Random) -> String) -> Round {
    let kind = EventKind::Greeks;
    reading(kind, &GREEKS, frames(kind, |random, _| write(random)), 1)
}

fn sales() -> Round {
    let kind = EventKind::TimeAndSale;
    let frames = frames(kind, |random, column| match column {
        1 => format!("{:?}", (random.below(9) * 100) as f64),
        3 => (7_600_000_000_000_000_000 + random.below(1 << 40)).to_string(),
        4 => (1_790_000_000_000 + random.below(60_000)).to_string(),
        _ => random.below(1_000_000).to_string(),
    });
    reading(kind, &SALE, frames, 1)
}

/// Rows of 64 a frame, whose numbers `write` gives by column.
fn frames(kind: EventKind, write: impl Fn(&mut Random, usize) -> String) -> Vec<String> {
    let mut random = Random(11);
    let rows: Vec<String> = (0..EVENTS)
        .map(|_| {
            let symbol = input::symbol(random.below(1_000));
            let numbers: Vec<String> = (1..8).map(|column| write(&mut random, column)).collect();
            format!(r#""{symbol}",{}"#, numbers.join(","))
        })
        .collect();
    rows.chunks(64).map(|rows| input::frame(kind, rows)).collect()
}
