//! One connection's conversation with a DXLink server.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::channel::Channels;
use super::message::{AuthState, CONNECTION, ClientMessage, ServerMessage};
use super::subscription::{FeedKey, Subscriptions};
use super::transaction::Group;
use crate::error::Error;
use crate::event::{EventKind, Text};
use crate::json::{Batch, Frame, FrameReader};
use crate::secret::Secret;
use crate::symbol::{SymbolId, Tables};

/// What a server means by a timeout that it does not name. Source: DXLink specification.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(1);

/// Subscription entries a second, and at once, that servers were seen to accept without an ERROR
/// "Your subscription rate is too high": 200 each 0.15 s passed, 6,700 at once did not.
const ENTRIES_PER_SECOND: f64 = 2000.0;
const ENTRIES_AT_ONCE: f64 = 1000.0;

/// How often a channel that the server closed unasked is opened again on the same connection.
const MAX_REOPENED: u32 = 3;

/// The times that a session keeps.
#[derive(Debug, Clone)]
pub struct SessionSettings {
    /// Silence after which either side may take the other for dead, as SETUP announces it.
    pub keepalive_timeout: Duration,
    /// The longest wait for each of the server's answers to SETUP, AUTH and CHANNEL_REQUEST.
    pub answer_timeout: Duration,
}

impl Default for SessionSettings {
    fn default() -> Self {
        Self { keepalive_timeout: Duration::from_mins(1), answer_timeout: Duration::from_secs(10) }
    }
}

/// Where events go.
pub trait EventSink {
    /// Takes rows of one type, in order of arrival.
    fn rows(&mut self, kind: EventKind, rows: &[u64]);

    /// Takes note of a snapshot without a row. `source` is [`Text::NONE`] for types without one.
    fn empty_snapshot(&mut self, kind: EventKind, symbol: SymbolId, source: Text);
}

/// What the caller of a session must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEvent {
    /// The server accepted the client; subscriptions are on their way.
    Authorized,
    /// The server sent an ERROR that does not end the session, or a FEED_CONFIG that cannot be read.
    Complaint(String),
    /// The session is over.
    Failed(Error),
}

