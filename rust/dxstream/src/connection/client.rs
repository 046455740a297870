//! A streamer's handle: commands go to its task, events and state come back through shared memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use super::endpoint::Endpoint;
use super::io_thread::IoThread;
use super::stream;
use super::transport::Limits;
use crate::error::{Error, Result};
use crate::event::EventKind;
use crate::protocol::{Counters, Entry, FeedKey, SessionSettings};
use crate::store::{Store, Wake};
use crate::symbol::Tables;

/// Most complaints of the server that are kept.
const MAX_COMPLAINTS: usize = 16;

/// Where a connection stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The handshake is under way.
    Connecting,
    /// The server accepted the client.
    Connected,
    /// The connection is over, and why. [`Error::Closed`] where its owner closed it.
    Ended(Error),
}

/// What the task and its handle share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) store: Store,
    status: Mutex<Status>,
}

#[derive(Debug)]
struct Status {
    state: State,
    counters: Counters,
    complaints: Vec<String>,
    waiting: Vec<Arc<Wake>>,
}

impl Shared {
    fn status(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves on to `state`, unless the connection has ended before.
    pub(super) fn set_state(&self, state: State) {
        let mut status = self.status();
        if matches!(status.state, State::Ended(_)) {
            return;
        }
        if let State::Ended(error) = &state {
            self.store.end(error);
        }
        status.state = state;
        for wake in status.waiting.drain(..) {
            wake.ring();
        }
    }

    pub(super) fn set_counters(&self, counters: Counters) {
        self.status().counters = counters;
    }

    pub(super) fn complain(&self, text: String) {
        let mut status = self.status();
        if status.complaints.len() == MAX_COMPLAINTS {
            status.complaints.remove(0);
        }
        status.complaints.push(text);
    }
}

/// What a handle asks of its task.
#[derive(Debug)]
pub(super) enum Command {
    Subscribe {
        key: FeedKey,
        entries: Vec<Entry>,
        from_time: Option<i64>,
        aggregation_period: Option<f64>,
    },
    Unsubscribe {
        kind: EventKind,
        entries: Vec<Entry>,
    },
    UnsubscribeAll {
        kind: EventKind,
    },
    Close,
}

/// A connection to a DXLink server. All methods may be called from any thread; none blocks.
///
/// Dropping the client closes the connection.
#[derive(Debug)]
pub struct Client {
    shared: Arc<Shared>,
    commands: mpsc::UnboundedSender<Command>,
}

impl Client {
    /// Begins to connect; [`Client::state`] tells how it goes. Rings keep the last `history` events.
    ///
    /// # Errors
    /// [`Error::ConnectionLost`] when the I/O thread cannot be started.
    pub fn connect(
        endpoint: Endpoint,
        settings: SessionSettings,
        limits: Limits,
        history: usize,
    ) -> Result<Self> {
        let thread = IoThread::get()?;
        let (commands, arriving) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            store: Store::new(Arc::new(Tables::new()), history),
            status: Mutex::new(Status {
                state: State::Connecting,
                counters: Counters::default(),
                complaints: Vec::new(),
                waiting: Vec::new(),
            }),
        });
        IoThread::spawn(
            thread,
            stream::run(endpoint, settings, limits, arriving, Arc::clone(&shared)),
        );
        Ok(Self { shared, commands })
    }

    /// Where the connection stands.
    pub fn state(&self) -> State {
        self.shared.status().state.clone()
    }

    /// Lets `wake` ring at the next change of state.
    pub fn watch_state(&self, wake: Arc<Wake>) {
        self.shared.status().waiting.push(wake);
    }

    /// The events.
    pub fn store(&self) -> &Store {
        &self.shared.store
    }

    /// What the session has counted.
    pub fn counters(&self) -> Counters {
        self.shared.status().counters
    }

    /// The last complaints of the server, oldest first.
    pub fn complaints(&self) -> Vec<String> {
        self.shared.status().complaints.clone()
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

    /// Wants `entries` of an event type no longer.
    pub fn unsubscribe(&self, kind: EventKind, entries: Vec<Entry>) {
        self.send(Command::Unsubscribe { kind, entries });
    }

    /// Wants nothing of an event type any more.
    pub fn unsubscribe_all(&self, kind: EventKind) {
        self.send(Command::UnsubscribeAll { kind });
    }

    /// Begins to close the connection; [`Client::state`] becomes [`State::Ended`].
    pub fn close(&self) {
        self.send(Command::Close);
    }

    fn send(&self, command: Command) {
        // A task that has ended needs no command; its state says why it ended.
        let _ = self.commands.send(command);
    }
}

/// Ends a connection's state when its task ends in a way that nobody foresaw.
#[derive(Debug)]
pub(super) struct EndGuard(pub(super) Arc<Shared>);

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.0.set_state(State::Ended(Error::ConnectionLost(
            "the stream's task ended unexpectedly; this is a defect of dxstream".into(),
        )));
    }
}
