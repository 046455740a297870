//! What a handle asks of a streamer's task, and that task of those of its links.

use crate::event::{Contract, EventKind};
use crate::protocol::{Displaced, Entry, FeedKey};

#[derive(Debug)]
pub(super) enum Command {
    /// Wants entries: with history where `from_time` (ms since 1970 UTC) is given.
    Subscribe {
        key: FeedKey,
        entries: Vec<Entry>,
        from_time: Option<i64>,
        aggregation_period: Option<f64>,
    },
    /// Wants what another link gave up; a time series goes on from `last`, ms since 1970 UTC.
    TakeOver {
        displaced: Displaced,
        last: Option<i64>,
    },
    /// Wants entries no longer: under one contract, or under any.
    Unsubscribe {
        kind: EventKind,
        contract: Option<Contract>,
        entries: Vec<Entry>,
    },
    /// Wants nothing of an event type any more.
    UnsubscribeAll {
        kind: EventKind,
    },
    /// Wants the companions of what is subscribed of these symbols.
    Accompany {
        symbols: Vec<String>,
    },
    Close,
    /// Stands for a defect: of the streamer's task, or of one of its links'.
    #[cfg(test)]
    Panic {
        in_link: bool,
    },
}
