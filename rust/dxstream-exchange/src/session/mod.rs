//! One client's conversation, sans-I/O: its messages and the time in, messages to it out.
//!
//! The order of the conversation, the literal texts of ERROR and the delivery of each contract
//! follow the DXLink specification and what dxFeed's servers were seen to do.

mod admission;
mod dom;
mod expiry;
mod feed;
mod handle;
mod message;
mod outbox;
mod reply;
mod snapshot;
mod subscription;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use dxstream::event::{Contract, EventKind};
use dxstream::symbol::Tables;

use crate::config::{Rules, Silence, SlowClient, SubscriptionRate};
use crate::encode::Layout;
use crate::fault::{Encoding, Expiry};
use crate::ledger::Ledger;
use crate::session::admission::Token;
use crate::session::dom::Dom;
use crate::session::feed::Feed;
use crate::session::message::ClientMessage;
use crate::session::outbox::Outbox;
use crate::session::reply::ErrorKind;
use crate::session::subscription::{Key, Subscriptions, Terms};
use crate::source::Row;

pub(crate) use admission::Admission;
#[cfg(test)]
pub(crate) use admission::Verdict;
pub(crate) use outbox::{Output, Sent};
pub(crate) use reply::MESSAGE_TYPES;

/// How far a client has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Connected,
    SetUp,
    Authorized,
}

#[derive(Debug)]
enum Channel {
    Feed(Feed),
    Dom(Dom),
}

/// One client's conversation.
#[derive(Debug)]
pub(crate) struct Session {
    rules: Arc<Rules>,
    admission: Arc<Admission>,
    tables: Arc<Tables>,
    slow_client: SlowClient,
    stage: Stage,
    /// What the client was let in with.
    token: Option<Token>,
    /// When that is not good any more.
    token_expires: Option<Duration>,
    /// When the client's last message came, and how long it may be silent after it.
    heard: Duration,
    client_timeout: Duration,
    /// When the last message to the client was made, and how long it may be the last.
    spoke: Duration,
    speak_every: Duration,
    channels: BTreeMap<i64, Channel>,
    /// How rows are encoded, whatever the client asks for.
    encoding: Encoding,
    subscriptions: Subscriptions,
    /// Subscriptions whose last value or snapshot is still to be sent.
    fresh: VecDeque<Key>,
    allowance: Option<Allowance>,
    outbox: Outbox,
}

/// The subscriptions that a client may still make at the moment.
#[derive(Debug)]
struct Allowance {
    rate: SubscriptionRate,
    left: f64,
    counted: Duration,
}

impl Session {
    pub(crate) fn new(
        now: Duration,
        rules: Arc<Rules>,
        admission: Arc<Admission>,
        tables: Arc<Tables>,
        slow_client: SlowClient,
    ) -> Self {
        Self {
            admission,
            tables,
            slow_client,
            stage: Stage::Connected,
            token: None,
            token_expires: None,
            heard: now,
            client_timeout: rules.accept_keepalive_timeout,
            spoke: now,
            speak_every: rules.keepalive_timeout / 2,
            channels: BTreeMap::new(),
            encoding: Encoding::default(),
            subscriptions: Subscriptions::default(),
            fresh: VecDeque::new(),
            allowance: rules.subscription_rate.map(|rate| Allowance {
                rate,
                left: f64::from(rate.burst),
                counted: now,
            }),
            outbox: Outbox::default(),
            rules,
        }
    }

    /// Takes a message of the client.
    pub(crate) fn receive(&mut self, now: Duration, text: &str) {
        if self.outbox.is_closed() {
            return;
        }
        self.heard = now;
        if text.len() > self.rules.max_message_bytes {
            self.refuse_message(now);
            return;
        }
        match serde_json::from_str::<ClientMessage>(text) {
            Ok(message) => self.handle(now, &message),
            Err(_) => {
                self.outbox.error(0, ErrorKind::InvalidMessage, "The message is not valid JSON.");
            }
        }
        self.note_speech(now);
    }

