//! One connection of a streamer: does what its [`Link`] says with sockets and the clock.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::yield_now;
use tokio::time::sleep_until;

use super::clock::{instant, now};
use super::coalescing::{self, Burst, Wanted};
use super::command::Command;
use super::commanded::Commanded;
use super::endpoint::Endpoint;
use super::lead::{self, Next};
use super::said::{self, Unreadable};
use super::saturation;
use super::shared::Shared;
use super::transport::{Limits, Received, Socket};
use crate::error::Error;
use crate::log;
use crate::loss::{Loss, Remedy};
use crate::protocol::{Displaced, Gap, Link, LinkEvent, Step};
use crate::store::{BurstWriter, StoreWriter, rung_by};

/// Messages that take longer to take in hold up the others, which is worth a warning.
const SLOW_MESSAGES: Duration = Duration::from_millis(250);

/// What a link's task tells the streamer's.
#[derive(Debug)]
pub(super) enum Report {
    /// The server has no room for these subscriptions.
    Displaced(usize, Vec<Displaced>),
    /// The link is over, and why.
    Over(usize, Error),
}

/// What leads to a server: the last endpoint, or why there is none.
pub(super) type Endpoints = watch::Receiver<Result<Endpoint, Loss>>;

/// The task of one link.
pub(super) struct LinkTask {
    pub(super) number: usize,
    pub(super) link: Link,
    pub(super) limits: Limits,
    pub(super) endpoints: Endpoints,
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    pub(super) reports: mpsc::UnboundedSender<Report>,
    pub(super) shared: Arc<Shared>,
    /// When the attempt to connect began.
    pub(super) began: Duration,
    /// How long the messages took that were just received, until the handle is told.
    pub(super) parsing: Option<Duration>,
    pub(super) unreadable: Unreadable,
    /// For the rows of messages that come together.
    pub(super) rows: Vec<u64>,
}

impl LinkTask {
    /// Runs until the link is over or closed.
    pub(super) async fn run(mut self) {
        let error = loop {
            let ended = match self.link.step() {
                Step::Over(error) => Some(error.clone()),
                Step::Wait(_) => self.wait().await,
                Step::Renew(_) => self.renew().await,
                Step::Connect | Step::Converse => self.connect().await,
            };
            if let Some(error) = ended {
                break error;
            }
        };
        // The streamer's task may be gone; then nobody asks.
        let _ = self.reports.send(Report::Over(self.number, error));
    }

    async fn wait(&mut self) -> Option<Error> {
        let deadline = self.deadline();
        tokio::select! {
            biased;
            command = self.commands.recv() => {
                if self.obey(command) {
                    return Some(Error::Closed);
                }
            }
            () = sleep_until(deadline) => self.link.tick(now()),
        }
        self.publish();
        None
    }

    async fn renew(&mut self) -> Option<Error> {
        self.endpoints.mark_unchanged();
        self.shared.want_endpoint(self.link.wants_other_token());
        loop {
            let deadline = self.deadline();
            tokio::select! {
                biased;
                command = self.commands.recv() => {
                    if self.obey(command) {
                        return Some(Error::Closed);
                    }
                }
                // The handle that gives endpoints is dropped after it has closed the streamer.
                Ok(()) = self.endpoints.changed() => {
                    let endpoint = self.endpoints.borrow_and_update().clone();
                    match endpoint {
                        Ok(endpoint) => self.link.renewed(endpoint.token()),
                        Err(loss) => self.lose(loss),
                    }
                    break;
                }
                () = sleep_until(deadline) => {
                    let now = now();
                    if matches!(self.link.step(), Step::Renew(until) if *until <= now) {
                        self.lose(Loss::passing("the session gave no new endpoint in time"));
                        break;
                    }
                    self.link.tick(now);
                    self.publish();
                }
            }
        }
        self.publish();
        None
    }

    async fn connect(&mut self) -> Option<Error> {
        let known = self.endpoints.borrow().clone();
        let endpoint = match known {
            Ok(endpoint) => endpoint,
            Err(loss) => {
                self.lose(loss);
                self.publish();
                return None;
            }
        };
        self.began = now();
        if let Some(until) = saturation::until(&endpoint.authority(), self.began) {
            let seconds = (until.saturating_sub(self.began)).as_secs_f64().ceil();
            if self.link.is_new() {
                self.lose(Loss::lasting(Error::ConnectionLost(format!(
                    "{} has too many sessions of this user; it is left alone for {seconds} s",
                    endpoint.host()
                ))));
            } else {
                tracing::info!(
                    target: log::CONNECTION,
                    "connection {}: {} has too many sessions of this user; waits {seconds} s",
                    self.number,
                    endpoint.host()
                );
                self.link.hold_back(until);
            }
            self.publish();
            return None;
        }
        tracing::info!(
            target: log::CONNECTION,
            "connection {}: connecting to {}",
            self.number,
            endpoint.authority()
        );
        let limits = self.limits.clone();
        let Some(connected) = self.obeying(Socket::connect(&endpoint, &limits)).await else {
            return Some(Error::Closed);
        };
        match connected {
            Ok(mut socket) => {
                self.link.connected(endpoint.token().cloned(), now());
                let loss = self.converse(&mut socket).await;
                if let Some(loss) = loss {
                    self.lose(loss);
                    self.publish();
                    // A server that does not answer the goodbye must not hold back the next attempt.
                    tokio::spawn(socket.close(limits.close_timeout));
                    return None;
                }
                socket.close(limits.close_timeout).await;
                Some(Error::Closed)
            }
            Err(loss) => {
                self.lose(loss);
                self.publish();
                None
            }
        }
    }

