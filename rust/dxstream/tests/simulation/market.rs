//! What there is to know: the rows of every symbol, each with a number of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use dxstream::event::flags::{REMOVE_EVENT, SNAPSHOT_BEGIN, SNAPSHOT_END, TX_PENDING};
use dxstream::event::{EventKind, index};
use serde_json::{Value, json};

use crate::choice::Choice;

/// The time of the market at the beginning, ms since 1970 UTC.
pub(crate) const START: i64 = 1_760_000_000_000;

pub(crate) const QUOTES: [&str; 5] = ["A", "B", "C", "D", "E"];
/// Sales that are asked for as they happen.
pub(crate) const STREAMED: [&str; 3] = ["A", "B", "C"];
/// Sales that are asked for with their history.
pub(crate) const RECORDED: [&str; 2] = ["H", "I"];
pub(crate) const BARS: [&str; 3] = ["A{=m}", "B{=m}", "C{=5m}"];
pub(crate) const BOOKS: [(&str, &str); 3] = [("A", "NTV"), ("A", "DEX"), ("B", "NTV")];

/// A row before it is written for the wire.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) kind: EventKind,
    pub(crate) symbol: String,
    pub(crate) source: String,
    pub(crate) index: i64,
    pub(crate) flags: i64,
    /// The running number, where the type has its price.
    pub(crate) number: u64,
}

impl Row {
    fn new(key: &Key, index: i64, number: u64) -> Self {
        let (kind, symbol, source) = key.clone();
        Self { kind, symbol, source, index, flags: 0, number }
    }

    /// The value of a field. `connection` stands where the type has its size, but for sales.
    pub(crate) fn value(&self, field: &str, connection: u64) -> Value {
        match field {
            "eventSymbol" => json!(self.symbol),
            "source" => json!(self.source),
            "eventFlags" => json!(self.flags),
            "index" => json!(self.index),
            "time" => json!(index::time(self.index)),
            "sequence" => json!(index::sequence(self.index)),
            "orderSide" => json!(if self.number.is_multiple_of(2) { "BUY" } else { "SELL" }),
            "bidPrice" | "price" | "close" => json!(self.number),
            // A sale is the same whoever tells it.
            "size" if self.kind == EventKind::TimeAndSale => json!(1),
            "bidSize" | "size" | "volume" => json!(connection),
            other => panic!("no row has a {other}"),
        }
    }
}

/// The fields of a type that the server knows. The last of a time series follows from the others.
pub(crate) fn fields(kind: EventKind) -> Vec<&'static str> {
    match kind {
        EventKind::Quote => vec!["eventSymbol", "bidPrice", "bidSize"],
        EventKind::TimeAndSale => {
            vec!["eventSymbol", "eventFlags", "time", "sequence", "price", "size", "index"]
        }
        EventKind::Candle => {
            vec!["eventSymbol", "eventFlags", "time", "sequence", "close", "volume", "index"]
        }
        EventKind::Order => {
            vec!["eventSymbol", "eventFlags", "source", "orderSide", "price", "size", "index"]
        }
        other => panic!("nobody asks for {}", other.name()),
    }
}

/// A symbol of an event type, with its source.
pub(crate) type Key = (EventKind, String, String);

#[derive(Debug, Default)]
pub(crate) struct Market {
    number: u64,
    /// The last rows: of a quote one, of a series all, of a book the orders that stand in it.
    pub(crate) rows: BTreeMap<Key, BTreeMap<i64, u64>>,
}

impl Market {
    pub(crate) fn new(choice: &mut Choice) -> Self {
        let mut market = Self::default();
        for at in (0..60).map(|at| Duration::from_millis(at * 7)) {
            market.advance(at, choice);
        }
        market
    }

    fn put(&mut self, key: &Key, index: i64) -> Row {
        self.number += 1;
        self.rows.entry(key.clone()).or_default().insert(index, self.number);
        Row::new(key, index, self.number)
    }

