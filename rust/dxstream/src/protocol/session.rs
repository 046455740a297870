//! One connection's conversation with a DXLink server.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

pub use counters::Counters;

use super::channel::Channels;
use super::feed::Most;
use super::gap::{Cause, Interruption, TypeGap};
use super::message::{CONNECTION, ClientMessage};
use super::pace::Pace;
use super::subscription::{Displaced, FeedKey, Subscriptions};
use super::transaction::{Group, SnapshotMark};
use crate::event::{EventKind, SYMBOL_WORD};
use crate::json::{Batch, Frame, FrameReader};
use crate::loss::Loss;
use crate::secret::Secret;
use crate::symbol::{SymbolId, Tables};

/// What a server means by a timeout that it does not name. Source: DXLink specification.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(1);

/// How often a channel that the server closed unasked is opened again on the same connection.
const MAX_REOPENED: u32 = 3;

/// Frames in a row that are no DXLink message, after which the connection is given up.
const MAX_MALFORMED: u32 = 100;

/// The times that a session keeps.
#[derive(Debug, Clone)]
pub struct SessionSettings {
    /// Silence after which either side may take the other for dead, as SETUP announces it. A server
    /// that answers with a shorter time is held to that.
    pub keepalive_timeout: Duration,
    /// The longest wait for each of the server's answers to SETUP, AUTH and CHANNEL_REQUEST.
    pub answer_timeout: Duration,
    /// Most bytes of one FEED_SUBSCRIPTION. Servers close with 1009 beyond 64 KiB.
    pub max_subscription: usize,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self {
            keepalive_timeout: Duration::from_mins(1),
            answer_timeout: Duration::from_secs(10),
            max_subscription: 32 << 10,
        }
    }
}

/// Where events go.
pub trait EventSink {
    /// Takes rows of one type, in order of arrival.
    fn rows(&mut self, kind: EventKind, rows: &[u64]);

    /// Takes the rows of a whole snapshot of one symbol and source, in order of arrival: for time
    /// series the newest first. `resumed` says that it was asked for from the last event on that came
    /// over an earlier connection.
    fn snapshot(&mut self, kind: EventKind, rows: &[u64], resumed: bool);

    /// Takes note of the mark of a snapshot, which is no data. The rows of the snapshot come next,
    /// if it has any.
    fn snapshot_mark(&mut self, kind: EventKind, mark: &SnapshotMark);

    /// Takes note that the gap of an event type is over, before the first rows that come after it.
    fn gap(&mut self, gap: &TypeGap);

    /// The time of the last event that came of a symbol's time series, in ms since 1970 UTC.
    fn last_time(&self, kind: EventKind, symbol: &str) -> Option<i64>;
}

/// What the caller of a session must know.
#[derive(Debug, Clone, PartialEq)]
pub enum SessionEvent {
    /// The server accepted the client; subscriptions are on their way.
    Authorized,
    /// The server sent an ERROR that does not end the session, or a FEED_CONFIG that cannot be read.
    Complaint(String),
    /// The server has no room for these subscriptions; they are no longer wanted here.
    Displaced(Vec<Displaced>),
    /// A channel does not carry all that it should, until it was asked for again.
    Interrupted(Interruption),
    /// The server answered [`Session::ask_whether_all_is_taken`].
    Answered(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// SETUP is sent.
    Setup,
    /// SETUP is answered.
    AuthState,
    /// AUTH is sent.
    Auth,
    Authorized,
    Over,
}

impl Stage {
    fn awaits(self) -> &'static str {
        match self {
            Self::Setup => "SETUP",
            Self::AuthState => "AUTH_STATE",
            Self::Auth => "AUTH",
            Self::Authorized | Self::Over => "CHANNEL_REQUEST",
        }
    }
}

