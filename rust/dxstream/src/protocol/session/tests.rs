use serde_json::{Value, json};

use super::*;
use crate::error::Error;
use crate::event::{Candle, Order, Quote, Record, Side};
use crate::protocol::Entry;
use crate::protocol::pace::{ENTRIES_AT_ONCE, ENTRIES_PER_SECOND};

/// A session under test: its time, what it wants and what it delivered.
struct Talk {
    session: Session,
    wanted: Subscriptions,
    tables: Arc<Tables>,
    now: Duration,
    rows: Rows,
}

#[derive(Default)]
struct Rows(Vec<(EventKind, Vec<u64>)>);

impl EventSink for Rows {
    fn rows(&mut self, kind: EventKind, rows: &[u64]) {
        self.0.extend(rows.chunks_exact(kind.fields().len()).map(|row| (kind, row.to_vec())));
    }

    fn snapshot(&mut self, kind: EventKind, rows: &[u64], _: bool) {
        self.rows(kind, rows);
    }

    fn snapshot_mark(&mut self, _: EventKind, _: &SnapshotMark) {}

    fn gap(&mut self, _: &TypeGap) {}

    fn last_time(&self, _: EventKind, _: &str) -> Option<i64> {
        None
    }
}

impl Talk {
    fn new(token: Option<&str>) -> Self {
        let tables = Arc::new(Tables::new());
        let settings = SessionSettings::default();
        let token = token.map(Secret::new);
        Self {
            session: Session::new(settings, token, Arc::clone(&tables), Duration::ZERO),
            wanted: Subscriptions::default(),
            tables,
            now: Duration::ZERO,
            rows: Rows::default(),
        }
    }

    fn authorized() -> Self {
        let mut talk = Self::new(None);
        talk.hear(&json!({"type": "SETUP", "channel": 0, "version": "1.0"}));
        talk.hear(&json!({"type": "AUTH_STATE", "channel": 0, "state": "AUTHORIZED"}));
        talk.sent();
        assert_eq!(talk.session.next_event(), Some(SessionEvent::Authorized));
        talk
    }

    /// An authorized session with an open channel 1 for `kind`.
    fn subscribed(kind: EventKind, symbols: &[&str], from_time: Option<i64>) -> Self {
        let mut talk = Self::authorized();
        talk.want(kind, symbols, from_time);
        talk.hear(&json!({"type": "CHANNEL_OPENED", "channel": 1, "service": "FEED"}));
        talk.sent();
        talk
    }

    fn want(&mut self, kind: EventKind, symbols: &[&str], from_time: Option<i64>) {
        let entries = symbols.iter().map(|&symbol| Entry { symbol: symbol.into(), source: None });
        self.wanted.add(FeedKey::new(kind, from_time), entries, from_time, Some(0.1));
        self.session.send_changes(&mut self.wanted, self.now);
    }

    fn hear(&mut self, message: &Value) {
        self.hear_text(&message.to_string());
    }

    fn hear_text(&mut self, frame: &str) {
        self.session.receive(frame, &mut self.wanted, &mut self.rows, self.now);
    }

    fn hear_rows(&mut self, channel: u64, pairs: &Value) {
        self.hear(&json!({"type": "FEED_DATA", "channel": channel, "data": pairs}));
    }

    fn configure(&mut self, kind: &str, fields: &[&str]) {
        self.hear(&json!({
            "type": "FEED_CONFIG", "channel": 1, "dataFormat": "COMPACT", "aggregationPeriod": 0.1,
            "eventFields": {kind: fields},
        }));
    }

    fn pass(&mut self, seconds: f64) {
        self.now += Duration::from_secs_f64(seconds);
        self.session.tick(&mut self.wanted, self.now);
    }

    fn sent(&mut self) -> Vec<Value> {
        std::iter::from_fn(|| self.session.next_output())
            .map(|frame| serde_json::from_str(&frame).unwrap())
            .collect()
    }

