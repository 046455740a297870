//! What a driver does for a link, on a virtual clock: it connects, renews and carries messages.

use std::sync::Arc;
use std::time::Duration;

use dxstream::protocol::{Link, LinkEvent, LinkSettings, ReconnectPolicy, SessionSettings, Step};
use dxstream::store::{Store, StoreWriter};
use dxstream::symbol::Tables;
use dxstream::{Error, Loss, Remedy, Secret};

use crate::choice::Choice;
use crate::market::START;
use crate::server::{Down, Server};
use crate::world::Messages;

/// Most bytes of a link's state as text, with the few subscriptions that a simulation has.
const MOST_STATE: usize = 256 << 10;

/// How often the state is looked at.
const LOOKS_AT_STATE: u64 = 64;

/// Whether and when an attempt leads to something.
#[derive(Debug)]
struct Attempt {
    at: Duration,
    outcome: Result<(), Loss>,
}

/// What the rules of the backoff are checked with.
#[derive(Debug, Default)]
struct Rule {
    attempts: u32,
    saturations: u32,
    accepted_at: Option<Duration>,
    not_before: Duration,
}

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) link: Link,
    pub(crate) store: Store,
    policy: ReconnectPolicy,
    choice: Choice,
    connecting: Option<Attempt>,
    renewing: Option<Attempt>,
    /// The token of the last endpoint.
    token: u64,
    /// The session gives the token that it gave before, whatever came of it.
    stubborn: bool,
    rule: Rule,
    pub(crate) accepted: u64,
    pub(crate) accepted_at: Vec<Duration>,
    pumped: u64,
    trace: bool,
}

impl Client {
    pub(crate) fn new(mut choice: Choice, messages: Messages, trace: bool) -> Self {
        let tables = Arc::new(Tables::new());
        let policy = ReconnectPolicy::default();
        let mut session = SessionSettings::default();
        if messages == Messages::OfOne {
            session.max_subscription = 0;
        }
        let settings = LinkSettings {
            session,
            policy: policy.clone(),
            renews: true,
            heals_first: true,
            renewal_timeout: Duration::from_secs(20),
        };
        Self {
            link: Link::new(settings, Arc::clone(&tables)),
            store: Store::new(tables, 64),
            policy,
            stubborn: choice.one_in(40),
            choice,
            connecting: None,
            renewing: None,
            token: 0,
            rule: Rule::default(),
            accepted: 0,
            accepted_at: Vec::new(),
            pumped: 0,
            trace,
        }
    }

    pub(crate) fn say(&self, now: Duration, what: impl FnOnce() -> String) {
        if self.trace {
            println!("{:10.3} {}", now.as_secs_f64(), what());
        }
    }

    /// Why the link is over, if it is: only the session may be to blame for it.
    pub(crate) fn over(&self) -> Option<&Error> {
        match self.link.step() {
            Step::Over(error) => {
                let told = matches!(error, Error::Authentication(_));
                assert!(told && self.stubborn, "the link is over: {error}");
                Some(error)
            }
            _ => None,
        }
    }

