//! Connections: the I/O thread, the socket, and the loop that joins it to a protocol session.
//!
//! This module alone knows tokio, sockets and the clock. [`Client`] is a streamer's handle; its work
//! is a task on the process's one I/O thread, which knows nothing of Python.

mod client;
mod endpoint;
mod io_thread;
mod stream;
mod transport;

pub use client::{Client, State};
pub use endpoint::Endpoint;
pub use io_thread::shut_down;
pub use stream::monotonic_nanos;
pub use transport::Limits;