    fn sent_types(&mut self) -> Vec<String> {
        self.sent().iter().map(|message| message["type"].as_str().unwrap().into()).collect()
    }

    fn failure(&mut self) -> Error {
        self.session.take_failure().expect("the session did not fail").error
    }

    fn quotes(&mut self) -> Vec<(String, f64, f64)> {
        let rows = std::mem::take(&mut self.rows.0);
        rows.iter()
            .map(|(kind, row)| {
                assert_eq!(*kind, EventKind::Quote);
                let quote = Quote::from_row(row);
                let symbol = self.tables.symbol(quote.event_symbol).unwrap().to_owned();
                (symbol, quote.bid_price, quote.ask_price)
            })
            .collect()
    }
}

fn quote(symbol: &str, bid: f64, ask: f64) -> (String, f64, f64) {
    (symbol.into(), bid, ask)
}

#[test]
fn each_step_of_the_handshake_waits_for_the_one_before() {
    let mut talk = Talk::new(Some("secret-token"));
    talk.want(EventKind::Quote, &["AAPL"], None);
    let setup = talk.sent();
    assert_eq!(setup.len(), 1);
    assert_eq!(setup[0]["type"], "SETUP");
    assert_eq!(setup[0]["keepaliveTimeout"], 60.0);
    assert!(setup[0]["version"].as_str().unwrap().starts_with("0.1-"));

    talk.hear(&json!({"type": "SETUP", "channel": 0, "keepaliveTimeout": 60, "version": "1.0"}));
    assert!(talk.sent().is_empty());
    talk.hear(&json!({"type": "AUTH_STATE", "channel": 0, "state": "UNAUTHORIZED"}));
    assert_eq!(talk.sent(), [json!({"type": "AUTH", "channel": 0, "token": "secret-token"})]);
    talk.hear(&json!({"type": "AUTH_STATE", "channel": 0, "state": "AUTHORIZED", "userId": "x"}));
    assert_eq!(
        talk.sent(),
        [json!({"type": "CHANNEL_REQUEST", "channel": 1, "service": "FEED",
                "parameters": {"contract": "AUTO"}})]
    );
    talk.hear(&json!({"type": "CHANNEL_OPENED", "channel": 1, "service": "FEED",
                      "parameters": {"contract": "AUTO", "subFormat": "LIST"}}));
    let sent = talk.sent();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0]["type"], "FEED_SETUP");
    assert_eq!(sent[0]["acceptAggregationPeriod"], 0.1);
    assert_eq!(sent[0]["acceptDataFormat"], "COMPACT");
    assert_eq!(sent[0]["acceptEventFields"]["Quote"][0], "eventSymbol");
    assert_eq!(
        sent[1],
        json!({"type": "FEED_SUBSCRIPTION", "channel": 1, "reset": true,
               "add": [{"type": "Quote", "symbol": "AAPL"}]})
    );
}

#[test]
fn a_refused_token_is_an_authentication_error_and_is_not_sent_again() {
    let mut talk = Talk::new(Some("secret-token"));
    talk.hear(&json!({"type": "SETUP", "channel": 0}));
    talk.hear(&json!({"type": "AUTH_STATE", "channel": 0, "state": "UNAUTHORIZED"}));
    talk.sent();
    talk.hear(&json!({"type": "AUTH_STATE", "channel": 0, "state": "UNAUTHORIZED"}));
    assert!(talk.sent().is_empty());
    let error = talk.failure();
    assert!(matches!(error, Error::Authentication(_)));
    assert!(!error.to_string().contains("secret-token"));
}

#[test]
fn a_server_that_wants_a_token_is_an_error_where_there_is_none() {
    let mut talk = Talk::new(None);
    talk.hear(&json!({"type": "SETUP", "channel": 0}));
    talk.hear(&json!({"type": "AUTH_STATE", "channel": 0, "state": "UNAUTHORIZED"}));
    assert!(matches!(talk.failure(), Error::Authentication(_)));
}

