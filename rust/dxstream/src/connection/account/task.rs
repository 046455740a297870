//! The task of an account stream: does what its [`AccountLink`] says with sockets, REST and the clock.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Fuse, FusedFuture};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use super::super::api::Api;
use super::super::clock::{instant, monotonic_nanos, now};
use super::super::commanded::Commanded;
use super::super::link::draw;
use super::super::transport::{Limits, Received, Socket};
use super::AccountSettings;
use super::shared::{AccountEndGuard, AccountShared, Confirmation};
use crate::account::{
    AccountEvent, AccountLink, AccountStep, Failure, Notification, SnapshotPages, SnapshotPart,
    user_accounts,
};
use crate::error::Error;
use crate::log;
use crate::loss::Loss;
use crate::secret::Secret;

/// Most snapshots that are fetched at once.
const FETCHES_AT_ONCE: usize = 4;

/// What a handle tells its task.
#[derive(Debug)]
pub(super) enum AccountCommand {
    Accounts(Vec<String>),
    Action(String, Option<String>),
    Close,
}

/// A snapshot that was fetched: of which account, by which number, and what came of it.
type Fetched = (String, u64, Result<Vec<Notification>, Loss>);

/// The task of an account stream.
pub(super) struct AccountTask {
    api: Api,
    link: AccountLink,
    limits: Limits,
    commands: mpsc::UnboundedReceiver<AccountCommand>,
    fetches: JoinSet<Fetched>,
    turns: Arc<Semaphore>,
    /// The token of the last message or attempt.
    used: Option<Secret>,
    shared: Arc<AccountShared>,
    _guard: AccountEndGuard,
}

impl AccountTask {
    pub(super) fn new(
        api: Api,
        settings: AccountSettings,
        commands: mpsc::UnboundedReceiver<AccountCommand>,
        shared: Arc<AccountShared>,
    ) -> Self {
        // Held from now on, so that a task that never runs ends the stream too.
        let guard = AccountEndGuard(Arc::clone(&shared));
        Self {
            api,
            link: AccountLink::new(settings.link),
            limits: settings.limits,
            commands,
            fetches: JoinSet::new(),
            turns: Arc::new(Semaphore::new(FETCHES_AT_ONCE)),
            used: None,
            shared,
            _guard: guard,
        }
    }

    /// Runs until the stream is over or closed.
    pub(super) async fn run(mut self) {
        let error = loop {
            let ended = match self.link.step() {
                AccountStep::Over(error) => Some(error.clone()),
                AccountStep::Idle | AccountStep::Wait(_) => self.wait().await,
                AccountStep::Check => self.check().await,
                AccountStep::Connect | AccountStep::Converse => self.connect().await,
            };
            self.publish();
            if let Some(error) = ended {
                break error;
            }
        };
        match &error {
            Error::Closed => tracing::info!(target: log::CONNECTION, "account stream: closed"),
            error => tracing::error!(target: log::CONNECTION, "account stream: over: {error}"),
        }
        self.shared.end(error);
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
        None
    }

    /// Asks which accounts the user has.
    async fn check(&mut self) -> Option<Error> {
        let api = self.api.clone();
        let asked = async {
            let list = api.get_path("/customers/me/accounts", &[]).await?;
            user_accounts(&list).map_err(Loss::lasting)
        };
        let Some(known) = self.obeying(asked).await else { return Some(Error::Closed) };
        self.link.checked(known.as_ref().map_err(Clone::clone), now(), draw());
        None
    }

