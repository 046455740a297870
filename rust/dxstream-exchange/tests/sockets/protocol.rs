use std::time::Duration;

use dxstream::event::EventKind;
use dxstream_exchange::config::{ExchangeConfig, Rules};
use dxstream_exchange::{Exchange, ExchangeError};
use serde_json::json;

use crate::client::{Client, Heard, quote, until};

#[tokio::test]
async fn a_quote_goes_from_publish_to_a_client() {
    let exchange = Exchange::start(ExchangeConfig::default()).unwrap();
    assert!(exchange.url().starts_with("ws://127.0.0.1:"));
    round_trip(&exchange).await;
    assert_eq!(exchange.stats().events(EventKind::Quote), 2);
    assert_eq!(exchange.stats().total_events(), 2);
}

#[tokio::test]
async fn tls_is_spoken_with_a_certificate_that_the_client_can_trust() {
    let exchange =
        Exchange::start(ExchangeConfig { tls: true, ..ExchangeConfig::default() }).unwrap();
    assert!(exchange.url().starts_with("wss://127.0.0.1:"));
    round_trip(&exchange).await;
}

async fn round_trip(exchange: &Exchange) {
    let mut client = Client::connect(exchange).await;
    client.say(r#"{"type":"SETUP","channel":0,"version":"0.1-test/1"}"#).await;
    client.wait_for("SETUP").await;
    assert_eq!(client.wait_for("AUTH_STATE").await["state"], "UNAUTHORIZED");
    client.say(r#"{"type":"AUTH","channel":0,"token":"token"}"#).await;
    assert_eq!(client.wait_for("AUTH_STATE").await["state"], "AUTHORIZED");
    client
        .say(r#"{"type":"CHANNEL_REQUEST","channel":1,"service":"FEED","parameters":{"contract":"AUTO"}}"#)
        .await;
    client.wait_for("CHANNEL_OPENED").await;
    client
        .say(r#"{"type":"FEED_SETUP","channel":1,"acceptDataFormat":"COMPACT","acceptEventFields":{"Quote":["eventSymbol","bidPrice"]}}"#)
        .await;
    client.wait_for("FEED_CONFIG").await;
    exchange.publish(&[quote(exchange, "AAPL", 150.25)]);
    client.subscribe("Quote", "AAPL").await;
    assert_eq!(
        client.wait_for("FEED_CONFIG").await["eventFields"],
        json!({ "Quote": ["eventSymbol", "bidPrice"] })
    );
    assert_eq!(client.data().await, [json!("AAPL"), json!(150.25)]);
    exchange.publish(&[quote(exchange, "AAPL", 150.5)]);
    assert_eq!(client.data().await, [json!("AAPL"), json!(150.5)]);
}

#[tokio::test]
async fn a_message_that_is_too_long_closes_with_1009() {
    let exchange = Exchange::start(ExchangeConfig::default()).unwrap();
    let mut client = Client::opened(&exchange).await;
    let long = format!(r#"{{"type":"KEEPALIVE","channel":0,"x":"{}"}}"#, "x".repeat(300_000));
    client.say(&long).await;
    assert_eq!(client.wait_for_close().await.0, 1009);
    until(|| exchange.stats().connections == 0).await;
}

#[tokio::test]
async fn an_idle_client_hears_keepalive_and_is_closed_when_it_stays_silent() {
    let rules = Rules {
        keepalive_timeout: Duration::from_millis(100),
        accept_keepalive_timeout: Duration::from_secs(2),
        ..Rules::default()
    };
    let exchange = Exchange::start(ExchangeConfig { rules, ..ExchangeConfig::default() }).unwrap();
    let mut client = Client::opened(&exchange).await;
    client.wait_for("KEEPALIVE").await;
    client.say(r#"{"type":"KEEPALIVE","channel":0}"#).await;
    client.wait_for("KEEPALIVE").await;
    assert_eq!(client.wait_for_close().await, (1000, "Bye".to_owned()));
}

#[tokio::test]
async fn a_ping_is_answered_and_a_clients_close_is_returned() {
    let exchange = Exchange::start(ExchangeConfig::default()).unwrap();
    let mut client = Client::opened(&exchange).await;
    client.ping().await;
    assert!(matches!(client.hear().await, Heard::Pong));
    client.close().await;
    until(|| exchange.stats().connections == 0).await;
}

#[tokio::test]
async fn callers_script_frames_and_closes_and_see_what_clients_say() {
    let config = ExchangeConfig { received_limit: 2, ..ExchangeConfig::default() };
    let exchange = Exchange::start(config).unwrap();
    let mut client = Client::opened(&exchange).await;
    client.say("{").await;
    assert_eq!(client.wait_for("ERROR").await["error"], "INVALID_MESSAGE");
    exchange.send_raw(r#"{"type":"ODD","channel":77}"#);
    assert_eq!(client.wait_for("ODD").await["channel"], 77);
    let received = exchange.received();
    assert_eq!(received.len(), 2);
    assert!(received[0].contains("FEED_SETUP"));
    assert_eq!(received[1], "{");
    exchange.close_connections(1012, "Reconnection is required");
    assert_eq!(client.wait_for_close().await, (1012, "Reconnection is required".to_owned()));
    until(|| exchange.stats().connections == 0).await;
    let stats = exchange.stats();
    assert_eq!((stats.accepted, stats.errors), (1, 1));
    Client::opened(&exchange).await;
}

#[tokio::test]
async fn stopping_closes_the_connections_and_the_port() {
    let exchange = Exchange::start(ExchangeConfig::default()).unwrap();
    let address = ("127.0.0.1", exchange.port());
    let mut client = Client::opened(&exchange).await;
    exchange.stop();
    assert_eq!(client.wait_for_close().await.0, 1001);
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    exchange.publish(&[]);
    exchange.stop();
}

#[test]
fn only_loopback_is_served() {
    let config =
        ExchangeConfig { address: "0.0.0.0:0".parse().unwrap(), ..ExchangeConfig::default() };
    let error = Exchange::start(config).unwrap_err();
    assert!(matches!(error, ExchangeError::NotLoopback(_)));
    assert_eq!(error.to_string(), "the exchange serves loopback only, not 0.0.0.0:0");
}

#[test]
fn a_taken_port_is_an_error() {
    let first = Exchange::start(ExchangeConfig::default()).unwrap();
    let address = ([127, 0, 0, 1], first.port()).into();
    let error = Exchange::start(ExchangeConfig { address, ..ExchangeConfig::default() });
    assert!(matches!(error.unwrap_err(), ExchangeError::Listen(..)));
}