/// What a session has counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Text frames received.
    pub messages: u64,
    /// Bytes of text frames received.
    pub bytes: u64,
    /// Events read, marker rows of snapshots included.
    pub events: u64,
    /// Frames that were no DXLink message.
    pub malformed_frames: u64,
    /// Rows that could not be read.
    pub rejected_rows: u64,
    /// Blocks of an unknown event type, channel or field list.
    pub rejected_blocks: u64,
    /// Transactions that were too long to be handed on whole.
    pub split_transactions: u64,
    /// ERROR messages received.
    pub server_errors: u64,
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
    token: Option<Secret>,
    stage: Stage,
    channels: Channels,
    reopened: u32,
    reader: FrameReader,
    batch: Batch,
    tables: Arc<Tables>,
    counters: Counters,
    output: VecDeque<String>,
    events: VecDeque<SessionEvent>,
    answer_by: Option<Duration>,
    last_sent: Duration,
    last_received: Duration,
    send_every: Duration,
    silence_limit: Duration,
    allowance: f64,
    allowance_at: Duration,
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
            channels: Channels::default(),
            reopened: 0,
            reader: FrameReader::default(),
            batch: Batch::default(),
            tables,
            counters: Counters::default(),
            output: VecDeque::new(),
            events: VecDeque::new(),
            answer_by: None,
            last_sent: now,
            last_received: now,
            send_every: settings.keepalive_timeout / 2,
            silence_limit: DEFAULT_TIMEOUT,
            allowance: ENTRIES_AT_ONCE,
            allowance_at: now,
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

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        Counters { split_transactions: self.channels.split_transactions(), ..self.counters }
    }

    /// Whether the server accepted the client.
    pub fn is_authorized(&self) -> bool {
        self.stage == Stage::Authorized
    }

    /// When [`Session::tick`] must be called at the latest.
    pub fn deadline(&self, wanted: &Subscriptions) -> Duration {
        let mut deadline =
            (self.last_sent + self.send_every).min(self.last_received + self.silence_limit);
        if let Some(answer_by) = self.answer_by {
            deadline = deadline.min(answer_by);
        }
        if self.stage == Stage::Authorized && self.has_changes(wanted) {
            let missing = (1.0 - self.allowance).max(0.0);
            let refill = Duration::from_secs_f64(missing / ENTRIES_PER_SECOND);
            deadline = deadline.min(self.allowance_at + refill);
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
        self.last_received = now;
        self.counters.messages += 1;
        self.counters.bytes += frame.len() as u64;
        match self.reader.read(frame, &self.channels, &self.tables, &mut self.batch) {
            Ok(Frame::Data { channel, rejected }) => {
                self.counters.rejected_rows += rejected.rows;
                if !self.channels.is_cancelled(channel) {
                    self.counters.rejected_blocks += rejected.blocks;
                }
                self.pass_on(channel, sink);
            }
            Ok(Frame::Message(message)) => self.receive_message(message, wanted, now),
            Err(_) => self.counters.malformed_frames += 1,
        }
    }

    /// Takes note of a frame that is no text.
    pub fn receive_binary(&mut self, now: Duration) {
        self.last_received = now;
        self.counters.messages += 1;
        self.counters.malformed_frames += 1;
    }

    /// Takes note that the server lives although it said nothing.
    pub fn receive_sign_of_life(&mut self, now: Duration) {
        self.last_received = now;
    }

    /// Does what time demands: keepalive, paced subscriptions, and giving up on a silent server.
    pub fn tick(&mut self, wanted: &mut Subscriptions, now: Duration) {
        if self.stage == Stage::Over {
            return;
        }
        if self.answer_by.is_some_and(|answer_by| now >= answer_by) {
            return self.fail(Error::ConnectionLost(format!(
                "the server did not answer {} within {} s",
                self.stage.awaits(),
                self.settings.answer_timeout.as_secs_f64()
            )));
        }
        if now >= self.last_received + self.silence_limit {
            return self.fail(Error::silent(self.silence_limit));
        }
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
        let refilled = now.saturating_sub(self.allowance_at).as_secs_f64() * ENTRIES_PER_SECOND;
        self.allowance = (self.allowance + refilled).min(ENTRIES_AT_ONCE);
        self.allowance_at = now;
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
            while feed.has_changes() && self.allowance >= 1.0 {
                let reset = !channel.subscribed;
                let (message, count) =
                    feed.next_message(key, channel.id, reset, self.allowance as usize);
                channel.subscribed = true;
                self.allowance -= count as f64;
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

    fn pass_on(&mut self, channel: u64, sink: &mut impl EventSink) {
        let Some(channel) = self.channels.by_id(channel) else { return };
        for (kind, rows) in self.batch.blocks() {
            self.counters.events += (rows.len() / kind.fields().len()) as u64;
            match &mut channel.transactions {
                Some(transactions) if kind == channel.key.kind => {
                    transactions.pass(rows, &mut |group| match group {
                        Group::Rows(rows) => sink.rows(kind, rows),
                        Group::Empty { symbol, source } => {
                            sink.empty_snapshot(kind, SymbolId(symbol as u32), Text(source));
                        }
                    });
                }
                _ => sink.rows(kind, rows),
            }
        }
    }

    fn receive_message(
        &mut self,
        message: Map<String, Value>,
        wanted: &mut Subscriptions,
        now: Duration,
    ) {
        let Ok(message) = serde_json::from_value(Value::Object(message)) else {
            self.counters.malformed_frames += 1;
            return;
        };
        match message {
            ServerMessage::Setup { keepalive_timeout, accept_keepalive_timeout } => {
                self.receive_setup(keepalive_timeout, accept_keepalive_timeout, now);
            }
            ServerMessage::AuthState { state } => self.receive_auth_state(state, wanted, now),
            ServerMessage::Error { channel, error, message } => {
                self.counters.server_errors += 1;
                self.receive_error(channel, &error, &message);
            }
            ServerMessage::ChannelOpened { channel } => {
                if let Some(opened) = self.channels.by_id(channel).filter(|known| !known.opened) {
                    opened.opened = true;
                    opened.aggregation_period =
                        wanted.feeds.get(&opened.key).and_then(|feed| feed.aggregation_period);
                    let setup = opened.setup();
                    self.send(setup, now);
                    self.send_changes(wanted, now);
                }
            }
            ServerMessage::ChannelClosed { channel } => {
                if let Some(key) = self.channels.closed(channel) {
                    self.reopened += 1;
                    let kind = key.kind.name();
                    if self.reopened > MAX_REOPENED {
                        return self.fail(Error::Protocol(format!(
                            "the server closed the channel of {kind} again and again"
                        )));
                    }
                    self.complain(format!(
                        "the server closed the channel of {kind}; it is reopened"
                    ));
                    self.send_changes(wanted, now);
                }
            }
            ServerMessage::FeedConfig { channel, event_fields } => {
                let channel = self.channels.by_id(channel);
                if let Some(Err(problem)) = channel.map(|channel| channel.configure(&event_fields))
                {
                    self.complain(format!("FEED_CONFIG cannot be used: {problem}"));
                }
            }
            ServerMessage::Keepalive {} | ServerMessage::Unknown => {}
        }
    }

    fn receive_setup(&mut self, theirs: Option<f64>, ours: Option<f64>, now: Duration) {
        let announced = self.settings.keepalive_timeout;
        self.silence_limit = timeout(theirs).unwrap_or(DEFAULT_TIMEOUT);
        self.send_every = timeout(ours).map_or(announced, |ours| ours.min(announced)) / 2;
        if self.stage == Stage::Setup {
            self.stage = Stage::AuthState;
            self.await_answer(now);
        }
    }

    fn receive_auth_state(&mut self, state: AuthState, wanted: &mut Subscriptions, now: Duration) {
        match (state, self.stage) {
            (_, Stage::Over) | (AuthState::Authorized, Stage::Authorized) => {}
            (AuthState::Authorized, _) => {
                self.stage = Stage::Authorized;
                self.answer_by = None;
                self.token = None;
                wanted.forget_told();
                self.events.push_back(SessionEvent::Authorized);
                self.send_changes(wanted, now);
            }
            // The first UNAUTHORIZED invites to AUTH; servers refuse an AUTH that comes before it.
            (AuthState::Unauthorized, Stage::Setup | Stage::AuthState) => match self.token.take() {
                Some(token) => {
                    let auth = ClientMessage::Auth { channel: CONNECTION, token: token.expose() };
                    let frame = auth.frame();
                    self.stage = Stage::Auth;
                    self.send(frame, now);
                    self.await_answer(now);
                }
                None => self.fail(Error::Authentication(
                    "the server asks for a token and the endpoint has none; \
                     pass Endpoint(url, token)"
                        .into(),
                )),
            },
            (AuthState::Unauthorized, Stage::Auth) => self
                .fail(Error::Authentication("the server refused the token; get a new one".into())),
            (AuthState::Unauthorized, Stage::Authorized) => self.fail(Error::Authentication(
                "the server no longer accepts the token; get a new one".into(),
            )),
        }
    }

    fn receive_error(&mut self, channel: u64, error: &str, message: &str) {
        let text = format!("the server says {error}: {}", one_line(message));
        if self.stage == Stage::Authorized && error != "UNAUTHORIZED" {
            let about = self.channels.by_id(channel).map(|channel| channel.key.kind.name());
            return self.complain(match about {
                Some(kind) => format!("{text} (channel of {kind})"),
                None => text,
            });
        }
        self.fail(match error {
            "UNAUTHORIZED" => Error::Authentication(text),
            "TIMEOUT" | "UNKNOWN" => Error::ConnectionLost(text),
            _ => Error::Protocol(text),
        });
    }

    fn complain(&mut self, text: String) {
        self.events.push_back(SessionEvent::Complaint(text));
    }

    fn fail(&mut self, error: Error) {
        if self.stage != Stage::Over {
            self.stage = Stage::Over;
            self.answer_by = None;
            self.events.push_back(SessionEvent::Failed(error));
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

/// A timeout in seconds that the server named, if it makes sense.
fn timeout(seconds: Option<f64>) -> Option<Duration> {
    seconds
        .filter(|&seconds| seconds > 0.0)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

/// A text of the server as part of a one-line message.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}

#[cfg(test)]
mod convergence;
#[cfg(test)]
mod tests;