    async fn connect(&mut self) -> Option<Error> {
        let (api, limits) = (self.api.clone(), self.limits.clone());
        let rejected = self.used.clone().filter(|_| self.link.wants_other_token());
        let token = self.obeying(api.token(rejected.as_ref())).await;
        match token {
            Some(Ok(token)) => self.used = Some(token),
            Some(Err(loss)) => {
                self.lose(Failure::Loss(loss));
                return None;
            }
            None => return Some(Error::Closed),
        }
        let endpoint = api.account_endpoint();
        tracing::info!(
            target: log::CONNECTION,
            "account stream: connecting to {}",
            endpoint.authority()
        );
        let Some(connected) = self.obeying(Socket::connect(endpoint, &limits)).await else {
            return Some(Error::Closed);
        };
        let mut socket = match connected {
            Ok(socket) => socket,
            Err(loss) => {
                self.lose(Failure::Loss(loss));
                return None;
            }
        };
        self.link.connected(now());
        let failure = self.converse(&mut socket).await;
        let Some(failure) = failure else {
            socket.close(limits.close_timeout).await;
            return Some(Error::Closed);
        };
        self.lose(failure);
        // A server that does not answer the goodbye must not hold back the next attempt.
        tokio::spawn(socket.close(limits.close_timeout));
        None
    }

    fn lose(&mut self, failure: Failure) {
        // What is fetched for a connection that is gone is asked for anew by the next.
        self.fetches = JoinSet::new();
        self.link.failed(failure, now(), draw());
    }

    /// Carries messages until the connection is lost; nothing where it is to be closed.
    async fn converse(&mut self, socket: &mut Socket) -> Option<Failure> {
        let api = self.api.clone();
        // Every message has a token that is valid when it is sent. A server that makes one slowly does not
        // keep what is told meanwhile from being read.
        let mut token = pin!(Fuse::terminated());
        loop {
            self.publish();
            if let Some(failure) = self.link.take_failure() {
                return Some(failure);
            }
            if *self.link.step() != AccountStep::Converse {
                // Nothing is wanted any more; the step says what follows.
                return Some(Failure::Over);
            }
            if self.link.has_output() && token.is_terminated() {
                token.set(api.token(None).fuse());
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
                token = &mut token => {
                    let sent = match token {
                        Ok(token) => self.send(socket, token).await?,
                        Err(loss) => Err(loss),
                    };
                    if let Err(loss) = sent {
                        return Some(Failure::Loss(loss));
                    }
                }
                received = socket.receive() => {
                    if let Err(loss) = self.take_messages(received, socket) {
                        self.publish();
                        // What the server said last tells more than how it hung up.
                        return Some(self.link.take_failure().unwrap_or(Failure::Loss(loss)));
                    }
                }
                Some(fetched) = self.fetches.join_next(), if !self.fetches.is_empty() => {
                    match fetched {
                        Ok(fetched) => self.take_snapshot(fetched),
                        Err(panicked) => {
                            let text = format!(
                                "the request for a snapshot ended unexpectedly; this is a defect of \
                                 dxstream: {panicked}"
                            );
                            let loss = Loss::lasting(Error::ConnectionLost(text));
                            return Some(Failure::Loss(loss));
                        }
                    }
                }
            }
        }
    }

    /// Sends all that waits, with a token that is valid now; nothing where the stream is to be closed.
    async fn send(&mut self, socket: &mut Socket, token: Secret) -> Option<Result<(), Loss>> {
        let frames = std::iter::from_fn(|| self.link.next_output(&token, now()));
        let frames: Vec<_> = frames.collect();
        self.used = Some(token);
        self.obeying(socket.send(frames.into_iter())).await
    }

    fn take_snapshot(&mut self, (account, number, snapshot): Fetched) {
        match snapshot {
            Ok(snapshot) => self.link.hydrated(&account, number, snapshot),
            Err(loss) => {
                self.shared.snapshot_failed();
                self.link.not_hydrated(&account, number, &loss, now());
            }
        }
    }

    /// Takes a message, and those that are here already.
    fn take_messages(
        &mut self,
        first: Result<Received, Loss>,
        socket: &mut Socket,
    ) -> Result<(), Loss> {
        for message in socket.with_those_here(first) {
            match message? {
                Received::Text(text) => self.link.receive(&text, now()),
                Received::Binary => self.link.receive_binary(now()),
                Received::Alive => self.link.receive_sign_of_life(now()),
                Received::Close(code, reason) => return Err(self.link.closed(code, &reason)),
            }
        }
        Ok(())
    }

