//! The packed index of time-series events.
//!
//! `index = seconds << 32 | millisecond << 22 | sequence`, so that the order of indexes is the
//! order of time. Source: dxFeed API, `TimeSeriesEvent`; it holds for Candle, Greeks, TheoPrice,
//! Underlying and TimeAndSale.

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
