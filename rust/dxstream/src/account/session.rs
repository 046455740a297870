//! One connection to the account streamer.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::message::{self, Incoming, Notification, Reply, Request, Value};
use super::sequence::SequenceCounts;
use super::wanted::Wanted;
use crate::error::{Error, Result};
use crate::loss::{Loss, one_line};
use crate::secret::Secret;

const CONNECT: &str = "connect";
const HEARTBEAT: &str = "heartbeat";

/// The server's words for a request that is refused: for whatever reason.
const FAILED: &str = "failed";
/// For a subscription before `connect`.
const CONNECT_NOT_COMPLETED: &str = "connect-not-completed";
/// For an action that it does not know, and a heartbeat before `connect`.
const NOT_IMPLEMENTED: &str = "not implemented";

/// Tokens that are hidden in what the server says: the last that it was sent.
const HIDDEN: usize = 4;

/// Most requests without an answer that are remembered.
const MAX_PENDING: usize = 64;

/// The times that a session keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountSessionSettings {
    /// The time between two heartbeats. The server wants one every 2 to 60 seconds.
    pub heartbeat_interval: Duration,
    /// The longest silence before the server counts as dead.
    pub silence_timeout: Duration,
    /// The longest wait for the answer to a subscription.
    pub answer_timeout: Duration,
}

impl AccountSessionSettings {
    /// Whether a connection over which nothing is told can hold by its heartbeats.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when it cannot.
    pub fn check(&self) -> Result<()> {
        if self.silence_timeout > self.heartbeat_interval {
            return Ok(());
        }
        Err(Error::InvalidArgument(
            "silence_timeout must be longer than heartbeat_interval, for a server that has nothing to \
             tell answers heartbeats alone"
                .into(),
        ))
    }
}

impl Default for AccountSessionSettings {
    fn default() -> Self {
        Self {
            heartbeat_interval: Duration::from_secs(20),
            silence_timeout: Duration::from_secs(45),
            answer_timeout: Duration::from_secs(10),
        }
    }
}

/// What is counted of a connection, and of those before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AccountCounters {
    /// Text frames.
    pub messages: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Notifications.
    pub notifications: u64,
    /// Answers to requests.
    pub replies: u64,
    /// Answers that belong to no request.
    pub unmatched_replies: u64,
    /// Frames, or parts of a batch, that are no JSON object.
    pub malformed: u64,
    /// Frames that are neither notification nor answer, and frames that are no text.
    pub unknown: u64,
    /// Heartbeats that were sent.
    pub heartbeats: u64,
    /// Heartbeats that were answered.
    pub heartbeats_answered: u64,
    /// What the numbers of the notifications say.
    pub sequence: SequenceCounts,
}

/// What a session's owner must know.
#[derive(Debug, Clone)]
pub enum AccountSessionEvent {
    /// The server confirmed these accounts, which it had not before.
    Confirmed(Vec<String>),
    /// The server confirmed another subscription.
    ConfirmedAction(String),
    /// The server refused an account or another subscription, and nothing else.
    Refused(String, Error),
    /// Something was told.
    Notification(Notification),
    /// The server said something that cannot be used.
    Complaint(String),
}

/// Why a session is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// For this.
    Loss(Loss),
    /// The server refused `connect`, for the token or for an account; it does not say for which.
    ConnectRefused(String),
    /// The link ended it, and its step says what follows.
    Over,
}

#[derive(Debug)]
struct Pending {
    id: u64,
    action: String,
    accounts: Vec<String>,
    /// When the answer must be there.
    by: Option<Duration>,
}

/// One connection's protocol: `connect` first, then the rest, and heartbeats.
///
/// Time is the time since a start that the caller chose, the same for all calls.
#[derive(Debug)]
pub struct AccountSession {
    settings: AccountSessionSettings,
    outbox: VecDeque<Request>,
    pending: VecDeque<Pending>,
    last_id: u64,
    asked_accounts: BTreeSet<String>,
    asked_actions: BTreeSet<String>,
    confirmed: BTreeSet<String>,
    last_received: Duration,
    /// There is none before `connect` is confirmed.
    next_heartbeat: Option<Duration>,
    /// The highest number of a notification so far.
    last_sequence: Option<i64>,
    /// The last tokens that were sent, without "Bearer".
    tokens: VecDeque<Secret>,
    counters: AccountCounters,
    events: VecDeque<AccountSessionEvent>,
    failure: Option<Failure>,
}

impl AccountSession {
    /// A session over a socket that was just opened, which goes on with the counts of those before it.
    pub fn new(settings: AccountSessionSettings, counters: AccountCounters, now: Duration) -> Self {
        Self {
            settings,
            outbox: VecDeque::new(),
            pending: VecDeque::new(),
            last_id: 0,
            asked_accounts: BTreeSet::new(),
            asked_actions: BTreeSet::new(),
            confirmed: BTreeSet::new(),
            last_received: now,
            next_heartbeat: None,
            last_sequence: None,
            tokens: VecDeque::new(),
            counters,
            events: VecDeque::new(),
            failure: None,
        }
    }

