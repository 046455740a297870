use std::sync::Arc;
use std::time::Duration;

use dxstream::event::{EventKind, Quote, Record, TimeAndSale};
use dxstream::symbol::{SymbolId, Tables};
use dxstream_exchange::Exchange;
use dxstream_exchange::config::{ExchangeConfig, Rules, SlowClient, Start};
use dxstream_exchange::market::{Market, MarketConfig};
use dxstream_exchange::source::{Due, EventSource, Row};
use serde_json::json;

use crate::client::{Client, until};

/// Sells AAPL `left` times, numbered by index, as fast as it is asked to; with each sale goes a quote
/// of MSFT.
struct Sales {
    aapl: SymbolId,
    msft: SymbolId,
    sold: i64,
    left: i64,
}

impl Sales {
    fn exchange(left: i64, start: Start, slow_client: SlowClient, rules: Rules) -> Exchange {
        let tables = Arc::new(Tables::new());
        let symbol = |name| SymbolId(tables.symbols.intern(name).unwrap());
        let source = Self { aapl: symbol("AAPL"), msft: symbol("MSFT"), sold: 0, left };
        let config = ExchangeConfig {
            source: Some(Box::new(source)),
            tables,
            start,
            slow_client,
            rules,
            ..ExchangeConfig::default()
        };
        Exchange::start(config).unwrap()
    }
}

impl EventSource for Sales {
    fn knows(&mut self, _: EventKind, symbol: &str) -> bool {
        symbol == "AAPL" || symbol == "MSFT"
    }

    fn latest(&mut self, kind: EventKind, symbol: SymbolId) -> Option<Row> {
        let quote = Quote { event_symbol: symbol, bid_price: -1.0, ..Quote::UNKNOWN };
        (kind == EventKind::Quote).then(|| Row::new(&quote))
    }

    fn history(&mut self, _: EventKind, _: SymbolId, _: Option<&str>, _: i64) -> Vec<Row> {
        Vec::new()
    }

    fn due(&self) -> Due {
        if self.left > 0 { Due::At(Duration::ZERO) } else { Due::Never }
    }

    fn advance(&mut self, _: Duration, most: usize, emit: &mut dyn FnMut(&Row)) {
        for _ in 0..(most as i64 / 2).min(self.left) {
            self.sold += 1;
            self.left -= 1;
            emit(&Row::new(&TimeAndSale {
                event_symbol: self.aapl,
                index: self.sold,
                ..TimeAndSale::UNKNOWN
            }));
            emit(&Row::new(&Quote {
                event_symbol: self.msft,
                bid_price: self.sold as f64,
                ..Quote::UNKNOWN
            }));
        }
    }
}

async fn sales(client: &mut Client, count: i64) {
    let mut next = 1;
    while next <= count {
        for sale in client.data().await.chunks(2) {
            assert_eq!(sale, [json!("AAPL"), json!(next)]);
            next += 1;
        }
    }
}

#[tokio::test]
async fn a_source_may_wait_for_the_first_subscription() {
    let start = Start::OnFirstSubscription;
    let exchange = Sales::exchange(10_000, start, SlowClient::Disconnect, Rules::default());
    let mut client = Client::opened(&exchange).await;
    client.subscribe("TimeAndSale", "AAPL").await;
    sales(&mut client, 10_000).await;
}

#[tokio::test]
async fn a_replay_without_aggregation_sends_each_tick_to_its_first_subscriber() {
    let rules = Rules { outbox_bytes: 2_000, max_pending_rows: 4_000, ..Rules::default() };
    let start = Start::OnFirstSubscription;
    let exchange = Sales::exchange(20_000, start, SlowClient::Wait, rules);
    let mut client = Client::opened(&exchange).await;
    client.subscribe("Quote", "MSFT").await;
    assert_eq!(client.data().await, [json!("MSFT"), json!(-1.0)]);
    let mut next = 1;
    while next <= 20_000 {
        for quote in client.data().await.chunks(2) {
            assert_eq!(quote[1], json!(f64::from(next)));
            next += 1;
        }
    }
}

