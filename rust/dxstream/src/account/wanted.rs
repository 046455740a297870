//! What is wanted of the account streamer.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};

/// What can be subscribed besides accounts.
pub const ACTIONS: [&str; 3] =
    ["public-watchlists-subscribe", "quote-alerts-subscribe", "user-message-subscribe"];

/// The accounts and other subscriptions that are wanted; they outlive connections.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub(super) accounts: BTreeSet<String>,
    /// With the user's id, for the one that needs it.
    pub(super) actions: BTreeMap<String, Option<String>>,
}

impl Wanted {
    /// Most accounts of a connection; a bound, not the server's.
    pub const MAX_ACCOUNTS: usize = 1_000;

    /// Whether a text can be an account number, which becomes part of a URL's path.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when it cannot.
    pub fn check_account(account: &str) -> Result<()> {
        let fits = (1..=32).contains(&account.len())
            && account.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if fits {
            return Ok(());
        }
        Err(Error::InvalidArgument(format!(
            "{account:?} is not an account number; it has letters and digits, as 5WT00000"
        )))
    }

    /// Whether a subscription besides accounts is known.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when it is not.
    pub fn check_action(action: &str) -> Result<()> {
        if ACTIONS.contains(&action) {
            return Ok(());
        }
        Err(Error::InvalidArgument(format!(
            "{action:?} is not known; choose one of {}",
            ACTIONS.join(", ")
        )))
    }

    /// Whether so many accounts can be wanted at once.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] when they are too many.
    pub fn check_count(accounts: usize) -> Result<()> {
        let most = Self::MAX_ACCOUNTS;
        if accounts <= most {
            return Ok(());
        }
        Err(Error::InvalidArgument(format!("at most {most} accounts can be subscribed")))
    }
}