    /// Whether the server has confirmed a `connect`.
    pub fn is_connected(&self) -> bool {
        self.next_heartbeat.is_some()
    }

    /// What was counted.
    pub fn counters(&self) -> AccountCounters {
        self.counters
    }

    /// When the server last gave a sign of life.
    pub fn last_received(&self) -> Duration {
        self.last_received
    }

    /// Asks for what is wanted and was not asked for: for accounts at once, for the rest after `connect`.
    /// Gives the accounts that are asked for the first time.
    pub fn ask(&mut self, wanted: &Wanted) -> Vec<String> {
        let new: Vec<_> = wanted.accounts.difference(&self.asked_accounts).cloned().collect();
        if !new.is_empty() {
            // The whole list, as it is not known whether another connect adds to the first.
            let accounts: Vec<_> = wanted.accounts.iter().cloned().collect();
            self.asked_accounts.clone_from(&wanted.accounts);
            self.request(CONNECT, Some(Value::Accounts(accounts)));
        }
        if self.is_connected() {
            for (action, user) in &wanted.actions {
                if self.asked_actions.insert(action.clone()) {
                    self.request(action, user.clone().map(Value::User));
                }
            }
        }
        new
    }

    fn request(&mut self, action: &str, value: Option<Value>) {
        self.last_id += 1;
        self.outbox.push_back(Request { id: self.last_id, action: action.to_owned(), value });
    }

