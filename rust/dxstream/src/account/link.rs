//! A connection to the account streamer that heals.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::fetches::Fetches;
use super::hydration::Hydration;
use super::message::Notification;
use super::session::{
    AccountCounters, AccountSession, AccountSessionEvent, AccountSessionSettings, Failure,
};
use super::snapshot;
use super::wanted::Wanted;
use crate::error::Error;
use crate::loss::{Loss, Remedy};
use crate::protocol::{Backoff, ReconnectPolicy};
use crate::secret::Secret;

/// What a link is made with.
#[derive(Debug, Clone)]
pub struct AccountLinkSettings {
    /// The times that a session keeps.
    pub session: AccountSessionSettings,
    /// How the link connects again.
    pub policy: ReconnectPolicy,
    /// Whether the first connection is healed as the others are; its failure is final otherwise.
    pub heals_first: bool,
    /// Whether each connection begins with a snapshot of its accounts.
    pub hydrates: bool,
}

/// What the caller of a link has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountStep {
    /// Nothing, as no account is wanted.
    Idle,
    /// To wait until then, and to call [`AccountLink::tick`].
    Wait(Duration),
    /// To open a socket, and to call [`AccountLink::connected`] or [`AccountLink::lost`].
    Connect,
    /// To carry messages, until [`AccountLink::lost`] is called or the step changes.
    Converse,
    /// To ask for the user's accounts, and to call [`AccountLink::checked`]: the server refused `connect`
    /// and does not say why.
    Check,
    /// Nothing any more.
    Over(Error),
}

/// What the caller of a link must know.
#[derive(Debug, Clone)]
pub enum AccountEvent {
    /// The server confirmed `connect`; this is connection `epoch`, counted from 0.
    Accepted {
        /// How many connections were accepted before.
        epoch: u64,
    },
    /// An account or another subscription was confirmed.
    Confirmed(String),
    /// An account or another subscription was refused, and is no longer wanted.
    Refused(String, Error),
    /// The snapshot of an account is to be fetched, and [`AccountLink::hydrated`] or
    /// [`AccountLink::not_hydrated`] to be called with the number.
    Hydrate(String, u64),
    /// All of an account's snapshot was handed on.
    Hydrated(String),
    /// Something was told.
    Notification(Notification),
    /// The connection was lost, or was not made; the next attempt comes after `delay`.
    Lost {
        /// What happened.
        loss: Loss,
        /// Attempts since the connection was last stable.
        attempt: u32,
        /// The wait before the next attempt; nothing where there is none.
        delay: Option<Duration>,
    },
    /// The server said something that cannot be used, or a snapshot cannot be had.
    Complaint(String),
}

/// A connection to the account streamer that heals. It knows neither sockets nor a clock.
///
/// Time is the time since a start that the caller chose, the same for all calls. Where a call takes a
/// `draw`, it is a random number from 0 to 1.
#[derive(Debug)]
pub struct AccountLink {
    settings: AccountLinkSettings,
    wanted: Wanted,
    step: AccountStep,
    session: Option<AccountSession>,
    backoff: Backoff,
    accepted: u64,
    /// Whether the server accepted the client over this connection.
    is_accepted: bool,
    /// Whether a token was refused since the server last accepted one.
    token_refused: bool,
    hydration: Hydration,
    fetches: Fetches,
    /// What was counted until this session began.
    past: AccountCounters,
    events: VecDeque<AccountEvent>,
}

impl AccountLink {
    /// A link that connects once an account is wanted.
    pub fn new(settings: AccountLinkSettings) -> Self {
        Self {
            settings,
            wanted: Wanted::default(),
            step: AccountStep::Idle,
            session: None,
            backoff: Backoff::default(),
            accepted: 0,
            is_accepted: false,
            token_refused: false,
            hydration: Hydration::default(),
            fetches: Fetches::default(),
            past: AccountCounters::default(),
            events: VecDeque::new(),
        }
    }

    /// What the caller has to do next.
    pub fn step(&self) -> &AccountStep {
        &self.step
    }

    /// The next thing that the caller must know.
    pub fn next_event(&mut self) -> Option<AccountEvent> {
        self.events.pop_front()
    }

    /// Whether the last token was refused, and the next must be another.
    pub fn wants_other_token(&self) -> bool {
        self.token_refused
    }

    /// Whether there is something to send, for which a token is needed.
    pub fn has_output(&self) -> bool {
        self.session.as_ref().is_some_and(AccountSession::has_output)
    }

    /// The next text frame to send, with a token that is valid now.
    pub fn next_output(&mut self, token: &Secret, now: Duration) -> Option<String> {
        self.session.as_mut()?.next_output(token, now)
    }

    /// What all its sessions have counted.
    pub fn counters(&self) -> AccountCounters {
        self.session.as_ref().map_or(self.past, AccountSession::counters)
    }

    /// When the server last gave a sign of life.
    pub fn last_received(&self) -> Option<Duration> {
        self.session.as_ref().map(AccountSession::last_received)
    }

