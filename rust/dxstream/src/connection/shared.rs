//! What a streamer's task and its handle share: the store, the state and the counts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::changes::{Changes, State, StateChange};
use super::complaints::Complaints;
use super::rates::{Flow, Rates, Recent};
use super::watchers::Watchers;
use crate::error::Error;
use crate::latency::{Latency, LatencySummary};
use crate::loss::Loss;
use crate::protocol::Counters;
use crate::store::{Store, Wake};

/// Where one link of a streamer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LinkState {
    Connecting,
    Connected,
    Reconnecting,
}

/// What the task and its handle share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) store: Store,
    status: Mutex<Status>,
}

#[derive(Debug)]
struct Status {
    links: BTreeMap<usize, Of>,
    /// Links that there were ever.
    made: usize,
    ended: Option<Error>,
    epoch: u64,
    changes: Changes,
    complaints: Complaints,
    wants_endpoint: bool,
    /// Whether the last endpoint's token was refused.
    endpoint_refused: bool,
    /// Counts of links that were closed.
    past: Counters,
    flow: Flow,
    recent: Recent,
    parsing: Latency,
    waiting: Watchers,
}

/// What is known of one link.
#[derive(Debug)]
struct Of {
    state: LinkState,
    counters: Counters,
    last_received: Duration,
    handshake: Option<Duration>,
}

/// What a streamer has done so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Activity {
    /// Counts of all its connections.
    pub counters: Counters,
    /// When a server last gave a sign of life, on the monotonic clock.
    pub last_received: Option<Duration>,
    /// How long the last handshake took, from the first packet to AUTHORIZED.
    pub handshake: Option<Duration>,
    /// How many times a connection was made again.
    pub epoch: u64,
    /// How many connections there are.
    pub links: usize,
    /// What came lately.
    pub rates: Rates,
    /// How long messages took from the read of the socket until their events were stored: a sample for
    /// each time that the socket was read, of the last message that was there.
    pub parsing: LatencySummary,
}

impl Shared {
    pub(super) fn new(store: Store, now: Duration) -> Self {
        let status = Status {
            links: BTreeMap::new(),
            made: 0,
            ended: None,
            epoch: 0,
            changes: Changes::default(),
            complaints: Complaints::default(),
            wants_endpoint: false,
            endpoint_refused: false,
            past: Counters::default(),
            flow: Flow::default(),
            recent: Recent::new(now),
            parsing: Latency::new(),
            waiting: Watchers::default(),
        };
        Self { store, status: Mutex::new(status) }
    }

    fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> State {
        self.status().state()
    }

    /// Takes note of one more link, and gives its number.
    pub(super) fn add_link(&self) -> usize {
        let mut status = self.status();
        let number = status.made;
        status.made += 1;
        let of = Of {
            state: LinkState::Connecting,
            counters: Counters::default(),
            last_received: Duration::ZERO,
            handshake: None,
        };
        status.links.insert(number, of);
        number
    }

    /// Forgets a link that was closed for want of work.
    pub(super) fn remove_link(&self, link: usize) {
        let mut status = self.status();
        if let Some(of) = status.links.remove(&link) {
            status.past = status.past + of.counters;
        }
    }

    /// Takes note that the server accepted a link's client.
    pub(super) fn accepted(&self, link: usize, again: bool, handshake: Duration, now: Duration) {
        let mut status = self.status();
        status.epoch += u64::from(again);
        let Some(of) = status.links.get_mut(&link) else { return };
        of.state = LinkState::Connected;
        of.handshake = Some(handshake);
        status.change(now, 0, None, None);
    }

    /// Takes note that a link was lost and is going to be made again.
    pub(super) fn lost(
        &self,
        link: usize,
        loss: Loss,
        attempt: u32,
        delay: Option<Duration>,
        now: Duration,
    ) {
        let mut status = self.status();
        let Some(of) = status.links.get_mut(&link) else { return };
        if of.state != LinkState::Connecting || link > 0 {
            of.state = LinkState::Reconnecting;
        }
        status.change(now, attempt, delay, Some(loss));
    }