    /// Whether there is something to send, for which a token is needed.
    pub fn has_output(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// The next text frame to send, with a token that is valid now.
    pub fn next_output(&mut self, token: &Secret, now: Duration) -> Option<String> {
        let request = self.outbox.pop_front()?;
        self.remember(token);
        if self.pending.len() == MAX_PENDING {
            self.pending.pop_front();
        }
        let heartbeat = request.action == HEARTBEAT;
        self.counters.heartbeats += u64::from(heartbeat);
        self.pending.push_back(Pending {
            id: request.id,
            action: request.action.clone(),
            accounts: match &request.value {
                Some(Value::Accounts(accounts)) => accounts.clone(),
                _ => Vec::new(),
            },
            // A server that is silent is found out by its silence.
            by: (!heartbeat).then(|| now + self.settings.answer_timeout),
        });
        Some(request.frame(token))
    }

    fn remember(&mut self, token: &Secret) {
        let bare = token.expose().trim_start_matches("Bearer ");
        if self.tokens.back().is_none_or(|last| last.expose() != bare) {
            if self.tokens.len() == HIDDEN {
                self.tokens.pop_front();
            }
            self.tokens.push_back(Secret::new(bare));
        }
    }

    /// What the server says, in one line and without a token.
    fn said(&self, text: &str) -> String {
        let hidden = self
            .tokens
            .iter()
            .fold(text.to_owned(), |text, token| Secret::hide(Some(token), &text));
        one_line(&hidden)
    }

    /// Why the server closed the connection.
    pub fn closed(&self, code: Option<u16>, reason: &str) -> Loss {
        // Codes that mean too many sessions are DXLink's alone.
        Loss::closed(code, &self.said(reason), true)
    }

    /// The next thing that the owner must know.
    pub fn next_event(&mut self) -> Option<AccountSessionEvent> {
        self.events.pop_front()
    }

    /// Why the session is over, if it is.
    pub fn take_failure(&mut self) -> Option<Failure> {
        self.failure.take()
    }

    /// When [`AccountSession::tick`] must be called at the latest.
    pub fn deadline(&self) -> Duration {
        let silent = self.last_received + self.settings.silence_timeout;
        let answers = self.pending.iter().filter_map(|pending| pending.by);
        answers.chain(self.next_heartbeat).fold(silent, Duration::min)
    }

    /// Does what time demands.
    pub fn tick(&mut self, now: Duration) {
        if self.next_heartbeat.is_some_and(|at| at <= now) {
            self.next_heartbeat = Some(now + self.settings.heartbeat_interval);
            // One that waits to be sent says as much as two.
            if !self.outbox.iter().any(|request| request.action == HEARTBEAT) {
                self.request(HEARTBEAT, None);
            }
        }
        let silence = self.settings.silence_timeout;
        if self.last_received + silence <= now {
            self.fail(Failure::Loss(Loss::passing(format!(
                "the account streamer has said nothing for {} s",
                silence.as_secs_f64()
            ))));
        }
        let late = self.pending.iter().find(|pending| pending.by.is_some_and(|by| by <= now));
        if let Some(late) = late {
            let text = format!(
                "the account streamer did not answer {} within {} s",
                late.action,
                self.settings.answer_timeout.as_secs_f64()
            );
            self.fail(Failure::Loss(Loss::passing(text)));
        }
    }

    fn fail(&mut self, failure: Failure) {
        // The first is the reason for what comes after.
        self.failure.get_or_insert(failure);
    }

    /// Takes note that the server lives although it said nothing.
    pub fn receive_sign_of_life(&mut self, now: Duration) {
        self.last_received = now;
    }

    /// Takes note of a frame that is no text.
    pub fn receive_binary(&mut self, now: Duration) {
        self.last_received = now;
        self.counters.unknown += 1;
    }

    /// Takes one text frame from the server.
    pub fn receive(&mut self, frame: &str, now: Duration) {
        self.last_received = now;
        self.counters.messages += 1;
        self.counters.bytes += frame.len() as u64;
        for incoming in message::read(frame) {
            match incoming {
                Incoming::Notification(notification) => {
                    self.counters.notifications += 1;
                    if let Some(number) = notification.sequence {
                        self.counters.sequence.note(&mut self.last_sequence, number);
                    }
                    self.events.push_back(AccountSessionEvent::Notification(notification));
                }
                Incoming::Reply(reply) => self.take_reply(&reply, now),
                Incoming::Unknown => self.counters.unknown += 1,
                Incoming::Malformed => self.counters.malformed += 1,
            }
        }
    }

    fn take_reply(&mut self, reply: &Reply, now: Duration) {
        self.counters.replies += 1;
        let Some(pending) = self.matching(reply) else {
            self.counters.unmatched_replies += 1;
            if !reply.ok {
                let said = self.said(&reply.message);
                self.events.push_back(AccountSessionEvent::Complaint(format!(
                    "the account streamer refused something that was not asked: {said}"
                )));
            }
            return;
        };
        match (pending.action.as_str(), reply.ok) {
            (CONNECT, true) => self.connected(&pending, reply, now),
            (HEARTBEAT, true) => self.counters.heartbeats_answered += 1,
            (_, true) => {
                self.events.push_back(AccountSessionEvent::ConfirmedAction(pending.action));
            }
            (_, false) => self.refused(pending, &reply.message),
        }
    }

    /// The request that a reply is for: errors were seen without the number of the request that had one,
    /// and then it is the oldest of its action.
    fn matching(&mut self, reply: &Reply) -> Option<Pending> {
        let of_action =
            |pending: &Pending| reply.action.is_empty() || pending.action == reply.action;
        let by_id = reply.request_id.and_then(|id| {
            self.pending.iter().position(|pending| pending.id == id && of_action(pending))
        });
        let by_action = || {
            if reply.action.is_empty() {
                return None;
            }
            self.pending.iter().position(of_action)
        };
        let at = by_id.or_else(by_action)?;
        let found = self.pending.remove(at)?;
        if found.action == HEARTBEAT {
            // Those before it go unanswered, as others were seen to.
            self.pending.retain(|pending| pending.action != HEARTBEAT || pending.id > found.id);
        }
        Some(found)
    }

    fn connected(&mut self, pending: &Pending, reply: &Reply, now: Duration) {
        let asked = &pending.accounts;
        // A server that does not repeat the accounts means all of them.
        let named = reply.value.as_ref().unwrap_or(asked);
        let (yes, no): (Vec<_>, Vec<_>) =
            asked.iter().cloned().partition(|account| named.contains(account));
        for account in no {
            // Whoever wants it again has it asked for again.
            self.asked_accounts.remove(&account);
            self.confirmed.remove(&account);
            let error = Error::Subscription(format!(
                "the account streamer did not confirm the account {account}; \
                 check that it is one of this login's"
            ));
            self.events.push_back(AccountSessionEvent::Refused(account, error));
        }
        if self.next_heartbeat.is_none() {
            self.next_heartbeat = Some(now + self.settings.heartbeat_interval);
        }
        let new = yes.into_iter().filter(|account| self.confirmed.insert(account.clone()));
        let new: Vec<_> = new.collect();
        self.events.push_back(AccountSessionEvent::Confirmed(new));
    }

    fn refused(&mut self, pending: Pending, message: &str) {
        let said = self.said(message);
        let Pending { action, .. } = pending;
        let text = format!("the account streamer refused {action}: {said}");
        match (action.as_str(), message) {
            (CONNECT, NOT_IMPLEMENTED) => {
                self.fail(Failure::Loss(Loss::lasting(Error::Protocol(text))));
            }
            (CONNECT, _) => self.fail(Failure::ConnectRefused(text)),
            (_, CONNECT_NOT_COMPLETED) | (HEARTBEAT, NOT_IMPLEMENTED) => {
                self.fail(Failure::Loss(Loss::passing(format!(
                    "{text}; it does not know of this connection"
                ))));
            }
            (HEARTBEAT, FAILED) => self.fail(Failure::Loss(Loss::of_token(text))),
            (HEARTBEAT, _) => self.fail(Failure::Loss(Loss::passing(text))),
            _ => {
                self.asked_actions.remove(&action);
                let error = Error::Subscription(text);
                self.events.push_back(AccountSessionEvent::Refused(action, error));
            }
        }
    }
}
