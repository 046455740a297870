//! A streamer's connection, queues and wake-up lines, as Python objects.

#[allow(unsafe_code, reason = "PyO3 has no way to fill the slot am_send")]
mod awaitable;
mod batch;
mod bell;
mod client;
mod columns;
mod counters;
pub(crate) mod healing;
mod iteration;
mod lead;
mod origin;
mod queue;
mod series;
pub(crate) mod settings;
mod symbols;
mod wake;

use std::time::Duration;

use pyo3::prelude::*;

pub(crate) use batch::Batch;
pub(crate) use bell::Bell;
pub(crate) use client::Client;
pub(crate) use columns::Fields;
pub(crate) use iteration::Iteration;
pub(crate) use lead::Lead;
pub(crate) use origin::Origin;
pub(crate) use queue::Queue;
pub(crate) use series::TimeSeries;
pub(crate) use symbols::{Symbols, event_class};
pub(crate) use wake::Wake;

/// Waits until the I/O thread has ended, at most `timeout` seconds; says whether it has.
///
/// Clients must have been closed or dropped before.
#[pyfunction(name = "shut_down")]
pub(crate) fn shut_down(py: Python<'_>, timeout: f64) -> bool {
    let limit = Duration::try_from_secs_f64(timeout.max(0.0)).unwrap_or(Duration::MAX);
    py.detach(|| dxstream::connection::shut_down(limit))
}