    /// Ends the streamer, unless it has ended before.
    pub(super) fn end(&self, error: Error, now: Duration) {
        let mut status = self.status();
        if status.ended.is_none() {
            self.store.end(&error);
            status.ended = Some(error);
            status.change(now, 0, None, None);
        }
    }

    /// Takes note of what a link has counted until `now`, when it last received, and how long the
    /// messages took that it has just received.
    pub(super) fn count(
        &self,
        link: usize,
        counters: Counters,
        last_received: Option<Duration>,
        parsing: Option<Duration>,
        now: Duration,
    ) {
        let mut status = self.status();
        let Status { links, flow, recent, parsing: latency, .. } = &mut *status;
        if let Some(of) = links.get_mut(&link) {
            flow.messages += counters.messages - of.counters.messages;
            flow.bytes += counters.bytes - of.counters.bytes;
            flow.events += counters.events - of.counters.events;
            recent.note(*flow, now);
            of.counters = counters;
            of.last_received = last_received.unwrap_or(of.last_received);
        }
        if let Some(parsing) = parsing {
            latency.record(parsing);
        }
    }

    pub(super) fn complain(&self, text: String) {
        self.status().complaints.push(text);
    }

    /// Lets the handle know that a new endpoint is needed, with another token if the last was refused.
    pub(super) fn want_endpoint(&self, refused: bool) {
        let mut status = self.status();
        status.wants_endpoint = true;
        status.endpoint_refused = refused;
        status.ring();
    }

    /// Lets whoever waits know that something is new.
    pub(super) fn ring(&self) {
        self.status().ring();
    }

    pub(super) fn take_endpoint_wish(&self) -> bool {
        std::mem::take(&mut self.status().wants_endpoint)
    }

    pub(super) fn endpoint_refused(&self) -> bool {
        self.status().endpoint_refused
    }

    pub(super) fn watch(&self, wake: &Arc<Wake>) {
        self.status().waiting.add(wake);
    }

    pub(super) fn changes_since(&self, from: usize) -> (Vec<StateChange>, usize) {
        self.status().changes.since(from)
    }

    pub(super) fn activity(&self, now: Duration) -> Activity {
        let status = self.status();
        let of_links = status.links.values().map(|of| of.counters);
        Activity {
            counters: of_links.fold(status.past, |sum, counters| sum + counters),
            last_received: status
                .links
                .values()
                .map(|of| of.last_received)
                .max()
                .filter(|at| !at.is_zero()),
            handshake: status.links.values().find_map(|of| of.handshake),
            epoch: status.epoch,
            links: status.links.len(),
            rates: status.recent.rates(now),
            parsing: status.parsing.summary(),
        }
    }

    pub(super) fn complaints(&self) -> Vec<String> {
        self.status().complaints.all()
    }
}

impl Status {
    fn state(&self) -> State {
        let of = |state| self.links.values().any(|of| of.state == state);
        match &self.ended {
            Some(error) => State::Ended(error.clone()),
            None if of(LinkState::Reconnecting) => State::Reconnecting,
            None if self
                .links
                .values()
                .next()
                .is_none_or(|of| of.state == LinkState::Connecting) =>
            {
                State::Connecting
            }
            None => State::Connected,
        }
    }

    fn change(&mut self, now: Duration, attempt: u32, delay: Option<Duration>, loss: Option<Loss>) {
        let (state, epoch) = (self.state(), self.epoch);
        let at = now.as_nanos() as u64;
        self.changes.push(StateChange { at, state, epoch, attempt, delay, loss });
        self.ring();
    }

    fn ring(&mut self) {
        self.waiting.ring();
    }
}

/// Ends a streamer when its task ends in a way that nobody foresaw.
#[derive(Debug)]
pub(super) struct EndGuard(pub(super) Arc<Shared>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.0.end(
            Error::ConnectionLost(
                "the stream's task ended unexpectedly; this is a defect of dxstream".into(),
            ),
            super::clock::now(),
        );
    }
}
