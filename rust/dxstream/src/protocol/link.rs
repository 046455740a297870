//! A connection that heals: one session after another, and what lies between them.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use sink::GapSink;

use super::backoff::{Backoff, ReconnectPolicy};
use super::gap::{Cause, Gap, Interruption, OpenGaps, TypeGap};
use super::session::{Counters, EventSink, Session, SessionEvent, SessionSettings};
use super::subscription::{Displaced, Entry, FeedKey, Subscriptions};
use crate::error::Error;
use crate::event::{Contract, EventKind};
use crate::loss::{Loss, Remedy};
use crate::secret::Secret;
use crate::symbol::Tables;

/// What a link is made with.
#[derive(Debug, Clone)]
pub struct LinkSettings {
    /// The times that a session keeps.
    pub session: SessionSettings,
    /// How the link connects again.
    pub policy: ReconnectPolicy,
    /// Whether each attempt after the first asks for a new endpoint.
    pub renews: bool,
    /// Whether the first connection is healed as the others are; its failure is final otherwise.
    pub heals_first: bool,
    /// The longest wait for a new endpoint.
    pub renewal_timeout: Duration,
}

/// What the caller of a link has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// To wait until then, and to call [`Link::tick`].
    Wait(Duration),
    /// To ask for a new endpoint and to call [`Link::renewed`], until then.
    Renew(Duration),
    /// To open a socket, and to call [`Link::connected`] or [`Link::lost`].
    Connect,
    /// To carry messages, until [`Link::lost`] is called or the step changes.
    Converse,
    /// Nothing any more.
    Over(Error),
}

/// What the caller of a link must know.
#[derive(Debug, Clone, PartialEq)]
pub enum LinkEvent {
    /// The server accepted the client; this is connection `epoch`, counted from 0.
    Accepted {
        /// How many connections were accepted before.
        epoch: u64,
    },
    /// The connection was lost, or was not made; the next attempt comes after `delay`.
    Lost {
        /// What happened.
        loss: Loss,
        /// Attempts since the connection was last stable.
        attempt: u32,
        /// The wait before the next attempt; nothing where there is none.
        delay: Option<Duration>,
    },
    /// A gap is over for one event type, although nothing came; its next events come after it. Of
    /// gaps that end with what comes, [`EventSink::gap`] is told.
    TypeGap(TypeGap),
    /// A gap is over for every type.
    Gap(Gap),
    /// The server sent an ERROR that does not end the session, or something that cannot be used.
    Complaint(String),
    /// The server has no room for these subscriptions; they are no longer wanted here.
    Displaced(Vec<Displaced>),
    /// The connection goes on, but rows of an event type were lost as they are with a connection.
    Interrupted(EventKind),
}

/// A connection that heals. Like a session it knows neither sockets nor a clock.
///
/// Time is the time since a start that the caller chose, the same for all calls. Where a call takes a
/// `draw`, it is a random number from 0 to 1.
#[derive(Debug)]
pub struct Link {
    settings: LinkSettings,
    tables: Arc<Tables>,
    wanted: Subscriptions,
    step: Step,
    session: Option<Session>,
    backoff: Backoff,
    /// Connections that were accepted.
    accepted: u64,
    /// The token of the session, to tell whether the next is another.
    token: Option<Secret>,
    refused: Option<Secret>,
    gaps: OpenGaps,
    /// Counts of the sessions before this one.
    past: Counters,
    events: VecDeque<LinkEvent>,
}

impl Link {
    /// A link that is about to connect for the first time.
    pub fn new(settings: LinkSettings, tables: Arc<Tables>) -> Self {
        Self {
            gaps: OpenGaps::new(settings.session.answer_timeout),
            settings,
            tables,
            wanted: Subscriptions::default(),
            step: Step::Connect,
            session: None,
            backoff: Backoff::default(),
            accepted: 0,
            token: None,
            refused: None,
            past: Counters::default(),
            events: VecDeque::new(),
        }
    }

    /// What the caller has to do next.
    pub fn step(&self) -> &Step {
        &self.step
    }

    /// The next thing that the caller must know.
    pub fn next_event(&mut self) -> Option<LinkEvent> {
        self.events.pop_front()
    }

    /// The next text frame to send.
    pub fn next_output(&mut self) -> Option<String> {
        self.session.as_mut()?.next_output()
    }

    /// Whether the server has never accepted the client, and a failure to connect is final.
    pub fn is_new(&self) -> bool {
        self.accepted == 0 && !self.settings.heals_first
    }

    /// Whether the server refused the last token, and the next must be another.
    pub fn wants_other_token(&self) -> bool {
        self.refused.is_some()
    }

    /// Whether the server has accepted the client over this connection.
    pub fn is_accepted(&self) -> bool {
        self.session.as_ref().is_some_and(Session::is_authorized)
    }

    /// What is wanted over this link.
    pub fn wanted(&self) -> &Subscriptions {
        &self.wanted
    }

    /// What all its sessions have counted.
    pub fn counters(&self) -> Counters {
        self.session.as_ref().map_or(self.past, |session| self.past + session.counters())
    }

