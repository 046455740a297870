//! What a session does about each message of the server that is no data.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{DEFAULT_TIMEOUT, EventSink, MAX_REOPENED, Session, SessionEvent, Stage};
use crate::error::Error;
use crate::loss::{Loss, one_line};
use crate::protocol::gap::Cause;
use crate::protocol::message::{AuthState, CONNECTION, ClientMessage, ServerMessage};
use crate::protocol::subscription::Subscriptions;
use crate::secret::Secret;

/// What servers say of subscriptions that they refused, seen live. Neither names what was refused.
const TOO_FAST: &str = "subscription rate is too high";
const TOO_MANY: &str = "subscription size is too big";

impl Session {
    pub(super) fn receive_message(
        &mut self,
        message: Map<String, Value>,
        wanted: &mut Subscriptions,
        sink: &impl EventSink,
        now: Duration,
    ) {
        let Ok(message) = serde_json::from_value(Value::Object(message)) else {
            return self.malformed();
        };
        self.malformed_in_a_row = 0;
        match message {
            ServerMessage::Setup { keepalive_timeout, accept_keepalive_timeout } => {
                self.receive_setup(keepalive_timeout, accept_keepalive_timeout, now);
            }
            ServerMessage::AuthState { state } => self.receive_auth_state(state, wanted, now),
            ServerMessage::Error { channel, error, message } => {
                self.counters.server_errors += 1;
                self.receive_answer(channel, wanted);
                let [error, message] = [error, message].map(|text| self.hide(&text));
                self.receive_error((channel, &error, &message), wanted, sink, now);
            }
            ServerMessage::ChannelOpened { channel } => {
                if self.receive_answer(channel, wanted) {
                    let cancel = self.channels.cancel_question(channel);
                    self.send(cancel, now);
                } else if let Some(opened) =
                    self.channels.by_id(channel).filter(|known| !known.opened)
                {
                    opened.open(now, now + self.settings.answer_timeout);
                    opened.aggregation_period =
                        wanted.feeds.get(&opened.key).and_then(|feed| feed.aggregation_period);
                    let setup = opened.setup();
                    self.send(setup, now);
                    self.send_changes(wanted, now);
                }
            }
            ServerMessage::ChannelClosed { channel } => {
                self.receive_answer(channel, wanted);
                if let Some(closed) = self.channels.closed(channel) {
                    self.reopened += 1;
                    let key = closed.key;
                    let kind = key.kind.name();
                    if self.reopened > MAX_REOPENED {
                        return self.fail(Loss::protocol(format!(
                            "the server closed the channel of {kind} again and again"
                        )));
                    }
                    self.complain(format!(
                        "the server closed the channel of {kind}; it is reopened"
                    ));
                    if closed.subscribed {
                        wanted.resume_channel(key, |kind, symbol| sink.last_time(kind, symbol));
                        let since = closed.unconfigured_since().unwrap_or(self.received_before);
                        self.interrupted(key, since, Cause::Closed);
                    }
                    self.send_changes(wanted, now);
                }
            }
            ServerMessage::FeedConfig { channel, event_fields } => {
                let Some(channel) = self.channels.by_id(channel) else { return };
                channel.set_configured();
                if let Err(problem) = channel.configure(&event_fields) {
                    let problem = one_line(&self.hide(&problem));
                    self.complain(format!("FEED_CONFIG cannot be used: {problem}"));
                }
            }
            ServerMessage::Keepalive {} | ServerMessage::Unknown => {}
        }
    }

    /// A text of the server, without the token.
    fn hide(&self, text: &str) -> String {
        Secret::hide(self.token.as_ref(), text)
    }

    /// Takes note of what came about a channel, if the server was asked whether it has taken all.
    fn receive_answer(&mut self, channel: u64, wanted: &mut Subscriptions) -> bool {
        let asked_at = self.channels.answers(channel);
        if let Some(asked_at) = asked_at {
            wanted.set_certain(asked_at);
            self.events.push_back(SessionEvent::Answered(channel));
        }
        asked_at.is_some()
    }

    fn receive_setup(&mut self, theirs: Option<f64>, ours: Option<f64>, now: Duration) {
        let announced = self.settings.keepalive_timeout;
        self.silence_limit = timeout(theirs).unwrap_or(DEFAULT_TIMEOUT).min(announced);
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
                self.accepted = true;
                self.answer_by = None;
                wanted.forget_told();
                self.events.push_back(SessionEvent::Authorized);
                self.send_changes(wanted, now);
            }
            // The first UNAUTHORIZED invites to AUTH; servers refuse an AUTH that comes before it.
            (AuthState::Unauthorized, Stage::Setup | Stage::AuthState) => match &self.token {
                Some(token) => {
                    let auth = ClientMessage::Auth { channel: CONNECTION, token: token.expose() };
                    let frame = auth.frame();
                    self.stage = Stage::Auth;
                    self.send(frame, now);
                    self.await_answer(now);
                }
                None => self.fail(Loss::lasting(Error::Authentication(
                    "the server asks for a token and the endpoint has none; \
                     pass Endpoint(url, token)"
                        .into(),
                ))),
            },
            (AuthState::Unauthorized, Stage::Auth) => {
                self.fail(Loss::of_token("the server refused the token; get a new one"));
            }
            (AuthState::Unauthorized, Stage::Authorized) => {
                self.fail(Loss::of_token("the server no longer accepts the token; get a new one"));
            }
        }
    }

    fn receive_error(
        &mut self,
        (channel, error, message): (u64, &str, &str),
        wanted: &mut Subscriptions,
        sink: &impl EventSink,
        now: Duration,
    ) {
        let accepted = self.stage == Stage::Authorized;
        if !accepted || error == "UNAUTHORIZED" {
            return self.fail(Loss::of_server(error, message, accepted));
        }
        let about = self.channels.by_id(channel).map(|channel| channel.key);
        let text = format!("the server says {}: {}", one_line(error), one_line(message));
        self.complain(match about {
            Some(key) => format!("{text} (channel of {})", key.kind.name()),
            None => text,
        });
        if message.contains(TOO_FAST) {
            self.pace.slow_down(now);
            let last = |kind, symbol: &str| sink.last_time(kind, symbol);
            let owes_answer = self.channels.owe_answer();
            for (key, since) in wanted.ask_again(about, owes_answer, last, now) {
                self.interrupted(key, since, Cause::TooFast);
            }
        } else if message.contains(TOO_MANY) {
            let displaced = wanted.displace(about, now);
            self.events.push_back(SessionEvent::Displaced(displaced));
            self.send_changes(wanted, now);
        }
    }
}

/// A timeout in seconds that the server named, if it makes sense.
fn timeout(seconds: Option<f64>) -> Option<Duration> {
    seconds
        .filter(|&seconds| seconds > 0.0)
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}
