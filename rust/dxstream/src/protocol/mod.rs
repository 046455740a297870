//! DXLink, sans-I/O: text frames and time in, text frames and actions out.
//!
//! [`Session`] is one connection's conversation. It knows neither sockets nor a clock: the caller
//! hands it what arrived and the time since some fixed start, and asks it what to send and when to
//! call again. [`Link`] is what heals: one session after another, when to connect again, and what was
//! missed. [`Subscriptions`] is what the user wants; it outlives a session, so that the next
//! connection can ask for all of it again.

mod backoff;
mod channel;
mod feed;
mod gap;
mod link;
mod message;
mod pace;
#[cfg(test)]
pub(crate) mod replay;
mod session;
mod subscription;
mod transaction;

pub(crate) use backoff::Backoff;
pub use backoff::ReconnectPolicy;
pub use gap::{Cause, Gap, Interruption, TypeGap};
pub use link::{Link, LinkEvent, LinkSettings, Step};
pub use session::{Counters, EventSink, Session, SessionEvent, SessionSettings};
pub use subscription::{Displaced, Entry, FeedKey, Subscriptions};
pub use transaction::SnapshotMark;
