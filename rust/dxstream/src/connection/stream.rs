//! A streamer's task: connect, converse, close.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::client::{Command, EndGuard, Shared, State};
use super::endpoint::Endpoint;
use super::transport::{Limits, Received, Socket};
use crate::error::Error;
use crate::protocol::{Session, SessionEvent, SessionSettings, Subscriptions};
use crate::store::StoreWriter;

/// Messages that are read before commands and deadlines are looked at again.
const MESSAGES_AT_ONCE: usize = 64;

/// Runs a streamer until it is closed or fails.
///
/// One connection is made here. Reconnecting is a loop around [`Conversation`]: `wanted` outlives it.
pub(super) async fn run(
    endpoint: Endpoint,
    settings: SessionSettings,
    limits: Limits,
    mut commands: mpsc::UnboundedReceiver<Command>,
    shared: Arc<Shared>,
) {
    let guard = EndGuard(Arc::clone(&shared));
    let mut wanted = Subscriptions::default();
    let connected = {
        let mut connecting = pin!(Socket::connect(&endpoint, &limits));
        loop {
            tokio::select! {
                biased;
                command = commands.recv() => {
                    if apply(command, &mut wanted).closes {
                        break Err(Error::Closed);
                    }
                }
                connected = &mut connecting => break connected,
            }
        }
    };
    let error = match connected {
        Ok(socket) => {
            let start = Instant::now();
            let session = Session::new(
                settings,
                endpoint.token().cloned(),
                Arc::clone(shared.store.tables()),
                Duration::ZERO,
            );
            let mut conversation =
                Conversation { socket, session, start, shared: &shared, wanted: &mut wanted };
            let error = conversation.hold(&mut commands).await;
            conversation.socket.close(limits.close_timeout).await;
            error
        }
        Err(error) => error,
    };
    shared.set_state(State::Ended(error));
    drop(guard);
}

/// One connection, from the open socket to its end.
struct Conversation<'a> {
    socket: Socket,
    session: Session,
    start: Instant,
    shared: &'a Shared,
    wanted: &'a mut Subscriptions,
}

impl Conversation<'_> {
    /// Converses until the connection ends; says why it did.
    async fn hold(&mut self, commands: &mut mpsc::UnboundedReceiver<Command>) -> Error {
        loop {
            if let Err(error) = self.send_output().await {
                return error;
            }
            self.shared.set_counters(self.session.counters());
            if let Some(error) = self.take_events() {
                return error;
            }
            let mut deadline = self.start + self.session.deadline(self.wanted);
            let clock = monotonic_nanos();
            if let Some(due) = self.shared.store.release(clock) {
                let wait = Duration::from_nanos(due.saturating_sub(clock));
                deadline = deadline.min(Instant::now() + wait);
            }
            tokio::select! {
                biased;
                command = commands.recv() => {
                    let applied = apply(command, self.wanted);
                    if applied.closes {
                        return Error::Closed;
                    }
                    for (kind, symbol) in applied.gone {
                        self.session.forget_symbol(kind, &symbol);
                    }
                    let now = self.now();
                    self.session.send_changes(self.wanted, now);
                }
                () = sleep_until(deadline) => {
                    let now = self.now();
                    self.session.tick(self.wanted, now);
                }
                received = self.socket.receive() => {
                    if let Err(ended) = self.take_messages(received) {
                        // What the server said last tells more than how it hung up.
                        return self.take_events().unwrap_or(ended);
                    }
                }
            }
        }
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    async fn send_output(&mut self) -> Result<(), Error> {
        let Some(first) = self.session.next_output() else { return Ok(()) };
        let session = &mut self.session;
        let frames = std::iter::once(first).chain(std::iter::from_fn(|| session.next_output()));
        self.socket.send(frames).await
    }

    /// Takes a message, and those that are here already.
    fn take_messages(&mut self, first: Result<Received, Error>) -> Result<(), Error> {
        let now = self.now();
        let received_at = monotonic_nanos();
        let mut next = first;
        for left in (0..MESSAGES_AT_ONCE).rev() {
            match next? {
                Received::Text(text) => {
                    let sink = &mut StoreWriter { store: &self.shared.store, received_at };
                    self.session.receive(&text, self.wanted, sink, now);
                }
                Received::Binary => self.session.receive_binary(now),
                Received::Alive => self.session.receive_sign_of_life(now),
            }
            if left == 0 {
                break;
            }
            let Some(received) = self.socket.receive_now() else { break };
            next = received;
        }
        Ok(())
    }

    fn take_events(&mut self) -> Option<Error> {
        while let Some(event) = self.session.next_event() {
            match event {
                SessionEvent::Authorized => self.shared.set_state(State::Connected),
                SessionEvent::Complaint(text) => self.shared.complain(text),
                SessionEvent::Failed(error) => return Some(error),
            }
        }
        None
    }
}

/// The system's monotonic clock, in nanoseconds; times of arrival are by it.
pub fn monotonic_nanos() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// What a command meant besides its effect on the subscriptions.
#[derive(Default)]
struct Applied {
    closes: bool,
    gone: Vec<(crate::event::EventKind, String)>,
}

/// Carries out a command; none left means that the handle is gone.
fn apply(command: Option<Command>, wanted: &mut Subscriptions) -> Applied {
    match command {
        Some(Command::Subscribe { key, entries, from_time, aggregation_period }) => {
            wanted.add(key, entries, from_time, aggregation_period);
            Applied::default()
        }
        Some(Command::Unsubscribe { kind, entries }) => {
            wanted.remove(kind, &entries);
            let gone = entries.into_iter().map(|entry| (kind, entry.symbol)).collect();
            Applied { gone, closes: false }
        }
        Some(Command::UnsubscribeAll { kind }) => {
            wanted.remove_all(kind);
            Applied::default()
        }
        Some(Command::Close) | None => Applied { closes: true, gone: Vec::new() },
    }
}
