//! Whatever a user asks and a server answers, in any order: the session never panics, and the
//! server ends up with exactly the subscriptions that are wanted.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::protocol::Entry;

const KINDS: [EventKind; 3] = [EventKind::Quote, EventKind::Candle, EventKind::Order];

/// A server that keeps to the protocol and answers when it is told to.
#[derive(Default)]
struct Server {
    authorized: bool,
    to_answer: VecDeque<Value>,
    open: BTreeSet<u64>,
    /// What is subscribed: channel, type, symbol, source and `fromTime`.
    entries: BTreeSet<(u64, String, String, String, i64)>,
}

impl Server {
    fn hear(&mut self, frame: &str) {
        let message: Value = serde_json::from_str(frame).unwrap();
        let channel = message["channel"].as_u64().unwrap();
        match message["type"].as_str().unwrap() {
            "SETUP" => {
                self.to_answer.push_back(json!({"type": "SETUP", "channel": 0}));
                self.to_answer
                    .push_back(json!({"type": "AUTH_STATE", "channel": 0, "state": "AUTHORIZED"}));
            }
            "CHANNEL_REQUEST" => {
                assert!(self.authorized, "a channel before AUTHORIZED");
                assert!(channel % 2 == 1 && !self.open.contains(&channel));
                self.to_answer.push_back(json!({"type": "CHANNEL_OPENED", "channel": channel}));
            }
            "CHANNEL_CANCEL" => {
                self.open.remove(&channel);
                self.entries.retain(|entry| entry.0 != channel);
                self.to_answer.retain(|answer| {
                    *answer != json!({"type": "CHANNEL_OPENED", "channel": channel})
                });
                self.to_answer.push_back(json!({"type": "CHANNEL_CLOSED", "channel": channel}));
            }
            "FEED_SETUP" => assert!(self.open.contains(&channel)),
            "FEED_SUBSCRIPTION" => self.subscribe(channel, &message),
            "KEEPALIVE" => {}
            other => panic!("unexpected {other}"),
        }
    }

    fn subscribe(&mut self, channel: u64, message: &Value) {
        assert!(self.open.contains(&channel), "a subscription on a channel that is not open");
        if message["reset"] == true {
            self.entries.retain(|entry| entry.0 != channel);
        }
        for list in ["remove", "add"] {
            for item in message[list].as_array().into_iter().flatten() {
                let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
                let (kind, symbol, source) = (text("type"), text("symbol"), text("source"));
                let same = |entry: &(u64, String, String, String, i64)| {
                    (entry.0, &entry.1, &entry.2, &entry.3) == (channel, &kind, &symbol, &source)
                };
                let known = self.entries.iter().any(same);
                assert!(list == "add" || known, "{symbol} is removed and was never added");
                self.entries.retain(|entry| !same(entry));
                if list == "add" {
                    let from_time = item["fromTime"].as_i64().unwrap_or(-1);
                    self.entries.insert((channel, kind, symbol, source, from_time));
                }
            }
        }
    }

    fn answer(&mut self) -> Option<Value> {
        let answer = self.to_answer.pop_front()?;
        match answer["type"].as_str().unwrap() {
            "AUTH_STATE" => self.authorized = true,
            "CHANNEL_OPENED" => {
                self.open.insert(answer["channel"].as_u64().unwrap());
            }
            _ => {}
        }
        Some(answer)
    }
}

#[derive(Debug, Clone)]
enum Step {
    Subscribe { kind: usize, symbols: Vec<u8>, history: Option<i64>, source: bool },
    Unsubscribe { kind: usize, symbols: Vec<u8>, source: bool },
    UnsubscribeAll { kind: usize },
    Answer,
    Noise(&'static str),
    Wait(u16),
}

const NOISE: [&str; 7] = [
    "",
    "{",
    r#"{"type":"FEED_CONFIG","channel":1,"eventFields":{"Quote":[7]}}"#,
    r#"{"type":"FEED_CONFIG","channel":1,"eventFields":{"Quote":["eventSymbol","bidPrice"]}}"#,
    r#"{"type":"FEED_DATA","channel":1,"data":["Quote",["A",1.0,"B"]]}"#,
    r#"{"type":"ERROR","channel":3,"error":"BAD_ACTION","message":"no"}"#,
    r#"{"type":"KEEPALIVE","channel":0}"#,
];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let symbols = || proptest::collection::vec(0_u8..12, 1..6);
    let kind = || 0..KINDS.len();
    let history = proptest::option::of(prop_oneof![Just(1000_i64), Just(2000)]);
    let step = prop_oneof![
        4 => (kind(), symbols(), history, any::<bool>()).prop_map(
            |(kind, symbols, history, source)| Step::Subscribe { kind, symbols, history, source }
        ),
        3 => (kind(), symbols(), any::<bool>())
            .prop_map(|(kind, symbols, source)| Step::Unsubscribe { kind, symbols, source }),
        1 => kind().prop_map(|kind| Step::UnsubscribeAll { kind }),
        4 => Just(Step::Answer),
        2 => proptest::sample::select(&NOISE[..]).prop_map(Step::Noise),
        1 => (1_u16..900).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 0..40)
}