/// A DXLink session: the state machine of one connection.
///
/// Time is the time since a start that the caller chose, the same for all calls.
#[derive(Debug)]
pub struct Session {
    settings: SessionSettings,
    /// What AUTH sends, and what is hidden wherever the server repeats it.
    token: Option<Secret>,
    stage: Stage,
    accepted: bool,
    channels: Channels,
    reopened: u32,
    reader: FrameReader,
    batch: Batch,
    tables: Arc<Tables>,
    counters: Counters,
    output: VecDeque<String>,
    events: VecDeque<SessionEvent>,
    failure: Option<Loss>,
    answer_by: Option<Duration>,
    malformed_in_a_row: u32,
    last_sent: Duration,
    last_received: Duration,
    /// When it gave the sign of life before that.
    received_before: Duration,
    send_every: Duration,
    silence_limit: Duration,
    pace: Pace,
}

impl Session {
    /// A session over a socket that was just opened; its first output is SETUP.
    pub fn new(
        settings: SessionSettings,
        token: Option<Secret>,
        tables: Arc<Tables>,
        now: Duration,
    ) -> Self {
        let mut session = Self {
            token,
            stage: Stage::Setup,
            accepted: false,
            channels: Channels::default(),
            reopened: 0,
            reader: FrameReader::default(),
            batch: Batch::default(),
            tables,
            counters: Counters::default(),
            output: VecDeque::new(),
            events: VecDeque::new(),
            failure: None,
            answer_by: None,
            malformed_in_a_row: 0,
            last_sent: now,
            last_received: now,
            received_before: now,
            send_every: settings.keepalive_timeout / 2,
            silence_limit: DEFAULT_TIMEOUT,
            pace: Pace::new(now),
            settings,
        };
        let setup = ClientMessage::setup(session.settings.keepalive_timeout.as_secs_f64()).frame();
        session.send(setup, now);
        session.await_answer(now);
        session
    }

    /// The next text frame to send.
    pub fn next_output(&mut self) -> Option<String> {
        self.output.pop_front()
    }

    /// The next thing that the caller must know.
    pub fn next_event(&mut self) -> Option<SessionEvent> {
        self.events.pop_front()
    }

    /// Why the session is over, once it is.
    pub fn take_failure(&mut self) -> Option<Loss> {
        self.failure.take()
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        Counters { split_transactions: self.channels.split_transactions(), ..self.counters }
    }

    /// Whether the server accepted the client.
    pub fn is_authorized(&self) -> bool {
        self.stage == Stage::Authorized
    }

    /// Whether the server ever accepted the client, even if the session is over since.
    pub fn was_authorized(&self) -> bool {
        self.accepted
    }

    /// When the server last gave a sign of life.
    pub fn last_received(&self) -> Duration {
        self.last_received
    }

    /// When [`Session::tick`] must be called at the latest.
    pub fn deadline(&self, wanted: &Subscriptions) -> Duration {
        let mut deadline =
            (self.last_sent + self.send_every).min(self.last_received + self.silence_limit);
        if let Some(answer_by) = self.answer_by {
            deadline = deadline.min(answer_by);
        }
        if let Some(configured_by) = self.channels.configured_by() {
            deadline = deadline.min(configured_by);
        }
        if self.stage == Stage::Authorized && self.has_changes(wanted) {
            deadline = deadline.min(self.pace.next());
        }
        deadline
    }

    /// Takes one text frame from the server. Events go to `sink`.
    pub fn receive(
        &mut self,
        frame: &str,
        wanted: &mut Subscriptions,
        sink: &mut impl EventSink,
        now: Duration,
    ) {
        self.receive_sign_of_life(now);
        self.counters.messages += 1;
        self.counters.bytes += frame.len() as u64;
        match self.reader.read(frame, &self.channels, &self.tables, &mut self.batch) {
            Ok(Frame::Data { channel, rejected }) => {
                self.malformed_in_a_row = 0;
                self.counters.rejected_rows += rejected.rows;
                if !self.channels.is_cancelled(channel) {
                    self.counters.rejected_blocks += rejected.blocks;
                }
                self.pass_on(channel, wanted, sink);
            }
            Ok(Frame::Message(message)) => self.receive_message(message, wanted, sink, now),
            Err(_) => self.malformed(),
        }
    }

