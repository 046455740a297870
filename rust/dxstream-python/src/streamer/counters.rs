//! What a streamer has counted and measured, as Python takes it.

use std::time::Duration;

use dxstream::LatencySummary;
use dxstream::connection::{Client, monotonic_nanos};
use dxstream::event::EventKind;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The fields of `dxstream.stats.StreamerStats` that the core knows. `by_type` has for each event type
/// events, listeners, and events that wait, were conflated and were dropped; `rates` messages, bytes
/// and events a second.
pub(super) fn counters<'py>(py: Python<'py>, stream: &Client) -> PyResult<Bound<'py, PyDict>> {
    let activity = stream.activity();
    let counters = activity.counters;
    let counted = PyDict::new(py);
    counted.set_item("messages", counters.messages)?;
    counted.set_item("bytes", counters.bytes)?;
    counted.set_item("events", counters.events)?;
    counted.set_item("malformed_frames", counters.malformed_frames)?;
    counted.set_item("rejected_rows", counters.rejected_rows)?;
    counted.set_item("rejected_blocks", counters.rejected_blocks)?;
    counted.set_item("split_transactions", counters.split_transactions)?;
    counted.set_item("server_errors", counters.server_errors)?;
    counted.set_item("reconnects", activity.epoch)?;
    counted.set_item("gaps", stream.store().gaps_since(usize::MAX).1)?;
    counted.set_item("connections", activity.links)?;
    let age = |at: Duration| Duration::from_nanos(monotonic_nanos()).saturating_sub(at);
    let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
    counted.set_item("last_message_age", seconds(activity.last_received.map(age)))?;
    counted.set_item("handshake", seconds(activity.handshake))?;
    let rates = activity.rates;
    counted.set_item("rates", (rates.messages, rates.bytes, rates.events))?;
    let by_type = PyDict::new(py);
    let totals = stream.store().listener_totals();
    for (kind, (of, &events)) in EventKind::ALL.iter().zip(totals.iter().zip(&counters.by_type)) {
        if of.listeners > 0 || events > 0 {
            let record = (events, of.listeners, of.pending, of.conflated, of.dropped);
            by_type.set_item(kind.name(), record)?;
        }
    }
    counted.set_item("by_type", by_type)?;
    counted.set_item("wire_to_parse", latency(&activity.parsing))?;
    counted.set_item("parse_to_delivery", latency(&stream.store().delivery()))?;
    Ok(counted)
}

/// Count, and in seconds: sum, p50, p99, p99.9 and the longest.
fn latency(of: &LatencySummary) -> (u64, f64, f64, f64, f64, f64) {
    let [sum, p50, p99, p999, max] =
        [of.sum, of.p50, of.p99, of.p999, of.max].map(|time| time.as_secs_f64());
    (of.count, sum, p50, p99, p999, max)
}
