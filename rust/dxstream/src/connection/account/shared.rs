//! What the task of an account stream and its handle share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::super::changes::{Changes, State, StateChange};
use super::super::clock;
use super::super::complaints::Complaints;
use super::super::watchers::Watchers;
use super::listeners::{AccountMessage, AccountQueue, Listeners};
use crate::account::{ACTIONS, AccountCounters, Notification, Wanted};
use crate::error::{Error, Result};
use crate::loss::Loss;
use crate::store::Wake;

/// What became of an account or another subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Confirmation {
    /// It is to be asked for, or was asked for.
    Waiting,
    /// The server confirmed it over the connection that there is.
    Confirmed,
    /// The same of an account, and all of its snapshot was handed on.
    Hydrated,
    /// The server refused it.
    Refused(Error),
}

/// What an account stream has done so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AccountActivity {
    /// What its connections have counted.
    pub counters: AccountCounters,
    /// Snapshots that were handed on whole.
    pub snapshots: u64,
    /// Attempts to get one that failed.
    pub failed_snapshots: u64,
    /// When the server last gave a sign of life, on the monotonic clock.
    pub last_received: Option<Duration>,
    /// How many times the connection was made again.
    pub epoch: u64,
}

#[derive(Debug, Default)]
pub(super) struct AccountShared(Mutex<Status>);

#[derive(Debug, Default)]
struct Status {
    /// It was accepted over the connection that there is.
    connected: bool,
    /// It was accepted ever.
    known: bool,
    ended: Option<Error>,
    /// Of all accounts and other subscriptions that were ever wanted.
    confirmations: BTreeMap<String, Confirmation>,
    activity: AccountActivity,
    changes: Changes,
    complaints: Complaints,
    listeners: Listeners,
    waiting: Watchers,
}

impl Status {
    fn state(&self) -> State {
        match &self.ended {
            Some(error) => State::Ended(error.clone()),
            None if self.connected => State::Connected,
            None if self.known => State::Reconnecting,
            None => State::Connecting,
        }
    }

    fn change(&mut self, attempt: u32, delay: Option<Duration>, loss: Option<Loss>) {
        let (state, epoch, at) = (self.state(), self.activity.epoch, clock::monotonic_nanos());
        self.changes.push(StateChange { at, state, epoch, attempt, delay, loss });
        self.waiting.ring();
    }
}

impl AccountShared {
    fn status(&self) -> MutexGuard<'_, Status> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> State {
        self.status().state()
    }

    pub(super) fn changes_since(&self, from: usize) -> (Vec<StateChange>, usize) {
        self.status().changes.since(from)
    }

    pub(super) fn watch(&self, wake: &Arc<Wake>) {
        self.status().waiting.add(wake);
    }

    pub(super) fn confirmed(&self) -> BTreeMap<String, Confirmation> {
        self.status().confirmations.clone()
    }

    pub(super) fn activity(&self) -> AccountActivity {
        self.status().activity
    }

    pub(super) fn complaints(&self) -> Vec<String> {
        self.status().complaints.all()
    }

    pub(super) fn listen(&self, types: Option<Vec<String>>, capacity: usize) -> AccountQueue {
        self.status().listeners.listen(types, capacity)
    }

    /// Takes note that accounts are wanted.
    pub(super) fn want_accounts(&self, accounts: &[String]) -> Result<()> {
        let mut status = self.status();
        let all: BTreeSet<_> = status.accounts().chain(accounts).collect();
        Wanted::check_count(all.len())?;
        for account in accounts {
            status.want(account);
        }
        Ok(())
    }

    /// Takes note that something else is wanted.
    pub(super) fn want_action(&self, action: &str) -> Result<()> {
        let mut status = self.status();
        if status.accounts().next().is_none() {
            return Err(Error::InvalidArgument(format!(
                "subscribe an account before {action}; the server takes it after that only"
            )));
        }
        status.want(action);
        Ok(())
    }

    pub(super) fn confirm(&self, what: &str, confirmation: Confirmation) {
        let mut status = self.status();
        status.activity.snapshots += u64::from(confirmation == Confirmation::Hydrated);
        status.confirmations.insert(what.to_owned(), confirmation);
        status.waiting.ring();
    }

    pub(super) fn accepted(&self, again: bool) {
        let mut status = self.status();
        status.activity.epoch += u64::from(again);
        (status.connected, status.known) = (true, true);
        status.change(0, None, None);
    }

    pub(super) fn lost(&self, loss: Loss, attempt: u32, delay: Option<Duration>) {
        let mut status = self.status();
        status.connected = false;
        for confirmation in status.confirmations.values_mut() {
            if !matches!(confirmation, Confirmation::Refused(_)) {
                *confirmation = Confirmation::Waiting;
            }
        }
        status.change(attempt, delay, Some(loss));
    }

    pub(super) fn tell(&self, notification: Notification, received_at: u64) {
        let notification = Arc::new(notification);
        self.status().listeners.tell(&AccountMessage { notification, received_at });
    }

    pub(super) fn complain(&self, text: String) {
        self.status().complaints.push(text);
    }

    pub(super) fn snapshot_failed(&self) {
        self.status().activity.failed_snapshots += 1;
    }

    pub(super) fn count(&self, counters: AccountCounters, last_received: Option<Duration>) {
        let activity = &mut self.status().activity;
        activity.counters = counters;
        activity.last_received = last_received.or(activity.last_received);
    }

    /// Ends the stream, unless it has ended before.
    pub(super) fn end(&self, error: Error) {
        let mut status = self.status();
        if status.ended.is_none() {
            status.listeners.end(&error);
            status.ended = Some(error);
            status.change(0, None, None);
        }
    }
}

impl Status {
    fn want(&mut self, what: &str) {
        let known = self.confirmations.entry(what.to_owned()).or_insert(Confirmation::Waiting);
        if matches!(known, Confirmation::Refused(_)) {
            *known = Confirmation::Waiting;
        }
    }

    /// The accounts that are wanted: those that were not refused.
    fn accounts(&self) -> impl Iterator<Item = &String> {
        let wanted = self.confirmations.iter().filter(|(what, confirmation)| {
            let is_refused = matches!(confirmation, Confirmation::Refused(_));
            !is_refused && !ACTIONS.contains(&what.as_str())
        });
        wanted.map(|(account, _)| account)
    }
}

/// Ends a stream when its task ends in a way that nobody foresaw.
#[derive(Debug)]
pub(super) struct AccountEndGuard(pub(super) Arc<AccountShared>);

impl Drop for AccountEndGuard {
    fn drop(&mut self) {
        self.0.end(Error::ConnectionLost(
            "the account stream's task ended unexpectedly; this is a defect of dxstream".into(),
        ));
    }
}