    /// Closes the conversation because the client's message is too long.
    pub(crate) fn refuse_message(&mut self, now: Duration) {
        self.outbox.close(1009, "message too big");
        self.note_speech(now);
    }

    /// Sends a text as it is.
    pub(crate) fn send_raw(&mut self, now: Duration, text: &str) {
        self.outbox.push(text.to_owned());
        self.note_speech(now);
    }

    /// Ends the conversation after what is ready to be sent.
    pub(crate) fn close(&mut self, code: u16, reason: &str) {
        self.outbox.close(code, reason);
    }

    /// Takes a live event.
    pub(crate) fn deliver(&mut self, now: Duration, row: &Row) {
        if self.outbox.is_closed() {
            return;
        }
        let behind = self.slow_client == SlowClient::Disconnect && self.is_blocked();
        let Self { subscriptions, channels, .. } = self;
        subscriptions.route(row, |channel, contract| {
            if let Some(Channel::Feed(feed)) = channels.get_mut(&channel) {
                feed.push(now, row, contract, behind);
            }
        });
    }

    /// Does what is due: first values and snapshots, rows whose period is over, books, keepalive.
    pub(crate) fn advance(&mut self, now: Duration, ledger: &mut Ledger) {
        if self.outbox.is_closed() {
            return;
        }
        if now >= self.heard + self.client_timeout {
            self.give_up(now);
            return;
        }
        if self.token_expires.is_some_and(|expires| expires <= now) {
            self.expire(Expiry::Error);
        }
        self.settle(ledger);
        let blocked = self.is_blocked();
        let Self { channels, outbox, tables, rules, .. } = self;
        for channel in channels.values_mut() {
            match channel {
                Channel::Feed(feed) if feed.due().is_some_and(|due| due <= now) => {
                    feed.flush(now, tables, rules, outbox);
                }
                Channel::Dom(dom) if !blocked => dom.advance(now, ledger, outbox),
                Channel::Feed(_) | Channel::Dom(_) => {}
            }
        }
        self.note_speech(now);
        if now >= self.spoke + self.speak_every && self.stage > Stage::Connected {
            self.outbox.push(reply::keepalive());
            self.note_speech(now);
        }
    }

    /// Sends the last values and snapshots of new subscriptions. Done before the source emits, it keeps
    /// the source's events whole for them.
    pub(crate) fn settle(&mut self, ledger: &mut Ledger) {
        while !self.is_blocked()
            && let Some(key) = self.fresh.pop_front()
        {
            self.send_first(key, ledger);
        }
    }

    /// When [`Session::advance`] should be called next.
    pub(crate) fn due(&self) -> Option<Duration> {
        if self.outbox.is_closed() {
            return None;
        }
        let mut due = self.heard + self.client_timeout;
        due = due.min(self.token_expires.unwrap_or(due));
        if self.stage > Stage::Connected {
            due = due.min(self.spoke + self.speak_every);
        }
        if !self.is_blocked() {
            if !self.fresh.is_empty() {
                return Some(Duration::ZERO);
            }
            let channels = self.channels.values().filter_map(|channel| match channel {
                Channel::Feed(feed) => feed.due(),
                Channel::Dom(dom) => dom.due(),
            });
            due = channels.fold(due, Duration::min);
        }
        Some(due)
    }

    /// The next thing to send.
    pub(crate) fn take(&mut self) -> Option<Output> {
        self.outbox.take()
    }

