use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dxstream::event::EventKind;
use dxstream_exchange::blast::{Blast, Pace, Stamp};
use dxstream_exchange::config::ExchangeConfig;
use dxstream_exchange::{Exchange, ExchangeError};
use serde_json::json;

use crate::client::{Client, until};

fn exchange(blast: &Blast) -> Exchange {
    let blast = Some(blast.clone());
    Exchange::start(ExchangeConfig { blast, ..ExchangeConfig::default() }).unwrap()
}

#[tokio::test]
async fn a_blast_sends_the_rows_that_it_says() {
    let blast =
        Blast { symbols: 7, rows_per_frame: 10, rows: Some(1_234), rounds: 3, ..Blast::default() };
    let exchange = exchange(&blast);
    let mut client = Client::opened(&exchange).await;
    client.subscribe("Quote", "SYM0000").await;
    let mut number = 0;
    while number < 1_234 {
        let rows = client.data().await;
        assert!(rows.len() <= 20);
        for row in rows.chunks(2) {
            let expected = blast.row(number);
            assert_eq!(row, [json!(blast.symbol(expected.symbol)), json!(expected.bid_price)]);
            number += 1;
        }
    }
    assert_eq!(number, 1_234);
    until(|| exchange.stats().events(EventKind::Quote) == 1_234).await;
    drop(client);
    until(|| exchange.stats().connections == 0).await;
}

#[tokio::test]
async fn a_blast_for_ever_ends_with_its_client_or_with_the_exchange() {
    let blast = Blast::default();
    let exchange = exchange(&blast);
    let mut first = Client::opened(&exchange).await;
    first.subscribe("Quote", "SYM0000").await;
    first.data().await;
    drop(first);
    until(|| exchange.stats().connections == 0).await;
    let mut second = Client::opened(&exchange).await;
    second.subscribe("Quote", "SYM0000").await;
    second.data().await;
    let started = Instant::now();
    exchange.stop();
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_blast_waits_for_as_many_symbols_as_it_is_told() {
    let blast = Blast { wait_for: 2, ..Blast::default() };
    let exchange = exchange(&blast);
    let mut client = Client::opened(&exchange).await;
    client.subscribe("Quote", "SYM0000").await;
    client.say("{").await;
    client.wait_for("ERROR").await;
    assert_eq!(exchange.stats().events(EventKind::Quote), 0);
    client.subscribe("Quote", "SYM0001").await;
    client.data().await;
}

#[tokio::test]
async fn a_paced_blast_keeps_its_schedule_and_stamps_its_rows() {
    let pace = Pace { rows_per_second: 2_000, stamp: Stamp::Wall };
    let blast = Blast { rows_per_frame: 10, rows: Some(400), pace: Some(pace), ..Blast::default() };
    let exchange = exchange(&blast);
    let mut client = Client::opened(&exchange).await;
    client
        .say(r#"{"type":"FEED_SETUP","channel":1,"acceptEventFields":{"Quote":["bidTime","timeNanoPart"]}}"#)
        .await;
    let started = Instant::now();
    client.subscribe("Quote", "SYM0000").await;
    let mut last = 0;
    for _ in 0..40 {
        let rows = client.data().await;
        assert_eq!(rows.len(), 20);
        let sent = rows[0].as_i64().unwrap() * 1_000_000 + rows[1].as_i64().unwrap();
        assert!(sent > last, "frames are sent one after the other");
        last = sent;
    }
    // 400 rows at 2,000 a second: the last of 40 frames is due after 39 of 40 parts of 200 ms.
    assert!(started.elapsed() >= Duration::from_millis(190));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as i64;
    assert!(now >= last && now - last < 20_000_000_000);
}

#[test]
fn a_blast_does_not_speak_tls() {
    let config =
        ExchangeConfig { tls: true, blast: Some(Blast::default()), ..ExchangeConfig::default() };
    assert!(matches!(Exchange::start(config).unwrap_err(), ExchangeError::BlastOverTls));
}
