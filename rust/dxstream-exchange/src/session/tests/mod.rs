mod channels;
mod contracts;
mod handshake;

use dxstream::event::{Candle, Quote, Record, TimeAndSale, index};
use dxstream::symbol::SymbolId;
use serde_json::{Value, json};

use super::*;
use crate::config::{Access, ExchangeConfig};

const AUTH: &str = r#"{"type":"AUTH","channel":0,"token":"secret"}"#;
const SETUP: &str = r#"{"type":"SETUP","channel":0,"version":"0.1-test/1","keepaliveTimeout":60,"acceptKeepaliveTimeout":60}"#;

/// A client and the server's side of its conversation, on a clock of their own.
struct Talk {
    session: Session,
    ledger: Ledger,
    now: Duration,
}

impl Talk {
    fn new(rules: Rules, access: Access) -> Self {
        let tables = Arc::new(Tables::new());
        let ledger = Ledger::new(Arc::clone(&tables), None);
        let session = Session::new(
            Duration::ZERO,
            Arc::new(rules),
            Arc::new(Admission::new(access)),
            tables,
            SlowClient::Disconnect,
        );
        Self { session, ledger, now: Duration::ZERO }
    }

    /// A client that is let in and has opened channel 1 with this contract, COMPACT, and the given
    /// aggregation period and fields.
    fn opened(rules: Rules, contract: &str, period: f64, fields: &str) -> Self {
        let mut talk = Self::new(rules, Access::Anonymous);
        talk.say(SETUP);
        talk.say(&format!(
            r#"{{"type":"CHANNEL_REQUEST","channel":1,"service":"FEED","parameters":{{"contract":"{contract}"}}}}"#
        ));
        talk.say(&format!(
            r#"{{"type":"FEED_SETUP","channel":1,"acceptAggregationPeriod":{period},"acceptDataFormat":"COMPACT","acceptEventFields":{fields}}}"#
        ));
        talk.hear();
        talk
    }

    fn say(&mut self, text: &str) {
        self.session.receive(self.now, text);
    }

    /// Says something and lists what the server answers at once.
    fn ask(&mut self, text: &str) -> Vec<String> {
        self.say(text);
        self.hear()
    }

    fn subscribe(&mut self, subscription: &str) -> Vec<String> {
        self.ask(&format!(r#"{{"type":"FEED_SUBSCRIPTION","channel":1,{subscription}}}"#))
    }

    fn hear(&mut self) -> Vec<String> {
        self.session.advance(self.now, &mut self.ledger);
        let mut heard = Vec::new();
        while let Some(output) = self.session.take() {
            heard.push(match output {
                Output::Text(text) => text,
                Output::Close { code, reason } => format!("close {code} {reason}"),
            });
        }
        heard
    }

    fn pass(&mut self, millis: u64) -> Vec<String> {
        self.now += Duration::from_millis(millis);
        self.hear()
    }

    fn symbol(&self, symbol: &str) -> SymbolId {
        SymbolId(self.ledger.tables.symbols.intern(symbol).unwrap())
    }

    fn publish(&mut self, row: &Row) {
        self.ledger.record(row);
        self.session.deliver(self.now, row);
    }

    fn quote(&mut self, symbol: &str, bid_price: f64) {
        let event_symbol = self.symbol(symbol);
        self.publish(&Row::new(&Quote { event_symbol, bid_price, ..Quote::UNKNOWN }));
    }

    fn candle(&mut self, symbol: &str, time: i64, close: f64) {
        self.flagged_candle(symbol, time, close, 0);
    }

    fn flagged_candle(&mut self, symbol: &str, time: i64, close: f64, event_flags: i64) {
        let event_symbol = self.symbol(symbol);
        self.publish(&Row::new(&Candle {
            event_symbol,
            event_flags,
            index: index::pack(time, 0),
            time,
            close,
            ..Candle::UNKNOWN
        }));
    }

    fn sale(&mut self, symbol: &str, time: i64, price: f64) {
        let event_symbol = self.symbol(symbol);
        self.publish(&Row::new(&TimeAndSale {
            event_symbol,
            index: index::pack(time, 0),
            time,
            price,
            ..TimeAndSale::UNKNOWN
        }));
    }
}

/// The values of the COMPACT blocks of this type among the messages.
fn values(heard: &[String], kind: &str) -> Vec<Value> {
    let mut values = Vec::new();
    for text in heard {
        let message: Value = serde_json::from_str(text).unwrap();
        if message["type"] == "FEED_DATA" {
            for pair in message["data"].as_array().unwrap().chunks(2) {
                if pair[0] == kind {
                    values.extend(pair[1].as_array().unwrap().iter().cloned());
                }
            }
        }
    }
    values
}

proptest::proptest! {
    #[test]
    fn no_message_breaks_the_session(
        messages in proptest::collection::vec((0..8_usize, -3_i64..5, proptest::num::f64::ANY, ".{0,8}"), 1..20),
    ) {
        let rules = Rules { outbox_bytes: 5_000, max_subscriptions: 4, ..Rules::default() };
        let mut talk = Talk::opened(rules, "AUTO", 0.1, "{}");
        talk.candle("A{=m}", 60_000, 1.0);
        for (form, channel, number, text) in messages {
            let text = json!(text);
            let number = if number.is_finite() { json!(number) } else { json!("NaN") };
            talk.say(&match form {
                0 => text.to_string(),
                1 => format!(r#"{{"type":"SETUP","channel":0,"version":"0.1","keepaliveTimeout":{number},"acceptKeepaliveTimeout":{number}}}"#),
                2 => format!(r#"{{"type":"CHANNEL_REQUEST","channel":{channel},"service":"FEED","parameters":{{"contract":"HISTORY"}}}}"#),
                3 => format!(r#"{{"type":"FEED_SETUP","channel":{channel},"acceptAggregationPeriod":{number},"acceptEventFields":{{"Candle":[{text}]}}}}"#),
                4 => format!(r#"{{"type":"FEED_SUBSCRIPTION","channel":{channel},"add":[{{"type":"Candle","symbol":"A{{=1m}}","fromTime":{number}}},{{"type":"Quote","symbol":{text}}}]}}"#),
                5 => format!(r#"{{"type":"FEED_SUBSCRIPTION","channel":{channel},"remove":[{{"type":"Candle","symbol":{text}}}],"reset":true}}"#),
                6 => format!(r#"{{"type":"CHANNEL_CANCEL","channel":{channel}}}"#),
                _ => format!(r#"{{"type":"DOM_SETUP","channel":{channel},"acceptAggregationPeriod":{number}}}"#),
            });
            talk.candle("A{=m}", 60_000, 2.0);
            talk.session.advance(talk.now, &mut talk.ledger);
            for heard in talk.pass(40) {
                proptest::prop_assert!(heard.starts_with("close ") || serde_json::from_str::<Value>(&heard).is_ok());
            }
        }
    }
}

#[test]
fn the_fixture_starts_from_a_plain_exchange() {
    let config = ExchangeConfig::default();
    assert!(config.address.ip().is_loopback());
    assert_eq!(config.access, Access::AnyToken);
}