    /// Carries messages until the connection is lost; nothing where it is to be closed.
    async fn converse(&mut self, socket: &mut Socket) -> Option<Loss> {
        let mut last_read: Option<Duration> = None;
        loop {
            let frames: Vec<_> = std::iter::from_fn(|| self.link.next_output()).collect();
            if !frames.is_empty() && said::of_messages() {
                for frame in &frames {
                    said::message("sent", self.number, frame);
                }
            }
            if !frames.is_empty() {
                if let Err(loss) = self.obeying(socket.send(frames.into_iter())).await? {
                    return Some(loss);
                }
                // The commands that were obeyed meanwhile may have frames of their own.
                continue;
            }
            self.publish();
            if let Some(loss) = self.link.take_failure() {
                return Some(loss);
            }
            let deadline = self.deadline();
            tokio::select! {
                biased;
                command = self.commands.recv() => {
                    if self.obey(command) {
                        return None;
                    }
                }
                () = sleep_until(deadline) => self.link.tick(now()),
                received = socket.receive() => {
                    let (read_at, wanted) = (now(), Wanted::now());
                    let (taken, rung) =
                        rung_by(|| self.take_messages(read_at, received, socket));
                    match taken {
                        Ok(burst) => {
                            let last = last_read.replace(read_at);
                            coalescing::note(last, read_at, wanted, burst);
                            match lead::note(last, read_at, rung, burst) {
                                Next::Read => {}
                                Next::Watch => socket.watch(),
                                Next::GiveWay => yield_now().await,
                            }
                        }
                        // What the server said last tells more than how it hung up.
                        Err(loss) => return Some(self.link.take_failure().unwrap_or(loss)),
                    }
                }
            }
        }
    }

    /// Takes a message, and those that are here already.
    fn take_messages(
        &mut self,
        read_at: Duration,
        first: Result<Received, Loss>,
        socket: &mut Socket,
    ) -> Result<Burst, Loss> {
        let taken = self.take_messages_at(read_at, first, socket);
        self.parsing = Some(now().saturating_sub(read_at));
        taken
    }

    fn take_messages_at(
        &mut self,
        now: Duration,
        first: Result<Received, Loss>,
        socket: &mut Socket,
    ) -> Result<Burst, Loss> {
        let spoken_of = said::of_messages();
        let mut burst = Burst::default();
        let received_at = now.as_nanos() as u64;
        let writer = StoreWriter { store: &self.shared.store, received_at };
        let sink = &mut BurstWriter::new(writer, &mut self.rows);
        let mut ended = Ok(());
        for message in socket.with_those_here(first) {
            burst.messages += 1;
            match message {
                Ok(Received::Text(text)) => {
                    burst.bytes += text.len();
                    if spoken_of {
                        said::message("received", self.number, &text);
                    }
                    self.link.receive(&text, sink, now);
                }
                Ok(Received::Binary) => self.link.receive_binary(now),
                Ok(Received::Alive) => self.link.receive_sign_of_life(now),
                Ok(Received::Close(code, reason)) => ended = Err(self.link.closed(code, &reason)),
                Err(loss) => ended = Err(loss),
            }
            if ended.is_err() {
                break;
            }
        }
        sink.finish();
        ended.map(|()| burst)
    }

    fn deadline(&self) -> tokio::time::Instant {
        let of_store = self.shared.store.release(now().as_nanos() as u64).map(Duration::from_nanos);
        let deadline = self.link.deadline().into_iter().chain(of_store).min();
        // A link always has something to wait for; a day is a safeguard.
        instant(deadline.unwrap_or_else(|| now() + Duration::from_hours(24)))
    }

    fn lose(&mut self, loss: Loss) {
        for kind in self.link.wanted().kinds() {
            self.shared.store.interrupt(kind, self.link.wanted().symbols(kind));
        }
        let store = &self.shared.store;
        self.link.lost(loss, |kind, symbol| store.last_time(kind, symbol), now(), draw());
    }

