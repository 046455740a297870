use serde_json::{Value, json};

use super::*;
use crate::store::{Store, StoreWriter};

/// A link under test with its store, a server's answers, and what it said.
struct Talk {
    link: Link,
    store: Store,
    now: Duration,
    said: Vec<LinkEvent>,
}

const CANARY: &str = "canary-31c9";
const TOO_FAST: &str = "Your subscription rate is too high";
const TOO_MANY: &str = "Your subscription size is too big";

impl Talk {
    /// With subscriptions that have a message each, or all one.
    fn new(one_by_one: bool) -> Self {
        let tables = Arc::new(Tables::new());
        let mut session = SessionSettings::default();
        if one_by_one {
            session.max_subscription = 0;
        }
        let settings = LinkSettings {
            session,
            policy: ReconnectPolicy::default(),
            renews: false,
            heals_first: true,
            renewal_timeout: Duration::from_secs(30),
        };
        let link = Link::new(settings, Arc::clone(&tables));
        Self { link, store: Store::new(tables, 8), now: Duration::ZERO, said: Vec::new() }
    }

    /// A first connection over which these symbols are subscribed.
    fn subscribed(one_by_one: bool, kind: EventKind, symbols: &[&str]) -> Self {
        let mut talk = Self::new(one_by_one);
        talk.want(kind, symbols, None);
        talk.connect();
        talk.open(1);
        talk
    }

    fn want(&mut self, kind: EventKind, symbols: &[&str], from_time: Option<i64>) {
        let entries = symbols.iter().map(|&symbol| Entry { symbol: symbol.into(), source: None });
        self.link.subscribe(FeedKey::new(kind, from_time), entries, from_time, None, self.now);
    }

    fn pass(&mut self, seconds: f64) {
        self.now += Duration::from_secs_f64(seconds);
        self.link.tick(self.now);
    }

    fn hear(&mut self, message: &Value) {
        let received_at = self.now.as_nanos() as u64;
        let sink = &mut StoreWriter { store: &self.store, received_at };
        self.link.receive(&message.to_string(), sink, self.now);
    }

    fn connect(&mut self) {
        self.link.connected(Some(Secret::new(CANARY)), self.now);
        self.hear(&json!({"type": "SETUP", "channel": 0}));
        self.hear(&json!({"type": "AUTH_STATE", "channel": 0, "state": "AUTHORIZED"}));
        self.sent();
    }

    fn open(&mut self, channel: u64) -> Vec<Value> {
        self.hear(&json!({"type": "CHANNEL_OPENED", "channel": channel}));
        self.sent()
    }

    fn configure(&mut self, channel: u64) {
        self.hear(&json!({"type": "FEED_CONFIG", "channel": channel}));
    }

    fn quote(&mut self, channel: u64, symbol: &str) {
        let fields = json!({"eventType": "Quote", "eventSymbol": symbol, "bidPrice": 1.0});
        self.hear(&json!({"type": "FEED_DATA", "channel": channel, "data": [fields]}));
    }

    fn refuse(&mut self, channel: u64, text: &str) {
        self.hear(&json!({"type": "ERROR", "channel": channel, "error": "BAD_ACTION",
                          "message": text}));
    }

    /// Loses the connection and makes it again, half a second later.
    fn reconnect(&mut self) {
        let loss = self.link.closed(Some(1012), "restart");
        self.lose(loss);
        self.pass(0.5);
        assert_eq!(*self.link.step(), Step::Connect);
        self.connect();
    }

    fn lose(&mut self, loss: Loss) {
        let store = &self.store;
        self.link.lost(loss, |kind, symbol| store.last_time(kind, symbol), self.now, 0.0);
    }

    fn sent(&mut self) -> Vec<Value> {
        let frames = std::iter::from_fn(|| self.link.next_output());
        frames.map(|frame| serde_json::from_str(&frame).unwrap()).collect()
    }

    fn listen(&mut self) {
        self.said.extend(std::iter::from_fn(|| self.link.next_event()));
    }

    fn gaps(&mut self) -> Vec<Gap> {
        self.listen();
        let gaps = self.said.iter().filter_map(|said| match said {
            LinkEvent::Gap(gap) => Some(gap.clone()),
            _ => None,
        });
        gaps.collect()
    }