    fn malformed(&mut self) {
        self.counters.malformed_frames += 1;
        self.malformed_in_a_row += 1;
        if self.malformed_in_a_row == MAX_MALFORMED {
            self.fail(Loss::protocol(format!(
                "the server sent {MAX_MALFORMED} frames in a row that are no DXLink messages"
            )));
        }
    }

    /// Takes note of a frame that is no text.
    pub fn receive_binary(&mut self, now: Duration) {
        self.receive_sign_of_life(now);
        self.counters.messages += 1;
        self.malformed();
    }

    /// Takes note that the server lives although it said nothing.
    pub fn receive_sign_of_life(&mut self, now: Duration) {
        self.received_before = std::mem::replace(&mut self.last_received, now);
    }

    /// Does what time demands: keepalive, paced subscriptions, and giving up on a silent server.
    pub fn tick(&mut self, wanted: &mut Subscriptions, now: Duration) {
        if self.stage == Stage::Over {
            return;
        }
        if self.answer_by.is_some_and(|answer_by| now >= answer_by) {
            return self.fail(Loss::passing(format!(
                "the server did not answer {} within {} s",
                self.stage.awaits(),
                self.settings.answer_timeout.as_secs_f64()
            )));
        }
        if now >= self.last_received + self.silence_limit {
            return self.fail(Loss::passing(format!(
                "the server sent nothing for {} s, so the connection is taken for dead",
                self.silence_limit.as_secs_f64()
            )));
        }
        self.reopen_unconfigured(wanted, now);
        self.send_changes(wanted, now);
        if now >= self.last_sent + self.send_every {
            self.send(ClientMessage::Keepalive { channel: CONNECTION }.frame(), now);
        }
    }

    /// Sends what the server has not been told of `wanted`, as far as the pace allows.
    pub fn send_changes(&mut self, wanted: &mut Subscriptions, now: Duration) {
        if self.stage != Stage::Authorized {
            return;
        }
        let mut allowed = self.pace.allowed(now);
        for (&key, feed) in &mut wanted.feeds {
            if feed.is_empty() {
                if let Some(cancel) = self.channels.cancel(key) {
                    self.send(cancel, now);
                    feed.forget_told();
                }
                continue;
            }
            let Some(channel) = self.channels.by_key(key) else {
                feed.forget_told();
                let request = self.channels.make(key).request();
                self.send(request, now);
                self.await_answer(now);
                continue;
            };
            if !channel.opened {
                continue;
            }
            let mut messages = Vec::new();
            if channel.aggregation_period != feed.aggregation_period {
                channel.aggregation_period = feed.aggregation_period;
                messages.push(channel.setup());
            }
            while feed.has_changes() && allowed > 0 {
                let reset = !channel.subscribed;
                let most = Most { entries: allowed, bytes: self.settings.max_subscription };
                let (message, count) = feed.next_message(key, channel.id, reset, most, now);
                channel.subscribed = true;
                allowed -= count;
                self.pace.spend(count);
                messages.push(message);
            }
            for message in messages {
                self.send(message, now);
            }
        }
        if self.channels.are_open() {
            self.answer_by = None;
        }
    }

    /// Forgets what a symbol had unfinished, after it was unsubscribed.
    pub fn forget_symbol(&mut self, kind: EventKind, symbol: &str) {
        let Some(id) = self.tables.symbols.find(symbol) else { return };
        for from_time in [None, Some(0)] {
            let channel = self.channels.by_key(FeedKey::new(kind, from_time));
            if let Some(transactions) = channel.and_then(|channel| channel.transactions.as_mut()) {
                transactions.forget(u64::from(id));
            }
        }
    }

    fn has_changes(&self, wanted: &Subscriptions) -> bool {
        wanted.feeds.iter().any(|(&key, feed)| feed.has_changes() && self.channels.is_ready(key))
    }

