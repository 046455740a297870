//! Every client's session and the source between them; sans-I/O, time is an argument.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dxstream::event::EventKind;
use dxstream::symbol::SymbolId;
use tokio::sync::Notify;

use crate::config::{ExchangeConfig, Rules, SlowClient, Start};
use crate::encode::Layout;
use crate::fault::{Encoding, Expiry};
use crate::ledger::Ledger;
use crate::session::{Admission, Output, Sent, Session};
use crate::source::{Depth, Due, Row};

/// Most events that the source emits between two looks at the clients.
const EVENTS_A_TURN: usize = 1024;

/// Most bytes that are handed to a socket at once.
const TAKE_BYTES: usize = 256 << 10;

/// What an exchange has done so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Clients that are connected now.
    pub connections: usize,
    /// Clients that were ever connected.
    pub accepted: u64,
    /// Subscriptions of the clients that are connected, counted by type, symbol and source.
    pub subscriptions: usize,
    /// Messages put out to clients.
    pub frames: u64,
    /// ERROR messages among them.
    pub errors: u64,
    /// Clients disconnected because they did not read.
    pub slow_clients: u64,
    /// Connections that ever came in, whether or not they got as far as the WebSocket.
    pub attempts: u64,
    /// How often each fault has happened, in the order in which they were set.
    pub faults: Vec<u64>,
    events: [u64; EventKind::ALL.len()],
}

impl Stats {
    /// The events of a type that were put out to clients, each counted once a client.
    pub fn events(&self, kind: EventKind) -> u64 {
        self.events[kind as usize]
    }

    /// The events of all types that were put out to clients.
    pub fn total_events(&self) -> u64 {
        self.events.iter().sum()
    }

    pub(crate) fn add_events(&mut self, kind: EventKind, count: u64) {
        self.events[kind as usize] += count;
    }

    fn add(&mut self, sent: &Sent) {
        self.frames += sent.frames;
        self.errors += sent.errors;
        for (total, count) in self.events.iter_mut().zip(sent.events) {
            *total += count;
        }
    }
}

/// What other threads may look at while the exchange runs.
#[derive(Debug, Default)]
pub(crate) struct Record {
    stats: Mutex<Stats>,
    received: Mutex<VecDeque<String>>,
}