#[test]
fn an_error_during_the_handshake_ends_it() {
    for (kind, expected) in [
        ("UNAUTHORIZED", "Authentication"),
        ("UNSUPPORTED_PROTOCOL", "Protocol"),
        ("BAD_ACTION", "Protocol"),
        ("TIMEOUT", "ConnectionLost"),
    ] {
        let mut talk = Talk::new(None);
        talk.hear(&json!({"type": "ERROR", "channel": 0, "error": kind, "message": "a\nb"}));
        let error = format!("{:?}", talk.failure());
        assert!(error.starts_with(expected), "{kind}: {error}");
        assert!(error.contains("a b"), "{error}");
    }
}

#[test]
fn an_error_later_is_a_complaint() {
    let mut talk = Talk::subscribed(EventKind::Quote, &["AAPL"], None);
    talk.hear(&json!({"type": "ERROR", "channel": 1, "error": "BAD_ACTION",
                      "message": "Your subscription size is too big"}));
    let Some(SessionEvent::Complaint(text)) = talk.session.next_event() else { panic!() };
    assert!(text.contains("too big") && text.contains("Quote"), "{text}");
    assert_eq!(talk.session.counters().server_errors, 1);
}

#[test]
fn a_server_that_does_not_answer_is_given_up() {
    let mut talk = Talk::new(None);
    talk.pass(9.9);
    assert_eq!(talk.session.next_event(), None);
    assert_eq!(talk.session.deadline(&talk.wanted), Duration::from_secs(10));
    talk.pass(0.1);
    assert!(talk.failure().to_string().contains("SETUP"));
}

#[test]
fn a_channel_that_does_not_open_is_given_up() {
    let mut talk = Talk::authorized();
    talk.want(EventKind::Quote, &["AAPL"], None);
    talk.pass(10.0);
    assert!(talk.failure().to_string().contains("CHANNEL_REQUEST"));
}

#[test]
fn a_channel_that_is_cancelled_before_it_opens_is_not_waited_for() {
    let mut talk = Talk::authorized();
    talk.want(EventKind::Quote, &["AAPL"], None);
    talk.wanted.remove_all(EventKind::Quote);
    talk.session.send_changes(&mut talk.wanted, talk.now);
    talk.pass(20.0);
    assert_eq!(talk.session.next_event(), None);
}

#[test]
fn keepalives_go_out_when_nothing_else_does() {
    let mut talk = Talk::authorized();
    talk.pass(29.0);
    assert!(talk.sent().is_empty());
    assert_eq!(talk.session.deadline(&talk.wanted), Duration::from_secs(30));
    talk.pass(1.0);
    assert_eq!(talk.sent(), [json!({"type": "KEEPALIVE", "channel": 0})]);
    assert_eq!(talk.session.deadline(&talk.wanted), Duration::from_mins(1));
}

#[test]
fn keepalives_keep_the_servers_shorter_wish() {
    let mut talk = Talk::new(None);
    talk.hear(&json!({"type": "SETUP", "channel": 0, "acceptKeepaliveTimeout": 10.0}));
    talk.hear(&json!({"type": "AUTH_STATE", "channel": 0, "state": "AUTHORIZED"}));
    talk.sent();
    talk.pass(5.0);
    assert_eq!(talk.sent_types(), ["KEEPALIVE"]);
}

#[test]
fn a_silent_server_is_dead_after_its_own_timeout() {
    let mut talk = Talk::new(None);
    talk.hear(&json!({"type": "SETUP", "channel": 0, "keepaliveTimeout": 90}));
    talk.hear(&json!({"type": "AUTH_STATE", "channel": 0, "state": "AUTHORIZED"}));
    talk.pass(60.0);
    talk.hear(&json!({"type": "KEEPALIVE", "channel": 0}));
    talk.pass(89.0);
    assert_eq!(talk.session.next_event(), Some(SessionEvent::Authorized));
    assert_eq!(talk.session.next_event(), None);
    talk.pass(1.0);
    assert!(matches!(talk.failure(), Error::ConnectionLost(_)));
}

