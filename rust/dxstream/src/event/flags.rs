//! `eventFlags` of indexed events: transaction and snapshot marks.
//!
//! Source: dxFeed API, `IndexedEvent`.

/// More events of the same transaction follow.
pub const TX_PENDING: i64 = 0x01;
/// The event with this index is gone.
pub const REMOVE_EVENT: i64 = 0x02;
/// First event of a snapshot.
pub const SNAPSHOT_BEGIN: i64 = 0x04;
/// Last event of a snapshot.
pub const SNAPSHOT_END: i64 = 0x08;
/// Last event of a snapshot that the server cut short.
pub const SNAPSHOT_SNIP: i64 = 0x10;
/// The publisher works in snapshot mode.
pub const SNAPSHOT_MODE: i64 = 0x40;