    /// Whether there is something to send.
    pub(crate) fn has_output(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Whether rows have to wait because the client does not read what is ready.
    pub(crate) fn is_blocked(&self) -> bool {
        self.outbox.bytes() >= self.rules.outbox_bytes
    }

    /// How many subscriptions the client has.
    pub(crate) fn subscribed(&self) -> usize {
        self.subscriptions.len()
    }

    /// The longest queue of a channel.
    pub(crate) fn pending(&self) -> usize {
        let feeds = self.channels.values().map(|channel| match channel {
            Channel::Feed(feed) => feed.pending(),
            Channel::Dom(_) => 0,
        });
        feeds.max().unwrap_or(0)
    }

    /// Ends the conversation with a client that does not read, and forgets what waits for it.
    pub(crate) fn abandon(&mut self) {
        self.channels.clear();
        self.outbox.abandon(1008, "slow consumer");
    }

    /// Says nothing more, and does not listen any more.
    pub(crate) fn mute(&mut self) {
        self.forget_channels();
        self.outbox.mute();
    }

    /// Encodes rows in another way from here on, and tells the client.
    pub(crate) fn reconfigure(&mut self, encoding: &Encoding) {
        let Encoding { fields, compact } = encoding.clone();
        self.encoding.fields = fields.or(self.encoding.fields.take());
        self.encoding.compact = compact.or(self.encoding.compact);
        for channel in self.channels.values_mut() {
            if let Channel::Feed(feed) = channel {
                feed.reconfigure(&self.encoding, &mut self.outbox);
            }
        }
    }

    /// Ends every channel without a word; tells which there were.
    fn forget_channels(&mut self) -> Vec<i64> {
        let channels: Vec<i64> = std::mem::take(&mut self.channels).into_keys().collect();
        for &channel in &channels {
            self.subscriptions.remove_channel(channel);
        }
        channels
    }

    /// What was sent since this was last asked.
    pub(crate) fn take_sent(&mut self) -> Sent {
        std::mem::take(&mut self.outbox.sent)
    }

    /// The channel and the fields of quotes, told to the client, once it has subscribed to
    /// quotes of this many symbols.
    pub(crate) fn quotes_wanted(&mut self, symbols: usize) -> Option<(i64, Layout)> {
        if self.subscriptions.symbols_of(EventKind::Quote) < symbols {
            return None;
        }
        let channel = self.subscriptions.first_channel_of(EventKind::Quote)?;
        let Some(Channel::Feed(feed)) = self.channels.get_mut(&channel) else { return None };
        let layout = feed.layout(EventKind::Quote, &self.rules, &mut self.outbox).clone();
        Some((channel, layout))
    }

    fn note_speech(&mut self, now: Duration) {
        if self.outbox.spoke() {
            self.spoke = now;
        }
    }

    fn give_up(&mut self, now: Duration) {
        if self.rules.silence == Silence::Timeout {
            let seconds = now.saturating_sub(self.heard).as_secs();
            let text = format!(
                "The timeout has been reached. The message was last received {seconds} seconds ago."
            );
            self.outbox.error(0, ErrorKind::Timeout, &text);
        }
        self.outbox.close(1000, "Bye");
    }

    /// Sends the last value or the snapshot of a subscription; live events follow from here on.
    fn send_first(&mut self, key: Key, ledger: &mut Ledger) {
        let (Some(terms), Some(symbol)) = (self.subscriptions.get(key), key.symbol) else { return };
        if !terms.fresh {
            return;
        }
        self.subscriptions.add(key, Terms { fresh: false, ..terms });
        let rows = if terms.contract == Contract::History {
            if !ledger.knows(key.kind, symbol) {
                return;
            }
            let events = ledger.history(key.kind, symbol, key.source, terms.from_time);
            snapshot::rows(key.kind, symbol, key.source, terms.from_time, &events)
        } else {
            let unknown = self.rules.answer_unknown_symbols;
            let last = ledger
                .latest(key.kind, symbol)
                .or_else(|| unknown.then(|| Row::unknown(key.kind, symbol)));
            let mut last = Vec::from_iter(last);
            if let Some(row) = last.first_mut() {
                row.set_flags(0);
            }
            last
        };
        if let Some(Channel::Feed(feed)) = self.channels.get_mut(&key.channel) {
            feed.send(&rows, &self.tables, &self.rules, &mut self.outbox);
        }
    }
}

#[cfg(test)]
mod tests;