    /// When the server last gave a sign of life.
    pub fn last_received(&self) -> Option<Duration> {
        self.session.as_ref().map(Session::last_received)
    }

    /// When [`Link::tick`] must be called at the latest.
    pub fn deadline(&self) -> Option<Duration> {
        let of_step = match (&self.step, &self.session) {
            (Step::Wait(until) | Step::Renew(until), _) => Some(*until),
            (Step::Converse, Some(session)) => Some(session.deadline(&self.wanted)),
            _ => None,
        };
        of_step.into_iter().chain(self.gaps.deadline()).min()
    }

    /// Takes note of an open socket, over which `token` is to be sent.
    pub fn connected(&mut self, token: Option<Secret>, now: Duration) {
        self.token.clone_from(&token);
        let settings = self.settings.session.clone();
        self.session = Some(Session::new(settings, token, Arc::clone(&self.tables), now));
        self.step = Step::Converse;
    }

    /// The loss of a connection that the server closed, with or without a code.
    pub fn closed(&self, code: Option<u16>, reason: &str) -> Loss {
        let reason = Secret::hide(self.token.as_ref(), reason);
        Loss::closed(code, &reason, self.is_accepted())
    }

    /// Takes note that the connection is lost, or was not made. What the link waits for then, and asks
    /// for, `last` tells: the time of a symbol's last event, in ms since 1970 UTC.
    pub fn lost(
        &mut self,
        loss: Loss,
        last: impl Fn(EventKind, &str) -> Option<i64>,
        now: Duration,
        draw: f64,
    ) {
        if matches!(self.step, Step::Over(_)) {
            return;
        }
        let healed = self.wanted.resume(last);
        if let Some(session) = self.session.take() {
            self.past = self.past + session.counters();
            if session.was_authorized() {
                self.open_gap(&session, &loss, &healed, now);
            }
        }
        let delay = self.delay(&loss, now, draw);
        let attempt = self.backoff.attempts();
        self.step = match delay {
            Some(delay) => Step::Wait(now + delay),
            None => Step::Over(self.backoff.last_word(&self.settings.policy, &loss)),
        };
        self.events.push_back(LinkEvent::Lost { loss, attempt, delay });
    }

    fn delay(&mut self, loss: &Loss, now: Duration, draw: f64) -> Option<Duration> {
        if loss.remedy == Remedy::NewToken {
            // A first token that is refused may be one that the session kept for too long.
            if !self.settings.renews || self.refused.is_some() {
                return None;
            }
            self.refused.clone_from(&self.token);
        } else if self.is_new() {
            return None;
        }
        self.backoff.lost(&self.settings.policy, loss.remedy, now, draw)
    }

    fn open_gap(
        &mut self,
        session: &Session,
        loss: &Loss,
        healed: &BTreeSet<EventKind>,
        now: Duration,
    ) {
        let mut kinds = self.wanted.kinds();
        kinds.extend(self.gaps.kinds());
        self.events.extend(self.gaps.cut(now).into_iter().map(LinkEvent::TypeGap));
        self.tell_whole_gaps(now);
        let from = session.last_received();
        let types = kinds.into_iter().map(|kind| {
            let from = session.unconfigured_since(kind).map_or(from, |since| from.min(since));
            (kind, from, healed.contains(&kind))
        });
        self.gaps.open(self.accepted, from, loss.clone(), types);
    }

    /// Lets the link wait until then before it connects, if it would connect earlier.
    pub fn hold_back(&mut self, until: Duration) {
        match &mut self.step {
            Step::Wait(at) => *at = until.max(*at),
            Step::Connect => self.step = Step::Wait(until),
            _ => {}
        }
    }

    /// Takes the new endpoint's token. The server's refusal of the same token is final.
    pub fn renewed(&mut self, token: Option<&Secret>) {
        let same = |refused: &Secret| token.is_some_and(|token| token.expose() == refused.expose());
        if !matches!(self.step, Step::Renew(_)) {
            return;
        }
        self.step = if self.refused.as_ref().is_some_and(same) {
            Step::Over(Error::Authentication(
                "the session gives a token that the server has refused; log in again".into(),
            ))
        } else {
            Step::Connect
        };
    }

    /// Does what time demands.
    pub fn tick(&mut self, now: Duration) {
        match (&self.step, &mut self.session) {
            (Step::Wait(until), _) if *until <= now => {
                let renew = self.settings.renews;
                let by = now + self.settings.renewal_timeout;
                self.step = if renew { Step::Renew(by) } else { Step::Connect };
            }
            (Step::Converse, Some(session)) => session.tick(&mut self.wanted, now),
            _ => {}
        }
        self.follow(now);
    }

    /// Takes one text frame from the server. Events go to `sink`.
    pub fn receive(&mut self, frame: &str, sink: &mut impl EventSink, now: Duration) {
        let Some(session) = &mut self.session else { return };
        if self.gaps.is_empty() {
            session.receive(frame, &mut self.wanted, sink, now);
        } else {
            let sink = &mut GapSink { gaps: &mut self.gaps, sink, now };
            session.receive(frame, &mut self.wanted, sink, now);
        }
        for over in self.take_events(now) {
            sink.gap(&over);
        }
        self.tell_whole_gaps(now);
    }