    /// When there is something to do.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let attempts = [&self.connecting, &self.renewing].into_iter().flatten();
        attempts.map(|attempt| attempt.at).chain(self.link.deadline()).min()
    }

    /// Does what time and the link demand.
    pub(crate) fn follow(&mut self, server: &mut Server, now: Duration) {
        if self.link.deadline().is_some_and(|deadline| deadline <= now) {
            match self.link.step() {
                Step::Renew(until) if *until <= now => {
                    self.renewing = None;
                    let loss = Loss::passing("the session gave no new endpoint in time");
                    self.lose(loss, server, now);
                }
                _ => self.link.tick(now),
            }
        }
        match self.link.step() {
            Step::Renew(_) => self.renew(server, now),
            Step::Connect => self.connect(server, now),
            _ => {}
        }
        self.pump(server, now);
    }

    fn renew(&mut self, server: &mut Server, now: Duration) {
        let Some(attempt) = self.renewing.take_if(|attempt| attempt.at <= now) else {
            if self.renewing.is_none() {
                let fails = server.troubled && self.choice.one_in(10);
                let outcome =
                    if fails { Err(Loss::passing("the session is down")) } else { Ok(()) };
                let most = if server.troubled { 25 } else { 5 };
                let at = now + self.choice.time(Duration::from_secs(most));
                self.renewing = Some(Attempt { at, outcome });
            }
            return;
        };
        match attempt.outcome {
            Ok(()) => {
                if !self.stubborn {
                    self.token = server.token;
                }
                self.link.renewed(Some(&Secret::new(self.token.to_string())));
            }
            Err(loss) => self.lose(loss, server, now),
        }
    }

    fn connect(&mut self, server: &mut Server, now: Duration) {
        let Some(attempt) = self.connecting.take_if(|attempt| attempt.at <= now) else {
            if self.connecting.is_none() {
                assert!(now >= self.rule.not_before, "connects before the backoff is over");
                let outcome = match self.choice.below(if server.troubled { 12 } else { 1 }) {
                    1 => Err(Loss::passing("refused")),
                    2 => {
                        let after = Remedy::After(self.choice.time(Duration::from_mins(9)));
                        Err(Loss { remedy: after, ..Loss::passing("HTTP 503") })
                    }
                    _ => Ok(()),
                };
                let at = now + self.choice.time(Duration::from_secs(2));
                self.connecting = Some(Attempt { at, outcome });
            }
            return;
        };
        match attempt.outcome {
            Ok(()) => {
                server.accept(now);
                self.link.connected(Some(Secret::new(self.token.to_string())), now);
            }
            Err(loss) => self.lose(loss, server, now),
        }
    }

    /// Hands on what the link has to send and to say.
    pub(crate) fn pump(&mut self, server: &mut Server, now: Duration) {
        while let Some(frame) = self.link.next_output() {
            if let Some(connection) = &mut server.connection {
                self.say(now, || format!("-> {frame}"));
                let at = connection.departure(now, &mut self.choice);
                connection.to_server.push_back((at, frame));
            }
        }
        while let Some(event) = self.link.next_event() {
            self.say(now, || format!("   {event:?}"));
            match event {
                LinkEvent::Accepted { epoch } => {
                    assert_eq!(epoch, self.accepted);
                    self.accepted += 1;
                    self.accepted_at.push(now);
                    self.rule.accepted_at = Some(now);
                }
                LinkEvent::Lost { loss, attempt, delay } => {
                    if loss.remedy == Remedy::NewToken {
                        server.refused.insert(self.token);
                    }
                    self.check(&loss, attempt, delay, now);
                }
                LinkEvent::TypeGap(gap) => self.store.add_type_gap(gap),
                LinkEvent::Gap(gap) => self.store.add_gap(gap),
                LinkEvent::Complaint(_) => {}
                LinkEvent::Interrupted(kind) => {
                    self.store.interrupt(kind, self.link.wanted().symbols(kind));
                }
                LinkEvent::Displaced(entries) => server.displaced.extend(entries),
            }
        }
        if let Some(loss) = self.link.take_failure() {
            self.lose(loss, server, now);
        }
        self.pumped += 1;
        if self.pumped.is_multiple_of(LOOKS_AT_STATE) {
            let state = format!("{:?}", self.link).len();
            assert!(state < MOST_STATE, "the link holds {state} bytes");
        }
    }

    /// Takes what has come from the server.
    pub(crate) fn receive(&mut self, down: Down, server: &mut Server, now: Duration) {
        self.say(now, || format!("<- {down:?}"));
        match down {
            Down::Text(text) => {
                let received_at = START as u64 + now.as_nanos() as u64;
                let sink = &mut StoreWriter { store: &self.store, received_at };
                self.link.receive(&text, sink, now);
                self.pump(server, now);
            }
            Down::Binary => {
                self.link.receive_binary(now);
                self.pump(server, now);
            }
            Down::Close(code, reason) => {
                let loss = self.link.closed(Some(code), reason);
                self.lose(loss, server, now);
            }
            Down::Reset => self.lose(Loss::passing("the connection broke"), server, now),
        }
    }

    fn lose(&mut self, loss: Loss, server: &mut Server, now: Duration) {
        for kind in self.link.wanted().kinds() {
            self.store.interrupt(kind, self.link.wanted().symbols(kind));
        }
        let store = &self.store;
        let draw = self.choice.fraction();
        self.link.lost(loss, |kind, symbol| store.last_time(kind, symbol), now, draw);
        server.drop_connection();
        self.pump(server, now);
    }

    /// Checks a wait against the rules of the backoff, written a second time.
    fn check(&mut self, loss: &Loss, attempt: u32, delay: Option<Duration>, now: Duration) {
        let rule = &mut self.rule;
        let held = rule.accepted_at.take().map(|at| now.saturating_sub(at));
        if held.is_some_and(|held| held >= self.policy.stable_after) {
            (rule.attempts, rule.saturations) = (0, 0);
        }
        let Some(delay) = delay else { return };
        rule.attempts += 1;
        assert_eq!(attempt, rule.attempts);
        let doubled = self.policy.min_delay * 2_u32.pow((rule.attempts - 1).min(16));
        let longest = doubled.min(self.policy.max_delay);
        let (least, most) = match loss.remedy {
            Remedy::AtOnce if rule.attempts == 1 => (Duration::ZERO, Duration::ZERO),
            Remedy::After(after) => {
                let after = after.min(ReconnectPolicy::MAX_RETRY_AFTER);
                (after, after + longest)
            }
            Remedy::Saturation => {
                rule.saturations += 1;
                let least = self.policy.saturation_delay * 2_u32.pow(rule.saturations.min(9) - 1);
                let least = least.min(ReconnectPolicy::MAX_SATURATION);
                (least, least + least / 2)
            }
            _ => (Duration::ZERO, longest),
        };
        assert!(least <= delay && delay <= most, "{delay:?} after {loss:?}, attempt {attempt}");
        rule.not_before = now + delay;
    }
}
