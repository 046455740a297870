//! Prints how long reading a Quote row takes, by rows per frame and number of symbols.

use std::hint::black_box;
use std::time::Instant;

use dxstream::event::EventKind;
use dxstream::json::{Batch, Channels, Frame, FrameReader, Rejected, Schema};
use dxstream::symbol::Tables;

const FIELDS: [&str; 12] = [
    "eventSymbol",
    "eventTime",
    "sequence",
    "timeNanoPart",
    "bidTime",
    "bidExchangeCode",
    "bidPrice",
    "bidSize",
    "askTime",
    "askExchangeCode",
    "askPrice",
    "askSize",
];
const ROWS: usize = 1 << 13;
const PASSES: usize = 60;

struct Quotes(Schema);

impl Channels for Quotes {
    fn is_open(&self, channel: u64) -> bool {
        channel == 1
    }

    fn schema(&self, channel: u64, kind: EventKind) -> Option<&Schema> {
        (self.is_open(channel) && kind == self.0.kind()).then_some(&self.0)
    }
}

/// Numbers that look random and are the same each time.
struct Xorshift(u64);

impl Xorshift {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn symbol(number: u64) -> String {
    match number % 4 {
        0 => format!("S{number}"),
        1 => format!("/E{number}:XCME"),
        _ => format!(".SPXW2411{:02}P{}", number % 30, number * 5),
    }
}

fn frames(rows_per_frame: usize, symbols: u64, times: bool) -> Vec<String> {
    let mut random = Xorshift(7);
    (0..ROWS / rows_per_frame)
        .map(|_| {
            let rows: Vec<String> = (0..rows_per_frame)
                .map(|_| {
                    let symbol = symbol(random.below(symbols));
                    let cents = 1_000 + random.below(60_000);
                    let time = if times { 1_748_020_169_000 + random.below(60) * 1_000 } else { 0 };
                    format!(
                        r#""{symbol}",0,0,0,{time},"Q",{:?},{:?},{time},"Z",{:?},{:?}"#,
                        cents as f64 / 100.0,
                        (random.below(500) + 1) as f64,
                        (cents + 1 + random.below(5)) as f64 / 100.0,
                        (random.below(500) + 1) as f64,
                    )
                })
                .collect();
            format!(r#"{{"type":"FEED_DATA","channel":1,"data":["Quote",[{}]]}}"#, rows.join(","))
        })
        .collect()
}

fn main() {
    let quotes = Quotes(Schema::new(EventKind::Quote, &FIELDS).expect("the fields are a Quote's"));
    let clean = Frame::Data { channel: 1, rejected: Rejected::default() };
    println!("rows/frame symbols times bytes/row  ns/row");
    for (rows_per_frame, symbols, times) in [
        (1, 500, false),
        (8, 500, false),
        (64, 500, false),
        (64, 500, true),
        (64, 10_000, false),
        (64, 60_000, false),
    ] {
        let frames = frames(rows_per_frame, symbols, times);
        let bytes: usize = frames.iter().map(String::len).sum();
        let (tables, mut reader, mut batch) = (Tables::new(), FrameReader::new(), Batch::new());
        let mut best = f64::INFINITY;
        for _ in 0..PASSES {
            let (mut rows, mut words) = (0, 0);
            let start = Instant::now();
            for frame in &frames {
                let read = reader.read(black_box(frame), &quotes, &tables, &mut batch);
                assert_eq!(read.as_ref(), Ok(&clean));
                for (_, block) in black_box(&batch).blocks() {
                    words += block.len();
                }
                rows += rows_per_frame;
            }
            let nanoseconds = start.elapsed().as_secs_f64() * 1e9;
            assert_eq!((rows, words), (ROWS, ROWS * EventKind::Quote.fields().len()));
            best = best.min(nanoseconds / ROWS as f64);
        }
        println!(
            "{rows_per_frame:10} {symbols:7} {times:5} {:9.1} {best:7.1}",
            bytes as f64 / ROWS as f64
        );
    }
}
