//! Inputs that look like a feed's and are the same each time.

use dxstream::event::EventKind;
use dxstream::json::{Batch, Channels, Frame, FrameReader, Rejected, Schema};
use dxstream::symbol::Tables;

/// Events of a round, whatever the size of its frames.
pub(crate) const EVENTS: usize = 1 << 13;

/// Fields of a Quote as servers name them.
pub(crate) const QUOTE: [&str; 12] = [
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

/// Channel 1, which carries one event type.
pub(crate) struct Channel(pub(crate) Schema);

impl Channel {
    pub(crate) fn of(kind: EventKind, names: &[&str]) -> Self {
        Self(Schema::new(kind, names).expect("the fields are those of the event type"))
    }
}

impl Channels for Channel {
    fn is_open(&self, channel: u64) -> bool {
        channel == 1
    }

    fn schema(&self, channel: u64, kind: EventKind) -> Option<&Schema> {
        (self.is_open(channel) && kind == self.0.kind()).then_some(&self.0)
    }
}

/// Numbers that look random and are the same each time.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

/// Symbols of stocks, futures and options, in the shares of a real list.
pub(crate) fn symbol(number: usize) -> String {
    match number % 4 {
        0 => format!("S{number}"),
        1 => format!("/E{number}:XCME"),
        _ => format!(".SPXW2411{:02}P{}", number % 30, number * 5),
    }
}

/// A row of a Quote, of about 81 bytes where it has times.
pub(crate) fn quote(random: &mut Random, symbol: &str) -> String {
    let cents = 10_000 + random.below(40_000);
    let time = 1_790_000_000_000 + random.below(60_000);
    format!(
        r#""{symbol}",0,0,0,{time},"Q",{:?},{:?},{time},"Z",{:?},{:?}"#,
        cents as f64 / 100.0,
        ((1 + random.below(9)) * 100) as f64,
        (cents + 1 + random.below(5)) as f64 / 100.0,
        ((1 + random.below(9)) * 100) as f64,
    )
}

/// A frame of channel 1 that holds these rows.
pub(crate) fn frame(kind: EventKind, rows: &[String]) -> String {
    let rows = rows.join(",");
    format!(r#"{{"type":"FEED_DATA","channel":1,"data":["{}",[{rows}]]}}"#, kind.name())
}

/// [`EVENTS`] quotes of so many symbols in no order.
pub(crate) fn quotes(rows_per_frame: usize, symbols: usize) -> Vec<String> {
    let mut random = Random(7);
    let rows: Vec<String> = (0..EVENTS)
        .map(|_| {
            let symbol = symbol(random.below(symbols));
            quote(&mut random, &symbol)
        })
        .collect();
    rows.chunks(rows_per_frame).map(|rows| frame(EventKind::Quote, rows)).collect()
}

/// [`EVENTS`] quotes of so many symbols that take turns, as those of a blast do.
pub(crate) fn quotes_in_turn(rows_per_frame: usize, symbols: usize) -> Vec<String> {
    let mut random = Random(7);
    let rows: Vec<String> =
        (0..EVENTS).map(|n| quote(&mut random, &format!("SYM{:04}", n % symbols))).collect();
    rows.chunks(rows_per_frame).map(|rows| frame(EventKind::Quote, rows)).collect()
}

/// What a frame without a rejected row is read as.
pub(crate) const CLEAN: Frame =
    Frame::Data { channel: 1, rejected: Rejected { rows: 0, blocks: 0 } };

/// The rows of frames of one event type, read one after another.
pub(crate) fn rows(frames: &[String], channel: &Channel, tables: &Tables) -> Vec<Vec<u64>> {
    let (mut reader, mut batch) = (FrameReader::new(), Batch::new());
    frames
        .iter()
        .map(|frame| {
            assert_eq!(reader.read(frame, channel, tables, &mut batch), Ok(CLEAN));
            batch.blocks().flat_map(|(_, words)| words).copied().collect()
        })
        .collect()
}

/// The sum of a field over rows that stand one behind the other.
pub(crate) fn sum(words: &[u64], width: usize, at: usize) -> f64 {
    words.chunks_exact(width).map(|row| f64::from_bits(row[at])).sum()
}

/// The sum of a field as the frames write it, found without the reader.
pub(crate) fn written_sum(frames: &[String], columns: usize, column: usize) -> f64 {
    let mut sum = 0.0;
    for frame in frames {
        let frame: serde_json::Value = serde_json::from_str(frame).expect("a frame is JSON");
        let rows = frame["data"][1].as_array().expect("a frame has rows");
        let of_column = rows.iter().skip(column).step_by(columns);
        sum += of_column.map(|value| value.as_f64().expect("a number")).sum::<f64>();
    }
    sum
}
