//! How a streamer connects, as Python says it.

use std::time::Duration;

use dxstream::connection::{Limits, StreamSettings};
use dxstream::protocol::{LinkSettings, ReconnectPolicy, SessionSettings};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// The longest wait for the session to give a new endpoint.
const RENEWAL_TIMEOUT: Duration = Duration::from_secs(30);

/// The fields of `dxstream.connection.Settings`.
#[derive(FromPyObject)]
pub(crate) struct Settings {
    reconnect: Policy,
    renews: bool,
    connect_timeout: f64,
    keepalive_timeout: f64,
    pub(super) history: usize,
}

/// The fields of `dxstream.ReconnectPolicy`.
#[derive(FromPyObject)]
struct Policy {
    min_delay: f64,
    max_delay: f64,
    stable_after: f64,
    max_attempts: Option<u32>,
    saturation_delay: f64,
}

impl Settings {
    /// The settings of the core.
    pub(super) fn stream(self) -> PyResult<StreamSettings> {
        let step_timeout = seconds("connect_timeout", self.connect_timeout)?;
        let keepalive_timeout = seconds("keepalive_timeout", self.keepalive_timeout)?;
        let session = SessionSettings { keepalive_timeout, answer_timeout: step_timeout };
        let policy = ReconnectPolicy {
            min_delay: seconds("min_delay", self.reconnect.min_delay)?,
            max_delay: seconds("max_delay", self.reconnect.max_delay)?,
            stable_after: seconds("stable_after", self.reconnect.stable_after)?,
            max_attempts: self.reconnect.max_attempts,
            saturation_delay: seconds("saturation_delay", self.reconnect.saturation_delay)?,
        };
        let link = LinkSettings {
            session,
            policy,
            renews: self.renews,
            heals_first: false,
            renewal_timeout: RENEWAL_TIMEOUT,
        };
        let defaults = Limits::default();
        // A server that takes nothing for so long is as dead as one that says nothing.
        let write_timeout = defaults.write_timeout.min(keepalive_timeout);
        Ok(StreamSettings { link, limits: Limits { step_timeout, write_timeout, ..defaults } })
    }
}

fn seconds(name: &str, value: f64) -> PyResult<Duration> {
    let duration = if value > 0.0 { Duration::try_from_secs_f64(value).ok() } else { None };
    duration.filter(|duration| *duration <= Duration::from_hours(24)).ok_or_else(|| {
        PyValueError::new_err(format!("{name} must be seconds above 0, and at most 86400"))
    })
}
