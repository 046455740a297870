//! A connection that heals, between a user and a server that say anything at any time.

use std::sync::Arc;
use std::time::Duration;

use dxstream::event::EventKind;
use dxstream::protocol::{
    Entry, FeedKey, Link, LinkSettings, ReconnectPolicy, SessionSettings, Step,
};
use dxstream::store::{Consumer, QueueSettings, Store, StoreWriter};
use dxstream::symbol::Tables;
use dxstream::{Loss, Secret};
use serde_json::Value;

/// Most bytes of a message that servers take.
const MAX_SENT: usize = 64 << 10;

/// Rows that a listener's queue holds.
const CAPACITY: usize = 64;

struct Conversation {
    link: Link,
    store: Store,
    listeners: Vec<Consumer>,
    now: Duration,
    tokens: u32,
    /// Lines that were heard, and entries that were asked for: what may be answered.
    heard: usize,
    asked: usize,
}

impl Conversation {
    fn new() -> Self {
        let tables = Arc::new(Tables::new());
        let settings = LinkSettings {
            session: SessionSettings::default(),
            policy: ReconnectPolicy::default(),
            renews: true,
            heals_first: true,
            renewal_timeout: Duration::from_secs(30),
        };
        let store = Store::new(Arc::clone(&tables), 8);
        let listeners = EventKind::ALL
            .iter()
            .map(|&kind| store.listen(kind, None, QueueSettings::every(CAPACITY)))
            .collect();
        let link = Link::new(settings, tables);
        Self { link, store, listeners, now: Duration::ZERO, tokens: 0, heard: 0, asked: 0 }
    }

    fn token(&self) -> Secret {
        Secret::new(self.tokens.to_string())
    }

    /// Goes on until the link converses, waits for a later time or is over.
    fn connect(&mut self) {
        match self.link.step() {
            Step::Renew(_) => {
                self.tokens += 1;
                self.link.renewed(Some(&self.token()));
                self.connect();
            }
            Step::Connect => self.link.connected(Some(self.token()), self.now),
            _ => {}
        }
    }

    fn lose(&mut self, loss: Loss) {
        for kind in self.link.wanted().kinds() {
            self.store.interrupt(kind, self.link.wanted().symbols(kind));
        }
        self.link.lost(loss, |kind, symbol| self.store.last_time(kind, symbol), self.now, 0.5);
    }

    fn take(&mut self, line: &str) {
        let mut words = line.splitn(4, ' ');
        let mut word = || words.next().unwrap_or_default();
        match word() {
            "+" => self.subscribe(word(), word(), word().parse().ok()),
            "-" => self.unsubscribe(word(), word()),
            "." => self.now += Duration::from_millis(word().parse::<u16>().unwrap_or(100).into()),
            "!" => {
                let code = word().parse().ok();
                self.lose(self.link.closed(code, word()));
            }
            "b" => self.link.receive_binary(self.now),
            _ => {
                let sink = &mut StoreWriter { store: &self.store, received_at: 0 };
                self.link.receive(line, sink, self.now);
            }
        }
    }

    fn subscribe(&mut self, kind: &str, symbols: &str, from_time: Option<i64>) {
        let Some(kind) = EventKind::from_name(kind) else { return };
        let from_time = from_time.filter(|_| kind.delivery().time_series);
        let entries = entries(symbols);
        self.asked += entries.len();
        self.link.subscribe(FeedKey::new(kind, from_time), entries, from_time, None, self.now);
    }

    fn unsubscribe(&mut self, kind: &str, symbols: &str) {
        let Some(kind) = EventKind::from_name(kind) else { return };
        match symbols {
            "" => self.link.unsubscribe_all(kind, self.now),
            symbols => self.link.unsubscribe(kind, None, &entries(symbols), self.now),
        }
    }

    fn follow(&mut self) {
        if self.link.deadline().is_some_and(|deadline| deadline <= self.now) {
            self.link.tick(self.now);
        }
        let mut sent = 0;
        while let Some(frame) = self.link.next_output() {
            sent += 1;
            assert!(frame.len() <= MAX_SENT, "a message of {} bytes", frame.len());
            let message: Value = serde_json::from_str(&frame).expect("what is sent is JSON");
            assert!(message["type"].is_string() && message["channel"].is_u64(), "{message}");
        }
        let most = 4 + 2 * self.heard + 4 * self.asked;
        assert!(sent <= most, "{sent} messages after {} lines", self.heard);
        let mut events = 0;
        while self.link.next_event().is_some() {
            events += 1;
        }
        assert!(events <= 2 * EventKind::ALL.len() + 8, "{events} events of one line");
        if let Some(loss) = self.link.take_failure() {
            self.lose(loss);
        }
        for listener in &mut self.listeners {
            let stats = listener.stats();
            let known = stats.delivered + stats.pending + stats.conflated + stats.dropped;
            assert_eq!(stats.received, known + stats.filtered, "{stats:?}");
            assert!(stats.pending <= CAPACITY as u64);
            listener.next_row(0);
        }
        self.connect();
    }
}

fn entries(symbols: &str) -> Vec<Entry> {
    let entry = |symbol: &str| {
        let (symbol, source) = match symbol.split_once('#') {
            Some((symbol, source)) => (symbol, Some(source.to_owned())),
            None => (symbol, None),
        };
        Entry { symbol: symbol.to_owned(), source }
    };
    let short = |symbol: &&str| dxstream::symbol::check(symbol).is_ok();
    symbols.split(',').filter(short).map(entry).collect()
}

/// Takes each line: `+ TYPE SYMBOL,SYMBOL FROM_TIME` subscribes, `- TYPE SYMBOL` unsubscribes, `. MS`
/// lets time go on, `! CODE REASON` closes the connection, `b` is a binary frame, and anything else is
/// a text frame of the server.
///
/// # Panics
/// If what is sent is no message that a server takes, if too much of it is, or if a listener's counts
/// do not add up.
pub fn check(input: &[u8]) {
    let mut conversation = Conversation::new();
    conversation.follow();
    for line in String::from_utf8_lossy(input).lines() {
        conversation.heard += 1;
        conversation.take(line);
        conversation.follow();
    }
}