    /// Whether the server has confirmed `connect` over this connection.
    pub fn is_accepted(&self) -> bool {
        self.is_accepted
    }

    /// Wants accounts.
    pub fn subscribe_accounts(&mut self, accounts: impl IntoIterator<Item = String>) {
        self.wanted.accounts.extend(accounts);
        if self.step == AccountStep::Idle && !self.wanted.accounts.is_empty() {
            self.step = AccountStep::Connect;
        }
        self.ask();
    }

    /// Wants another subscription, with the user's id where it needs that.
    pub fn subscribe(&mut self, action: String, user: Option<String>) {
        self.wanted.actions.insert(action, user);
        self.ask();
    }

    fn ask(&mut self) {
        let Some(session) = &mut self.session else { return };
        let new = session.ask(&self.wanted);
        if self.settings.hydrates {
            for account in new {
                // It may be told of before it is confirmed.
                self.hydration.begin(&account);
            }
        }
    }

    /// When [`AccountLink::tick`] must be called at the latest.
    pub fn deadline(&self) -> Option<Duration> {
        match (&self.step, &self.session) {
            (AccountStep::Wait(until), _) => Some(*until),
            (AccountStep::Converse, Some(session)) => {
                self.fetches.deadline().into_iter().chain([session.deadline()]).min()
            }
            _ => None,
        }
    }

    /// Takes note of an open socket.
    pub fn connected(&mut self, now: Duration) {
        self.session = Some(AccountSession::new(self.settings.session, self.past, now));
        self.is_accepted = false;
        self.step = AccountStep::Converse;
        self.ask();
    }

    /// Does what time demands.
    pub fn tick(&mut self, now: Duration) {
        match (&self.step, &mut self.session) {
            (AccountStep::Wait(until), _) if *until <= now => {
                self.step = AccountStep::Connect;
            }
            (AccountStep::Converse, Some(session)) => session.tick(now),
            _ => {}
        }
        for account in self.fetches.due(now) {
            self.fetch(account);
        }
        self.take_events(now);
    }

    /// Takes one text frame from the server.
    pub fn receive(&mut self, frame: &str, now: Duration) {
        if let Some(session) = &mut self.session {
            session.receive(frame, now);
        }
        self.take_events(now);
    }

    /// Takes note of a frame that is no text.
    pub fn receive_binary(&mut self, now: Duration) {
        if let Some(session) = &mut self.session {
            session.receive_binary(now);
        }
    }

    /// Takes note that the server lives although it said nothing.
    pub fn receive_sign_of_life(&mut self, now: Duration) {
        if let Some(session) = &mut self.session {
            session.receive_sign_of_life(now);
        }
    }

    /// Why the session is over, if it said so; to be handed to [`AccountLink::failed`].
    pub fn take_failure(&mut self) -> Option<Failure> {
        self.session.as_mut()?.take_failure()
    }

    /// Why the server closed the connection.
    pub fn closed(&self, code: Option<u16>, reason: &str) -> Loss {
        match &self.session {
            Some(session) => session.closed(code, reason),
            None => Loss::closed(code, "", true),
        }
    }

    /// Takes note that the session is over.
    pub fn failed(&mut self, failure: Failure, now: Duration, draw: f64) {
        match failure {
            Failure::Over => {}
            Failure::Loss(loss) => self.lost(loss, now, draw),
            Failure::ConnectRefused(text) => {
                let carried = self.is_accepted;
                self.end_session();
                if carried {
                    // It carried what was confirmed before, which goes on with the next.
                    let loss = Loss::passing(text.clone());
                    let (attempt, delay) = (self.backoff.attempts(), Some(Duration::ZERO));
                    self.events.push_back(AccountEvent::Lost { loss, attempt, delay });
                }
                self.events.push_back(AccountEvent::Complaint(text));
                self.step = AccountStep::Check;
            }
        }
    }

    /// Takes the user's accounts, or why they are not known, after `connect` was refused.
    pub fn checked(&mut self, known: Result<&BTreeSet<String>, Loss>, now: Duration, draw: f64) {
        if self.step != AccountStep::Check {
            return;
        }
        let known = match known {
            Ok(known) => known,
            Err(loss) => return self.lost(loss, now, draw),
        };
        let strange: Vec<_> = self.wanted.accounts.difference(known).cloned().collect();
        if strange.is_empty() {
            let text = "the account streamer refused the access token";
            // REST took that token, so the trouble may be the streamer's own.
            let patient = self.token_refused && self.accepted > 0;
            let loss = if patient { Loss::passing(text) } else { Loss::of_token(text) };
            return self.lost(loss, now, draw);
        }
        self.step = AccountStep::Connect;
        for account in strange {
            let error = Error::Subscription(format!(
                "the account {account} is not one of this login's; check its number, or log in as \
                 its owner"
            ));
            self.refuse(account, error);
        }
    }

