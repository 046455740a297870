//! DXLink, sans-I/O: text frames and time in, text frames and actions out.
//!
//! [`Session`] is one connection's conversation. It knows neither sockets nor a clock: the caller
//! hands it what arrived and the time since some fixed start, and asks it what to send and when to
//! call again. [`Subscriptions`] is what the user wants; it outlives a session, so that the next
//! connection can ask for all of it again.

mod channel;
mod message;
mod session;
mod subscription;
mod transaction;

pub use session::{Counters, EventSink, Session, SessionEvent, SessionSettings};
pub use subscription::{Entry, FeedKey, Subscriptions};
