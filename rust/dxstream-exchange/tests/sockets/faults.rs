//! Each fault, as a client sees it on the wire.

use std::io::ErrorKind;
use std::time::Duration;

use dxstream::event::EventKind;
use dxstream_exchange::Exchange;
use dxstream_exchange::config::{Access, ExchangeConfig, Rules};
use dxstream_exchange::fault::{
    Action, Connections, Encoding, Expiry, Fault, Injection, Messages, Point,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::CapacityError;

use crate::client::{Client, DEADLINE, Heard, quote, until};

pub(crate) const STALL: Action = Action::Stall { bytes: 0, reading: true };
const SETUP: &str = r#"{"type":"SETUP","channel":0,"version":"0.1-test/1"}"#;

pub(crate) fn at(kind: &str, number: u64) -> Point {
    Point::At(Messages { kind: Some(kind.to_owned()), number })
}

fn after(kind: &str, number: u64) -> Point {
    Point::After(Messages { kind: Some(kind.to_owned()), number })
}

pub(crate) fn opening() -> Point {
    Point::After(Messages { kind: None, number: 0 })
}

fn exchange_with(faults: Vec<Fault>) -> Exchange {
    Exchange::start(ExchangeConfig { faults, ..ExchangeConfig::default() }).unwrap()
}

pub(crate) fn exchange(point: Point, action: Action) -> Exchange {
    exchange_with(vec![Fault::new(point, action)])
}

fn tls_exchange(point: Point, action: Action) -> Exchange {
    let faults = vec![Fault::new(point, action)];
    Exchange::start(ExchangeConfig { tls: true, faults, ..ExchangeConfig::default() }).unwrap()
}

/// A connection that has said something, and all that it hears until the connection ends.
async fn said_to(exchange: &Exchange, text: &[u8]) -> (Vec<u8>, Option<ErrorKind>) {
    let mut socket = match TcpStream::connect(("127.0.0.1", exchange.port())).await {
        Ok(socket) => socket,
        // The reset may come before the connection is looked at.
        Err(error) => return (Vec::new(), Some(error.kind())),
    };
    let _ = socket.write_all(text).await;
    let mut heard = Vec::new();
    let end = timeout(DEADLINE, socket.read_to_end(&mut heard)).await.expect("it stays open");
    (heard, end.err().map(|error| error.kind()))
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Waits until a fault has happened, leaves, and checks that nothing was said to the end.
async fn hears_nothing(exchange: &Exchange, text: &[u8]) {
    let mut socket = TcpStream::connect(("127.0.0.1", exchange.port())).await.unwrap();
    socket.write_all(text).await.unwrap();
    until(|| exchange.stats().faults == [1]).await;
    // The exchange reads, and ends the connection when the client does.
    socket.shutdown().await.unwrap();
    assert_eq!(timeout(DEADLINE, socket.read(&mut [0; 1])).await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn a_stall_below_the_websocket_answers_nothing() {
    for point in [Point::Accept, Point::Upgrade] {
        hears_nothing(&exchange(point, STALL), REQUEST).await;
    }
    let hello = [0x16, 3, 1];
    for point in [Point::Accept, Point::Tls] {
        hears_nothing(&tls_exchange(point, STALL), &hello).await;
    }
}

#[tokio::test]
async fn a_cut_below_the_websocket_comes_at_its_byte() {
    for (reset, error) in [(false, None), (true, Some(ErrorKind::ConnectionReset))] {
        let exchange = exchange(Point::Upgrade, Action::Cut { bytes: 12, reset });
        assert_eq!(said_to(&exchange, REQUEST).await, (b"HTTP/1.1 101".to_vec(), error));
        exchange
            .set_faults(vec![Fault::new(Point::Accept, Action::Cut { bytes: 0, reset })])
            .unwrap();
        assert_eq!(said_to(&exchange, b"").await, (Vec::new(), error));
    }
}

#[tokio::test]
async fn a_tls_handshake_is_cut_in_the_middle_of_the_answer() {
    let exchange = tls_exchange(Point::Tls, Action::Cut { bytes: 5, reset: false });
    let error = Client::try_connect(&exchange).await.err().expect("the handshake is cut");
    assert!(matches!(error, Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof));
    assert_eq!(exchange.stats().faults, [1]);
    assert_eq!((exchange.stats().attempts, exchange.stats().accepted), (1, 0));
}

#[tokio::test]
async fn a_trickle_loses_nothing() {
    for point in [Point::Accept, Point::Tls, Point::Upgrade] {
        let exchange = tls_exchange(point, Action::Trickle { bytes_per_second: 50_000 });
        let mut client = Client::connect(&exchange).await;
        client.say(SETUP).await;
        client.wait_for("AUTH_STATE").await;
        assert_eq!(exchange.stats().faults, [1]);
    }
}

#[tokio::test]
async fn an_upgrade_is_answered_with_a_status_and_headers() {
    for (status, name, value) in [
        (401, "WWW-Authenticate", "Bearer"),
        (429, "Retry-After", "7"),
        (503, "Retry-After", "Wed, 21 Oct 2026 07:28:00 GMT"),
        (302, "Location", "ws://127.0.0.1:1/"),
    ] {
        let headers = vec![(name.to_owned(), value.to_owned())];
        let exchange = exchange(Point::Upgrade, Action::Respond { status, headers });
        let Some(Error::Http(response)) = Client::try_connect(&exchange).await.err() else {
            panic!("the upgrade is not refused");
        };
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()[name], value);
        let (text, error) = said_to(&exchange, REQUEST).await;
        assert_eq!(error, None);
        assert!(String::from_utf8(text).unwrap().starts_with(&format!("HTTP/1.1 {status} ")));
    }
}

#[tokio::test]
async fn an_upgrade_may_agree_to_an_extension_that_nobody_asked_for() {
    let headers = vec![("Sec-WebSocket-Extensions".to_owned(), "permessage-deflate".to_owned())];
    let exchange = exchange(Point::Upgrade, Action::Respond { status: 101, headers });
    let mut socket = TcpStream::connect(("127.0.0.1", exchange.port())).await.unwrap();
    socket.write_all(REQUEST).await.unwrap();
    let mut heard = Vec::new();
    while !heard.ends_with(b"\r\n\r\n") {
        heard.push(timeout(DEADLINE, socket.read_u8()).await.unwrap().unwrap());
    }
    let heard = String::from_utf8(heard).unwrap().to_lowercase();
    assert!(heard.starts_with("http/1.1 101 "));
    assert!(heard.contains("\r\nsec-websocket-extensions: permessage-deflate\r\n"));
}

#[tokio::test]
async fn the_first_connections_are_refused_and_the_next_is_served() {
    let refusal = Action::Respond { status: 503, headers: Vec::new() };
    let fault =
        Fault { connections: Connections::Numbers(1..=3), ..Fault::new(Point::Upgrade, refusal) };
    let exchange = exchange_with(vec![fault]);
    for _ in 0..3 {
        assert!(matches!(Client::try_connect(&exchange).await, Err(Error::Http(_))));
    }
    Client::opened(&exchange).await;
    let stats = exchange.stats();
    assert_eq!((stats.attempts, stats.accepted, stats.faults), (4, 1, vec![3]));
}

/// What a client hears that opens a channel and subscribes, up to what is not a message.
async fn conversation(exchange: &Exchange) -> (Vec<Value>, Heard) {
    let mut client = Client::connect(exchange).await;
    client.open().await;
    client.subscribe("Quote", "AAPL").await;
    let mut messages = Vec::new();
    loop {
        match client.hear().await {
            Heard::Message(message) => messages.push(message),
            other => return (messages, other),
        }
    }
}

fn types(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_close_comes_at_a_stage_with_its_code_and_reason() {
    for (kind, number, code, reason) in [
        ("SETUP", 1, 1000, ""),
        ("AUTH_STATE", 2, 1000, "Bye"),
        ("CHANNEL_OPENED", 1, 1001, "going away"),
        ("FEED_CONFIG", 1, 1011, "internal error"),
        ("FEED_CONFIG", 1, 1013, "try again later"),
    ] {
        let close = Action::Close { code, reason: reason.to_owned() };
        let exchange = exchange(at(kind, number), close);
        let (messages, heard) = conversation(&exchange).await;
        let same = types(&messages).into_iter().filter(|other| *other == kind).count();
        assert_eq!(same as u64, number - 1, "{kind}");
        assert!(
            matches!(&heard, Heard::Close(c, r) if (*c, r.as_str()) == (code, reason)),
            "{heard:?}"
        );
    }
}

#[tokio::test]
async fn a_stalled_client_hears_nothing_more_and_is_counted_until_it_leaves() {
    let exchange = exchange(at("CHANNEL_OPENED", 1), STALL);
    let mut client = Client::connect(&exchange).await;
    client.open().await;
    client.wait_for("AUTH_STATE").await;
    client.wait_for("AUTH_STATE").await;
    until(|| exchange.stats().faults == [1]).await;
    client.ping().await;
    exchange.publish(&[quote(&exchange, "AAPL", 1.0)]);
    exchange.send_raw("{}");
    assert!(!client.has_heard().await);
    assert_eq!(exchange.stats().connections, 1);
    drop(client);
    until(|| exchange.stats().connections == 0).await;
}

#[tokio::test]
async fn a_stalled_client_does_not_hold_up_the_end_of_the_exchange() {
    let exchange = exchange(opening(), Action::Stall { bytes: 0, reading: false });
    let mut client = Client::connect(&exchange).await;
    until(|| exchange.stats().faults == [1]).await;
    exchange.stop();
    assert!(matches!(client.hear().await, Heard::End));
}

#[tokio::test]
async fn a_message_may_stop_in_the_middle_of_its_frame() {
    let exchange = exchange(at("SETUP", 1), Action::Stall { bytes: 9, reading: true });
    let mut socket = Client::connect(&exchange).await.into_inner();
    // A frame of a client is masked: here with zeros.
    let mut frame = vec![0x81, 0x80 | SETUP.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(SETUP.as_bytes());
    socket.write_all(&frame).await.unwrap();
    let mut heard = [0; 9];
    timeout(DEADLINE, socket.read_exact(&mut heard)).await.unwrap().unwrap();
    assert_eq!((heard[0], &heard[2..]), (0x81, &br#"{"type""#[..]));
    until(|| exchange.stats().faults == [1]).await;
    let more = timeout(Duration::from_millis(20), socket.read_u8()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test]
async fn a_connection_is_cut_in_the_middle_of_a_message() {
    for (tls, reset) in [(false, false), (false, true), (true, false), (true, true)] {
        let cut = Action::Cut { bytes: 20, reset };
        let fault = Fault::new(at("FEED_DATA", 2), cut);
        let faults = vec![fault];
        let exchange =
            Exchange::start(ExchangeConfig { tls, faults, ..ExchangeConfig::default() }).unwrap();
        let mut client = Client::opened(&exchange).await;
        client.subscribe("TimeAndSale", "AAPL").await;
        client.subscribe("Quote", "AAPL").await;
        until(|| exchange.stats().subscriptions == 2).await;
        exchange.publish(&[quote(&exchange, "AAPL", 1.0)]);
        assert_eq!(client.data().await, [json!("AAPL"), json!(1.0)]);
        exchange.publish(&[quote(&exchange, "AAPL", 2.0)]);
        let error = client.end().await;
        assert_eq!(error == ErrorKind::ConnectionReset, reset, "{error:?}");
        assert_eq!(exchange.stats().faults, [1]);
        drop(client);
        until(|| exchange.stats().connections == 0).await;
    }
}

fn injection(payload: impl Into<Vec<u8>>, text: bool) -> Injection {
    Injection { payload: payload.into().into(), text, fragments: 1, times: 1 }
}

#[tokio::test]
async fn messages_of_any_form_are_injected_and_the_rest_goes_on() {
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let long = "x".repeat(9 << 20);
    let injections = [
        injection("no JSON", true),
        injection(r#"{"type":"FEED_DATA","cha"#, true),
        injection([0_u8, 1, 255], false),
        injection(deep, true),
        injection(long, true),
        Injection { fragments: 5_000, ..injection("é".repeat(5_001), true) },
        Injection { fragments: 3, ..injection("", true) },
        Injection { times: 3, ..injection("again", true) },
    ];
    let faults = injections.iter().cloned();
    let faults = faults.map(|it| Fault::new(opening(), Action::Inject(it))).collect();
    let exchange = exchange_with(faults);
    let mut client = Client::connect(&exchange).await;
    for injection in &injections {
        for _ in 0..injection.times {
            let message = client.message().await.unwrap();
            assert_eq!(message.is_text(), injection.text);
            assert!(message.into_data() == injection.payload);
        }
    }
    client.open().await;
    client.wait_for("CHANNEL_OPENED").await;
    assert_eq!(exchange.stats().faults, [1; 8]);
}

#[tokio::test]
async fn text_that_is_not_utf_8_and_frames_that_are_too_long_are_errors_of_the_websocket() {
    let exchange = exchange(opening(), Action::Inject(injection([0xff, 0xfe], true)));
    let error = Client::connect(&exchange).await.message().await.unwrap_err();
    assert!(matches!(error, Error::Utf8(_)), "{error:?}");

    let long = injection(vec![b' '; 17 << 20], true);
    exchange.set_faults(vec![Fault::new(opening(), Action::Inject(long))]).unwrap();
    let error = Client::connect(&exchange).await.message().await.unwrap_err();
    assert!(matches!(error, Error::Capacity(CapacityError::MessageTooLong { .. })), "{error:?}");
}

#[tokio::test]
async fn replies_are_missing_doubled_or_about_another_channel() {
    let rewrite = |old: &str, new: &str| Action::Rewrite { old: old.into(), new: new.into() };
    let exchange = exchange_with(vec![
        Fault::new(at("AUTH_STATE", 1), Action::Omit),
        Fault::new(at("AUTH_STATE", 2), Action::Repeat(1)),
        Fault::new(at("CHANNEL_OPENED", 1), Action::Repeat(1)),
        Fault::new(at("FEED_CONFIG", 1), rewrite(r#""channel":1"#, r#""channel":9"#)),
    ]);
    let mut client = Client::connect(&exchange).await;
    client.open().await;
    let mut heard = Vec::new();
    for _ in 0..6 {
        let Heard::Message(message) = client.hear().await else { panic!("no message") };
        heard.push((message["type"].as_str().unwrap().to_owned(), message["channel"].clone()));
    }
    let expected = [
        ("SETUP", 0),
        ("AUTH_STATE", 0),
        ("AUTH_STATE", 0),
        ("CHANNEL_OPENED", 1),
        ("CHANNEL_OPENED", 1),
        ("FEED_CONFIG", 9),
    ];
    assert_eq!(heard, expected.map(|(kind, channel)| (kind.to_owned(), json!(channel))));
}

#[tokio::test]
async fn data_can_be_withheld_while_the_exchange_keeps_alive() {
    let rules = Rules { keepalive_timeout: Duration::from_millis(50), ..Rules::default() };
    let fault = Fault { times: None, ..Fault::new(at("FEED_DATA", 2), Action::Omit) };
    let config = ExchangeConfig { rules, faults: vec![fault], ..ExchangeConfig::default() };
    let exchange = Exchange::start(config).unwrap();
    let mut client = Client::opened(&exchange).await;
    exchange.publish(&[quote(&exchange, "AAPL", 1.0)]);
    client.subscribe("Quote", "AAPL").await;
    client.data().await;
    exchange.publish(&[quote(&exchange, "AAPL", 2.0)]);
    until(|| exchange.stats().faults == [1]).await;
    for _ in 0..3 {
        let Heard::Message(message) = client.hear().await else { panic!("no message") };
        assert_eq!(message["type"], "KEEPALIVE");
    }
}

#[tokio::test]
async fn an_expired_token_is_refused_for_ever_and_another_is_let_in() {
    for (expiry, kind, answer) in
        [(Expiry::AuthState, "AUTH_STATE", "AUTH_STATE"), (Expiry::Error, "ERROR", "ERROR")]
    {
        let access = Access::Tokens(vec!["token".to_owned(), "newer".to_owned()]);
        let faults = vec![Fault {
            connections: Connections::Numbers(1..=1),
            ..Fault::new(after("FEED_DATA", 2), Action::Expire(expiry))
        }];
        let exchange =
            Exchange::start(ExchangeConfig { access, faults, ..ExchangeConfig::default() })
                .unwrap();
        let mut client = Client::opened(&exchange).await;
        client.subscribe("Quote", "AAPL").await;
        until(|| exchange.stats().subscriptions == 1).await;
        for bid_price in [1.0, 2.0] {
            exchange.publish(&[quote(&exchange, "AAPL", bid_price)]);
            assert_eq!(client.data().await[1], bid_price);
        }
        let told = client.wait_for(kind).await;
        assert!(told["state"] == "UNAUTHORIZED" || told["error"] == "UNAUTHORIZED", "{told}");
        assert_eq!(client.wait_for("CHANNEL_CLOSED").await["channel"], 1);
        assert_eq!(exchange.stats().subscriptions, 0);
        exchange.publish(&[quote(&exchange, "AAPL", 3.0)]);
        client.say(r#"{"type":"AUTH","channel":0,"token":"newer"}"#).await;
        let Heard::Message(heard) = client.hear().await else { panic!("no message") };
        assert_eq!(heard["state"], "AUTHORIZED");

        let mut old = Client::connect(&exchange).await;
        old.say(SETUP).await;
        old.wait_for("AUTH_STATE").await;
        old.say(r#"{"type":"AUTH","channel":0,"token":"token"}"#).await;
        let told = old.wait_for(answer).await;
        assert!(told["state"] == "UNAUTHORIZED" || told["message"] == "Authentication failed");
    }
}

pub(crate) fn quote_fields(names: &[&str]) -> Encoding {
    let names = names.iter().map(ToString::to_string).collect();
    Encoding { fields: Some((EventKind::Quote, names)), compact: None }
}

#[tokio::test]
async fn rows_are_encoded_in_another_way_and_the_client_is_told() {
    let full = Encoding { compact: Some(false), fields: None };
    let change =
        |number, encoding| Fault::new(after("FEED_DATA", number), Action::Reconfigure(encoding));
    let missing = quote_fields(&["eventSymbol"]);
    let exchange = exchange_with(vec![
        Fault::new(
            after("CHANNEL_OPENED", 1),
            Action::Reconfigure(quote_fields(&["bidPrice", "eventSymbol"])),
        ),
        change(1, missing),
        change(2, full),
    ]);
    let mut client = Client::opened(&exchange).await;
    client.subscribe("Quote", "AAPL").await;
    until(|| exchange.stats().subscriptions == 1).await;
    let mut heard = Vec::new();
    for (bid_price, told) in [(1.0, "eventFields"), (2.0, "eventFields"), (3.0, "dataFormat")] {
        exchange.publish(&[quote(&exchange, "AAPL", bid_price)]);
        let config = loop {
            let config = client.wait_for("FEED_CONFIG").await;
            if !config[told].is_null() {
                break config;
            }
        };
        heard.push((config, client.wait_for("FEED_DATA").await["data"].clone()));
    }
    assert_eq!(heard[0].0["eventFields"], json!({"Quote": ["bidPrice", "eventSymbol"]}));
    assert_eq!(heard[0].1, json!(["Quote", [1.0, "AAPL"]]));
    assert_eq!(heard[1].0["eventFields"], json!({"Quote": ["eventSymbol"]}));
    assert_eq!(heard[1].1, json!(["Quote", ["AAPL"]]));
    assert_eq!(heard[2].0["dataFormat"], "FULL");
    assert_eq!(heard[2].1[0]["eventSymbol"], "AAPL");
}

#[tokio::test]
async fn faults_can_be_set_while_clients_are_connected() {
    let exchange = exchange_with(Vec::new());
    let mut client = Client::opened(&exchange).await;
    let bye = Action::Close { code: 1012, reason: "restart".to_owned() };
    exchange.set_faults(vec![Fault::new(opening(), bye)]).unwrap();
    assert_eq!(client.wait_for_close().await, (1012, "restart".to_owned()));
    exchange.set_faults(Vec::new()).unwrap();
    assert_eq!(exchange.stats().faults, [0; 0]);
    Client::opened(&exchange).await;
}

#[tokio::test]
async fn an_exchange_comes_back_on_its_port_at_once() {
    let first = exchange_with(Vec::new());
    let address = ([127, 0, 0, 1], first.port()).into();
    let mut client = Client::opened(&first).await;
    first.stop();
    let second = Exchange::start(ExchangeConfig { address, ..ExchangeConfig::default() }).unwrap();
    assert_eq!(client.wait_for_close().await.0, 1001);
    Client::opened(&second).await;
}
