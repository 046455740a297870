//! Frames that real servers sent.

use std::path::PathBuf;

use serde_json::Value;

use super::*;
use crate::event::{Candle, Quote, Record, Summary, Trade};
use crate::symbol::SymbolId;

fn lines(name: &str) -> Option<Vec<Value>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/frames");
    match std::fs::read_to_string(path.join(name)) {
        Ok(text) => Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()),
        Err(error) => {
            println!("skipped: the recorded frames in {name} are not here ({error})");
            None
        }
    }
}

/// The frame as the wire has it: with the type first.
fn frame(line: &Value) -> String {
    let frame = &line["frame"];
    match frame.get("data") {
        Some(data) => {
            format!(r#"{{"type":"FEED_DATA","channel":{},"data":{data}}}"#, frame["channel"])
        }
        None => frame.to_string(),
    }
}

fn records<R: Record>(batch: &Batch) -> Vec<R> {
    let rows = rows(batch);
    assert!(rows.iter().all(|(kind, _)| *kind == R::KIND));
    rows.iter().map(|(_, row)| R::from_row(row)).collect()
}

struct Session {
    feed: Feed,
    tables: Tables,
    reader: FrameReader,
    batch: Batch,
}

impl Session {
    fn new(feed: Feed) -> Self {
        let (tables, reader, batch) = (Tables::new(), FrameReader::new(), Batch::new());
        Self { feed, tables, reader, batch }
    }

    fn read(&mut self, line: &Value) -> Frame {
        self.reader.read(&frame(line), &self.feed, &self.tables, &mut self.batch).unwrap()
    }

    /// Reads feed data of one type, twice, so that known symbols are met as well as new ones.
    fn records<R: Record>(&mut self, line: &Value) -> Vec<R> {
        let clean = Frame::Data { channel: 1, rejected: Rejected::default() };
        assert_eq!(self.read(line), clean);
        let first = rows(&self.batch);
        assert_eq!(self.read(line), clean);
        assert_eq!(rows(&self.batch), first);
        records(&self.batch)
    }

    fn symbol(&self, id: SymbolId) -> &str {
        self.tables.symbol(id).unwrap()
    }
}

fn same(left: &[f64], right: &[f64]) {
    let bits = |values: &[f64]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(left), bits(right), "{left:?} {right:?}");
}

#[test]
fn spxw_quotes_with_the_type_as_a_column() {
    let Some(lines) = lines("misc_compact_spxw_2024-11-25.jsonl") else { return };
    let names = "eventType,eventSymbol,bidPrice,askPrice,bidSize,askSize";
    let mut session = Session::new(Feed::default().with(EventKind::Quote, names));
    let quotes: Vec<Quote> = session.records(&lines[0]);
    let expected = [
        (".SPXW241125P5990", [10.5, 10.7, 4.0, 24.0]),
        (".SPXW241125P5980", [5.1, 5.3, 96.0, 55.0]),
        (".SPXW241125P5970", [2.4, 2.5, 63.0, 116.0]),
    ];
    assert_eq!(quotes.len(), expected.len());
    for (quote, (symbol, values)) in quotes.iter().zip(expected) {
        assert_eq!(session.symbol(quote.event_symbol), symbol);
        same(&[quote.bid_price, quote.ask_price, quote.bid_size, quote.ask_size], &values);
        assert_eq!((quote.event_time, quote.bid_time, quote.sequence), (0, 0, 0));
    }
}

#[test]
fn a_recorded_session() {
    const NAN: f64 = f64::NAN;
    let Some(lines) = lines("quantconnect_feed_data_2025.jsonl") else { return };
    let mut feed = Feed::default();
    for (name, fields) in lines[0]["frame"]["acceptEventFields"].as_object().unwrap() {
        let names: Vec<&str> =
            fields.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        feed.0.push(Schema::new(EventKind::from_name(name).unwrap(), &names).unwrap());
    }
    let mut session = Session::new(feed);

    let trades: Vec<Trade> = session.records(&lines[1]);
    let expected = [
        ("AMZN", 201.5417, 257.0, 1_748_020_169_744),
        ("TSLA", 340.89, 100.0, 1_748_020_169_011),
        ("AAPL", 196.1, 200.0, 1_748_020_168_804),
        ("SPX", 5931.91, NAN, 1_748_892_788_016),
        ("./ESU25P900:XCME", NAN, NAN, 0),
    ];
    assert_eq!(trades.len(), expected.len());
    for (trade, (symbol, price, size, time)) in trades.iter().zip(expected) {
        assert_eq!((session.symbol(trade.event_symbol), trade.time), (symbol, time));
        same(&[trade.price, trade.size, trade.day_volume], &[price, size, NAN]);
    }

    let quotes: Vec<Quote> = session.records(&lines[2]);
    let expected =
        [("NVDA", [131.66, 131.67, 760.0, 307.0]), ("PLTR", [124.05, 124.07, 275.0, 326.0])];
    assert_eq!(quotes.len(), expected.len());
    for (quote, (symbol, values)) in quotes.iter().zip(expected) {
        assert_eq!(session.symbol(quote.event_symbol), symbol);
        same(&[quote.bid_price, quote.ask_price, quote.bid_size, quote.ask_size], &values);
    }

    let candles: Vec<Candle> = session.records(&lines[3]);
    let expected = [
        (4, 1_750_032_000_000, [197.3, 198.685, 196.5636, 198.42, 43_020_691.0]),
        (0, 1_749_772_800_000, [199.73, 200.37, 195.7, 196.45, 51_447_349.0]),
        (10, 926_208_000_000, [NAN; 5]),
    ];
    assert_eq!(candles.len(), expected.len());
    for (candle, (flags, time, values)) in candles.iter().zip(expected) {
        assert_eq!(session.symbol(candle.event_symbol), "AAPL{=d}");
        assert_eq!((candle.event_flags, candle.time, candle.index), (flags, time, 0));
        same(&[candle.open, candle.high, candle.low, candle.close, candle.volume], &values);
        same(&[candle.open_interest], &[NAN]);
    }

    let expected =
        [(".AAPL250620C200", 34_905), ("SPY", 0), ("/ESM25:XCME", 2_017_117), ("AAPL", 0)];
    for (line, (symbol, open_interest)) in lines[4..8].iter().zip(expected) {
        let summaries: Vec<Summary> = session.records(line);
        assert_eq!(summaries.len(), 1);
        assert_eq!(session.symbol(summaries[0].event_symbol), symbol);
        assert_eq!(summaries[0].open_interest, open_interest);
    }

    for line in lines[8..].iter().chain(&lines[..1]) {
        let expected = line["frame"].as_object().unwrap().clone();
        assert_eq!(session.read(line), Frame::Message(expected));
        assert!(session.batch.is_empty());
    }
}
