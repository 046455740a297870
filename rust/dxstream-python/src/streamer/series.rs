//! `TimeSeries`: a time series that follows its symbol.

use std::sync::{Arc, Mutex, MutexGuard};

use dxstream::connection::monotonic_nanos;
use dxstream::series::Series;
use dxstream::store::{Arm, Consumer};
use pyo3::prelude::*;
use pyo3::sync::MutexExt;

use super::batch::Batch;
use super::queue::Told;
use super::wake::Wake;
use crate::process::Owned;
use crate::strings::Strings;

/// Rows that may wait until the series is complete: as many as one part of a snapshot has, twice.
pub(super) const LOADING_ROOM: usize = 1 << 21;

/// Rows that may wait afterwards, beside twice as many as the series holds: a snapshot finds room.
const ROOM: usize = 1 << 17;

/// The rows of one symbol in the order of their index. It may be used from any thread.
#[pyclass(frozen, module = "dxstream._dxstream")]
pub(crate) struct TimeSeries {
    state: Owned<Mutex<Followed>>,
    strings: Arc<Strings>,
    told: Told,
}

/// A series and the queue from which it is brought up to date.
struct Followed {
    series: Series,
    consumer: Consumer,
    closed: bool,
}

impl TimeSeries {
    pub(super) fn new(
        series: Series,
        consumer: Consumer,
        strings: Arc<Strings>,
        told: Told,
    ) -> Self {
        let state = Owned::new(Mutex::new(Followed { series, consumer, closed: false }));
        Self { state, strings, told }
    }

    fn state(&self, py: Python<'_>) -> PyResult<MutexGuard<'_, Followed>> {
        Ok(match self.state.get()?.lock_py_attached(py) {
            Ok(state) => state,
            Err(poisoned) => poisoned.into_inner(),
        })
    }
}

#[pymethods]
impl TimeSeries {
    /// Applies what waits, and tells the epoch: a number that grows with each change.
    #[pyo3(name = "update")]
    fn py_update(&self, py: Python<'_>) -> PyResult<u64> {
        let mut state = self.state(py)?;
        let Followed { series, consumer, closed } = &mut *state;
        // Groups of rows come at once, so that an empty queue is at the end of one.
        while let Some((row, received_at)) = consumer.next_row(monotonic_nanos()) {
            series.apply(row, received_at);
        }
        if series.is_complete() && !*closed {
            consumer.set_capacity(2 * (series.len() + series.poison()) + ROOM);
        }
        Ok(series.epoch())
    }

    /// Asks `wake` to ring once when there is something to apply; says whether to wait for that.
    #[pyo3(name = "arm")]
    fn py_arm(&self, py: Python<'_>, wake: &Wake) -> PyResult<bool> {
        Ok(matches!(self.state(py)?.consumer.arm(wake.line()?, 1), Arm::Waiting))
    }

    /// Raises why there will be nothing more to apply, where that is so.
    #[pyo3(name = "check")]
    fn py_check(&self, py: Python<'_>) -> PyResult<()> {
        let ended = self.state(py)?.consumer.ended();
        ended.map_or(Ok(()), |error| Err(self.told.tell(py, &error)))
    }

    /// Whether the snapshot has come that the series waits for.
    #[getter(complete)]
    fn py_complete(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.state(py)?.series.is_complete())
    }

    /// How many rows are missing because there was no room for them.
    #[getter(missing)]
    fn py_missing(&self, py: Python<'_>) -> PyResult<u64> {
        let state = self.state(py)?;
        Ok(state.consumer.stats().dropped + state.series.refused())
    }

    /// The rows, and of the same moment: the epoch, how many indexes are poison, and whether the server
    /// cut the snapshot short.
    #[pyo3(name = "rows")]
    fn py_rows(&self, py: Python<'_>) -> PyResult<(Batch, u64, usize, bool)> {
        let state = self.state(py)?;
        let series = &state.series;
        let mut batch = Batch::new(series.kind(), Arc::clone(&self.strings));
        for (row, received_at) in series.rows() {
            batch.push(row, received_at);
        }
        Ok((batch, series.epoch(), series.poison(), series.is_snipped()))
    }

    /// How many rows are held, and bytes of one.
    #[pyo3(name = "memory")]
    fn py_memory(&self, py: Python<'_>) -> PyResult<(usize, usize)> {
        let series = &self.state(py)?.series;
        Ok((series.len() + series.poison(), Series::row_bytes(series.kind())))
    }

    /// Keeps nothing that comes from now on.
    #[pyo3(name = "close")]
    fn py_close(&self, py: Python<'_>) -> PyResult<()> {
        let mut state = self.state(py)?;
        state.closed = true;
        state.consumer.set_capacity(0);
        Ok(())
    }
}