    fn refuse(&mut self, what: String, error: Error) {
        if self.wanted.accounts.remove(&what) && self.wanted.accounts.is_empty() {
            self.end_session();
            self.step = AccountStep::Over(error.clone());
        }
        self.wanted.actions.remove(&what);
        self.fetches.end(&what);
        let held = self.hydration.release(&what);
        self.events.extend(held.into_iter().map(AccountEvent::Notification));
        self.events.push_back(AccountEvent::Refused(what, error));
    }

    /// Takes note that the connection is lost, or was not made.
    pub fn lost(&mut self, loss: Loss, now: Duration, draw: f64) {
        if matches!(self.step, AccountStep::Over(_)) {
            return;
        }
        self.end_session();
        let delay = self.delay(&loss, now, draw);
        self.step = match delay {
            Some(delay) => AccountStep::Wait(now + delay),
            None => AccountStep::Over(self.last_word(&loss)),
        };
        let attempt = self.backoff.attempts();
        self.events.push_back(AccountEvent::Lost { loss, attempt, delay });
    }

    fn delay(&mut self, loss: &Loss, now: Duration, draw: f64) -> Option<Duration> {
        let first = self.accepted == 0 && !self.settings.heals_first;
        if loss.remedy == Remedy::NewToken {
            if std::mem::replace(&mut self.token_refused, true) {
                return None;
            }
        } else if first {
            return None;
        }
        self.backoff.lost(&self.settings.policy, loss.remedy, now, draw)
    }

    fn last_word(&self, loss: &Loss) -> Error {
        match &loss.error {
            Error::Authentication(text) if loss.remedy == Remedy::NewToken => {
                Error::Authentication(format!("{text}, also a new one; log in again"))
            }
            _ => self.backoff.last_word(&self.settings.policy, loss),
        }
    }

    fn end_session(&mut self) {
        self.is_accepted = false;
        if let Some(session) = self.session.take() {
            self.past = session.counters();
        }
        self.fetches.clear();
        let held = self.hydration.release_all();
        self.events.extend(held.into_iter().map(AccountEvent::Notification));
    }

    fn fetch(&mut self, account: String) {
        self.hydration.begin(&account);
        let number = self.fetches.begin(&account);
        self.events.push_back(AccountEvent::Hydrate(account, number));
    }

    /// Takes the snapshot of an account that was asked for with this number.
    pub fn hydrated(&mut self, account: &str, number: u64, snapshot: Vec<Notification>) {
        if !self.fetches.is_current(account, number) {
            return;
        }
        self.fetches.end(account);
        let end = snapshot::end(account, &snapshot);
        let held = self.hydration.release(account);
        let all = snapshot.into_iter().chain([end]).chain(held);
        self.events.extend(all.map(AccountEvent::Notification));
        self.events.push_back(AccountEvent::Hydrated(account.to_owned()));
    }

    /// Takes note that the snapshot that was asked for with this number cannot be had, now or at all.
    pub fn not_hydrated(&mut self, account: &str, number: u64, loss: &Loss, now: Duration) {
        if !self.fetches.is_current(account, number) {
            return;
        }
        let text = format!("no snapshot of an account: {}", loss.error);
        self.events.push_back(AccountEvent::Complaint(text));
        self.give_up(account, loss.remedy, now);
    }

    fn give_up(&mut self, account: &str, remedy: Remedy, now: Duration) {
        let held = self.hydration.release(account);
        self.events.extend(held.into_iter().map(AccountEvent::Notification));
        self.fetches.fail(account, remedy, now);
    }

    fn take_events(&mut self, now: Duration) {
        // All of it at once, for the session may end by a part of it.
        let session = self.session.as_mut();
        let said = session.map(|session| std::iter::from_fn(|| session.next_event()).collect());
        let said: Vec<_> = said.unwrap_or_default();
        for event in said {
            match event {
                AccountSessionEvent::Confirmed(accounts) => {
                    if !accounts.is_empty() && !self.is_accepted {
                        self.accept(now);
                    }
                    for account in accounts {
                        self.events.push_back(AccountEvent::Confirmed(account.clone()));
                        if self.settings.hydrates {
                            self.fetch(account);
                        }
                    }
                }
                AccountSessionEvent::ConfirmedAction(action) => {
                    self.events.push_back(AccountEvent::Confirmed(action));
                }
                AccountSessionEvent::Refused(what, error) => self.refuse(what, error),
                AccountSessionEvent::Notification(notification) => {
                    let free = self.hydration.admit(notification);
                    self.events.extend(free.map(AccountEvent::Notification));
                }
                AccountSessionEvent::Complaint(text) => {
                    self.events.push_back(AccountEvent::Complaint(text));
                }
            }
        }
        for account in self.hydration.overfull() {
            let text = "so much was told of an account that its snapshot is asked for again";
            self.events.push_back(AccountEvent::Complaint(text.into()));
            self.give_up(&account, Remedy::Backoff, now);
        }
        self.ask();
    }

    fn accept(&mut self, now: Duration) {
        self.is_accepted = true;
        self.backoff.accepted(now);
        self.token_refused = false;
        self.events.push_back(AccountEvent::Accepted { epoch: self.accepted });
        self.accepted += 1;
    }
}