    /// Tells the handle what has happened.
    fn publish(&mut self) {
        let now = now();
        let (counters, last_received) = (self.link.counters(), self.link.last_received());
        let parsing = self.parsing.take();
        if let Some(took) = parsing.filter(|took| *took >= SLOW_MESSAGES) {
            tracing::warn!(
                target: log::CONNECTION,
                "connection {}: messages that came together took {took:.1?} to take in",
                self.number
            );
        }
        if let Some(count) = self.unreadable.news(&counters, now) {
            tracing::warn!(
                target: log::PROTOCOL,
                "connection {}: {count} messages or rows could not be read and were skipped",
                self.number
            );
        }
        while let Some(event) = self.link.next_event() {
            match event {
                LinkEvent::Accepted { epoch } => {
                    let handshake = now.saturating_sub(self.began);
                    tracing::info!(
                        target: log::CONNECTION,
                        "connection {}: connected in {handshake:.1?}, for the {}. time",
                        self.number,
                        epoch + 1
                    );
                    self.shared.accepted(self.number, epoch > 0, handshake, now);
                }
                LinkEvent::Lost { loss, attempt, delay } => {
                    let next = delay.map_or_else(String::new, |delay| {
                        format!("; waits {delay:.1?} for attempt {}", attempt + 1)
                    });
                    tracing::warn!(
                        target: log::CONNECTION,
                        "connection {}: lost: {}{next}",
                        self.number,
                        loss.error
                    );
                    if loss.remedy == Remedy::Saturation
                        && let (Some(delay), Ok(endpoint)) = (delay, &*self.endpoints.borrow())
                    {
                        saturation::note(&endpoint.authority(), now + delay);
                    }
                    self.shared.lost(self.number, loss, attempt, delay, now);
                }
                LinkEvent::TypeGap(gap) => {
                    self.shared.store.add_type_gap(gap);
                    self.shared.ring();
                }
                LinkEvent::Gap(gap) => {
                    self.speak_of(&gap);
                    self.shared.store.add_gap(gap);
                    self.shared.ring();
                }
                LinkEvent::Complaint(text) => {
                    tracing::warn!(target: log::PROTOCOL, "connection {}: {text}", self.number);
                    self.shared.complain(text);
                }
                LinkEvent::Interrupted(kind) => {
                    self.shared.store.interrupt(kind, self.link.wanted().symbols(kind));
                }
                LinkEvent::Displaced(entries) => {
                    let _ = self.reports.send(Report::Displaced(self.number, entries));
                }
            }
        }
        // Last, so that whoever sees a count finds what belongs to it.
        self.shared.count(self.number, counters, last_received, parsing, now);
    }
}

impl Commanded for LinkTask {
    type Command = Command;

    fn commands(&mut self) -> &mut mpsc::UnboundedReceiver<Command> {
        &mut self.commands
    }

    fn obey(&mut self, command: Option<Command>) -> bool {
        let now = now();
        match command {
            Some(Command::Subscribe { key, entries, from_time, aggregation_period }) => {
                tracing::debug!(
                    target: log::CONNECTION,
                    "connection {}: subscribes {} of {}",
                    self.number,
                    entries.len(),
                    key.kind.name()
                );
                self.link.subscribe(key, entries, from_time, aggregation_period, now);
            }
            Some(Command::TakeOver { displaced, last }) => {
                tracing::debug!(
                    target: log::CONNECTION,
                    "connection {}: takes over {} of {}",
                    self.number,
                    displaced.entry.symbol,
                    displaced.key.kind.name()
                );
                self.link.take_over(displaced, last, now);
            }
            Some(Command::Unsubscribe { kind, contract, entries }) => {
                tracing::debug!(
                    target: log::CONNECTION,
                    "connection {}: unsubscribes {} of {}",
                    self.number,
                    entries.len(),
                    kind.name()
                );
                self.link.unsubscribe(kind, contract, &entries, now);
            }
            Some(Command::UnsubscribeAll { kind }) => self.link.unsubscribe_all(kind, now),
            // The streamer's task makes subscriptions of companions.
            Some(Command::Accompany { .. }) => {}
            Some(Command::Close) | None => return true,
            #[cfg(test)]
            Some(Command::Panic { .. }) => panic!("a test asked for it"),
        }
        false
    }
}

impl LinkTask {
    fn speak_of(&self, gap: &Gap) {
        let missing = gap.types.iter().filter(|of_type| !of_type.healed);
        let missing: Vec<_> = missing.map(|of_type| of_type.kind.name()).collect();
        let (link, lasted) = (self.number, gap.to.saturating_sub(gap.from));
        if missing.is_empty() {
            tracing::info!(
                target: log::CONNECTION,
                "connection {link}: a gap of {lasted:.1?} is over; nothing is missing"
            );
        } else {
            tracing::warn!(
                target: log::CONNECTION,
                "connection {link}: a gap of {lasted:.1?} is over; events may be missing of {}",
                missing.join(", ")
            );
        }
    }
}

/// A random number from 0 to 1.
pub(super) fn draw() -> f64 {
    // The standard library's hashers are keyed at random.
    RandomState::new().hash_one(0) as f64 / u64::MAX as f64
}
