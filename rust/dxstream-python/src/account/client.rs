//! `AccountClient`: a connection to the account streamer.

use std::time::Duration;

use dxstream::account::{AccountLinkSettings, AccountSessionSettings};
use dxstream::connection::{self, AccountSettings, Confirmation, Limits, State};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::api::Api;
use super::queue::AccountQueue;
use crate::error::map_error;
use crate::process::Owned;
use crate::streamer::Wake;
use crate::streamer::healing::{StateRecord, state_name, state_record};
use crate::streamer::settings::{Policy, seconds};

/// The fields of `dxstream.session.AccountSettings`.
#[derive(FromPyObject)]
pub(crate) struct Settings {
    reconnect: Policy,
    connect_timeout: f64,
    heartbeat_interval: f64,
    silence_timeout: f64,
    hydrate: bool,
}

impl Settings {
    fn core(self) -> PyResult<AccountSettings> {
        let step_timeout = seconds("connect_timeout", self.connect_timeout)?;
        let session = AccountSessionSettings {
            heartbeat_interval: seconds("heartbeat_interval", self.heartbeat_interval)?,
            silence_timeout: seconds("silence_timeout", self.silence_timeout)?,
            answer_timeout: step_timeout,
        };
        let link = AccountLinkSettings {
            session,
            policy: self.reconnect.policy()?,
            heals_first: false,
            hydrates: self.hydrate,
        };
        Ok(AccountSettings { link, limits: Limits { step_timeout, ..Limits::default() } })
    }
}

/// What became of something that was wanted: its name, "waiting", "confirmed", "hydrated" or "refused", and
/// why it was refused.
type Confirmed = (String, &'static str, Option<PyErr>);

/// A stream of what happens in accounts; it connects once one is wanted.
///
/// All methods may be called from any thread and none blocks. Dropping it closes the connection.
#[pyclass(frozen, module = "dxstream._dxstream")]
pub(crate) struct AccountClient(Owned<connection::AccountClient>);

#[pymethods]
impl AccountClient {
    #[new]
    fn py_new(py: Python<'_>, api: &Api, settings: Settings) -> PyResult<Self> {
        let (api, settings) = (api.api()?.clone(), settings.core()?);
        // Detached, for a thread that forks holds the lock of the I/O thread and may have to wait for its
        // turn in Python.
        let client = py.detach(|| connection::AccountClient::new(api, settings));
        client.map(|client| Self(Owned::new(client))).map_err(|error| map_error(py, &error))
    }

    /// Wants accounts, by their numbers.
    #[pyo3(name = "subscribe_accounts")]
    fn py_subscribe_accounts(&self, py: Python<'_>, accounts: Vec<String>) -> PyResult<()> {
        let subscribed = self.0.get()?.subscribe_accounts(accounts);
        subscribed.map_err(|error| map_error(py, &error))
    }

    /// Wants another subscription, after that of an account.
    #[pyo3(name = "subscribe", signature = (action, value=None))]
    fn py_subscribe(&self, py: Python<'_>, action: String, value: Option<String>) -> PyResult<()> {
        self.0.get()?.subscribe(action, value).map_err(|error| map_error(py, &error))
    }

    /// Where the stream stands: "connecting", "connected", "reconnecting", "closed" or "failed".
    #[getter(state)]
    fn py_state(&self) -> PyResult<&'static str> {
        Ok(state_name(&self.0.get()?.state()))
    }

    /// Why the stream ended, or `None` while it has not.
    #[pyo3(name = "error")]
    fn py_error(&self, py: Python<'_>) -> PyResult<Option<PyErr>> {
        Ok(match self.0.get()?.state() {
            State::Ended(error) => Some(map_error(py, &error)),
            _ => None,
        })
    }

    /// Lets `wake` ring once when the state changes, something is confirmed or refused, or a token is
    /// wanted.
    #[pyo3(name = "watch")]
    fn py_watch(&self, wake: &Wake) -> PyResult<()> {
        self.0.get()?.watch(wake.line()?);
        Ok(())
    }

    /// The changes of state from number `start` on, and how many there were ever.
    #[pyo3(name = "changes_since")]
    fn py_changes_since(
        &self,
        py: Python<'_>,
        start: usize,
    ) -> PyResult<(Vec<StateRecord>, usize)> {
        let (changes, count) = self.0.get()?.changes_since(start);
        Ok((changes.iter().map(|change| state_record(py, change)).collect(), count))
    }

    /// What became of each account and other subscription.
    #[pyo3(name = "confirmed")]
    fn py_confirmed(&self, py: Python<'_>) -> PyResult<Vec<Confirmed>> {
        let of = |confirmation: Confirmation| match confirmation {
            Confirmation::Waiting => ("waiting", None),
            Confirmation::Confirmed => ("confirmed", None),
            Confirmation::Hydrated => ("hydrated", None),
            Confirmation::Refused(error) => ("refused", Some(map_error(py, &error))),
        };
        let all = self.0.get()?.confirmed().into_iter();
        Ok(all
            .map(|(what, confirmation)| {
                let (state, error) = of(confirmation);
                (what, state, error)
            })
            .collect())
    }

    /// A queue of what is told from now on: of some types or of all, at most `capacity` messages.
    #[pyo3(name = "listen", signature = (types=None, capacity=10_000))]
    fn py_listen(&self, types: Option<Vec<String>>, capacity: usize) -> PyResult<AccountQueue> {
        Ok(AccountQueue::new(self.0.get()?.listen(types, capacity)))
    }

    /// Whether a token of a foreign session is wanted, which `Api.set_access_token` gives. Each wish is
    /// told once.
    #[pyo3(name = "wants_token")]
    fn py_wants_token(&self) -> PyResult<bool> {
        Ok(self.0.get()?.api().wants_token())
    }

    /// What the stream has done so far, by name.
    #[pyo3(name = "counters")]
    fn py_counters<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let activity = self.0.get()?.activity();
        let counters = activity.counters;
        let counts = PyDict::new(py);
        for (name, count) in [
            ("messages", counters.messages),
            ("bytes", counters.bytes),
            ("notifications", counters.notifications),
            ("replies", counters.replies),
            ("unmatched_replies", counters.unmatched_replies),
            ("malformed", counters.malformed),
            ("unknown", counters.unknown),
            ("heartbeats", counters.heartbeats),
            ("heartbeats_answered", counters.heartbeats_answered),
            ("sequence_gaps", counters.sequence.gaps),
            ("sequence_missing", counters.sequence.missing),
            ("sequence_repeats", counters.sequence.repeats),
            ("snapshots", activity.snapshots),
            ("failed_snapshots", activity.failed_snapshots),
            ("epoch", activity.epoch),
        ] {
            counts.set_item(name, count)?;
        }
        let nanos = activity.last_received.as_ref().map(Duration::as_nanos);
        counts.set_item("last_received", nanos)?;
        Ok(counts)
    }

    /// The last complaints of the server, oldest first.
    #[pyo3(name = "complaints")]
    fn py_complaints(&self) -> PyResult<Vec<String>> {
        Ok(self.0.get()?.complaints())
    }

    /// Begins to close the connection.
    #[pyo3(name = "close")]
    fn py_close(&self) -> PyResult<()> {
        self.0.get()?.close();
        Ok(())
    }
}