#[test]
fn channels_are_odd_and_one_for_each_type_and_contract() {
    let mut talk = Talk::authorized();
    talk.want(EventKind::Quote, &["AAPL"], None);
    talk.want(EventKind::Candle, &["AAPL{=m}"], None);
    talk.want(EventKind::Candle, &["AAPL{=5m}"], Some(1000));
    talk.want(EventKind::Quote, &["MSFT"], None);
    let requests: Vec<_> = talk
        .sent()
        .iter()
        .map(|m| (m["channel"].as_u64().unwrap(), m["parameters"]["contract"].to_string()))
        .collect();
    assert_eq!(
        requests,
        [(1, "\"AUTO\"".into()), (3, "\"AUTO\"".into()), (5, "\"HISTORY\"".into())]
    );
}

#[test]
fn history_is_asked_with_from_time() {
    let mut talk = Talk::authorized();
    talk.want(EventKind::Candle, &["AAPL{=d}"], Some(926_208_000_000));
    talk.hear(&json!({"type": "CHANNEL_OPENED", "channel": 1, "service": "FEED"}));
    let sent = talk.sent();
    assert_eq!(sent[0]["parameters"]["contract"], "HISTORY");
    assert_eq!(
        sent[2]["add"],
        json!([{"type": "Candle", "symbol": "AAPL{=d}", "fromTime": 926_208_000_000_i64}])
    );
}

#[test]
fn data_is_read_by_the_last_field_list() {
    let mut talk = Talk::subscribed(EventKind::Quote, &["AAPL"], None);
    talk.hear(&json!({"type": "FEED_CONFIG", "channel": 1, "dataFormat": "COMPACT"}));
    talk.configure("Quote", &["eventSymbol", "bidPrice", "askPrice"]);
    talk.hear_rows(1, &json!(["Quote", ["AAPL", 1.0, 2.0]]));
    talk.configure("Quote", &["askPrice", "somethingNew", "eventSymbol", "bidPrice"]);
    talk.configure("Trade", &["eventSymbol", "price"]);
    talk.hear_rows(1, &json!(["Quote", [4.0, "new", "AAPL", 3.0]]));
    assert_eq!(talk.quotes(), [quote("AAPL", 1.0, 2.0), quote("AAPL", 3.0, 4.0)]);
}

#[test]
fn several_pairs_in_one_message_all_arrive() {
    let mut talk = Talk::subscribed(EventKind::Quote, &["A", "B"], None);
    talk.configure("Quote", &["eventSymbol", "bidPrice", "askPrice"]);
    talk.hear_rows(1, &json!(["Quote", ["A", 1.0, 2.0], "Quote", ["B", 3.0, "NaN", "A", 5, 6]]));
    let quotes = talk.quotes();
    assert_eq!(quotes.len(), 3);
    assert!(quotes[1].2.is_nan());
    assert_eq!(quotes[2], quote("A", 5.0, 6.0));
}

#[test]
fn a_field_is_read_by_either_of_its_names() {
    for name in ["vwap", "VWAP"] {
        let mut talk = Talk::subscribed(EventKind::Candle, &["A{=d}"], None);
        talk.configure("Candle", &["eventSymbol", name]);
        talk.hear_rows(1, &json!(["Candle", ["A{=d}", 7.5]]));
        assert_eq!(Candle::from_row(&talk.rows.0[0].1).vwap.to_bits(), 7.5_f64.to_bits());
    }
    for name in ["side", "orderSide"] {
        let mut talk = Talk::subscribed(EventKind::Order, &["A"], None);
        talk.configure("Order", &["eventSymbol", name]);
        talk.hear_rows(1, &json!(["Order", ["A", "SELL"]]));
        assert_eq!(Order::from_row(&talk.rows.0[0].1).order_side, Side::Sell.into());
    }
}

