//! A streamer's handle: commands go to its task, events and state come back through shared memory.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::changes::{State, StateChange};
use super::clock::{monotonic_nanos, now};
use super::command::Command;
use super::endpoint::Endpoint;
use super::io_thread::IoThread;
use super::lead;
use super::shared::{Activity, EndGuard, Shared};
use super::stream::{self, StreamSettings};
use crate::error::Result;
use crate::event::{Contract, EventKind};
use crate::loss::Loss;
use crate::protocol::{Entry, FeedKey};
use crate::store::{Store, Wake};
use crate::symbol::Tables;

/// A streamer. All methods may be called from any thread; none blocks.
///
/// Dropping the client closes its connections.
#[derive(Debug)]
pub struct Client {
    shared: Arc<Shared>,
    commands: mpsc::UnboundedSender<Command>,
    endpoints: watch::Sender<std::result::Result<Endpoint, Loss>>,
}

impl Client {
    /// Begins to connect; [`Client::state`] tells how it goes. Rings keep the last `history` events.
    ///
    /// # Errors
    /// [`crate::Error::ConnectionLost`] when the I/O thread cannot be started.
    pub fn connect(endpoint: Endpoint, settings: StreamSettings, history: usize) -> Result<Self> {
        let thread = IoThread::get()?;
        let (commands, arriving) = mpsc::unbounded_channel();
        let (endpoints, known) = watch::channel(Ok(endpoint));
        let store = Store::new(Arc::new(Tables::new()), history).with_clock(monotonic_nanos);
        let shared = Arc::new(Shared::new(store, now()));
        // Held by the task from now on, so that a task that never runs ends the streamer too.
        let guard = EndGuard(Arc::clone(&shared));
        IoThread::spawn(thread, stream::run(settings, known, arriving, guard));
        Ok(Self { shared, commands, endpoints })
    }

    /// Where the streamer stands.
    pub fn state(&self) -> State {
        self.shared.state()
    }

    /// The changes of state from number `from` on, as far as they are kept, and how many there were
    /// ever.
    pub fn changes_since(&self, from: usize) -> (Vec<StateChange>, usize) {
        self.shared.changes_since(from)
    }

    /// Lets `wake` ring once when the state changes, a gap is over or an endpoint is wanted.
    pub fn watch(&self, wake: &Arc<Wake>) {
        self.shared.watch(wake);
    }

    /// Whether a new endpoint is wanted, which [`Client::renew`] gives. Each wish is told once.
    pub fn wants_endpoint(&self) -> bool {
        self.shared.take_endpoint_wish()
    }

    /// Whether the server refused the token of the last endpoint, so that the one which is wanted needs
    /// another.
    pub fn endpoint_refused(&self) -> bool {
        self.shared.endpoint_refused()
    }

    /// Gives the endpoint for the next attempts to connect, or says why there is none.
    pub fn renew(&self, endpoint: std::result::Result<Endpoint, Loss>) {
        // A streamer that is over needs none.
        let _ = self.endpoints.send(endpoint);
        lead::take_back();
    }

    /// The events.
    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    /// What the streamer has done so far.
    pub fn activity(&self) -> Activity {
        self.shared.activity(now())
    }

    /// The last complaints of the server, oldest first.
    pub fn complaints(&self) -> Vec<String> {
        self.shared.complaints()
    }

    /// Wants `entries` of an event type: with history where `from_time` (ms since 1970 UTC) is given.
    pub fn subscribe(
        &self,
        kind: EventKind,
        entries: Vec<Entry>,
        from_time: Option<i64>,
        aggregation_period: Option<f64>,
    ) {
        let key = FeedKey::new(kind, from_time);
        self.send(Command::Subscribe { key, entries, from_time, aggregation_period });
    }

    /// Wants `entries` of an event type no longer, under one contract or under all.
    pub fn unsubscribe(&self, kind: EventKind, contract: Option<Contract>, entries: Vec<Entry>) {
        self.send(Command::Unsubscribe { kind, contract, entries });
    }

    /// Wants nothing of an event type any more.
    pub fn unsubscribe_all(&self, kind: EventKind) {
        self.send(Command::UnsubscribeAll { kind });
    }

    /// Wants the companion Trades of the Quotes of these symbols, as long as those are subscribed.
    /// Listeners do not get them, unless the user subscribes them too.
    pub fn accompany(&self, symbols: Vec<String>) {
        self.send(Command::Accompany { symbols });
    }

    /// Begins to close the connections; [`Client::state`] becomes [`State::Ended`].
    pub fn close(&self) {
        self.send(Command::Close);
    }

    pub(super) fn send(&self, command: Command) {
        // A task that has ended needs no command; its state says why it ended.
        let _ = self.commands.send(command);
        lead::take_back();
    }
}