    /// Lets something happen; gives the rows that say so, which belong together.
    pub(crate) fn advance(&mut self, now: Duration, choice: &mut Choice) -> Vec<Row> {
        let time = START + now.as_millis() as i64;
        let key = |kind, symbol: &str| (kind, symbol.to_owned(), String::new());
        match choice.below(10) {
            0..3 => vec![self.put(&key(EventKind::Quote, choice.of::<&str>(&QUOTES)), 0)],
            3..5 => {
                let key = key(EventKind::TimeAndSale, choice.of::<&str>(&STREAMED));
                vec![self.put(&key, self.next_sale(&key, time))]
            }
            5 | 6 => {
                let key = key(EventKind::TimeAndSale, choice.of::<&str>(&RECORDED));
                // Two sales of one millisecond differ in their sequence.
                let count = 1 + usize::from(choice.one_in(4));
                (0..count).map(|_| self.put(&key, self.next_sale(&key, time))).collect()
            }
            7 | 8 => {
                let key = key(EventKind::Candle, choice.of::<&str>(&BARS));
                vec![self.put(&key, index::pack(time - time.rem_euclid(5000), 0))]
            }
            _ => self.change_book(choice),
        }
    }

    fn next_sale(&self, key: &Key, time: i64) -> i64 {
        let first = index::pack(time, 0);
        let last = self.rows.get(key).and_then(|rows| rows.last_key_value());
        last.map_or(first, |(&last, _)| first.max(last + 1))
    }

    fn change_book(&mut self, choice: &mut Choice) -> Vec<Row> {
        let &(symbol, source) = choice.of(&BOOKS);
        let key = (EventKind::Order, symbol.to_owned(), source.to_owned());
        let count = 1 + choice.below(3);
        let mut changes: Vec<Row> = Vec::new();
        for _ in 0..count {
            let index = 1 + choice.below(6) as i64;
            let removes = choice.one_in(3)
                && self.rows.entry(key.clone()).or_default().remove(&index).is_some();
            let mut row = if removes {
                Row { flags: REMOVE_EVENT, ..Row::new(&key, index, 0) }
            } else {
                self.put(&key, index)
            };
            row.flags |= TX_PENDING;
            changes.push(row);
        }
        changes.last_mut().expect("a change has a row").flags &= !TX_PENDING;
        changes
    }

    /// What a server with another memory knows: other quotes, other books, another last bar.
    pub(crate) fn restart(&mut self) {
        for key in self.rows.keys().cloned().collect::<Vec<_>>() {
            match key.0 {
                EventKind::Quote => drop(self.put(&key, 0)),
                EventKind::Candle => {
                    let last = self.rows[&key].last_key_value().map(|(&index, _)| index);
                    last.map(|index| self.put(&key, index));
                }
                EventKind::Order => {
                    self.rows.insert(key.clone(), BTreeMap::new());
                    self.put(&key, 3);
                }
                _ => {}
            }
        }
    }

    /// What is told of a symbol when it is asked for, the history from `from_time` on.
    pub(crate) fn snapshot(
        &self,
        key: &Key,
        from_time: Option<i64>,
        choice: &mut Choice,
    ) -> Vec<Row> {
        let known = self.rows.get(key).into_iter().flatten();
        let rows = known.map(|(&index, &number)| Row::new(key, index, number));
        match (key.0, from_time) {
            (EventKind::Quote, _) => rows.collect(),
            (EventKind::TimeAndSale, None) => Vec::new(),
            (_, from_time) => {
                let start = index::pack(from_time.unwrap_or(0), 0);
                let mut rows: Vec<Row> =
                    rows.filter(|row| from_time.is_none() || row.index >= start).rev().collect();
                // A row that stands at the start itself ends the snapshot, and has no mark behind it.
                let at_start = rows.last().is_some_and(|row| row.index == start);
                if rows.is_empty() || !at_start && choice.one_in(2) {
                    rows.push(Row { flags: REMOVE_EVENT, ..Row::new(key, start, 0) });
                }
                rows[0].flags |= SNAPSHOT_BEGIN;
                rows.last_mut().expect("a snapshot has a row").flags |= SNAPSHOT_END;
                rows
            }
        }
    }
}
