//! How a streamer connects, as Python says it.

use std::time::Duration;

use dxstream::connection::{Endpoint, Limits, StreamSettings};
use dxstream::protocol::{LinkSettings, ReconnectPolicy, SessionSettings};
use dxstream::store::{Overflow, QueueSettings};
use dxstream::{Error, Secret};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::error::map_error;
use crate::event::Class;

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
    pub(super) companions: String,
}

/// The fields of `dxstream.ReconnectPolicy`.
#[derive(FromPyObject)]
pub(crate) struct Policy {
    min_delay: f64,
    max_delay: f64,
    stable_after: f64,
    max_attempts: Option<u32>,
    saturation_delay: f64,
}

impl Policy {
    /// The policy of the core.
    pub(crate) fn policy(&self) -> PyResult<ReconnectPolicy> {
        Ok(ReconnectPolicy {
            min_delay: seconds("min_delay", self.min_delay)?,
            max_delay: seconds("max_delay", self.max_delay)?,
            stable_after: seconds("stable_after", self.stable_after)?,
            max_attempts: self.max_attempts,
            saturation_delay: seconds("saturation_delay", self.saturation_delay)?,
        })
    }
}

impl Settings {
    /// The settings of the core.
    pub(super) fn stream(self) -> PyResult<StreamSettings> {
        let step_timeout = seconds("connect_timeout", self.connect_timeout)?;
        let keepalive_timeout = seconds("keepalive_timeout", self.keepalive_timeout)?;
        let session = SessionSettings {
            keepalive_timeout,
            answer_timeout: step_timeout,
            ..SessionSettings::default()
        };
        let policy = self.reconnect.policy()?;
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

/// A duration, of seconds above 0 and up to a day.
pub(crate) fn seconds(name: &str, value: f64) -> PyResult<Duration> {
    let duration = if value > 0.0 { Duration::try_from_secs_f64(value).ok() } else { None };
    duration.filter(|duration| *duration <= Duration::from_hours(24)).ok_or_else(|| {
        PyValueError::new_err(format!("{name} must be seconds above 0, and at most 86400"))
    })
}

/// A server, its token, and the authorities to trust.
pub(super) fn endpoint(
    py: Python<'_>,
    url: &str,
    token: Option<String>,
    ca_pem: Option<Vec<u8>>,
) -> PyResult<Endpoint> {
    let endpoint =
        Endpoint::new(url, token.map(Secret::new)).map_err(|error| map_error(py, &error))?;
    Ok(match ca_pem {
        Some(pem) => endpoint.with_ca_pem(pem),
        None => endpoint,
    })
}

/// A queue of every event that the class has room for; or of the last of each symbol, `interval` seconds apart at least.
pub(super) fn queue_settings(
    py: Python<'_>,
    capacity: usize,
    interval: Option<f64>,
    overflow: &str,
    class: &Class,
) -> PyResult<QueueSettings> {
    let overflow: Overflow = overflow.parse().map_err(|error: Error| map_error(py, &error))?;
    let nanos = |seconds: f64| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
    let conflation =
        interval.map(|seconds| u64::try_from(nanos(seconds).as_nanos()).unwrap_or(u64::MAX));
    Ok(QueueSettings { capacity, overflow, conflation, requirements: class.requirements() })
}
