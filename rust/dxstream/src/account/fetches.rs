//! Which snapshots are under way, and which are to be asked for again.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::loss::Remedy;
use crate::protocol::ReconnectPolicy;

/// The longest wait before a snapshot is asked for again, unless the server names one.
const MAX_DELAY: Duration = Duration::from_secs(30);

/// The snapshots of a connection that are not there yet, by account.
#[derive(Debug, Default)]
pub(super) struct Fetches {
    open: BTreeMap<String, Fetch>,
    /// The number of the last attempt of any connection.
    last: u64,
}

#[derive(Debug, Default)]
struct Fetch {
    /// Tells its answer from those of attempts before.
    number: u64,
    failures: u32,
    /// When it is to be tried again; nothing while an attempt is under way.
    again_at: Option<Duration>,
}

impl Fetches {
    /// Begins an attempt; gives its number.
    pub(super) fn begin(&mut self, account: &str) -> u64 {
        self.last += 1;
        let fetch = self.open.entry(account.to_owned()).or_default();
        (fetch.number, fetch.again_at) = (self.last, None);
        self.last
    }

    /// Whether the attempt of this number is the one that is under way.
    pub(super) fn is_current(&self, account: &str, number: u64) -> bool {
        let current = |fetch: &Fetch| fetch.number == number && fetch.again_at.is_none();
        self.open.get(account).is_some_and(current)
    }

    /// Takes note that a snapshot is there, or is no longer wanted.
    pub(super) fn end(&mut self, account: &str) {
        self.open.remove(account);
    }

    /// Takes note that an attempt failed; the next comes once its time has, if there is one.
    pub(super) fn fail(&mut self, account: &str, remedy: Remedy, now: Duration) {
        let Some(fetch) = self.open.get_mut(account) else { return };
        let delay = Duration::from_secs(1).saturating_mul(2_u32.saturating_pow(fetch.failures));
        let delay = delay.min(MAX_DELAY);
        fetch.failures = fetch.failures.saturating_add(1);
        match remedy {
            Remedy::None => self.end(account),
            Remedy::After(least) => {
                let least = least.min(ReconnectPolicy::MAX_RETRY_AFTER);
                fetch.again_at = Some(now + least.max(delay));
            }
            _ => fetch.again_at = Some(now + delay),
        }
    }

    /// When the next attempt is due.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.open.values().filter_map(|fetch| fetch.again_at).min()
    }

    /// The accounts whose next attempt is due.
    pub(super) fn due(&self, now: Duration) -> Vec<String> {
        let due = |fetch: &Fetch| fetch.again_at.is_some_and(|at| at <= now);
        let due = self.open.iter().filter(|(_, fetch)| due(fetch));
        due.map(|(account, _)| account.clone()).collect()
    }

    /// Forgets all of them, as a connection is gone.
    pub(super) fn clear(&mut self) {
        self.open.clear();
    }
}