type Wanted = BTreeMap<(FeedKey, String, String), i64>;

fn entries(kind: EventKind, symbols: &[u8], source: bool) -> Vec<Entry> {
    let source = (source && kind == EventKind::Order).then(|| "NTV".to_owned());
    let entry = |symbol| Entry { symbol: format!("S{symbol}"), source: source.clone() };
    symbols.iter().map(entry).collect()
}

struct Nowhere;

impl EventSink for Nowhere {
    fn rows(&mut self, _: EventKind, _: &[u64]) {}

    fn snapshot(&mut self, kind: EventKind, rows: &[u64], _: bool) {
        self.rows(kind, rows);
    }

    fn snapshot_mark(&mut self, _: EventKind, _: &SnapshotMark) {}

    fn gap(&mut self, _: &TypeGap) {}

    fn last_time(&self, _: EventKind, _: &str) -> Option<i64> {
        None
    }
}

proptest! {
    #[test]
    fn the_server_ends_up_with_what_is_wanted(steps in steps()) {
        let mut now = Duration::ZERO;
        let tables = Arc::new(Tables::new());
        let mut session = Session::new(SessionSettings::default(), None, tables, now);
        let mut subscriptions = Subscriptions::default();
        let mut server = Server::default();
        let mut model = Wanted::new();
        let rest = std::iter::repeat_n(Step::Answer, 60).chain([Step::Wait(500), Step::Wait(500)]);
        for step in steps.into_iter().chain(rest) {
            match step {
                Step::Subscribe { kind, symbols, history, source } => {
                    let kind = KINDS[kind];
                    let from_time = history.filter(|_| kind.delivery().time_series);
                    let key = FeedKey::new(kind, from_time);
                    let entries = entries(kind, &symbols, source);
                    for entry in &entries {
                        let source = entry.source.clone().unwrap_or_default();
                        model.insert((key, entry.symbol.clone(), source), from_time.unwrap_or(-1));
                    }
                    subscriptions.add(key, entries, from_time, None);
                    session.send_changes(&mut subscriptions, now);
                }
                Step::Unsubscribe { kind, symbols, source } => {
                    let entries = entries(KINDS[kind], &symbols, source);
                    model.retain(|(key, symbol, source), _| {
                        key.kind != KINDS[kind]
                            || !entries.iter().any(|entry| {
                                entry.symbol == *symbol
                                    && entry.source.as_deref().unwrap_or_default() == source
                            })
                    });
                    subscriptions.remove(KINDS[kind], None, &entries);
                    for entry in &entries {
                        session.forget_symbol(KINDS[kind], &entry.symbol);
                    }
                    session.send_changes(&mut subscriptions, now);
                }
                Step::UnsubscribeAll { kind } => {
                    model.retain(|(key, ..), _| key.kind != KINDS[kind]);
                    subscriptions.remove_all(KINDS[kind]);
                    session.send_changes(&mut subscriptions, now);
                }
                Step::Answer => {
                    if let Some(answer) = server.answer() {
                        let answer = answer.to_string();
                        session.receive(&answer, &mut subscriptions, &mut Nowhere, now);
                    }
                }
                Step::Noise(frame) => {
                    // An ERROR ends a handshake, by rule.
                    if session.is_authorized() {
                        session.receive(frame, &mut subscriptions, &mut Nowhere, now);
                    }
                }
                Step::Wait(millis) => {
                    now += Duration::from_millis(millis.into());
                    session.receive_sign_of_life(now);
                    session.tick(&mut subscriptions, now);
                }
            }
            while let Some(frame) = session.next_output() {
                server.hear(&frame);
            }
            while let Some(event) = session.next_event() {
                prop_assert!(!matches!(event, SessionEvent::Displaced(_)), "{:?}", event);
            }
            if let Some(failure) = session.take_failure() {
                return Err(TestCaseError::fail(failure.error.to_string()));
            }
        }
        let told: Vec<_> = server
            .entries
            .iter()
            .map(|(_, kind, symbol, source, from_time)| (kind, symbol, source, *from_time))
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let wanted: Vec<_> = model
            .iter()
            .map(|((key, symbol, source), from_time)| (key.kind.name(), symbol, source, *from_time))
            .collect();
        prop_assert_eq!(told.len(), server.entries.len());
        let wanted: BTreeSet<_> = wanted
            .iter()
            .map(|(kind, symbol, source, from_time)| (*kind, *symbol, *source, *from_time))
            .collect();
        let told: BTreeSet<_> = told
            .iter()
            .map(|(kind, symbol, source, from_time)| (kind.as_str(), *symbol, *source, *from_time))
            .collect();
        prop_assert_eq!(told, wanted);
        prop_assert_eq!(subscriptions.len(), model.len());
    }
}
