//! The account stream: its handle, and its task on the I/O thread.

mod listeners;
mod shared;
mod task;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use listeners::{AccountMessage, AccountQueue, AccountQueueStats};
use shared::AccountShared;
pub use shared::{AccountActivity, Confirmation};
use task::{AccountCommand, AccountTask};
use tokio::sync::mpsc;

use super::api::Api;
use super::changes::{State, StateChange};
use super::io_thread::IoThread;
use super::transport::Limits;
use crate::account::{AccountLinkSettings, Wanted};
use crate::error::Result;
use crate::store::Wake;

/// How an account stream connects.
#[derive(Debug, Clone)]
pub struct AccountSettings {
    /// How its connection heals.
    pub link: AccountLinkSettings,
    /// How long each step of connecting may take, and how much the server may send at once.
    pub limits: Limits,
}

/// An account stream. All methods may be called from any thread; none blocks.
///
/// It connects once an account is wanted. Dropping the client closes its connection.
#[derive(Debug)]
pub struct AccountClient {
    api: Api,
    shared: Arc<AccountShared>,
    commands: mpsc::UnboundedSender<AccountCommand>,
}

impl AccountClient {
    /// A stream of the accounts of an API's user.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`] when the settings contradict each other,
    /// [`crate::Error::ConnectionLost`] when the I/O thread cannot be started.
    pub fn new(api: Api, settings: AccountSettings) -> Result<Self> {
        settings.link.session.check()?;
        let thread = IoThread::get()?;
        let (commands, arriving) = mpsc::unbounded_channel();
        let shared = Arc::new(AccountShared::default());
        let task = AccountTask::new(api.clone(), settings, arriving, Arc::clone(&shared));
        IoThread::spawn(thread, task.run());
        Ok(Self { api, shared, commands })
    }

    /// Wants accounts, by their numbers. One that was refused is asked for again.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`] when a text is no account number, or these are too many;
    /// nothing was changed then.
    pub fn subscribe_accounts(&self, accounts: Vec<String>) -> Result<()> {
        for account in &accounts {
            Wanted::check_account(account)?;
        }
        self.shared.want_accounts(&accounts)?;
        self.send(AccountCommand::Accounts(accounts));
        Ok(())
    }

    /// Wants one of [`crate::account::ACTIONS`], with the user's id where it needs that. The server takes
    /// these after an account.
    ///
    /// # Errors
    /// [`crate::Error::InvalidArgument`] when the action is not known, or no account was wanted before.
    pub fn subscribe(&self, action: String, user: Option<String>) -> Result<()> {
        Wanted::check_action(&action)?;
        self.shared.want_action(&action)?;
        self.send(AccountCommand::Action(action, user));
        Ok(())
    }

    /// Where the stream stands. It is connected when the server has confirmed an account.
    pub fn state(&self) -> State {
        self.shared.state()
    }

    /// The changes of state from number `from` on, as far as they are kept, and how many there were
    /// ever.
    pub fn changes_since(&self, from: usize) -> (Vec<StateChange>, usize) {
        self.shared.changes_since(from)
    }

    /// Lets `wake` ring once when the state changes, something is confirmed or refused, or an access token
    /// from elsewhere is wanted.
    pub fn watch(&self, wake: &Arc<Wake>) {
        self.shared.watch(wake);
        self.api.watch(wake);
    }

    /// What became of each account and other subscription.
    pub fn confirmed(&self) -> BTreeMap<String, Confirmation> {
        self.shared.confirmed()
    }

    /// A queue of what is told from now on: of some types or of all, at most `capacity` messages.
    pub fn listen(&self, types: Option<Vec<String>>, capacity: usize) -> AccountQueue {
        self.shared.listen(types, capacity)
    }

    /// What the stream has done so far.
    pub fn activity(&self) -> AccountActivity {
        self.shared.activity()
    }

    /// The last complaints of the server, oldest first.
    pub fn complaints(&self) -> Vec<String> {
        self.shared.complaints()
    }

    /// The API, of which access tokens come.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Begins to close the connection; [`AccountClient::state`] becomes [`State::Ended`].
    pub fn close(&self) {
        self.send(AccountCommand::Close);
    }

    fn send(&self, command: AccountCommand) {
        // A task that has ended needs no command; its state says why it ended.
        let _ = self.commands.send(command);
    }
}
