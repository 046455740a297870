//! What callers ask of a running exchange's accounts.

use std::sync::mpsc::sync_channel;

use rust_decimal::Decimal;

use crate::Exchange;
use crate::account::fault::{self, AccountFault, AccountFaultError};
use crate::account::{AccountStats, Accounts, InstrumentError};
use crate::server::Command;

/// An order that is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// The exchange has no account of this number.
    #[error("the exchange has no account {0}")]
    Account(String),
    /// The instrument is none that can be traded.
    #[error(transparent)]
    Instrument(#[from] InstrumentError),
    /// A quantity of nothing, or of too much.
    #[error("a quantity is a whole number from 1 to 1000000, negative for a sale; not {0}")]
    Quantity(i64),
    /// A price that nobody pays.
    #[error("a price must be above 0, not {0}")]
    Price(Decimal),
    /// The exchange has stopped.
    #[error("the exchange has stopped")]
    Stopped,
}

impl Exchange {
    /// Where REST is, such as `http://127.0.0.1:port`, or `https` with TLS; nothing without accounts.
    pub fn api_url(&self) -> Option<String> {
        let scheme = if self.ca_pem().is_some() { "https" } else { "http" };
        self.account_address.map(|address| format!("{scheme}://{address}"))
    }

    /// Where the account WebSocket is; nothing without accounts.
    pub fn account_url(&self) -> Option<String> {
        let scheme = if self.ca_pem().is_some() { "wss" } else { "ws" };
        self.account_address.map(|address| format!("{scheme}://{address}/"))
    }

    /// Places an order in an account, at the market or at a limit, and returns its id. A negative quantity is
    /// a sale.
    ///
    /// # Errors
    /// [`OrderError`] when it is not taken.
    pub fn place_order(
        &self,
        account: &str,
        symbol: &str,
        quantity: i64,
        limit: Option<Decimal>,
    ) -> Result<u64, OrderError> {
        let (account, symbol) = (account.to_owned(), symbol.to_owned());
        self.ask(move |accounts, now| accounts.place(now, &account, &symbol, quantity, limit))
            .unwrap_or(Err(OrderError::Stopped))
    }

    /// Sends a text as it is to every client that hears of an account, and says to how many.
    pub fn notify(&self, account: &str, text: &str) -> usize {
        let (account, text) = (account.to_owned(), text.to_owned());
        self.ask(move |accounts, _| accounts.notify(&account, &text)).unwrap_or(0)
    }

    /// Refuses every access token that was issued so far.
    pub fn expire_access_tokens(&self) {
        self.ask(|accounts, _| accounts.expire_access_tokens());
    }

    /// Closes every client of the account WebSocket; new ones may come.
    pub fn close_account_connections(&self, code: u16, reason: &str) {
        let reason = reason.to_owned();
        self.ask(move |accounts, _| accounts.close(code, &reason));
    }

    /// Replaces the faults of the account side; [`AccountStats::faults`] begins anew.
    ///
    /// # Errors
    /// [`AccountFaultError`] when a fault cannot happen; the faults are then those that they were.
    pub fn set_account_faults(&self, faults: Vec<AccountFault>) -> Result<(), AccountFaultError> {
        fault::check(&faults)?;
        self.ask(|accounts, _| accounts.set_faults(faults));
        Ok(())
    }

    /// What the account side has done so far.
    pub fn account_stats(&self) -> AccountStats {
        self.account_record.stats()
    }

    /// The last messages of the clients of the account WebSocket, oldest first.
    pub fn account_received(&self) -> Vec<String> {
        self.account_record.received()
    }

    /// Does something to the accounts on the exchange's thread; nothing where there are none.
    fn ask<T: Send + 'static>(
        &self,
        task: impl FnOnce(&mut Accounts, std::time::Duration) -> T + Send + 'static,
    ) -> Option<T> {
        self.account_address?;
        let (answer, answered) = sync_channel(1);
        self.command(Command::Accounts(Box::new(move |accounts, now| {
            // Who asked waits for it.
            let _ = answer.send(task(accounts, now));
        })));
        answered.try_recv().ok()
    }
}
