//! States and gaps, as records for Python.

use dxstream::connection::{State, StateChange};
use dxstream::protocol::{Gap, TypeGap};
use dxstream::{Error, Loss};
use pyo3::prelude::*;

use crate::error::map_error;

/// When (ns, monotonic), the state, the epoch, attempts since the connection was stable, the wait before
/// the next in seconds, the close code, the reason, and what ended the streamer.
pub(crate) type StateRecord =
    (u64, &'static str, u64, u32, Option<f64>, Option<u16>, Option<String>, Option<PyErr>);

/// Epoch, from and to (ns, monotonic), close code, reason, the types, and those that are healed.
pub(super) type GapRecord =
    (u64, u64, u64, Option<u16>, String, Vec<&'static str>, Vec<&'static str>);

/// The name of a state, as Python knows it.
pub(crate) fn state_name(state: &State) -> &'static str {
    match state {
        State::Connecting => "connecting",
        State::Connected => "connected",
        State::Reconnecting => "reconnecting",
        State::Ended(Error::Closed) => "closed",
        State::Ended(_) => "failed",
    }
}

pub(crate) fn state_record(py: Python<'_>, change: &StateChange) -> StateRecord {
    let ended = match &change.state {
        State::Ended(error) => Some(map_error(py, error)),
        _ => None,
    };
    let loss = change.loss.as_ref();
    (
        change.at,
        state_name(&change.state),
        change.epoch,
        change.attempt,
        change.delay.map(|delay| delay.as_secs_f64()),
        loss.and_then(|loss| loss.code),
        loss.map(|loss| loss.error.to_string()),
        ended,
    )
}

pub(super) fn gap_record(gap: &Gap) -> GapRecord {
    let Gap { epoch, from, to, loss: Loss { error, code, .. }, types } = gap;
    let names = |healed: bool| {
        let some = types.iter().filter(move |of_type| of_type.healed || !healed);
        some.map(|of_type| of_type.kind.name()).collect()
    };
    (
        *epoch,
        from.as_nanos() as u64,
        to.as_nanos() as u64,
        *code,
        error.to_string(),
        names(false),
        names(true),
    )
}

pub(super) fn type_gap_record(gap: &TypeGap) -> GapRecord {
    let TypeGap { kind, epoch, from, to, healed, loss } = gap;
    let healed = if *healed { vec![kind.name()] } else { Vec::new() };
    (
        *epoch,
        from.as_nanos() as u64,
        to.as_nanos() as u64,
        loss.code,
        loss.error.to_string(),
        vec![kind.name()],
        healed,
    )
}