    fn deadline(&self) -> tokio::time::Instant {
        // An idle link has nothing to wait for but commands.
        instant(self.link.deadline().unwrap_or_else(|| now() + Duration::from_hours(24)))
    }

    /// Tells the handle what has happened.
    fn publish(&mut self) {
        // First, so that whoever sees a message finds it counted.
        self.shared.count(self.link.counters(), self.link.last_received());
        while let Some(event) = self.link.next_event() {
            match event {
                AccountEvent::Accepted { epoch } => {
                    tracing::info!(
                        target: log::CONNECTION,
                        "account stream: connected, for the {}. time",
                        epoch + 1
                    );
                    self.shared.accepted(epoch > 0);
                }
                AccountEvent::Confirmed(what) => {
                    self.shared.confirm(&what, Confirmation::Confirmed);
                }
                AccountEvent::Hydrated(account) => {
                    self.shared.confirm(&account, Confirmation::Hydrated);
                }
                AccountEvent::Refused(what, error) => {
                    tracing::warn!(target: log::CONNECTION, "account stream: a refusal: {error}");
                    self.shared.confirm(&what, Confirmation::Refused(error));
                }
                AccountEvent::Hydrate(account, number) => {
                    let turns = Arc::clone(&self.turns);
                    self.fetches.spawn(fetch(self.api.clone(), account, number, turns));
                }
                AccountEvent::Notification(notification) => {
                    self.shared.tell(notification, monotonic_nanos());
                }
                AccountEvent::Lost { loss, attempt, delay } => {
                    let next = delay.map_or_else(String::new, |delay| {
                        format!("; waits {delay:.1?} for attempt {}", attempt + 1)
                    });
                    tracing::warn!(
                        target: log::CONNECTION,
                        "account stream: lost: {}{next}",
                        loss.error
                    );
                    self.shared.lost(loss, attempt, delay);
                }
                AccountEvent::Complaint(text) => {
                    tracing::warn!(target: log::PROTOCOL, "account stream: {text}");
                    self.shared.complain(text);
                }
            }
        }
    }
}

impl Commanded for AccountTask {
    type Command = AccountCommand;

    fn commands(&mut self) -> &mut mpsc::UnboundedReceiver<AccountCommand> {
        &mut self.commands
    }

    fn obey(&mut self, command: Option<AccountCommand>) -> bool {
        match command {
            Some(AccountCommand::Accounts(accounts)) => self.link.subscribe_accounts(accounts),
            Some(AccountCommand::Action(action, user)) => self.link.subscribe(action, user),
            Some(AccountCommand::Close) | None => return true,
        }
        false
    }
}

/// Fetches an account's snapshot.
async fn fetch(api: Api, account: String, number: u64, turns: Arc<Semaphore>) -> Fetched {
    // It is never closed.
    let _turn = turns.acquire().await;
    let part = |part| fetch_part(&api, &account, part);
    let [balance, positions, orders] = SnapshotPart::ALL;
    let all = tokio::try_join!(part(balance), part(positions), part(orders));
    let snapshot = all.map(|(balance, positions, orders)| {
        balance.into_iter().chain(positions).chain(orders).collect()
    });
    (account, number, snapshot)
}

async fn fetch_part(
    api: &Api,
    account: &str,
    part: SnapshotPart,
) -> Result<Vec<Notification>, Loss> {
    let path = part.path(account);
    let mut pages = SnapshotPages::new(part);
    loop {
        let query = pages.query();
        let page = api.get_path(&path, query.as_slice()).await?;
        if pages.take(&page)? {
            return Ok(pages.into_notifications());
        }
    }
}