    /// The gap, if there is one and no other: its reason, from and to in seconds, and what is healed.
    fn gap(&mut self) -> Option<(String, f64, f64, bool)> {
        let [gap] = self.gaps().try_into().ok()?;
        let [of_type] = gap.types.try_into().ok()?;
        assert_eq!((of_type.from, of_type.to), (gap.from, gap.to));
        let seconds = [gap.from, gap.to].map(|at| at.as_secs_f64());
        Some((gap.loss.error.to_string(), seconds[0], seconds[1], of_type.healed))
    }
}

fn type_of(message: &Value) -> &str {
    message["type"].as_str().unwrap()
}

const RESTART: &str = "the server closed the connection: 1012 restart";
const CLOSED: &str = "the server closed the channel of Quote";

#[test]
fn a_session_that_gives_up_by_itself_leaves_a_gap_too() {
    let mut talk = Talk::new(false);
    talk.want(EventKind::Quote, &["A"], None);
    for _ in 0..2 {
        talk.connect();
        talk.open(1);
        talk.pass(60.0);
        let loss = talk.link.take_failure().expect("the server is silent");
        talk.lose(loss);
        talk.pass(0.0);
    }
    assert_eq!(talk.gaps().len(), 1);
}

#[test]
fn a_gap_ends_with_the_first_event_where_one_message_asked_for_all() {
    let mut talk = Talk::subscribed(false, EventKind::Quote, &["A", "B"]);
    talk.reconnect();
    talk.open(1);
    talk.pass(0.2);
    talk.quote(1, "A");
    assert_eq!(talk.gap(), Some((RESTART.into(), 0.0, 0.7, false)));
}

#[test]
fn a_gap_of_several_messages_ends_with_the_answer_behind_the_last() {
    let mut talk = Talk::subscribed(true, EventKind::Quote, &["A", "B"]);
    talk.reconnect();
    let sent = talk.open(1);
    let types: Vec<_> = sent.iter().map(type_of).collect();
    let [_, "FEED_SUBSCRIPTION", "FEED_SUBSCRIPTION", "CHANNEL_REQUEST"] = types[..] else {
        panic!("{types:?}");
    };
    let question = sent[3]["channel"].as_u64().unwrap();
    talk.pass(0.2);
    talk.quote(1, "A");
    assert_eq!(talk.gap(), None);
    talk.pass(0.3);
    let sent = talk.open(question);
    assert_eq!(sent, [json!({"type": "CHANNEL_CANCEL", "channel": question})]);
    assert_eq!(talk.gap(), Some((RESTART.into(), 0.0, 1.0, false)));
    // The answer comes twice, and the channel's end.
    assert!(talk.open(question).is_empty());
    talk.hear(&json!({"type": "CHANNEL_CLOSED", "channel": question}));
    assert!(talk.sent().is_empty());
    assert_eq!(talk.gaps().len(), 1);
}

#[test]
fn a_gap_of_a_type_without_events_ends_with_the_answer_or_when_none_comes_in_time() {
    for answers in [true, false] {
        let mut talk = Talk::subscribed(false, EventKind::Quote, &["A"]);
        talk.reconnect();
        talk.open(1);
        talk.configure(1);
        talk.pass(9.0);
        if answers {
            talk.open(3);
        }
        talk.pass(1.0);
        assert_eq!(
            talk.gap(),
            Some((RESTART.into(), 0.0, if answers { 9.5 } else { 10.5 }, false))
        );
    }
}

#[test]
fn a_channel_that_is_closed_unasked_leaves_a_gap() {
    let mut talk = Talk::subscribed(false, EventKind::Quote, &["A"]);
    talk.pass(1.0);
    talk.quote(1, "A");
    talk.pass(1.0);
    talk.hear(&json!({"type": "CHANNEL_CLOSED", "channel": 1}));
    talk.open(3);
    talk.pass(1.0);
    talk.quote(3, "A");
    assert_eq!(talk.gap(), Some((CLOSED.into(), 1.0, 3.0, false)));
    assert_eq!(talk.gaps()[0].epoch, 0);
    assert!(talk.said.contains(&LinkEvent::Interrupted(EventKind::Quote)));
}

