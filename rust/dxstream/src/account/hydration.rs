//! Snapshots in front of what has come meanwhile.
//!
//! The rule: from the moment that an account is asked for until its snapshot is there, its notifications
//! are held; then the snapshot is handed on, and after it what was held, in its order. REST is asked after
//! the server has confirmed the account, so a change that the snapshot lacks is notified later, and every
//! notification is the whole object. So the last that is handed on of an object is its newest state, and
//! a snapshot never takes the place of something newer. A notification that is older than the snapshot may
//! come after it, followed by the one that the snapshot knew already.
//!
//! Nothing is held for longer than one attempt to get a snapshot lasts. When that fails, or more comes
//! meanwhile than is held, what was held is handed on and the snapshot is asked for anew.

use std::collections::BTreeMap;

use super::message::Notification;

/// Most notifications that are held for an account.
const MAX_HELD: usize = 4_096;

/// Most bytes of them.
const MAX_HELD_BYTES: usize = 16 << 20;

/// The accounts whose snapshots are under way, and what is held of them.
#[derive(Debug, Default)]
pub struct Hydration {
    accounts: BTreeMap<String, Held>,
}

#[derive(Debug, Default)]
struct Held {
    notifications: Vec<Notification>,
    bytes: usize,
}

impl Hydration {
    /// Holds what comes of an account from now on.
    pub fn begin(&mut self, account: &str) {
        self.accounts.entry(account.to_owned()).or_default();
    }

    /// Whether what comes of an account is held.
    pub fn holds(&self, account: &str) -> bool {
        self.accounts.contains_key(account)
    }

    /// Holds a notification, or gives it back where it can be handed on.
    pub fn admit(&mut self, notification: Notification) -> Option<Notification> {
        if self.accounts.is_empty() {
            return Some(notification);
        }
        let account = notification.account();
        match account.and_then(|account| self.accounts.get_mut(&account)) {
            Some(held) => {
                held.bytes += notification.data.get().len();
                held.notifications.push(notification);
                None
            }
            None => Some(notification),
        }
    }

    /// The accounts of which more has come than is held.
    pub fn overfull(&self) -> Vec<String> {
        let over = |held: &Held| held.notifications.len() > MAX_HELD || held.bytes > MAX_HELD_BYTES;
        let accounts = self.accounts.iter().filter(|(_, held)| over(held));
        accounts.map(|(account, _)| account.clone()).collect()
    }

    /// Holds nothing of an account any more; gives what was held.
    pub fn release(&mut self, account: &str) -> Vec<Notification> {
        self.accounts.remove(account).unwrap_or_default().notifications
    }

    /// Holds nothing any more; gives what was held.
    pub fn release_all(&mut self) -> Vec<Notification> {
        let held = std::mem::take(&mut self.accounts);
        held.into_values().flat_map(|held| held.notifications).collect()
    }
}