#[test]
fn both_names_of_a_field_are_asked_for() {
    let mut talk = Talk::authorized();
    talk.want(EventKind::Order, &["A"], None);
    talk.hear(&json!({"type": "CHANNEL_OPENED", "channel": 1, "service": "FEED"}));
    let fields = talk.sent()[1]["acceptEventFields"]["Order"].to_string();
    assert!(fields.contains("\"orderSide\",\"side\""), "{fields}");
}

#[test]
fn full_data_is_read_by_name() {
    let mut talk = Talk::subscribed(EventKind::Quote, &["A"], None);
    talk.hear_rows(
        1,
        &json!([{"eventType": "Quote", "eventSymbol": "A", "askPrice": 2.5, "bidPrice": 2.25}]),
    );
    assert_eq!(talk.quotes(), [quote("A", 2.25, 2.5)]);
}

#[test]
fn a_field_list_without_the_symbol_rejects_its_data_and_says_so() {
    let mut talk = Talk::subscribed(EventKind::Quote, &["A"], None);
    talk.configure("Quote", &["bidPrice", "askPrice"]);
    assert!(matches!(talk.session.next_event(), Some(SessionEvent::Complaint(_))));
    talk.hear_rows(1, &json!(["Quote", [1.0, 2.0]]));
    assert!(talk.quotes().is_empty());
    assert_eq!(talk.session.counters().rejected_blocks, 1);
}

#[test]
fn a_broken_frame_is_counted_and_its_neighbours_arrive() {
    let mut talk = Talk::subscribed(EventKind::Quote, &["A"], None);
    talk.configure("Quote", &["eventSymbol", "bidPrice", "askPrice"]);
    talk.hear_rows(1, &json!(["Quote", ["A", 1.0, 2.0]]));
    for broken in [
        r#"{"type":"FEED_DATA","channel":1,"data":["Quote",["A",7.0"#,
        "garbage",
        "[]",
        "",
        r#"{"type":"AUTH_STATE","channel":0,"state":"PERHAPS"}"#,
    ] {
        talk.hear_text(broken);
    }
    talk.session.receive_binary(talk.now);
    talk.hear_rows(1, &json!(["Quote", ["A", 3.0, 4.0]]));
    assert_eq!(talk.quotes(), [quote("A", 1.0, 2.0), quote("A", 3.0, 4.0)]);
    assert_eq!(talk.session.counters().malformed_frames, 6);
    assert_eq!(talk.session.next_event(), None);
}

#[test]
fn unknown_messages_channels_and_types_are_passed_over() {
    let mut talk = Talk::subscribed(EventKind::Quote, &["A"], None);
    talk.hear(&json!({"type": "CHANNEL_DATA", "channel": 9, "payload": {}}));
    talk.hear_rows(77, &json!(["Quote", ["A", 1.0, 2.0]]));
    talk.hear_rows(1, &json!(["Weather", ["A", 1.0]]));
    assert!(talk.quotes().is_empty());
    assert_eq!(talk.session.counters().rejected_blocks, 2);
    assert_eq!(talk.session.counters().malformed_frames, 0);
}

#[test]
fn a_candle_snapshot_arrives_whole_and_without_its_marker() {
    let mut talk = Talk::subscribed(EventKind::Candle, &["AAPL{=d}"], Some(5));
    talk.configure("Candle", &["eventFlags", "eventSymbol", "index", "close"]);
    talk.hear_rows(1, &json!(["Candle", [4, "AAPL{=d}", 30, 1.0, 0, "AAPL{=d}", 20, 2.0]]));
    assert!(talk.rows.0.is_empty());
    talk.hear_rows(1, &json!(["Candle", [10, "AAPL{=d}", 5, "NaN"]]));
    let candles: Vec<_> = talk
        .rows
        .0
        .iter()
        .map(|(_, row)| Candle::from_row(row))
        .map(|candle| (candle.index, candle.close, candle.event_flags))
        .collect();
    assert_eq!(candles, [(30, 1.0, 4), (20, 2.0, 8)]);
}

