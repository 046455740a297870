//! Recorded quotes, replayed as the orders of a feed: frame by frame through a session into books,
//! against the model.
//!
//! No recording of orders is at hand. In the recorded quotes each side names an exchange; that side is
//! taken as an order there, which a new size changes and a new price replaces by another order.
//! Exchanges are divided among two sources.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::PathBuf;

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use super::model::{Model, assert_side};
use super::*;
use crate::protocol::replay::Replay;

const FIELDS: [&str; 8] =
    ["eventSymbol", "eventFlags", "index", "time", "source", "price", "size", "orderSide"];

/// The transactions of a book between two snapshots of it.
const TRANSACTIONS_A_SNAPSHOT: usize = 25;

type Key = (String, &'static str);

#[derive(Debug, Clone, Copy)]
struct Standing {
    index: i64,
    time: i64,
    side: &'static str,
    price: f64,
    size: f64,
}

/// A feed's view of the books, which tells each change as rows.
#[derive(Default)]
struct Publisher {
    standing: BTreeMap<Key, BTreeMap<(String, &'static str), Standing>>,
    told: BTreeMap<Key, usize>,
    last_index: i64,
}

impl Publisher {
    /// The rows of a recorded quote: one transaction, or a snapshot, for each source concerned.
    fn quote(&mut self, quote: &Value) -> Vec<(Key, Vec<(i64, Standing)>)> {
        let mut changes: BTreeMap<Key, Vec<(i64, Standing)>> = BTreeMap::new();
        let text = |name: &str| quote[name].as_str().unwrap().to_owned();
        for (side, prefix) in [("BUY", "Bid"), ("SELL", "Ask")] {
            let exchange = text(&format!("{prefix}.Exchange"));
            let source = if exchange.as_bytes()[0] % 2 == 0 { "NTV" } else { "BZX" };
            let key = (text("symbol"), source);
            let number = |name| quote[format!("{prefix}.{name}")].as_f64().unwrap_or(f64::NAN);
            let (price, size) = (number("Price"), number("Size"));
            let rows = changes.entry(key.clone()).or_default();
            let orders = self.standing.entry(key).or_default();
            let old = orders.remove(&(exchange.clone(), side));
            let index = match old {
                Some(old) if old.price.to_bits() == price.to_bits() => old.index,
                old => {
                    rows.extend(old.map(|old| (REMOVE_EVENT, old)));
                    self.last_index += 1;
                    self.last_index
                }
            };
            let time = quote["t"].as_i64().unwrap();
            let order = Standing { index, time, side, price, size };
            orders.insert((exchange, side), order);
            rows.push((0, order));
        }
        changes.into_iter().map(|(key, rows)| self.flagged(key, rows)).collect()
    }

    fn flagged(&mut self, key: Key, mut rows: Vec<(i64, Standing)>) -> (Key, Vec<(i64, Standing)>) {
        let told = self.told.entry(key.clone()).or_default();
        *told += 1;
        if *told % TRANSACTIONS_A_SNAPSHOT == 1 {
            rows = self.standing[&key].values().map(|order| (0, *order)).collect();
            if told.is_multiple_of(2) {
                let marker = Standing { index: 0, ..rows[0].1 };
                rows.push((REMOVE_EVENT, marker));
            }
            rows[0].0 |= SNAPSHOT_BEGIN;
            rows.last_mut().unwrap().0 |= SNAPSHOT_END;
        } else {
            let last = rows.len() - 1;
            for row in &mut rows[..last] {
                row.0 |= TX_PENDING;
            }
        }
        (key, rows)
    }
}

fn quotes() -> Option<Vec<Value>> {
    let name = "../../../shared/data/tape/demo-sample.decoded.jsonl.gz";
    match std::fs::File::open(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)) {
        Ok(file) => {
            let mut text = String::new();
            GzDecoder::new(file).read_to_string(&mut text).unwrap();
            let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            Some(events.filter(|event| event["record"] == "Quote").collect())
        }
        Err(error) => {
            println!("skipped: the recorded quotes are not here ({error})");
            None
        }
    }
}

fn values(key: &Key, flags: i64, order: &Standing) -> Vec<Value> {
    let Standing { index, time, side, price, size } = *order;
    let [price, size] =
        [price, size].map(|number| if number.is_nan() { json!("NaN") } else { json!(number) });
    vec![
        json!(key.0),
        json!(flags),
        json!(index),
        json!(time),
        json!(key.1),
        price,
        size,
        json!(side),
    ]
}

/// What a book has to be: what its transactions have made of it, up to the last that is whole.
#[derive(Default)]
struct Expected {
    model: Model,
    pending: Vec<Order>,
    epoch: u64,
}

#[test]
fn books_of_recorded_quotes_are_those_of_the_model_after_every_row() {
    let Some(quotes) = quotes() else { return };
    let mut publisher = Publisher::default();
    let mut replay = Replay::new(EventKind::Order, None, &FIELDS);
    let mut expected: BTreeMap<Key, Expected> = BTreeMap::new();
    let (mut rows, mut deepest, mut symbols) = (0, 0, BTreeSet::new());
    for quote in &quotes {
        let groups = publisher.quote(quote);
        let longest = groups.iter().map(|(_, rows)| rows.len()).max().unwrap_or(0);
        // The transactions of two sources come row by row in turns.
        for at in 0..longest {
            for (key, group) in groups.iter().filter(|(_, group)| at < group.len()) {
                let (flags, order) = group[at];
                replay.receive_data(&values(key, flags, &order));
                rows += 1;
                symbols.insert(key.0.clone());

                let expected = expected.entry(key.clone()).or_default();
                let side = if order.side == "BUY" { Side::Buy } else { Side::Sell };
                expected.pending.push(Order {
                    event_flags: flags,
                    index: order.index,
                    time: order.time,
                    order_side: side.into(),
                    price: order.price,
                    size: order.size,
                    ..Order::UNKNOWN
                });
                if at + 1 == group.len() {
                    expected.model.apply(&std::mem::take(&mut expected.pending));
                    expected.epoch += 1;
                }
                let texts = &replay.store.tables().texts;
                let source = Text::from(TextId(texts.intern(key.1).unwrap()));
                let depth = replay.store.read_book(
                    EventKind::Order,
                    replay.symbol(&key.0),
                    source,
                    |book| {
                        assert_side(book.bids(), &expected.model.side(Side::Buy), 3);
                        assert_side(book.asks(), &expected.model.side(Side::Sell), 3);
                        assert_eq!(book.epoch(), expected.epoch);
                        assert!(book.is_complete());
                        book.len()
                    },
                );
                assert_eq!(depth.is_none(), expected.epoch == 0);
                deepest = deepest.max(depth.unwrap_or(0));
            }
        }
    }
    assert_eq!(quotes.len(), 4465);
    assert!(rows > 10_000, "{rows} rows");
    assert!(symbols.len() > 50, "{} symbols", symbols.len());
    assert!(deepest >= 8, "{deepest} orders in the deepest book");
    let transactions: u64 = expected.values().map(|book| book.epoch).sum();
    println!("{rows} rows, {transactions} groups, {} books, {deepest} deep", expected.len());
}