    /// Takes note of a frame that is no text.
    pub fn receive_binary(&mut self, now: Duration) {
        if let Some(session) = &mut self.session {
            session.receive_binary(now);
        }
        self.follow(now);
    }

    /// Takes note that the server lives although it said nothing.
    pub fn receive_sign_of_life(&mut self, now: Duration) {
        if let Some(session) = &mut self.session {
            session.receive_sign_of_life(now);
        }
    }

    /// Wants entries; see [`Subscriptions::add`].
    pub fn subscribe(
        &mut self,
        key: FeedKey,
        entries: impl IntoIterator<Item = Entry>,
        from_time: Option<i64>,
        aggregation_period: Option<f64>,
        now: Duration,
    ) {
        self.wanted.add(key, entries, from_time, aggregation_period);
        self.send_changes(now);
    }

    /// Wants what another link gave up. A time series goes on from `last`, the time of its last event in
    /// ms since 1970 UTC, where its history has come.
    pub fn take_over(&mut self, displaced: Displaced, last: Option<i64>, now: Duration) {
        let Displaced { key, missing_since, .. } = displaced;
        self.wanted.take_over(displaced, last);
        if let Some(since) = missing_since {
            self.interrupt(&Interruption { key, since, cause: Cause::TooMany });
        }
        self.send_changes(now);
    }

    /// Wants entries no longer; see [`Subscriptions::remove`].
    pub fn unsubscribe(
        &mut self,
        kind: EventKind,
        contract: Option<Contract>,
        entries: &[Entry],
        now: Duration,
    ) {
        self.wanted.remove(kind, contract, entries);
        if let Some(session) = &mut self.session {
            for entry in entries {
                session.forget_symbol(kind, &entry.symbol);
            }
        }
        self.send_changes(now);
    }

    /// Wants nothing of the event type any more.
    pub fn unsubscribe_all(&mut self, kind: EventKind, now: Duration) {
        self.wanted.remove_all(kind);
        self.send_changes(now);
    }

    fn send_changes(&mut self, now: Duration) {
        if let Some(session) = &mut self.session {
            session.send_changes(&mut self.wanted, now);
        }
        self.follow(now);
    }

    /// Why the session is over, if it said so; to be handed to [`Link::lost`].
    pub fn take_failure(&mut self) -> Option<Loss> {
        self.session.as_mut()?.take_failure()
    }

    /// Whether a gap is not over yet.
    pub fn has_gap(&self) -> bool {
        !self.gaps.is_empty()
    }

    fn interrupt(&mut self, interruption: &Interruption) {
        // A link that is not connected ends the gap with its next connection.
        let epoch = self.accepted.saturating_sub(u64::from(self.is_accepted()));
        self.gaps.interrupt(epoch, interruption);
    }

    fn follow(&mut self, now: Duration) {
        let over = self.take_events(now);
        self.events.extend(over.into_iter().map(LinkEvent::TypeGap));
        self.tell_whole_gaps(now);
    }

    fn tell_whole_gaps(&mut self, now: Duration) {
        self.events.extend(self.gaps.whole(now).into_iter().map(LinkEvent::Gap));
    }

    /// Takes what the session says; gives the gaps that are over by that.
    fn take_events(&mut self, now: Duration) -> Vec<TypeGap> {
        while let Some(event) = self.session.as_mut().and_then(Session::next_event) {
            match event {
                SessionEvent::Authorized => {
                    let epoch = self.accepted;
                    self.accepted += 1;
                    self.backoff.accepted(now);
                    self.refused = None;
                    self.events.push_back(LinkEvent::Accepted { epoch });
                }
                SessionEvent::Complaint(text) => self.events.push_back(LinkEvent::Complaint(text)),
                SessionEvent::Displaced(entries) => {
                    self.events.push_back(LinkEvent::Displaced(entries));
                }
                SessionEvent::Interrupted(interruption) => {
                    self.interrupt(&interruption);
                    if matches!(interruption.cause, Cause::Closed | Cause::Unconfigured) {
                        self.events.push_back(LinkEvent::Interrupted(interruption.key.kind));
                    }
                }
                SessionEvent::Answered(question) => self.gaps.answered(question),
            }
        }
        let Some(session) = self.session.as_mut().filter(|session| session.is_authorized()) else {
            return Vec::new();
        };
        let kinds = self.gaps.to_ask(|kind| self.wanted.is_told(kind));
        if !kinds.is_empty() {
            let question = session.ask_whether_all_is_taken(now);
            self.gaps.asked(&kinds, question, |kind| self.wanted.is_told_at_once(kind), now);
        }
        self.gaps.settle(now, |kind| session.unconfigured_since(kind).is_none())
    }
}

mod sink;
#[cfg(test)]
mod tests;