impl Record {
    pub(crate) fn stats(&self) -> Stats {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn update(&self, change: impl FnOnce(&mut Stats)) {
        change(&mut self.stats.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Begins to count so many faults.
    pub(crate) fn count_faults(&self, faults: usize) {
        self.update(|stats| stats.faults = vec![0; faults]);
    }

    pub(crate) fn received(&self) -> Vec<String> {
        let received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
        received.iter().cloned().collect()
    }

    fn keep(&self, text: &str, limit: usize) {
        if limit > 0 {
            let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
            while received.len() >= limit {
                received.pop_front();
            }
            received.push_back(text.to_owned());
        }
    }
}

struct Connection {
    session: Session,
    /// Woken when the session has something to send.
    wake: Rc<Notify>,
}

/// When [`Hub::turn`] should be called next, unless something happens before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// There is more to do.
    Now,
    At(Duration),
    Never,
}

/// The sessions and the ledger.
pub(crate) struct Hub {
    rules: Arc<Rules>,
    admission: Arc<Admission>,
    start: Start,
    slow_client: SlowClient,
    received_limit: usize,
    pub(crate) ledger: Ledger,
    connections: BTreeMap<u64, Connection>,
    next_id: u64,
    /// When the source's time began.
    playing_since: Option<Duration>,
    record: Arc<Record>,
}

impl Hub {
    pub(crate) fn new(config: ExchangeConfig, record: Arc<Record>) -> Self {
        Self {
            rules: Arc::new(config.rules),
            admission: Arc::new(Admission::new(config.access)),
            start: config.start,
            slow_client: config.slow_client,
            received_limit: config.received_limit,
            ledger: Ledger::new(config.tables, config.source),
            connections: BTreeMap::new(),
            next_id: 0,
            playing_since: (config.start == Start::Immediately).then_some(Duration::ZERO),
            record,
        }
    }

    /// Who is let in; the accounts add the quote tokens that they issue.
    pub(crate) fn admission(&self) -> Arc<Admission> {
        Arc::clone(&self.admission)
    }

    /// Lets a client in; the notification tells when there is something to [`Hub::take`].
    pub(crate) fn open(&mut self, now: Duration) -> (u64, Rc<Notify>) {
        let id = self.next_id;
        self.next_id += 1;
        let wake = Rc::new(Notify::new());
        let tables = Arc::clone(&self.ledger.tables);
        let rules = Arc::clone(&self.rules);
        let session =
            Session::new(now, rules, Arc::clone(&self.admission), tables, self.slow_client);
        self.connections.insert(id, Connection { session, wake: Rc::clone(&wake) });
        self.record.update(|stats| {
            stats.connections += 1;
            stats.accepted += 1;
        });
        (id, wake)
    }

    /// Forgets a client.
    pub(crate) fn leave(&mut self, id: u64) {
        if let Some(Connection { session, .. }) = self.connections.remove(&id) {
            self.record.update(|stats| {
                stats.connections -= 1;
                stats.subscriptions -= session.subscribed();
            });
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Takes a client's message.
    pub(crate) fn receive(&mut self, id: u64, now: Duration, text: &str) {
        self.record.keep(text, self.received_limit);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let before = connection.session.subscribed();
        connection.session.receive(now, text);
        let after = connection.session.subscribed();
        if before != after {
            self.record.update(|stats| stats.subscriptions = stats.subscriptions + after - before);
        }
        if self.start == Start::OnFirstSubscription && after > 0 {
            self.play(now);
        }
    }

    /// Closes a connection whose client sent a message that is too long.
    pub(crate) fn refuse_message(&mut self, id: u64, now: Duration) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.session.refuse_message(now);
        }
    }

    /// What is ready to be sent to a client, in pieces that suit a socket.
    pub(crate) fn take(&mut self, id: u64) -> Vec<Output> {
        let mut outputs = Vec::new();
        let mut bytes = 0;
        if let Some(connection) = self.connections.get_mut(&id) {
            while bytes < TAKE_BYTES
                && let Some(output) = connection.session.take()
            {
                if let Output::Text(text) = &output {
                    bytes += text.len();
                }
                outputs.push(output);
            }
        }
        outputs
    }

    /// The channel and fields of quotes, once a client has subscribed to this many symbols.
    pub(crate) fn quotes_wanted(&mut self, id: u64, symbols: usize) -> Option<(i64, Layout)> {
        self.connections.get_mut(&id)?.session.quotes_wanted(symbols)
    }

    /// Begins the source's time, if it has not begun.
    pub(crate) fn play(&mut self, now: Duration) {
        self.playing_since.get_or_insert(now);
    }

    /// Publishes rows: live events for every subscriber, and part of what is asked for later.
    pub(crate) fn publish(&mut self, now: Duration, rows: &[Row]) {
        for row in rows {
            self.ledger.record(row);
            for connection in self.connections.values_mut() {
                connection.session.deliver(now, row);
            }
        }
    }

    pub(crate) fn set_history(&mut self, kind: EventKind, symbol: SymbolId, rows: &[Row]) {
        self.ledger.replace_history(kind, symbol, rows);
    }

    pub(crate) fn set_depth(&mut self, symbol: &str, depth: Depth) {
        self.ledger.set_depth(symbol, depth);
    }

    pub(crate) fn send_raw(&mut self, now: Duration, text: &str) {
        for connection in self.connections.values_mut() {
            connection.session.send_raw(now, text);
        }
    }

    pub(crate) fn close_connections(&mut self, code: u16, reason: &str) {
        for connection in self.connections.values_mut() {
            connection.session.close(code, reason);
        }
    }

    /// Lets every connection look for what there is to do.
    pub(crate) fn wake_all(&self) {
        for Connection { wake, .. } in self.connections.values() {
            wake.notify_one();
        }
    }

    /// Says nothing more to a client and does not listen to it, but keeps it among the connections.
    pub(crate) fn mute(&mut self, id: u64) {
        self.change(id, Session::mute);
    }

    /// Lets the token of a client expire.
    pub(crate) fn expire(&mut self, id: u64, expiry: Expiry) {
        self.change(id, |session| session.expire(expiry));
    }

    /// Encodes what a client gets in another way from here on.
    pub(crate) fn reconfigure(&mut self, id: u64, encoding: &Encoding) {
        self.change(id, |session| session.reconfigure(encoding));
    }

    /// Does something to a client that may end subscriptions.
    fn change(&mut self, id: u64, change: impl FnOnce(&mut Session)) {
        let Some(Connection { session, .. }) = self.connections.get_mut(&id) else { return };
        let before = session.subscribed();
        change(session);
        let after = session.subscribed();
        self.record.update(|stats| stats.subscriptions = stats.subscriptions + after - before);
    }

    /// Lets the source and every session do what is due.
    pub(crate) fn turn(&mut self, now: Duration) -> Next {
        for Connection { session, .. } in self.connections.values_mut() {
            session.settle(&mut self.ledger);
        }
        let mut next = self.advance_source(now);
        let mut sent = Sent::default();
        let mut slow_clients = 0;
        let mut forgotten = 0;
        for Connection { session, wake } in self.connections.values_mut() {
            let before = session.subscribed();
            session.advance(now, &mut self.ledger);
            forgotten += before - session.subscribed();
            if session.pending() > self.rules.max_pending_rows
                && self.slow_client == SlowClient::Disconnect
            {
                session.abandon();
                slow_clients += 1;
            }
            if session.has_output() {
                wake.notify_one();
            }
            let more = session.take_sent();
            sent.frames += more.frames;
            sent.errors += more.errors;
            for (total, count) in sent.events.iter_mut().zip(more.events) {
                *total += count;
            }
            if let Some(due) = session.due() {
                next = earlier(next, now, due);
            }
        }
        if sent.frames > 0 || slow_clients > 0 || forgotten > 0 {
            self.record.update(|stats| {
                stats.subscriptions -= forgotten;
                stats.add(&sent);
                stats.slow_clients += slow_clients;
            });
        }
        next
    }

    fn advance_source(&mut self, now: Duration) -> Next {
        let Some(since) = self.playing_since else { return Next::Never };
        if self.slow_client == SlowClient::Wait
            && self.connections.values().any(|connection| self.is_behind(&connection.session))
        {
            return Next::Never;
        }
        let Some(mut source) = self.ledger.source.take() else { return Next::Never };
        if matches!(source.due(), Due::At(due) if since + due <= now) {
            let Self { ledger, connections, .. } = self;
            source.advance(now.saturating_sub(since), EVENTS_A_TURN, &mut |row| {
                ledger.supersede(row);
                for connection in connections.values_mut() {
                    connection.session.deliver(now, row);
                }
            });
        }
        let due = source.due();
        self.ledger.source = Some(source);
        match due {
            Due::At(due) => earlier(Next::Never, now, since + due),
            Due::Never => Next::Never,
        }
    }

    fn is_behind(&self, session: &Session) -> bool {
        session.is_blocked() || session.pending() > self.rules.max_pending_rows / 2
    }
}

/// The earlier of what comes next and something that is due.
pub(crate) fn earlier(next: Next, now: Duration, due: Duration) -> Next {
    match next {
        _ if due <= now => Next::Now,
        Next::At(other) => Next::At(other.min(due)),
        Next::Never => Next::At(due),
        Next::Now => Next::Now,
    }
}

#[cfg(test)]
mod tests {
    use dxstream::event::{Message, Record as _};
    use dxstream::symbol::SymbolId;

    use super::*;
    use crate::config::Access;

    #[test]
    fn a_client_that_does_not_read_is_dropped_once() {
        let rules = Rules { outbox_bytes: 500, max_pending_rows: 10, ..Rules::default() };
        let config =
            ExchangeConfig { access: Access::Anonymous, rules, ..ExchangeConfig::default() };
        let record = Arc::new(Record::default());
        let mut hub = Hub::new(config, Arc::clone(&record));
        let now = Duration::ZERO;
        let (id, _) = hub.open(now);
        for text in [
            r#"{"type":"SETUP","channel":0,"version":"0.1"}"#,
            r#"{"type":"CHANNEL_REQUEST","channel":1,"service":"FEED","parameters":{"contract":"AUTO"}}"#,
            r#"{"type":"FEED_SETUP","channel":1,"acceptAggregationPeriod":0}"#,
            r#"{"type":"FEED_SUBSCRIPTION","channel":1,"add":[{"type":"Message","symbol":"A"}]}"#,
        ] {
            hub.receive(id, now, text);
        }
        let event_symbol = SymbolId(hub.ledger.tables.symbols.intern("A").unwrap());
        let row = Row::new(&Message { event_symbol, ..Message::UNKNOWN });
        for _ in 0..100 {
            hub.publish(now, &[row]);
            hub.turn(now);
        }
        assert_eq!(record.stats().slow_clients, 1);
        let outputs = hub.take(id);
        assert_eq!(outputs, [Output::Close { code: 1008, reason: "slow consumer".to_owned() }]);
        hub.leave(id);
        assert_eq!((record.stats().connections, record.stats().accepted), (0, 1));
    }
    #[test]
    fn an_issued_token_that_expires_ends_what_it_let_in() {
        let config =
            ExchangeConfig { access: Access::Tokens(Vec::new()), ..ExchangeConfig::default() };
        let record = Arc::new(Record::default());
        let mut hub = Hub::new(config, Arc::clone(&record));
        let expires = Duration::from_secs(20);
        hub.admission().issue("issued", expires);
        let (id, _) = hub.open(Duration::ZERO);
        let said = |hub: &mut Hub, now, texts: &[&str]| {
            for text in texts {
                hub.receive(id, now, text);
            }
            let next = hub.turn(now);
            (format!("{:?}", hub.take(id)), next)
        };
        let auth = r#"{"type":"AUTH","channel":0,"token":"issued"}"#;
        let (text, next) = said(
            &mut hub,
            Duration::ZERO,
            &[
                r#"{"type":"SETUP","channel":0,"version":"0.1"}"#,
                auth,
                r#"{"type":"CHANNEL_REQUEST","channel":1,"service":"FEED","parameters":{"contract":"AUTO"}}"#,
                r#"{"type":"FEED_SUBSCRIPTION","channel":1,"add":[{"type":"Quote","symbol":"A"}]}"#,
            ],
        );
        assert!(text.contains("AUTHORIZED") && text.contains("CHANNEL_OPENED"), "{text}");
        assert_eq!((next, record.stats().subscriptions), (Next::At(expires), 1));
        let (text, _) = said(&mut hub, expires, &[]);
        assert!(text.contains("token has expired") && text.contains("CHANNEL_CLOSED"), "{text}");
        assert_eq!(record.stats().subscriptions, 0);
        let (text, _) = said(&mut hub, expires, &[auth]);
        assert!(text.contains("Authentication failed"), "{text}");
    }
}
