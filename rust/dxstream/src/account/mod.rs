//! The account streamer's protocol: tastytrade's server of balances, positions and orders.
//!
//! Sans-I/O as [`crate::protocol`] is: text and time in, text and events out; neither sockets nor a
//! clock. [`AccountLink`] is a connection that heals, one [`AccountSession`] after another.
//!
//! The server sends what changes, each time as the whole object, and nothing when a client connects.
//! What there is already comes from REST, and [`Hydration`] puts it in front of what has come meanwhile.

mod fetches;
mod hydration;
mod link;
mod message;
mod sequence;
mod session;
mod snapshot;
#[cfg(test)]
mod tests;
mod wanted;

pub use hydration::Hydration;
pub use link::{AccountEvent, AccountLink, AccountLinkSettings, AccountStep};
pub use message::Notification;
pub use sequence::SequenceCounts;
pub use session::{
    AccountCounters, AccountSession, AccountSessionEvent, AccountSessionSettings, Failure,
};
pub use snapshot::{SNAPSHOT_END, SnapshotPages, SnapshotPart, user_accounts};
pub use wanted::{ACTIONS, Wanted};
