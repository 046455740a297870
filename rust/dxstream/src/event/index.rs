//! The packed index of time-series events.
//!
//! `index = seconds << 32 | millisecond << 22 | sequence`, so that the order of indexes is the
//! order of time. Source: dxFeed API, `TimeSeriesEvent`; it holds for Candle, Greeks, TheoPrice,
//! Underlying and TimeAndSale.

use super::EventKind;

/// The largest sequence number that an index holds.
pub const MAX_SEQUENCE: i64 = (1 << 22) - 1;

/// The index of an event at `time` (ms since 1970 UTC) with `sequence`.
pub const fn pack(time: i64, sequence: i64) -> i64 {
    (time.div_euclid(1000) << 32) | (time.rem_euclid(1000) << 22) | (sequence & MAX_SEQUENCE)
}

/// The time (ms since 1970 UTC) of an index.
pub const fn time(index: i64) -> i64 {
    (index >> 32) * 1000 + ((index >> 22) & 0x3ff)
}

/// The sequence number of an index.
pub const fn sequence(index: i64) -> i64 {
    index & MAX_SEQUENCE
}

/// Where the rows of an indexed type have their index.
#[derive(Debug, Clone, Copy)]
pub struct IndexWords {
    index: usize,
    /// Time and sequence, of which the index of a time series is made.
    packed: Option<(usize, usize)>,
}

impl IndexWords {
    /// Those of a type; nothing for one without an index.
    pub fn new(kind: EventKind) -> Option<Self> {
        let word = |name| kind.fields().iter().position(|field| field.name == name);
        let index = word("index")?;
        let packed = if kind.delivery().time_series {
            Some((word("time")?, word("sequence")?))
        } else {
            None
        };
        Some(Self { index, packed })
    }

    /// Writes the index into a row that lacks it because the server does not send it.
    pub fn complete(&self, row: &mut [u64]) {
        row[self.index] = self.of(row) as u64;
    }

    /// The index of a row. That of a time series is made where the server does not send it.
    pub fn of(&self, row: &[u64]) -> i64 {
        match (row[self.index] as i64, self.packed) {
            (0, Some((time, sequence))) => pack(row[time] as i64, row[sequence] as i64),
            (index, _) => index,
        }
    }
}
