//! The core of dxstream: DXLink market data from the wire to a store, without Python.
//!
//! [`event`] declares every event type and its fields once; [`symbol`] interns symbols and
//! converts between notations; [`json`] reads COMPACT and FULL feed data; [`protocol`] is the
//! DXLink state machine, bytes and time in, bytes and actions out; [`store`] keeps the latest
//! events and each listener's queue; [`book`] builds order books from rows, and [`series`] time
//! series; [`connection`] owns the I/O thread and alone knows sockets.

#![forbid(unsafe_code)]

pub mod account;
pub mod book;
pub mod connection;
mod error;
pub mod event;
pub mod json;
mod latency;
pub mod log;
mod loss;
pub mod protocol;
mod secret;
pub mod series;
pub mod store;
pub mod symbol;
mod sync;

pub use error::{Error, Result};
pub use latency::{Latency, LatencySummary};
pub use loss::{Loss, Remedy};
pub use secret::Secret;