#[test]
fn a_channel_that_is_closed_before_it_had_a_subscription_leaves_none() {
    let mut talk = Talk::new(false);
    talk.want(EventKind::Quote, &["A"], None);
    talk.connect();
    talk.hear(&json!({"type": "CHANNEL_CLOSED", "channel": 1}));
    talk.open(3);
    talk.quote(3, "A");
    assert!(talk.gaps().is_empty());
    assert!(!talk.link.has_gap());
}

#[test]
fn a_history_on_a_channel_that_is_closed_goes_on_from_its_last_event() {
    let mut talk = Talk::new(false);
    talk.want(EventKind::TimeAndSale, &["A"], Some(1000));
    talk.connect();
    talk.open(1);
    let sale = |time: i64, flags: i64| {
        json!({"eventType": "TimeAndSale", "eventSymbol": "A", "eventFlags": flags,
               "index": crate::event::index::pack(time, 0), "time": time, "price": 1.0})
    };
    let data = |channel: u64, sales: [Value; 2]| json!({"type": "FEED_DATA", "channel": channel, "data": sales});
    talk.hear(&data(1, [sale(3000, 4), sale(2000, 8)]));
    talk.hear(&json!({"type": "CHANNEL_CLOSED", "channel": 1}));
    let sent = talk.open(3);
    let asked = sent.iter().find(|message| type_of(message) == "FEED_SUBSCRIPTION").unwrap();
    assert_eq!(asked["add"][0]["fromTime"], 3000);
    talk.hear(&data(3, [sale(4000, 4), sale(3000, 8)]));
    let text = "the server closed the channel of TimeAndSale".to_owned();
    assert_eq!(talk.gap(), Some((text, 0.0, 0.0, true)));
    let mut times = Vec::new();
    let symbol = talk.store.tables().symbols.find("A").map(crate::symbol::SymbolId).unwrap();
    talk.store.history(EventKind::TimeAndSale, symbol, 8, |row, _| {
        use crate::event::{Record, TimeAndSale};
        times.push(TimeAndSale::from_row(row).time);
    });
    assert_eq!(times, [2000, 3000, 4000]);
}

#[test]
fn a_channel_that_is_never_configured_leaves_a_gap_from_its_opening_until_one_is() {
    let mut talk = Talk::subscribed(false, EventKind::Quote, &["A"]);
    talk.pass(10.0);
    let sent = talk.sent();
    assert_eq!(sent.iter().map(type_of).collect::<Vec<_>>(), ["CHANNEL_CANCEL", "CHANNEL_REQUEST"]);
    talk.pass(0.5);
    talk.open(3);
    // The server answers, but not on the channel.
    talk.open(5);
    assert_eq!(talk.gap(), None);
    talk.pass(0.5);
    talk.configure(3);
    let text = "the server did not configure the channel of Quote".to_owned();
    assert_eq!(talk.gap(), Some((text, 0.0, 11.0, false)));
}

#[test]
fn a_channel_that_was_not_configured_when_the_connection_is_lost_was_missing_since_its_opening() {
    let mut talk = Talk::subscribed(false, EventKind::Quote, &["A"]);
    talk.pass(2.0);
    talk.hear(&json!({"type": "KEEPALIVE", "channel": 0}));
    talk.reconnect();
    talk.open(1);
    talk.quote(1, "A");
    assert_eq!(talk.gap(), Some((RESTART.into(), 0.0, 2.5, false)));
}

#[test]
fn what_was_subscribed_and_is_refused_for_its_rate_is_missing_until_it_is_asked_for_again() {
    let mut talk = Talk::subscribed(true, EventKind::Quote, &["A", "B"]);
    talk.reconnect();
    talk.open(1);
    talk.quote(1, "A");
    talk.refuse(1, TOO_FAST);
    // It answers what was sent before it was asked again.
    talk.open(3);
    assert_eq!(talk.gap(), None);
    talk.pass(2.0);
    let asked: Vec<_> = talk.sent().iter().map(|message| message["channel"].clone()).collect();
    talk.open(asked.last().unwrap().as_u64().unwrap());
    assert_eq!(talk.gap(), Some((RESTART.into(), 0.0, 2.5, false)));
}