#[tokio::test]
async fn a_source_may_wait_for_a_command() {
    let start = Start::OnCommand;
    let exchange = Sales::exchange(10, start, SlowClient::Disconnect, Rules::default());
    let mut client = Client::opened(&exchange).await;
    client.subscribe("Quote", "MSFT").await;
    assert_eq!(client.data().await, [json!("MSFT"), json!(-1.0)]);
    client.subscribe("TimeAndSale", "AAPL").await;
    client.say("{").await;
    client.wait_for("ERROR").await;
    exchange.play();
    assert_eq!(client.data().await[..2], [json!("AAPL"), json!(1)]);
}

#[tokio::test]
async fn a_replay_waits_for_the_slowest_client_and_loses_nothing() {
    let rules = Rules { outbox_bytes: 10_000, max_pending_rows: 4_000, ..Rules::default() };
    let exchange = Sales::exchange(100_000, Start::OnCommand, SlowClient::Wait, rules);
    let mut quick = Client::opened(&exchange).await;
    let mut slow = Client::opened(&exchange).await;
    for client in [&mut quick, &mut slow] {
        client.subscribe("TimeAndSale", "AAPL").await;
        client.say("{").await;
        client.wait_for("ERROR").await;
    }
    exchange.play();
    let quick = async {
        sales(&mut quick, 100_000).await;
    };
    let slow = async {
        sales(&mut slow, 100_000).await;
    };
    tokio::join!(quick, slow);
    assert_eq!(exchange.stats().events(EventKind::TimeAndSale), 200_000);
}

#[tokio::test]
async fn a_client_that_stops_reading_is_dropped_and_others_go_on() {
    let rules = Rules { outbox_bytes: 10_000, max_pending_rows: 20_000, ..Rules::default() };
    let exchange = Sales::exchange(200_000, Start::OnCommand, SlowClient::Disconnect, rules);
    let mut stopped = Client::opened(&exchange).await;
    // Every field of a sale, so that the rows soon fill what the system holds for a socket.
    stopped
        .say(r#"{"type":"FEED_SETUP","channel":1,"acceptEventFields":{"TimeAndSale":[]}}"#)
        .await;
    stopped.subscribe("TimeAndSale", "AAPL").await;
    stopped.say("{").await;
    stopped.wait_for("ERROR").await;
    let mut reading = Client::opened(&exchange).await;
    reading.subscribe("Quote", "MSFT").await;
    reading.wait_for("FEED_DATA").await;
    exchange.play();
    loop {
        let quotes = reading.data().await;
        if quotes.last() == Some(&json!(200_000.0)) {
            break;
        }
    }
    until(|| exchange.stats().slow_clients == 1).await;
}

#[tokio::test]
async fn the_order_book_of_a_market_is_what_its_quote_is_the_top_of() {
    let tables = Arc::new(Tables::new());
    let settings = MarketConfig {
        symbols: vec!["AAPL".to_owned()],
        before: Duration::from_mins(1),
        ..MarketConfig::default()
    };
    let market = Market::new(&settings, Arc::clone(&tables)).unwrap();
    let exchange = Exchange::start(ExchangeConfig {
        source: Some(Box::new(market)),
        tables,
        start: Start::OnCommand,
        ..ExchangeConfig::default()
    })
    .unwrap();
    let mut client = Client::opened(&exchange).await;
    client.subscribe("Quote", "AAPL").await;
    let quote = client.data().await;
    client
        .say(r#"{"type":"CHANNEL_REQUEST","channel":3,"service":"DOM","parameters":{"symbol":"AAPL","sources":["NTV"]}}"#)
        .await;
    client.say(r#"{"type":"DOM_SETUP","channel":3,"acceptDepthLimit":4}"#).await;
    let book = client.wait_for("DOM_SNAPSHOT").await;
    let prices = |side: &str| -> Vec<f64> {
        book[side]
            .as_array()
            .unwrap()
            .iter()
            .map(|level| level["price"].as_f64().unwrap())
            .collect()
    };
    let (bids, asks) = (prices("bids"), prices("asks"));
    assert_eq!((bids.len(), asks.len()), (4, 4));
    assert_eq!(quote, [json!("AAPL"), json!(bids[0])]);
    assert!(bids.is_sorted_by(|better, worse| better > worse));
    assert!(bids[0] < asks[0] && asks.is_sorted_by(|better, worse| better < worse));
}