#[test]
fn unsubscribing_the_last_symbol_closes_the_channel_and_the_next_gets_a_new_one() {
    let mut talk = Talk::subscribed(EventKind::Quote, &["A"], None);
    talk.wanted.remove_all(EventKind::Quote);
    talk.session.send_changes(&mut talk.wanted, talk.now);
    assert_eq!(talk.sent(), [json!({"type": "CHANNEL_CANCEL", "channel": 1})]);
    talk.want(EventKind::Quote, &["B"], None);
    assert_eq!(talk.sent()[0]["channel"], 3);
    talk.hear_rows(1, &json!(["Quote", ["A", 1.0, 2.0]]));
    talk.hear(&json!({"type": "CHANNEL_CLOSED", "channel": 1}));
    assert!(talk.quotes().is_empty());
    assert_eq!(talk.session.counters().rejected_blocks, 0);
}

#[test]
fn a_channel_that_the_server_closes_is_opened_again_but_not_for_ever() {
    let mut talk = Talk::subscribed(EventKind::Quote, &["A"], None);
    for id in [3, 5, 7] {
        talk.hear(&json!({"type": "CHANNEL_CLOSED", "channel": id - 2}));
        assert_eq!(talk.sent()[0]["channel"], id);
        talk.hear(&json!({"type": "CHANNEL_OPENED", "channel": id, "service": "FEED"}));
        assert_eq!(talk.sent()[1]["add"], json!([{"type": "Quote", "symbol": "A"}]));
    }
    talk.hear(&json!({"type": "CHANNEL_CLOSED", "channel": 7}));
    assert!(matches!(talk.failure(), Error::Protocol(_)));
}

#[test]
fn another_refresh_interval_is_set_up_anew() {
    let mut talk = Talk::subscribed(EventKind::Quote, &["A"], None);
    talk.wanted.add(FeedKey::new(EventKind::Quote, None), [], None, Some(5.0));
    talk.session.send_changes(&mut talk.wanted, talk.now);
    let sent = talk.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0]["acceptAggregationPeriod"], 5.0);
}

#[test]
fn many_subscriptions_are_paced_and_all_arrive() {
    let symbols: Vec<String> = (0..7000).map(|n| format!(".SPXW261218C{n:05}")).collect();
    let symbols: Vec<&str> = symbols.iter().map(String::as_str).collect();
    let mut talk = Talk::authorized();
    talk.want(EventKind::Quote, &symbols, None);
    talk.hear(&json!({"type": "CHANNEL_OPENED", "channel": 1, "service": "FEED"}));
    let mut told = 0;
    let mut seconds = 0.0;
    loop {
        let now: usize =
            talk.sent().iter().filter_map(|message| message["add"].as_array().map(Vec::len)).sum();
        told += now;
        assert!(told as f64 <= ENTRIES_AT_ONCE + seconds * ENTRIES_PER_SECOND + 1.0);
        if told == symbols.len() {
            break;
        }
        let due = talk.session.deadline(&talk.wanted).saturating_sub(talk.now);
        let wait = due.as_secs_f64().max(0.01);
        assert!(wait < 1.0, "the session forgot what is left");
        seconds += wait;
        talk.pass(wait);
    }
    assert!(seconds > 2.0);
}

#[test]
fn a_late_setup_changes_the_timeouts() {
    let mut talk = Talk::authorized();
    talk.hear(
        &json!({"type": "SETUP", "channel": 0, "keepaliveTimeout": 5, "acceptKeepaliveTimeout": 4}),
    );
    assert_eq!(talk.session.deadline(&talk.wanted), Duration::from_secs(2));
    talk.pass(5.0);
    assert!(matches!(talk.failure(), Error::ConnectionLost(_)));
}