    fn pass_on(&mut self, channel: u64, wanted: &mut Subscriptions, sink: &mut impl EventSink) {
        let Some(channel) = self.channels.by_id(channel) else { return };
        let key = channel.key;
        for (kind, rows) in self.batch.blocks() {
            if kind == key.kind {
                channel.set_configured();
            }
            let count = (rows.len() / kind.fields().len()) as u64;
            self.counters.events += count;
            self.counters.by_type[kind as usize] += count;
            match &mut channel.transactions {
                Some(transactions) if kind == key.kind => {
                    let loaded = &mut |symbol: SymbolId| {
                        let symbol = self.tables.symbol(symbol).unwrap_or("");
                        wanted.loaded(key, symbol)
                    };
                    transactions.pass(rows, &mut |group| match group {
                        Group::Rows(rows) => sink.rows(kind, rows),
                        Group::Snapshot(rows) => {
                            let resumed = loaded(SymbolId(rows[SYMBOL_WORD] as u32));
                            sink.snapshot(kind, rows, resumed);
                        }
                        Group::Mark(mark) => {
                            if mark.is_empty_snapshot() {
                                loaded(mark.symbol);
                            }
                            sink.snapshot_mark(kind, &mark);
                        }
                    });
                }
                _ => sink.rows(kind, rows),
            }
        }
    }

    /// Opens channels anew on which neither FEED_CONFIG nor data came, as often as others are.
    fn reopen_unconfigured(&mut self, wanted: &mut Subscriptions, now: Duration) {
        for (key, since) in self.channels.unconfigured(now) {
            let again = self.reopened < MAX_REOPENED;
            self.complain(format!(
                "the server did not configure the channel of {} within {} s{}",
                key.kind.name(),
                self.settings.answer_timeout.as_secs_f64(),
                if again { "; it is reopened" } else { "" }
            ));
            self.interrupted(key, since, Cause::Unconfigured);
            if !again {
                continue;
            }
            self.reopened += 1;
            if let Some(cancel) = self.channels.cancel(key) {
                self.send(cancel, now);
            }
            if let Some(feed) = wanted.feeds.get_mut(&key) {
                feed.forget_told();
            }
        }
    }

    /// Since when events of a type may be missing because the server has neither configured a channel
    /// that it opened nor sent data.
    pub fn unconfigured_since(&self, kind: EventKind) -> Option<Duration> {
        self.channels.unconfigured_since(kind)
    }

    /// Asks the server something that it answers once it has taken all that it was sent before; gives
    /// what [`SessionEvent::Answered`] will say.
    ///
    /// It is asked to open one more channel, which is given back at once. Nothing else that the
    /// protocol has would do: KEEPALIVE and FEED_SUBSCRIPTION have no answer; FEED_CONFIG may come at
    /// any time or not at all, and another SETUP changes timeouts; and a WebSocket's pong tells that
    /// bytes were read, maybe by a proxy, not what became of the messages.
    pub fn ask_whether_all_is_taken(&mut self, now: Duration) -> u64 {
        let (question, request) = self.channels.ask(now);
        self.send(request, now);
        question
    }

    fn interrupted(&mut self, key: FeedKey, since: Duration, cause: Cause) {
        self.events.push_back(SessionEvent::Interrupted(Interruption { key, since, cause }));
    }

    fn complain(&mut self, text: String) {
        self.events.push_back(SessionEvent::Complaint(text));
    }

    fn fail(&mut self, loss: Loss) {
        if self.stage != Stage::Over {
            self.stage = Stage::Over;
            self.answer_by = None;
            self.failure = Some(loss);
        }
    }

    fn send(&mut self, frame: String, now: Duration) {
        self.output.push_back(frame);
        self.last_sent = now;
    }

    fn await_answer(&mut self, now: Duration) {
        self.answer_by = Some(now + self.settings.answer_timeout);
    }
}

mod answers;
#[cfg(test)]
mod convergence;
mod counters;
#[cfg(test)]
mod tests;
