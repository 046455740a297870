//! Connections: the I/O thread, the socket, and the loop that joins it to a protocol session.
//!
//! This module alone knows tokio, sockets and the clock. [`Client`] is a streamer's handle; its work
//! is a task on the process's one I/O thread, which knows nothing of Python, and a task for each of
//! its connections.

mod account;
mod api;
mod changes;
mod client;
mod clock;
mod coalescing;
mod command;
mod commanded;
mod companions;
mod complaints;
mod endpoint;
pub mod fork;
mod io_thread;
mod lead;
mod link;
mod rates;
mod said;
mod saturation;
mod shared;
mod stream;
#[cfg(all(test, not(dxstream_loom)))]
mod tests;
mod transport;
mod watchers;
mod watching;

pub use account::{
    AccountActivity, AccountClient, AccountMessage, AccountQueue, AccountQueueStats,
    AccountSettings, Confirmation,
};
pub use api::{Answer, Api, ApiSettings, Credentials, Reply};
pub use changes::{State, StateChange};
pub use client::Client;
pub use clock::monotonic_nanos;
pub use endpoint::Endpoint;
pub use io_thread::shut_down;
pub use lead::Lead;
pub use rates::Rates;
pub use shared::Activity;
pub use stream::StreamSettings;
pub use transport::Limits;