#[test]
fn what_is_refused_when_the_gap_seemed_to_be_over_has_a_gap_of_its_own() {
    let mut talk = Talk::subscribed(false, EventKind::Quote, &["A"]);
    talk.reconnect();
    talk.open(1);
    talk.pass(0.25);
    talk.quote(1, "A");
    assert!(talk.gap().is_some());
    talk.refuse(1, TOO_FAST);
    talk.pass(2.0);
    let question = talk.sent().last().unwrap()["channel"].as_u64().unwrap();
    talk.open(question);
    let [first, second] = &talk.gaps()[..] else { panic!("{:?}", talk.said) };
    assert!(second.from <= first.to);
    assert_eq!((first.epoch, second.epoch), (1, 1));
    assert!(
        second.loss.error.to_string().contains("refused subscriptions of Quote for their rate")
    );
    assert_eq!(second.to, talk.now);
}

#[test]
fn a_first_subscription_that_is_refused_for_its_rate_has_no_gap() {
    let mut talk = Talk::subscribed(false, EventKind::Quote, &["A"]);
    talk.refuse(1, TOO_FAST);
    talk.pass(2.0);
    assert_eq!(talk.sent()[0]["add"][0]["symbol"], "A");
    talk.quote(1, "A");
    assert!(talk.gaps().is_empty() && !talk.link.has_gap());
}

#[test]
fn a_refusal_that_comes_late_is_heard() {
    let mut talk = Talk::subscribed(false, EventKind::Quote, &["A"]);
    talk.pass(8.0);
    talk.refuse(1, TOO_FAST);
    talk.pass(1.9);
    assert_eq!(talk.sent()[0]["add"][0]["symbol"], "A");
}

#[test]
fn what_moves_to_another_link_is_missing_until_that_has_it() {
    let mut talk = Talk::subscribed(false, EventKind::Quote, &["A"]);
    talk.reconnect();
    talk.open(1);
    talk.refuse(1, TOO_MANY);
    talk.open(3);
    assert_eq!(talk.gap(), Some((RESTART.into(), 0.0, 0.5, false)));
    let moved = talk.said.iter().find_map(|said| match said {
        LinkEvent::Displaced(moved) => moved.first().cloned(),
        _ => None,
    });
    let moved = moved.expect("the server has no room");
    assert_eq!(moved.missing_since, Some(talk.now));

    let mut other = Talk::new(false);
    other.now = talk.now;
    other.link.take_over(moved, None, other.now);
    other.pass(1.0);
    other.connect();
    other.open(1);
    other.quote(1, "A");
    let text = "the server had no room for subscriptions of Quote; another connection has them";
    assert_eq!(other.gap(), Some((text.into(), 0.5, 1.5, false)));
    assert_eq!(other.gaps()[0].epoch, 0);
}

#[test]
fn what_moves_for_the_first_time_has_no_gap_and_a_history_goes_on() {
    let key = FeedKey::new(EventKind::Candle, Some(1000));
    let moved = |missing_since| Displaced {
        key,
        entry: Entry { symbol: "A{=m}".into(), source: None },
        from_time: Some(1000),
        aggregation_period: None,
        missing_since,
        loaded: true,
    };
    let mut talk = Talk::new(false);
    talk.link.take_over(moved(None), Some(60_000), talk.now);
    assert!(!talk.link.has_gap());
    talk.link.take_over(moved(Some(talk.now)), Some(60_000), talk.now);
    assert!(talk.link.has_gap());
    talk.connect();
    let asked = &talk.open(1)[1]["add"][0];
    assert_eq!(asked["fromTime"], 60_000);
}

#[test]
fn a_token_that_a_server_repeats_is_not_told() {
    let long = format!("{}{CANARY} {CANARY}", "x".repeat(295));
    for text in [CANARY, long.as_str()] {
        let mut talk = Talk::subscribed(false, EventKind::Quote, &["A"]);
        talk.hear(&json!({"type": "ERROR", "channel": 1, "error": text, "message": text}));
        talk.hear(&json!({"type": "FEED_CONFIG", "channel": 1,
                          "eventFields": {"Quote": [text, text]}}));
        let loss = talk.link.closed(Some(1011), text);
        talk.lose(loss);
        talk.pass(0.5);
        talk.connect();
        talk.hear(&json!({"type": "ERROR", "channel": 0, "error": "UNAUTHORIZED",
                          "message": text}));
        let loss = talk.link.take_failure().expect("the token is refused");
        talk.lose(loss);
        talk.listen();
        let said = format!("{:?}", talk.said);
        assert!(!said.contains("canar") && said.contains("***"), "{said}");
    }
}
